/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Time for loops that shall make no system call of their own (the clock is one on machines whose time source
 * user space cannot read): a timer signal counts tenths of a second, and SIGTERM and SIGINT leave a mark.
 */
#ifndef HOMI_TESTS_TENANTS_COMMON_TICKS_H
#define HOMI_TESTS_TENANTS_COMMON_TICKS_H

#include <stdbool.h>

#define TICKS_PER_SECOND 10

/* sleeps: a process that shall hardly ever run is woken once a second only, by ten ticks at once. */
void ticks_start(bool sleeps);
unsigned ticks_now(void);
bool ticks_stopped(void); /* SIGTERM or SIGINT came */
void ticks_wait_for_stop(void);

/* Wall clock and CPU time of the process so far, in seconds. */
double ticks_wall_seconds(void);
double ticks_cpu_seconds(void);

#endif
