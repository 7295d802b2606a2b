/* SPDX-License-Identifier: BSD-3-Clause */
#include "proto/violation.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "proto/json.h"
#include "proto/limits.h"

#define ERROR(name) "io.homi.Protocol." name

/* Adds a member and gives its value up in any case. Returns 0 or -ENOMEM. */
static int put(json_object *object, const char *key, json_object *value)
{
    if (value && json_object_object_add(object, key, value) == 0) {
        return 0;
    }
    json_object_put(value);
    return -ENOMEM;
}

static int put_number(json_object *object, const char *key, size_t value)
{
    return put(object, key, json_object_new_int64((int64_t)value));
}

/* The values of io.homi.Protocol.Defect; too deep is an error of its own, since it concerns a limit. */
static const char *defect_name(int defect)
{
    switch (defect) {
    case JSON_DUPLICATE_KEY: return "duplicateKey";
    case JSON_NUMBER_RANGE: return "numberOutOfRange";
    case JSON_NOT_UTF8: return "notUtf8";
    case JSON_NOT_OBJECT: return "notObject";
    case JSON_NUL: return "nul";
    default: return "syntax";
    }
}

static int describe_json(const struct varlink_breach *breach, const char **ret_error, json_object *parameters)
{
    int r;

    if (breach->json_defect == JSON_TOO_DEEP) {
        *ret_error = ERROR("MessageTooDeep");
        r = put_number(parameters, "limit", VARLINK_JSON_DEPTH_MAX);
    } else {
        *ret_error = ERROR("MalformedMessage");
        r = put(parameters, "defect", json_object_new_string(defect_name(breach->json_defect)));
    }
    return r ? r : put_number(parameters, "offsetBytes", breach->offset);
}

static int describe_ahead(const char **ret_error, json_object *parameters)
{
    int r = put_number(parameters, "limit", VARLINK_INPUT_CALLS_MAX);

    *ret_error = ERROR("TooManyCallsAhead");
    return r ? r : put_number(parameters, "limitBytes", VARLINK_INPUT_BYTES_MAX);
}

static int describe(const struct varlink_breach *breach, const char **ret_error, json_object *parameters)
{
    switch (breach->violation) {
    case VARLINK_VIOLATION_OVERSIZED:
        *ret_error = ERROR("MessageTooLong");
        return put_number(parameters, "limitBytes", VARLINK_MESSAGE_BYTES_MAX);
    case VARLINK_VIOLATION_JSON: return describe_json(breach, ret_error, parameters);
    case VARLINK_VIOLATION_SHAPE:
        *ret_error = ERROR("NotACall");
        return put(parameters, "member", json_new_excerpt(breach->member, strlen(breach->member)));
    case VARLINK_VIOLATION_FDS_TOO_MANY:
        *ret_error = ERROR("TooManyFileDescriptors");
        return put_number(parameters, "limit", VARLINK_FDS_MAX);
    case VARLINK_VIOLATION_FDS_MISPLACED: *ret_error = ERROR("FileDescriptorsMisplaced"); return 0;
    case VARLINK_VIOLATION_FDS_LOST: *ret_error = ERROR("FileDescriptorsLost"); return 0;
    case VARLINK_VIOLATION_AHEAD: return describe_ahead(ret_error, parameters);
    default: return -ENOENT;
    }
}

int varlink_violation_error(const struct varlink_breach *breach, const char **ret_error,
                            json_object **ret_parameters)
{
    json_object *parameters = json_object_new_object();
    const char *error;
    int r = parameters ? describe(breach, &error, parameters) : -ENOMEM;

    if (r) {
        json_object_put(parameters);
        return r;
    }
    *ret_error = error;
    *ret_parameters = parameters;
    return 0;
}

const char *varlink_violation_text(enum varlink_violation violation)
{
    switch (violation) {
    case VARLINK_VIOLATION_NONE: return "no violation";
    case VARLINK_VIOLATION_OVERSIZED: return "a message is too long";
    case VARLINK_VIOLATION_JSON: return "a message is not strict JSON";
    case VARLINK_VIOLATION_SHAPE: return "a message is neither a call nor a reply of Varlink";
    case VARLINK_VIOLATION_FDS_TOO_MANY: return "too many file descriptors with a message";
    case VARLINK_VIOLATION_FDS_MISPLACED: return "file descriptors belong to no single message";
    case VARLINK_VIOLATION_FDS_LOST: return "no room for the file descriptors that it sent";
    case VARLINK_VIOLATION_UNEXPECTED: return "a reply that no call asked for";
    case VARLINK_VIOLATION_OVERFLOW: return "the peer does not read its replies";
    case VARLINK_VIOLATION_AHEAD: return "too many calls ahead of their answers";
    default: return "unknown violation";
    }
}
