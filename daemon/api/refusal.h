/* SPDX-License-Identifier: BSD-3-Clause */
/* What the core refused, as an error of io.homi.Tenant or io.homi.Admin: one row of a table for each. */
#ifndef HOMI_DAEMON_API_REFUSAL_H
#define HOMI_DAEMON_API_REFUSAL_H

#include <json-c/json.h>

#include "daemon/core/core.h"

/*
 * Returns the error's name within its interface and its parameters (owned by the caller) for error->code !=
 * 0. tenants: the names that TenantAmbiguous lists (borrowed; may be NULL).
 */
const char *refusal_error(const struct core_error *error, json_object *tenants, json_object **ret_parameters);

/* "virtualFunctions" and the like, as both interfaces call a quota. */
const char *refusal_quota_name(enum core_quota quota);

#endif
