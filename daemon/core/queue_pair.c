/* SPDX-License-Identifier: BSD-3-Clause */
/* I/O queue pairs: ids and interrupt vectors of a function, and the place in a region that each occupies. */
#include <errno.h>
#include <stdlib.h>

#include "daemon/core/internal.h"

/* NVMe Base 2.0, sections 4.1 and 4.2: the sizes of a submission and a completion queue entry. */
#define SUBMISSION_ENTRY_BYTES 64u
#define COMPLETION_ENTRY_BYTES 16u
#define DOORBELLS_OFFSET       0x1000u /* NVMe over PCIe Transport 1.0, section 3.1.2 */

/* ---- where it lies ---- */

struct span {
    uint64_t first, end;
};

static struct span submission_span(const struct queue_pair *pair)
{
    return (struct span){pair->submission_offset,
                         pair->submission_offset + (uint64_t)pair->entries * SUBMISSION_ENTRY_BYTES};
}

static struct span completion_span(const struct queue_pair *pair)
{
    return (struct span){pair->completion_offset,
                         pair->completion_offset + (uint64_t)pair->entries * COMPLETION_ENTRY_BYTES};
}

static bool overlap(struct span a, struct span b)
{
    return a.first < b.end && b.first < a.end;
}

static bool collides(const struct region *region, struct span span)
{
    const struct queue_pair *other;

    LIST_FOREACH (other, &region->pairs, region_link) {
        if (overlap(span, submission_span(other)) || overlap(span, completion_span(other)))
            return true;
    }
    return false;
}

static bool inside(const struct region *region, int64_t offset, uint64_t bytes, uint32_t page_bytes)
{
    return offset >= 0 && (uint64_t)offset % page_bytes == 0 && bytes <= region->bytes &&
           (uint64_t)offset <= region->bytes - bytes;
}

static bool place(const struct core_queue_request *request, const struct hw_function_info *info,
                  const struct region *region, struct core_error *error)
{
    uint64_t entries = (uint64_t)request->entries;
    struct span submission, completion;

    if (!inside(region, request->submission_offset, entries * SUBMISSION_ENTRY_BYTES, info->page_bytes)) {
        *error = error_refusal(CORE_REFUSED_QUEUE_OUTSIDE_REGION, "submissionOffsetBytes");
        return false;
    }
    submission.first = (uint64_t)request->submission_offset;
    submission.end = submission.first + entries * SUBMISSION_ENTRY_BYTES;
    if (collides(region, submission)) {
        *error = error_refusal(CORE_REFUSED_QUEUE_OUTSIDE_REGION, "submissionOffsetBytes");
        return false;
    }
    completion.first = (uint64_t)request->completion_offset;
    completion.end = completion.first + entries * COMPLETION_ENTRY_BYTES;
    if (!inside(region, request->completion_offset, entries * COMPLETION_ENTRY_BYTES, info->page_bytes) ||
        overlap(submission, completion) || collides(region, completion)) {
        *error = error_refusal(CORE_REFUSED_QUEUE_OUTSIDE_REGION, "completionOffsetBytes");
        return false;
    }
    return true;
}

/* ---- ids and vectors ---- */

static uint16_t free_id(const struct function *function)
{
    for (unsigned id = 1; id <= function->queue_pairs; id++) {
        if (!function->pairs[id])
            return (uint16_t)id;
    }
    return 0;
}

static uint16_t free_vector(const struct function *function)
{
    for (unsigned vector = 1; vector <= function->interrupts; vector++) {
        if (!(function->vectors[vector / 64] & UINT64_C(1) << vector % 64))
            return (uint16_t)vector;
    }
    return 0;
}

static void flip_vector(struct function *function, uint16_t vector)
{
    if (vector)
        function->vectors[vector / 64] ^= UINT64_C(1) << vector % 64;
}

/* ---- life ---- */

static void count(struct queue_pair *pair, bool add)
{
    unsigned one = add ? 1 : -1u;

    pair->function->pair_count += one;
    pair->holder->pair_count += one;
    pair->holder->tenant->queue_pairs += one;
    pair->holder->core->queue_pair_count += one;
    pair->region->pair_count += one;
}

static void lost(const struct queue_pair *pair, struct core_error *error)
{
    *error =
        error_refusal(pair->function->suspended ? CORE_REFUSED_FUNCTION_RESET : CORE_REFUSED_FUNCTION_FAILED,
                      pair->function->name);
    copy_text(error->text, sizeof(error->text), pair->function->reason);
}

void queue_pair_free(struct queue_pair *pair)
{
    struct core_error error;

    if (!pair)
        return;
    if (pair->live)
        event_holder(pair->holder, pair->function, CORE_EVENT_QUEUE_DELETED, "queue pair deleted");
    if (pair->call) {
        lost(pair, &error);
        call_refuse(pair->call, &error);
    }
    record_remove(pair->holder->core, &pair->record);
    pair->holder->core->undo_count -= pair->undo;
    count(pair, false);
    flip_vector(pair->function, pair->vector);
    pair->function->pairs[pair->id] = NULL;
    LIST_REMOVE(pair, holder_link);
    LIST_REMOVE(pair, region_link);
    holder_wake(pair->holder);
    function_wake(pair->function);
    free(pair);
}

static void delete_done(void *user, const struct hw_result *result)
{
    struct queue_pair *pair = user;
    struct function *function = pair->function;
    struct core *core = pair->holder->core;
    struct call *call = pair->call;

    core_enter(core);
    function->pending--;
    pair->call = NULL;
    if (result->error) {
        struct core_error error;
        function_fault(function, result->reason[0] ? result->reason : "a queue pair could not be deleted");
        lost(pair, &error);
        if (call)
            call_refuse(call, &error);
        holder_wake(pair->holder);
    } else {
        queue_pair_free(pair);
        if (call)
            call_finish(call);
    }
    function_wake(function);
    core_leave(core);
}

void queue_pair_reclaim(struct queue_pair *pair)
{
    struct function *function = pair->function;

    /* A controller that was reset has no queues any more: recovery takes their records away. */
    if (!pair->live || pair->deleting || function->failed || function->suspended || !function->handle)
        return;
    pair->deleting = true;
    record_queue_pair(pair);
    function->pending++;
    function->device->core->backend->delete_queue_pair(function->handle, pair->id, delete_done, pair);
}

static void describe(const struct queue_pair *pair, struct core_queue_grant *ret_grant)
{
    const struct hw_backend *backend = pair->holder->core->backend;
    uint32_t stride = pair->function->info.doorbell_stride;
    const struct hw_page *page = pair->holder->pages[pair->function->part];
    struct hw_page_queue at = {.submission = DOORBELLS_OFFSET + 2u * pair->id * stride,
                               .completion = DOORBELLS_OFFSET + (2u * pair->id + 1) * stride};

    if (page)
        backend->page_queue(page, pair->id, &at);
    *ret_grant = (struct core_queue_grant){
        .id = pair->id,
        .submission_doorbell = at.submission,
        .completion_doorbell = at.completion,
        .status = at.status,
        .event_fd = pair->vector ? backend->event_fd(pair->function->handle, pair->vector) : -1,
    };
}

static void answer_pair(const struct queue_pair *pair, struct call *call)
{
    describe(pair, &call->result.queue);
    call_finish(call);
}

static void answer_created(struct queue_pair *pair)
{
    struct call *call = pair->call;

    pair->call = NULL;
    event_holder(pair->holder, pair->function, CORE_EVENT_QUEUE_CREATED, "queue pair created");
    if (pair->holder->ending) {
        struct core_error error = error_refusal(CORE_REFUSED_LEASE_REVOKED, pair->holder->lease_name);
        copy_text(error.text, sizeof(error.text), pair->holder->revoked);
        call_refuse(call, &error);
        return;
    }
    answer_pair(pair, call);
}

static void create_done(void *user, const struct hw_result *result)
{
    struct queue_pair *pair = user;
    struct function *function = pair->function;
    struct core *core = pair->holder->core;

    core_enter(core);
    function->pending--;
    if (!result->error) {
        pair->live = true;
        record_queue_pair(pair);
        answer_created(pair);
    } else {
        struct core_error error = error_result(result, "creating a queue pair");
        if (function->suspended)
            lost(pair, &error);
        call_refuse(pair->call, &error);
        pair->call = NULL;
        if (result->error == -ETIMEDOUT) {
            /* It may still come to be, so it is kept until the controller is closed. */
            pair->deleting = true;
            function_fault(function, error.text);
        } else {
            queue_pair_free(pair);
            pair = NULL;
        }
    }
    if (pair)
        holder_wake(pair->holder);
    function_wake(function);
    core_leave(core);
}

struct queue_pair *queue_pair_make(struct holder *holder, struct function *function, struct region *region,
                                   uint16_t id, uint16_t vector)
{
    struct queue_pair *pair = calloc(1, sizeof(*pair));

    if (!pair)
        return NULL;
    pair->holder = holder;
    pair->function = function;
    pair->region = region;
    pair->id = id;
    pair->vector = vector;
    pair->record = RECORD_NONE;
    function->pairs[id] = pair;
    flip_vector(function, vector);
    LIST_INSERT_HEAD(&holder->pairs, pair, holder_link);
    LIST_INSERT_HEAD(&region->pairs, pair, region_link);
    count(pair, true);
    return pair;
}

static struct queue_pair *queue_pair_new(struct holder *holder, struct function *function,
                                         struct region *region, uint16_t id, uint16_t vector,
                                         const struct core_queue_request *request)
{
    struct queue_pair *pair = queue_pair_make(holder, function, region, id, vector);

    if (!pair)
        return NULL;
    pair->entries = (uint32_t)request->entries;
    pair->submission_offset = (uint64_t)request->submission_offset;
    pair->completion_offset = (uint64_t)request->completion_offset;
    if (record_queue_pair_new(pair) < 0) {
        queue_pair_free(pair);
        return NULL;
    }
    return pair;
}

static void start_create(struct queue_pair *pair)
{
    struct function *function = pair->function;
    struct hw_queue_pair hw;

    hw = (struct hw_queue_pair){
        .id = pair->id,
        .entries = pair->entries,
        .submission_iova = pair->region->iova + pair->submission_offset,
        .completion_iova = pair->region->iova + pair->completion_offset,
        .vector = pair->vector,
        .page = pair->holder->pages[function->part],
    };
    function->pending++;
    function->device->core->backend->create_queue_pair(function->handle, &hw, create_done, pair);
}

/* What its owner wrote ends this queue pair, and nothing else of the owner's. */
void core_queue_ended(void *user, struct hw_function *handle, uint16_t id, const char *reason)
{
    struct function *function = user;
    struct core *core = function->device->core;
    struct queue_pair *pair;

    core_enter(core);
    pair = function->handle == handle && id <= function->queue_pairs ? function->pairs[id] : NULL;
    if (pair && pair->live && !pair->deleting) {
        event_holder(pair->holder, function, CORE_EVENT_QUEUE_FAILED, reason);
        queue_pair_reclaim(pair);
    }
    core_leave(core);
}

/* ---- calls ---- */

static struct queue_pair *reserve(struct holder *holder, const struct core_queue_request *request,
                                  struct core_error *error)
{
    struct function *function = holder_function(holder, request->function, error);
    struct region *region;
    struct queue_pair *pair;
    uint16_t id, vector = 0;

    if (!function)
        return NULL;
    if (request->entries < CORE_QUEUE_ENTRIES_MIN || request->entries > function->info.queue_entries_max) {
        *error = error_refusal(CORE_REFUSED_DEPTH, NULL);
        error->value = request->entries;
        error->minimum = CORE_QUEUE_ENTRIES_MIN;
        error->limit = function->info.queue_entries_max;
        return NULL;
    }
    region = region_find(holder->lease, request->region);
    if (!region || region->holder != holder || !region->live || region->dying) {
        *error = error_refusal(CORE_REFUSED_UNKNOWN_REGION, NULL);
        error->value = request->region;
        return NULL;
    }
    if (!place(request, &function->info, region, error) ||
        quota_exceeded(holder->tenant, CORE_QUOTA_QUEUE_PAIRS, 1, error))
        return NULL;
    id = free_id(function);
    if (!id || function->pair_count >= lease_queue_pairs(holder->lease, function)) {
        *error = error_refusal(CORE_REFUSED_NO_QUEUE_PAIR_FREE, function->name);
        error->limit = lease_queue_pairs(holder->lease, function);
        return NULL;
    }
    if (request->interrupt && !(vector = free_vector(function))) {
        *error = error_refusal(CORE_REFUSED_NO_INTERRUPT_FREE, function->name);
        error->limit = function->interrupts;
        return NULL;
    }
    if (quota_too_fast(holder->tenant, core_now(holder->core), error))
        return NULL;
    pair = queue_pair_new(holder, function, region, id, vector, request);
    if (!pair)
        *error = error_no_memory;
    return pair;
}

/* The pair that this very call made when an earlier homid carried it out. */
static struct queue_pair *created_before(const struct holder *holder)
{
    struct queue_pair *pair;

    LIST_FOREACH (pair, &holder->pairs, holder_link) {
        if (holder->core->caller.resumed && pair->serial == holder->core->caller.serial && !pair->undo)
            return pair;
    }
    return NULL;
}

void core_create_queue_pair(struct core_client *client, const struct core_queue_request *request,
                            core_queue_done done, void *user)
{
    struct core *core = client->core;
    struct core_error error = {0};
    struct queue_pair *pair = NULL, *before;
    struct holder *holder;
    struct call *call;

    core_enter(core);
    call = call_new(core, client, CALL_QUEUE, user);
    if (!call) {
        done(user, &error_no_memory, NULL);
        core_leave(core);
        return;
    }
    call->done.queue = done;
    holder = holder_find(client, request->lease, &error);
    before = holder ? created_before(holder) : NULL;
    if (holder && !before)
        pair = reserve(holder, request, &error);
    if (before) {
        answer_pair(before, call);
    } else if (pair) {
        pair->call = call;
        start_create(pair);
    } else {
        call_refuse(call, &error);
    }
    core_leave(core);
}

/* An earlier homid began it: whether that is all there is to it. */
static bool resume_delete(struct queue_pair *pair, const struct holder *holder, struct call *call)
{
    if (pair && pair->holder == holder) {
        if (!pair->deleting || pair->call)
            return false;
        pair->call = call;
    } else {
        call_finish(call);
    }
    return true;
}

void core_delete_queue_pair(struct core_client *client, const char *lease, const char *name, int64_t id,
                            core_done done, void *user)
{
    struct core *core = client->core;
    struct core_error error = {0};
    struct queue_pair *pair = NULL;
    struct function *function;
    struct holder *holder;
    struct call *call;

    core_enter(core);
    call = call_new(core, client, CALL_PLAIN, user);
    if (!call) {
        done(user, &error_no_memory);
        core_leave(core);
        return;
    }
    call->done.plain = done;
    holder = holder_find(client, lease, &error);
    function = holder ? holder_function(holder, name, &error) : NULL;
    if (function) {
        if (id >= 1 && id <= function->queue_pairs)
            pair = function->pairs[id];
        if (core->caller.begun && resume_delete(pair, holder, call)) {
            core_leave(core);
            return;
        }
        if (!pair || pair->holder != holder || !pair->live || pair->deleting) {
            error = error_refusal(CORE_REFUSED_UNKNOWN_QUEUE_PAIR, NULL);
            error.value = id;
        }
    }
    if (error.code) {
        call_refuse(call, &error);
    } else {
        caller_begins(core);
        pair->call = call;
        queue_pair_reclaim(pair);
    }
    core_leave(core);
}
