/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/api/metrics.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <time.h>

/* Upper bounds of the buckets in microseconds: calls that the core answers at once, up to resets that take
 * seconds. */
static const uint64_t bounds[] = {100,     250,     500,     1000,     2500,     5000,
                                  10000,   25000,   50000,   100000,   250000,   500000,
                                  1000000, 2500000, 5000000, 10000000, 30000000, 60000000};
#define BOUNDS (sizeof bounds / sizeof bounds[0])

/* Of one method or one operation; made when it first ends. There are as many as the interfaces have methods.
 */
struct series {
    SLIST_ENTRY(series) entry;
    const char *name;
    uint64_t buckets[BOUNDS + 1]; /* each alone; the last is above all bounds */
    uint64_t microseconds;
    uint64_t outcomes[METRICS_OUTCOMES];
};

SLIST_HEAD(series_list, series);

struct metrics {
    struct series_list calls, steps, events;
    time_t started;
};

int metrics_new(struct metrics **ret_metrics)
{
    struct metrics *metrics = calloc(1, sizeof *metrics);
    if (!metrics)
        return -ENOMEM;
    metrics->started = time(NULL);
    *ret_metrics = metrics;
    return 0;
}

static void free_list(struct series_list *list)
{
    struct series *series;
    while ((series = SLIST_FIRST(list))) {
        SLIST_REMOVE_HEAD(list, entry);
        free(series);
    }
}

void metrics_free(struct metrics *metrics)
{
    if (!metrics)
        return;
    free_list(&metrics->calls);
    free_list(&metrics->steps);
    free_list(&metrics->events);
    free(metrics);
}

/* What cannot be allocated is not counted: that is no reason to fail a call. */
static void count(struct series_list *list, const char *name, enum metrics_outcome outcome,
                  uint64_t microseconds)
{
    struct series *series;
    SLIST_FOREACH(series, list, entry)
    {
        if (strcmp(series->name, name) == 0)
            break;
    }
    if (!series) {
        series = calloc(1, sizeof *series);
        if (!series)
            return;
        series->name = name;
        SLIST_INSERT_HEAD(list, series, entry);
    }
    size_t bucket = 0;
    while (bucket < BOUNDS && microseconds > bounds[bucket])
        bucket++;
    series->buckets[bucket]++;
    series->microseconds += microseconds;
    series->outcomes[outcome]++;
}

void metrics_call(struct metrics *metrics, const char *method, enum metrics_outcome outcome,
                  uint64_t microseconds)
{
    count(&metrics->calls, method, outcome, microseconds);
}

void metrics_step(struct metrics *metrics, const char *operation, bool failed, uint64_t milliseconds)
{
    count(&metrics->steps, operation, failed ? METRICS_FAILED : METRICS_DONE, milliseconds * 1000);
}

void metrics_event(struct metrics *metrics, const char *kind)
{
    count(&metrics->events, kind, METRICS_DONE, 0);
}

/* ---- the text ---- */

static void head(FILE *out, const char *name, const char *type, const char *help)
{
    fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* Quotes, backslashes and newlines are escaped; serial and model are what a device says of itself. */
static void label(FILE *out, const char *separator, const char *name, const char *value)
{
    fprintf(out, "%s%s=\"", separator, name);
    for (const char *at = value ? value : ""; *at; at++) {
        if (*at == '\n')
            fputs("\\n", out);
        else if (*at == '"' || *at == '\\')
            fprintf(out, "\\%c", *at);
        else
            fputc(*at, out);
    }
    fputc('"', out);
}

static void sample(FILE *out, const char *name, const char *key, const char *value, uint64_t number)
{
    fputs(name, out);
    if (key) {
        label(out, "{", key, value);
        fputc('}', out);
    }
    fprintf(out, " %" PRIu64 "\n", number);
}

static void single(FILE *out, const char *name, const char *type, const char *help, uint64_t number)
{
    head(out, name, type, help);
    sample(out, name, NULL, NULL, number);
}

static void histogram(FILE *out, const char *name, const char *key, const struct series *series)
{
    uint64_t total = 0;
    for (size_t i = 0; i <= BOUNDS; i++) {
        total += series->buckets[i];
        fprintf(out, "%s_bucket", name);
        label(out, "{", key, series->name);
        if (i < BOUNDS)
            fprintf(out, ",le=\"%g\"} %" PRIu64 "\n", (double)bounds[i] / 1e6, total);
        else
            fprintf(out, ",le=\"+Inf\"} %" PRIu64 "\n", total);
    }
    fprintf(out, "%s_sum", name);
    label(out, "{", key, series->name);
    fprintf(out, "} %.6f\n%s_count", (double)series->microseconds / 1e6, name);
    label(out, "{", key, series->name);
    fprintf(out, "} %" PRIu64 "\n", total);
}

static void write_calls(FILE *out, const struct series_list *calls)
{
    static const char *const outcomes[METRICS_OUTCOMES] = {
        [METRICS_DONE] = "done", [METRICS_REFUSED] = "refused", [METRICS_FAILED] = "failed"};
    const struct series *series;
    head(out, "homi_calls_total", "counter", "Calls answered, by method and outcome.");
    SLIST_FOREACH(series, calls, entry)
    {
        for (unsigned i = 0; i < METRICS_OUTCOMES; i++) {
            fputs("homi_calls_total", out);
            label(out, "{", "method", series->name);
            label(out, ",", "outcome", outcomes[i]);
            fprintf(out, "} %" PRIu64 "\n", series->outcomes[i]);
        }
    }
    head(out, "homi_call_duration_seconds", "histogram",
         "Time from a call to its answer; waiting for a function counts.");
    SLIST_FOREACH(series, calls, entry)
    histogram(out, "homi_call_duration_seconds", "method", series);
}

static void write_steps(FILE *out, const struct series_list *steps)
{
    const struct series *series;
    head(out, "homi_lifecycle_failures_total", "counter",
         "Steps of the life cycle of virtual functions that failed.");
    SLIST_FOREACH(series, steps, entry)
    sample(out, "homi_lifecycle_failures_total", "operation", series->name, series->outcomes[METRICS_FAILED]);
    head(out, "homi_lifecycle_duration_seconds", "histogram", "Time that a step of the life cycle took.");
    SLIST_FOREACH(series, steps, entry)
    histogram(out, "homi_lifecycle_duration_seconds", "operation", series);
}

static void write_events(FILE *out, const struct series_list *events)
{
    const struct series *series;
    head(out, "homi_events_total", "counter", "Events published, by kind.");
    SLIST_FOREACH(series, events, entry)
    sample(out, "homi_events_total", "kind", series->name, series->outcomes[METRICS_DONE]);
}

/* ---- gauges: a metric is a table's line, its samples come from the views ---- */

struct gauge {
    const char *name, *help;
    uint64_t (*device)(const struct core_device_view *view);
    uint64_t (*tenant)(const struct core_tenant_view *view);
};

static uint64_t device_desired(const struct core_device_view *view)
{
    return view->config->functions;
}
static uint64_t device_ready(const struct core_device_view *view)
{
    return view->functions_ready;
}
static uint64_t device_leased(const struct core_device_view *view)
{
    return view->functions_leased;
}
static uint64_t device_total(const struct core_device_view *view)
{
    return view->info ? view->info->functions_total : 0;
}
static uint64_t device_serves(const struct core_device_view *view)
{
    return strcmp(view->state, "ready") == 0;
}

static uint64_t tenant_functions(const struct core_tenant_view *view)
{
    return view->functions;
}
static uint64_t tenant_functions_max(const struct core_tenant_view *view)
{
    return view->config->functions_max;
}
static uint64_t tenant_queues(const struct core_tenant_view *view)
{
    return view->queue_pairs;
}
static uint64_t tenant_queues_max(const struct core_tenant_view *view)
{
    return view->config->queue_pairs_max;
}
static uint64_t tenant_memory(const struct core_tenant_view *view)
{
    return view->memory_bytes;
}
static uint64_t tenant_memory_max(const struct core_tenant_view *view)
{
    return view->config->memory_bytes_max;
}
static uint64_t tenant_connections(const struct core_tenant_view *view)
{
    return view->connections;
}
static uint64_t tenant_connections_max(const struct core_tenant_view *view)
{
    return view->config->connections_max;
}
static uint64_t tenant_waiting(const struct core_tenant_view *view)
{
    return view->waiting;
}

static const struct gauge gauges[] = {
    {"homi_device_ready", "1 while the device is ready.", device_serves, NULL},
    {"homi_device_functions_desired", "Virtual functions that the configuration wants.", device_desired,
     NULL},
    {"homi_device_functions_ready", "Virtual functions that are free.", device_ready, NULL},
    {"homi_device_functions_leased", "Virtual functions that tenants hold.", device_leased, NULL},
    {"homi_device_functions_possible", "Virtual functions that the device could have.", device_total, NULL},
    {"homi_tenant_functions", "Virtual functions that the tenant holds.", NULL, tenant_functions},
    {"homi_tenant_functions_max", "Its quota.", NULL, tenant_functions_max},
    {"homi_tenant_queue_pairs", "Queue pairs that the tenant holds.", NULL, tenant_queues},
    {"homi_tenant_queue_pairs_max", "Its quota.", NULL, tenant_queues_max},
    {"homi_tenant_memory_bytes", "Memory that the tenant has registered.", NULL, tenant_memory},
    {"homi_tenant_memory_bytes_max", "Its quota.", NULL, tenant_memory_max},
    {"homi_tenant_connections", "Processes of the tenant that hold or wait for a lease.", NULL,
     tenant_connections},
    {"homi_tenant_connections_max", "Its quota.", NULL, tenant_connections_max},
    {"homi_tenant_waiting", "Attach calls that wait for a virtual function.", NULL, tenant_waiting},
};

struct writing {
    FILE *out;
    const struct gauge *gauge;
};

static void write_device(void *user, const struct core_device_view *view)
{
    const struct writing *writing = user;
    sample(writing->out, writing->gauge->name, "device", view->config->name, writing->gauge->device(view));
}

static void write_tenant(void *user, const struct core_tenant_view *view)
{
    const struct writing *writing = user;
    sample(writing->out, writing->gauge->name, "tenant", view->config->name, writing->gauge->tenant(view));
}

static void write_gauges(FILE *out, struct core *core)
{
    for (size_t i = 0; i < sizeof gauges / sizeof gauges[0]; i++) {
        struct writing writing = {.out = out, .gauge = &gauges[i]};
        head(out, gauges[i].name, "gauge", gauges[i].help);
        if (gauges[i].device)
            core_each_device(core, write_device, &writing);
        else
            core_each_tenant(core, write_tenant, &writing);
    }
}

static void write_device_info(void *user, const struct core_device_view *view)
{
    FILE *out = user;
    const struct hw_device_info *info = view->info;
    fputs("homi_device_info", out);
    label(out, "{", "device", view->config->name);
    label(out, ",", "address", info ? info->address : view->config->address);
    label(out, ",", "serial", info ? info->serial : view->config->serial);
    label(out, ",", "model", info ? info->model : NULL);
    label(out, ",", "firmware", info ? info->firmware : NULL);
    label(out, ",", "state", view->state);
    fputs("} 1\n", out);
}

/* States in the order of the life cycle, as io.homi.Admin calls them. */
static const char *const states[] = {"absent", "offline", "provisioned", "online",    "bound",
                                     "ready",  "leased",  "draining",    "scrubbing", "quarantined"};
#define STATES (sizeof states / sizeof states[0])

static void count_state(void *user, const struct core_function_view *view)
{
    uint64_t *counts = user;
    for (size_t i = 0; i < STATES; i++)
        counts[i] += strcmp(states[i], view->state) == 0;
}

static void write_functions(FILE *out, struct core *core)
{
    uint64_t counts[STATES] = {0};
    core_each_function(core, count_state, counts);
    head(out, "homi_functions", "gauge", "Virtual functions of all devices, by state.");
    for (size_t i = 0; i < STATES; i++)
        sample(out, "homi_functions", "state", states[i], counts[i]);
}

static void write_totals(FILE *out, const struct api_context *context)
{
    struct core_totals totals = core_totals(context->core);
    head(out, "homi_build_info", "gauge", "The version of homid.");
    sample(out, "homi_build_info", "version", HOMI_VERSION, 1);
    single(out, "homi_start_time_seconds", "gauge", "When homid started, in seconds since 1970.",
           (uint64_t)context->metrics->started);
    single(out, "homi_ready", "gauge", "1 while every configured device is ready or in quarantine.",
           core_converged(context->core));
    single(out, "homi_leases", "gauge", "Leases that exist.", totals.leases);
    single(out, "homi_queue_pairs", "gauge", "Queue pairs that exist.", totals.queue_pairs);
    single(out, "homi_connections", "gauge", "Connections of tenants.", totals.connections);
    single(out, "homi_memory_bytes", "gauge", "Memory that tenants have registered.", totals.memory_bytes);
}

char *metrics_text(const struct api_context *context)
{
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    if (!out)
        return NULL;
    write_totals(out, context);
    head(out, "homi_device_info", "gauge", "What is known of a device.");
    core_each_device(context->core, write_device_info, out);
    write_functions(out, context->core);
    write_gauges(out, context->core);
    write_calls(out, &context->metrics->calls);
    write_steps(out, &context->metrics->steps);
    write_events(out, &context->metrics->events);
    bool lost = ferror(out);
    if (fclose(out) != 0 || lost) {
        free(text);
        return NULL;
    }
    return text;
}
