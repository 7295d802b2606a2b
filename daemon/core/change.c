/* SPDX-License-Identifier: BSD-3-Clause */
/* What operators do to namespaces: one change of a device at a time, when nobody has the namespace. */
#include <errno.h>
#include <stdio.h>

#include "daemon/core/internal.h"

bool change_concerns(const struct device *device, uint32_t id)
{
    const struct change *change = &device->change;

    return change->call && change->wanted.act != HW_NAMESPACE_CREATE && change->wanted.id == id;
}

static struct core_error unavailable(const struct device *device, const char *why)
{
    struct core_error error = error_refusal(CORE_REFUSED_DEVICE_UNAVAILABLE, device->name);

    copy_text(error.text, sizeof(error.text), why);
    return error;
}

static struct core_error busy(const struct device *device, uint32_t id, const char *holder)
{
    struct core_error error = error_refusal(CORE_REFUSED_NAMESPACE_BUSY, device->name);

    error.value = id;
    copy_text(error.text, sizeof(error.text), holder);
    return error;
}

/* Why the change cannot be made now; code 0: nothing is in the way. */
static struct core_error check(const struct device *device, const struct hw_namespace_change *wanted)
{
    const char *reason = device_reason(device);
    const struct attachment *claim;
    const struct space *space;
    struct core_error error;

    if (device->core->stopping)
        return unavailable(device, "homid is stopping");
    if (!device->present || !device->probed)
        return unavailable(device, reason ? reason : device_state(device));
    if (!device->info.namespace_management)
        return unavailable(device, "the SSD has no Namespace Management");
    if (wanted->act == HW_NAMESPACE_CREATE)
        return (struct core_error){0};
    space = device_space(device, wanted->id);
    if (!space) {
        error = error_refusal(CORE_REFUSED_UNKNOWN_NAMESPACE, device->name);
        error.value = wanted->id;
        return error;
    }
    claim = LIST_FIRST(&space->claims);
    if (claim)
        return busy(device, wanted->id, claim->function->tenant ? claim->function->tenant->name : "");
    /* What is left of a tenant is nothing for the host to see. */
    if (space->wiper || (space->soiled && wanted->act == HW_NAMESPACE_ATTACH))
        return busy(device, wanted->id, "scrub");
    if (space->host && wanted->act == HW_NAMESPACE_DELETE)
        return busy(device, wanted->id, "host");
    return (struct core_error){0};
}

/* It is so already. */
static bool is_so(const struct device *device, const struct hw_namespace_change *wanted)
{
    const struct space *space = device_space(device, wanted->id);

    return space && ((wanted->act == HW_NAMESPACE_ATTACH && space->host) ||
                     (wanted->act == HW_NAMESPACE_DETACH && !space->host));
}

/* Answers; whoever waited for the namespace may have it now. */
static void finish(struct device *device, const struct core_error *error)
{
    struct call *call = device->change.call;

    device->change = (struct change){0};
    if (error)
        call->error = *error;
    call_finish(call);
    core_serve(device->core);
}

static void tell_change(const struct device *device, const struct hw_namespace_change *change, uint32_t id)
{
    static const char *const done[] = {
        [HW_NAMESPACE_CREATE] = "created",
        [HW_NAMESPACE_DELETE] = "deleted",
        [HW_NAMESPACE_FORMAT] = "formatted",
        [HW_NAMESPACE_ATTACH] = "attached to the host",
        [HW_NAMESPACE_DETACH] = "detached from the host",
    };
    char text[80];

    snprintf(text, sizeof(text), "namespace %u was %s by an operator", id, done[change->act]);
    event_tell(device->core,
               &(struct core_event){.kind = CORE_EVENT_DEVICE_STATE, .device = device->name, .text = text});
}

static void change_done(void *user, const struct hw_result *result)
{
    struct device *device = user;
    struct change *change = &device->change;
    struct core *core = device->core;
    uint32_t id = change->wanted.id;

    core_enter(core);
    device_turn_over(device);
    change->under_way = false;
    /* Also after a failure: part of it may have been done. */
    device->refresh = true;
    if (result->error) {
        struct core_error error =
            result->error == -EBUSY ? busy(device, id, "host") : error_result(result, "changing a namespace");
        finish(device, &error);
    } else {
        if (change->wanted.act == HW_NAMESPACE_CREATE)
            change->call->result.data.value = id = result->value;
        change->done = true;
        tell_change(device, &change->wanted, id);
    }
    device_wake(device);
    core_leave(core);
}

void change_advance(struct device *device)
{
    struct change *change = &device->change;
    bool can = device->present && !device->core->stopping;
    struct core_error error;

    if (!change->call || change->under_way)
        return;
    if (change->done) {
        if (!can || !(device->refresh || device->looking))
            finish(device, NULL);
        return;
    }
    error = check(device, &change->wanted);
    if (error.code) {
        finish(device, &error);
    } else if (is_so(device, &change->wanted)) {
        finish(device, NULL);
    } else if (device_may_look(device)) {
        device->busy = change->under_way = true;
        device->core->backend->change_namespace(device->handle, &change->wanted, change_done, device);
    }
}

void core_change_namespace(struct core *core, const char *name, const struct hw_namespace_change *wanted,
                           core_data_done done, void *user)
{
    struct core_error error = {0};
    struct device *device;
    struct call *call;

    core_enter(core);
    call = call_new(core, NULL, CALL_DATA, user);
    device = named_find(&core->devices_by_name, name);
    if (!call) {
        done(user, &error_no_memory, NULL, 0);
        core_leave(core);
        return;
    }
    call->done.data = done;
    if (!device)
        error = error_refusal(CORE_REFUSED_UNKNOWN_DEVICE, name);
    else if (device->change.call)
        error = unavailable(device, "another of its namespaces is being changed");
    else
        error = check(device, wanted);
    if (error.code) {
        call_refuse(call, &error);
    } else {
        device->change = (struct change){.call = call, .wanted = *wanted};
        device_wake(device);
    }
    core_leave(core);
}
