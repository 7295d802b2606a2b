/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Places where a killed homid must leave something that the next one can go on from: between any two writes
 * of what outlives it, and around everything that a peer or a device can see. A test links a crash_point() of
 * its own that ends the process there; homid as installed has none.
 */
#ifndef HOMI_DAEMON_CRASH_H
#define HOMI_DAEMON_CRASH_H

void crash_point(void) __attribute__((weak));

static inline void crash_here(void)
{
    if (crash_point)
        crash_point();
}

#endif
