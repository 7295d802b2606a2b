/* SPDX-License-Identifier: BSD-3-Clause */
/* Turns the merged content of all files into a struct config: defaults, references, users and groups. */
#ifndef HOMI_DAEMON_CONFIG_BUILD_H
#define HOMI_DAEMON_CONFIG_BUILD_H

#include "daemon/config/file.h"

/* merged fits the schema. Fills *config (zeroed; the caller frees it in any case). Returns 0, -ENOMEM, or
 * -EINVAL with *ret_error. */
int config_build(const struct config_files *files, json_object *merged, struct config *config,
                 struct config_error *ret_error);

#endif
