/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Faults made at will: rules on commands (which queue, which opcode, after how many, how often) and on the
 * steps of a device's life. A rule that has fired as often as it may is spent.
 */
#ifndef HOMI_DAEMON_MODEL_FAULTS_H
#define HOMI_DAEMON_MODEL_FAULTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum fault_action {
    FAULT_DELAY,     /* the command completes `milliseconds` later */
    FAULT_DROP,      /* it never completes */
    FAULT_FAIL,      /* it completes with `status` and does nothing */
    FAULT_CORRUPT,   /* one byte of what is read, stored or returned is turned */
    FAULT_FATAL,     /* the controller fails: CSTS.CFS */
    FAULT_EVENT,     /* it is carried out, and the controller raises the asynchronous event `event` */
    FAULT_RESET,     /* the PF is reset; a command is lost with it, a step goes on */
    FAULT_REMOVE,    /* the device is taken away, for `milliseconds` (0: for good); likewise */
    FAULT_STEP_FAIL, /* a step of the device's life fails with errno `status` */
    FAULT_STEP_HANG, /* it takes `milliseconds` (0: for ever) */
};

enum fault_step {
    STEP_NONE, /* a rule on commands */
    STEP_PROBE,
    STEP_SET_FUNCTIONS,
    STEP_VIRTUALIZATION,
    STEP_ATTACH_NAMESPACE,
    STEP_BIND,
    STEP_OPEN,
    STEP_READY, /* the controller becomes ready later, or (drop) never */
    STEP_MAP,
    STEP_UNMAP,
    STEP_RELEASE,
    STEP_COUNT,
};

enum { FAULT_ANY = -1 };

struct fault_spec {
    enum fault_action action;
    enum fault_step step;
    int function; /* VF index or FAULT_ANY */
    int queue;    /* 0: admin, or FAULT_ANY */
    int opcode;
    uint64_t after; /* so many that match go by first */
    uint64_t count; /* then it fires so often; 0: always */
    uint64_t milliseconds;
    uint16_t status;
    uint32_t event; /* DW0 of its completion (section 5.2) */
};

struct fault {
    struct fault_spec spec;
    uint32_t number; /* counts from 1 */
    uint64_t seen, fired;
};

#define FAULTS_MAX 256 /* of a device */

struct faults {
    struct fault *list;
    size_t count;
    uint32_t last_number;
};

int faults_new(const struct fault_spec *specs, size_t count, struct faults *ret_faults);
void faults_free(struct faults *faults);
/* 0, -ENOSPC (there are FAULTS_MAX) or -ENOMEM. Nobody may look at the faults meanwhile. */
int faults_add(struct faults *faults, const struct fault_spec *spec, uint32_t *ret_number);
/* number 0: all. How many there were. */
size_t faults_remove(struct faults *faults, uint32_t number);
/* The first live rule that matches a command, counted as fired; NULL: none. */
const struct fault_spec *faults_command(struct faults *faults, unsigned function, uint16_t queue,
                                        uint8_t opcode);
/* The same for a step; function may be FAULT_ANY (it concerns the device). */
const struct fault_spec *faults_step(struct faults *faults, enum fault_step step, int function);

#endif
