/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One configuration file: its text, what it parses to, and where in the text a value stands, so that an
 * error can name the line. json-c forgets positions; they are found again in the text.
 */
#ifndef HOMI_DAEMON_CONFIG_FILE_H
#define HOMI_DAEMON_CONFIG_FILE_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>

#include "daemon/config/config.h"

#define CONFIG_DEPTH_MAX 8

struct config_file {
    char *path;
    char *text;
    size_t bytes;
    json_object *root;
};

struct config_files {
    struct config_file *list;
    size_t count;
};

/* A step into a value: a member of an object, or (key NULL) an element, by name or (name NULL) by index. */
struct config_step {
    const char *key, *name;
    size_t index;
};

/* Where a value stands in the configuration: tenants[blue].namespaces[0].id */
struct config_place {
    struct config_step steps[CONFIG_DEPTH_MAX];
    unsigned depth;
};

/* The place one step further in; strings are borrowed. */
struct config_place config_place_key(struct config_place place, const char *key);
struct config_place config_place_name(struct config_place place, const char *name);
struct config_place config_place_index(struct config_place place, size_t index);

/* Reads and parses. On failure *ret_error says why and *ret_file is untouched. */
int config_file_read(const char *path, struct config_file *ret_file, struct config_error *ret_error);
void config_files_clear(struct config_files *files);

/*
 * Writes an error about a place: the last file that has it is named, and the line; a place that is in no file
 * (a key that is missing) is put at what encloses it. Returns -EINVAL.
 */
int config_fail(const struct config_files *files, const struct config_place *place,
                struct config_error *ret_error, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif
