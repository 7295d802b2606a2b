/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Small pieces of registered memory for the library itself: queues and PRP tables. They come out of shared
 * regions, so that not each of them costs a region and a mapping in the IOMMU. The regions stay with the
 * lease.
 */
#ifndef HOMI_LIB_PAGE_POOL_H
#define HOMI_LIB_PAGE_POOL_H

#include "lib/region.h"

/* A piece: whole pages of the controller, zeroed, within one region. */
struct pages {
    struct page_chunk *chunk; /* NULL: none */
    size_t first, count;      /* pages of the chunk */
    uint8_t *address;
    uint64_t iova;
    int64_t region;
    uint64_t offset; /* bytes from the region's start */
};

int page_pool_get(struct homi_lease *lease, size_t bytes, struct pages *ret_pages);
void page_pool_put(struct pages *pages); /* does nothing for none; leaves none */

/* Frees all regions of the lease's pool; no piece may be in use. */
void page_pool_free(struct homi_lease *lease);

#endif
