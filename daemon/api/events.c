/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/api/events.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "daemon/api/call.h"
#include "daemon/api/metrics.h"
#include "daemon/api/value.h"

struct monitor {
    TAILQ_ENTRY(monitor) entry;
    struct api_session *session;
};

struct events {
    TAILQ_HEAD(, monitor) monitors;
    unsigned counts[2], max; /* by enum api_kind: tenants cannot take the operators' */
    unsigned per_uid;
    uint64_t *sequence, own; /* of the newest event, from 1 */
    int64_t before;          /* that of the last one that an earlier homid had */
    struct metrics *metrics;
    json_object *kept[EVENTS_KEPT]; /* by sequence modulo EVENTS_KEPT: parameters of the admin's reply */
};

/* What operators and tenants call a kind; a tenant hears only of what happens to its leases. */
static const struct {
    const char *admin, *tenant;
} kinds[] = {
    [CORE_EVENT_DEVICE_STATE] = {"deviceState", NULL},
    [CORE_EVENT_FUNCTION_STATE] = {"functionState", NULL},
    [CORE_EVENT_LEASE_GRANTED] = {"leaseGranted", NULL},
    [CORE_EVENT_LEASE_ENDED] = {"leaseEnded", NULL},
    [CORE_EVENT_REFUSED] = {"refused", NULL},
    [CORE_EVENT_QUEUE_CREATED] = {"queueCreated", NULL},
    [CORE_EVENT_QUEUE_DELETED] = {"queueDeleted", NULL},
    [CORE_EVENT_MEMORY_REGISTERED] = {"memoryRegistered", NULL},
    [CORE_EVENT_MEMORY_RELEASED] = {"memoryReleased", NULL},
    [CORE_EVENT_FAULT] = {"fault", NULL},
    [CORE_EVENT_LEASE_LOST] = {"leaseEnded", NULL},
    [CORE_EVENT_LEASE_REVOKED] = {"leaseEnded", "revoked"},
    [CORE_EVENT_LEASE_REVOKING] = {"leaseEnding", "revoking"},
    [CORE_EVENT_FUNCTION_RESET] = {"fault", "functionReset"},
    [CORE_EVENT_FUNCTION_FAILED] = {"fault", "functionFailed"},
    [CORE_EVENT_NAMESPACE_CHANGED] = {"functionState", "namespaceChanged"},
    [CORE_EVENT_QUEUE_FAILED] = {"fault", "queuePairFailed"},
};

static const char *const methods[] = {
    [API_TENANT] = "io.homi.Tenant.Monitor", [API_ADMIN] = "io.homi.Admin.Monitor"};

int events_new(unsigned monitors_max, unsigned per_uid, uint64_t *sequence, struct metrics *metrics,
               struct events **ret_events)
{
    struct events *events = calloc(1, sizeof *events);
    if (!events)
        return -ENOMEM;
    TAILQ_INIT(&events->monitors);
    events->max = monitors_max;
    events->per_uid = per_uid;
    events->sequence = sequence ? sequence : &events->own;
    events->before = (int64_t)*events->sequence;
    events->metrics = metrics;
    *ret_events = events;
    return 0;
}

void events_free(struct events *events)
{
    if (!events)
        return;
    for (size_t i = 0; i < EVENTS_KEPT; i++)
        json_object_put(events->kept[i]);
    free(events);
}

static json_object *now_text(void)
{
    struct timespec now;
    struct tm parts;
    char date[32], text[48];
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &parts);
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &parts);
    snprintf(text, sizeof text, "%s.%03ldZ", date, now.tv_nsec / 1000000);
    return json_object_new_string(text);
}

static json_object *for_operators(const struct core_event *event, int64_t sequence)
{
    json_object *body = json_object_new_object(), *parameters = json_object_new_object();
    value_put_integer(body, "sequence", sequence);
    value_put(body, "time", now_text());
    value_put_text(body, "kind", kinds[event->kind].admin);
    value_put_text(body, "device", event->device);
    value_put_text(body, "virtualFunction", event->function);
    value_put_text(body, "lease", event->lease);
    value_put_text(body, "tenant", event->tenant);
    if (event->pid > 0) {
        value_put_integer(body, "pid", event->pid);
        value_put_integer(body, "uid", event->uid);
    }
    value_put_text(body, "text", event->text ? event->text : "");
    value_put(parameters, "event", body);
    return parameters;
}

static json_object *for_tenants(const struct core_event *event)
{
    json_object *body = json_object_new_object(), *parameters = json_object_new_object();
    value_put_text(body, "lease", event->lease);
    value_put_text(body, "virtualFunction", event->function);
    value_put_text(body, "kind", kinds[event->kind].tenant);
    value_put_text(body, "reason", event->text ? event->text : "");
    value_put(parameters, "event", body);
    return parameters;
}

static int tell(struct api_session *session, json_object *parameters)
{
    return varlink_service_reply(session->context->services[session->kind], session->connection,
                                 methods[session->kind], parameters, true, NULL, 0);
}

void events_publish(struct events *events, const struct core_event *event)
{
    int64_t sequence = (int64_t)++ * events->sequence;
    metrics_event(events->metrics, kinds[event->kind].admin);
    json_object **kept = &events->kept[sequence % EVENTS_KEPT];
    json_object *tenants = kinds[event->kind].tenant && event->lease ? for_tenants(event) : NULL;
    json_object_put(*kept);
    *kept = for_operators(event, sequence);

    struct monitor *monitor;
    TAILQ_FOREACH (monitor, &events->monitors, entry) {
        struct api_session *session = monitor->session;
        json_object *parameters = *kept;
        if (session->failure)
            continue;
        if (session->kind == API_TENANT)
            parameters =
                tenants && session->client && core_client_concerned(session->client, event) ? tenants : NULL;
        if (!parameters)
            continue;
        session->failure = tell(session, parameters);
        session->wake(session);
    }
    json_object_put(tenants);
}

/* The limit that one more would break, or UINT_MAX; *ret_used: how many there are. */
static unsigned broken_limit(const struct events *events, const struct api_session *session,
                             unsigned *ret_used)
{
    const struct monitor *monitor;
    unsigned own = 0;
    *ret_used = events->counts[session->kind];
    if (*ret_used >= events->max)
        return events->max;
    if (session->kind == API_ADMIN)
        return UINT_MAX;
    TAILQ_FOREACH (monitor, &events->monitors, entry)
        own += monitor->session->kind == API_TENANT && monitor->session->uid == session->uid;
    *ret_used = own;
    return own >= events->per_uid ? events->per_uid : UINT_MAX;
}

static int refuse_monitor(struct api_session *session, unsigned limit, unsigned used)
{
    json_object *parameters = json_object_new_object();
    value_put_text(parameters, "quota", session->kind == API_ADMIN ? "monitors" : "connections");
    value_put_integer(parameters, "limit", limit);
    value_put_integer(parameters, "used", used);
    return api_error_now(session, "QuotaExceeded", parameters);
}

int events_monitor(struct events *events, struct api_session *session, int64_t since)
{
    unsigned used, limit = broken_limit(events, session, &used);
    if (limit != UINT_MAX)
        return refuse_monitor(session, limit, used);
    struct monitor *monitor = calloc(1, sizeof *monitor);
    if (!monitor)
        return -ENOMEM;
    monitor->session = session;
    session->monitor = monitor;
    TAILQ_INSERT_TAIL(&events->monitors, monitor, entry);
    events->counts[session->kind]++;

    int64_t newest = (int64_t)*events->sequence;
    int64_t oldest = newest - events->before > EVENTS_KEPT ? newest - EVENTS_KEPT + 1 : events->before + 1;
    int r = 0;
    if (since > 0 && session->kind == API_ADMIN) {
        for (int64_t at = since > oldest ? since : oldest; r == 0 && at <= newest; at++)
            r = tell(session, events->kept[at % EVENTS_KEPT]);
    }
    return r;
}

void events_forget(struct api_session *session)
{
    struct events *events = session->context->events;
    if (!session->monitor)
        return;
    TAILQ_REMOVE(&events->monitors, session->monitor, entry);
    events->counts[session->kind]--;
    free(session->monitor);
    session->monitor = NULL;
}

void events_refused(struct api_session *session, const char *text)
{
    struct core_event event = {
        .kind = CORE_EVENT_REFUSED, .pid = session->pid, .uid = session->uid, .text = text};
    events_publish(session->context->events, &event);
}
