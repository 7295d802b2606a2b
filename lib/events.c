/* SPDX-License-Identifier: BSD-3-Clause */
/* Events of the caller's leases: a Monitor call on a connection of its own. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/client.h"
#include "lib/members.h"

static const char *const kind_names[] = {
    [HOMI_EVENT_REVOKED] = "revoked",
    [HOMI_EVENT_FUNCTION_RESET] = "functionReset",
    [HOMI_EVENT_FUNCTION_FAILED] = "functionFailed",
    [HOMI_EVENT_NAMESPACE_CHANGED] = "namespaceChanged",
    [HOMI_EVENT_QUEUE_PAIR_FAILED] = "queuePairFailed",
    [HOMI_EVENT_REVOKING] = "revoking",
};

int homi_event_fd(struct homi *homi)
{
    struct homi *monitor;
    int r;

    if (homi->monitor)
        return homi->monitor->socket >= 0 ? homi->monitor->socket : -ENOTCONN;
    r = homi_open(homi->path, &monitor);
    if (r < 0)
        return r;
    r = client_send(monitor, "io.homi.Tenant.Monitor", NULL, true, NULL, 0);
    if (r < 0) {
        homi_close(monitor);
        return r;
    }
    homi->monitor = monitor;
    return monitor->socket;
}

static int copy_text(json_object *object, const char *key, char *buffer, size_t bytes)
{
    json_object *value;

    buffer[0] = '\0';
    if (!member_present(object, key))
        return 0;
    value = json_object_object_get(object, key);
    if (!json_object_is_type(value, json_type_string))
        return -EPROTO;
    snprintf(buffer, bytes, "%s", json_object_get_string(value));
    return 0;
}

/* Returns 1 and the event, 0 for a kind that a newer homid knows, or -EPROTO. */
static int read_event(json_object *parameters, struct homi_event *ret_event)
{
    json_object *object;
    const char *kind;
    struct homi_event event;

    if (member_object(parameters, "event", &object) < 0 || member_string(object, "kind", 64, &kind) < 0 ||
        !member_present(object, "lease") ||
        copy_text(object, "lease", event.lease, sizeof(event.lease)) < 0 ||
        copy_text(object, "virtualFunction", event.function, sizeof(event.function)) < 0 ||
        copy_text(object, "reason", event.reason, sizeof(event.reason)) < 0)
        return -EPROTO;
    for (size_t i = HOMI_EVENT_REVOKED; i < sizeof(kind_names) / sizeof(kind_names[0]); i++)
        if (strcmp(kind_names[i], kind) == 0) {
            event.kind = (enum homi_event_kind)i;
            *ret_event = event;
            return 1;
        }
    return 0;
}

int homi_event_next(struct homi *homi, struct homi_event *ret_event)
{
    struct homi *monitor = homi->monitor;
    struct varlink_message reply;
    int r;

    if (!monitor)
        return -EBADF;
    do {
        r = client_receive(monitor, false, &reply);
        if (r <= 0)
            return r;
        if (reply.error) {
            client_refused(homi, &reply);
            r = -EACCES;
        } else if (!reply.continues) {
            r = -ECONNRESET;
        } else {
            r = reply.fd_count == 0 ? read_event(reply.parameters, ret_event) : -EPROTO;
        }
        varlink_message_clear(&reply);
        if (r < 0)
            client_breach(monitor);
    } while (r == 0);
    return r;
}
