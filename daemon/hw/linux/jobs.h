/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the Linux backend has done by helper processes: one function per job, the structures that go there and
 * come back (both sides are the same program, so they are plain C structures), and the time each may take.
 */
#ifndef HOMI_DAEMON_HW_LINUX_JOBS_H
#define HOMI_DAEMON_HW_LINUX_JOBS_H

#include "daemon/helper/helper.h"
#include "daemon/hw/backend.h"

#define SERIAL_BYTES 64

enum hw_linux_job {
    JOB_PROBE,            /* job_device -> hw_device_info */
    JOB_LIST_SECONDARIES, /* job_device -> hw_secondary[] */
    JOB_FUNCTION_COUNT,   /* job_device */
    JOB_VIRTUALIZATION,   /* job_device -> uint32_t: the resources modified */
    JOB_ATTACH_NAMESPACE, /* job_device */
    JOB_BIND,             /* job_device -> hw_function_place */
    JOB_UNBIND,           /* job_device */
    JOB_OPEN,             /* job_open + the two memfds of the admin queue -> job_opened + fds */
    JOB_MAP,              /* job_map + container, memfd */
    JOB_UNMAP,            /* job_map + container */
    JOB_RELEASE,          /* job_release + fds as OPENED_*, to be closed */
    JOB_LEND,             /* job_loan -> hw_nodes */
    JOB_WITHDRAW,         /* job_loan */
    JOB_RECLAIM,          /* job_loan */
    JOB_DISCARD,          /* any fds, to be closed */
    JOB_TAKE_OVER, /* nothing: what an earlier homid asked for and did not get yet is not done any more */
    JOB_CHANGE_NAMESPACE, /* job_namespace -> uint32_t: the id of one that was created */
    JOB_RENEW,            /* job_renew + device */
    HW_LINUX_JOB_COUNT,
};

extern const helper_job hw_linux_jobs[HW_LINUX_JOB_COUNT];

/* Which device, and what each job on it needs besides. */
struct job_device {
    char address[HW_ADDRESS_BYTES]; /* empty: found by serial */
    char serial[SERIAL_BYTES];      /* empty: any */
    uint32_t namespace_id;
    uint16_t controller_id;
    uint16_t count;   /* VFs, or flexible resources */
    uint16_t index;   /* of the VF, 0-based */
    uint8_t action;   /* of Virtualization Management */
    uint8_t resource; /* enum hw_resource_kind */
    bool attach;
};

struct job_namespace {
    struct job_device device;
    struct hw_namespace_change change;
};

struct job_open {
    struct job_device device; /* index is the VF */
    uint64_t read_bytes;      /* of the memfd that the controller may only read */
    uint64_t write_bytes;     /* of the memfd that it writes */
};

/* The descriptors of an open VF, in the order of the reply; the event descriptors follow, one per vector. */
enum { OPENED_GROUP, OPENED_CONTAINER, OPENED_DEVICE, OPENED_REQUEST, OPENED_ERROR, OPENED_VECTORS };

struct job_opened {
    char address[HW_ADDRESS_BYTES];
    uint64_t bar_offset, bar_bytes;
    uint64_t wake_offset; /* in the BAR; not 0: the group's descriptor is an eventfd (see hw_function_info) */
    uint64_t read_iova, write_iova;
    uint16_t vectors;
    unsigned iova_range_count;
    struct hw_iova_range iova_ranges[HW_IOVA_RANGES_MAX];
};

struct job_release {
    bool reset; /* the controller could not be stopped otherwise */
};

/* After the PF was reset: the VF is there again, but nothing of what it was told. */
struct job_renew {
    uint16_t vectors; /* as when it was opened */
};

struct job_map {
    uint64_t offset, bytes, iova;
    bool perhaps; /* unmapping: that nothing is there is no failure */
};

#define LOAN_NAMESPACES_MAX (HW_NODES_MAX / 2) /* a block and a generic node each */

struct job_loan {
    struct job_device device; /* index is the VF */
    uint32_t user;
    uint8_t kind; /* enum hw_loan_kind */
    bool kill;
    uint32_t namespace_count;
    uint32_t namespaces[LOAN_NAMESPACES_MAX];
};

void job_probe(const struct helper_input *input, struct helper_output *output);
void job_list_secondaries(const struct helper_input *input, struct helper_output *output);
void job_function_count(const struct helper_input *input, struct helper_output *output);
void job_virtualization(const struct helper_input *input, struct helper_output *output);
void job_attach_namespace(const struct helper_input *input, struct helper_output *output);
void job_change_namespace(const struct helper_input *input, struct helper_output *output);
void job_bind(const struct helper_input *input, struct helper_output *output);
void job_unbind(const struct helper_input *input, struct helper_output *output);
void job_open(const struct helper_input *input, struct helper_output *output);
void job_map(const struct helper_input *input, struct helper_output *output);
void job_unmap(const struct helper_input *input, struct helper_output *output);
void job_release(const struct helper_input *input, struct helper_output *output);
void job_lend(const struct helper_input *input, struct helper_output *output);
void job_withdraw(const struct helper_input *input, struct helper_output *output);
void job_reclaim(const struct helper_input *input, struct helper_output *output);
void job_nothing(const struct helper_input *input, struct helper_output *output);
void job_renew(const struct helper_input *input, struct helper_output *output);

#endif
