/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Typed members of JSON objects: adding them to the parameters of a call, and reading them from a reply that
 * is not believed before its type and range were checked. Members that this version does not know are
 * ignored, so that a newer homid may say more.
 */
#ifndef HOMI_LIB_MEMBERS_H
#define HOMI_LIB_MEMBERS_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* These return false when memory ran out. value is taken over in any case; a NULL string adds nothing. */
bool member_add(json_object *object, const char *key, json_object *value);
bool member_add_string(json_object *object, const char *key, const char *value);
bool member_add_int(json_object *object, const char *key, int64_t value);
bool member_add_bool(json_object *object, const char *key, bool value);

/* These return 0, or -EPROTO when the member is absent, mistyped or out of range. Strings and arrays are
 * borrowed from the object. */
int member_int(json_object *object, const char *key, int64_t minimum, int64_t maximum, int64_t *ret_value);
int member_bool(json_object *object, const char *key, bool *ret_value);
int member_string(json_object *object, const char *key, size_t length_max, const char **ret_value);
int member_object(json_object *object, const char *key, json_object **ret_value);
int member_array(json_object *object, const char *key, size_t count_max, json_object **ret_value);

/* Whether the member is there and not null. */
bool member_present(json_object *object, const char *key);

#endif
