/* SPDX-License-Identifier: BSD-3-Clause */
/* The configuration for `homid --model` without a file: the default software SSD for whoever starts it. */
#ifndef HOMI_DAEMON_CONFIG_MODEL_H
#define HOMI_DAEMON_CONFIG_MODEL_H

#include <stddef.h>

/* Writes directory/name to *path, where directory is $XDG_RUNTIME_DIR/homi or /run/homi. 0 or -ENAMETOOLONG.
 */
int model_path(const char *name, char *path, size_t size);
/*
 * A file that config_load can read as long as the process lives: the device ssd0 with 8 VFs, and a tenant
 * "user" for the caller's uid that may have all of it. 0 or a negative errno.
 */
int model_config(char *path, size_t size);

#endif
