/* SPDX-License-Identifier: BSD-3-Clause */
#include "lib/members.h"

#include <errno.h>
#include <string.h>

bool member_add(json_object *object, const char *key, json_object *value)
{
    if (!value)
        return false;
    if (json_object_object_add(object, key, value) == 0)
        return true;
    json_object_put(value);
    return false;
}

bool member_add_string(json_object *object, const char *key, const char *value)
{
    return !value || member_add(object, key, json_object_new_string(value));
}

bool member_add_int(json_object *object, const char *key, int64_t value)
{
    return member_add(object, key, json_object_new_int64(value));
}

bool member_add_bool(json_object *object, const char *key, bool value)
{
    return member_add(object, key, json_object_new_boolean(value));
}

static int typed_member(json_object *object, const char *key, enum json_type type, json_object **ret_value)
{
    json_object *value;

    if (!json_object_object_get_ex(object, key, &value) || !json_object_is_type(value, type))
        return -EPROTO;
    *ret_value = value;
    return 0;
}

int member_int(json_object *object, const char *key, int64_t minimum, int64_t maximum, int64_t *ret_value)
{
    json_object *value;
    int64_t number;

    if (typed_member(object, key, json_type_int, &value) < 0)
        return -EPROTO;
    number = json_object_get_int64(value);
    if (number < minimum || number > maximum)
        return -EPROTO;
    *ret_value = number;
    return 0;
}

int member_bool(json_object *object, const char *key, bool *ret_value)
{
    json_object *value;

    if (typed_member(object, key, json_type_boolean, &value) < 0)
        return -EPROTO;
    *ret_value = json_object_get_boolean(value);
    return 0;
}

int member_string(json_object *object, const char *key, size_t length_max, const char **ret_value)
{
    json_object *value;
    size_t length;

    if (typed_member(object, key, json_type_string, &value) < 0)
        return -EPROTO;
    length = (size_t)json_object_get_string_len(value);
    /* A NUL inside the text would make two names that differ look the same. */
    if (length == 0 || length > length_max || strlen(json_object_get_string(value)) != length)
        return -EPROTO;
    *ret_value = json_object_get_string(value);
    return 0;
}

int member_object(json_object *object, const char *key, json_object **ret_value)
{
    return typed_member(object, key, json_type_object, ret_value);
}

int member_array(json_object *object, const char *key, size_t count_max, json_object **ret_value)
{
    json_object *value;

    if (typed_member(object, key, json_type_array, &value) < 0 || json_object_array_length(value) > count_max)
        return -EPROTO;
    *ret_value = value;
    return 0;
}

bool member_present(json_object *object, const char *key)
{
    json_object *value;

    return json_object_object_get_ex(object, key, &value) && value != NULL;
}
