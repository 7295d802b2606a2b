/* SPDX-License-Identifier: BSD-3-Clause */
/* Any call of any interface, as JSON text in and out. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/client.h"
#include "proto/json.h"

static int parse_parameters(const char *parameters, json_object **ret_object)
{
    int r = parameters ? json_parse_strict(parameters, strlen(parameters), ret_object, NULL) : 0;

    return r > 0 ? -EINVAL : r;
}

static int send_text(struct homi *homi, const char *method, const char *parameters, bool more)
{
    json_object *object = NULL;
    int r = parse_parameters(parameters, &object);

    if (r < 0)
        return r;
    r = client_send(homi, method, object, more, NULL, 0);
    json_object_put(object);
    return r;
}

/* Programs that go through here get text only; descriptors with a reply have nobody to own them. */
static int only_text(struct homi *homi, int r, struct varlink_message *reply)
{
    if (r < 0 || reply->fd_count == 0)
        return r;
    varlink_message_clear(reply);
    return client_breach(homi);
}

static int receive_text(struct homi *homi, struct varlink_message *ret_reply)
{
    return only_text(homi, client_receive(homi, true, ret_reply), ret_reply);
}

int homi_call(struct homi *homi, const char *method, const char *parameters, char **ret_reply)
{
    json_object *object = NULL;
    struct varlink_message reply;
    char *text;
    int r;

    r = parse_parameters(parameters, &object);
    if (r < 0)
        return r;
    r = only_text(homi, client_exchange(homi, method, object, NULL, 0, &reply), &reply);
    json_object_put(object);
    if (r < 0)
        return r;
    text = strdup(json_object_to_json_string_ext(reply.parameters, JSON_C_TO_STRING_PLAIN));
    if (!text) {
        r = -ENOMEM;
    } else {
        r = reply.error ? client_refused(homi, &reply) : 0;
        *ret_reply = text;
    }
    varlink_message_clear(&reply);
    return r;
}

int homi_call_more(struct homi *homi, const char *method, const char *parameters,
                   int (*each)(const char *reply, void *user), void *user)
{
    struct varlink_message reply;
    bool on = true;
    int r;

    r = send_text(homi, method, parameters, true);
    while (r == 0 && on) {
        r = receive_text(homi, &reply);
        if (r < 0)
            return r;
        on = reply.continues;
        r = reply.error ? client_refused(homi, &reply) : 0;
        if (r == 0 &&
            each(json_object_to_json_string_ext(reply.parameters, JSON_C_TO_STRING_PLAIN), user) != 0 && on) {
            /* Nothing in Varlink stops a stream but the end of its connection. */
            client_breach(homi);
            on = false;
        }
        varlink_message_clear(&reply);
    }
    return r;
}
