/* SPDX-License-Identifier: BSD-3-Clause */
/* What a run found, for people and for programs. The histogram belongs to whoever filled the report. */
#ifndef HOMI_BENCH_PERF_REPORT_H
#define HOMI_BENCH_PERF_REPORT_H

#include <stdint.h>

#include "bench/perf/histogram.h"
#include "bench/perf/options.h"

struct report {
    const struct perf_options *options;
    uint32_t queue_pairs, threads, functions; /* in all */
    uint32_t batch;
    double seconds, cpu_seconds;
    uint64_t reads, writes, errors, miscompares, spurious, doorbell_writes;
    uint16_t first_error;              /* NVMe status: type << 8 | code */
    const struct histogram *latencies; /* NULL: not measured */
};

/* Prints to standard output. Returns 0 or -ENOMEM. */
int report_print(const struct report *report);

/* One line over the last, on standard error, which is a terminal. */
void report_live(const struct perf_options *options, double seconds, double iops, uint64_t errors);
void report_live_end(void);

#endif
