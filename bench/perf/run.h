/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The load as a whole: queue pairs and memory on the leases' VFs, the threads that drive them, and the time.
 * The leases and the options outlive it.
 */
#ifndef HOMI_BENCH_PERF_RUN_H
#define HOMI_BENCH_PERF_RUN_H

#include <homi/homi.h>

#include "bench/perf/options.h"
#include "bench/perf/report.h"

struct run;

/* Returns 0, a refusal, or a negative errno; -EINVAL was named on standard error. */
int run_new(const struct perf_options *options, struct homi_lease *const *leases, size_t lease_count,
            struct run **ret_run);
/* NULL-safe. Before the leases are given back. */
void run_free(struct run *run);

/* Until the time is over, all commands are done, or SIGINT or SIGTERM. Fills the report; returns 0 or the
 * negative errno with which a worker gave up. */
int run_go(struct run *run, struct report *report);

#endif
