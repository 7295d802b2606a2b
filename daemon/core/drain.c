/* SPDX-License-Identifier: BSD-3-Clause */
/* Draining homid: no lease is granted any more, and those that stand are waited for, so that a stop takes
 * nothing from anybody. */
#include <errno.h>

#include "daemon/core/internal.h"

static const char reason[] = "homid is being drained";

static void end(struct core *core, const struct core_error *error)
{
    struct call *call = core->drain;

    core->drain = NULL;
    timer_disarm(core, &core->drain_timer);
    if (error) {
        core->draining = false;
        core->changed = true;
        core_serve(core);
        call_refuse(call, error);
    } else {
        call_finish(call);
    }
}

/* Everything is as it was before. */
static void expire(struct timer *timer)
{
    struct core *core = container_of(timer, struct core, drain_timer);
    const struct lease *lease = TAILQ_FIRST(&core->leases);
    struct core_error error = error_refusal(CORE_REFUSED_LEASE_HELD, lease->name);
    const struct holder *holder;

    TAILQ_FOREACH (holder, &lease->holders, lease_link)
        error.value++;
    end(core, &error);
}

void drain_look(struct core *core)
{
    if (core->drain && core->lease_count == 0)
        end(core, NULL);
}

static bool may_drain(const struct core *core, int64_t wait_milliseconds, struct core_error *error)
{
    if (wait_milliseconds < 0 || wait_milliseconds > CORE_DRAIN_MILLISECONDS_MAX) {
        *error = error_refusal(CORE_REFUSED_VALUE, "waitMilliseconds");
        error->limit = CORE_DRAIN_MILLISECONDS_MAX;
    } else if (core->aside && core->config->device_count) {
        /* Which leases stand is not known. */
        *error = error_refusal(CORE_REFUSED_DEVICE_UNAVAILABLE, core->config->devices[0].name);
        copy_text(error->text, sizeof(error->text), core->aside);
    } else if (core->drain) {
        *error = error_errno(-EALREADY, "draining");
    }
    return error->code == 0;
}

void core_drain(struct core *core, int64_t wait_milliseconds, core_done done, void *user)
{
    struct core_error error = {0};
    struct call *call;

    core_enter(core);
    call = call_new(core, NULL, CALL_PLAIN, user);
    if (!call) {
        done(user, &error_no_memory);
        core_leave(core);
        return;
    }
    call->done.plain = done;
    if (may_drain(core, wait_milliseconds, &error)) {
        core->draining = true;
        core->changed = true;
        core->drain = call;
        waiters_refuse(core, reason);
        core->drain_timer.fire = expire;
        timer_arm(core, &core->drain_timer, core_now(core) + (uint64_t)wait_milliseconds);
        drain_look(core);
        if (core->drain && wait_milliseconds == 0) {
            timer_disarm(core, &core->drain_timer);
            expire(&core->drain_timer);
        }
    } else {
        call_refuse(call, &error);
    }
    core_leave(core);
}

void core_undrain(struct core *core, core_done done, void *user)
{
    struct core_error error = error_errno(-ECANCELED, "draining");
    struct call *call;

    core_enter(core);
    call = call_new(core, NULL, CALL_PLAIN, user);
    if (call) {
        call->done.plain = done;
        if (core->drain)
            end(core, &error);
        core->draining = false;
        core->changed = true;
        core_serve(core);
        call_finish(call);
    } else {
        done(user, &error_no_memory);
    }
    core_leave(core);
}

const char *core_draining(const struct core *core)
{
    return core->draining ? reason : NULL;
}
