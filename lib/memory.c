/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>

#include "lib/page_pool.h"

struct homi_memory {
    struct homi_lease *lease;
    struct homi_memory *next;
    struct region *region;
    struct pages table; /* the region's PRP table */
    struct homi_region_map map;
};

static int prebuild_table(struct homi_memory *memory)
{
    uint32_t page_bytes = lease_page_bytes(memory->lease);
    int r;

    r = page_pool_get(memory->lease, homi_region_prp_table_bytes(memory->map.bytes, page_bytes),
                      &memory->table);
    if (r != 0)
        return r;
    return homi_region_map_prebuild(&memory->map, page_bytes, memory->table.address, memory->table.iova);
}

/* Takes the region over in any case. */
static int memory_of_region(struct homi_lease *lease, struct region *region, struct homi_memory **ret_memory)
{
    struct homi_memory *memory = calloc(1, sizeof(*memory));
    int r;

    if (!memory) {
        region_free(region);
        return -ENOMEM;
    }
    memory->lease = lease;
    memory->region = region;
    memory->next = lease->memories;
    lease->memories = memory;
    r = homi_region_map_init(&memory->map, region->address, region->bytes, region->iova);
    if (r == 0)
        r = prebuild_table(memory);
    if (r != 0) {
        homi_memory_free(memory);
        return r;
    }
    *ret_memory = memory;
    return 0;
}

int homi_memory_new(struct homi_lease *lease, size_t bytes, unsigned flags, struct homi_memory **ret_memory)
{
    struct region *region;
    int r = region_new(lease, bytes, flags, &region);

    return r != 0 ? r : memory_of_region(lease, region, ret_memory);
}

int homi_memory_import(struct homi_lease *lease, int fd, uint64_t offset, size_t bytes,
                       struct homi_memory **ret_memory)
{
    struct region *region;
    int r = region_import(lease, fd, offset, bytes, &region);

    return r != 0 ? r : memory_of_region(lease, region, ret_memory);
}

void homi_memory_free(struct homi_memory *memory)
{
    if (!memory)
        return;
    for (struct homi_memory **link = &memory->lease->memories; *link; link = &(*link)->next)
        if (*link == memory) {
            *link = memory->next;
            break;
        }
    page_pool_put(&memory->table);
    region_free(memory->region);
    free(memory);
}

void *homi_memory_address(const struct homi_memory *memory)
{
    return memory->region->address;
}

size_t homi_memory_bytes(const struct homi_memory *memory)
{
    return memory->region->bytes;
}

const struct homi_region_map *homi_memory_region(const struct homi_memory *memory)
{
    return &memory->map;
}
