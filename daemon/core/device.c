/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Brings an SSD from what is to what is configured, step by step: probe, compare the secondary controllers,
 * assign resources, enable the VFs, then let each function go on. Its operations run one at a time: its own
 * and those of its functions, which take turns.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/core/internal.h"

static void device_advance(struct device *device);

static void work_run(struct work *work)
{
    device_advance(container_of(work, struct device, work));
}

int device_init(struct device *device, struct core *core, size_t index)
{
    const struct core_device_config *config = &core->config->devices[index];
    struct hw_device_selector selector = {config->name, config->serial, config->address};

    device->name = config->name;
    device->core = core;
    device->index = index;
    device->config = config;
    device->work.run = work_run;
    device->phase = DP_ABSENT;
    device->present = true;
    device->again.fire = device_again;
    TAILQ_INIT(&device->turns);
    TAILQ_INIT(&device->free);
    device->functions = calloc(config->functions ? config->functions : 1, sizeof(*device->functions));
    if (!device->functions)
        return -ENOMEM;
    for (unsigned i = 0; i < config->functions; i++) {
        struct function *function = &device->functions[i];
        function_init(function, device, i);
        function->pairs = calloc(config->queue_pairs + 1, sizeof(struct queue_pair *));
        if (!function->pairs)
            return -ENOMEM;
    }
    return core->backend->device_new(core->backend, &selector, device, &device->handle);
}

void device_fini(struct device *device)
{
    if (!device->core)
        return;
    device->core->backend->device_free(device->handle);
    for (unsigned i = 0; device->functions && i < device->config->functions; i++)
        function_fini(&device->functions[i]);
    for (unsigned i = 0; i < device->space_count; i++)
        free(device->spaces[i]);
    device->space_count = 0;
    free(device->extras);
}

void device_wake(struct device *device)
{
    work_wake(device->core, &device->work);
}

/* ---- what it is ---- */

/* The reason that all functions are out, if they are; NULL otherwise. */
static const char *all_out(const struct device *device)
{
    bool all = device->in_state[FS_QUARANTINED] == device->config->functions;

    return all && device->config->functions ? device->functions[0].reason : NULL;
}

const char *device_state(const struct device *device)
{
    switch (device->phase) {
    case DP_ABSENT: return device->probed || device->reason[0] || !device->present ? "absent" : "probing";
    case DP_CLEARING: return device->present ? "provisioning" : "absent";
    case DP_PROBING: return "probing";
    case DP_LISTING:
    case DP_RELEASING:
    case DP_ASSIGNING:
    case DP_COUNTING:
    case DP_BRINGING: return "provisioning";
    case DP_READY: return all_out(device) ? "quarantined" : "ready";
    case DP_QUARANTINED: return "quarantined";
    case DP_STOPPED: return "absent";
    }
    return "absent";
}

const char *device_reason(const struct device *device)
{
    const char *reason = device->phase == DP_READY ? all_out(device) : device->reason;

    return reason && reason[0] ? reason : NULL;
}

bool device_settled(const struct device *device)
{
    switch (device->phase) {
    case DP_ABSENT:
    case DP_READY:
    case DP_QUARANTINED:
    case DP_STOPPED: return true;
    default: return false;
    }
}

bool device_open_for_online(const struct device *device)
{
    return device->phase == DP_BRINGING || device->phase == DP_READY;
}

struct space *device_space(const struct device *device, uint32_t id)
{
    for (unsigned i = 0; i < device->space_count; i++) {
        if (device->spaces[i]->info.id == id)
            return device->spaces[i];
    }
    return NULL;
}

static void tell(struct device *device)
{
    const char *state = device_state(device), *reason = device_reason(device);
    char text[HW_REASON_BYTES];

    if (device->told && strcmp(device->told, state) == 0)
        return;
    device->told = state;
    device->core->changed = true;
    if (reason)
        snprintf(text, sizeof(text), "%s: %.*s", state, HW_REASON_BYTES - 20, reason);
    else
        copy_text(text, sizeof(text), state);
    event_tell(device->core,
               &(struct core_event){.kind = CORE_EVENT_DEVICE_STATE, .device = device->name, .text = text});
}

/* What a reset left to its lease is not left there when the device cannot be provisioned again. */
static void end_suspended(struct device *device)
{
    for (unsigned i = 0; i < device->config->functions; i++) {
        struct function *function = &device->functions[i];
        if (function->suspended && function->lease)
            lease_revoke(function->lease, function, device->reason, false);
    }
}

static void set_phase(struct device *device, enum device_phase phase)
{
    if (phase == DP_PROBING) {
        device->reason[0] = '\0';
        device->rounds = 0;
    }
    if (phase != DP_CLEARING && phase != DP_PROBING && phase != DP_LISTING)
        device->fresh = false;
    device->phase = phase;
    device->brought_up |= phase == DP_READY || phase == DP_QUARANTINED;
    if (phase == DP_READY && device->disturbed)
        device_retry_undetached(device);
    tell(device);
    if (phase == DP_QUARANTINED || phase == DP_ABSENT)
        end_suspended(device);
    device_wake(device);
    core_serve(device->core);
    for (unsigned i = 0; device_open_for_online(device) && i < device->config->functions; i++)
        function_wake(&device->functions[i]);
}

static void quarantine(struct device *device, const char *reason)
{
    copy_text(device->reason, sizeof(device->reason), reason);
    set_phase(device, DP_QUARANTINED);
}

void device_set_aside(struct device *device, const char *reason)
{
    quarantine(device, reason);
}

void device_stuck(struct device *device, const char *reason)
{
    quarantine(device, reason);
    for (unsigned i = 0; i < device->config->functions; i++) {
        struct function *function = &device->functions[i];
        if (function->state <= FS_ONLINE && !function->stepping)
            function_quarantine(function, reason);
    }
}

/* ---- probe ---- */

static bool attached_to_host(const struct device *device, const struct hw_namespace *info)
{
    unsigned known = sizeof(info->controllers) / sizeof(info->controllers[0]);

    for (unsigned i = 0; i < info->controller_count && i < known; i++) {
        if (info->controllers[i] == device->info.controller_id)
            return true;
    }
    return false;
}

static void keep_space(struct device *device, const struct hw_namespace *info)
{
    struct space *space = device_space(device, info->id);

    if (!space && device->space_count < HW_NAMESPACES_MAX) {
        space = calloc(1, sizeof(*space));
        if (space) {
            space->record = RECORD_NONE;
            space->soiled = scrub_wanted(device, info->id);
            device->spaces[device->space_count++] = space;
        }
    }
    if (!space)
        return;
    space->info = *info;
    space->host = attached_to_host(device, info);
}

static bool still_there(const struct hw_device_info *info, uint32_t id)
{
    for (unsigned i = 0; i < info->namespace_count; i++) {
        if (info->namespaces[i].id == id)
            return true;
    }
    return false;
}

/* Takes what a probe found. A namespace that vanished is kept for as long as a function still claims it. */
static void learn(struct device *device, const struct hw_device_info *info)
{
    unsigned kept = 0;

    device->info = *info;
    device->probed = true;
    for (unsigned i = 0; i < device->space_count; i++) {
        struct space *space = device->spaces[i];
        if (still_there(info, space->info.id) || !LIST_EMPTY(&space->claims) || space->wiper) {
            device->spaces[kept++] = space;
        } else {
            record_remove(device->core, &space->record);
            free(space);
        }
    }
    device->space_count = kept;
    /* Where no VF is enabled, none is there that a process could still hold. */
    for (unsigned i = 0; info->functions_enabled == 0 && i < device->config->functions; i++)
        device->functions[i].held = false;
    for (unsigned i = 0; i < info->namespace_count; i++)
        keep_space(device, &info->namespaces[i]);
}

static bool any_suspended(const struct device *device)
{
    for (unsigned i = 0; i < device->config->functions; i++) {
        if (device->functions[i].suspended)
            return true;
    }
    return false;
}

static void lose_function(struct function *function, const char *reason, bool reset)
{
    if (reset && function_suspends(function))
        function_suspend(function, reason);
    else
        function_lose(function, reason);
}

/* Functions of it have been lost. */
static void was_lost(struct device *device, const char *reason, bool reset)
{
    copy_text(device->reason, sizeof(device->reason), reason);
    device->info.functions_enabled = 0;
    device->fresh = reset;
    if (!device->core->stopping)
        set_phase(device, DP_CLEARING);
}

static void lose(struct device *device, const char *reason, bool reset)
{
    for (unsigned i = 0; i < device->config->functions; i++)
        lose_function(&device->functions[i], reason, reset);
    was_lost(device, reason, reset);
}

static void probed(struct device *device, const struct hw_result *result)
{
    char reason[HW_REASON_BYTES];

    if (result->error == -ENODEV) {
        copy_text(device->reason, sizeof(device->reason),
                  result->reason[0] ? result->reason : "no such device");
        /* It went while no homid was there to see it. */
        for (unsigned i = 0; i < device->config->functions; i++)
            function_lose(&device->functions[i], device->reason);
        set_phase(device, DP_ABSENT);
        return;
    }
    if (result->error) {
        snprintf(reason, sizeof(reason), "probing: %.*s", HW_REASON_BYTES - 20, result->reason);
        quarantine(device, reason);
        /* A process that an earlier homid left behind: it may end by itself. */
        device->disturbed = device->disturbed || result->error == -EBUSY;
        if (result->error == -EBUSY)
            timer_arm(device->core, &device->again,
                      core_now(device->core) + retry_milliseconds(device->core));
        return;
    }
    learn(device, result->device_info);
    if (device->info.functions_enabled == 0 && any_suspended(device)) {
        lose(device, "the device was reset, and its VFs are gone", false);
        return;
    }
    if (!device_plan(device, reason)) {
        quarantine(device, reason);
        return;
    }
    if (device->info.virtualization_management) {
        set_phase(device, DP_LISTING);
        return;
    }
    for (unsigned i = 0; i < device->config->functions; i++)
        function_classify(&device->functions[i], NULL);
    set_phase(device, DP_COUNTING);
}

static void probe_done(void *user, const struct hw_result *result)
{
    struct device *device = user;
    struct core *core = device->core;

    core_enter(core);
    device_turn_over(device);
    device->looking = false;
    device->looked_at = core_now(core);
    copy_text(device->look_error, sizeof(device->look_error), result->error ? result->reason : NULL);
    if (device->phase == DP_PROBING)
        probed(device, result);
    else if (!result->error)
        learn(device, result->device_info);
    core_serve(core);
    core_leave(core);
}

static void start_probe(struct device *device)
{
    device->busy = device->looking = true;
    device->refresh = false;
    device->core->backend->probe(device->handle, probe_done, device);
}

bool device_look(struct device *device)
{
    if (!device->refresh && !device->looking && core_now(device->core) - device->looked_at <= LOOK_VALID_MS)
        return true;
    if (!device->looking) {
        device->refresh = true;
        device_wake(device);
    }
    return false;
}

/* ---- secondary controllers ---- */

static const struct hw_secondary *secondary_of(const struct hw_result *result, unsigned index)
{
    bool numbered = false;

    for (unsigned i = 0; i < result->secondaries.count; i++) {
        const struct hw_secondary *secondary = &result->secondaries.list[i];
        if (secondary->function == index + 1)
            return secondary;
        numbered = numbered || secondary->function != 0;
    }
    /* Before the VFs are enabled some controllers leave the numbers at 0; the order is theirs all the same.
     */
    return !numbered && index < result->secondaries.count ? &result->secondaries.list[index] : NULL;
}

/* Controllers beyond those offered that keep resources which the offered ones need. */
static int find_extras(struct device *device, const struct hw_result *result)
{
    uint16_t *extras = calloc(result->secondaries.count ? result->secondaries.count : 1, sizeof(*extras));

    if (!extras)
        return -ENOMEM;
    free(device->extras);
    device->extras = extras;
    device->extra_count = 0;
    for (unsigned i = 0; i < result->secondaries.count; i++) {
        const struct hw_secondary *secondary = &result->secondaries.list[i];
        unsigned index = secondary->function ? secondary->function - 1u : i;
        if (index >= device->config->functions &&
            (secondary->online || secondary->queues || secondary->interrupts))
            extras[device->extra_count++] = secondary->controller_id;
    }
    return 0;
}

static bool any_provisioning(const struct device *device)
{
    for (unsigned state = 0; state < FS_COUNT; state++) {
        if (device->in_state[state] && state_provisioning((enum function_state)state))
            return true;
    }
    return false;
}

static bool any_handle(const struct device *device)
{
    for (unsigned i = 0; i < device->config->functions; i++) {
        const struct function *function = &device->functions[i];
        if (function->handle || function->held || function->state == FS_ADOPTING)
            return true;
        if (function->on_loan && device->info.functions_enabled)
            return true;
    }
    return false;
}

static void after_listing(struct device *device)
{
    if (device->extra_count && device->rounds <= 1)
        set_phase(device, DP_RELEASING);
    else if (any_provisioning(device))
        set_phase(device, DP_ASSIGNING);
    else
        set_phase(device, DP_COUNTING);
}

static void give_up_provisioning(struct device *device)
{
    char reason[HW_REASON_BYTES];

    snprintf(reason, sizeof(reason), "%u queue and %u interrupt resources were assigned, but it has others",
             device->queues, device->interrupts);
    for (unsigned i = 0; i < device->config->functions; i++) {
        if (state_provisioning(device->functions[i].state))
            function_quarantine(&device->functions[i], reason);
    }
}

/* Functions that are offline though nobody took them there were reset; true: some were. */
static bool notice_reset(struct device *device, const struct hw_result *result)
{
    bool any = false;

    for (unsigned i = 0; i < device->config->functions; i++) {
        if (!function_went_offline(&device->functions[i], secondary_of(result, i)))
            continue;
        lose_function(&device->functions[i], "the device was reset", true);
        any = true;
    }
    if (any)
        was_lost(device, "the device was reset", true);
    return any;
}

static void listed(struct device *device, const struct hw_result *result)
{
    char reason[HW_REASON_BYTES];

    if (result->error) {
        snprintf(reason, sizeof(reason), "listing secondary controllers: %.*s", HW_REASON_BYTES - 40,
                 result->reason);
        quarantine(device, reason);
        return;
    }
    if (find_extras(device, result)) {
        quarantine(device, "out of memory");
        return;
    }
    if (notice_reset(device, result))
        return;
    for (unsigned i = 0; i < device->config->functions; i++) {
        const struct hw_secondary *secondary = secondary_of(result, i);
        if (secondary)
            function_classify(&device->functions[i], secondary);
        else if (device->functions[i].state <= FS_SUSPENDED)
            function_quarantine(&device->functions[i], "the device lists no secondary controller for it");
    }
    if (++device->rounds > PROVISION_ROUNDS_MAX)
        give_up_provisioning(device);
    after_listing(device);
}

static void list_done(void *user, const struct hw_result *result)
{
    struct device *device = user;
    struct core *core = device->core;

    core_enter(core);
    device_turn_over(device);
    if (device->phase == DP_LISTING)
        listed(device, result);
    core_leave(core);
}

/* An extra controller that will not go offline costs only its resources; assigning says if they are missed.
 */
static void release_done(void *user, const struct hw_result *result)
{
    struct device *device = user;
    struct core *core = device->core;

    (void)result;
    core_enter(core);
    device_turn_over(device);
    core_leave(core);
}

static void release_extra(struct device *device)
{
    if (!device->extra_count) {
        set_phase(device, any_provisioning(device) ? DP_ASSIGNING : DP_COUNTING);
        return;
    }
    device->busy = true;
    device->core->backend->set_online(device->handle, device->extras[--device->extra_count], false,
                                      release_done, device);
}

/* ---- number of VFs ---- */

static void count_done(void *user, const struct hw_result *result)
{
    struct device *device = user;
    struct core *core = device->core;
    char reason[HW_REASON_BYTES];

    core_enter(core);
    device_turn_over(device);
    if (device->phase == DP_COUNTING && result->error) {
        snprintf(reason, sizeof(reason), "enabling %u VFs: %.*s", device->config->functions,
                 HW_REASON_BYTES - 40, result->reason);
        quarantine(device, reason);
    } else if (device->phase == DP_COUNTING) {
        device->info.functions_enabled = (uint16_t)device->config->functions;
        set_phase(device, device->info.virtualization_management ? DP_LISTING : DP_BRINGING);
    }
    core_leave(core);
}

static void set_count(struct device *device)
{
    if (device->info.functions_enabled == device->config->functions) {
        /* What was assigned is read back before it is relied on. */
        bool verify = device->info.virtualization_management && device->rounds == 1 &&
                      device->config->functions && device->queues;
        set_phase(device, verify ? DP_LISTING : DP_BRINGING);
        return;
    }
    if (any_handle(device)) {
        char reason[HW_REASON_BYTES];
        snprintf(reason, sizeof(reason), "%u VFs are enabled, %u are configured, and some are in use",
                 device->info.functions_enabled, device->config->functions);
        quarantine(device, reason);
        return;
    }
    device->busy = true;
    device->core->backend->set_function_count(device->handle, device->config->functions, count_done, device);
}

/* ---- stop ---- */

void device_stopped(struct device *device)
{
    set_phase(device, DP_STOPPED);
    work_wake(device->core, &device->core->stop);
}

static bool all_absent(const struct device *device)
{
    if (device->in_state[FS_ABSENT] < device->config->functions)
        return false;
    for (unsigned i = 0; i < device->config->functions; i++) {
        if (device->functions[i].stepping)
            return false;
    }
    return true;
}

static void stop_advance(struct device *device)
{
    bool held = false;

    if (device->phase == DP_STOPPED || !all_absent(device))
        return;
    for (unsigned i = 0; i < device->config->functions; i++)
        held = held || device->functions[i].held;
    /* Disabling the VFs while a process holds one would hang in the kernel until that process ends. */
    if (held || !device->present || !device->probed) {
        device_stopped(device);
        return;
    }
    device->busy = true;
    device->core->backend->set_function_count(device->handle, 0, device_stop_done, device);
}

/* ---- advance ---- */

/* Whether nothing is under way any more on what was lost. A loan that is not given back holds nobody up. */
static bool all_quiet(const struct device *device)
{
    for (unsigned i = 0; i < device->config->functions; i++) {
        const struct function *function = &device->functions[i];
        bool stays = function_waits(function) || (function->state == FS_QUARANTINED && function->on_loan);
        bool concerned = function->lost || function->again || function->state == FS_SUSPENDED;
        if (concerned && !function_quiet(function) && !(device->present && stays))
            return false;
    }
    return true;
}

/* One that came out of quarantine, or turned out to have been reset, after the secondary controllers were
 * listed has not been looked at. */
static bool any_unseen(const struct device *device)
{
    if (device->in_state[FS_ABSENT])
        return true;
    for (unsigned i = 0; device->in_state[FS_SUSPENDED] && i < device->config->functions; i++) {
        if (function_quiet(&device->functions[i]))
            return true;
    }
    return false;
}

static bool all_settled(const struct device *device)
{
    unsigned settled = 0, going = device->in_state[FS_WITHDRAWING] + device->in_state[FS_RECLAIMING];

    for (unsigned state = 0; state < FS_COUNT; state++)
        settled += state_settled((enum function_state)state) ? device->in_state[state] : 0;
    if (settled + going < device->config->functions)
        return false;
    for (unsigned i = 0; going && i < device->config->functions; i++)
        settled += function_waits(&device->functions[i]);
    return settled == device->config->functions;
}

static void serve_turns(struct device *device)
{
    struct function *function;

    while (!device->busy && (function = TAILQ_FIRST(&device->turns))) {
        TAILQ_REMOVE(&device->turns, function, turn_link);
        function_turn(function);
    }
}

void device_turn_over(struct device *device)
{
    device->busy = false;
    device_wake(device);
}

static void phase_advance(struct device *device)
{
    switch (device->phase) {
    case DP_CLEARING:
        if (all_quiet(device))
            set_phase(device, device->present ? DP_PROBING : DP_ABSENT);
        break;
    case DP_PROBING: start_probe(device); break;
    case DP_LISTING:
        device->busy = true;
        device->core->backend->list_secondaries(device->handle, list_done, device);
        break;
    case DP_RELEASING: release_extra(device); break;
    case DP_ASSIGNING:
        if (!any_provisioning(device))
            set_phase(device,
                      device->info.functions_enabled == device->config->functions ? DP_LISTING : DP_COUNTING);
        break;
    case DP_COUNTING: set_count(device); break;
    case DP_READY:
    case DP_BRINGING:
        if (any_unseen(device))
            set_phase(device, DP_PROBING);
        else if (device->phase == DP_BRINGING && all_settled(device))
            set_phase(device, DP_READY);
        break;
    case DP_QUARANTINED:
    case DP_ABSENT:
    case DP_STOPPED: break;
    }
}

bool device_may_look(const struct device *device)
{
    return device->present && (device_settled(device) || device->phase == DP_BRINGING);
}

static void judge_done(void *user, const struct hw_result *result)
{
    struct device *device = user;
    struct core *core = device->core;

    core_enter(core);
    device_turn_over(device);
    if (!result->error) {
        notice_reset(device, result);
        for (unsigned i = 0; i < device->config->functions; i++)
            function_judge(&device->functions[i]);
    }
    core_leave(core);
}

static void start_judging(struct device *device)
{
    device->judging = false;
    device->busy = true;
    device->core->backend->list_secondaries(device->handle, judge_done, device);
}

static void device_advance(struct device *device)
{
    if (device->core->hurrying) {
        if (!device->busy)
            device_hurry(device);
        return;
    }
    serve_turns(device);
    if (device->busy)
        return;
    change_advance(device);
    if (device->busy)
        return;
    if (device->core->stopping)
        stop_advance(device);
    else if (device->judging && device_open_for_online(device))
        start_judging(device);
    else if (device->refresh && device_may_look(device))
        start_probe(device);
    else
        phase_advance(device);
    scrub_advance(device);
    tell(device);
}

/* ---- what bends its way ---- */

void device_reconcile(struct device *device)
{
    if (device->core->stopping || device->core->aside || !device->present)
        return;
    switch (device->phase) {
    case DP_ABSENT:
    case DP_READY:
    case DP_QUARANTINED: set_phase(device, DP_PROBING); break;
    default: break;
    }
}

void core_device_event(void *user, struct hw_device *handle, enum hw_event event, const char *text)
{
    struct device *device = user;
    struct core *core = device->core;

    (void)handle;
    if (core->aside)
        return;
    core_enter(core);
    switch (event) {
    case HW_DEVICE_GONE:
        device->present = false;
        lose(device, text ? text : "the device is gone", false);
        break;
    case HW_DEVICE_RESET:
        /* It may have been noticed before it is told; then that is no other one. */
        if (!device->fresh)
            lose(device, text ? text : "the device was reset", true);
        break;
    case HW_DEVICE_BACK:
        if (!device->present || device->phase == DP_ABSENT) {
            device->present = true;
            if (!core->stopping)
                set_phase(device, DP_CLEARING);
        }
        break;
    case HW_NAMESPACE_CHANGED:
        device->refresh = true;
        device_wake(device);
        break;
    default:
        event_tell(core, &(struct core_event){
                             .kind = CORE_EVENT_FAULT, .device = device->name, .text = text ? text : ""});
        break;
    }
    core_leave(core);
}
