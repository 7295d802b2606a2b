/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/api/admin.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "daemon/api/attach.h"
#include "daemon/api/call.h"
#include "daemon/api/container_device.h"
#include "daemon/api/events.h"
#include "daemon/api/list.h"
#include "daemon/api/metrics.h"
#include "daemon/api/namespaces.h"
#include "daemon/api/value.h"

/* So much of the metrics in one answer: with every quote escaped it still fits a message. A line is far
 * shorter. */
#define METRICS_PIECE_BYTES (16 * 1024)

#define METHOD(name) "io.homi.Admin." name

static void append_text(json_object *array, const char *text)
{
    value_append(array, json_object_new_string(text));
}

/* ---- views ---- */

static void add_verdict(json_object *entry, const struct hw_verdict *verdict)
{
    static const char *const names[] = {
        [HW_CONFINEMENT_UNKNOWN] = "unknown", [HW_TRUSTED_ONLY] = "trustedOnly", [HW_CONFINED] = "confined"};
    if (!verdict)
        return;
    value_put_text(entry, "confinement", names[verdict->confinement]);
    value_put_text(entry, "confinementReason", verdict->reason);
}

static void add_device(void *user, const struct core_device_view *view)
{
    const struct core_device_config *config = view->config;
    const struct hw_device_info *info = view->info;
    json_object *entry = json_object_new_object();
    value_put_text(entry, "name", config->name);
    value_put_text(entry, "address", info ? info->address : config->address);
    value_put_text(entry, "serial", info ? info->serial : config->serial);
    value_put_text(entry, "model", info ? info->model : NULL);
    value_put_text(entry, "firmware", info ? info->firmware : NULL);
    value_put_text(entry, "controller", info ? info->controller : NULL);
    value_put_text(entry, "state", view->state);
    value_put_text(entry, "reason", view->reason);
    value_put_integer(entry, "functionsDesired", config->functions);
    value_put_integer(entry, "functionsReady", view->functions_ready);
    value_put_integer(entry, "functionsLeased", view->functions_leased);
    value_put_integer(entry, "functionsTotal", info ? info->functions_total : 0);
    value_put_integer(entry, "queuePairsDesired", config->queue_pairs);
    value_put_integer(entry, "interruptsDesired", config->interrupts);
    add_verdict(entry, view->verdict);
    value_append(user, entry);
}

static void add_function(void *user, const struct core_function_view *view)
{
    json_object *entry = json_object_new_object();
    value_put_text(entry, "name", view->name);
    value_put_text(entry, "device", view->device);
    value_put_integer(entry, "index", view->index);
    value_put_integer(entry, "controllerId", view->controller_id);
    value_put_text(entry, "state", view->state);
    value_put_text(entry, "reason", view->reason);
    if (view->iommu_group >= 0)
        value_put_integer(entry, "iommuGroup", view->iommu_group);
    value_put_integer(entry, "queuePairs", view->queue_pairs);
    value_put_integer(entry, "queuePairsUsed", view->queue_pairs_used);
    value_put_integer(entry, "interrupts", view->interrupts);
    value_put_text(entry, "lease", view->lease);
    value_put_text(entry, "tenant", view->tenant);
    add_verdict(entry, view->verdict);
    value_append(user, entry);
}

static json_object *describe_holder(const struct core_holder_view *holder)
{
    json_object *entry = json_object_new_object();
    value_put_integer(entry, "pid", holder->pid);
    value_put_integer(entry, "uid", holder->uid);
    value_put_integer(entry, "queuePairs", holder->queue_pairs);
    value_put_integer(entry, "regions", holder->regions);
    value_put_integer(entry, "memoryBytes", (int64_t)holder->memory_bytes);
    return entry;
}

static json_object *describe_keeper(const struct core_keeper *keeper)
{
    json_object *entry = json_object_new_object();
    if (keeper->pid)
        value_put_integer(entry, "pid", keeper->pid);
    else
        value_put_text(entry, "unit", keeper->unit);
    return entry;
}

struct listing {
    const struct api_context *context;
    json_object *array;
};

static void add_lease(void *user, const struct core_lease_view *view)
{
    const struct listing *listing = user;
    const struct api_context *context = listing->context;
    json_object *entry = json_object_new_object(), *functions = json_object_new_array();
    json_object *namespaces = json_object_new_array(), *holders = json_object_new_array();
    json_object *nodes = json_object_new_array();
    for (size_t i = 0; i < view->node_count; i++)
        append_text(nodes, view->nodes[i]);
    for (size_t i = 0; i < view->function_count; i++)
        append_text(functions, view->functions[i]);
    for (size_t i = 0; i < view->namespace_count; i++)
        value_append(namespaces, json_object_new_int64(view->namespaces[i]));
    for (size_t i = 0; i < view->holder_count; i++)
        value_append(holders, describe_holder(&view->holders[i]));
    value_put_text(entry, "name", view->name);
    value_put_text(entry, "tenant", view->tenant);
    value_put_text(entry, "kind", view->kind);
    value_put_text(entry, "state", view->state);
    value_put_text(entry, "reason", view->reason);
    if (view->user >= 0)
        value_put_integer(entry, "user", view->user);
    if (view->keeper.pid || view->keeper.unit[0])
        value_put(entry, "keeper", describe_keeper(&view->keeper));
    value_put(entry, "nodes", nodes);
    value_put_text(entry, "socket", context->lease_socket_path(context->user, view->name));
    value_put_flag(entry, "reserved", view->reserved);
    value_put(entry, "virtualFunctions", functions);
    value_put(entry, "namespaces", namespaces);
    value_put_integer(entry, "queuePairs", view->queue_pairs);
    value_put_integer(entry, "queuePairsUsed", view->queue_pairs_used);
    value_put_integer(entry, "memoryBytes", (int64_t)view->memory_bytes);
    value_put_integer(entry, "ageSeconds", (int64_t)(view->age_milliseconds / 1000));
    if (view->ends_in_milliseconds >= 0)
        value_put_integer(entry, "endsInSeconds", (view->ends_in_milliseconds + 999) / 1000);
    value_put(entry, "holders", holders);
    value_append(listing->array, entry);
}

static void add_queue(void *user, const struct core_queue_view *view)
{
    json_object *entry = json_object_new_object();
    value_put_text(entry, "virtualFunction", view->function);
    value_put_integer(entry, "id", view->id);
    value_put_text(entry, "lease", view->lease);
    value_put_text(entry, "tenant", view->tenant);
    value_put_integer(entry, "pid", view->pid);
    value_put_integer(entry, "entries", view->entries);
    value_put_flag(entry, "interrupt", view->interrupt);
    if (view->counted)
        value_put_integer(entry, "commands", (int64_t)view->commands);
    value_append(user, entry);
}

static json_object *describe_allowed(const struct core_config *config,
                                     const struct core_tenant_config *tenant)
{
    json_object *all = json_object_new_array();
    for (size_t i = 0; i < tenant->namespace_count; i++) {
        json_object *entry = json_object_new_object();
        value_put_text(entry, "device", config->devices[tenant->namespaces[i].device].name);
        value_put_integer(entry, "id", tenant->namespaces[i].id);
        value_append(all, entry);
    }
    return all;
}

static void add_tenant(void *user, const struct core_tenant_view *view)
{
    const struct listing *listing = user;
    const struct core_tenant_config *tenant = view->config;
    json_object *entry = json_object_new_object(), *uids = json_object_new_array();
    json_object *gids = json_object_new_array(), *devices = json_object_new_array();
    for (size_t i = 0; i < tenant->uid_count; i++)
        value_append(uids, json_object_new_int64(tenant->uids[i]));
    for (size_t i = 0; i < tenant->gid_count; i++)
        value_append(gids, json_object_new_int64(tenant->gids[i]));
    for (size_t i = 0; i < tenant->device_count; i++)
        append_text(devices, listing->context->config->devices[tenant->devices[i]].name);
    value_put_text(entry, "name", tenant->name);
    value_put_flag(entry, "trusted", tenant->trusted);
    value_put(entry, "uids", uids);
    value_put(entry, "gids", gids);
    value_put_integer(entry, "virtualFunctions", view->functions);
    value_put_integer(entry, "virtualFunctionsMax", tenant->functions_max);
    value_put_integer(entry, "queuePairs", view->queue_pairs);
    value_put_integer(entry, "queuePairsMax", tenant->queue_pairs_max);
    value_put_integer(entry, "memoryBytes", (int64_t)view->memory_bytes);
    value_put_integer(entry, "memoryBytesMax", (int64_t)tenant->memory_bytes_max);
    value_put_integer(entry, "connections", view->connections);
    value_put_integer(entry, "connectionsMax", tenant->connections_max);
    value_put(entry, "devices", devices);
    value_put(entry, "namespaces", describe_allowed(listing->context->config, tenant));
    value_append(listing->array, entry);
}

static bool may_have(const struct core_config *config, const struct core_tenant_config *tenant,
                     const struct core_namespace_view *view)
{
    for (size_t i = 0; i < tenant->namespace_count; i++) {
        if (tenant->namespaces[i].id == view->info->id &&
            strcmp(config->devices[tenant->namespaces[i].device].name, view->device) == 0)
            return true;
    }
    return false;
}

static void add_namespace(void *user, const struct core_namespace_view *view)
{
    const struct listing *listing = user;
    json_object *entry = json_object_new_object(), *allowed = json_object_new_array();
    for (size_t i = 0; i < listing->context->config->tenant_count; i++) {
        if (may_have(listing->context->config, &listing->context->config->tenants[i], view))
            append_text(allowed, listing->context->config->tenants[i].name);
    }
    value_put_text(entry, "device", view->device);
    value_put_integer(entry, "id", view->info->id);
    value_put_integer(entry, "blockBytes", view->info->block_bytes);
    value_put_integer(entry, "blocks", (int64_t)view->info->blocks);
    value_put(entry, "allowed", allowed);
    value_put_text(entry, "holder", view->holder);
    value_put_text(entry, "lease", view->lease);
    value_put_text(entry, "scrub", view->scrub);
    value_append(listing->array, entry);
}

/* ---- lists ---- */

static int get_metrics(struct varlink_connection *connection, struct varlink_message *message, void *user)
{
    (void)connection;
    struct api_session *session = user;
    int64_t offset = value_integer(message->parameters, "offset", 0);
    /* What follows is read from the same text, so that no line is cut or told twice. */
    if (offset == 0) {
        free(session->metrics_text);
        session->metrics_text = metrics_text(session->context);
    }
    size_t length = session->metrics_text ? strlen(session->metrics_text) : 0;
    if (offset < 0 || (uint64_t)offset > length)
        return varlink_error_invalid_parameter(session->connection, "offset");

    json_object *parameters = json_object_new_object();
    const char *piece = length ? session->metrics_text + offset : "";
    size_t bytes = strlen(piece);
    if (bytes > METRICS_PIECE_BYTES) {
        bytes = METRICS_PIECE_BYTES;
        while (bytes > 0 && piece[bytes - 1] != '\n')
            bytes--;
        value_put_integer(parameters, "next", offset + (int64_t)bytes);
    }
    value_put(parameters, "text", json_object_new_string_len(piece, (int)bytes));
    return api_reply_now(session, METHOD("GetMetrics"), parameters);
}

static int list_devices(struct varlink_connection *connection, struct varlink_message *message, void *user)
{
    (void)connection;
    struct api_session *session = user;
    json_object *array = json_object_new_array();
    core_each_device(session->context->core, add_device, array);
    return api_list_reply(session, METHOD("ListDevices"), message->more, "devices", array);
}

static int list_functions(struct varlink_connection *connection, struct varlink_message *message, void *user)
{
    (void)connection;
    struct api_session *session = user;
    json_object *array = json_object_new_array();
    core_each_function(session->context->core, add_function, array);
    return api_list_reply(session, METHOD("ListVirtualFunctions"), message->more, "virtualFunctions", array);
}

static int list_leases(struct varlink_connection *connection, struct varlink_message *message, void *user)
{
    (void)connection;
    struct api_session *session = user;
    struct listing listing = {.context = session->context, .array = json_object_new_array()};
    core_each_lease(session->context->core, add_lease, &listing);
    return api_list_reply(session, METHOD("ListLeases"), message->more, "leases", listing.array);
}

static int list_queue_pairs(struct varlink_connection *connection, struct varlink_message *message,
                            void *user)
{
    (void)connection;
    struct api_session *session = user;
    json_object *array = json_object_new_array();
    core_each_queue(session->context->core, add_queue, array);
    return api_list_reply(session, METHOD("ListQueuePairs"), message->more, "queuePairs", array);
}

static int list_tenants(struct varlink_connection *connection, struct varlink_message *message, void *user)
{
    (void)connection;
    struct api_session *session = user;
    struct listing listing = {.context = session->context, .array = json_object_new_array()};
    core_each_tenant(session->context->core, add_tenant, &listing);
    return api_list_reply(session, METHOD("ListTenants"), message->more, "tenants", listing.array);
}

static int list_namespaces(struct varlink_connection *connection, struct varlink_message *message, void *user)
{
    (void)connection;
    struct api_session *session = user;
    struct listing listing = {.context = session->context, .array = json_object_new_array()};
    core_each_namespace(session->context->core, add_namespace, &listing);
    return api_list_reply(session, METHOD("ListNamespaces"), message->more, "namespaces", listing.array);
}

/* ---- status ---- */

/* What is wrong, as far as one message can tell it. */
struct problems {
    json_object *array;
    unsigned untold;
};

static void add_problem(struct problems *problems, const char *text)
{
    if (json_object_array_length(problems->array) < ADMIN_PROBLEMS_MAX)
        append_text(problems->array, text);
    else
        problems->untold++;
}

static void add_device_problem(void *user, const struct core_device_view *view)
{
    char text[CORE_NAME_BYTES + HW_REASON_BYTES + 32];
    if (strcmp(view->state, "quarantined") != 0 && strcmp(view->state, "absent") != 0)
        return;
    snprintf(text, sizeof text, "%s: %s: %s", view->config->name, view->state,
             view->reason ? view->reason : "no reason known");
    add_problem(user, text);
}

static void add_function_problem(void *user, const struct core_function_view *view)
{
    char text[2 * CORE_NAME_BYTES + HW_REASON_BYTES + 32];
    if (strcmp(view->state, "quarantined") != 0)
        return;
    snprintf(text, sizeof text, "%s of %s: quarantined: %s", view->name, view->device,
             view->reason ? view->reason : "no reason known");
    add_problem(user, text);
}

static void add_namespace_problem(void *user, const struct core_namespace_view *view)
{
    char text[CORE_NAME_BYTES + HW_REASON_BYTES + 64];
    if (!view->scrub || strncmp(view->scrub, "failed", strlen("failed")) != 0)
        return;
    snprintf(text, sizeof text, "namespace %u of %s: scrubbing %s", view->info->id, view->device,
             view->scrub);
    add_problem(user, text);
}

static json_object *describe_problems(struct core *core)
{
    struct problems problems = {.array = json_object_new_array()};
    char text[64];
    core_each_device(core, add_device_problem, &problems);
    core_each_function(core, add_function_problem, &problems);
    if (core_draining(core))
        append_text(problems.array, "no lease is granted: homid is being drained");
    core_each_namespace(core, add_namespace_problem, &problems);
    if (problems.untold) {
        snprintf(text, sizeof text, "%u more: see ListVirtualFunctions", problems.untold);
        append_text(problems.array, text);
    }
    return problems.array;
}

static uint64_t now_milliseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static int get_status(struct varlink_connection *connection, struct varlink_message *message, void *user)
{
    (void)connection, (void)message;
    struct api_session *session = user;
    struct core *core = session->context->core;
    struct core_totals totals = core_totals(core);
    json_object *parameters = json_object_new_object(), *devices = json_object_new_array();
    core_each_device(core, add_device, devices);
    value_put_text(parameters, "version", HOMI_VERSION);
    value_put_integer(parameters, "pid", getpid());
    value_put_integer(parameters, "uptimeSeconds",
                      (int64_t)((now_milliseconds() - session->context->started) / 1000));
    value_put_flag(parameters, "ready", core_converged(core));
    value_put(parameters, "devices", devices);
    value_put_integer(parameters, "leases", totals.leases);
    value_put_integer(parameters, "queuePairs", totals.queue_pairs);
    value_put_integer(parameters, "connections", totals.connections);
    value_put_integer(parameters, "memoryBytes", (int64_t)totals.memory_bytes);
    value_put(parameters, "problems", describe_problems(core));
    return api_reply_now(session, METHOD("GetStatus"), parameters);
}

/* ---- acts ---- */

static void nothing_to_tell(void *user, const struct core_error *error)
{
    (void)user, (void)error;
}

/* A lease that nobody can find is not what was asked for. */
static void give_up(struct api_call *call, const struct core_grant *grant, json_object *parameters, int r,
                    const char *operation)
{
    const unsigned max = *call->context->lease_sockets_max;
    core_free_lease(call->context->core, grant->lease, true, nothing_to_tell, NULL);
    json_object_put(parameters);
    if (r == -EDQUOT) {
        json_object *quota = json_object_new_object();
        value_put_text(quota, "quota", "leaseSockets");
        value_put_integer(quota, "limit", max);
        value_put_integer(quota, "used", max);
        api_call_reject(call, "over the limit of sockets of leases", "QuotaExceeded", quota);
        return;
    }
    struct core_error error = {.code = r};
    snprintf(error.text, sizeof error.text, "%s", operation);
    api_call_refuse(call, &error);
}

/* To a container a lease of queue pairs is its socket. false: it could not be, and the call is answered. */
static bool make_findable(struct api_call *call, const struct core_grant *grant, json_object *parameters)
{
    const struct api_context *context = call->context;
    struct container_device device = {.grant = grant, .library = context->container_library};
    char name[CONTAINER_NAME_BYTES], operation[128];
    if (call->lease_socket || (call->container && grant->user < 0)) {
        int r = context->add_lease_socket(context->user, grant->lease, &device.socket);
        if (r < 0) {
            give_up(call, grant, parameters, r, "making the socket of the lease");
            return false;
        }
        value_put_text(parameters, "socket", device.socket);
    }
    if (!call->container)
        return true;
    int r = container_device_write(context->container_directory, &device, name);
    if (r < 0) {
        snprintf(operation, sizeof operation, "describing the lease in %s (homid(8), CONTAINERS)",
                 context->container_directory);
        give_up(call, grant, parameters, r, operation);
        return false;
    }
    value_put_text(parameters, "containerDevice", name);
    return true;
}

static void allocate_done(void *user, const struct core_error *error, const struct core_grant *grant)
{
    struct api_call *call = user;
    if (error->code) {
        api_call_refuse(call, error);
        return;
    }
    json_object *parameters = json_object_new_object(), *functions = json_object_new_array();
    json_object *nodes = json_object_new_array();
    for (size_t i = 0; i < grant->function_count; i++) {
        const struct hw_nodes *own = grant->functions[i].nodes;
        append_text(functions, grant->functions[i].name);
        for (unsigned n = 0; own && n < own->count; n++)
            append_text(nodes, own->paths[n]);
    }
    value_put_text(parameters, "lease", grant->lease);
    value_put(parameters, "virtualFunctions", functions);
    value_put(parameters, "nodes", nodes);
    if (make_findable(call, grant, parameters))
        api_call_reply(call, parameters, NULL, 0);
}

static enum core_lease_kind kind_of(const char *name)
{
    if (name && strcmp(name, "passthrough") == 0)
        return CORE_LEASE_PASSTHROUGH;
    if (name && strcmp(name, "kernel") == 0)
        return CORE_LEASE_KERNEL;
    return CORE_LEASE_QUEUES;
}

/* Whether what concerns a lease's kind makes sense; otherwise the call is answered. */
static bool decode_loan(struct api_call *call, json_object *parameters, struct core_attach_request *request)
{
    json_object *keeper = value_member(parameters, "keeper");
    const char *unit = keeper ? value_text(keeper, "unit") : NULL;
    int64_t pid = keeper ? value_integer(keeper, "pid", 0) : 0;
    request->kind = kind_of(value_text(parameters, "kind"));
    request->user = value_integer(parameters, "user", -1);
    request->kill = value_flag(parameters, "killHolders");
    call->container = value_flag(parameters, "container");
    call->lease_socket = value_flag(parameters, "socket");
    if (call->lease_socket && request->kind != CORE_LEASE_QUEUES) {
        api_call_invalid(call, "socket");
        return false;
    }
    if (value_member(parameters, "user") && (request->user < 0 || request->user >= UINT32_MAX)) {
        api_call_range(call, "user", 0, UINT32_MAX - 1);
        return false;
    }
    if (!keeper)
        return true;
    if (unit ? value_member(keeper, "pid") != NULL || !*unit || strlen(unit) >= CORE_NAME_BYTES ||
                   strchr(unit, '/')
             : pid <= 0 || pid > INT32_MAX) {
        api_call_invalid(call, "keeper");
        return false;
    }
    request->keeper.pid = (pid_t)pid;
    if (unit)
        strcpy(request->keeper.unit, unit);
    return true;
}

static int allocate(struct varlink_connection *connection, struct varlink_message *message, void *user)
{
    (void)connection;
    struct api_session *session = user;
    struct attach_parameters parameters;
    struct api_call *call;
    int r = api_call_begin(session, METHOD("AllocateVirtualFunctions"), message->parameters, &call);
    if (r > 0 && attach_decode(call, message->parameters, &parameters) &&
        decode_loan(call, message->parameters, &parameters.request)) {
        parameters.request.mode = CORE_ATTACH_FRESH;
        core_allocate(session->context->core, &parameters.request, allocate_done, call);
    }
    return r < 0 ? r : 0;
}

static int free_lease(struct varlink_connection *connection, struct varlink_message *message, void *user)
{
    (void)connection;
    struct api_session *session = user;
    struct api_call *call;
    int r = api_call_begin(session, METHOD("FreeLease"), message->parameters, &call);
    if (r > 0)
        core_free_lease(session->context->core, value_text(message->parameters, "lease"),
                        value_flag(message->parameters, "force"), api_call_done, call);
    return r < 0 ? r : 0;
}

static int revoke_lease(struct varlink_connection *connection, struct varlink_message *message, void *user)
{
    (void)connection;
    struct api_session *session = user;
    struct api_call *call;
    int r = api_call_begin(session, METHOD("RevokeLease"), message->parameters, &call);
    if (r <= 0)
        return r;
    int64_t grace = value_integer(message->parameters, "graceSeconds", 0);
    if (grace < 0 || grace > CORE_GRACE_SECONDS_MAX) {
        api_call_range(call, "graceSeconds", 0, CORE_GRACE_SECONDS_MAX);
        return 0;
    }
    const struct core_revocation revocation = {
        .lease = value_text(message->parameters, "lease"),
        .grace_seconds = (uint32_t)grace,
        .kill = value_flag(message->parameters, "kill"),
        .pid = session->pid,
        .uid = session->uid,
    };
    core_revoke_lease(session->context->core, &revocation, api_call_done, call);
    return 0;
}

static int retry(struct varlink_connection *connection, struct varlink_message *message, void *user)
{
    (void)connection;
    struct api_session *session = user;
    struct api_call *call;
    int r = api_call_begin(session, METHOD("Retry"), NULL, &call);
    if (r > 0)
        core_retry(session->context->core, value_text(message->parameters, "device"),
                   value_text(message->parameters, "virtualFunction"), api_call_done, call);
    return r < 0 ? r : 0;
}

static int drain(struct varlink_connection *connection, struct varlink_message *message, void *user)
{
    (void)connection;
    struct api_session *session = user;
    struct api_call *call;
    int r = api_call_begin(session, METHOD("Drain"), message->parameters, &call);
    if (r > 0) {
        int64_t wait = value_integer(message->parameters, "waitMilliseconds", 0);
        const int64_t waited = session->waited_milliseconds;
        if (wait > 0)
            wait = wait > waited ? wait - waited : 0;
        core_drain(session->context->core, wait, api_call_done, call);
    }
    return r < 0 ? r : 0;
}

static int undrain(struct varlink_connection *connection, struct varlink_message *message, void *user)
{
    (void)connection;
    struct api_session *session = user;
    struct api_call *call;
    int r = api_call_begin(session, METHOD("Undrain"), message->parameters, &call);
    if (r > 0)
        core_undrain(session->context->core, api_call_done, call);
    return r < 0 ? r : 0;
}

static int monitor(struct varlink_connection *connection, struct varlink_message *message, void *user)
{
    struct api_session *session = user;
    int64_t since = value_integer(message->parameters, "since", 0);
    if (since < 0)
        return varlink_error_invalid_parameter(connection, "since");
    return events_monitor(session->context->events, session, since);
}

const struct varlink_method_entry admin_methods[] = {
    {.name = "GetStatus", .handler = get_status},
    {.name = "GetMetrics", .handler = get_metrics},
    {.name = "ListDevices", .handler = list_devices},
    {.name = "ListVirtualFunctions", .handler = list_functions},
    {.name = "ListLeases", .handler = list_leases},
    {.name = "ListQueuePairs", .handler = list_queue_pairs},
    {.name = "ListTenants", .handler = list_tenants},
    {.name = "ListNamespaces", .handler = list_namespaces},
    {.name = "AllocateVirtualFunctions", .handler = allocate},
    {.name = "FreeLease", .handler = free_lease},
    {.name = "RevokeLease", .handler = revoke_lease},
    {.name = "CreateNamespace", .handler = namespaces_create},
    {.name = "DeleteNamespace", .handler = namespaces_delete},
    {.name = "FormatNamespace", .handler = namespaces_format},
    {.name = "AttachNamespace", .handler = namespaces_attach},
    {.name = "DetachNamespace", .handler = namespaces_detach},
    {.name = "Retry", .handler = retry},
    {.name = "Drain", .handler = drain},
    {.name = "Undrain", .handler = undrain},
    {.name = "Monitor", .handler = monitor, .more = true},
    {0},
};
