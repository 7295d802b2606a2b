/* SPDX-License-Identifier: BSD-3-Clause */
/* Many values in, the few that are told out. */
#ifndef HOMI_BENCH_CONTROL_FIGURES_H
#define HOMI_BENCH_CONTROL_FIGURES_H

#include <stddef.h>

/* Both sort the values. */
double figures_percentile(double *values, size_t count, double percent);
double figures_median(double *values, size_t count);

#endif
