/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/api/list.h"

#include <errno.h>
#include <stdlib.h>

#include "daemon/api/call.h"
#include "daemon/api/value.h"

struct api_list {
    const char *method, *key;
    json_object *array;
    size_t next;
};

static int send_reply(struct api_session *session, const char *method, const char *key, json_object *array,
                      bool continues)
{
    json_object *parameters = json_object_new_object();
    value_put(parameters, key, json_object_get(array));
    int r = varlink_service_reply(session->context->services[session->kind], session->connection, method,
                                  parameters, continues, NULL, 0);
    json_object_put(parameters);
    return r;
}

void api_list_forget(struct api_session *session)
{
    if (!session->list)
        return;
    json_object_put(session->list->array);
    free(session->list);
    session->list = NULL;
}

/* Queues the next `count` entries; the list gives up those that were. */
static int send_part(struct api_session *session, size_t count)
{
    struct api_list *list = session->list;
    size_t total = json_object_array_length(list->array);
    json_object *part = json_object_new_array();
    for (size_t i = 0; i < count; i++)
        value_append(part, json_object_get(json_object_array_get_idx(list->array, list->next + i)));
    int r = send_reply(session, list->method, list->key, part, list->next + count < total);
    json_object_put(part);
    for (size_t i = 0; r == 0 && i < count; i++)
        json_object_array_put_idx(list->array, list->next++, NULL);
    return r;
}

int api_list_continue(struct api_session *session)
{
    struct api_list *list = session->list;
    if (!list)
        return 0;
    size_t left = json_object_array_length(list->array) - list->next;
    size_t count = left < API_LIST_PART ? left : API_LIST_PART;
    int r = send_part(session, count);
    while (r == -E2BIG && count > 1) {
        count /= 2;
        r = send_part(session, count);
    }
    if (r == -E2BIG)
        r = api_error_too_big(session);
    else if (r == 0 && count < left)
        return 1;
    api_list_forget(session);
    return r < 0 ? r : 1;
}

int api_list_reply(struct api_session *session, const char *method, bool more, const char *key,
                   json_object *array)
{
    int r;
    if (more) {
        session->list = calloc(1, sizeof *session->list);
        if (session->list) {
            *session->list = (struct api_list){.method = method, .key = key, .array = array};
            r = api_list_continue(session);
            api_measure(session, method, NULL, session->context->began);
            return r < 0 ? r : 0;
        }
        r = -ENOMEM;
    } else {
        r = send_reply(session, method, key, array, false);
        api_measure(session, method, r == -E2BIG ? "ExpectedMore" : NULL, session->context->began);
        if (r == -E2BIG)
            r = varlink_connection_error(session->connection, "org.varlink.service.ExpectedMore", NULL);
    }
    json_object_put(array);
    return r;
}
