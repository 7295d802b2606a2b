/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Making namespaces clean. One that the configuration says is to be scrubbed counts as soiled unless a record
 * says that it is clean. The record goes before a lease gets it, and comes when zeroes were written to all of
 * it and read back, after the last lease has let it go. Until then nobody gets it, whatever happens in
 * between: homid ends, the device goes and comes back, the machine loses its power and with it the records.
 * What fails stays out until somebody acts.
 *
 * An idle function of the device does it, with a queue pair of homid's own, so that the host's kernel never
 * sees the namespace. It goes slice by slice, so that a stop or a failure in the middle is seen soon.
 */
#include <stdio.h>

#include "daemon/core/internal.h"

#define SLICE_BYTES  (UINT64_C(256) << 20)
#define ATTEMPTS_MAX 3u /* what failed may have been the function, or a reset that nobody knew of yet */

static void tell(const struct device *device, enum core_event_kind kind, const char *text)
{
    event_tell(device->core, &(struct core_event){.kind = kind, .device = device->name, .text = text});
    device->core->changed = true;
}

bool scrub_wanted(const struct device *device, uint32_t id)
{
    const struct core_config *config = device->core->config;

    for (size_t i = 0; i < config->tenant_count; i++) {
        const struct core_tenant_config *tenant = &config->tenants[i];
        for (size_t n = 0; n < tenant->namespace_count; n++) {
            const struct core_namespace_config *own = &tenant->namespaces[n];
            if (own->scrub && own->device == device->index && own->id == id)
                return true;
        }
    }
    return false;
}

void scrub_soil(struct device *device, struct space *space)
{
    if (!scrub_wanted(device, space->info.id))
        return;
    space->soiled = true;
    record_remove(device->core, &space->record);
}

/* What is to be scrubbed from now on was not so far, and nobody knows what lies in it. */
void scrub_reconfigured(struct device *device)
{
    for (unsigned i = 0; i < device->space_count; i++) {
        struct space *space = device->spaces[i];
        if (space->record == RECORD_NONE && scrub_wanted(device, space->info.id))
            space->soiled = true;
    }
    device_wake(device);
}

static void clean(struct device *device, struct space *space)
{
    char text[80];

    space->soiled = false;
    space->attempts = 0;
    record_clean_space(device, space);
    snprintf(text, sizeof(text), "namespace %u was scrubbed", space->info.id);
    tell(device, CORE_EVENT_DEVICE_STATE, text);
    core_serve(device->core);
}

static void fail(struct device *device, struct space *space, const char *reason)
{
    char text[HW_REASON_BYTES];

    copy_text(space->scrub_error, sizeof(space->scrub_error), reason);
    snprintf(text, sizeof(text), "namespace %u was not scrubbed: %.*s", space->info.id, HW_REASON_BYTES - 50,
             space->scrub_error);
    tell(device, CORE_EVENT_FAULT, text);
    core_serve(device->core);
}

bool scrub_retry(struct device *device)
{
    bool any = false;

    for (unsigned i = 0; i < device->space_count; i++) {
        struct space *space = device->spaces[i];
        if (!space->scrub_error[0])
            continue;
        any = true;
        space->scrub_error[0] = '\0';
        space->attempts = 0;
    }
    if (any)
        device_wake(device);
    return any;
}

void scrub_describe(const struct space *space, char *ret_text, size_t bytes)
{
    uint64_t blocks = space->info.blocks ? space->info.blocks : 1;

    if (space->scrub_error[0])
        snprintf(ret_text, bytes, "failed: %.*s", HW_REASON_BYTES - 10, space->scrub_error);
    else if (space->wiper)
        snprintf(ret_text, bytes, "%u %% done", (unsigned)(100 * (space->wiper->wiped / (double)blocks)));
    else
        snprintf(ret_text, bytes, LIST_EMPTY(&space->claims) ? "pending" : "after the lease");
}

/* ---- who does it ---- */

void scrub_advance(struct device *device)
{
    for (unsigned i = 0; i < device->space_count && !device->core->stopping; i++) {
        struct space *space = device->spaces[i];
        struct function *function = TAILQ_FIRST(&device->free);
        if (!space->soiled || !space->info.block_bytes || space->wiper || space->scrub_error[0] ||
            !LIST_EMPTY(&space->claims) || change_concerns(device, space->info.id))
            continue;
        if (space->host) {
            fail(device, space, "the host has it");
        } else if (function) {
            space->wiper = function;
            function_wipe(function, space);
        }
    }
}

/* The function does something else from now on, for the reason that it has. */
void scrub_let_go(struct function *function)
{
    struct space *space = function->wipe;

    function->wipe = NULL;
    function->wiped = 0;
    space->wiper = NULL;
    if (space->soiled && !space->scrub_error[0] && !function->device->core->stopping &&
        ++space->attempts >= ATTEMPTS_MAX)
        fail(function->device, space, function->reason[0] ? function->reason : "it was interrupted");
    device_wake(function->device);
}

/* ---- its steps ---- */

bool scrub_attaches(const struct function *function)
{
    return function->device->info.namespace_management && function->device->present;
}

static void attach(struct function *function, bool attached, hw_done done)
{
    struct device *device = function->device;

    device->core->backend->attach_namespace(device->handle, function->wipe->info.id, function->controller_id,
                                            attached, done, function);
}

void scrub_attach(struct function *function, hw_done done)
{
    attach(function, true, done);
}

void scrub_wipe(struct function *function, hw_done done)
{
    const struct hw_namespace *info = &function->wipe->info;
    uint64_t left = info->blocks - function->wiped, slice = SLICE_BYTES / info->block_bytes;

    function->slice = (uint32_t)(left < slice ? left : slice);
    function->device->core->backend->wipe(function->handle, info, function->wiped, function->slice, done,
                                          function);
}

enum function_state scrub_wiped(struct function *function, const struct hw_result *result)
{
    (void)result;
    function->wiped += function->slice;
    function->device->core->changed = true;
    return function->wiped < function->wipe->info.blocks ? FS_SCRUBBING : FS_SCRUB_DETACHING;
}

void scrub_detach(struct function *function, hw_done done)
{
    attach(function, false, done);
}

enum function_state scrub_done(struct function *function)
{
    clean(function->device, function->wipe);
    return FS_INSPECTING;
}

enum function_state scrub_detached(struct function *function, const struct hw_result *result)
{
    (void)result;
    return scrub_done(function);
}
