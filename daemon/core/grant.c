/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whether a request for new functions can be granted now: a free function on each device, and namespaces that
 * nobody else has. All or nothing: a lease is begun only when everything is there.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/core/internal.h"

struct choice {
    struct function *function;
    size_t count;
    struct {
        struct space *space;
        bool shared;
    } wanted[CORE_LEASE_NAMESPACES_MAX];
};

size_t request_device_count(const struct waiter *request)
{
    return request->device_count ? request->device_count : request->tenant->config->device_count;
}

struct device *request_device(const struct waiter *request, size_t index)
{
    if (request->device_count)
        return request->devices[index];
    return &request->core->devices[request->tenant->config->devices[index]];
}

/* ---- namespaces ---- */

static enum verdict busy(const struct device *device, uint32_t id, const char *holder, enum verdict verdict,
                         struct core_error *error)
{
    *error = error_refusal(CORE_REFUSED_NAMESPACE_BUSY, device->name);
    error->value = id;
    copy_text(error->text, sizeof(error->text), holder);
    return verdict;
}

/* The claims on a namespace are all of one tenant or all shared, so the first one speaks for them. */
static enum verdict check_claims(const struct device *device, const struct space *space,
                                 const struct tenant *tenant, const struct core_namespace_config *allowed,
                                 struct core_error *error)
{
    const struct attachment *claim = LIST_FIRST(&space->claims);
    const struct tenant *other;

    if (change_concerns(device, space->info.id))
        return busy(device, space->info.id, "operator", VERDICT_WAIT, error);
    if (space->host && !(allowed->shared && space->info.shareable))
        return busy(device, space->info.id, "host", VERDICT_REFUSE, error);
    if (!claim && space->soiled)
        return busy(device, space->info.id, "scrub", space->scrub_error[0] ? VERDICT_REFUSE : VERDICT_WAIT,
                    error);
    if (!claim)
        return VERDICT_GRANT;
    other = claim->function->tenant;
    if (space->info.shareable && (other == tenant || (allowed->shared && claim->shared)))
        return VERDICT_GRANT;
    return busy(device, space->info.id, other ? other->name : "",
                claim->function->release || allowed->scrub ? VERDICT_WAIT : VERDICT_REFUSE, error);
}

static enum verdict choose_namespace(const struct waiter *request, const struct device *device,
                                     const struct core_namespace_config *allowed, struct choice *choice,
                                     struct core_error *error)
{
    struct space *space = device_space(device, allowed->id);

    for (size_t i = 0; i < choice->count; i++) {
        if (choice->wanted[i].space == space && space)
            return VERDICT_GRANT;
    }
    if (!space || choice->count == CORE_LEASE_NAMESPACES_MAX) {
        *error = error_refusal(CORE_REFUSED_DEVICE_UNAVAILABLE, device->name);
        if (space)
            snprintf(error->text, sizeof(error->text), "a lease has at most %d namespaces of a device",
                     CORE_LEASE_NAMESPACES_MAX);
        else
            snprintf(error->text, sizeof(error->text), "it has no namespace %u", allowed->id);
        return VERDICT_REFUSE;
    }
    choice->wanted[choice->count].space = space;
    choice->wanted[choice->count++].shared = allowed->shared;
    return check_claims(device, space, request->tenant, allowed, error);
}

static enum verdict choose_namespaces(const struct waiter *request, const struct device *device,
                                      struct choice *choice, struct core_error *error)
{
    const struct core_tenant_config *config = request->tenant->config;
    enum verdict verdict = VERDICT_GRANT;

    choice->count = 0;
    for (size_t i = 0; i < config->namespace_count && verdict != VERDICT_REFUSE; i++) {
        const struct core_namespace_config *allowed = &config->namespaces[i];
        bool wanted = allowed->device == device->index && !request->namespaces_given;
        for (size_t n = 0; n < request->namespace_count && allowed->device == device->index; n++)
            wanted = wanted || request->namespaces[n] == allowed->id;
        if (!wanted)
            continue;
        enum verdict one = choose_namespace(request, device, allowed, choice, error);
        if (one > verdict)
            verdict = one;
    }
    return verdict;
}

/* ---- devices ---- */

/* Why no function of the device will come, unless somebody acts; false: one may. */
static bool hopeless(const struct device *device, struct core_error *error)
{
    const struct function *not_viable = NULL;
    const char *reason = device_reason(device);

    *error = error_refusal(CORE_REFUSED_DEVICE_UNAVAILABLE, device->name);
    copy_text(error->text, sizeof(error->text), reason ? reason : device_state(device));
    if (device->core->stopping) {
        copy_text(error->text, sizeof(error->text), "homid is stopping");
        return true;
    }
    if (device->phase == DP_ABSENT || (device->phase == DP_CLEARING && !device->present))
        return true;
    if (device->phase != DP_QUARANTINED && device->in_state[FS_QUARANTINED] < device->config->functions)
        return false;
    for (unsigned i = 0; i < device->config->functions; i++) {
        const struct function *function = &device->functions[i];
        if (function_serves(function) && (device->phase != DP_QUARANTINED || function->handle))
            return false;
        if (function->not_viable && function->state == FS_QUARANTINED)
            not_viable = function;
    }
    if (not_viable) {
        *error = error_refusal(CORE_REFUSED_GROUP_NOT_VIABLE, not_viable->name);
        error->value = not_viable->iommu_group;
    }
    return true;
}

/* A process that gets the device itself is trusted, or the device is known to refuse what concerns others. */
static bool may_be_direct(const struct waiter *request, const struct function *function)
{
    const struct core_tenant_config *tenant = request->tenant->config;

    return request->kind != CORE_LEASE_QUEUES || !tenant->direct || tenant->trusted ||
           function->verdict.confinement == HW_CONFINED;
}

static enum verdict choose_function(const struct waiter *request, struct device *device,
                                    struct choice *choice, struct core_error *error)
{
    bool taken = request->queued ? device->claimed : device->waiting > 0;

    choice->function = TAILQ_FIRST(&device->free);
    if (choice->function && !may_be_direct(request, choice->function)) {
        *error = error_refusal(CORE_REFUSED_TRUST_REQUIRED, request->tenant->name);
        return VERDICT_REFUSE;
    }
    if (choice->function && !taken)
        return VERDICT_GRANT;
    /* Those before it only wait for the look at the device, so it may still be served now. */
    if (choice->function && (device->refresh || device->looking))
        return VERDICT_LOOK;
    /* homid has just started, perhaps by this very request, and brings the device up. */
    if (!choice->function && !device->brought_up && !device_settled(device))
        return VERDICT_LOOK;
    /* Who is in the queue already waits on: the device may come back before the deadline. */
    if (!choice->function && hopeless(device, error))
        return request->queued ? VERDICT_WAIT : VERDICT_REFUSE;
    if (device_settled(device))
        *error = error_refusal(CORE_REFUSED_NO_FUNCTION_FREE, device->name);
    return VERDICT_WAIT;
}

/*
 * The host may have attached a namespace to itself, or let one go, without a word to us, so a grant rests on
 * a recent look at the device.
 */
static enum verdict choose(const struct waiter *request, struct device *device, struct choice *choice,
                           struct core_error *error)
{
    struct core_error waits = {0};
    enum verdict namespaces, function;

    if (request->queue_pairs > device->config->queue_pairs) {
        *error = error_refusal(CORE_REFUSED_VALUE, "queuePairs");
        error->limit = device->config->queue_pairs;
        return VERDICT_REFUSE;
    }
    function = choose_function(request, device, choice, &waits);
    if (function == VERDICT_GRANT && !device->probed) {
        /* Its functions are there, of an earlier homid, before the device was looked at. */
        hopeless(device, error);
        return device_settled(device) ? VERDICT_REFUSE : VERDICT_LOOK;
    }
    if (function == VERDICT_REFUSE || !device->probed) {
        *error = waits;
        return function;
    }
    namespaces = choose_namespaces(request, device, choice, error);
    if (function == VERDICT_GRANT && choice->count && !device_look(device))
        return VERDICT_LOOK;
    if (namespaces != VERDICT_GRANT)
        return namespaces;
    if (function == VERDICT_GRANT && choice->count && device->look_error[0]) {
        *error = error_refusal(CORE_REFUSED_DEVICE_UNAVAILABLE, device->name);
        copy_text(error->text, sizeof(error->text), device->look_error);
        return VERDICT_REFUSE;
    }
    if (function != VERDICT_GRANT)
        *error = waits;
    return function;
}

/* ---- the lease ---- */

/* A lease without functions yet; NULL: *error says why. */
static struct lease *begin(const struct waiter *request, struct core_error *error)
{
    struct core *core = request->core;
    struct lease *lease;

    if (lease_new(request->tenant, request->queue_pairs, request->call, &lease)) {
        *error = error_no_memory;
        return NULL;
    }
    lease->kind = request->kind;
    lease->user = request->user;
    lease->kill = request->kill;
    lease->keeper = request->keeper;
    if (!lease->keeper.pid && !lease->keeper.unit[0])
        return lease;
    if (core->listener.keep(core->listener.user, lease->name, &lease->keeper) == 0) {
        lease->kept = true;
        return lease;
    }
    *error = error_refusal(CORE_REFUSED_UNKNOWN_KEEPER, lease->keeper.unit);
    if (lease->keeper.pid)
        snprintf(error->name, sizeof(error->name), "process %d", (int)lease->keeper.pid);
    lease_free(lease);
    return NULL;
}

/* false: refused, and nothing has changed. */
static bool take(struct waiter *request, const struct choice *choices, size_t count, struct core_error *error)
{
    struct attachment *attachments[PARTS_MAX] = {0};
    struct lease *lease;
    bool complete = true;

    for (size_t i = 0; i < count && complete; i++) {
        attachments[i] = calloc(choices[i].count ? choices[i].count : 1, sizeof(struct attachment));
        complete = attachments[i] != NULL;
    }
    if (!complete)
        *error = error_no_memory;
    lease = complete ? begin(request, error) : NULL;
    if (!lease) {
        for (size_t i = 0; i < count; i++)
            free(attachments[i]);
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        for (size_t n = 0; n < choices[i].count; n++) {
            attachments[i][n].space = choices[i].wanted[n].space;
            attachments[i][n].shared = choices[i].wanted[n].shared;
        }
        lease_take(lease, choices[i].function, attachments[i], choices[i].count);
    }
    lease->reserved = request->reserved;
    lease_set_expiry(lease, request->expires_seconds);
    record_lease(lease);
    if (request->reserved)
        lease->allocating = request->call;
    else
        lease_join(lease, request->client, request->call);
    return true;
}

/* Any one device of the tenant: the first that grants, else the first that may later. */
static enum verdict choose_any(struct waiter *request, struct choice *choice, struct core_error *error)
{
    enum verdict best = VERDICT_REFUSE;

    *error = error_refusal(CORE_REFUSED_NO_FUNCTION_FREE, NULL);
    for (size_t i = 0; i < request_device_count(request); i++) {
        struct core_error one = {0};
        enum verdict verdict = choose(request, request_device(request, i), choice, &one);
        if (verdict == VERDICT_GRANT)
            return verdict;
        if (i == 0 || verdict < best) {
            best = verdict;
            *error = one;
        }
    }
    return best;
}

static enum verdict choose_all(struct waiter *request, struct choice *choices, struct core_error *error)
{
    enum verdict worst = VERDICT_GRANT;

    for (size_t i = 0; i < request->device_count; i++) {
        struct core_error one = {0};
        enum verdict verdict = choose(request, request->devices[i], &choices[i], &one);
        if (verdict > worst) {
            worst = verdict;
            *error = one;
        }
    }
    return worst;
}

enum verdict grant_try(struct waiter *request, struct core_error *error)
{
    struct choice choices[PARTS_MAX];
    size_t count = request->device_count ? request->device_count : 1;
    enum verdict verdict;

    if (quota_exceeded(request->tenant, CORE_QUOTA_FUNCTIONS, count, error))
        return VERDICT_REFUSE;
    if (core_draining(request->core) || request->core->lease_count >= CORE_LEASES_MAX) {
        struct device *first = request_device_count(request) ? request_device(request, 0) : NULL;
        *error = error_refusal(CORE_REFUSED_DEVICE_UNAVAILABLE, first ? first->name : NULL);
        if (core_draining(request->core))
            copy_text(error->text, sizeof(error->text), core_draining(request->core));
        else
            snprintf(error->text, sizeof(error->text), "homid holds %d leases, its limit", CORE_LEASES_MAX);
        return VERDICT_REFUSE;
    }
    verdict =
        request->device_count ? choose_all(request, choices, error) : choose_any(request, choices, error);
    if (verdict == VERDICT_GRANT && !take(request, choices, count, error))
        return VERDICT_REFUSE;
    return verdict;
}
