/* SPDX-License-Identifier: BSD-3-Clause */
/* Times of the drivers in one case, each run beside the others' so that what disturbs the machine disturbs
 * all. */
#ifndef HOMI_BENCH_DATAPATH_MEASURE_H
#define HOMI_BENCH_DATAPATH_MEASURE_H

#include "bench/datapath/bench.h"

#define BENCH_RUNS_MAX 101u

/* Medians in ns per I/O, net of the device alone (device_ns is what was taken off). ratio is the median over
 * the runs. */
struct bench_figures {
    double device_ns;
    double least_ns;
    double floor_ns;
    double homi_ns;
    double any_ns;
    double ratio;
};

/* Takes `runs` (1 to BENCH_RUNS_MAX) runs of about `ios` I/Os. Returns whether all drivers completed all
 * commands. */
bool bench_measure(struct bench *bench, const struct bench_case *now, uint32_t runs, uint64_t ios,
                   struct bench_figures *ret_figures);

#endif
