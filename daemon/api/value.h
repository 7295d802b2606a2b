/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reads members of checked parameters and builds those of replies. Reading: null counts as absent. Building:
 * what cannot be allocated is left out, so that the check of the reply against its definition catches it.
 */
#ifndef HOMI_DAEMON_API_VALUE_H
#define HOMI_DAEMON_API_VALUE_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

json_object *value_member(json_object *object, const char *key); /* borrowed; NULL: absent */
const char *value_text(json_object *object, const char *key);    /* borrowed; NULL: absent */
int64_t value_integer(json_object *object, const char *key, int64_t otherwise);
bool value_flag(json_object *object, const char *key);

/* Keys are literals, each put once. */
void value_put(json_object *object, const char *key, json_object *member);   /* takes member over */
void value_put_text(json_object *object, const char *key, const char *text); /* NULL: left out */
void value_put_integer(json_object *object, const char *key, int64_t number);
void value_put_flag(json_object *object, const char *key, bool flag);
void value_append(json_object *array, json_object *element); /* takes element over */

/* Standard base64 (RFC 4648, section 4). */
json_object *value_base64(const uint8_t *data, size_t bytes);

#endif
