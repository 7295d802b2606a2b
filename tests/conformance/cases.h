/* SPDX-License-Identifier: BSD-3-Clause */
/* The list of device behaviours: each a name, the section that demands it, and a case that says NULL or what
 * is wrong. */
#ifndef HOMI_TESTS_CONFORMANCE_CASES_H
#define HOMI_TESTS_CONFORMANCE_CASES_H

#include <stddef.h>

#include "tests/conformance/rig.h"

struct conformance_case {
    const char *name;
    const char *section; /* of NVMe Base 2.0, or of the NVM Command Set 1.0 ("NVM ...") */
    /* The VF is open with 4 I/O queue pairs; namespace 1 (512 B blocks, 1 MiB) is attached, 2 is not. */
    const char *(*run)(struct rig *rig);
};

extern const struct conformance_case conformance_cases[];
extern const size_t conformance_case_count;

#endif
