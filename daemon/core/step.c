/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The life cycle of a VF as a table: what each state does, where it leads, and what its failure means. The
 * machine that walks it is function.c.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/core/internal.h"

#define CNS_ACTIVE_NAMESPACES 0x02 /* NVMe Base 2.0, section 5.17.2.2 */

static struct hw_backend *backend_of(const struct function *function)
{
    return function->device->core->backend;
}

static bool manages_functions(const struct function *function)
{
    return function->device->info.virtualization_management;
}

static bool manages_namespaces(const struct function *function)
{
    return function->device->info.namespace_management && function->device->present;
}

/* ---- bring-up ---- */

static void start_offline(struct function *function, hw_done done)
{
    backend_of(function)->set_online(function->device->handle, function->controller_id, false, done,
                                     function);
}

static void start_assign_queues(struct function *function, hw_done done)
{
    backend_of(function)->assign(function->device->handle, function->controller_id, HW_QUEUES,
                                 function->device->queues, done, function);
}

static void start_assign_interrupts(struct function *function, hw_done done)
{
    backend_of(function)->assign(function->device->handle, function->controller_id, HW_INTERRUPTS,
                                 function->device->interrupts, done, function);
}

static void start_online(struct function *function, hw_done done)
{
    backend_of(function)->set_online(function->device->handle, function->controller_id, true, done, function);
}

static void start_bind(struct function *function, hw_done done)
{
    backend_of(function)->bind(function->device->handle, function->index, done, function);
}

static enum function_state bound(struct function *function, const struct hw_result *result)
{
    const struct hw_function_place *place = result->place;
    char reason[HW_REASON_BYTES];

    function->bound = true;
    copy_text(function->name, sizeof(function->name), place->address);
    function->iommu_group = place->iommu_group;
    function->not_viable = !place->viable;
    if (place->viable)
        return FS_BOUND;
    snprintf(reason, sizeof(reason), "IOMMU group %d holds other devices", place->iommu_group);
    function_quarantine(function, reason);
    return FS_QUARANTINED;
}

static void start_open(struct function *function, hw_done done)
{
    backend_of(function)->open(function->device->handle, function->index, function, done, function);
}

/* What is configured is a promise to tenants, so a function that has less is not offered. */
static bool as_configured(struct function *function)
{
    const struct core_device_config *config = function->device->config;
    const struct hw_function_info *info = &function->info;

    if (info->queue_pairs < config->queue_pairs) {
        snprintf(function->reason, sizeof(function->reason), "has %u I/O queue pairs, %u are configured",
                 info->queue_pairs, config->queue_pairs);
        return false;
    }
    if (info->interrupts < config->interrupts) {
        snprintf(function->reason, sizeof(function->reason), "has %u interrupts for I/O, %u are configured",
                 info->interrupts, config->interrupts);
        return false;
    }
    return true;
}

static void start_adopt(struct function *function, hw_done done)
{
    int *fds = function->fds;

    function->fds = NULL;
    backend_of(function)->adopt(function->device->handle, fds, function->kept,
                                function->suspended || function->lost, function, done, function);
    free(fds);
}

static void offer(struct function *function)
{
    const struct core_device_config *config = function->device->config;

    function->queue_pairs = config->queue_pairs;
    function->interrupts = config->interrupts ? config->interrupts : function->info.interrupts;
    if (function->interrupts > function->queue_pairs)
        function->interrupts = function->queue_pairs;
    if (function->interrupts >= HW_INTERRUPTS_MAX)
        function->interrupts = HW_INTERRUPTS_MAX - 1;
}

/* A function that is being granted goes through that again; one that was granted is looked at again. */
static enum function_state adopted(struct function *function, const struct hw_result *result)
{
    const struct lease *lease = function->lease;

    function->handle = result->function.handle;
    function->info = *result->function.info;
    function->controller_id = function->info.controller_id;
    offer(function);
    if (function->suspended && !function->release)
        function_begin_anew(function);
    if (!lease)
        return FS_EXAMINING;
    pages_adopt(function);
    return lease->state == LEASE_GRANTING || lease->state == LEASE_CYCLING ? FS_READY : FS_CHECKING;
}

static enum function_state opened(struct function *function, const struct hw_result *result)
{
    function->handle = result->function.handle;
    function->info = *result->function.info;
    function->controller_id = function->info.controller_id;
    function->held = function->lent = function->exiled = false;
    function->busy_attempts = 0;
    if (!as_configured(function)) {
        function->rejected = true;
        return FS_CLOSING;
    }
    offer(function);
    record_function_opened(function);
    return FS_EXAMINING;
}

static void start_renew(struct function *function, hw_done done)
{
    backend_of(function)->renew(function->handle, done, function);
}

/* From here on it is as if it were being leased: its namespaces are attached and checked again. */
static enum function_state renewed(struct function *function, const struct hw_result *result)
{
    function->info = *result->function.info;
    if (!as_configured(function)) {
        char reason[HW_REASON_BYTES];
        copy_text(reason, sizeof(reason), function->reason);
        function_fail(function, reason);
        return FS_DRAINING;
    }
    offer(function);
    return FS_ATTACHING;
}

/* ---- namespaces ---- */

static void start_list_namespaces(struct function *function, hw_done done)
{
    backend_of(function)->identify(function->handle, CNS_ACTIVE_NAMESPACES, 0, done, function);
}

static uint32_t list_entry(const uint8_t *data, size_t index)
{
    const uint8_t *at = data + 4 * index;

    return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

/* The first namespace that the function sees and that nobody gave it; 0: none. */
static uint32_t find_foreign(const struct function *function, const uint8_t *data, size_t *ret_own)
{
    size_t own = 0;

    for (size_t i = 0; i < HW_DATA_BYTES / 4; i++) {
        uint32_t id = list_entry(data, i);
        if (id == 0)
            break;
        const struct attachment *attachment = function_attachment(function, id);
        if (!attachment || !attachment->attached)
            return id;
        own++;
    }
    *ret_own = own;
    return 0;
}

static bool expels(const struct function *function)
{
    return manages_namespaces(function);
}

static enum function_state inspected(struct function *function, const struct hw_result *result)
{
    size_t own;

    function->foreign = find_foreign(function, result->data, &own);
    return function->foreign ? FS_EXPELLING : FS_READY;
}

static enum function_state checked(struct function *function, const struct hw_result *result)
{
    struct core_error error;
    size_t own;

    function->foreign = find_foreign(function, result->data, &own);
    if (function->foreign && manages_namespaces(function))
        return FS_EXPELLING;
    if (function->foreign) {
        error = error_refusal(CORE_REFUSED_NAMESPACE_NOT_ALLOWED, function->device->name);
        error.value = function->foreign;
        lease_part_failed(function, &error);
    } else if (own < function->attachment_count) {
        error = error_refusal(CORE_REFUSED_FUNCTION_FAILED, function->name);
        copy_text(error.text, sizeof(error.text), "a namespace that was attached does not appear");
        lease_part_failed(function, &error);
    }
    return FS_IDENTIFYING;
}

static void start_expel(struct function *function, hw_done done)
{
    backend_of(function)->attach_namespace(function->device->handle, function->foreign,
                                           function->controller_id, false, done, function);
}

static enum function_state expelled(struct function *function, const struct hw_result *result)
{
    (void)result;
    if (++function->rounds > HW_NAMESPACES_MAX * CHECK_ROUNDS_MAX) {
        char reason[HW_REASON_BYTES];
        snprintf(reason, sizeof(reason), "namespace %u is attached to it again and again", function->foreign);
        function_fail(function, reason);
    }
    return function->lease ? FS_CHECKING : FS_INSPECTING;
}

static bool has_more(const struct function *function)
{
    return function->cursor < function->attachment_count;
}

static bool attaches(const struct function *function)
{
    return manages_namespaces(function) && has_more(function);
}

static void start_attach(struct function *function, hw_done done)
{
    struct attachment *attachment = &function->attachments[function->cursor];

    attachment->attached = true;
    record_function(function);
    backend_of(function)->attach_namespace(function->device->handle, attachment->space->info.id,
                                           function->controller_id, true, done, function);
}

static enum function_state attached(struct function *function, const struct hw_result *result)
{
    (void)result;
    function->cursor++;
    return has_more(function) ? FS_ATTACHING : FS_CHECKING;
}

static void start_identify(struct function *function, hw_done done)
{
    backend_of(function)->identify_namespace(
        function->handle, function->attachments[function->cursor].space->info.id, done, function);
}

static enum function_state identified_all(struct function *function)
{
    return function->lease && function->lease->kind != CORE_LEASE_QUEUES ? FS_PARTING : FS_LEASED;
}

static enum function_state identified(struct function *function, const struct hw_result *result)
{
    function->attachments[function->cursor++].info = *result->namespace_info;
    return has_more(function) ? FS_IDENTIFYING : identified_all(function);
}

/* ---- lending ---- */

typedef void (*loan_operation)(struct hw_device *device, unsigned index, const struct hw_loan *loan,
                               hw_done done, void *user);

static void start_loan(struct function *function, loan_operation operation, hw_done done)
{
    const struct lease *lease = function->lease;
    uint32_t namespaces[CORE_LEASE_NAMESPACES_MAX];
    const struct hw_loan loan = {
        .kind = lease->kind == CORE_LEASE_KERNEL ? HW_LOAN_KERNEL : HW_LOAN_VFIO,
        .user = lease->user,
        .kill = lease->kill,
        .namespaces = namespaces,
        .namespace_count = (unsigned)function->attachment_count,
    };

    for (size_t i = 0; i < function->attachment_count; i++)
        namespaces[i] = function->attachments[i].space->info.id;
    operation(function->device->handle, function->index, &loan, done, function);
}

static enum function_state parted(struct function *function, const struct hw_result *result)
{
    (void)result; /* the handle is gone however closing it went */
    function->handle = NULL;
    function->failed = function->drop = false;
    return FS_LENDING;
}

static void start_lend(struct function *function, hw_done done)
{
    function->on_loan = function->lent = true;
    record_function(function);
    start_loan(function, backend_of(function)->lend, done);
}

static enum function_state lent(struct function *function, const struct hw_result *result)
{
    function->nodes = malloc(sizeof(*function->nodes));
    if (!function->nodes) {
        lease_part_failed(function, &error_no_memory);
        return FS_LENT;
    }
    *function->nodes = *result->nodes;
    return FS_LENT;
}

static bool loan_remains(const struct function *function)
{
    return function->on_loan && function->device->present;
}

static void start_withdraw(struct function *function, hw_done done)
{
    start_loan(function, backend_of(function)->withdraw, done);
}

static void start_reclaim(struct function *function, hw_done done)
{
    start_loan(function, backend_of(function)->reclaim, done);
}

static enum function_state reclaimed(struct function *function, const struct hw_result *result)
{
    (void)result;
    function_loan_over(function);
    function->busy_attempts = 0;
    return FS_CLOSING;
}

/* ---- giving back ---- */

static bool detaches(const struct function *function)
{
    return function_has_attached(function) && manages_namespaces(function);
}

static void start_detach(struct function *function, hw_done done)
{
    while (!function->attachments[function->cursor].attached)
        function->cursor++;
    backend_of(function)->attach_namespace(function->device->handle,
                                           function->attachments[function->cursor].space->info.id,
                                           function->controller_id, false, done, function);
}

static enum function_state detached(struct function *function, const struct hw_result *result)
{
    struct attachment *attachment = &function->attachments[function->cursor++];

    if (result->error && result->error != -ENODEV)
        snprintf(function->reason, sizeof(function->reason), "namespace %u could not be detached: %.*s",
                 attachment->space->info.id, HW_REASON_BYTES - 60, result->reason);
    else
        attachment->attached = false;
    record_function(function);
    for (size_t i = function->cursor; i < function->attachment_count; i++) {
        if (function->attachments[i].attached)
            return FS_DETACHING;
    }
    return FS_RECLAIMING;
}

static bool is_open(const struct function *function)
{
    return function->handle || function->kept;
}

static void start_close(struct function *function, hw_done done)
{
    record_function_close(function, done);
}

/* The controller is shut down, and with it went its queues and mappings, whoever had them. */
static void forget(struct function *function)
{
    struct region *region, *next;
    struct holder *holder;

    for (unsigned id = 1; id <= function->device->config->queue_pairs; id++)
        queue_pair_free(function->pairs[id]);
    memset(function->vectors, 0, sizeof(function->vectors));
    if (!function->lease)
        return;
    /* Pages of doorbells end with the handle. */
    TAILQ_FOREACH (holder, &function->lease->holders, lease_link)
        holder->pages[function->part] = NULL;
    for (region = LIST_FIRST(&function->lease->mapped); region; region = next) {
        next = LIST_NEXT(region, iova_link);
        region_forget_part(region, function->part);
    }
}

static enum function_state gone(struct function *function)
{
    function->handle = NULL;
    function_loan_over(function);
    function_trust(function);
    forget(function);
    function->failed = function->drop = function->suspended = false;
    /* Its lease ended while it was being closed for the next process of that. */
    if (function->release && !function->detach_tried && detaches(function))
        return FS_DETACHING;
    function->detach_tried = false;
    if (function->release && function->lease)
        lease_part_closed(function);
    function->release = false;
    if (!function->lease) {
        if (function->lost || !manages_namespaces(function) || !function_has_attached(function)) {
            function_attachments_free(function);
        } else {
            function->rejected = true;
            /* The device was not there for a moment, which detaching says nothing of. */
            if (!function->reason[0])
                copy_text(function->reason, sizeof(function->reason),
                          "a namespace could not be detached: the device was not there");
        }
    }
    if (function->lost)
        return FS_ABSENT;
    if (function->rejected) {
        function_quarantine(function, function->reason);
        return FS_QUARANTINED;
    }
    if (function->device->core->stopping && !function->lent)
        return FS_GOING_OFFLINE;
    return FS_REOPENING;
}

static enum function_state closed(struct function *function, const struct hw_result *result)
{
    (void)result; /* the handle is gone however closing it went; opening it again tells the rest */
    return gone(function);
}

/* ---- taking down ---- */

static bool goes_offline(const struct function *function)
{
    return manages_functions(function) && function->secondary && function->device->present;
}

static enum function_state exiled(struct function *function, const struct hw_result *result)
{
    (void)result; /* where it did not go offline, it stays out all the same */
    function->exiled = true;
    return FS_QUARANTINED;
}

static bool unbinds(const struct function *function)
{
    /* Unbinding a function that a process holds would hang in the kernel until the process lets go. */
    return function->bound && !function->held && function->device->present;
}

static void start_unbind(struct function *function, hw_done done)
{
    backend_of(function)->unbind(function->device->handle, function->index, done, function);
}

const struct step function_steps[FS_COUNT] = {
    /* where nothing is done */
    [FS_ABSENT] = {.shown = "absent"},
    [FS_SUSPENDED] = {.shown = "offline"},
    [FS_READY] = {.shown = "ready"},
    [FS_LEASED] = {.shown = "leased"},
    [FS_LENT] = {.shown = "leased"},
    [FS_DRAINING] = {.shown = "draining"},
    [FS_QUARANTINED] = {.shown = "quarantined"},

    /* bring-up */
    [FS_STALE] =
        {
            .shown = "offline",
            .operation = "taking the controller offline",
            .turn = true,
            .start = start_offline,
            .next = FS_OFFLINE,
            .failure = STEP_QUARANTINES,
        },
    [FS_OFFLINE] =
        {
            .shown = "offline",
            .operation = "assigning queue resources",
            .turn = true,
            .start = start_assign_queues,
            .next = FS_QUEUES_ASSIGNED,
            .failure = STEP_QUARANTINES,
        },
    [FS_QUEUES_ASSIGNED] =
        {
            .shown = "offline",
            .operation = "assigning interrupt resources",
            .turn = true,
            .start = start_assign_interrupts,
            .next = FS_PROVISIONED,
            .failure = STEP_QUARANTINES,
        },
    [FS_PROVISIONED] =
        {
            .shown = "provisioned",
            .operation = "setting the controller online",
            .turn = true,
            .start = start_online,
            .next = FS_ONLINE,
            .failure = STEP_QUARANTINES,
        },
    [FS_ONLINE] =
        {
            .shown = "online",
            .operation = "binding the driver",
            .turn = true,
            .start = start_bind,
            .done = bound,
            .next = FS_BOUND,
            .failure = STEP_QUARANTINES,
        },
    [FS_BOUND] =
        {
            .shown = "bound",
            .operation = "opening the function",
            .start = start_open,
            .done = opened,
            .next = FS_EXAMINING,
            .failure = STEP_QUARANTINES,
        },
    [FS_EXAMINING] =
        {
            .shown = "bound",
            .operation = "examining what it refuses",
            .start = examine_start,
            .needed = examine_needed,
            .done = examine_done,
            .next = FS_INSPECTING,
            .failure = STEP_GOES_ON,
        },
    [FS_ADOPTING] =
        {
            .shown = "bound",
            .operation = "taking the function over",
            .start = start_adopt,
            .done = adopted,
            .next = FS_EXAMINING,
            .failure = STEP_CLOSES,
        },
    [FS_RENEWING] =
        {
            .shown = "bound",
            .operation = "bringing the function up again",
            .start = start_renew,
            .done = renewed,
            .next = FS_ATTACHING,
            .failure = STEP_FAULTS,
        },
    [FS_INSPECTING] =
        {
            .shown = "bound",
            .operation = "listing its namespaces",
            .start = start_list_namespaces,
            .needed = expels,
            .done = inspected,
            .next = FS_READY,
            .failure = STEP_FAULTS,
        },

    /* being leased */
    [FS_ATTACHING] =
        {
            .shown = "leased",
            .operation = "attaching a namespace",
            .turn = true,
            .start = start_attach,
            .needed = attaches,
            .done = attached,
            .next = FS_CHECKING,
            .failure = STEP_ENDS_GRANT,
        },
    [FS_CHECKING] =
        {
            .shown = "leased",
            .operation = "checking its namespaces",
            .start = start_list_namespaces,
            .done = checked,
            .next = FS_IDENTIFYING,
            .failure = STEP_ENDS_GRANT,
        },
    [FS_IDENTIFYING] =
        {
            .shown = "leased",
            .operation = "identifying a namespace",
            .start = start_identify,
            .needed = has_more,
            .done = identified,
            .next = FS_LEASED,
            .failure = STEP_ENDS_GRANT,
            .skipped = identified_all,
        },

    /* scrubbing */
    [FS_SCRUB_ATTACHING] =
        {
            .shown = "scrubbing",
            .operation = "attaching a namespace to scrub it",
            .turn = true,
            .start = scrub_attach,
            .needed = scrub_attaches,
            .next = FS_SCRUBBING,
            .failure = STEP_FAULTS,
        },
    [FS_SCRUBBING] =
        {
            .shown = "scrubbing",
            .operation = "scrubbing a namespace",
            .start = scrub_wipe,
            .done = scrub_wiped,
            .next = FS_SCRUB_DETACHING,
            .failure = STEP_FAULTS,
        },
    [FS_SCRUB_DETACHING] =
        {
            .shown = "scrubbing",
            .operation = "detaching a scrubbed namespace",
            .turn = true,
            .start = scrub_detach,
            .needed = scrub_attaches,
            .done = scrub_detached,
            .next = FS_INSPECTING,
            .failure = STEP_FAULTS,
            .skipped = scrub_done,
        },

    /* being lent */
    [FS_PARTING] =
        {
            .shown = "leased",
            .operation = "closing the function",
            .start = start_close,
            .done = parted,
            .next = FS_LENDING,
            .failure = STEP_GOES_ON,
        },
    [FS_LENDING] =
        {
            .shown = "leased",
            .operation = "lending the function",
            .turn = true,
            .start = start_lend,
            .done = lent,
            .next = FS_LENT,
            .failure = STEP_ENDS_GRANT,
        },

    /* being given back */
    [FS_WITHDRAWING] =
        {
            .shown = "draining",
            .operation = "withdrawing the function",
            .turn = true,
            .start = start_withdraw,
            .needed = loan_remains,
            .next = FS_DETACHING,
            .failure = STEP_WAITS,
        },
    [FS_RECLAIMING] =
        {
            .shown = "draining",
            .operation = "waiting for the function to be let go",
            .turn = true,
            .start = start_reclaim,
            .needed = loan_remains,
            .done = reclaimed,
            .next = FS_CLOSING,
            .failure = STEP_WAITS,
        },
    [FS_DETACHING] =
        {
            .shown = "draining",
            .operation = "detaching a namespace",
            .turn = true,
            .start = start_detach,
            .needed = detaches,
            .done = detached,
            .next = FS_RECLAIMING,
            .failure = STEP_GOES_ON,
        },
    [FS_CLOSING] =
        {
            .shown = "draining",
            .operation = "closing the function",
            .start = start_close,
            .needed = is_open,
            .done = closed,
            .skipped = gone,
            .next = FS_REOPENING,
            .failure = STEP_GOES_ON,
        },
    [FS_REOPENING] =
        {
            .shown = "draining",
            .operation = "opening the function again",
            .start = start_open,
            .done = opened,
            .next = FS_EXAMINING,
            .failure = STEP_QUARANTINES,
        },
    [FS_EXILING] =
        {
            .shown = "draining",
            .operation = "taking the controller offline",
            .turn = true,
            .start = start_offline,
            .needed = goes_offline,
            .done = exiled,
            .next = FS_QUARANTINED,
            .failure = STEP_GOES_ON,
        },
    [FS_EXPELLING] =
        {
            .shown = "bound",
            .operation = "detaching a foreign namespace",
            .turn = true,
            .start = start_expel,
            .done = expelled,
            .next = FS_INSPECTING,
            .failure = STEP_FAULTS,
        },

    /* being taken down */
    [FS_GOING_OFFLINE] =
        {
            .shown = "offline",
            .operation = "taking the controller offline",
            .turn = true,
            .start = start_offline,
            .needed = goes_offline,
            .next = FS_UNBINDING,
            .failure = STEP_GOES_ON,
        },
    [FS_UNBINDING] =
        {
            .shown = "offline",
            .operation = "unbinding the driver",
            .turn = true,
            .start = start_unbind,
            .needed = unbinds,
            .next = FS_ABSENT,
            .failure = STEP_GOES_ON,
        },
};
