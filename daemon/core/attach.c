/* SPDX-License-Identifier: BSD-3-Clause */
/* Attach and allocate: what is asked, whether it may be, and whether a lease that stands already serves. */
#include <stdlib.h>
#include <string.h>

#include "daemon/core/internal.h"

/* ---- reading a request ---- */

static bool read_devices(struct core *core, struct tenant *tenant, const struct core_attach_request *from,
                         struct waiter *request, struct core_error *error)
{
    if (from->device_count > PARTS_MAX) {
        *error = error_refusal(CORE_REFUSED_VALUE, "devices");
        error->minimum = 1;
        error->limit = PARTS_MAX;
        return false;
    }
    for (size_t i = 0; i < from->device_count; i++) {
        struct device *device = named_find(&core->devices_by_name, from->devices[i]);
        /* A device that the tenant may not use is none of its business, not even that it exists. */
        if (!device || !policy_device_allowed(tenant, device)) {
            *error = error_refusal(CORE_REFUSED_UNKNOWN_DEVICE, from->devices[i]);
            return false;
        }
        for (size_t n = 0; n < i; n++) {
            if (request->devices[n] == device) {
                *error = error_refusal(CORE_REFUSED_VALUE, "devices");
                error->minimum = 1;
                error->limit = PARTS_MAX;
                return false;
            }
        }
        request->devices[i] = device;
    }
    request->device_count = from->device_count;
    if (from->device_count || tenant->config->device_count)
        return true;
    *error = error_refusal(CORE_REFUSED_UNKNOWN_DEVICE, NULL);
    return false;
}

static bool read_namespaces(const struct core_attach_request *from, struct waiter *request,
                            struct core_error *error)
{
    request->namespaces_given = from->namespaces_given;
    if (!from->namespaces_given)
        return true;
    if (from->namespace_count > CORE_LEASE_NAMESPACES_MAX) {
        *error = error_refusal(CORE_REFUSED_VALUE, "namespaces");
        error->limit = CORE_LEASE_NAMESPACES_MAX;
        return false;
    }
    for (size_t i = 0; i < from->namespace_count; i++) {
        bool allowed = false;
        for (size_t n = 0; n < request_device_count(request); n++) {
            allowed = allowed || policy_namespace(request->tenant, request_device(request, n),
                                                  from->namespaces[i]) != NULL;
        }
        if (!allowed) {
            *error = error_refusal(CORE_REFUSED_NAMESPACE_NOT_ALLOWED, request_device(request, 0)->name);
            error->value = from->namespaces[i];
            return false;
        }
        request->namespaces[i] = from->namespaces[i];
    }
    request->namespace_count = from->namespace_count;
    return true;
}

static bool tenant_has(const struct tenant *tenant, int64_t user)
{
    for (size_t i = 0; i < tenant->config->uid_count; i++) {
        if (tenant->config->uids[i] == user)
            return true;
    }
    return false;
}

/* A loan goes to one user of the tenant: the one named, or its only one. */
static bool read_loan(const struct core_attach_request *from, struct waiter *request,
                      struct core_error *error)
{
    const struct core_tenant_config *config = request->tenant->config;
    int64_t user = from->user;

    request->kind = from->kind;
    request->kill = from->kill;
    request->keeper = from->keeper;
    if (from->kind == CORE_LEASE_QUEUES)
        return true;
    if (from->kind == CORE_LEASE_PASSTHROUGH && !config->trusted) {
        *error = error_refusal(CORE_REFUSED_TRUST_REQUIRED, config->name);
        return false;
    }
    if (user < 0 && config->uid_count == 1)
        user = config->uids[0];
    if (user < 0 || !tenant_has(request->tenant, user)) {
        *error = error_refusal(CORE_REFUSED_USER_NOT_PERMITTED, config->name);
        error->value = user;
        return false;
    }
    request->user = (uint32_t)user;
    return true;
}

bool request_read(struct core *core, struct tenant *tenant, const struct core_attach_request *from,
                  struct waiter *request, struct core_error *error)
{
    request->core = core;
    request->tenant = tenant;
    request->queue_pairs = from->queue_pairs;
    request->wait_milliseconds = from->wait_milliseconds;
    request->expires_seconds = from->expires_seconds;
    if (from->wait_milliseconds > core->config->wait_milliseconds_max) {
        *error = error_refusal(CORE_REFUSED_VALUE, "waitMilliseconds");
        error->limit = core->config->wait_milliseconds_max;
        return false;
    }
    return read_devices(core, tenant, from, request, error) && read_namespaces(from, request, error) &&
           read_loan(from, request, error);
}

/* ---- a lease that stands already ---- */

static bool covers_devices(const struct lease *lease, const struct waiter *request)
{
    if (!request->device_count)
        return true;
    if (request->device_count != lease->part_count)
        return false;
    for (size_t i = 0; i < request->device_count; i++) {
        bool found = false;
        for (unsigned part = 0; part < lease->part_count; part++)
            found = found || lease->parts[part]->device == request->devices[i];
        if (!found)
            return false;
    }
    return true;
}

static bool covers_namespaces(const struct lease *lease, const struct waiter *request)
{
    for (size_t i = 0; i < request->namespace_count; i++) {
        bool found = false;
        for (unsigned part = 0; part < lease->part_count; part++)
            found = found || function_attachment(lease->parts[part], request->namespaces[i]);
        if (!found)
            return false;
    }
    return true;
}

/* The function that has too few queue pairs, or no page of doorbells, left for the request; NULL: none. */
static const struct function *full_part(const struct lease *lease, const struct waiter *request)
{
    unsigned wanted = request->queue_pairs ? request->queue_pairs : 1;

    for (unsigned part = 0; part < lease->part_count; part++) {
        const struct function *function = lease->parts[part];
        unsigned limit = lease_queue_pairs(lease, function);
        if (limit < wanted || limit - wanted < function->pair_count)
            return function;
        if (!lease->tenant->config->direct && pages_full(lease, function))
            return function;
    }
    return NULL;
}

static bool whole(const struct lease *lease)
{
    for (unsigned part = 0; part < lease->part_count; part++) {
        if (!lease->parts[part])
            return false;
    }
    return lease->state != LEASE_ENDING && !lease->revoking;
}

/* The tenant's lease that serves the request; otherwise NULL and the refusal for one who insists on joining.
 */
static struct lease *find_joinable(const struct waiter *request, struct core_error *error)
{
    struct lease *lease;

    *error = error_refusal(CORE_REFUSED_UNKNOWN_LEASE, NULL);
    TAILQ_FOREACH (lease, &request->tenant->leases, tenant_link) {
        const struct function *full;
        if (lease->kind != CORE_LEASE_QUEUES || !whole(lease) || !covers_devices(lease, request) ||
            !covers_namespaces(lease, request))
            continue;
        full = full_part(lease, request);
        if (!full)
            return lease;
        *error = error_refusal(CORE_REFUSED_NO_QUEUE_PAIR_FREE, full->name);
        error->limit = lease_queue_pairs(lease, full);
    }
    return NULL;
}

/* ---- attach ---- */

static bool check_tenant(struct core_client *client, struct tenant *tenant, struct core_error *error)
{
    if (!tenant)
        return false;
    return !client || quota_client_counted(client, tenant) ||
           !quota_exceeded(tenant, CORE_QUOTA_CONNECTIONS, 1, error);
}

static void attach_named(struct core_client *client, const struct core_attach_request *from,
                         struct call *call)
{
    struct lease *lease = lease_find(client->core, from->lease);
    struct tenant *tenant = lease ? lease->tenant : NULL;
    struct core_error error = {0};

    if (from->tenant)
        tenant = policy_resolve(client, from->tenant, &error);
    if (!error.code && (!lease || lease->tenant != tenant || !policy_acts_for(client, tenant) ||
                        lease->state == LEASE_ENDING))
        error = error_refusal(CORE_REFUSED_UNKNOWN_LEASE, from->lease);
    if (!error.code && lease->kind != CORE_LEASE_QUEUES) {
        error = error_refusal(CORE_REFUSED_LEASE_KIND, lease->name);
        copy_text(error.text, sizeof(error.text), lease_kind_name(lease->kind));
    }
    if (!error.code && check_tenant(client, tenant, &error))
        lease_join(lease, client, call);
    else
        call_refuse(call, &error);
}

/* Whether a lease that stands serves the request as it is. */
static bool serves(const struct lease *lease, const struct waiter *request, struct core_error *error)
{
    const struct function *full;

    if (!whole(lease) || !covers_devices(lease, request) || !covers_namespaces(lease, request)) {
        *error = error_refusal(CORE_REFUSED_LEASE_ONLY, lease->name);
        return false;
    }
    full = full_part(lease, request);
    if (!full)
        return true;
    *error = error_refusal(CORE_REFUSED_NO_QUEUE_PAIR_FREE, full->name);
    error->limit = lease_queue_pairs(lease, full);
    return false;
}

/* By a lease's socket there is that lease, and nothing else. */
static void attach_bound(struct core_client *client, const struct core_attach_request *from,
                         struct call *call)
{
    struct lease *lease = lease_find(client->core, client->lease);
    struct waiter request = {.client = client, .call = call};
    struct core_error error = {0};
    struct tenant *tenant = NULL;

    if (from->mode == CORE_ATTACH_FRESH || (from->lease && strcmp(from->lease, client->lease) != 0))
        error = error_refusal(CORE_REFUSED_LEASE_ONLY, client->lease);
    else if (!lease || lease->state == LEASE_ENDING)
        error = error_refusal(CORE_REFUSED_UNKNOWN_LEASE, client->lease);
    else
        tenant = policy_resolve(client, from->tenant, &error);
    if (check_tenant(client, tenant, &error) && request_read(client->core, tenant, from, &request, &error) &&
        serves(lease, &request, &error))
        lease_join(lease, client, call);
    else
        call_refuse(call, &error);
}

static void attach_new(struct core_client *client, struct tenant *tenant,
                       const struct core_attach_request *from, struct call *call)
{
    struct core_error error = {0};
    struct waiter *request = calloc(1, sizeof(*request));
    struct lease *lease;

    if (!request) {
        call_refuse(call, &error_no_memory);
        return;
    }
    request->client = client;
    request->call = call;
    if (!request_read(client->core, tenant, from, request, &error)) {
        call_refuse(call, &error);
        free(request);
        return;
    }
    if (from->mode == CORE_ATTACH_FRESH) {
        wait_or_grant(request);
        return;
    }
    lease = find_joinable(request, &error);
    if (!lease && from->mode == CORE_ATTACH_ANY) {
        wait_or_grant(request);
        return;
    }
    if (lease)
        lease_join(lease, client, call);
    else
        call_refuse(call, &error);
    free(request);
}

void core_attach(struct core_client *client, const struct core_attach_request *from, core_attach_done done,
                 void *user)
{
    struct core *core = client->core;
    struct core_error error = {0};
    struct tenant *tenant;
    struct call *call;

    core_enter(core);
    call = call_new(core, client, CALL_ATTACH, user);
    if (!call) {
        done(user, &error_no_memory, NULL);
        core_leave(core);
        return;
    }
    call->done.attach = done;
    if (lease_rejoin(client, call)) {
        core_leave(core);
        return;
    }
    if (client->lease[0]) {
        attach_bound(client, from, call);
    } else if (from->lease) {
        attach_named(client, from, call);
    } else {
        tenant = policy_resolve(client, from->tenant, &error);
        if (check_tenant(client, tenant, &error))
            attach_new(client, tenant, from, call);
        else
            call_refuse(call, &error);
    }
    core_leave(core);
}

/* A kernel lease gives no control over the function, so it needs no trust. */
static bool may_allocate(struct tenant *tenant, const struct core_attach_request *from,
                         struct core_error *error)
{
    if (tenant && from->kind == CORE_LEASE_KERNEL)
        return true;
    return check_tenant(NULL, tenant, error);
}

/* The reservation that this very call made when an earlier homid carried it out. */
static bool allocated_before(struct call *call)
{
    struct lease *lease;

    TAILQ_FOREACH (lease, &call->core->leases, link) {
        if (!call->caller.resumed || !lease->reserved || lease->state == LEASE_ENDING || lease->allocating ||
            lease->maker.connection != call->caller.connection || lease->maker.serial != call->caller.serial)
            continue;
        if (lease->state == LEASE_GRANTING) {
            lease->allocating = call;
        } else {
            copy_text(call->result.lease, sizeof(call->result.lease), lease->name);
            call_finish(call);
        }
        return true;
    }
    return false;
}

void core_allocate(struct core *core, const struct core_attach_request *from, core_attach_done done,
                   void *user)
{
    struct core_error error = {0};
    struct tenant *tenant = from->tenant ? named_find(&core->policy.by_name, from->tenant) : NULL;
    struct waiter *request;
    struct call *call;

    core_enter(core);
    call = call_new(core, NULL, CALL_ATTACH, user);
    request = calloc(1, sizeof(*request));
    if (!call || !request) {
        call_free(call);
        free(request);
        done(user, &error_no_memory, NULL);
        core_leave(core);
        return;
    }
    call->done.attach = done;
    if (allocated_before(call)) {
        free(request);
        core_leave(core);
        return;
    }
    request->call = call;
    request->reserved = true;
    if (!tenant)
        error = error_refusal(CORE_REFUSED_UNKNOWN_TENANT, from->tenant);
    if (may_allocate(tenant, from, &error) && request_read(core, tenant, from, request, &error)) {
        wait_or_grant(request);
    } else {
        call_refuse(call, &error);
        free(request);
    }
    core_leave(core);
}
