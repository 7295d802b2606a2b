/* SPDX-License-Identifier: BSD-3-Clause */
#include "proto/json_text.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_BYTES = 1024 };

static bool make_room(struct json_text *text, size_t count)
{
    size_t capacity = text->capacity ? text->capacity : FIRST_BYTES;
    char *bytes;

    if (text->failed) {
        return false;
    }
    if (text->capacity - text->length >= count) {
        return true;
    }
    while (capacity - text->length < count) {
        capacity *= 2;
    }
    bytes = realloc(text->bytes, capacity);
    if (!bytes) {
        text->failed = true;
        return false;
    }
    text->bytes = bytes;
    text->capacity = capacity;
    return true;
}

void json_text_add(struct json_text *text, const char *bytes, size_t count)
{
    if (make_room(text, count)) {
        memcpy(text->bytes + text->length, bytes, count);
        text->length += count;
    }
}

static void add_escape(struct json_text *text, unsigned char c)
{
    static const char hex[] = "0123456789abcdef", shorts[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
    const char *found = memchr(shorts, c, sizeof(shorts) - 1);
    const char escape[] = {'\\', found ? letters[found - shorts] : 'u', '0', '0', hex[c >> 4], hex[c & 15]};

    json_text_add(text, escape, found ? 2 : sizeof(escape));
}

void json_text_string(struct json_text *text, const char *string, size_t length)
{
    const char *plain = string, *end = string + length;

    json_text_add(text, "\"", 1);
    for (; string < end; string++) {
        unsigned char c = (unsigned char)*string;
        if (c >= 0x20 && c != '"' && c != '\\') {
            continue;
        }
        json_text_add(text, plain, (size_t)(string - plain));
        add_escape(text, c);
        plain = string + 1;
    }
    json_text_add(text, plain, (size_t)(end - plain));
    json_text_add(text, "\"", 1);
}

static void add_integer(struct json_text *text, json_object *value)
{
    char digits[24], *at = digits + sizeof(digits);
    int64_t number = json_object_get_int64(value);
    uint64_t rest = number < 0 ? -(uint64_t)number : json_object_get_uint64(value);

    do {
        *--at = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    if (number < 0) {
        *--at = '-';
    }
    json_text_add(text, at, (size_t)(digits + sizeof(digits) - at));
}

static void add_array(struct json_text *text, json_object *array)
{
    size_t count = json_object_array_length(array);

    json_text_add(text, "[", 1);
    for (size_t i = 0; i < count; i++) {
        if (i > 0) {
            json_text_add(text, ",", 1);
        }
        json_text_value(text, json_object_array_get_idx(array, i));
    }
    json_text_add(text, "]", 1);
}

static void add_object(struct json_text *text, json_object *object)
{
    const char *separator = "{";

    json_object_object_foreach (object, key, value) {
        json_text_add(text, separator, 1);
        json_text_string(text, key, strlen(key));
        json_text_add(text, ":", 1);
        json_text_value(text, value);
        separator = ",";
    }
    if (*separator == '{') {
        json_text_add(text, separator, 1);
    }
    json_text_add(text, "}", 1);
}

void json_text_value(struct json_text *text, json_object *value)
{
    const char *word;

    switch (json_object_get_type(value)) {
    case json_type_object: add_object(text, value); return;
    case json_type_array: add_array(text, value); return;
    case json_type_int: add_integer(text, value); return;
    case json_type_string:
        json_text_string(text, json_object_get_string(value), (size_t)json_object_get_string_len(value));
        return;
    case json_type_null: word = "null"; break;
    case json_type_boolean: word = json_object_get_boolean(value) ? "true" : "false"; break;
    default: word = json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN); break; /* a double */
    }
    if (word) {
        json_text_add(text, word, strlen(word));
    } else {
        text->failed = true;
    }
}
