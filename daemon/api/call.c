/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/api/call.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "daemon/api/events.h"
#include "daemon/api/metrics.h"
#include "daemon/api/refusal.h"
#include "daemon/api/value.h"

struct api_replay {
    LIST_ENTRY(api_replay) entry; /* where lease is not empty */
    struct api_session *session;
    const char *method;
    char *request_id;
    const char *error; /* NULL: a reply */
    json_object *parameters;
    char lease[CORE_NAME_BYTES];
    unsigned fd_count;
    int fds[VARLINK_FDS_MAX];
};

static const char *const prefixes[] = {[API_TENANT] = "io.homi.Tenant.", [API_ADMIN] = "io.homi.Admin."};

uint64_t api_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

void api_measure(const struct api_session *session, const char *method, const char *error, uint64_t began)
{
    enum metrics_outcome outcome = !error                              ? METRICS_DONE
                                   : strcmp(error, "SystemError") == 0 ? METRICS_FAILED
                                                                       : METRICS_REFUSED;
    metrics_call(session->context->metrics, method, outcome, api_now() - began);
}

static void close_all(const int *fds, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        close(fds[i]);
}

static int duplicate(const int *fds, unsigned count, int *ret_fds)
{
    for (unsigned i = 0; i < count; i++) {
        ret_fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 3);
        if (ret_fds[i] < 0) {
            int error = errno;
            close_all(ret_fds, i);
            return -error;
        }
    }
    return 0;
}

static int send_reply(struct api_session *session, const char *method, json_object *parameters,
                      const int *fds, unsigned fd_count)
{
    int copies[VARLINK_FDS_MAX] = {0};
    int r = fd_count > VARLINK_FDS_MAX ? -E2BIG : duplicate(fds, fd_count, copies);
    if (r < 0)
        return r;
    r = varlink_service_reply(session->context->services[session->kind], session->connection, method,
                              parameters, false, copies, fd_count);
    if (r < 0)
        close_all(copies, fd_count);
    return r;
}

static int send_error(struct api_session *session, const char *error, json_object *parameters)
{
    char name[96];
    strcpy(name, prefixes[session->kind]);
    strncat(name, error, sizeof name - strlen(name) - 1);
    return varlink_service_error(session->context->services[session->kind], session->connection, name,
                                 parameters);
}

/* ---- answers kept ---- */

static struct api_replays *bucket_of(struct api_context *context, const char *lease)
{
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (; *lease; lease++)
        hash = (hash ^ (uint8_t)*lease) * 16777619u;
    return &context->replays[hash % API_REPLAY_BUCKETS];
}

void api_replay_free(struct api_session *session)
{
    struct api_replay *replay = session->replay;
    if (!replay)
        return;
    if (replay->lease[0])
        LIST_REMOVE(replay, entry);
    session->replay = NULL;
    close_all(replay->fds, replay->fd_count);
    json_object_put(replay->parameters);
    free(replay->request_id);
    free(replay);
}

void api_forget_lease(struct api_context *context, const char *lease)
{
    struct api_replay *replay = LIST_FIRST(bucket_of(context, lease)), *next;
    for (; replay; replay = next) {
        next = LIST_NEXT(replay, entry);
        if (strcmp(replay->lease, lease) == 0)
            api_replay_free(replay->session);
    }
}

/* Losing the answer costs idempotency only, so a shortage of memory or descriptors is not an error here. */
static void keep(struct api_call *call, const char *error, json_object *parameters, const int *fds,
                 unsigned fd_count)
{
    struct api_session *session = call->session;
    if (!call->request_id)
        return;
    struct api_replay *replay = calloc(1, sizeof *replay);
    if (!replay)
        return;
    if (duplicate(fds, fd_count, replay->fds) < 0) {
        free(replay);
        return;
    }
    replay->session = session;
    replay->method = call->method;
    replay->request_id = call->request_id;
    call->request_id = NULL;
    replay->error = error;
    replay->parameters = json_object_get(parameters);
    replay->fd_count = fd_count;
    memcpy(replay->lease, call->lease, sizeof replay->lease);
    session->replay = replay;
    if (replay->lease[0])
        LIST_INSERT_HEAD(bucket_of(session->context, replay->lease), replay, entry);
}

static int send_again(struct api_session *session)
{
    const struct api_replay *replay = session->replay;
    if (replay->error)
        return send_error(session, replay->error, replay->parameters);
    return send_reply(session, replay->method, replay->parameters, replay->fds, replay->fd_count);
}

/* ---- calls ---- */

int api_call_begin(struct api_session *session, const char *method, json_object *parameters,
                   struct api_call **ret_call)
{
    const char *id = parameters ? value_text(parameters, "requestId") : NULL;
    const struct api_replay *kept = session->replay;
    if (id && kept && strcmp(kept->request_id, id) == 0) {
        if (strcmp(kept->method, method) == 0)
            return send_again(session);
        return varlink_error_invalid_parameter(session->connection, "requestId");
    }
    if (id && (!id[0] || strlen(id) > API_REQUEST_ID_BYTES_MAX))
        return varlink_error_invalid_parameter(session->connection, "requestId");

    int r = parameters && session->begins ? session->begins(session, id) : 0;
    if (r < 0)
        return r;
    struct api_call *call = calloc(1, sizeof *call);
    if (!call)
        return -ENOMEM;
    call->request_id = id ? strdup(id) : NULL;
    if (id && !call->request_id) {
        free(call);
        return -ENOMEM;
    }
    if (parameters)
        api_replay_free(session);
    call->session = session;
    call->context = session->context;
    call->method = method;
    call->began = session->context->began;
    session->call = call;
    *ret_call = call;
    return 1;
}

void api_call_free(struct api_call *call)
{
    if (!call)
        return;
    if (call->session)
        call->session->call = NULL;
    free(call->request_id);
    free(call);
}

/* An answer that cannot be given leaves the peer in the dark about what it holds: the connection ends. */
static void finish(struct api_call *call, int r)
{
    struct api_session *session = call->session;
    api_call_free(call);
    if (r < 0)
        session->failure = r;
    session->wake(session);
}

void api_call_reply(struct api_call *call, json_object *parameters, const int *fds, unsigned fd_count)
{
    if (!parameters)
        parameters = json_object_new_object();
    if (call->session) {
        int r = send_reply(call->session, call->method, parameters, fds, fd_count);
        api_measure(call->session, call->method, NULL, call->began);
        if (r == 0)
            keep(call, NULL, parameters, fds, fd_count);
        finish(call, r);
    } else {
        api_call_free(call);
    }
    json_object_put(parameters);
}

void api_call_error(struct api_call *call, const char *error, json_object *parameters)
{
    if (call->session) {
        int r = send_error(call->session, error, parameters);
        api_measure(call->session, call->method, error, call->began);
        if (r == 0)
            keep(call, error, parameters, NULL, 0);
        finish(call, r);
    } else {
        api_call_free(call);
    }
    json_object_put(parameters);
}

static void add_name(void *user, const char *name)
{
    value_append(user, json_object_new_string(name));
}

void api_call_refuse(struct api_call *call, const struct core_error *error)
{
    json_object *parameters = NULL, *tenants = NULL;
    if (call->session && call->session->client) {
        tenants = json_object_new_array();
        core_client_tenants(call->session->client, add_name, tenants);
    }
    const char *name = refusal_error(error, tenants, &parameters);
    api_call_error(call, name, parameters);
    json_object_put(tenants);
}

void api_call_invalid(struct api_call *call, const char *field)
{
    int r = varlink_error_invalid_parameter(call->session->connection, field);
    finish(call, r);
}

void api_call_reject(struct api_call *call, const char *text, const char *error, json_object *parameters)
{
    events_refused(call->session, text);
    api_call_error(call, error, parameters);
}

void api_call_range(struct api_call *call, const char *field, int64_t minimum, int64_t maximum)
{
    char text[96];
    json_object *parameters = json_object_new_object();
    value_put_text(parameters, "field", field);
    value_put_integer(parameters, "minimum", minimum);
    value_put_integer(parameters, "maximum", maximum);
    snprintf(text, sizeof text, "%s is out of range", field);
    api_call_reject(call, text, "ValueOutOfRange", parameters);
}

void api_call_done(void *user, const struct core_error *error)
{
    struct api_call *call = user;
    if (error->code)
        api_call_refuse(call, error);
    else
        api_call_reply(call, NULL, NULL, 0);
}

int api_reply_now(struct api_session *session, const char *method, json_object *parameters)
{
    int r = send_reply(session, method, parameters, NULL, 0);
    json_object_put(parameters);
    api_measure(session, method, NULL, session->context->began);
    return r == -E2BIG ? api_error_too_big(session) : r;
}

int api_error_too_big(struct api_session *session)
{
    json_object *parameters = json_object_new_object();
    value_put_text(parameters, "errno", "E2BIG");
    value_put_text(parameters, "operation", "fitting the answer into a message");
    return api_error_now(session, "SystemError", parameters);
}

int api_error_now(struct api_session *session, const char *error, json_object *parameters)
{
    int r = send_error(session, error, parameters);
    json_object_put(parameters);
    return r;
}
