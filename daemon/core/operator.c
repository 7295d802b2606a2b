/* SPDX-License-Identifier: BSD-3-Clause */
/* What the operator may do to leases and quarantined devices. */
#include <string.h>

#include "daemon/core/internal.h"

static struct call *begin(struct core *core, core_done done, void *user)
{
    struct call *call = call_new(core, NULL, CALL_PLAIN, user);

    if (call)
        call->done.plain = done;
    else
        done(user, &error_no_memory);
    return call;
}

/* Whether an earlier homid began to end the lease for this call: then that is waited for. */
static bool begun_before(struct core *core, struct lease *lease, struct call *call)
{
    if (!core->caller.begun || (lease && lease->state != LEASE_ENDING))
        return false;
    if (lease)
        STAILQ_INSERT_TAIL(&lease->freeing, call, post);
    else
        call_finish(call);
    return true;
}

void core_free_lease(struct core *core, const char *name, bool force, core_done done, void *user)
{
    struct core_error error = {0};
    struct holder *holder;
    struct lease *lease;
    struct call *call;

    core_enter(core);
    call = begin(core, done, user);
    lease = lease_find(core, name);
    if (call && begun_before(core, lease, call)) {
        core_leave(core);
        return;
    }
    if (!lease || lease->state == LEASE_ENDING) {
        error = error_refusal(CORE_REFUSED_UNKNOWN_LEASE, name);
    } else if (!force && !TAILQ_EMPTY(&lease->holders)) {
        error = error_refusal(CORE_REFUSED_LEASE_HELD, name);
        TAILQ_FOREACH (holder, &lease->holders, lease_link)
            error.value++;
    }
    if (call && error.code) {
        call_refuse(call, &error);
    } else if (call) {
        caller_begins(core);
        lease->kill = lease->kill || force;
        STAILQ_INSERT_TAIL(&lease->freeing, call, post);
        lease_revoke(lease, NULL, "freed by the operator", false);
    }
    core_leave(core);
}

void core_keeper_ended(struct core *core, const char *name)
{
    struct lease *lease;

    core_enter(core);
    lease = lease_find(core, name);
    if (lease && lease->state != LEASE_ENDING)
        lease_revoke(lease, NULL, lease->keeper.pid ? "its process ended" : "its unit ended", false);
    core_leave(core);
}

void core_revoke_lease(struct core *core, const struct core_revocation *revocation, core_done done,
                       void *user)
{
    struct core_error error = {0};
    struct lease *lease;
    struct call *call;

    core_enter(core);
    call = begin(core, done, user);
    lease = lease_find(core, revocation->lease);
    if (call && begun_before(core, lease, call)) {
        core_leave(core);
        return;
    }
    if (!lease || lease->state == LEASE_ENDING)
        error = error_refusal(CORE_REFUSED_UNKNOWN_LEASE, revocation->lease);
    if (call && error.code) {
        call_refuse(call, &error);
    } else if (call) {
        bool told = core->caller.resumed && lease->revoking;
        STAILQ_INSERT_TAIL(&lease->freeing, call, post);
        caller_begins(core);
        if (!told)
            lease_revoke_in(lease, revocation);
    }
    core_leave(core);
}

static struct function *find_function(const struct device *device, const char *name)
{
    for (unsigned i = 0; i < device->config->functions; i++) {
        if (strcmp(device->functions[i].name, name) == 0)
            return &device->functions[i];
    }
    return NULL;
}

static void retry_device(struct device *device, struct core_error *error)
{
    bool any = device->phase == DP_QUARANTINED, failed = scrub_retry(device);

    if (device->core->aside) {
        *error = error_refusal(CORE_REFUSED_DEVICE_UNAVAILABLE, device->name);
        copy_text(error->text, sizeof(error->text), device->core->aside);
        return;
    }

    for (unsigned i = 0; i < device->config->functions; i++) {
        if (device->functions[i].state != FS_QUARANTINED)
            continue;
        any = true;
        function_retry(&device->functions[i]);
    }
    if (any)
        device_reconcile(device);
    else if (!failed)
        *error = error_refusal(CORE_REFUSED_NOT_QUARANTINED, device->name);
}

void device_again(struct timer *timer)
{
    device_reconcile(container_of(timer, struct device, again));
}

/* What somebody else's work on it kept from being given back is given back now. */
void device_retry_undetached(struct device *device)
{
    device->disturbed = false;
    for (unsigned i = 0; i < device->config->functions; i++) {
        if (function_has_attached(&device->functions[i]) && !device->functions[i].on_loan)
            function_retry(&device->functions[i]);
    }
}

void core_retry(struct core *core, const char *device_name, const char *function_name, core_done done,
                void *user)
{
    struct core_error error = {0};
    struct function *function;
    struct device *device;
    struct call *call;

    core_enter(core);
    call = begin(core, done, user);
    device = named_find(&core->devices_by_name, device_name);
    function = device && function_name ? find_function(device, function_name) : NULL;
    if (!device)
        error = error_refusal(CORE_REFUSED_UNKNOWN_DEVICE, device_name);
    else if (!function_name && call)
        retry_device(device, &error);
    else if (!function)
        error = error_refusal(CORE_REFUSED_UNKNOWN_FUNCTION, function_name);
    else if (function->state != FS_QUARANTINED)
        error = error_refusal(CORE_REFUSED_NOT_QUARANTINED, device_name);
    else if (call)
        function_retry(function);
    if (call)
        call_refuse(call, &error);
    core_leave(core);
}
