/* SPDX-License-Identifier: BSD-3-Clause */
/* What a load did, and how it is printed: one line of JSON for scripts, or a sentence. */
#ifndef HOMI_TESTS_TENANTS_COMMON_REPORT_H
#define HOMI_TESTS_TENANTS_COMMON_REPORT_H

#include <stdbool.h>
#include <stdint.h>

struct report {
    const char *path;     /* "tenant" or "kernel" */
    const char *function; /* PCI address, or the block device */
    const char *mode;
    uint32_t namespace_id; /* 0: not known */
    uint32_t queue_pairs, depth, block_bytes;
    bool interrupt;
    double seconds, cpu_seconds; /* of the measured part */
    uint64_t reads, writes;      /* of the measured part */
    uint64_t errors, miscompares,
        verified;                       /* of all; verified counts blocks that were read and found right */
    uint64_t doorbell_writes, spurious; /* of all */
    unsigned recoveries;                /* after resets */
    double outage_seconds; /* the longest time without a completion around one of them, to a tick */
};

/* The JSON has iops, mibps and the fields above in camel case. */
void report_print(const struct report *report, bool json);

/* An NVMe status by name ("INVALID_FIELD"), for messages. */
const char *report_status_name(uint16_t status);

#endif
