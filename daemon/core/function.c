/* SPDX-License-Identifier: BSD-3-Clause */
/* The machine that walks a VF through the table of step.c, and what bends its way: leases, faults, the stop.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "daemon/core/internal.h"

static void function_advance(struct function *function);

static void work_run(struct work *work)
{
    function_advance(container_of(work, struct function, work));
}

void function_wake(struct function *function)
{
    work_wake(function->device->core, &function->work);
}

static void retry_fire(struct timer *timer)
{
    struct function *function = container_of(timer, struct function, retry);

    if (function->state == FS_QUARANTINED)
        function_retry(function);
    function_wake(function);
}

void function_init(struct function *function, struct device *device, unsigned index)
{
    function->device = device;
    function->index = index;
    device->in_state[function->state]++;
    function->work.run = work_run;
    function->retry.fire = retry_fire;
    function->doubt.fire = doubt_fire;
    function->iommu_group = -1;
    function->record = RECORD_NONE;
    snprintf(function->name, sizeof(function->name), "%.*s/vf%u", CORE_NAME_BYTES - 16, device->name, index);
}

void function_fini(struct function *function)
{
    if (function->pairs) {
        for (unsigned id = 1; id <= function->device->config->queue_pairs; id++)
            queue_pair_free(function->pairs[id]);
    }
    function_attachments_free(function);
    function_loan_over(function);
    free(function->pairs);
    function->pairs = NULL;
    free(function->fds);
    function->fds = NULL;
}

/* ---- what it is ---- */

static bool opened_and_idle(enum function_state state)
{
    switch (state) {
    case FS_EXAMINING:
    case FS_RENEWING:
    case FS_INSPECTING:
    case FS_READY:
    case FS_ATTACHING:
    case FS_CHECKING:
    case FS_IDENTIFYING:
    case FS_LEASED:
    case FS_SCRUB_ATTACHING:
    case FS_SCRUBBING:
    case FS_SCRUB_DETACHING:
    case FS_EXPELLING: return true;
    default: return false;
    }
}

static bool scrubs(enum function_state state)
{
    return state == FS_SCRUB_ATTACHING || state == FS_SCRUBBING || state == FS_SCRUB_DETACHING;
}

static bool unopened(enum function_state state)
{
    return (state >= FS_SUSPENDED && state <= FS_BOUND) || state == FS_REOPENING || state == FS_QUARANTINED;
}

const char *function_shown(const struct function *function, enum function_state state)
{
    if (state == FS_ADOPTING && function->lease)
        state = FS_LEASED;
    /* Foreign namespaces are taken away before a lease begins and again while it is granted. */
    if (state == FS_EXPELLING && function->lease)
        state = FS_CHECKING;
    return function_steps[state].shown;
}

bool state_settled(enum function_state state)
{
    switch (state) {
    case FS_READY:
    case FS_LEASED:
    case FS_ATTACHING:
    case FS_CHECKING:
    case FS_IDENTIFYING:
    case FS_PARTING:
    case FS_LENDING:
    case FS_LENT:
    case FS_SCRUB_ATTACHING:
    case FS_SCRUBBING:
    case FS_SCRUB_DETACHING:
    case FS_QUARANTINED: return true;
    default: return false;
    }
}

bool function_waits(const struct function *function)
{
    return (function->state == FS_WITHDRAWING || function->state == FS_RECLAIMING) && function->retry.armed;
}

bool function_granted(const struct function *function)
{
    return (function->state == FS_LEASED || function->state == FS_LENT) && !function->drop;
}

bool state_provisioning(enum function_state state)
{
    return state >= FS_STALE && state <= FS_QUEUES_ASSIGNED;
}

bool function_serves(const struct function *function)
{
    return function->state != FS_QUARANTINED || function->retry.armed;
}

struct attachment *function_attachment(const struct function *function, uint32_t id)
{
    for (size_t i = 0; i < function->attachment_count; i++) {
        if (function->attachments[i].space->info.id == id)
            return &function->attachments[i];
    }
    return NULL;
}

bool function_has_attached(const struct function *function)
{
    for (size_t i = 0; i < function->attachment_count; i++) {
        if (function->attachments[i].attached)
            return true;
    }
    return false;
}

void function_attachments_free(struct function *function)
{
    for (size_t i = 0; i < function->attachment_count; i++)
        LIST_REMOVE(&function->attachments[i], claim);
    free(function->attachments);
    function->attachments = NULL;
    function->attachment_count = 0;
    function->tenant = NULL;
    core_serve(function->device->core);
}

/* ---- the machine ---- */

static void tell_state(struct function *function, enum function_state next)
{
    const char *from = function_shown(function, function->state), *to = function_shown(function, next);
    char text[HW_REASON_BYTES];

    if (from == to)
        return;
    if (next == FS_QUARANTINED)
        snprintf(text, sizeof(text), "%s: %.*s", to, HW_REASON_BYTES - 20, function->reason);
    else
        snprintf(text, sizeof(text), "%s", to);
    event_function(function, next == FS_QUARANTINED ? CORE_EVENT_FAULT : CORE_EVENT_FUNCTION_STATE, text);
    function->device->core->changed = true;
}

static void set_free(struct function *function, bool is_free)
{
    struct device *device = function->device;

    if (function->free == is_free)
        return;
    function->free = is_free;
    if (is_free) {
        TAILQ_INSERT_TAIL(&device->free, function, free_link);
        core_serve(device->core);
        device_wake(device);
    } else {
        TAILQ_REMOVE(&device->free, function, free_link);
    }
}

/* Nothing of what an earlier homid had begun with it is left to be done. */
static void restored(struct function *function)
{
    if (!function->restoring)
        return;
    function->restoring = false;
    function->device->core->changed = true;
}

void function_restore(struct function *function, enum function_state state)
{
    function->device->in_state[function->state]--;
    function->device->in_state[state]++;
    function->state = state;
    function_wake(function);
}

static void enter(struct function *function, enum function_state next)
{
    struct core *core = function->device->core;

    if (function->state == next)
        return;
    tell_state(function, next);
    function->device->in_state[function->state]--;
    function->device->in_state[next]++;
    function->state = next;
    function->cursor = 0;
    if (function->wipe && !scrubs(next))
        scrub_let_go(function);
    switch (next) {
    case FS_ABSENT:
        if (function->lease)
            lease_part_closed(function);
        function_attachments_free(function);
        function_loan_over(function);
        function->verdict = (struct hw_verdict){0};
        function->lost = function->bound = function->rejected = function->release = function->drop = false;
        function->suspended = function->again = function->exiled = false;
        timer_disarm(core, &function->retry);
        work_wake(core, &core->stop);
        restored(function);
        break;
    case FS_ATTACHING:
    case FS_SUSPENDED: restored(function); break;
    case FS_DETACHING: function->detach_tried = true; break;
    case FS_LENT:
    case FS_LEASED: function->suspended = false; function->failures = 0; /* fall through */
    case FS_READY:
        function->rounds = 0;
        function->reason[0] = '\0';
        restored(function);
        break;
    case FS_QUARANTINED:
        core_serve(core);
        restored(function);
        break;
    default: break;
    }
    record_function(function);
    if (function->lease)
        lease_wake(function->lease);
    device_wake(function->device);
}

/* Whether nothing of anybody's lives on it any more. A failed controller is closed with what is left on it.
 */
static bool drained(const struct function *function)
{
    return function->pending == 0 && (function->failed || function->suspended ||
                                      (function->pair_count == 0 && function->mapping_count == 0));
}

/* Where the function has to go instead of on. */
static enum function_state redirect(struct function *function)
{
    enum function_state state = function->state;
    bool stopping = function->device->core->stopping;

    if (function->again) {
        function->again = false;
        return FS_SUSPENDED;
    }
    if (state == FS_SUSPENDED)
        function_forget_pairs(function);
    if (state == FS_ONLINE && function->suspended && !function->release)
        return FS_RENEWING;
    if (opened_and_idle(state)) {
        /* One that was released while it was being opened had no handle to drop then. */
        if ((stopping && !function->lease) || function->lost || function->release)
            function->drop = true;
        if (function->drop)
            return FS_DRAINING;
    }
    if (state == FS_READY && function->lease)
        return FS_ATTACHING;
    if (state == FS_READY && function->wipe)
        return FS_SCRUB_ATTACHING;
    if (state == FS_DRAINING && drained(function))
        return function->release ? FS_DETACHING : FS_CLOSING;
    if ((state == FS_LENDING || state == FS_LENT) && (function->release || function->lost))
        return FS_WITHDRAWING;
    /* A loan that could not be taken back stays where it is until somebody acts, also when homid stops. */
    if (state == FS_QUARANTINED && function->on_loan && !(function->lost && !function->device->present))
        return stopping ? FS_ABSENT : state;
    if (unopened(state)) {
        if (function->lost && !function->release)
            return FS_ABSENT;
        if (function->release) {
            function->rejected = state == FS_QUARANTINED && !function->retry.armed;
            return FS_DETACHING;
        }
        if (stopping && !(state == FS_REOPENING && function->lent))
            return FS_GOING_OFFLINE;
    }
    return state;
}

static bool may_start(const struct function *function)
{
    /* Nothing more is asked of a controller that may have been reset. */
    if (function->suspect && !function->drop)
        return false;
    switch (function->state) {
    case FS_PROVISIONED:
    case FS_RENEWING:
    case FS_ONLINE: return device_open_for_online(function->device);
    case FS_BOUND:
    case FS_WITHDRAWING:
    case FS_RECLAIMING:
    case FS_REOPENING: return !function->retry.armed;
    case FS_CLOSING: return function->pending == 0;
    default: return true;
    }
}

static void retry_later(struct function *function)
{
    struct core *core = function->device->core;
    uint64_t longest = retry_milliseconds(core);
    uint64_t delay = BUSY_RETRY_MS;

    for (unsigned i = 0; i < function->busy_attempts && delay < longest; i++)
        delay *= 2;
    timer_arm(core, &function->retry, core_now(core) + (delay < longest ? delay : longest));
    function->busy_attempts++;
    restored(function);
}

static void busy_again(struct function *function)
{
    retry_later(function);
    function->held = true;
    if (function->busy_attempts <= BUSY_GRACE_ATTEMPTS)
        return;
    /* Its queues and its memory are gone, but the descriptor commands the controller: offline is what holds.
     */
    copy_text(function->reason, sizeof(function->reason), "a process still holds the function from before");
    enter(function, function->exiled || function->lease ? FS_QUARANTINED : FS_EXILING);
}

/* An offline function that can be opened, but for being offline, is held by nobody any more. */
static void come_home(struct function *function)
{
    function->busy_attempts = 0;
    enter(function, FS_ABSENT);
    device_reconcile(function->device);
}

static void quarantined_by(struct function *function, const struct step *step, const struct hw_result *result,
                           const char *reason)
{
    bool reopening = step->start == function_steps[FS_REOPENING].start;

    if (function->lost)
        return;
    if (result->error == -EBUSY && reopening) {
        busy_again(function);
        return;
    }
    /* It was free, so that the next attempt may begin with provisioning it. */
    if (reopening && result->error != -ETIMEDOUT) {
        function->held = false;
        if (function->exiled) {
            come_home(function);
            return;
        }
        /* One that is not there any more is brought up like one that never was. */
        if (result->error == -ENODEV && function->state == FS_REOPENING) {
            function_lose(function, reason);
            device_reconcile(function->device);
            return;
        }
    }
    function_quarantine(function, reason);
    if (step->turn && result->error == -ETIMEDOUT)
        device_stuck(function->device, reason);
}

static void waits(struct function *function, const struct hw_result *result, const char *reason)
{
    struct device *device = function->device;

    if (function->lost && !device->present)
        return;
    if (result->error == -EBUSY && !device->core->stopping) {
        copy_text(function->reason, sizeof(function->reason), result->reason);
        retry_later(function);
        return;
    }
    function->held = result->error == -EBUSY; /* unbinding it would hang */
    function_quarantine(function, reason);
    if (result->error == -ETIMEDOUT)
        device_stuck(device, reason);
}

static void failed(struct function *function, const struct step *step, const struct hw_result *result)
{
    char reason[HW_REASON_BYTES];
    struct core_error error;

    snprintf(reason, sizeof(reason), "%s: %.*s", step->operation, HW_REASON_BYTES - 40,
             result->reason[0] ? result->reason : "failed");
    if (function->again || function->suspect)
        return; /* it was reset meanwhile, or that is still to be found out */
    switch (step->failure) {
    case STEP_QUARANTINES: quarantined_by(function, step, result, reason); return;
    case STEP_ENDS_GRANT:
        error = error_result(result, step->operation);
        if (!function->drop && !function_suspect(function, reason))
            lease_part_failed(function, &error);
        return;
    case STEP_WAITS: waits(function, result, reason); return;
    case STEP_FAULTS:
        if (!function_suspect(function, reason))
            function_fail(function, reason);
        return;
    case STEP_CLOSES:
        if (function->lease)
            lease_revoke(function->lease, function, reason, true);
        enter(function, FS_CLOSING);
        return;
    case STEP_GOES_ON: return;
    }
}

static void step_done(void *user, const struct hw_result *result)
{
    struct function *function = user;
    struct core *core = function->device->core;
    const struct step *step = &function_steps[function->state];

    core_enter(core);
    function->stepping = false;
    if (core->listener.step)
        core->listener.step(core->listener.user, step->operation, result->error != 0,
                            core_now(core) - function->step_began);
    if (step->turn)
        device_turn_over(function->device);
    if (result->error && step->failure != STEP_GOES_ON)
        failed(function, step, result);
    else
        enter(function, step->done ? step->done(function, result) : step->next);
    function_wake(function);
    core_leave(core);
}

static void start(struct function *function)
{
    const struct step *step = &function_steps[function->state];

    function->stepping = true;
    function->step_began = core_now(function->device->core);
    step->start(function, step_done);
}

/* Follows redirections and states that have nothing to do; true: the state's operation is to be started. */
static bool walk(struct function *function)
{
    for (;;) {
        enum function_state next = redirect(function);
        const struct step *step = &function_steps[next];

        set_free(function, next == FS_READY && !function->lease && !function->wipe && !function->drop);
        if (next != function->state) {
            enter(function, next);
            continue;
        }
        if (!step->start || !may_start(function))
            return false;
        if (!step->needed || step->needed(function))
            return true;
        enter(function, step->skipped ? step->skipped(function) : step->next);
    }
}

static void function_advance(struct function *function)
{
    struct device *device = function->device;

    if (function->stepping || function->queued || !walk(function))
        return;
    if (!function_steps[function->state].turn) {
        start(function);
        return;
    }
    function->queued = true;
    TAILQ_INSERT_TAIL(&device->turns, function, turn_link);
    device_wake(device);
}

void function_turn(struct function *function)
{
    function->queued = false;
    if (walk(function) && function_steps[function->state].turn) {
        function->device->busy = true;
        start(function);
        return;
    }
    function_wake(function);
}

/* ---- what bends its way ---- */

static bool resources_fit(const struct device *device, const struct hw_secondary *secondary)
{
    return secondary->queues == device->queues && secondary->interrupts == device->interrupts;
}

void function_classify(struct function *function, const struct hw_secondary *secondary)
{
    enum function_state next;

    if (function->state > FS_ONLINE || function->stepping || function->queued)
        return;
    if (function->state == FS_SUSPENDED && !function_quiet(function))
        return;
    function->secondary = secondary != NULL;
    if (!secondary) {
        next = FS_ONLINE;
    } else {
        function->controller_id = secondary->controller_id;
        if (resources_fit(function->device, secondary))
            next = secondary->online ? FS_ONLINE : FS_PROVISIONED;
        else if (secondary->online || secondary->queues || secondary->interrupts)
            next = FS_STALE;
        else
            next = FS_OFFLINE;
    }
    enter(function, next);
    function_wake(function);
}

void function_quarantine(struct function *function, const char *reason)
{
    copy_text(function->reason, sizeof(function->reason), reason);
    function->rejected = false;
    enter(function, FS_QUARANTINED);
    /* A lease that a reset left its function does not wait for somebody to act. */
    if (function->lease && function->handle)
        lease_revoke(function->lease, function, reason, false);
}

void function_fault(struct function *function, const char *reason)
{
    if (!function->suspended && !function_suspect(function, reason))
        function_fail(function, reason);
}

void function_fail(struct function *function, const char *reason)
{
    if (!function->handle || function->failed || function->state == FS_CLOSING)
        return;
    function_trust(function);
    function->suspended = function->again = false;
    function->failed = function->drop = true;
    copy_text(function->reason, sizeof(function->reason), reason);
    event_function(function, CORE_EVENT_FUNCTION_FAILED, reason);
    if (++function->failures > FAILURES_IN_A_ROW_MAX)
        function->rejected = true;
    if (function->lease)
        lease_revoke(function->lease, function, reason, true);
    function_wake(function);
}

void function_lose(struct function *function, const char *reason)
{
    if (function->state == FS_ABSENT)
        return;
    function->lost = true;
    function->again = false;
    function_trust(function);
    timer_disarm(function->device->core, &function->retry);
    copy_text(function->reason, sizeof(function->reason), reason);
    if (function->handle)
        function->failed = function->drop = true;
    if (function->lease) {
        event_function(function, CORE_EVENT_FUNCTION_RESET, reason);
        lease_revoke(function->lease, function, reason, false);
    }
    function_wake(function);
}

void function_retry(struct function *function)
{
    if (function->state != FS_QUARANTINED)
        return;
    timer_disarm(function->device->core, &function->retry);
    function->failures = 0;
    if (function->on_loan) {
        function->busy_attempts = 0;
        enter(function, FS_WITHDRAWING);
    } else if (function_has_attached(function)) {
        enter(function, FS_DETACHING);
    } else if (function->held || function->lease) {
        enter(function, FS_REOPENING);
    } else {
        enter(function, FS_ABSENT);
        device_reconcile(function->device);
    }
    function_wake(function);
}

void function_grant(struct function *function, struct lease *lease, unsigned part,
                    struct attachment *attachments, size_t count)
{
    function->lease = lease;
    function->device->leased++;
    function->part = part;
    function->tenant = lease->tenant;
    function->attachments = attachments;
    function->attachment_count = count;
    for (size_t i = 0; i < count; i++) {
        scrub_soil(function->device, attachments[i].space);
        attachments[i].function = function;
        LIST_INSERT_HEAD(&attachments[i].space->claims, &attachments[i], claim);
    }
    set_free(function, false);
    record_function(function);
    function_wake(function);
}

void function_wipe(struct function *function, struct space *space)
{
    function->wipe = space;
    function->wiped = 0;
    set_free(function, false);
    function_wake(function);
}

void function_loan_over(struct function *function)
{
    function->on_loan = false;
    free(function->nodes);
    function->nodes = NULL;
}

void function_recycle(struct function *function)
{
    if (function->handle || function->state == FS_ADOPTING)
        function->drop = true;
    record_function(function);
    function_wake(function);
}

void function_release(struct function *function)
{
    function->release = true;
    function->again = false;
    /* Where provisioning it again has not ended, that begins anew once it is closed. */
    if (function->suspended && function->state != FS_QUARANTINED)
        function->lost = true;
    function_recycle(function);
}

/* ---- what the hardware says of it ---- */

void core_function_event(void *user, struct hw_function *handle, enum hw_event event, const char *text)
{
    struct function *function = user;
    struct core *core = function->device->core;

    (void)handle;
    core_enter(core);
    switch (event) {
    case HW_FUNCTION_FAILED: function_fault(function, text ? text : "the controller failed"); break;
    case HW_FUNCTION_WANTED:
        function_fail(function, text ? text : "the kernel wants the function back");
        break;
    case HW_NAMESPACE_CHANGED:
        /* Scrubbing attaches and detaches one. */
        if (!function->wipe)
            event_function(function, function->lease ? CORE_EVENT_NAMESPACE_CHANGED : CORE_EVENT_FAULT,
                           text ? text : "a namespace changed");
        function->device->refresh = true;
        device_wake(function->device);
        break;
    default: event_function(function, CORE_EVENT_FAULT, text ? text : ""); break;
    }
    core_leave(core);
}
