/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/hw/admin_queue.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

enum {
    SLOTS = ADMIN_COMMANDS_MAX + ADMIN_EVENTS_MAX,
    OPCODE_ASYNC_EVENT = 0x0c,
    PAGE = 4096,
};
_Static_assert(SLOTS < ADMIN_ENTRIES, "one entry of the queues stays empty");

/* NVMe Base 2.0, figure 86. */
struct submission_entry {
    uint8_t opcode, flags;
    uint16_t cid;
    uint32_t nsid, dword2, dword3;
    uint64_t mptr, prp1, prp2;
    uint32_t dword10, dword11, dword12, dword13, dword14, dword15;
};
_Static_assert(sizeof(struct submission_entry) == 64, "section 3.3.3.1");

/* Section 3.3.3.2; the last dword holds the command identifier, phase and status. */
struct completion_entry {
    uint32_t value, reserved;
    uint16_t submission_head, submission_id;
    uint32_t tail;
};
_Static_assert(sizeof(struct completion_entry) == 16, "section 3.3.3.2");

struct slot {
    bool in_flight;
    uint8_t generation; /* tells a late or forged completion from that of the command in flight */
    bool data;
    admin_done done; /* NULL: an event request, or nobody waits any more */
    void *user;
};

struct waiting {
    STAILQ_ENTRY(waiting) link;
    struct admin_command command;
    admin_done done;
    void *user;
};

struct admin_queue {
    struct admin_listener listener;
    struct submission_entry *submission;
    const struct completion_entry *completions;
    const uint8_t *data; /* a page per slot of a command */
    uint64_t data_iova;
    uint16_t tail, head;
    bool phase, failed;
    unsigned events; /* requests outstanding */
    struct slot slots[SLOTS];
    STAILQ_HEAD(, waiting) waiting;
    uint8_t copy[ADMIN_DATA_BYTES];
};

int admin_queue_new(const struct admin_memory *memory, const struct admin_listener *listener,
                    struct admin_queue **ret_queue)
{
    struct admin_queue *queue = calloc(1, sizeof(*queue));

    if (!queue)
        return -ENOMEM;
    memset(memory->submission, 0, ADMIN_SUBMISSION_BYTES);
    memset(memory->written, 0, ADMIN_WRITTEN_BYTES);
    queue->listener = *listener;
    queue->submission = memory->submission;
    queue->completions = memory->written;
    queue->data = (const uint8_t *)memory->written + PAGE;
    queue->data_iova = memory->written_iova + PAGE;
    queue->phase = true;
    STAILQ_INIT(&queue->waiting);
    *ret_queue = queue;
    return 0;
}

void admin_queue_free(struct admin_queue *queue)
{
    struct waiting *waiting;

    if (!queue)
        return;
    while ((waiting = STAILQ_FIRST(&queue->waiting))) {
        STAILQ_REMOVE_HEAD(&queue->waiting, link);
        free(waiting);
    }
    free(queue);
}

/* Commands use the slots that have a data page, event requests the others. -1: all are in flight. */
static int free_slot(const struct admin_queue *queue, bool event)
{
    int first = event ? ADMIN_COMMANDS_MAX : 0, end = event ? SLOTS : ADMIN_COMMANDS_MAX;

    for (int i = first; i < end; i++) {
        if (!queue->slots[i].in_flight)
            return i;
    }
    return -1;
}

static void issue(struct admin_queue *queue, int index, const struct admin_command *command, admin_done done,
                  void *user)
{
    struct slot *slot = &queue->slots[index];
    uint64_t page = queue->data_iova + (uint64_t)index * ADMIN_DATA_BYTES;

    *slot = (struct slot){.in_flight = true,
                          .generation = (uint8_t)(slot->generation + 1),
                          .data = command->data,
                          .done = done,
                          .user = user};
    if (command->data)
        memset((uint8_t *)queue->data + (size_t)index * ADMIN_DATA_BYTES, 0, ADMIN_DATA_BYTES);
    queue->submission[queue->tail] = (struct submission_entry){
        .opcode = command->opcode,
        .cid = htole16((uint16_t)(slot->generation << 8 | index)),
        .nsid = htole32(command->namespace_id),
        .prp1 = htole64(command->data ? page : command->prp1),
        .dword10 = htole32(command->dword10),
        .dword11 = htole32(command->dword11),
    };
    queue->tail = (uint16_t)((queue->tail + 1) % ADMIN_ENTRIES);
    /* The entry must be in memory before the doorbell tells of it. */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    queue->listener.ring_submission(queue->listener.user, queue->tail);
}

int admin_queue_submit(struct admin_queue *queue, const struct admin_command *command, admin_done done,
                       void *user)
{
    if (queue->failed)
        return -EIO;
    int index = STAILQ_EMPTY(&queue->waiting) ? free_slot(queue, false) : -1;
    if (index >= 0) {
        issue(queue, index, command, done, user);
        return 0;
    }
    struct waiting *waiting = calloc(1, sizeof(*waiting));
    if (!waiting)
        return -ENOMEM;
    *waiting = (struct waiting){.command = *command, .done = done, .user = user};
    STAILQ_INSERT_TAIL(&queue->waiting, waiting, link);
    return 0;
}

static void submit_waiting(struct admin_queue *queue)
{
    struct waiting *waiting;
    int index;

    while (!queue->failed && (waiting = STAILQ_FIRST(&queue->waiting)) &&
           (index = free_slot(queue, false)) >= 0) {
        STAILQ_REMOVE_HEAD(&queue->waiting, link);
        issue(queue, index, &waiting->command, waiting->done, waiting->user);
        free(waiting);
    }
}

void admin_queue_forget(struct admin_queue *queue, const void *user)
{
    struct waiting *waiting = STAILQ_FIRST(&queue->waiting);

    for (int i = 0; i < SLOTS; i++) {
        if (queue->slots[i].user == user)
            queue->slots[i].done = NULL;
    }
    while (waiting) {
        struct waiting *next = STAILQ_NEXT(waiting, link);
        if (waiting->user == user) {
            STAILQ_REMOVE(&queue->waiting, waiting, waiting, link);
            free(waiting);
        }
        waiting = next;
    }
}

void admin_queue_post_events(struct admin_queue *queue, unsigned count)
{
    const struct admin_command request = {.opcode = OPCODE_ASYNC_EVENT};
    int index;

    while (!queue->failed && queue->events < count && (index = free_slot(queue, true)) >= 0) {
        queue->events++;
        issue(queue, index, &request, NULL, NULL);
    }
}

static void fail(struct admin_queue *queue, const char *reason)
{
    queue->failed = true;
    queue->listener.failed(queue->listener.user, reason);
}

/* One entry, copied out of shared memory. true: it was handed to whom it belongs. */
static bool complete(struct admin_queue *queue, const struct completion_entry *entry, uint32_t tail)
{
    unsigned index = tail & 0xff, generation = tail >> 8 & 0xff;
    struct admin_completion completion = {.status = (uint16_t)(tail >> 17 & 0x7ff),
                                          .value = le32toh(entry->value)};

    if (index >= SLOTS || !queue->slots[index].in_flight || queue->slots[index].generation != generation) {
        fail(queue, "the admin queue completed a command that is not in flight");
        return false;
    }
    if (entry->submission_id != 0 || le16toh(entry->submission_head) >= ADMIN_ENTRIES) {
        fail(queue, "the admin queue has a completion of another queue");
        return false;
    }
    struct slot *slot = &queue->slots[index];
    admin_done done = slot->done;
    slot->in_flight = false;
    if (index >= ADMIN_COMMANDS_MAX) {
        queue->events--;
        if (completion.status == 0)
            queue->listener.event(queue->listener.user, completion.value);
        return true;
    }
    completion.error = completion.status ? -EIO : 0;
    if (slot->data && done) {
        memcpy(queue->copy, queue->data + index * ADMIN_DATA_BYTES, ADMIN_DATA_BYTES);
        completion.data = queue->copy;
    }
    if (done)
        done(slot->user, &completion);
    return true;
}

void admin_queue_process(struct admin_queue *queue)
{
    unsigned taken = 0;

    /* The bound keeps a device that forges completions from holding the event loop. */
    while (!queue->failed && taken < ADMIN_ENTRIES) {
        const struct completion_entry *shared = &queue->completions[queue->head];
        uint32_t tail = le32toh(__atomic_load_n(&shared->tail, __ATOMIC_ACQUIRE));
        if ((tail >> 16 & 1) != queue->phase)
            break;
        struct completion_entry entry;
        memcpy(&entry, shared, sizeof(entry));
        queue->head = (uint16_t)((queue->head + 1) % ADMIN_ENTRIES);
        queue->phase ^= queue->head == 0;
        taken++;
        if (!complete(queue, &entry, tail))
            return;
    }
    if (taken && !queue->failed) {
        queue->listener.ring_completion(queue->listener.user, queue->head);
        submit_waiting(queue);
    }
}

void admin_queue_fail(struct admin_queue *queue, int error)
{
    const struct admin_completion completion = {.error = error};
    struct waiting *waiting;

    queue->failed = true;
    for (int i = 0; i < SLOTS; i++) {
        struct slot *slot = &queue->slots[i];
        admin_done done = slot->in_flight ? slot->done : NULL;
        slot->done = NULL;
        if (done)
            done(slot->user, &completion);
    }
    while ((waiting = STAILQ_FIRST(&queue->waiting))) {
        STAILQ_REMOVE_HEAD(&queue->waiting, link);
        waiting->done(waiting->user, &completion);
        free(waiting);
    }
}

unsigned admin_queue_pending(const struct admin_queue *queue)
{
    const struct waiting *waiting;
    unsigned count = 0;

    for (int i = 0; i < ADMIN_COMMANDS_MAX; i++)
        count += queue->slots[i].in_flight && queue->slots[i].done;
    STAILQ_FOREACH (waiting, &queue->waiting, link)
        count++;
    return count;
}
