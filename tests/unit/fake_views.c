/* SPDX-License-Identifier: BSD-3-Clause */
/* What the fake backend's operations are called, and what it holds. */
#include "tests/unit/fake_backend.h"

static const char *const names[FAKE_OPERATIONS] = {"probe",
                                                   "list",
                                                   "count",
                                                   "assign",
                                                   "online",
                                                   "bind",
                                                   "unbind",
                                                   "attach",
                                                   "lend",
                                                   "withdraw",
                                                   "reclaim",
                                                   "open",
                                                   "close",
                                                   "examine",
                                                   "map",
                                                   "unmap",
                                                   "create",
                                                   "delete",
                                                   "identify namespace",
                                                   "identify",
                                                   "log",
                                                   "feature",
                                                   "adopt"};

const char *fake_operation_name(enum fake_operation operation)
{
    return operation < FAKE_OPERATIONS ? names[operation] : "none";
}

struct fake_totals fake_totals(const struct fake *fake)
{
    struct fake_totals totals = {0};

    for (unsigned i = 0; i < FAKE_DEVICES_MAX; i++) {
        for (unsigned n = 0; n < FAKE_FUNCTIONS_MAX; n++) {
            const struct hw_function *function = &fake->devices[i].functions[n];
            totals.attached += (unsigned)__builtin_popcount(function->attached);
            totals.pairs += function->pair_count;
            totals.mappings += function->mapping_count;
            totals.pages += function->page_count;
            totals.open += function->open;
        }
    }
    return totals;
}
