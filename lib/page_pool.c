/* SPDX-License-Identifier: BSD-3-Clause */
#include "lib/page_pool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Pages of an ordinary chunk: 256 KiB, twelve queue pairs of 256 entries. What needs more gets a chunk of its
 * own. */
#define CHUNK_PAGES 64

struct page_chunk {
    struct page_chunk *next;
    struct region *region;
    size_t page_bytes, page_count;
    bool used[]; /* by page */
};

/* The first run of free pages, or page_count when there is none so long. */
static size_t find_run(const struct page_chunk *chunk, size_t count)
{
    size_t run = 0;

    for (size_t i = 0; i < chunk->page_count; i++) {
        run = chunk->used[i] ? 0 : run + 1;
        if (run == count)
            return i + 1 - count;
    }
    return chunk->page_count;
}

static int add_chunk(struct homi_lease *lease, size_t count)
{
    size_t page_bytes = lease_page_bytes(lease);
    size_t page_count = count > CHUNK_PAGES ? count : CHUNK_PAGES;
    struct page_chunk *chunk = calloc(1, sizeof(*chunk) + page_count * sizeof(chunk->used[0]));
    int r;

    if (!chunk)
        return -ENOMEM;
    r = region_new(lease, page_count * page_bytes, 0, &chunk->region);
    if (r != 0) {
        free(chunk);
        return r;
    }
    chunk->page_bytes = page_bytes;
    chunk->page_count = page_count;
    chunk->next = lease->pages;
    lease->pages = chunk;
    return 0;
}

static void take(struct page_chunk *chunk, size_t first, size_t count, struct pages *ret_pages)
{
    uint64_t offset = first * chunk->page_bytes;

    memset(&chunk->used[first], true, count);
    memset(chunk->region->address + offset, 0, count * chunk->page_bytes);
    *ret_pages = (struct pages){
        .chunk = chunk,
        .first = first,
        .count = count,
        .address = chunk->region->address + offset,
        .iova = chunk->region->iova + offset,
        .region = chunk->region->id,
        .offset = offset,
    };
}

int page_pool_get(struct homi_lease *lease, size_t bytes, struct pages *ret_pages)
{
    size_t page_bytes = lease_page_bytes(lease);
    size_t count = bytes / page_bytes + (bytes % page_bytes != 0);
    int r;

    for (struct page_chunk *chunk = lease->pages; chunk; chunk = chunk->next) {
        size_t first = find_run(chunk, count);
        if (first < chunk->page_count)
            return take(chunk, first, count, ret_pages), 0;
    }
    r = add_chunk(lease, count);
    if (r == 0)
        take(lease->pages, 0, count, ret_pages);
    return r;
}

void page_pool_put(struct pages *pages)
{
    if (pages->chunk)
        memset(&pages->chunk->used[pages->first], false, pages->count);
    *pages = (struct pages){.chunk = NULL};
}

void page_pool_free(struct homi_lease *lease)
{
    while (lease->pages) {
        struct page_chunk *chunk = lease->pages;

        lease->pages = chunk->next;
        region_free(chunk->region);
        free(chunk);
    }
}
