/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Instructions that a driver executes, counted by single-stepping a child: exact and repeatable, also on
 * machines whose performance counters cannot be had. The device's instructions are left out.
 */
#ifndef HOMI_BENCH_DATAPATH_STEP_H
#define HOMI_BENCH_DATAPATH_STEP_H

#include "bench/datapath/bench.h"

/* Instructions per I/O over some laps of the ring, or a negative number where single-stepping cannot be had.
 */
double bench_instructions(struct bench *bench, const struct bench_case *now,
                          const struct bench_driver *driver);

#endif
