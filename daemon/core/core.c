/* SPDX-License-Identifier: BSD-3-Clause */
/* Wiring: the core's life, the queue of objects that moved, timers, and what the hardware says unasked. */
#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/core/internal.h"

int named_compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void *named_find(void *const *root, const char *name)
{
    void *found = tfind(&name, root, named_compare);

    return found ? *(void **)found : NULL;
}

uint64_t core_now(const struct core *core)
{
    return core->listener.now(core->listener.user);
}

/* ---- work ---- */

void work_wake(struct core *core, struct work *work)
{
    if (work->queued)
        return;
    work->queued = true;
    TAILQ_INSERT_TAIL(&core->work, work, link);
}

void work_cancel(struct core *core, struct work *work)
{
    if (!work->queued)
        return;
    work->queued = false;
    TAILQ_REMOVE(&core->work, work, link);
}

void core_serve(struct core *core)
{
    work_wake(core, &core->serve);
}

static void settle(struct core *core)
{
    struct work *work;

    while ((work = TAILQ_FIRST(&core->work))) {
        work_cancel(core, work);
        work->run(work);
    }
}

uint64_t retry_milliseconds(const struct core *core)
{
    return core->config->retry_seconds ? core->config->retry_seconds * UINT64_C(1000) : 1000;
}

void core_enter(struct core *core)
{
    core->depth++;
}

static void tell_timer(struct core *core)
{
    uint64_t at = core->timers ? core->timers->at : UINT64_MAX;

    if (at == core->timer_told)
        return;
    core->timer_told = at;
    core->listener.timer(core->listener.user, at);
}

static bool is_adopting(const struct core *core)
{
    for (size_t i = 0; i < core->config->device_count; i++) {
        if (core->devices[i].in_state[FS_ADOPTING])
            return true;
    }
    return false;
}

void core_leave(struct core *core)
{
    if (core->depth > 1 || core->delivering) {
        core->depth--;
        return;
    }
    core->delivering = true;
    do {
        settle(core);
        posts_deliver(core);
        clients_expel(core);
    } while (!TAILQ_EMPTY(&core->work) || !STAILQ_EMPTY(&core->posts));
    tell_timer(core);
    if (core->started && !core->settled && !is_adopting(core)) {
        core->settled = true;
        core->backend->settled(core->backend);
    }
    if (core->restoring && !core_restoring(core)) {
        core->restoring = false;
        core->changed = true;
    }
    if (core->changed) {
        core->changed = false;
        core->listener.changed(core->listener.user);
    }
    core->delivering = false;
    core->depth--;
}

static void serve_run(struct work *work)
{
    waiters_serve(container_of(work, struct core, serve));
}

/* ---- stop ---- */

static void stop_run(struct work *work)
{
    struct core *core = container_of(work, struct core, stop);

    if (!core->stopped)
        return;
    for (size_t i = 0; i < core->config->device_count; i++) {
        if (core->devices[i].phase != DP_STOPPED)
            return;
    }
    void (*stopped)(void *user) = core->stopped;
    core->stopped = NULL;
    stopped(core->stopped_user);
}

void core_stop(struct core *core, void (*done)(void *user), void *user)
{
    struct lease *lease, *next;

    core_enter(core);
    core->stopping = true;
    core->stopped = done;
    core->stopped_user = user;
    waiters_refuse(core, "homid is stopping");
    for (lease = TAILQ_FIRST(&core->leases); lease; lease = next) {
        next = TAILQ_NEXT(lease, link);
        lease_revoke(lease, NULL, "homid is stopping", false);
    }
    for (size_t i = 0; i < core->config->device_count; i++) {
        struct device *device = &core->devices[i];
        for (unsigned n = 0; n < device->config->functions; n++)
            function_wake(&device->functions[n]);
        device_wake(device);
    }
    work_wake(core, &core->stop);
    core_leave(core);
}

/* ---- life ---- */

static int devices_init(struct core *core)
{
    core->devices = calloc(core->config->device_count, sizeof(*core->devices));
    if (!core->devices && core->config->device_count)
        return -ENOMEM;
    for (size_t i = 0; i < core->config->device_count; i++) {
        int error = device_init(&core->devices[i], core, i);
        if (error)
            return error;
        if (!tsearch(&core->devices[i], &core->devices_by_name, named_compare))
            return -ENOMEM;
    }
    return 0;
}

int core_new(const struct core_config *config, struct hw_backend *backend,
             const struct core_listener *listener, struct core **ret_core)
{
    struct core *core = calloc(1, sizeof(*core));
    int error;

    if (!core)
        return -ENOMEM;
    core->config = config;
    core->backend = backend;
    core->listener = *listener;
    core->timer_told = UINT64_MAX;
    core->serve.run = serve_run;
    core->stop.run = stop_run;
    TAILQ_INIT(&core->work);
    STAILQ_INIT(&core->posts);
    LIST_INIT(&core->calls);
    LIST_INIT(&core->clients);
    TAILQ_INIT(&core->leases);
    TAILQ_INIT(&core->waiters);
    error = policy_init(core);
    if (!error)
        error = devices_init(core);
    if (error) {
        core_free(core);
        return error;
    }
    *ret_core = core;
    return 0;
}

static void empty_tree(void **root)
{
    while (*root)
        tdelete(*(void **)*root, root, named_compare);
}

void core_free(struct core *core)
{
    struct core_client *client;
    struct holder *holder;
    struct lease *lease;
    struct waiter *waiter;

    if (!core)
        return;
    /* No operation calls back once its device is gone, so everything may be freed after that. */
    for (size_t i = 0; core->devices && i < core->config->device_count; i++)
        device_fini(&core->devices[i]);
    while ((waiter = TAILQ_FIRST(&core->waiters)))
        waiter_drop(waiter);
    while ((lease = TAILQ_FIRST(&core->leases)))
        lease_free(lease);
    calls_free(core);
    while ((client = LIST_FIRST(&core->clients))) {
        /* Those whose lease was revoked are the client's alone. */
        while ((holder = TAILQ_FIRST(&client->holders)))
            holder_free(holder);
        client_free(client);
    }
    for (size_t i = 0; core->devices && i < core->config->device_count; i++)
        free(core->devices[i].functions);
    empty_tree(&core->devices_by_name);
    free(core->devices);
    policy_fini(core);
    free(core);
}

void core_set_aside(struct core *core, const char *reason)
{
    core->aside = reason;
}

void core_start(struct core *core)
{
    core_enter(core);
    for (size_t i = 0; core->aside && i < core->config->device_count; i++)
        device_set_aside(&core->devices[i], core->aside);
    for (size_t i = 0; i < core->config->device_count; i++)
        device_reconcile(&core->devices[i]);
    core->started = !core->aside;
    core_leave(core);
}

void core_tick(struct core *core)
{
    struct timer *timer;
    uint64_t now = core_now(core);

    core_enter(core);
    /* The listener's timer has fired, so it has to be told again whatever comes next. */
    core->timer_told = UINT64_MAX;
    while ((timer = timer_due(core, now)))
        timer->fire(timer);
    core_leave(core);
}

bool core_converged(const struct core *core)
{
    for (size_t i = 0; i < core->config->device_count; i++) {
        if (!device_settled(&core->devices[i]))
            return false;
    }
    return true;
}
