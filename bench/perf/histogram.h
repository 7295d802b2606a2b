/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A log-linear histogram of latencies: buckets of equal width within each power of two, so that every value
 * is kept to within 1/64 of itself. Plain memory that the caller owns; one thread at a time.
 */
#ifndef HOMI_BENCH_PERF_HISTOGRAM_H
#define HOMI_BENCH_PERF_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_LINEAR_BITS 6
#define HISTOGRAM_VALUE_BITS  40 /* larger values, of over 18 minutes, count as the largest */
#define HISTOGRAM_BUCKETS     ((HISTOGRAM_VALUE_BITS - HISTOGRAM_LINEAR_BITS + 1) << HISTOGRAM_LINEAR_BITS)

/* All zero is an empty histogram. */
struct histogram {
    uint64_t count, sum, min, max; /* nanoseconds */
    uint64_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_add(struct histogram *histogram, uint64_t nanoseconds);
/* Adds all that `from` holds. */
void histogram_merge(struct histogram *histogram, const struct histogram *from);
/* The value that `hundred_thousandths` of 100000 values do not exceed (50000: the median; 99900: p99.9), at
 * most 1/64 above the true one. 0 when there are no values. */
uint64_t histogram_percentile(const struct histogram *histogram, uint32_t hundred_thousandths);

#endif
