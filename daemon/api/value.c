/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/api/value.h"

#include <stdlib.h>

json_object *value_member(json_object *object, const char *key)
{
    json_object *member = NULL;
    json_object_object_get_ex(object, key, &member);
    return member;
}

const char *value_text(json_object *object, const char *key)
{
    json_object *member = value_member(object, key);
    return member ? json_object_get_string(member) : NULL;
}

int64_t value_integer(json_object *object, const char *key, int64_t otherwise)
{
    json_object *member = value_member(object, key);
    return member ? json_object_get_int64(member) : otherwise;
}

bool value_flag(json_object *object, const char *key)
{
    return json_object_get_boolean(value_member(object, key));
}

void value_put(json_object *object, const char *key, json_object *member)
{
    static const unsigned options = JSON_C_OBJECT_ADD_KEY_IS_NEW | JSON_C_OBJECT_KEY_IS_CONSTANT;
    if (!object || !member || json_object_object_add_ex(object, key, member, options) < 0)
        json_object_put(member);
}

void value_put_text(json_object *object, const char *key, const char *text)
{
    if (text)
        value_put(object, key, json_object_new_string(text));
}

void value_put_integer(json_object *object, const char *key, int64_t number)
{
    value_put(object, key, json_object_new_int64(number));
}

void value_put_flag(json_object *object, const char *key, bool flag)
{
    value_put(object, key, json_object_new_boolean(flag));
}

void value_append(json_object *array, json_object *element)
{
    if (!array || !element || json_object_array_add(array, element) < 0)
        json_object_put(element);
}

json_object *value_base64(const uint8_t *data, size_t bytes)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t length = (bytes + 2) / 3 * 4;
    char *text = malloc(length + 1);
    if (!text)
        return NULL;
    for (size_t i = 0, o = 0; i < bytes; i += 3, o += 4) {
        size_t left = bytes - i;
        uint32_t group = (uint32_t)data[i] << 16 | (left > 1 ? (uint32_t)data[i + 1] << 8 : 0) |
                         (left > 2 ? (uint32_t)data[i + 2] : 0);
        text[o] = digits[group >> 18];
        text[o + 1] = digits[group >> 12 & 63];
        text[o + 2] = left > 1 ? digits[group >> 6 & 63] : '=';
        text[o + 3] = left > 2 ? digits[group & 63] : '=';
    }
    json_object *value = json_object_new_string_len(text, (int)length);
    free(text);
    return value;
}
