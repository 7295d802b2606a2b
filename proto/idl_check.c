/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/idl_types.h"

/* Where in the parameters a value is, as a chain from the innermost member outwards. */
struct path {
    const struct path *parent; /* NULL for the parameters themselves */
    const char *name;          /* of a member, or NULL for an element */
    size_t index;              /* of an element */
};

static int check(const struct idl_type *type, json_object *value, const struct path *path, char **ret_field);

static void write_path(FILE *stream, const struct path *path)
{
    if (!path->parent) {
        return;
    }
    write_path(stream, path->parent);
    if (path->name) {
        (void)fprintf(stream, "%s%s", path->parent->parent ? "." : "", path->name);
    } else {
        (void)fprintf(stream, "[%zu]", path->index);
    }
}

/* Always a refusal: 1, or -ENOMEM when its path cannot be told. */
static int refuse(const struct path *path, char **ret_field)
{
    char *field = NULL;
    size_t length;
    FILE *stream = open_memstream(&field, &length);

    if (!stream) {
        return -ENOMEM;
    }
    write_path(stream, path);
    if (fclose(stream) != 0) {
        free(field);
        return -ENOMEM;
    }
    *ret_field = field;
    return 1;
}

static const struct idl_field *find_field(const struct idl_type *type, const char *name)
{
    for (size_t i = 0; i < type->field_count; i++) {
        if (strcmp(type->fields[i].name, name) == 0) {
            return &type->fields[i];
        }
    }
    return NULL;
}

/* json-c holds integers up to UINT64_MAX, which no peer of this project could read. */
static bool is_int(json_object *value)
{
    return json_object_is_type(value, json_type_int) &&
           (json_object_get_int64(value) < INT64_MAX || json_object_get_uint64(value) == INT64_MAX);
}

static int check_array(const struct idl_type *type, json_object *value, const struct path *path,
                       char **ret_field)
{
    size_t count = json_object_array_length(value);

    for (size_t i = 0; i < count; i++) {
        struct path inner = {.parent = path, .index = i};
        int r = check(type->element, json_object_array_get_idx(value, i), &inner, ret_field);
        if (r) {
            return r;
        }
    }
    return 0;
}

static int check_map(const struct idl_type *type, json_object *value, const struct path *path,
                     char **ret_field)
{
    json_object_object_foreach (value, key, element) {
        struct path inner = {.parent = path, .name = key};
        int r = check(type->element, element, &inner, ret_field);
        if (r) {
            return r;
        }
    }
    return 0;
}

/* The field of a member, looked for first where it stands when members come in the order of the definition.
 */
static const struct idl_field *find_member(const struct idl_type *type, const char *name, size_t *next)
{
    for (size_t i = *next; i < type->field_count; i++) {
        if (strcmp(type->fields[i].name, name) == 0) {
            *next = i + 1;
            return &type->fields[i];
        }
    }
    return find_field(type, name);
}

/* A field that the value does not have, or has as null. */
static int check_absent(const struct idl_type *type, json_object *value, const struct path *path,
                        char **ret_field)
{
    for (size_t i = 0; i < type->field_count; i++) {
        struct path inner = {.parent = path, .name = type->fields[i].name};
        if (!type->fields[i].type->nullable && !json_object_object_get(value, inner.name)) {
            return refuse(&inner, ret_field);
        }
    }
    return 0;
}

static size_t required_count(const struct idl_type *type)
{
    size_t count = 0;

    for (size_t i = 0; i < type->field_count; i++) {
        count += !type->fields[i].type->nullable;
    }
    return count;
}

static int check_struct(const struct idl_type *type, json_object *value, const struct path *path,
                        char **ret_field)
{
    size_t next = 0, required = required_count(type);

    json_object_object_foreach (value, key, member) {
        struct path inner = {.parent = path, .name = key};
        const struct idl_field *field = find_member(type, key, &next);
        int r = field ? check(field->type, member, &inner, ret_field) : refuse(&inner, ret_field);
        if (r) {
            return r;
        }
        required -= !field->type->nullable;
    }
    /* No key is there twice, so that the count tells whether one is missing. */
    return required > 0 ? check_absent(type, value, path, ret_field) : 0;
}

/* Whether a value that is not null has the JSON type that its kind is encoded as. */
static bool has_kind(const struct idl_type *type, json_object *value)
{
    switch (type->kind) {
    case IDL_BOOL: return json_object_is_type(value, json_type_boolean);
    case IDL_INT: return is_int(value);
    case IDL_FLOAT: return json_object_is_type(value, json_type_double) || is_int(value);
    case IDL_STRING: return json_object_is_type(value, json_type_string);
    case IDL_ENUM:
        return json_object_is_type(value, json_type_string) &&
               find_field(type, json_object_get_string(value));
    case IDL_ARRAY: return json_object_is_type(value, json_type_array);
    case IDL_OBJECT:
    case IDL_MAP:
    case IDL_STRUCT: return json_object_is_type(value, json_type_object);
    case IDL_ANY: return true;
    default: return false;
    }
}

/* value is NULL where it is absent or null, which means the same. */
static int check(const struct idl_type *type, json_object *value, const struct path *path, char **ret_field)
{
    if (!value) {
        return type->nullable ? 0 : refuse(path, ret_field);
    }
    if (type->kind == IDL_NAMED) {
        type = type->target;
    }
    if (!has_kind(type, value)) {
        return refuse(path, ret_field);
    }
    switch (type->kind) {
    case IDL_ARRAY: return check_array(type, value, path, ret_field);
    case IDL_MAP: return check_map(type, value, path, ret_field);
    case IDL_STRUCT: return check_struct(type, value, path, ret_field);
    default: return 0;
    }
}

static int check_parameters(const struct idl_type *type, json_object *parameters, char **ret_field)
{
    static const struct path root;
    json_object *empty = NULL;
    int r;

    if (!parameters) {
        parameters = empty = json_object_new_object();
        if (!empty) {
            return -ENOMEM;
        }
    }
    r = check(type, parameters, &root, ret_field);
    json_object_put(empty);
    return r;
}

int idl_check_input(const struct idl_method *method, json_object *parameters, char **ret_field)
{
    return check_parameters(method->member.type, parameters, ret_field);
}

int idl_check_output(const struct idl_method *method, json_object *parameters, char **ret_field)
{
    return check_parameters(method->member.output, parameters, ret_field);
}

int idl_check_error(const struct idl_error *error, json_object *parameters, char **ret_field)
{
    return check_parameters(error->member.type, parameters, ret_field);
}
