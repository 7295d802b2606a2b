/* SPDX-License-Identifier: BSD-3-Clause */
/* What the fake backend's SSDs do to namespaces. Each returns 0 or -errno. */
#ifndef HOMI_TESTS_UNIT_FAKE_NAMESPACES_H
#define HOMI_TESTS_UNIT_FAKE_NAMESPACES_H

#include "tests/unit/fake_backend.h"

int fake_attach(struct hw_device *device, struct hw_function *function, uint32_t id, bool attach);
int fake_wipe(struct hw_function *function, uint32_t id, uint64_t first, uint64_t blocks);
int fake_change(struct hw_device *device); /* what device->change says */

#endif
