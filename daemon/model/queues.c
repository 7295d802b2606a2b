/* SPDX-License-Identifier: BSD-3-Clause */
/* Submission and completion queues: fetching entries, posting entries, doorbells (section 3.3). */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/model/device.h"
#include "daemon/model/rules.h"
#include "daemon/model/world.h"

enum {
    DOORBELLS = 0x1000, /* NVMe over PCIe 1.0, section 3.1.2 */
    EVENT_ERROR = 0,
    EVENT_INVALID_DOORBELL_REGISTER = 0,
    EVENT_INVALID_DOORBELL_VALUE = 1,
    LOG_ERRORS = 1,
};

bool queues_new(struct function *function, unsigned count)
{
    function->queue_count = count;
    function->submission = calloc(count, sizeof(*function->submission));
    function->completion = calloc(count, sizeof(*function->completion));
    function->active = calloc(count, sizeof(*function->active));
    TAILQ_INIT(&function->deferred);
    return function->submission && function->completion && function->active;
}

void queues_free(struct function *function)
{
    free(function->submission);
    free(function->completion);
    free(function->active);
    function->submission = NULL;
    function->completion = NULL;
    function->active = NULL;
    function->queue_count = function->active_count = 0;
}

volatile uint32_t *queue_doorbell(const struct function *function, uint16_t id, bool completion)
{
    size_t index = 2 * (size_t)id + completion;

    return (volatile uint32_t *)(function->bar + DOORBELLS + (index << function->doorbell_shift));
}

/* No fault is counted here: a queue without memory is found out when it is used. */
static void *find_whole(struct function *function, uint64_t iova, uint64_t bytes, unsigned access)
{
    uint64_t faults = function->iommu.faults;
    void *host = iommu_translate(&function->iommu, iova, bytes, access);

    function->iommu.faults = faults;
    return host;
}

void queues_resolve(struct function *function)
{
    for (unsigned id = 0; id < function->queue_count; id++) {
        struct submission_queue *submission = &function->submission[id];
        struct completion_queue *completion = &function->completion[id];
        if (submission->present)
            submission->host = find_whole(function, submission->iova,
                                          submission->entries * sizeof(struct nvme_command), IOMMU_READ);
        if (completion->present)
            completion->host =
                find_whole(function, completion->iova, completion->entries * UINT64_C(16), IOMMU_WRITE);
    }
}

void submission_open(struct function *function, uint16_t id, uint64_t iova, uint32_t entries,
                     uint16_t completion_id)
{
    function->submission[id] = (struct submission_queue){
        .present = true, .id = id, .completion_id = completion_id, .entries = entries, .iova = iova};
    function->completion[completion_id].users++;
    *queue_doorbell(function, id, false) = 0;
    if (id != 0)
        function->active[function->active_count++] = id;
    queues_resolve(function);
}

void submission_close(struct function *function, uint16_t id)
{
    struct submission_queue *queue = &function->submission[id];

    if (!queue->present)
        return;
    queue->present = false;
    *queue_doorbell(function, id, false) = 0;
    function->completion[queue->completion_id].users--;
    for (unsigned i = 0; i < function->active_count; i++) {
        if (function->active[i] == id)
            function->active[i--] = function->active[--function->active_count];
    }
}

void completion_open(struct function *function, uint16_t id, uint64_t iova, uint32_t entries)
{
    function->completion[id] =
        (struct completion_queue){.present = true, .phase = true, .entries = entries, .iova = iova};
    if (!rule(RULE_QUEUE_FRESH))
        function->completion[id].tail = entries > 2;
    *queue_doorbell(function, id, true) = 0;
    queues_resolve(function);
}

void completion_close(struct function *function, uint16_t id)
{
    function->completion[id].present = false;
    *queue_doorbell(function, id, true) = 0;
}

void doorbells_look(struct function *function)
{
    for (unsigned id = 1; id < function->queue_count; id++) {
        for (int completion = 0; completion < 2; completion++) {
            volatile uint32_t *doorbell = queue_doorbell(function, (uint16_t)id, completion);
            bool present = completion ? function->completion[id].present : function->submission[id].present;
            if (present || *doorbell == 0)
                continue;
            *doorbell = 0;
            if (rule(RULE_DOORBELL_REGISTER))
                event_raise(function, EVENT_ERROR, EVENT_INVALID_DOORBELL_REGISTER, LOG_ERRORS);
        }
    }
}

/* Takes a value back that was refused; not the next one, which the host may write at any moment. */
static void doorbell_take_back(volatile uint32_t *doorbell, uint32_t refused, uint32_t last)
{
    uint32_t expected = htole32(refused);

    __atomic_compare_exchange_n(doorbell, &expected, htole32(last), false, __ATOMIC_RELAXED,
                                __ATOMIC_RELAXED);
}

uint32_t completion_room(struct function *function, uint16_t id)
{
    struct completion_queue *queue = &function->completion[id];
    uint32_t used =
        queue->tail >= queue->head ? queue->tail - queue->head : queue->tail + queue->entries - queue->head;
    uint32_t head = le32toh(*queue_doorbell(function, id, true));

    if (!rule(RULE_OVERRUN))
        return queue->entries;
    if (queue->entries == 2 && !rule(RULE_TWO_ENTRIES))
        return 0;
    if (head == queue->head)
        return queue->entries - 1 - used;
    /* The host may only take what was posted (section 5.2, Invalid Doorbell Write Value). */
    uint32_t taken = head >= queue->head ? head - queue->head : head + queue->entries - queue->head;
    if (head >= queue->entries || taken > used) {
        doorbell_take_back(queue_doorbell(function, id, true), head, queue->head);
        if (rule(head >= queue->entries ? RULE_DOORBELL_HEAD_RANGE : RULE_DOORBELL_HEAD))
            event_raise(function, EVENT_ERROR, EVENT_INVALID_DOORBELL_VALUE, LOG_ERRORS);
        return queue->entries - 1 - used;
    }
    queue->head = head;
    return queue->entries - 1 - used + taken;
}

bool submission_pending(struct function *function, struct submission_queue *queue)
{
    volatile uint32_t *doorbell = queue_doorbell(function, queue->id, false);
    uint32_t tail = le32toh(*doorbell);

    if (tail == queue->tail)
        return queue->tail != queue->head;
    if (tail >= queue->entries) {
        doorbell_take_back(doorbell, tail, queue->tail);
        if (!rule(RULE_DOORBELL_IGNORED))
            controller_fail(function, "a tail doorbell is out of range");
        if (rule(RULE_DOORBELL_TAIL))
            event_raise(function, EVENT_ERROR, EVENT_INVALID_DOORBELL_VALUE, LOG_ERRORS);
        return queue->tail != queue->head;
    }
    queue->tail = tail;
    /* What the host wrote before the doorbell is seen after it. */
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    return queue->tail != queue->head;
}

bool submission_fetch(struct function *function, struct submission_queue *queue,
                      struct nvme_command *ret_command)
{
    const struct nvme_command *entry = queue->host ? &queue->host[queue->head] : NULL;

    if (!entry)
        entry = iommu_translate(&function->iommu, queue->iova + queue->head * sizeof(*entry), sizeof(*entry),
                                IOMMU_READ);
    if (!entry) {
        controller_fail(function, "a submission queue lies outside its memory");
        return false;
    }
    memcpy(ret_command, entry, sizeof(*ret_command));
    queue->head = queue->head + 1 == queue->entries ? 0 : queue->head + 1;
    return true;
}

void completion_post(struct function *function, const struct submission_queue *submission, uint16_t cid,
                     uint16_t status, uint32_t value)
{
    struct completion_queue *queue = &function->completion[submission->completion_id];
    uint64_t *entry = queue->host ? &queue->host[2 * (size_t)queue->tail] : NULL;

    if (!entry)
        entry = iommu_translate(&function->iommu, queue->iova + queue->tail * UINT64_C(16), 16, IOMMU_WRITE);
    if (!entry) {
        controller_fail(function, "a completion queue lies outside its memory");
        return;
    }
    uint16_t head = rule(RULE_HEAD) ? (uint16_t)submission->head : 0;
    uint16_t from = rule(RULE_SQID) ? submission->id : 0;
    cid = rule(RULE_CID) ? cid : (uint16_t)(cid ^ 1);
    entry[0] = htole64(value);
    /* Phase and identifier arrive together with what is before them, and last. */
    __atomic_store_n(&entry[1],
                     htole64((uint64_t)head | (uint64_t)from << 16 | (uint64_t)cid << 32 |
                             (uint64_t)queue->phase << 48 | (uint64_t)status << 49),
                     __ATOMIC_RELEASE);
    if (++queue->tail == queue->entries) {
        queue->tail = 0;
        queue->phase = !queue->phase || !rule(RULE_PHASE);
    }
    function->errors += status != 0;
}

void completion_signal(struct function *function, uint16_t id)
{
    const struct completion_queue *queue = &function->completion[id];
    const uint64_t one = 1;

    if (!queue->interrupts || queue->vector >= function->vector_count)
        return;
    /* A counter at its limit signals all the same. */
    if (write(function->vectors[queue->vector], &one, sizeof(one)) < 0)
        return;
}

void completion_defer(struct function *function, const struct submission_queue *queue, uint16_t cid,
                      uint16_t status, uint32_t value, uint64_t due)
{
    struct deferred *deferred = calloc(1, sizeof(*deferred));

    if (!deferred) {
        completion_post(function, queue, cid, status, value);
        return;
    }
    *deferred =
        (struct deferred){.due = due, .queue = queue->id, .cid = cid, .status = status, .value = value};
    TAILQ_INSERT_TAIL(&function->deferred, deferred, link);
    function->deferred_count++;
}

void completions_due(struct function *function, uint64_t now)
{
    struct deferred *deferred = TAILQ_FIRST(&function->deferred), *next;

    for (; deferred; deferred = next) {
        next = TAILQ_NEXT(deferred, link);
        const struct submission_queue *queue = &function->submission[deferred->queue];
        if (deferred->due > now || (queue->present && completion_room(function, queue->completion_id) == 0))
            continue;
        if (queue->present) {
            completion_post(function, queue, deferred->cid, deferred->status, deferred->value);
            completion_signal(function, queue->completion_id);
        }
        TAILQ_REMOVE(&function->deferred, deferred, link);
        free(deferred);
        function->deferred_count--;
    }
}
