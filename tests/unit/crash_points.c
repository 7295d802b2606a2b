/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * homid as it is, but it ends at one of its crash points, as if it had been killed there: at one of the first
 * $HOMI_CRASH_WITHIN, by chance. Linked into a homid of its own (mk/model.mk).
 */
#include <signal.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "daemon/crash.h"

void crash_point(void)
{
    static unsigned long left;

    if (left == 0) {
        const char *text = getenv("HOMI_CRASH_WITHIN");
        unsigned long within = text ? strtoul(text, NULL, 10) : 0;
        unsigned long random = 0;
        if (within == 0 || getrandom(&random, sizeof(random), 0) != sizeof(random))
            abort();
        left = 1 + random % within;
    }
    if (--left == 0)
        kill(getpid(), SIGKILL);
}
