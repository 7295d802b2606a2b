/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Requests that wait for a function, first come first served on each device: while one waits for a device,
 * none that came later gets a function of it.
 */
#include <stdlib.h>

#include "daemon/core/internal.h"

static void count_waiting(const struct waiter *waiter, int by)
{
    for (size_t i = 0; i < request_device_count(waiter); i++)
        request_device(waiter, i)->waiting += (unsigned)by;
    if (waiter->wait_milliseconds)
        waiter->tenant->waiting += (unsigned)by;
}

void waiters_count(struct core *core, int by)
{
    const struct waiter *waiter;

    TAILQ_FOREACH (waiter, &core->waiters, link)
        count_waiting(waiter, by);
}

/* Takes the request out of the queue and frees it; its call is somebody else's by now. */
static void waiter_free(struct waiter *waiter)
{
    if (waiter->queued) {
        timer_disarm(waiter->core, &waiter->timer);
        count_waiting(waiter, -1);
        TAILQ_REMOVE(&waiter->core->waiters, waiter, link);
        if (waiter->client) {
            TAILQ_REMOVE(&waiter->client->waiters, waiter, client_link);
            quota_connection_removed(waiter->client, waiter->tenant);
        }
        core_serve(waiter->core);
    }
    free(waiter);
}

void waiter_drop(struct waiter *waiter)
{
    call_free(waiter->call);
    waiter_free(waiter);
}

static void refuse(struct waiter *waiter, const struct core_error *error)
{
    call_refuse(waiter->call, error);
    waiter_free(waiter);
}

static void expire(struct timer *timer)
{
    struct waiter *waiter = container_of(timer, struct waiter, timer);
    struct device *device = request_device_count(waiter) ? request_device(waiter, 0) : NULL;
    struct core_error error = error_refusal(CORE_REFUSED_WAIT_EXPIRED, device ? device->name : NULL);

    error.value = waiter->wait_milliseconds;
    refuse(waiter, &error);
}

static void enqueue(struct waiter *waiter)
{
    struct core *core = waiter->core;

    if (waiter->client) {
        quota_connection_added(waiter->client, waiter->tenant);
        TAILQ_INSERT_TAIL(&waiter->client->waiters, waiter, client_link);
    }
    waiter->queued = true;
    count_waiting(waiter, 1);
    TAILQ_INSERT_TAIL(&core->waiters, waiter, link);
    waiter->timer.fire = expire;
    if (waiter->wait_milliseconds)
        timer_arm(core, &waiter->timer, core_now(core) + waiter->wait_milliseconds);
}

void wait_or_grant(struct waiter *request)
{
    struct core_error error = {0};
    bool looks = false;

    switch (grant_try(request, &error)) {
    case VERDICT_GRANT: waiter_free(request); return;
    case VERDICT_REFUSE: refuse(request, &error); return;
    case VERDICT_LOOK: looks = true; break;
    case VERDICT_WAIT: break;
    }
    if (looks && !request->wait_milliseconds)
        enqueue(request);
    else if (request->wait_milliseconds && !quota_exceeded(request->tenant, CORE_QUOTA_WAITING, 1, &error))
        enqueue(request);
    else
        refuse(request, &error);
}

static bool allowed(const struct waiter *waiter)
{
    if (waiter->client && !policy_acts_for(waiter->client, waiter->tenant))
        return false;
    for (size_t i = 0; i < waiter->device_count; i++) {
        if (!policy_device_allowed(waiter->tenant, waiter->devices[i]))
            return false;
    }
    if (waiter->kind == CORE_LEASE_PASSTHROUGH && !waiter->tenant->config->trusted)
        return false;
    return waiter->tenant->config->device_count > 0;
}

void waiters_check(struct core *core)
{
    struct waiter *waiter, *next;

    for (waiter = TAILQ_FIRST(&core->waiters); waiter; waiter = next) {
        struct core_error error = error_refusal(CORE_REFUSED_TENANT_NOT_PERMITTED, waiter->tenant->name);
        next = TAILQ_NEXT(waiter, link);
        if (!allowed(waiter))
            refuse(waiter, &error);
    }
}

static bool anything_free(const struct core *core)
{
    for (size_t i = 0; i < core->config->device_count; i++) {
        const struct device *device = &core->devices[i];
        if (!device->claimed && device->waiting && !TAILQ_EMPTY(&device->free))
            return true;
    }
    return false;
}

static void claim_devices(const struct waiter *waiter)
{
    for (size_t i = 0; i < request_device_count(waiter); i++)
        request_device(waiter, i)->claimed = true;
}

static void serve(struct waiter *waiter)
{
    struct core_error error = {0};

    switch (grant_try(waiter, &error)) {
    case VERDICT_GRANT: waiter_free(waiter); break;
    case VERDICT_REFUSE: refuse(waiter, &error); break;
    case VERDICT_LOOK: claim_devices(waiter); break;
    case VERDICT_WAIT:
        if (waiter->wait_milliseconds)
            claim_devices(waiter);
        else
            refuse(waiter, &error);
        break;
    }
}

void waiters_serve(struct core *core)
{
    struct waiter *waiter, *next;

    for (size_t i = 0; i < core->config->device_count; i++)
        core->devices[i].claimed = false;
    for (waiter = TAILQ_FIRST(&core->waiters); waiter; waiter = next) {
        next = TAILQ_NEXT(waiter, link);
        /* One that does not want to wait is answered whether anything is free or not. */
        if (!waiter->wait_milliseconds || anything_free(core))
            serve(waiter);
    }
}

void waiters_refuse(struct core *core, const char *reason)
{
    struct waiter *waiter;

    while ((waiter = TAILQ_FIRST(&core->waiters))) {
        struct device *device = request_device_count(waiter) ? request_device(waiter, 0) : NULL;
        struct core_error error =
            error_refusal(CORE_REFUSED_DEVICE_UNAVAILABLE, device ? device->name : NULL);
        copy_text(error.text, sizeof(error.text), reason);
        refuse(waiter, &error);
    }
}
