/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What of the core outlives homid: a record for each function that is open or has namespaces attached, for
 * each lease, holder, region and queue pair. Each record is changed as a whole or not at all, one after the
 * other, and homid may end between any two of them. What makes every prefix good enough to go on from:
 *
 * - An intention is recorded before it is acted on: a region before it is mapped, a queue pair before it is
 *   created, a namespace before it is attached, the end of each before it is begun. So whatever a device has,
 * a record says that it may have it. An end is recorded once it is known to have come.
 * - What a record names was recorded before it, and goes after it.
 * - What was half done is undone: memory that was being mapped is unmapped, a queue pair that was being
 * created is deleted, and the call that asked for it is carried out again (struct core_caller). What was
 * being given back is given back. A lease that was being granted goes on being granted.
 * - Pages of doorbells are kept before their holder is granted the lease. The relay goes on with queue pairs
 * that were live, and lets go of all others before they are deleted.
 * - A function that was open is taken over as it is. One that was being closed counts as closed. One on loan
 * is lent again, which changes nothing but tells its nodes.
 * - A function that was reset under its lease is provisioned and brought up from the beginning, however far
 * that had come: before it ends nobody could make a queue pair on it.
 * - A lease that was to be taken away at some time is taken away then, or at once when that has come.
 * - A namespace that is to be scrubbed behind each lease has a record as long as it is clean. A function that
 * was scrubbing counts as being closed.
 * - A holder whose connection is gone has ended. A lease that nobody holds has ended, unless it is reserved.
 *
 * The structures are written to memory as they are. A change of their layout or meaning raises STATE_VERSION
 * (daemon/restart/state.h), and STATE_READABLE_BY too unless an older homid does right with it.
 */
#ifndef HOMI_DAEMON_CORE_RECORD_H
#define HOMI_DAEMON_CORE_RECORD_H

#include "daemon/core/internal.h"

struct record_attachment {
    uint32_t id;
    uint8_t shared, attached, reserved[2];
};

struct record_function {
    char device[CORE_NAME_BYTES], name[CORE_NAME_BYTES];
    char tenant[CORE_NAME_BYTES]; /* whose namespaces it has; empty: nobody's */
    char lease[LEASE_NAME_BYTES]; /* empty: none */
    char reason[HW_REASON_BYTES];
    int32_t iommu_group;
    uint16_t index, controller_id, fd_count; /* fd_count: of those kept; 0: it is closed */
    uint8_t part, drop, release, lent, rejected, secondary, attachment_count;
    uint8_t manages_functions, manages_namespaces; /* what its device is known to do */
    uint8_t on_loan, bound;
    /* since version 2: its controller was reset, and is brought up again under its lease, or closed first */
    uint8_t suspended, lost;
    uint8_t exiled; /* since version 3 */
    uint8_t reserved[2];
    struct hw_verdict verdict;
    struct record_attachment attachments[CORE_LEASE_NAMESPACES_MAX];
};

/* A namespace that was scrubbed, and that nobody has had since. */
struct record_space {
    char device[CORE_NAME_BYTES];
    uint32_t id;
};

struct record_lease {
    char name[LEASE_NAME_BYTES];
    char tenant[CORE_NAME_BYTES];
    uint64_t since;
    uint32_t queue_pairs, connection, serial; /* the call that made it */
    uint8_t state, reserved, used, part_count;
    /* of a loan */
    uint32_t user;
    int32_t keeper_pid;
    char keeper_unit[CORE_NAME_BYTES];
    uint8_t kind, kill;
    uint8_t revoking; /* since version 3, with what follows keeper_start_time */
    uint8_t padding[5];
    uint64_t keeper_start_time;
    uint64_t ends_at; /* monotonic, milliseconds; 0: it is neither revoked nor expires */
    char ending_reason[HW_REASON_BYTES];
};

struct record_holder {
    char lease[LEASE_NAME_BYTES];
    char tenant[CORE_NAME_BYTES];
    char revoked[HW_REASON_BYTES]; /* empty: it was not */
    uint32_t connection, serial;   /* the call that it attached with */
    uint8_t granted, ending, unlinked;
    uint8_t pages; /* of doorbells that are kept, one for each function of the lease; 0: none */
};

struct record_region {
    uint64_t iova, bytes;
    uint32_t id, holder, serial;
    uint32_t mapped; /* bit mask of the parts that may have it mapped */
    uint8_t live, dying, reserved[6];
};

struct record_queue_pair {
    uint64_t submission_offset, completion_offset;
    uint32_t holder, region, serial, entries;
    uint16_t id, vector;
    uint8_t part, live, deleting, reserved;
};

#endif
