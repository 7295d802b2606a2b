/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A load on a tenant's own queue pairs that checks all that it reads. Each queue pair works on a part of its
 * own of a range of the namespace; one thread drives all of them. In steady state it makes no system call
 * when it polls.
 */
#ifndef HOMI_TESTS_TENANTS_COMMON_LOAD_H
#define HOMI_TESTS_TENANTS_COMMON_LOAD_H

#include <homi/homi.h>

#include "tests/tenants/common/report.h"

struct load;

struct load_options {
    size_t function;
    const struct homi_namespace *namespace;
    uint32_t queue_pairs, depth;
    uint32_t block_bytes;    /* of one command */
    uint64_t offset, length; /* of the range, in bytes; whole commands */
    uint64_t seed;
    uint64_t generation; /* that a verification asks for where this process wrote nothing; 0: any */
    bool interrupt;
    unsigned memory_flags;
    unsigned stall_seconds; /* without a completion: the load gives up */
    struct homi *recovers;  /* when the SSD is reset, which it tells of; NULL: that ends the load */
};

enum load_job {
    LOAD_WRITE,  /* the whole range once, in order */
    LOAD_VERIFY, /* read the whole range (what this process wrote of it, if it wrote) in order, and check it
                  */
    LOAD_MIXED,  /* random commands, half of them writes; reads are checked */
    LOAD_READ,   /* random reads, not checked */
};

/* When a job ends beyond what it says above; 0: no such limit. */
struct load_limit {
    unsigned seconds;
    uint64_t commands;
};

/* Errors as libhomi's. The options' namespace outlives the load. */
int load_new(struct homi_lease *lease, const struct load_options *options, struct load **ret_load);
void load_free(struct load *load); /* NULL-safe */

/*
 * Runs a job to its end, or until SIGTERM. Adds what happened to the report, reads, writes and time only when
 * it is to be measured. Returns 0 (also when there were errors and miscompares: see the report), -ETIMEDOUT
 * when the device stalled, -EIO or -ENODEV when the controller died, a refusal when it was not recovered.
 */
int load_run(struct load *load, enum load_job job, const struct load_limit *limit, bool measured,
             struct report *report);

#endif
