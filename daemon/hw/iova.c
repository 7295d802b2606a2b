/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/hw/iova.h"

#include <errno.h>

#define LOWEST UINT64_C(0x10000)
#define PAGE   UINT64_C(4096)

/* Sorting a handful by insertion. */
static void sort(struct hw_iova_range *ranges, unsigned count)
{
    for (unsigned i = 1; i < count; i++) {
        struct hw_iova_range range = ranges[i];
        unsigned at = i;
        for (; at > 0 && ranges[at - 1].first > range.first; at--)
            ranges[at] = ranges[at - 1];
        ranges[at] = range;
    }
}

/* Trims to whole pages above the lowest address. false: nothing is left. */
static bool trim(struct hw_iova_range *range)
{
    uint64_t first = range->first < LOWEST ? LOWEST : range->first;

    if (first > UINT64_MAX - (PAGE - 1) || range->last < PAGE - 1)
        return false;
    first = (first + PAGE - 1) & ~(PAGE - 1);
    uint64_t last = ((range->last - (PAGE - 1)) & ~(PAGE - 1)) + (PAGE - 1);
    if (first > last)
        return false;
    *range = (struct hw_iova_range){.first = first, .last = last};
    return true;
}

static unsigned trim_all(struct hw_iova_range *ranges, unsigned count)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < count; i++) {
        struct hw_iova_range range = ranges[i];
        if (trim(&range))
            ranges[kept++] = range;
    }
    return kept;
}

int iova_carve(struct hw_iova_range *ranges, unsigned *count, uint64_t bytes, uint64_t *ret_iova)
{
    struct hw_iova_range result[HW_IOVA_RANGES_MAX];
    unsigned number = *count < HW_IOVA_RANGES_MAX ? *count : HW_IOVA_RANGES_MAX;

    for (unsigned i = 0; i < number; i++)
        result[i] = ranges[i];
    sort(result, number);
    number = trim_all(result, number);
    for (unsigned i = number; i-- > 0;) {
        if (result[i].last < bytes - 1)
            continue;
        uint64_t start = (result[i].last - (bytes - 1)) & ~(bytes - 1);
        if (start < result[i].first)
            continue;
        /* The rest above the area is less than its size: it is given up. */
        if (start == result[i].first) {
            for (unsigned k = i + 1; k < number; k++)
                result[k - 1] = result[k];
            number--;
        } else {
            result[i].last = start - 1;
        }
        for (unsigned k = 0; k < number; k++)
            ranges[k] = result[k];
        *count = number;
        *ret_iova = start;
        return 0;
    }
    return -ENOSPC;
}
