/* SPDX-License-Identifier: BSD-3-Clause */
/* Create and Delete I/O Submission and Completion Queue (NVMe Base 2.0, sections 5.4 to 5.7). */
#include <stdlib.h>

#include "daemon/model/device.h"
#include "daemon/model/world.h"

enum { CONTIGUOUS = 1, INTERRUPTS_ENABLED = 2 };

/* What both Create commands have in common. */
static uint16_t check_new(const struct admin_call *call, bool present, uint16_t *ret_id,
                          uint32_t *ret_entries)
{
    uint32_t dword10 = le32toh(call->command->dword10);
    uint32_t entries = (dword10 >> 16) + 1;

    if (entries < 2 || entries > call->device->spec->queue_entries_max)
        return SPECIFIC(QUEUE_SIZE);
    if (present)
        return SPECIFIC(QID_INVALID);
    if (!(le32toh(call->command->dword11) & CONTIGUOUS))
        return GENERIC(INVALID_FIELD); /* CAP.CQR is 1 */
    if (le64toh(call->command->prp1) % PAGE_BYTES)
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

uint16_t admin_create_completion(struct admin_call *call)
{
    struct function *function = call->function;
    uint32_t id = le32toh(call->command->dword10) & 0xffff, dword11 = le32toh(call->command->dword11);
    uint32_t entries, vector = dword11 >> 16;
    uint16_t checked;

    if (!id_valid(function, id))
        return SPECIFIC(QID_INVALID);
    uint16_t status = check_new(call, function->completion[id].present, &checked, &entries);
    if (status)
        return status;
    if (dword11 & INTERRUPTS_ENABLED && vector >= function->vector_count)
        return SPECIFIC(INVALID_VECTOR);
    completion_open(function, checked, le64toh(call->command->prp1), entries);
    function->completion[id].interrupts = dword11 & INTERRUPTS_ENABLED;
    function->completion[id].vector = (uint16_t)vector;
    function->queues_created = true;
    return 0;
}

uint16_t admin_create_submission(struct admin_call *call)
{
    struct function *function = call->function;
    uint32_t id = le32toh(call->command->dword10) & 0xffff;
    uint32_t completion = le32toh(call->command->dword11) >> 16, entries;
    uint16_t checked;

    if (!id_valid(function, id))
        return SPECIFIC(QID_INVALID);
    if (!id_valid(function, completion))
        return SPECIFIC(QID_INVALID);
    if (!function->completion[completion].present)
        return SPECIFIC(CQ_INVALID);
    uint16_t status = check_new(call, function->submission[id].present, &checked, &entries);
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
        return SPECIFIC(QID_INVALID);
    abort_deferred(function, &function->submission[id]);
    submission_close(function, (uint16_t)id);
    return 0;
}

uint16_t admin_delete_completion(struct admin_call *call)
{
    struct function *function = call->function;
    uint32_t id = le32toh(call->command->dword10) & 0xffff;

    if (!id_valid(function, id) || !function->completion[id].present)
        return SPECIFIC(QID_INVALID);
    if (function->completion[id].users)
        return SPECIFIC(INVALID_QUEUE);
    function->completion[id].present = false;
    return 0;
}
