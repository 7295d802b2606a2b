/* SPDX-License-Identifier: BSD-3-Clause */
/* Which keys a configuration file may have, of what type and range; and how a later file changes an earlier.
 */
#ifndef HOMI_DAEMON_CONFIG_SCHEMA_H
#define HOMI_DAEMON_CONFIG_SCHEMA_H

#include "daemon/config/file.h"

/* Checks one file (files->list[index]) by itself. Returns 0, or -EINVAL with *ret_error. */
int config_schema_check(const struct config_files *files, size_t index, struct config_error *ret_error);

/* Lays a checked file's content over *into. Returns 0 or -ENOMEM. */
int config_schema_merge(json_object *into, json_object *from);

/* "64M" and the like: an integer, optionally followed by K, M, G or T (powers of 1024). */
bool config_bytes(json_object *value, uint64_t *ret_bytes);

#endif
