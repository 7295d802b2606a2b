/* SPDX-License-Identifier: BSD-3-Clause */
/* Leases: VFs that a tenant holds, from the first attachment until each function is clean again. */
#include <errno.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/core/internal.h"

static void lease_advance(struct lease *lease);

static void work_run(struct work *work)
{
    lease_advance(container_of(work, struct lease, work));
}

void lease_wake(struct lease *lease)
{
    work_wake(lease->core, &lease->work);
}

const char *lease_kind_name(enum core_lease_kind kind)
{
    switch (kind) {
    case CORE_LEASE_QUEUES: return "queues";
    case CORE_LEASE_PASSTHROUGH: return "passthrough";
    case CORE_LEASE_KERNEL: return "kernel";
    }
    return "queues";
}

struct lease *lease_find(struct core *core, const char *name)
{
    return named_find(&core->leases_by_name, name);
}

struct lease *lease_make(struct core *core, struct tenant *tenant, const char *name)
{
    struct lease *lease = calloc(1, sizeof(*lease));

    if (!lease)
        return NULL;
    lease->core = core;
    lease->tenant = tenant;
    lease->work.run = work_run;
    lease->record = RECORD_NONE;
    copy_text(lease->name_buffer, sizeof(lease->name_buffer), name);
    lease->ending.fire = lease_ending_fire;
    lease->ends_at = UINT64_MAX;
    STAILQ_INIT(&lease->freeing);
    lease->name = lease->name_buffer;
    TAILQ_INIT(&lease->holders);
    if (!tsearch(lease, &core->leases_by_name, named_compare)) {
        free(lease);
        return NULL;
    }
    TAILQ_INSERT_TAIL(&core->leases, lease, link);
    TAILQ_INSERT_TAIL(&tenant->leases, lease, tenant_link);
    core->lease_count++;
    core->changed = true;
    return lease;
}

int lease_new(struct tenant *tenant, uint32_t queue_pairs, const struct call *call, struct lease **ret_lease)
{
    struct core *core = call->core;
    const struct core_archive *archive = core->listener.archive;
    char name[LEASE_NAME_BYTES];
    struct lease *lease;

    snprintf(name, sizeof(name), "lease-%u", ++core->lease_number);
    if (archive)
        archive->lease_numbered(archive->user, core->lease_number);
    lease = lease_make(core, tenant, name);
    if (!lease)
        return -ENOMEM;
    lease->queue_pairs = queue_pairs;
    lease->since = core_now(core);
    lease->maker = call->caller;
    *ret_lease = lease;
    return 0;
}

static void set_state(struct lease *lease, enum lease_state state)
{
    lease->state = state;
    record_lease(lease);
}

void lease_take(struct lease *lease, struct function *function, struct attachment *attachments, size_t count)
{
    unsigned part = lease->part_count++;

    lease->parts[part] = function;
    lease->tenant->functions++;
    function_grant(function, lease, part, attachments, count);
}

void lease_free(struct lease *lease)
{
    struct core *core = lease->core;
    struct holder *holder;

    while ((holder = TAILQ_FIRST(&lease->holders)))
        holder_free(holder);
    work_cancel(core, &lease->work);
    if (lease->kept)
        core->listener.forget_keeper(core->listener.user, lease->name);
    record_remove(core, &lease->record);
    timer_disarm(core, &lease->ending);
    tdelete(lease, &core->leases_by_name, named_compare);
    TAILQ_REMOVE(&core->leases, lease, link);
    TAILQ_REMOVE(&lease->tenant->leases, lease, tenant_link);
    core->lease_count--;
    core->changed = true;
    free(lease);
    drain_look(core);
}

unsigned lease_queue_pairs(const struct lease *lease, const struct function *function)
{
    return lease->queue_pairs ? lease->queue_pairs : function->queue_pairs;
}

static void tell(struct lease *lease, enum core_event_kind kind, const char *text)
{
    event_tell(lease->core,
               &(struct core_event){
                   .kind = kind, .lease = lease->name, .tenant = lease->tenant->name, .text = text});
}

/* ---- answers ---- */

static void answer(struct lease *lease, struct call *call, const struct core_error *error)
{
    if (error)
        call->error = *error;
    else
        copy_text(call->result.lease, sizeof(call->result.lease), lease->name);
    call_finish(call);
}

/* error: NULL when the lease has been granted. */
static void answer_holder(struct holder *holder, const struct core_error *error)
{
    struct call *call;

    while ((call = STAILQ_FIRST(&holder->attaching))) {
        STAILQ_REMOVE_HEAD(&holder->attaching, post);
        answer(holder->lease, call, error);
    }
}

static void refuse_recovering(struct holder *holder, const struct core_error *error)
{
    struct call *call;

    while ((call = STAILQ_FIRST(&holder->recovering))) {
        STAILQ_REMOVE_HEAD(&holder->recovering, post);
        call_refuse(call, error);
    }
}

static void grant_holder(struct holder *holder)
{
    holder->granted = true;
    record_holder(holder);
    if (!holder->lease->used) {
        holder->lease->used = true;
        record_lease(holder->lease);
    }
    event_holder(holder, NULL, CORE_EVENT_LEASE_GRANTED,
                 holder->tenant->config->direct ? "attached" : "attached, relayed");
}

static void answer_waiting(struct lease *lease, const struct core_error *error)
{
    struct holder *holder;

    TAILQ_FOREACH (holder, &lease->holders, lease_link) {
        struct core_error one;
        if (holder->ending || holder->granted)
            continue;
        bool granted = !error && pages_make(holder, &one);
        answer_holder(holder, error || granted ? error : &one);
        if (granted)
            grant_holder(holder);
        else
            holder_end(holder);
    }
    if (lease->allocating) {
        struct call *call = lease->allocating;
        lease->allocating = NULL;
        answer(lease, call, error);
        if (!error)
            tell(lease, CORE_EVENT_LEASE_GRANTED, "reserved");
    }
}

/* ---- its life ---- */

static void activate(struct lease *lease)
{
    for (unsigned i = 0; i < lease->part_count; i++) {
        struct function *function = lease->parts[i];
        if (!function || !function_granted(function)) {
            struct core_error error;
            if (!function || function->state != FS_QUARANTINED || function->retry.armed)
                return;
            error = error_refusal(CORE_REFUSED_FUNCTION_FAILED, function->name);
            copy_text(error.text, sizeof(error.text), function->reason);
            answer_waiting(lease, &error);
            return;
        }
    }
    set_state(lease, LEASE_ACTIVE);
    lease->core->changed = true;
    answer_waiting(lease, NULL);
    if (!lease->reserved && TAILQ_EMPTY(&lease->holders))
        lease_end(lease, "nobody is left to hold it");
}

static void finish(struct lease *lease)
{
    struct call *call;

    for (unsigned i = 0; i < lease->part_count; i++) {
        if (lease->parts[i])
            return;
    }
    if (!TAILQ_EMPTY(&lease->holders))
        return;
    while ((call = STAILQ_FIRST(&lease->freeing))) {
        STAILQ_REMOVE_HEAD(&lease->freeing, post);
        call_finish(call);
    }
    lease_free(lease);
}

/* Its last process left, but it stands: the next one gets functions that nobody has touched. */
static void cycle(struct lease *lease)
{
    lease->used = false;
    set_state(lease, LEASE_CYCLING);
    for (unsigned i = 0; i < lease->part_count; i++)
        function_recycle(lease->parts[i]);
}

/* One that an earlier homid granted may have functions that are still being taken over. */
static bool is_there(const struct lease *lease)
{
    for (unsigned i = 0; i < lease->part_count; i++) {
        if (!lease->parts[i] || lease->parts[i]->state != FS_LEASED)
            return false;
    }
    return lease->state == LEASE_ACTIVE;
}

/* Those who attached while functions of it were being taken over. */
static void answer_late(struct lease *lease)
{
    struct holder *holder;
    struct core_error error;

    if (!is_there(lease))
        return;
    TAILQ_FOREACH (holder, &lease->holders, lease_link) {
        if (holder->ending || STAILQ_EMPTY(&holder->attaching))
            continue;
        if (!holder->granted && !pages_make(holder, &error)) {
            answer_holder(holder, &error);
            holder_end(holder);
            continue;
        }
        if (!holder->granted)
            grant_holder(holder);
        answer_holder(holder, NULL);
    }
}

static bool any_granted(const struct lease *lease)
{
    const struct holder *holder;

    TAILQ_FOREACH (holder, &lease->holders, lease_link) {
        if (holder->granted)
            return true;
    }
    return false;
}

static void lease_advance(struct lease *lease)
{
    switch (lease->state) {
    case LEASE_GRANTING:
        if (!lease->reserved && TAILQ_EMPTY(&lease->holders))
            lease_end(lease, "the process that asked for it is gone");
        else
            activate(lease);
        break;
    case LEASE_ACTIVE:
        answer_late(lease);
        lease_tell_recovered(lease);
        if (any_granted(lease))
            break;
        if (!lease->used && (lease->reserved || !TAILQ_EMPTY(&lease->holders)))
            break;
        if (lease->reserved)
            cycle(lease);
        else
            lease_end(lease, "its last process left");
        break;
    case LEASE_CYCLING: activate(lease); break;
    case LEASE_ENDING: finish(lease); break;
    }
}

void lease_revoke_holders(struct lease *lease, const char *reason)
{
    struct core_error error = error_refusal(CORE_REFUSED_LEASE_REVOKED, lease->name);
    struct holder *holder;

    copy_text(error.text, sizeof(error.text), reason);
    TAILQ_FOREACH (holder, &lease->holders, lease_link) {
        if (holder->ending)
            continue;
        answer_holder(holder, &error);
        refuse_recovering(holder, &error);
        if (holder->granted) {
            char text[HW_REASON_BYTES];
            copy_text(text, sizeof(text), reason);
            event_holder(holder, NULL, CORE_EVENT_LEASE_LOST, reason);
            free(holder->revoked);
            holder->revoked = malloc(sizeof(text));
            if (holder->revoked)
                copy_text(holder->revoked, sizeof(text), text);
        }
        holder_end(holder);
    }
}

void lease_end(struct lease *lease, const char *reason)
{
    struct core_error error = error_refusal(CORE_REFUSED_LEASE_REVOKED, lease->name);

    if (lease->state == LEASE_ENDING)
        return;
    copy_text(error.text, sizeof(error.text), reason);
    answer_waiting(lease, &error);
    set_state(lease, LEASE_ENDING);
    timer_disarm(lease->core, &lease->ending);
    lease->tenant->functions -= lease->part_count;
    lease_revoke_holders(lease, reason);
    tell(lease, CORE_EVENT_LEASE_ENDED, reason);
    for (unsigned i = 0; i < lease->part_count; i++) {
        if (lease->parts[i])
            function_release(lease->parts[i]);
    }
    lease_wake(lease);
}

void lease_revoke(struct lease *lease, struct function *function, const char *reason, bool stands)
{
    struct core_error error;

    if (lease->state == LEASE_ENDING)
        return;
    if (lease->state == LEASE_CYCLING && stands)
        return;
    if (lease->state == LEASE_ACTIVE)
        tell(lease, CORE_EVENT_LEASE_REVOKED, reason);
    if (lease->state == LEASE_GRANTING && function) {
        error = error_refusal(CORE_REFUSED_FUNCTION_FAILED, function->name);
        copy_text(error.text, sizeof(error.text), reason);
        answer_waiting(lease, &error);
    }
    if (lease->state == LEASE_ACTIVE && lease->reserved && stands) {
        lease_revoke_holders(lease, reason);
        cycle(lease);
        return;
    }
    lease_end(lease, reason);
}

void lease_part_failed(struct function *function, const struct core_error *error)
{
    struct lease *lease = function->lease;
    const char *reason = error->text[0] ? error->text : "it could not be granted";

    if (lease->state == LEASE_ACTIVE) {
        lease_revoke(lease, function, reason, false);
        return;
    }
    answer_waiting(lease, error);
    lease_end(lease, reason);
}

void lease_part_closed(struct function *function)
{
    struct lease *lease = function->lease;

    lease->parts[function->part] = NULL;
    function->lease = NULL;
    function->device->leased--;
    lease_wake(lease);
}

/* ---- joining ---- */

static struct holder *holder_of(const struct lease *lease, const struct core_client *client)
{
    struct holder *holder;

    TAILQ_FOREACH (holder, &client->holders, client_link) {
        if (holder->lease == lease && !holder->ending)
            return holder;
    }
    return NULL;
}

static struct holder *holder_new(struct lease *lease, struct core_client *client, uint32_t serial);

static void join(struct holder *holder, struct call *call)
{
    struct lease *lease = holder->lease;
    struct core_error error;

    if (!is_there(lease)) {
        STAILQ_INSERT_TAIL(&holder->attaching, call, post);
        lease_wake(lease);
        return;
    }
    if (!holder->granted && !pages_make(holder, &error)) {
        call_refuse(call, &error);
        holder_end(holder);
        return;
    }
    if (!holder->granted)
        grant_holder(holder);
    answer(lease, call, NULL);
}

bool lease_rejoin(struct core_client *client, struct call *call)
{
    struct holder *holder;

    TAILQ_FOREACH (holder, &client->holders, client_link) {
        if (call->caller.resumed && holder->serial == call->caller.serial && !holder->ending &&
            holder->lease->state != LEASE_ENDING) {
            join(holder, call);
            return true;
        }
    }
    return false;
}

void lease_join(struct lease *lease, struct core_client *client, struct call *call)
{
    struct core_error error = error_refusal(CORE_REFUSED_LEASE_REVOKED, lease->name);
    struct holder *holder = holder_of(lease, client);

    if (!holder && lease->revoking) {
        copy_text(error.text, sizeof(error.text), lease->ending_reason);
        call_refuse(call, &error);
        return;
    }
    if (!holder)
        holder = holder_new(lease, client, call->caller.serial);
    if (!holder) {
        call_refuse(call, &error_no_memory);
        lease_wake(lease);
        return;
    }
    join(holder, call);
}

/* ---- holders ---- */

static void holder_advance(struct holder *holder);

static void holder_run(struct work *work)
{
    holder_advance(container_of(work, struct holder, work));
}

void holder_wake(struct holder *holder)
{
    work_wake(holder->core, &holder->work);
}

static struct holder *holder_bare(struct core *core, struct tenant *tenant, const char *lease)
{
    struct holder *holder = calloc(1, sizeof(*holder));

    if (!holder)
        return NULL;
    holder->core = core;
    holder->tenant = tenant;
    holder->work.run = holder_run;
    holder->record = RECORD_NONE;
    copy_text(holder->lease_name, sizeof(holder->lease_name), lease);
    STAILQ_INIT(&holder->attaching);
    STAILQ_INIT(&holder->recovering);
    return holder;
}

struct holder *holder_make(struct lease *lease, struct core_client *client)
{
    struct holder *holder = holder_bare(lease->core, lease->tenant, lease->name);

    if (!holder)
        return NULL;
    holder->lease = lease;
    holder->client = client;
    if (client) {
        quota_connection_added(client, lease->tenant);
        TAILQ_INSERT_TAIL(&client->holders, holder, client_link);
    }
    TAILQ_INSERT_TAIL(&lease->holders, holder, lease_link);
    return holder;
}

struct holder *holder_remember(struct core_client *client, struct tenant *tenant, const char *lease)
{
    struct holder *holder = holder_bare(client->core, tenant, lease);

    if (!holder)
        return NULL;
    holder->client = client;
    TAILQ_INSERT_TAIL(&client->holders, holder, client_link);
    return holder;
}

static struct holder *holder_new(struct lease *lease, struct core_client *client, uint32_t serial)
{
    struct holder *holder = holder_make(lease, client);

    if (holder)
        holder->serial = serial;
    if (holder && record_holder_new(holder) < 0) {
        holder_free(holder);
        return NULL;
    }
    return holder;
}

static void unlink_lease(struct holder *holder)
{
    struct lease *lease = holder->lease;

    if (!lease)
        return;
    holder->lease = NULL;
    record_holder(holder);
    TAILQ_REMOVE(&lease->holders, holder, lease_link);
    quota_connection_removed(holder->client, holder->tenant);
    lease_wake(lease);
}

void holder_free(struct holder *holder)
{
    struct core_error ended = error_refusal(CORE_REFUSED_UNKNOWN_LEASE, holder->lease_name);
    struct region *region;
    struct call *call;

    while ((region = LIST_FIRST(&holder->regions)))
        region_discard(region);
    while ((call = STAILQ_FIRST(&holder->attaching))) {
        STAILQ_REMOVE_HEAD(&holder->attaching, post);
        call_finish(call);
    }
    pages_free(holder);
    record_remove(holder->core, &holder->record);
    refuse_recovering(holder, &ended);
    unlink_lease(holder);
    if (holder->client)
        TAILQ_REMOVE(&holder->client->holders, holder, client_link);
    work_cancel(holder->core, &holder->work);
    free(holder->revoked);
    free(holder);
}

void holder_lose(struct holder *holder, const char *reason)
{
    if (!holder->revoked)
        holder->revoked = strdup(reason);
    holder_end(holder);
}

void holder_end(struct holder *holder)
{
    if (!holder->ending) {
        holder->ending = true;
        record_holder(holder);
    }
    holder_wake(holder);
}

/* What an earlier homid had begun, of a holder that goes on. */
static void undo(struct holder *holder)
{
    struct queue_pair *pair, *next_pair;
    struct region *region, *next_region;

    for (pair = LIST_FIRST(&holder->pairs); pair; pair = next_pair) {
        next_pair = LIST_NEXT(pair, holder_link);
        if (pair->undo)
            queue_pair_reclaim(pair);
    }
    for (region = LIST_FIRST(&holder->regions); region; region = next_region) {
        next_region = LIST_NEXT(region, holder_link);
        if (region->undo)
            region_reclaim(region);
    }
}

static void holder_advance(struct holder *holder)
{
    struct queue_pair *pair, *next_pair;
    struct region *region, *next_region;
    struct call *detaching = holder->detaching;

    if (!holder->ending) {
        if (holder->core->undo_count)
            undo(holder);
        return;
    }
    for (pair = LIST_FIRST(&holder->pairs); pair; pair = next_pair) {
        next_pair = LIST_NEXT(pair, holder_link);
        queue_pair_reclaim(pair);
    }
    if (!LIST_EMPTY(&holder->pairs))
        return;
    for (region = LIST_FIRST(&holder->regions); region; region = next_region) {
        next_region = LIST_NEXT(region, holder_link);
        region_reclaim(region);
    }
    if (!LIST_EMPTY(&holder->regions))
        return;
    pages_free(holder);
    /* A process that lost its lease is told so until it gives it back itself. */
    if (holder->client && holder->revoked && !detaching)
        unlink_lease(holder);
    else
        holder_free(holder);
    if (detaching)
        call_finish(detaching);
}

struct holder *holder_find(struct core_client *client, const char *lease, struct core_error *error)
{
    struct holder *holder, *revoked = NULL;

    TAILQ_FOREACH (holder, &client->holders, client_link) {
        if (strcmp(holder->lease_name, lease) != 0 || holder->detaching)
            continue;
        if (holder->granted && !holder->ending && holder->lease->state == LEASE_ACTIVE)
            return holder;
        if (holder->revoked)
            revoked = holder;
    }
    if (revoked) {
        *error = error_refusal(CORE_REFUSED_LEASE_REVOKED, lease);
        copy_text(error->text, sizeof(error->text), revoked->revoked);
    } else {
        *error = error_refusal(CORE_REFUSED_UNKNOWN_LEASE, lease);
    }
    return NULL;
}

struct function *holder_function(struct holder *holder, const char *name, struct core_error *error)
{
    for (unsigned i = 0; i < holder->lease->part_count; i++) {
        struct function *function = holder->lease->parts[i];
        if (strcmp(function->name, name) != 0)
            continue;
        if (function->handle && !function->suspended)
            return function;
        if (function->suspended) {
            *error = error_refusal(CORE_REFUSED_FUNCTION_RESET, name);
            copy_text(error->text, sizeof(error->text), function->reason);
        } else {
            *error = error_refusal(CORE_REFUSED_FUNCTION_FAILED, name);
            copy_text(error->text, sizeof(error->text), "it is being taken over from an earlier homid");
        }
        return NULL;
    }
    *error = error_refusal(CORE_REFUSED_UNKNOWN_FUNCTION, name);
    return NULL;
}

/* An earlier homid began to give it back: what is left to wait for, or nothing (NULL). */
static struct holder *detaching_before(const struct core_client *client, const char *lease)
{
    struct holder *holder;

    TAILQ_FOREACH (holder, &client->holders, client_link) {
        if (strcmp(holder->lease_name, lease) == 0 && holder->ending && !holder->detaching)
            return holder;
    }
    return NULL;
}

void core_detach(struct core_client *client, const char *lease, core_done done, void *user)
{
    struct core *core = client->core;
    struct holder *holder, *found = NULL;
    struct call *call;

    core_enter(core);
    call = call_new(core, client, CALL_PLAIN, user);
    if (!call) {
        done(user, &error_no_memory);
        core_leave(core);
        return;
    }
    call->done.plain = done;
    TAILQ_FOREACH (holder, &client->holders, client_link) {
        bool held = holder->granted || holder->revoked;
        if (strcmp(holder->lease_name, lease) == 0 && held && !holder->detaching)
            found = holder;
    }
    if (!found && core->caller.begun)
        found = detaching_before(client, lease);
    if (found) {
        caller_begins(core);
        found->detaching = call;
        holder_end(found);
    } else if (core->caller.begun) {
        call_finish(call);
    } else {
        struct core_error error = error_refusal(CORE_REFUSED_UNKNOWN_LEASE, lease);
        call_refuse(call, &error);
    }
    core_leave(core);
}
