/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The list of device behaviours: each a name, the section that demands it, the rule of the model that it
 * tests, and a function that says NULL, what is wrong, or that the device does not offer it.
 */
#ifndef HOMI_TESTS_CONFORMANCE_CASES_H
#define HOMI_TESTS_CONFORMANCE_CASES_H

#include <stddef.h>

#include "daemon/model/rules.h"
#include "tests/conformance/rig.h"

enum case_kind {
    CASE_CONTROLLER, /* the case drives the controller itself, from a reset on: rig->admin is its admin queue
                      */
    CASE_BACKEND,    /* the VF was just opened through the backend, whose admin queue works */
};

struct conformance_case {
    const char *name;
    const char *section; /* of NVMe Base 2.0, of the NVM Command Set 1.0 ("NVM ..."), or of this project */
    enum rule rule;
    /* The namespace rig->nsid is attached, and at least 1 MiB; another one is not. */
    const char *(*run)(struct rig *rig, const struct conformance_case *self);
    enum case_kind kind;
    /* of what is given as it stands */
    struct nvme_command command;
    uint16_t status;
};

struct case_list {
    const struct conformance_case *cases;
    size_t count;
};

extern const struct case_list cases_registers, cases_identify, cases_admin, cases_features, cases_events,
    cases_queues, cases_io, cases_memory, cases_life;

size_t conformance_count(void);
const struct conformance_case *conformance_at(size_t index);

/* Readies the rig and runs one case. NULL, not_offered, or what is wrong. */
const char *conformance_run(struct rig *rig, const struct conformance_case *entry);
/* The same; the case's rule is written there once the rig is ready (NULL: nowhere). */
const char *conformance_run_with(struct rig *rig, const struct conformance_case *entry,
                                 volatile unsigned *switched_off);
/* Why the device of the rig is known to deviate in that case; NULL: it is not. */
const char *conformance_exception(const struct rig *rig, const struct conformance_case *entry);
size_t conformance_exception_count(void); /* of the device of which most are known */

extern const char not_offered[]; /* what a case returns when the device says that it lacks the feature */

/* ---- for cases ---- */

#define EXPECT(condition)                                                                                    \
    do {                                                                                                     \
        if (!(condition))                                                                                    \
            return #condition;                                                                               \
    } while (0)
#define NEED(condition)                                                                                      \
    do {                                                                                                     \
        if (!(condition))                                                                                    \
            return not_offered;                                                                              \
    } while (0)

#define LIST(cases)                                                                                          \
    {                                                                                                        \
        (cases), sizeof(cases) / sizeof((cases)[0])                                                          \
    }

enum {
    CASE_ENTRIES = 16,
    CASE_CID = 0x1234,
    EVENT_MILLISECONDS = 2000,
    QUIET_MILLISECONDS = 20, /* in which nothing shall happen */
};

/* The command on the admin resp. an I/O queue completes with the status. */
const char *case_admin(struct rig *rig, const struct conformance_case *self);
const char *case_io(struct rig *rig, const struct conformance_case *self);

/* Read, write, ... of the rig's namespace, in blocks, at a place in the rig's memory. */
struct nvme_command transfer(const struct rig *rig, uint8_t opcode, uint64_t start, uint32_t blocks,
                             uint64_t offset);
void fill(struct rig *rig, uint64_t offset, size_t bytes, unsigned seed);

#endif
