/* SPDX-License-Identifier: BSD-3-Clause */
/* The operator: asks for homid's status, and how long the answer takes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/hostile/hostile.h"

enum { PERIOD_MILLISECONDS = 5 };

static bool ask(int socket, struct shared *shared)
{
    static char reply[RAW_REPLY_BYTES];
    int64_t value;

    if (raw_call(socket, "{\"method\":\"io.homi.Admin.GetStatus\"}", NULL, 0, reply) != 1)
        return false;
    if (raw_number(reply, "pid", &value))
        shared->homid = (int)value;
    if (raw_number(reply, "leases", &value))
        shared->leases = (uint64_t)value;
    if (raw_number(reply, "queuePairs", &value))
        shared->queue_pairs = (uint64_t)value;
    return true;
}

void observer_run(const struct setup *setup, struct shared *shared)
{
    int socket = -1;

    while (!shared->stop) {
        uint64_t begin = microseconds_now();
        if (socket < 0)
            socket = raw_connect(setup->admin_socket);
        if (socket < 0 || !ask(socket, shared)) {
            shared->unanswered++;
            if (socket >= 0)
                close(socket);
            socket = -1;
        }
        uint64_t took = microseconds_now() - begin;
        if (took > shared->slowest_microseconds)
            shared->slowest_microseconds = took;
        shared->asked++;
        pause_milliseconds(PERIOD_MILLISECONDS);
    }
    _exit(0);
}
