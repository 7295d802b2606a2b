/* SPDX-License-Identifier: BSD-3-Clause */
/* What the fake backend's operations do to its devices. */
#ifndef HOMI_TESTS_UNIT_FAKE_DEVICE_H
#define HOMI_TESTS_UNIT_FAKE_DEVICE_H

#include "tests/unit/fake_backend.h"

struct fake_op {
    struct fake_op *next;
    enum fake_operation kind;
    struct hw_device *device;
    struct hw_function *function;
    hw_done done;
    void *user;
    unsigned number;
    uint64_t a, b, c;
    bool ghost; /* started by a homid that is dead */
    struct hw_queue_pair pair;
    void *listener_user;
    bool cancelled;
};

/* Notes the first thing that real hardware would punish. */
void fake_complain(struct fake *fake, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Carries the operation out: 0 or -errno. */
int fake_apply(struct fake_op *op);
void fake_do_close(struct hw_function *function); /* what becomes of a VF that is closed */

#endif
