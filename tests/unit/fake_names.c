/* SPDX-License-Identifier: BSD-3-Clause */
/* What the fake backend's operations are called. */
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
