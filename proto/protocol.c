/* SPDX-License-Identifier: BSD-3-Clause */
#include "proto/protocol.h"

#include <errno.h>

#include "proto/interfaces.h"

static const struct {
    const char *name;
    unsigned value;
} limits[] = {
    {"messageBytes", VARLINK_MESSAGE_BYTES_MAX},  {"depth", VARLINK_JSON_DEPTH_MAX},
    {"fileDescriptors", VARLINK_FDS_MAX},         {"callsAhead", VARLINK_INPUT_CALLS_MAX},
    {"callsAheadBytes", VARLINK_INPUT_BYTES_MAX}, {"unreadBytes", VARLINK_OUTPUT_BYTES_MAX},
};

static int get_limits(struct varlink_connection *connection, struct varlink_message *message, void *user)
{
    json_object *parameters = json_object_new_object();
    int r = parameters ? 0 : -ENOMEM;

    (void)message;
    (void)user;
    for (size_t i = 0; i < sizeof(limits) / sizeof(*limits) && r == 0; i++) {
        json_object *value = json_object_new_int64(limits[i].value);
        if (!value || json_object_object_add(parameters, limits[i].name, value) != 0) {
            json_object_put(value);
            r = -ENOMEM;
        }
    }
    if (r == 0) {
        r = varlink_connection_reply(connection, parameters, false, NULL, 0);
    }
    json_object_put(parameters);
    return r;
}

static const struct varlink_method_entry methods[] = {{.name = "GetLimits", .handler = get_limits}, {0}};

int protocol_add(struct varlink_service *service)
{
    return varlink_service_add(service, interface_io_homi_protocol, methods);
}
