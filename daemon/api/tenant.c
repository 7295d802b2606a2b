/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/api/tenant.h"

#include <stdio.h>
#include <string.h>

#include "daemon/api/attach.h"
#include "daemon/api/call.h"
#include "daemon/api/events.h"
#include "daemon/api/memory_source.h"
#include "daemon/api/refusal.h"
#include "daemon/api/value.h"

#define METHOD(name) "io.homi.Tenant." name

/* ---- who ---- */

static void add_name(void *user, const char *name)
{
    value_append(user, json_object_new_string(name));
}

static json_object *allowed_tenants(struct api_session *session)
{
    json_object *names = json_object_new_array();
    core_client_tenants(session->client, add_name, names);
    return names;
}

static int list_tenants(struct varlink_connection *connection, struct varlink_message *message, void *user)
{
    (void)connection, (void)message;
    json_object *parameters = json_object_new_object();
    value_put(parameters, "tenants", allowed_tenants(user));
    return api_reply_now(user, METHOD("ListTenants"), parameters);
}

static bool is_listed(json_object *names, const char *name)
{
    for (size_t i = 0; i < json_object_array_length(names); i++) {
        if (strcmp(json_object_get_string(json_object_array_get_idx(names, i)), name) == 0)
            return true;
    }
    return false;
}

static bool is_configured(const struct core_config *config, const char *name)
{
    for (size_t i = 0; i < config->tenant_count; i++) {
        if (strcmp(config->tenants[i].name, name) == 0)
            return true;
    }
    return false;
}

static json_object *allowance(enum core_quota quota, uint64_t limit, uint64_t used)
{
    json_object *entry = json_object_new_object();
    value_put_text(entry, "quota", refusal_quota_name(quota));
    value_put_integer(entry, "limit", (int64_t)limit);
    value_put_integer(entry, "used", (int64_t)used);
    return entry;
}

struct tenant_search {
    const struct core_config *config;
    const char *name;
    json_object *parameters;
};

static void describe_tenant(void *user, const struct core_tenant_view *view)
{
    struct tenant_search *search = user;
    const struct core_tenant_config *tenant = view->config;
    if (strcmp(tenant->name, search->name) != 0)
        return;
    json_object *devices = json_object_new_array(), *all = json_object_new_array();
    for (size_t i = 0; i < tenant->device_count; i++)
        add_name(devices, search->config->devices[tenant->devices[i]].name);
    value_append(all, allowance(CORE_QUOTA_FUNCTIONS, tenant->functions_max, view->functions));
    value_append(all, allowance(CORE_QUOTA_QUEUE_PAIRS, tenant->queue_pairs_max, view->queue_pairs));
    value_append(all, allowance(CORE_QUOTA_MEMORY_BYTES, tenant->memory_bytes_max, view->memory_bytes));
    value_append(all, allowance(CORE_QUOTA_CONNECTIONS, tenant->connections_max, view->connections));
    value_append(all, allowance(CORE_QUOTA_REGIONS, tenant->regions_max, view->regions));
    value_append(all, allowance(CORE_QUOTA_WAITING, tenant->waiting_max, view->waiting));
    value_put_text(search->parameters, "tenant", tenant->name);
    value_put_flag(search->parameters, "trusted", tenant->trusted);
    value_put(search->parameters, "devices", devices);
    value_put(search->parameters, "allowances", all);
}

static int get_tenant(struct varlink_connection *connection, struct varlink_message *message, void *user)
{
    (void)connection;
    struct api_session *session = user;
    const char *name = value_text(message->parameters, "tenant"), *error = NULL;
    json_object *names = allowed_tenants(session), *parameters = json_object_new_object();
    int r;
    if (!name && json_object_array_length(names) != 1) {
        error = "TenantAmbiguous";
        value_put(parameters, "tenants", json_object_get(names));
    } else if (name && !is_listed(names, name)) {
        error = is_configured(session->context->config, name) ? "TenantNotPermitted" : "UnknownTenant";
        value_put_text(parameters, "tenant", name);
    }
    if (error) {
        r = api_error_now(session, error, parameters);
    } else {
        struct tenant_search search = {
            .config = session->context->config,
            .name = name ? name : json_object_get_string(json_object_array_get_idx(names, 0)),
            .parameters = parameters,
        };
        core_each_tenant(session->context->core, describe_tenant, &search);
        r = api_reply_now(session, METHOD("GetTenant"), parameters);
    }
    json_object_put(names);
    return r;
}

/* ---- leases ---- */

static json_object *describe_namespaces(const struct core_function_grant *function)
{
    json_object *all = json_object_new_array();
    for (size_t i = 0; i < function->namespace_count; i++) {
        json_object *entry = json_object_new_object();
        value_put_integer(entry, "id", function->namespaces[i].id);
        value_put_integer(entry, "blockBytes", function->namespaces[i].block_bytes);
        value_put_integer(entry, "blocks", (int64_t)function->namespaces[i].blocks);
        value_put_flag(entry, "shared", function->namespace_shared[i]);
        value_append(all, entry);
    }
    return all;
}

/* The index that the descriptor gets; -1 when there is none. */
static int append_fd(int *fds, unsigned *count, int fd)
{
    if (fd < 0)
        return -1;
    fds[*count] = fd;
    return (int)(*count)++;
}

/* How the doorbells are reached: what is to be mapped, and what wakes their reader. */
static void describe_doorbells(const struct core_function_grant *function, json_object *entry, int *fds,
                               unsigned *fd_count)
{
    bool relayed = function->relayed;
    uint64_t offset = relayed ? 0 : function->info->bar_offset;
    uint64_t bytes = relayed ? function->page.bytes : function->info->bar_bytes;
    uint64_t wake_offset = relayed ? function->page.wake_offset : function->info->wake_offset;
    int index = append_fd(fds, fd_count, relayed ? function->page.fd : function->device_fd);
    int wake = append_fd(fds, fd_count, relayed ? function->page.wake_fd : function->wake_fd);

    value_put_text(entry, "delegation", relayed ? "relayed" : "direct");
    value_put_integer(entry, relayed ? "doorbellFd" : "deviceFd", index);
    value_put_integer(entry, "barOffsetBytes", (int64_t)offset);
    value_put_integer(entry, "barBytes", (int64_t)bytes);
    if (wake >= 0) {
        value_put_integer(entry, "wakeOffsetBytes", (int64_t)wake_offset);
        value_put_integer(entry, "wakeFd", wake);
    }
}

static json_object *describe_function(const struct core_function_grant *function, int *fds,
                                      unsigned *fd_count)
{
    const struct hw_function_info *info = function->info;
    json_object *entry = json_object_new_object();
    value_put_text(entry, "name", function->name);
    value_put_text(entry, "device", function->device);
    value_put_integer(entry, "controllerId", info->controller_id);
    describe_doorbells(function, entry, fds, fd_count);
    value_put_integer(entry, "doorbellStrideBytes", info->doorbell_stride);
    value_put_integer(entry, "pageBytes", info->page_bytes);
    value_put_integer(entry, "maxTransferBytes", info->max_transfer_bytes);
    value_put_integer(entry, "queueEntriesMax", info->queue_entries_max);
    value_put_integer(entry, "queuePairs", function->queue_pairs);
    value_put_integer(entry, "interrupts", function->interrupts);
    value_put_integer(entry, "optionalCommands", info->optional_commands);
    value_put_flag(entry, "volatileWriteCache", info->volatile_write_cache);
    value_put(entry, "namespaces", describe_namespaces(function));
    return entry;
}

static void attach_done(void *user, const struct core_error *error, const struct core_grant *grant)
{
    struct api_call *call = user;
    if (error->code) {
        api_call_refuse(call, error);
        return;
    }
    json_object *functions = json_object_new_array(), *parameters = json_object_new_object();
    int fds[2 * CORE_LEASE_DEVICES_MAX];
    unsigned fd_count = 0;
    for (size_t i = 0; i < grant->function_count; i++)
        value_append(functions, describe_function(&grant->functions[i], fds, &fd_count));
    value_put_text(parameters, "lease", grant->lease);
    value_put(parameters, "virtualFunctions", functions);
    snprintf(call->lease, sizeof call->lease, "%s", grant->lease);
    api_call_reply(call, parameters, fds, fd_count);
}

static int attach(struct varlink_connection *connection, struct varlink_message *message, void *user)
{
    (void)connection;
    struct api_session *session = user;
    struct attach_parameters parameters;
    struct api_call *call;
    int r = api_call_begin(session, METHOD("Attach"), message->parameters, &call);
    if (r <= 0 || !attach_decode(call, message->parameters, &parameters))
        return r < 0 ? r : 0;
    /* It still waits if it waited: a wait that is over is told by the core. */
    if (session->waited_milliseconds && parameters.request.wait_milliseconds)
        parameters.request.wait_milliseconds =
            session->waited_milliseconds < parameters.request.wait_milliseconds
                ? parameters.request.wait_milliseconds - session->waited_milliseconds
                : 1;
    core_attach(session->client, &parameters.request, attach_done, call);
    return 0;
}

static int detach(struct varlink_connection *connection, struct varlink_message *message, void *user)
{
    (void)connection;
    struct api_session *session = user;
    struct api_call *call;
    int r = api_call_begin(session, METHOD("Detach"), message->parameters, &call);
    if (r > 0)
        core_detach(session->client, value_text(message->parameters, "lease"), api_call_done, call);
    return r < 0 ? r : 0;
}

/* ---- memory ---- */

static void region_done(void *user, const struct core_error *error, uint32_t region, uint64_t iova)
{
    struct api_call *call = user;
    if (error->code) {
        api_call_refuse(call, error);
        return;
    }
    json_object *parameters = json_object_new_object();
    value_put_integer(parameters, "region", region);
    value_put_integer(parameters, "iova", (int64_t)iova);
    api_call_reply(call, parameters, NULL, 0);
}

static void refuse_memory(struct api_call *call, int defect)
{
    if (defect < 0) {
        struct core_error error = {.code = defect, .text = "looking at the memory's file"};
        api_call_refuse(call, &error);
        return;
    }
    const char *name = memory_defect_name((enum memory_defect)defect);
    char text[96];
    snprintf(text, sizeof text, "memory refused: %s", name);
    json_object *parameters = json_object_new_object();
    value_put_text(parameters, "defect", name);
    api_call_reject(call, text, "MemoryRefused", parameters);
}

/* The memfd of the source, and where in it. False: the call was answered. */
static bool decode_memfd(struct api_call *call, struct varlink_message *message, uint64_t *ret_offset,
                         uint64_t *ret_bytes)
{
    json_object *memfd = value_member(value_member(message->parameters, "source"), "memfd");
    if (!memfd) {
        api_call_invalid(call, "source");
        return false;
    }
    if (message->fd_count != 1) {
        json_object *parameters = json_object_new_object();
        value_put_integer(parameters, "expected", 1);
        value_put_integer(parameters, "received", message->fd_count);
        api_call_reject(call, "wrong number of file descriptors", "FileDescriptorCount", parameters);
        return false;
    }
    int64_t offset = value_integer(memfd, "offsetBytes", 0), bytes = value_integer(memfd, "lengthBytes", 0);
    if (value_integer(memfd, "fd", 0) != 0) {
        api_call_range(call, "source.memfd.fd", 0, 0);
        return false;
    }
    if (offset < 0) {
        api_call_range(call, "source.memfd.offsetBytes", 0, INT64_MAX);
        return false;
    }
    if (bytes < 0) { /* what is too long is beyond the end of the file, or the core says so */
        api_call_range(call, "source.memfd.lengthBytes", 0, (int64_t)CORE_REGION_BYTES_MAX);
        return false;
    }
    *ret_offset = (uint64_t)offset;
    *ret_bytes = (uint64_t)bytes;
    return true;
}

static int register_memory(struct varlink_connection *connection, struct varlink_message *message, void *user)
{
    (void)connection;
    struct api_session *session = user;
    struct api_call *call;
    uint64_t offset, bytes, page;
    int r = api_call_begin(session, METHOD("RegisterMemory"), message->parameters, &call);
    if (r <= 0 || !decode_memfd(call, message, &offset, &bytes))
        return r < 0 ? r : 0;
    r = memory_source_check(message->fds[0], offset, bytes, &page);
    if (r != 0)
        refuse_memory(call, r);
    else
        core_register_memory(session->client, value_text(message->parameters, "lease"), message->fds[0],
                             offset, bytes, page, region_done, call);
    return 0;
}

static int unregister_memory(struct varlink_connection *connection, struct varlink_message *message,
                             void *user)
{
    (void)connection;
    struct api_session *session = user;
    struct api_call *call;
    int r = api_call_begin(session, METHOD("UnregisterMemory"), message->parameters, &call);
    if (r > 0)
        core_unregister_memory(session->client, value_text(message->parameters, "lease"),
                               value_integer(message->parameters, "region", 0), api_call_done, call);
    return r < 0 ? r : 0;
}

/* ---- queue pairs ---- */

static void queue_done(void *user, const struct core_error *error, const struct core_queue_grant *queue)
{
    struct api_call *call = user;
    if (error->code) {
        api_call_refuse(call, error);
        return;
    }
    json_object *parameters = json_object_new_object();
    value_put_integer(parameters, "queuePair", queue->id);
    value_put_integer(parameters, "submissionDoorbellOffsetBytes", queue->submission_doorbell);
    value_put_integer(parameters, "completionDoorbellOffsetBytes", queue->completion_doorbell);
    if (queue->status)
        value_put_integer(parameters, "statusOffsetBytes", queue->status);
    if (queue->event_fd >= 0)
        value_put_integer(parameters, "eventFd", 0);
    api_call_reply(call, parameters, &queue->event_fd, queue->event_fd >= 0 ? 1 : 0);
}

static int create_queue_pair(struct varlink_connection *connection, struct varlink_message *message,
                             void *user)
{
    (void)connection;
    struct api_session *session = user;
    json_object *parameters = message->parameters;
    struct api_call *call;
    int r = api_call_begin(session, METHOD("CreateQueuePair"), parameters, &call);
    if (r <= 0)
        return r;
    const struct core_queue_request request = {
        .lease = value_text(parameters, "lease"),
        .function = value_text(parameters, "virtualFunction"),
        .entries = value_integer(parameters, "entries", 0),
        .region = value_integer(parameters, "region", 0),
        .submission_offset = value_integer(parameters, "submissionOffsetBytes", 0),
        .completion_offset = value_integer(parameters, "completionOffsetBytes", 0),
        .interrupt = value_flag(parameters, "interrupt"),
    };
    snprintf(call->lease, sizeof call->lease, "%s", request.lease);
    core_create_queue_pair(session->client, &request, queue_done, call);
    return 0;
}

static int delete_queue_pair(struct varlink_connection *connection, struct varlink_message *message,
                             void *user)
{
    (void)connection;
    struct api_session *session = user;
    json_object *parameters = message->parameters;
    struct api_call *call;
    int r = api_call_begin(session, METHOD("DeleteQueuePair"), parameters, &call);
    if (r > 0)
        core_delete_queue_pair(session->client, value_text(parameters, "lease"),
                               value_text(parameters, "virtualFunction"),
                               value_integer(parameters, "queuePair", 0), api_call_done, call);
    return r < 0 ? r : 0;
}

/* ---- after a reset ---- */

static void recover_done(void *user, const struct core_error *error, const struct core_pair_name *pairs,
                         size_t count)
{
    struct api_call *call = user;
    if (error->code) {
        api_call_refuse(call, error);
        return;
    }
    json_object *parameters = json_object_new_object(), *array = json_object_new_array();
    for (size_t i = 0; i < count; i++) {
        json_object *entry = json_object_new_object();
        value_put_text(entry, "virtualFunction", pairs[i].function);
        value_put_integer(entry, "queuePair", pairs[i].id);
        value_append(array, entry);
    }
    value_put(parameters, "queuePairs", array);
    api_call_reply(call, parameters, NULL, 0);
}

static int recover(struct varlink_connection *connection, struct varlink_message *message, void *user)
{
    (void)connection;
    struct api_session *session = user;
    struct api_call *call;
    int r = api_call_begin(session, METHOD("Recover"), message->parameters, &call);
    if (r > 0)
        core_recover(session->client, value_text(message->parameters, "lease"), recover_done, call);
    return r < 0 ? r : 0;
}

/* ---- the few admin commands ---- */

static void data_done(struct api_call *call, const struct core_error *error, const uint8_t *data,
                      size_t bytes)
{
    if (error->code) {
        api_call_refuse(call, error);
        return;
    }
    json_object *parameters = json_object_new_object();
    value_put(parameters, "data", value_base64(data, bytes));
    api_call_reply(call, parameters, NULL, 0);
}

static void identify_done(void *user, const struct core_error *error, const uint8_t *data, uint32_t value)
{
    (void)value;
    data_done(user, error, data, HW_DATA_BYTES);
}

static int identify(struct varlink_connection *connection, struct varlink_message *message, void *user)
{
    (void)connection;
    struct api_session *session = user;
    json_object *parameters = message->parameters;
    struct api_call *call;
    int r = api_call_begin(session, METHOD("Identify"), NULL, &call);
    if (r > 0)
        core_identify(session->client, value_text(parameters, "lease"),
                      value_text(parameters, "virtualFunction"), value_integer(parameters, "cns", 0),
                      value_integer(parameters, "namespace", 0), identify_done, call);
    return r < 0 ? r : 0;
}

static void log_page_done(void *user, const struct core_error *error, const uint8_t *data, uint32_t value)
{
    (void)value;
    struct api_call *call = user;
    data_done(call, error, data, call->data_bytes);
}

static int get_log_page(struct varlink_connection *connection, struct varlink_message *message, void *user)
{
    (void)connection;
    struct api_session *session = user;
    json_object *parameters = message->parameters;
    struct api_call *call;
    int r = api_call_begin(session, METHOD("GetLogPage"), NULL, &call);
    if (r <= 0)
        return r;
    int64_t bytes = value_integer(parameters, "lengthBytes", 0);
    if (bytes < 4 || bytes > HW_DATA_BYTES || bytes % 4) {
        api_call_range(call, "lengthBytes", 4, HW_DATA_BYTES);
        return 0;
    }
    call->data_bytes = (size_t)bytes;
    core_get_log_page(session->client, value_text(parameters, "lease"),
                      value_text(parameters, "virtualFunction"), value_integer(parameters, "page", 0),
                      value_integer(parameters, "namespace", 0), bytes, log_page_done, call);
    return 0;
}

static void feature_done(void *user, const struct core_error *error, const uint8_t *data, uint32_t value)
{
    (void)data;
    struct api_call *call = user;
    if (error->code) {
        api_call_refuse(call, error);
        return;
    }
    json_object *parameters = json_object_new_object();
    value_put_integer(parameters, "value", value);
    api_call_reply(call, parameters, NULL, 0);
}

static int get_feature(struct varlink_connection *connection, struct varlink_message *message, void *user)
{
    (void)connection;
    struct api_session *session = user;
    json_object *parameters = message->parameters;
    struct api_call *call;
    int r = api_call_begin(session, METHOD("GetFeature"), NULL, &call);
    if (r > 0)
        core_get_feature(session->client, value_text(parameters, "lease"),
                         value_text(parameters, "virtualFunction"), value_integer(parameters, "feature", 0),
                         feature_done, call);
    return r < 0 ? r : 0;
}

/* ---- events ---- */

static int monitor(struct varlink_connection *connection, struct varlink_message *message, void *user)
{
    (void)connection, (void)message;
    struct api_session *session = user;
    return events_monitor(session->context->events, session, 0);
}

const struct varlink_method_entry tenant_methods[] = {
    {.name = "ListTenants", .handler = list_tenants},
    {.name = "GetTenant", .handler = get_tenant},
    {.name = "Attach", .handler = attach},
    {.name = "Detach", .handler = detach},
    {.name = "RegisterMemory", .handler = register_memory, .takes_fds = true},
    {.name = "UnregisterMemory", .handler = unregister_memory},
    {.name = "CreateQueuePair", .handler = create_queue_pair},
    {.name = "DeleteQueuePair", .handler = delete_queue_pair},
    {.name = "Recover", .handler = recover},
    {.name = "Identify", .handler = identify},
    {.name = "GetLogPage", .handler = get_log_page},
    {.name = "GetFeature", .handler = get_feature},
    {.name = "Monitor", .handler = monitor, .more = true},
    {0},
};
