/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * JSON as text, for messages on their way out: what json-c's own writer prints without spaces, written in a
 * third of the time, since numbers do not go through printf and nothing is kept on the objects afterwards.
 */
#ifndef HOMI_PROTO_JSON_TEXT_H
#define HOMI_PROTO_JSON_TEXT_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>

/* All zero is empty. The bytes are owned: free them. */
struct json_text {
    char *bytes;
    size_t length, capacity;
    bool failed; /* memory ran out, and the text is no good */
};

void json_text_add(struct json_text *text, const char *bytes, size_t count); /* as they are */
void json_text_string(struct json_text *text, const char *string, size_t length);
void json_text_value(struct json_text *text, json_object *value); /* NULL: null */

#endif
