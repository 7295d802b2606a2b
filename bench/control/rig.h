/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * homid as it was built, with the software SSD, in a directory of its own: what a benchmark of the control
 * path drives. The configuration allows one tenant, "bench", everything that there is. Started processes
 * inherit the CPUs that the caller runs on.
 */
#ifndef HOMI_BENCH_CONTROL_RIG_H
#define HOMI_BENCH_CONTROL_RIG_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct rig_options {
    unsigned devices, functions, queue_pairs; /* SSDs, VFs of each, queue pairs of each of these */
    unsigned connections;                     /* the limit of the tenants' socket */
};

struct rig {
    char directory[64], tenant_socket[96], admin_socket[96];
    pid_t homid, model; /* 0: not running */
};

/* Starts homid and waits until every VF is ready. 0 or a negative errno; says on stderr what went wrong. */
int rig_start(const struct rig_options *options, struct rig *ret_rig);
void rig_stop(struct rig *rig); /* safe on one that never started */

/* CPU time of a process's first thread (homid has no other), and the memory that is its own. */
uint64_t rig_cpu_nanoseconds(pid_t pid);
uint64_t rig_memory_bytes(pid_t pid);

/* One CPU for the caller and what it starts. 0 or a negative errno. */
int rig_pin(unsigned cpu);

#endif
