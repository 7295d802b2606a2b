/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What must hold of the core, kept by the simplest means: a list of what each process was granted and has not
 * given back or lost, as the answers and events say. When nothing is under way, the core's views, its
 * accounts and the device must agree with it to the last queue pair.
 */
#ifndef HOMI_TESTS_UNIT_CORE_REFERENCE_H
#define HOMI_TESTS_UNIT_CORE_REFERENCE_H

#include "tests/unit/core_fixture.h"

#define REFERENCE_PROCESSES 8
#define REFERENCE_THINGS                                                                                     \
    32 /* regions, and queue pairs, of a process: more than the fixture's quotas allow                       \
        */

struct reference_region {
    uint32_t id;
    uint64_t iova, bytes;
};

struct reference_process {
    pid_t pid; /* 0: not there */
    bool holds, asks /* has an attach under way: it may be counted as a holder, of nothing */;
    unsigned leases; /* granted so far: what was asked under an earlier one says nothing about this one */
    char lease[CORE_NAME_BYTES];
    char functions[CORE_LEASE_DEVICES_MAX][CORE_NAME_BYTES];
    size_t function_count;
    struct reference_region regions[REFERENCE_THINGS];
    unsigned region_count;
    uint16_t pairs[REFERENCE_THINGS]; /* ids, all on the first function */
    unsigned pair_count;
};

struct reference {
    struct reference_process processes[REFERENCE_PROCESSES];
};

void reference_came(struct reference *reference, unsigned process, pid_t pid);
void reference_asks(struct reference *reference, unsigned process);
void reference_granted(struct reference *reference, unsigned process, const struct answer *lease);
void reference_refused(struct reference *reference, unsigned process);
void reference_left(struct reference *reference, unsigned process); /* its lease, by detaching or by dying */
/* leases: the process's number of them when it asked. */
void reference_registered(struct reference *reference, unsigned process, unsigned leases, uint32_t id,
                          uint64_t iova, uint64_t bytes);
void reference_unregistered(struct reference *reference, unsigned process, unsigned leases, uint32_t id);
void reference_created(struct reference *reference, unsigned process, unsigned leases, uint16_t id);
void reference_deleted(struct reference *reference, unsigned process, unsigned leases, uint16_t id);
void reference_event(struct reference *reference, const struct core_event *event);

/* Nothing is under way at the hardware: everything agrees, or the test fails. */
void reference_check(const struct reference *reference, struct fixture *fixture);

#endif
