/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/api/namespaces.h"

#include "daemon/api/call.h"
#include "daemon/api/value.h"

#define BLOCK_BYTES_MIN 512
#define BLOCK_BYTES_MAX 65536
#define BYTES_MAX       (INT64_C(1) << 60)
#define ID_MAX          (UINT32_MAX - 1) /* FFFFFFFFh means all namespaces */

static void created(void *user, const struct core_error *error, const uint8_t *data, uint32_t value)
{
    struct api_call *call = user;
    (void)data;
    if (error->code) {
        api_call_refuse(call, error);
        return;
    }
    json_object *parameters = json_object_new_object();
    value_put_integer(parameters, "namespace", value);
    api_call_reply(call, parameters, NULL, 0);
}

static void changed(void *user, const struct core_error *error, const uint8_t *data, uint32_t value)
{
    (void)data, (void)value;
    api_call_done(user, error);
}

/* Refuses a value outside its range. */
static bool in_range(struct api_call *call, const char *field, int64_t value, int64_t minimum,
                     int64_t maximum)
{
    if (value >= minimum && value <= maximum)
        return true;
    api_call_range(call, field, minimum, maximum);
    return false;
}

static bool read_block(struct api_call *call, json_object *parameters, struct hw_namespace_change *change)
{
    int64_t bytes = value_integer(parameters, "blockBytes", 0);
    if (value_member(parameters, "blockBytes") &&
        !in_range(call, "blockBytes", bytes, BLOCK_BYTES_MIN, BLOCK_BYTES_MAX))
        return false;
    change->block_bytes = (uint32_t)bytes;
    return true;
}

int namespaces_create(struct varlink_connection *connection, struct varlink_message *message, void *user)
{
    (void)connection;
    struct api_session *session = user;
    json_object *parameters = message->parameters;
    struct hw_namespace_change change = {.act = HW_NAMESPACE_CREATE,
                                         .shareable = value_flag(parameters, "shared")};
    int64_t bytes = value_integer(parameters, "sizeBytes", 0);
    struct api_call *call;
    int r = api_call_begin(session, "io.homi.Admin.CreateNamespace", parameters, &call);
    if (r <= 0)
        return r;
    if (read_block(call, parameters, &change) &&
        in_range(call, "sizeBytes", bytes, change.block_bytes ? change.block_bytes : BLOCK_BYTES_MIN,
                 BYTES_MAX)) {
        change.bytes = (uint64_t)bytes;
        core_change_namespace(session->context->core, value_text(parameters, "device"), &change, created,
                              call);
    }
    return 0;
}

static int change_one(struct api_session *session, json_object *parameters, const char *method,
                      enum hw_namespace_act act)
{
    struct hw_namespace_change change = {.act = act};
    int64_t id = value_integer(parameters, "namespace", 0);
    struct api_call *call;
    int r = api_call_begin(session, method, parameters, &call);
    if (r <= 0)
        return r;
    if (read_block(call, parameters, &change) && in_range(call, "namespace", id, 1, ID_MAX)) {
        change.id = (uint32_t)id;
        core_change_namespace(session->context->core, value_text(parameters, "device"), &change, changed,
                              call);
    }
    return 0;
}

int namespaces_delete(struct varlink_connection *connection, struct varlink_message *message, void *user)
{
    (void)connection;
    return change_one(user, message->parameters, "io.homi.Admin.DeleteNamespace", HW_NAMESPACE_DELETE);
}

int namespaces_format(struct varlink_connection *connection, struct varlink_message *message, void *user)
{
    (void)connection;
    return change_one(user, message->parameters, "io.homi.Admin.FormatNamespace", HW_NAMESPACE_FORMAT);
}

int namespaces_attach(struct varlink_connection *connection, struct varlink_message *message, void *user)
{
    (void)connection;
    return change_one(user, message->parameters, "io.homi.Admin.AttachNamespace", HW_NAMESPACE_ATTACH);
}

int namespaces_detach(struct varlink_connection *connection, struct varlink_message *message, void *user)
{
    (void)connection;
    return change_one(user, message->parameters, "io.homi.Admin.DetachNamespace", HW_NAMESPACE_DETACH);
}
