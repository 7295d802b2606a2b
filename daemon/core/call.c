/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Answers and events on their way out. They are queued and delivered when the core has nothing left to do, so
 * that a callback finds it in order, whatever it calls.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/core/internal.h"

struct event_post {
    struct call call;
    struct core_event event;
    char device[CORE_NAME_BYTES], function[CORE_NAME_BYTES], lease[LEASE_NAME_BYTES], tenant[CORE_NAME_BYTES];
    char text[HW_REASON_BYTES];
};

const struct core_error error_no_memory = {.code = -ENOMEM, .text = "allocating memory"};

void copy_text(char *destination, size_t size, const char *source)
{
    size_t length = source ? strnlen(source, size - 1) : 0;

    if (length)
        memmove(destination, source, length);
    destination[length] = '\0';
}

struct core_error error_refusal(int code, const char *name)
{
    struct core_error error = {.code = code};

    copy_text(error.name, sizeof(error.name), name);
    return error;
}

struct core_error error_errno(int code, const char *text)
{
    struct core_error error = {.code = code};

    copy_text(error.text, sizeof(error.text), text);
    return error;
}

struct core_error error_result(const struct hw_result *result, const char *operation)
{
    struct core_error error = {0};

    if (result->nvme_status) {
        error.code = CORE_REFUSED_COMMAND_FAILED;
        error.value = result->nvme_status;
    } else {
        error.code = result->error < 0 ? result->error : -EIO;
    }
    copy_text(error.text, sizeof(error.text), result->reason[0] ? result->reason : operation);
    return error;
}

/* ---- calls ---- */

struct call *call_new(struct core *core, struct core_client *client, enum call_kind kind, void *user)
{
    struct call *call = calloc(1, sizeof(*call));

    if (!call)
        return NULL;
    call->core = core;
    call->client = client;
    call->kind = kind;
    call->user = user;
    call->caller = core->caller;
    LIST_INSERT_HEAD(&core->calls, call, owed);
    if (client)
        LIST_INSERT_HEAD(&client->calls, call, link);
    return call;
}

void call_free(struct call *call)
{
    if (!call)
        return;
    LIST_REMOVE(call, owed);
    if (call->client)
        LIST_REMOVE(call, link);
    if (call->kind == CALL_DATA)
        free(call->result.data.bytes);
    free(call);
}

void call_drop(struct call *call)
{
    LIST_REMOVE(call, link);
    call->client = NULL;
    call->dropped = true;
}

static const char *refusal_text(int code)
{
    static const char *const texts[] = {
        [CORE_REFUSED_TENANT_NOT_PERMITTED] = "the caller may not act for this tenant",
        [CORE_REFUSED_TENANT_AMBIGUOUS] = "no tenant named, and not just one to act for",
        [CORE_REFUSED_UNKNOWN_TENANT] = "unknown tenant",
        [CORE_REFUSED_UNKNOWN_DEVICE] = "unknown device",
        [CORE_REFUSED_UNKNOWN_LEASE] = "unknown lease",
        [CORE_REFUSED_UNKNOWN_FUNCTION] = "unknown function",
        [CORE_REFUSED_UNKNOWN_REGION] = "unknown region",
        [CORE_REFUSED_UNKNOWN_QUEUE_PAIR] = "unknown queue pair",
        [CORE_REFUSED_NAMESPACE_NOT_ALLOWED] = "namespace not allowed",
        [CORE_REFUSED_NAMESPACE_BUSY] = "namespace busy",
        [CORE_REFUSED_QUOTA] = "over quota",
        [CORE_REFUSED_TRUST_REQUIRED] =
            "the tenant is direct and not trusted, and the device does not confine it",
        [CORE_REFUSED_NO_FUNCTION_FREE] = "no function free",
        [CORE_REFUSED_WAIT_EXPIRED] = "no function became free in time",
        [CORE_REFUSED_DEVICE_UNAVAILABLE] = "device unavailable",
        [CORE_REFUSED_GROUP_NOT_VIABLE] = "IOMMU group not viable",
        [CORE_REFUSED_FUNCTION_FAILED] = "function failed",
        [CORE_REFUSED_NO_QUEUE_PAIR_FREE] = "no queue pair free",
        [CORE_REFUSED_NO_INTERRUPT_FREE] = "no interrupt free",
        [CORE_REFUSED_DEPTH] = "queue depth out of range",
        [CORE_REFUSED_QUEUE_OUTSIDE_REGION] = "queue outside its region",
        [CORE_REFUSED_REGION_BUSY] = "queue pairs lie in the region",
        [CORE_REFUSED_VALUE] = "value out of range",
        [CORE_REFUSED_COMMAND_NOT_PERMITTED] = "command not permitted",
        [CORE_REFUSED_COMMAND_FAILED] = "command failed",
        [CORE_REFUSED_LEASE_REVOKED] = "lease revoked",
        [CORE_REFUSED_LEASE_HELD] = "processes hold the lease",
        [CORE_REFUSED_NOT_QUARANTINED] = "not quarantined",
        [CORE_REFUSED_LEASE_KIND] = "the lease is not for queue pairs",
        [CORE_REFUSED_USER_NOT_PERMITTED] = "not a user of the tenant",
        [CORE_REFUSED_UNKNOWN_NAMESPACE] = "unknown namespace",
        [CORE_REFUSED_UNKNOWN_KEEPER] = "no such process or unit",
        [CORE_REFUSED_LEASE_ONLY] = "the socket is for another lease, or for less",
        [CORE_REFUSED_FUNCTION_RESET] = "function reset",
    };

    return texts[code];
}

static void tell_refusal(const struct call *call)
{
    const struct core_error *error = &call->error;
    const char *what = refusal_text(error->code);
    char text[HW_REASON_BYTES];

    if (error->name[0])
        snprintf(text, sizeof(text), "%s: %s", what, error->name);
    else
        copy_text(text, sizeof(text), what);
    event_tell(call->core, &(struct core_event){
                               .kind = CORE_EVENT_REFUSED,
                               .pid = call->client ? call->client->pid : 0,
                               .uid = call->client ? call->client->uid : 0,
                               .text = text,
                           });
}

void call_finish(struct call *call)
{
    if (call->dropped) {
        call_free(call);
        return;
    }
    if (call->error.code > 0)
        tell_refusal(call);
    STAILQ_INSERT_TAIL(&call->core->posts, call, post);
}

void call_refuse(struct call *call, const struct core_error *error)
{
    call->error = *error;
    call_finish(call);
}

/* ---- events ---- */

static const char *keep(char *destination, size_t size, const char *source)
{
    if (!source)
        return NULL;
    copy_text(destination, size, source);
    return destination;
}

/* An event that cannot be told for want of memory is lost; the state that it told of is still in the views.
 */
void event_tell(struct core *core, const struct core_event *event)
{
    struct event_post *post = calloc(1, sizeof(*post));

    if (!post)
        return;
    post->call.event = true;
    post->event = *event;
    post->event.device = keep(post->device, sizeof(post->device), event->device);
    post->event.function = keep(post->function, sizeof(post->function), event->function);
    post->event.lease = keep(post->lease, sizeof(post->lease), event->lease);
    post->event.tenant = keep(post->tenant, sizeof(post->tenant), event->tenant);
    post->event.text = keep(post->text, sizeof(post->text), event->text);
    STAILQ_INSERT_TAIL(&core->posts, &post->call, post);
}

void event_function(struct function *function, enum core_event_kind kind, const char *text)
{
    event_tell(function->device->core, &(struct core_event){
                                           .kind = kind,
                                           .device = function->device->name,
                                           .function = function->name,
                                           .lease = function->lease ? function->lease->name : NULL,
                                           .tenant = function->lease ? function->lease->tenant->name : NULL,
                                           .text = text,
                                       });
}

void event_holder(struct holder *holder, struct function *function, enum core_event_kind kind,
                  const char *text)
{
    event_tell(holder->core, &(struct core_event){
                                 .kind = kind,
                                 .device = function ? function->device->name : NULL,
                                 .function = function ? function->name : NULL,
                                 .lease = holder->lease_name,
                                 .tenant = holder->tenant->name,
                                 .pid = holder->client ? holder->client->pid : 0,
                                 .uid = holder->client ? holder->client->uid : 0,
                                 .text = text,
                             });
}

/* ---- delivery ---- */

/* How its doorbells are reached. */
static void grant_doorbells(const struct call *call, const struct holder *holder, unsigned part,
                            struct core_function_grant *grant)
{
    struct function *function = holder->lease->parts[part];
    const struct hw_backend *backend = call->core->backend;

    if (holder->pages[part]) {
        grant->relayed = true;
        backend->page_info(holder->pages[part], &grant->page);
        return;
    }
    grant->device_fd = backend->device_fd(function->handle);
    if (function->info.wake_offset)
        grant->wake_fd = backend->wake_fd(function->handle);
    if (!function->lent) {
        function->lent = true;
        record_function(function);
    }
}

static void deliver_attach(struct call *call)
{
    struct lease *lease = call->error.code ? NULL : lease_find(call->core, call->result.lease);
    struct core_function_grant grants[PARTS_MAX];
    struct hw_namespace namespaces[PARTS_MAX][CORE_LEASE_NAMESPACES_MAX];
    bool shared[PARTS_MAX][CORE_LEASE_NAMESPACES_MAX];
    struct core_grant grant = {.functions = grants};
    struct core_error gone = {0};
    struct holder *holder = NULL;

    if (!call->error.code && call->client)
        holder = holder_find(call->client, call->result.lease, &gone);
    /* A callback that ran after the answer was queued may have ended the lease. */
    if (!call->error.code && (!lease || lease->state != LEASE_ACTIVE || (call->client && !holder)))
        call->error = error_refusal(CORE_REFUSED_LEASE_REVOKED, call->result.lease);
    if (call->error.code) {
        call->done.attach(call->user, &call->error, NULL);
        return;
    }
    grant.lease = lease->name;
    grant.user = lease->kind == CORE_LEASE_QUEUES ? -1 : (int64_t)lease->user;
    grant.function_count = lease->part_count;
    for (unsigned i = 0; i < lease->part_count; i++) {
        struct function *function = lease->parts[i];
        for (size_t n = 0; n < function->attachment_count; n++) {
            namespaces[i][n] = function->attachments[n].info;
            shared[i][n] = function->attachments[n].shared;
        }
        grants[i] = (struct core_function_grant){
            .name = function->name,
            .device = function->device->name,
            .info = &function->info,
            .device_fd = -1,
            .wake_fd = -1,
            .queue_pairs = (uint16_t)lease_queue_pairs(lease, function),
            .interrupts = (uint16_t)function->interrupts,
            .namespaces = namespaces[i],
            .namespace_shared = shared[i],
            .namespace_count = function->attachment_count,
            .nodes = function->nodes,
        };
        if (holder)
            grant_doorbells(call, holder, i, &grants[i]);
    }
    call->done.attach(call->user, &call->error, &grant);
}

static void deliver_recover(struct call *call)
{
    struct holder *holder =
        call->error.code ? NULL : holder_find(call->client, call->result.lease, &call->error);
    struct core_pair_name *pairs = NULL;
    const struct queue_pair *pair;
    size_t count = 0;

    if (holder) {
        pairs = calloc(holder->pair_count + 1, sizeof(*pairs));
        if (!pairs)
            call->error = error_no_memory;
    }
    if (pairs) {
        LIST_FOREACH (pair, &holder->pairs, holder_link) {
            if (pair->live && !pair->deleting)
                pairs[count++] = (struct core_pair_name){pair->function->name, pair->id};
        }
    }
    call->done.recover(call->user, &call->error, pairs, count);
    free(pairs);
}

static void deliver(struct call *call)
{
    const struct core_error *error = &call->error;

    switch (call->kind) {
    case CALL_PLAIN: call->done.plain(call->user, error); break;
    case CALL_ATTACH: deliver_attach(call); break;
    case CALL_REGION:
        call->done.region(call->user, error, call->result.region.id, call->result.region.iova);
        break;
    case CALL_QUEUE: call->done.queue(call->user, error, error->code ? NULL : &call->result.queue); break;
    case CALL_DATA:
        call->done.data(call->user, error, call->result.data.bytes, call->result.data.value);
        break;
    case CALL_RECOVER: deliver_recover(call); break;
    }
}

void posts_deliver(struct core *core)
{
    struct call *call;

    while (TAILQ_EMPTY(&core->work) && (call = STAILQ_FIRST(&core->posts))) {
        STAILQ_REMOVE_HEAD(&core->posts, post);
        if (call->event) {
            struct event_post *post = container_of(call, struct event_post, call);
            core->listener.event(core->listener.user, &post->event);
            free(post);
            continue;
        }
        if (!call->dropped)
            deliver(call);
        call_free(call);
    }
}

void calls_free(struct core *core)
{
    struct call *call;

    while ((call = STAILQ_FIRST(&core->posts))) {
        STAILQ_REMOVE_HEAD(&core->posts, post);
        if (call->event)
            free(container_of(call, struct event_post, call));
    }
    while ((call = LIST_FIRST(&core->calls)))
        call_free(call);
}
