/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * I/O virtual addresses of a lease's memory: one region has the same address on all functions of the lease,
 * so it must lie in a range that each of them can use, and over no other region of the lease.
 */
#include <errno.h>

#include "daemon/core/internal.h"

struct window {
    uint64_t first, last; /* inclusive */
};

/* The part of *window that the function can use from *window on; false: none. */
static bool narrow(const struct hw_function_info *info, struct window *window)
{
    for (unsigned i = 0; i < info->iova_range_count; i++) {
        const struct hw_iova_range *range = &info->iova_ranges[i];
        if (range->last < window->first)
            continue;
        if (range->first > window->last)
            return false;
        if (range->first > window->first)
            window->first = range->first;
        if (range->last < window->last)
            window->last = range->last;
        return true;
    }
    return false;
}

/* Addresses grow through the regions, which are sorted, so one pass over them finds the first gap. */
static bool gap(const struct lease *lease, const struct window *window, uint64_t bytes, uint64_t alignment,
                uint64_t *ret_iova)
{
    uint64_t at = window->first;
    const struct region *region;

    if (at > UINT64_MAX - alignment)
        return false;
    at = (at + alignment - 1) / alignment * alignment;
    LIST_FOREACH (region, &lease->mapped, iova_link) {
        if (region->iova + (region->bytes - 1) < at)
            continue;
        if (region->iova > at && region->iova - at >= bytes)
            break;
        uint64_t end = region->iova + region->bytes;
        if (end < region->iova || end > UINT64_MAX - alignment)
            return false;
        at = (end + alignment - 1) / alignment * alignment;
    }
    if (at > window->last || window->last - at < bytes - 1)
        return false;
    *ret_iova = at;
    return true;
}

int iova_find(const struct lease *lease, uint64_t bytes, uint64_t alignment, uint64_t *ret_iova)
{
    const struct hw_function_info *first = &lease->parts[0]->info;

    for (unsigned i = 0; i < first->iova_range_count; i++) {
        const struct hw_iova_range *range = &first->iova_ranges[i];
        /* Address 0 is valid to a device, but a null pointer to too many programs. */
        uint64_t next = range->first ? range->first : PAGE_BYTES_MIN;
        while (next <= range->last) {
            struct window window = {next, range->last};
            bool common = true;
            /* Any other function may cut the window short, so each one narrows what the last left. */
            for (unsigned part = 1; part < lease->part_count && common; part++)
                common = narrow(&lease->parts[part]->info, &window);
            if (common && gap(lease, &window, bytes, alignment, ret_iova))
                return 0;
            if (window.last == UINT64_MAX)
                break;
            next = window.last + 1;
        }
    }
    return -ENOSPC;
}

void iova_insert(struct lease *lease, struct region *region)
{
    struct region *at, *before = NULL;

    LIST_FOREACH (at, &lease->mapped, iova_link) {
        if (at->iova > region->iova)
            break;
        before = at;
    }
    if (before)
        LIST_INSERT_AFTER(before, region, iova_link);
    else
        LIST_INSERT_HEAD(&lease->mapped, region, iova_link);
}
