/* SPDX-License-Identifier: BSD-3-Clause */
/* PRP tables of regions and PRP lists of scatter lists: what the inline hot path leaves to the library. */

#include <homi/io.h>

static uint64_t pages_of(uint64_t bytes, uint32_t page_bytes)
{
    return bytes / page_bytes + (bytes % page_bytes != 0);
}

uint64_t homi_region_prp_table_bytes(uint64_t bytes, uint32_t page_bytes)
{
    uint64_t half = page_bytes / 16;

    return (pages_of(bytes, page_bytes) + half - 1) / half * page_bytes;
}

int homi_region_map_prebuild(struct homi_region_map *map, uint32_t page_bytes, void *table,
                             uint64_t table_iova)
{
    uint64_t half = page_bytes / 16, reach, pages, *entry = table;

    if (page_bytes < 4096 || (page_bytes & (page_bytes - 1)) != 0 ||
        (((uint64_t)(uintptr_t)table | table_iova | map->base | map->iova) & (page_bytes - 1)) != 0)
        return -EINVAL;
    pages = pages_of(map->bytes, page_bytes);
    for (uint64_t first = 0; first < pages; first += half)
        for (uint64_t i = 1; i <= 2 * half; i++)
            *entry++ = first + i < pages ? map->iova + (first + i) * page_bytes : 0;
    map->prp_iova = table_iova;
    map->prp_page_bytes = page_bytes;
    map->prp_page_shift = (uint32_t)__builtin_ctz(page_bytes);
    /* A list starts in the first half of its table page; the second half bounds its length. A transfer that
     * starts inside a page touches one page more than its bytes fill. */
    map->prp_reach_pages = (uint32_t)half;
    map->prp_from_bytes = 2 * page_bytes;
    reach = (half - 1) * page_bytes;
    map->prp_reach_bytes = (uint32_t)(reach < map->bytes ? reach : map->bytes);
    return 0;
}

/* Where the next entry of a list goes, and how many entries the list page still takes. */
struct list_writer {
    uint64_t *entry;
    uint64_t page_iova;
    uint32_t room;
    uint32_t page_bytes;
};

/*
 * When a list page has one place left and more than one entry is to come, the place points to the next list
 * page. How many are to come is not known yet, so an entry that took the last place moves on when another one
 * follows.
 */
static void list_put(struct list_writer *writer, uint64_t iova)
{
    if (writer->room == 0) {
        uint64_t *next = writer->entry, last = next[-1];

        writer->page_iova += writer->page_bytes;
        next[-1] = writer->page_iova;
        *writer->entry++ = last;
        writer->room = writer->page_bytes / 8 - 1;
    }
    *writer->entry++ = iova;
    writer->room--;
}

/* What a scatter list has come to so far: the first page, and the later ones in order. */
struct scatter {
    const struct homi_queue *queue;
    struct list_writer writer;
    uint64_t first;
    uint64_t second;
    uint64_t list;
    uint64_t bytes;
    uint32_t pages;
};

static int scatter_page(struct scatter *scatter, uint64_t iova)
{
    scatter->pages++;
    if (scatter->pages == 1) {
        scatter->first = iova;
        return 0;
    }
    if (scatter->pages == 2) {
        scatter->second = iova;
        return 0;
    }
    if (scatter->queue->lists == NULL)
        return -ENOBUFS;
    if (scatter->pages == 3)
        list_put(&scatter->writer, scatter->second);
    list_put(&scatter->writer, iova);
    return 0;
}

static int scatter_part(struct scatter *scatter, const struct homi_region_set *regions,
                        const struct iovec *part, bool last)
{
    uint64_t mask = scatter->queue->page_bytes - 1, iova, end;
    const struct homi_region_map *region;
    int error = 0;

    if (part->iov_len == 0)
        return -EINVAL;
    if (part->iov_len > scatter->queue->max_transfer_bytes - scatter->bytes)
        return -E2BIG;
    region = homi_region_set_find(regions, part->iov_base, part->iov_len);
    if (region == NULL)
        return -EFAULT;
    iova = region->iova + ((uint64_t)(uintptr_t)part->iov_base - region->base);
    end = iova + part->iov_len;
    if ((iova & 3) != 0 || (scatter->pages != 0 && (iova & mask) != 0) || (!last && (end & mask) != 0))
        return -EINVAL;
    scatter->bytes += part->iov_len;
    for (; error == 0 && iova < end; iova = (iova | mask) + 1)
        error = scatter_page(scatter, iova);
    return error;
}

int homi_prp_scatter(const struct homi_queue *queue, uint32_t slot, const struct homi_region_set *regions,
                     const struct iovec *vector, uint32_t count, uint32_t *ret_bytes, uint64_t ret_prp[2])
{
    uint64_t place = (uint64_t)slot * queue->list_stride_bytes;
    struct scatter scatter = {.queue = queue, .list = queue->lists_iova + place};

    if (count == 0)
        return -EINVAL;
    if (queue->lists != NULL) {
        uint32_t used = (uint32_t)(place & (queue->page_bytes - 1));

        scatter.writer.entry = (uint64_t *)(void *)(queue->lists + place);
        scatter.writer.page_iova = scatter.list - used;
        scatter.writer.room = (queue->page_bytes - used) / 8;
        scatter.writer.page_bytes = queue->page_bytes;
    }
    for (uint32_t i = 0; i < count; i++) {
        int error = scatter_part(&scatter, regions, &vector[i], i + 1 == count);

        if (error != 0)
            return error;
    }
    *ret_bytes = (uint32_t)scatter.bytes;
    ret_prp[0] = scatter.first;
    ret_prp[1] = scatter.pages > 2 ? scatter.list : scatter.second;
    return 0;
}
