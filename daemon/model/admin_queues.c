/* SPDX-License-Identifier: BSD-3-Clause */
/* Create and Delete I/O Submission and Completion Queue (NVMe Base 2.0, sections 5.4 to 5.7). */
#include <stdlib.h>

#include "daemon/model/device.h"
#include "daemon/model/rules.h"
#include "daemon/model/world.h"

enum { CONTIGUOUS = 1, INTERRUPTS_ENABLED = 2 };

/* What both Create commands have in common. */
struct creation_rules {
    enum rule size_min, size_max, size, taken, contiguous, aligned;
};

static uint16_t check_new(const struct admin_call *call, const struct creation_rules *rules, bool present,
                          uint16_t *ret_id, uint32_t *ret_entries)
{
    uint32_t dword10 = le32toh(call->command->dword10), most = call->device->spec->queue_entries_max;
    uint32_t entries = (dword10 >> 16) + 1;

    if ((entries < 2 && rule(rules->size_min)) || (entries > most && rule(rules->size_max)) ||
        (entries == most && !rule(rules->size)))
        return SPECIFIC(QUEUE_SIZE);
    if (present && rule(rules->taken))
        return SPECIFIC(QID_INVALID);
    if (!(le32toh(call->command->dword11) & CONTIGUOUS) && rule(rules->contiguous))
        return GENERIC(INVALID_FIELD); /* CAP.CQR is 1 */
    if (le64toh(call->command->prp1) % PAGE_BYTES && rule(rules->aligned))
        return GENERIC(PRP_INVALID_OFFSET);
    *ret_id = (uint16_t)dword10;
    *ret_entries = entries;
    return 0;
}

/* The PF's I/O queues are the kernel's business; they are not modelled. */
static bool id_valid(const struct function *function, uint32_t id)
{
    return function && id != 0 && id < function->queue_count;
}

/* Whether an I/O completion queue has that vector already. */
static bool vector_used(const struct function *function, uint32_t vector)
{
    for (unsigned i = 1; i < function->queue_count; i++) {
        if (function->completion[i].present && function->completion[i].vector == vector)
            return true;
    }
    return false;
}

/* What is the matter with the vector of a completion queue that has interrupts. */
static bool vector_valid(const struct function *function, uint32_t vector)
{
    if (vector >= function->vector_count)
        return !rule(RULE_CQ_VECTOR);
    if (vector == 0)
        return rule(RULE_SHARED_ADMIN_VECTOR);
    return rule(RULE_SHARED_VECTOR) || !vector_used(function, vector);
}

uint16_t admin_create_completion(struct admin_call *call)
{
    static const struct creation_rules rules = {RULE_CQ_SIZE_MIN, RULE_CQ_SIZE_MAX,   RULE_CQ_SIZE,
                                                RULE_CQ_TAKEN,    RULE_CQ_CONTIGUOUS, RULE_CQ_ALIGNED};
    struct function *function = call->function;
    uint32_t id = le32toh(call->command->dword10) & 0xffff, dword11 = le32toh(call->command->dword11);
    uint32_t entries, vector = dword11 >> 16;
    uint16_t checked;

    if (!id_valid(function, id))
        return rule(id ? RULE_CQ_BEYOND : RULE_CQ_ZERO) ? SPECIFIC(QID_INVALID) : 0;
    uint16_t status = check_new(call, &rules, function->completion[id].present, &checked, &entries);
    if (status)
        return status;
    if (dword11 & INTERRUPTS_ENABLED && !vector_valid(function, vector))
        return SPECIFIC(INVALID_VECTOR);
    completion_open(function, checked, le64toh(call->command->prp1), entries);
    function->completion[id].interrupts = dword11 & INTERRUPTS_ENABLED || !rule(RULE_POLLED);
    function->completion[id].vector = rule(RULE_INTERRUPT) || vector == 0 ? (uint16_t)vector : 1;
    function->queues_created = true;
    return 0;
}

uint16_t admin_create_submission(struct admin_call *call)
{
    static const struct creation_rules rules = {RULE_SQ_SIZE_MIN, RULE_SQ_SIZE_MAX,   RULE_SQ_SIZE,
                                                RULE_SQ_TAKEN,    RULE_SQ_CONTIGUOUS, RULE_SQ_ALIGNED};
    struct function *function = call->function;
    uint32_t id = le32toh(call->command->dword10) & 0xffff;
    uint32_t completion = le32toh(call->command->dword11) >> 16, entries;
    uint16_t checked;

    if (!id_valid(function, id))
        return rule(id ? RULE_SQ_BEYOND : RULE_SQ_ZERO) ? SPECIFIC(QID_INVALID) : 0;
    if (!id_valid(function, completion))
        return rule(completion ? RULE_SQ_CQ_BEYOND : RULE_SQ_CQ_ZERO) ? SPECIFIC(QID_INVALID) : 0;
    if (!function->completion[completion].present)
        return rule(RULE_SQ_CQ_ABSENT) ? SPECIFIC(CQ_INVALID) : 0;
    if (function->completion[completion].users && !rule(RULE_SHARED_CQ))
        return SPECIFIC(CQ_INVALID);
    uint16_t status = check_new(call, &rules, function->submission[id].present, &checked, &entries);
    if (status)
        return status;
    submission_open(function, checked, le64toh(call->command->prp1), entries, (uint16_t)completion);
    return 0;
}

/* Section 5.7: what is in flight is aborted, and its completions are posted first as far as there is room. */
static void abort_deferred(struct function *function, struct submission_queue *queue)
{
    struct deferred *deferred = TAILQ_FIRST(&function->deferred), *next;

    for (; deferred; deferred = next) {
        next = TAILQ_NEXT(deferred, link);
        if (deferred->queue != queue->id)
            continue;
        if (completion_room(function, queue->completion_id))
            completion_post(function, queue, deferred->cid, STATUS_ABORTED_SQ_DELETION, 0);
        TAILQ_REMOVE(&function->deferred, deferred, link);
        free(deferred);
        function->deferred_count--;
    }
}

uint16_t admin_delete_submission(struct admin_call *call)
{
    struct function *function = call->function;
    uint32_t id = le32toh(call->command->dword10) & 0xffff;

    if (!id_valid(function, id) || !function->submission[id].present)
        return rule(id ? RULE_DELETE_SQ : RULE_DELETE_SQ_ZERO) ? SPECIFIC(QID_INVALID) : 0;
    abort_deferred(function, &function->submission[id]);
    if (rule(RULE_DELETED_SERVED))
        submission_close(function, (uint16_t)id);
    return 0;
}

uint16_t admin_delete_completion(struct admin_call *call)
{
    struct function *function = call->function;
    uint32_t id = le32toh(call->command->dword10) & 0xffff;

    if (!id_valid(function, id) || !function->completion[id].present)
        return rule(id ? RULE_DELETE_CQ : RULE_DELETE_CQ_ZERO) ? SPECIFIC(QID_INVALID) : 0;
    if (function->completion[id].users)
        return rule(RULE_DELETE_CQ_USED) ? SPECIFIC(INVALID_QUEUE) : 0;
    completion_close(function, (uint16_t)id);
    return 0;
}
