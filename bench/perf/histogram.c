/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench/perf/histogram.h"

#define VALUE_MAX ((UINT64_C(1) << HISTOGRAM_VALUE_BITS) - 1)

static uint32_t bucket_of(uint64_t value)
{
    uint32_t shift;

    if (value >> (HISTOGRAM_LINEAR_BITS + 1) == 0)
        return (uint32_t)value;
    shift = 63u - (uint32_t)__builtin_clzll(value) - HISTOGRAM_LINEAR_BITS;
    return (shift << HISTOGRAM_LINEAR_BITS) + (uint32_t)(value >> shift);
}

/* The largest value that falls into a bucket. */
static uint64_t bucket_end(uint32_t bucket)
{
    uint32_t shift;

    if (bucket >> (HISTOGRAM_LINEAR_BITS + 1) == 0)
        return bucket;
    shift = (bucket >> HISTOGRAM_LINEAR_BITS) - 1;
    return ((uint64_t)(bucket - (shift << HISTOGRAM_LINEAR_BITS) + 1) << shift) - 1;
}

void histogram_add(struct histogram *histogram, uint64_t nanoseconds)
{
    uint64_t value = nanoseconds < VALUE_MAX ? nanoseconds : VALUE_MAX;

    if (histogram->count == 0 || value < histogram->min)
        histogram->min = value;
    if (value > histogram->max)
        histogram->max = value;
    histogram->count++;
    histogram->sum += value;
    histogram->buckets[bucket_of(value)]++;
}

void histogram_merge(struct histogram *histogram, const struct histogram *from)
{
    if (from->count == 0)
        return;
    if (histogram->count == 0 || from->min < histogram->min)
        histogram->min = from->min;
    if (from->max > histogram->max)
        histogram->max = from->max;
    histogram->count += from->count;
    histogram->sum += from->sum;
    for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++)
        histogram->buckets[i] += from->buckets[i];
}

uint64_t histogram_percentile(const struct histogram *histogram, uint32_t hundred_thousandths)
{
    uint64_t whole = histogram->count / 100000, rest = histogram->count % 100000, rank, seen = 0;

    if (histogram->count == 0)
        return 0;
    rank = whole * hundred_thousandths + (rest * hundred_thousandths + 99999) / 100000;
    for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += histogram->buckets[i];
        if (seen >= rank && seen > 0)
            return bucket_end(i) < histogram->max ? bucket_end(i) : histogram->max;
    }
    return histogram->max;
}
