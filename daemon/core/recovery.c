/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A reset of the SSD takes its controllers along, but not what the kernel and the IOMMU hold for a function:
 * its descriptors and its mappings stand. So a lease keeps the function: it is provisioned and brought up
 * anew, with the same memory at the same addresses and without queue pairs, and its holders make those again.
 * Whatever else befalls a function ends its lease.
 */
#include <stdlib.h>

#include "daemon/core/internal.h"

#define DOUBT_MS 1000u /* so long a failure may turn out to be a reset, when the device does not say so */

bool function_suspends(const struct function *function)
{
    const struct lease *lease = function->lease;

    if (function->failed || function->drop || function->release || function->lost)
        return false;
    if (!lease || lease->state != LEASE_ACTIVE)
        return false;
    if (!function->handle)
        return function->state == FS_ADOPTING;
    return function->suspended || function->state == FS_EXPELLING ||
           (function->state >= FS_ATTACHING && function->state <= FS_LEASED);
}

void function_begin_anew(struct function *function)
{
    function->again = true;
    function->device->core->backend->suspend(function->handle, function->reason);
    event_function(function, CORE_EVENT_FUNCTION_RESET, function->reason);
}

void function_suspend(struct function *function, const char *reason)
{
    function_trust(function);
    function->suspended = true;
    copy_text(function->reason, sizeof(function->reason), reason);
    record_function(function);
    /* Where it is still being taken over from an earlier homid, that follows. */
    if (function->handle)
        function_begin_anew(function);
    function_wake(function);
}

bool function_quiet(const struct function *function)
{
    if (function->stepping)
        return false;
    return function->state == FS_ABSENT ||
           (function->state == FS_SUSPENDED && !function->again && function->pending == 0);
}

void function_forget_pairs(struct function *function)
{
    if (!function_quiet(function))
        return;
    for (unsigned id = 1; id <= function->device->config->queue_pairs; id++)
        queue_pair_free(function->pairs[id]);
    device_wake(function->device);
}

/* ---- whether it was a reset ---- */

bool function_went_offline(const struct function *function, const struct hw_secondary *secondary)
{
    bool known = function->lost || (function->suspended && !function->suspect);

    return secondary && !secondary->online && !known && (function->handle || function->state == FS_ADOPTING);
}

static void believe(struct function *function)
{
    char reason[HW_REASON_BYTES];

    copy_text(reason, sizeof(reason), function->reason);
    function_fail(function, reason);
}

void doubt_fire(struct timer *timer)
{
    struct function *function = container_of(timer, struct function, doubt);
    const struct device *device = function->device;

    if (!function->suspect)
        return;
    /* A device that is being provisioned says soon what became of its controllers. */
    if (device_settled(device) || device_open_for_online(device))
        believe(function);
    else
        timer_arm(device->core, &function->doubt, core_now(device->core) + DOUBT_MS);
}

bool function_suspect(struct function *function, const char *reason)
{
    struct device *device = function->device;

    if (function->suspect)
        return true;
    if (!device->info.virtualization_management || !function_suspends(function))
        return false;
    function->suspect = true;
    copy_text(function->reason, sizeof(function->reason), reason);
    timer_arm(device->core, &function->doubt, core_now(device->core) + DOUBT_MS);
    device->judging = true;
    device_wake(device);
    return true;
}

void function_trust(struct function *function)
{
    function->suspect = false;
    timer_disarm(function->device->core, &function->doubt);
}

void function_judge(struct function *function)
{
    if (function->suspect)
        believe(function);
}

/* ---- recovering ---- */

static bool usable(const struct lease *lease)
{
    for (unsigned part = 0; part < lease->part_count; part++) {
        const struct function *function = lease->parts[part];
        if (!function || function->state != FS_LEASED || function->suspended || function->suspect)
            return false;
    }
    return true;
}

void lease_tell_recovered(struct lease *lease)
{
    struct holder *holder;
    struct call *call;

    if (!usable(lease))
        return;
    TAILQ_FOREACH (holder, &lease->holders, lease_link) {
        while ((call = STAILQ_FIRST(&holder->recovering))) {
            STAILQ_REMOVE_HEAD(&holder->recovering, post);
            call_finish(call);
        }
    }
}

void core_recover(struct core_client *client, const char *lease, core_recover_done done, void *user)
{
    struct core *core = client->core;
    struct core_error error = {0};
    struct holder *holder;
    struct call *call;

    core_enter(core);
    call = call_new(core, client, CALL_RECOVER, user);
    if (!call) {
        done(user, &error_no_memory, NULL, 0);
        core_leave(core);
        return;
    }
    call->done.recover = done;
    holder = holder_find(client, lease, &error);
    if (holder) {
        copy_text(call->result.lease, sizeof(call->result.lease), lease);
        STAILQ_INSERT_TAIL(&holder->recovering, call, post);
        lease_wake(holder->lease);
    } else {
        call_refuse(call, &error);
    }
    core_leave(core);
}
