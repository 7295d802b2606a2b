/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/hw/admin_queue.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "daemon/crash.h"

enum {
    SLOTS = ADMIN_COMMANDS_MAX + ADMIN_EVENTS_MAX,
    OPCODE_ASYNC_EVENT = 0x0c,
    PAGE = 4096,
    RING_MAGIC = 0x31474e52,
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

/*
 * A place for a command in flight. sequence tells whether the controller was told of it (it is below
 * ring.submitted then), completed whether its completion was taken (it is not 0 and not above ring.taken).
 */
struct ring_slot {
    uint64_t sequence, completed;
    uint32_t in_flight;
    uint32_t
        generation; /* modulo 256; tells a late or forged completion from that of the command in flight */
};

struct ring {
    uint64_t magic;
    uint64_t submitted, taken; /* entries since the controller was enabled */
    uint64_t acknowledged;     /* of those taken, so many as the controller was told of by its doorbell */
    struct ring_slot slots[SLOTS];
};
_Static_assert(sizeof(struct ring) <= ADMIN_RING_BYTES, "room for it");

struct waiter {
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
    struct ring *ring;
    bool failed;
    unsigned events; /* requests outstanding */
    struct waiter waiters[SLOTS];
    STAILQ_HEAD(, waiting) waiting;
    uint8_t copy[ADMIN_DATA_BYTES];
};

static int queue_new(const struct admin_memory *memory, const struct admin_listener *listener,
                     struct admin_queue **ret_queue)
{
    struct admin_queue *queue = calloc(1, sizeof(*queue));

    if (!queue)
        return -ENOMEM;
    queue->listener = *listener;
    queue->ring = memory->ring;
    queue->submission = memory->submission;
    queue->completions = memory->written;
    queue->data = (const uint8_t *)memory->written + PAGE;
    queue->data_iova = memory->written_iova + PAGE;
    STAILQ_INIT(&queue->waiting);
    *ret_queue = queue;
    return 0;
}

int admin_queue_new(const struct admin_memory *memory, const struct admin_listener *listener,
                    struct admin_queue **ret_queue)
{
    int r = queue_new(memory, listener, ret_queue);

    if (r < 0)
        return r;
    memset(memory->submission, 0, ADMIN_SUBMISSION_BYTES);
    memset(memory->written, 0, ADMIN_WRITTEN_BYTES);
    *(struct ring *)memory->ring = (struct ring){.magic = RING_MAGIC};
    return 0;
}

static void acknowledge(struct admin_queue *queue);

/* What the process that ended was about to do with a slot. */
static void settle_slot(const struct ring *ring, struct ring_slot *slot)
{
    bool told = slot->sequence < ring->submitted;
    bool taken = slot->completed != 0 && slot->completed <= ring->taken;

    if (!told || taken)
        slot->in_flight = 0;
    slot->completed = 0;
}

int admin_queue_adopt(const struct admin_memory *memory, const struct admin_listener *listener,
                      struct admin_queue **ret_queue)
{
    struct ring *ring = memory->ring;
    struct admin_queue *queue;

    if (ring->magic != RING_MAGIC)
        return -EPROTO;
    int r = queue_new(memory, listener, &queue);
    if (r < 0)
        return r;
    for (int i = 0; i < SLOTS; i++) {
        if (ring->slots[i].in_flight)
            settle_slot(ring, &ring->slots[i]);
        queue->events += i >= ADMIN_COMMANDS_MAX && ring->slots[i].in_flight;
    }
    *ret_queue = queue;
    /* Else a queue that is full of what was taken would stay so. */
    if (ring->acknowledged != ring->taken)
        acknowledge(queue);
    return 0;
}

bool admin_queue_claim(struct admin_queue *queue, admin_done done, void *user)
{
    for (int i = 0; i < ADMIN_COMMANDS_MAX; i++) {
        if (!queue->ring->slots[i].in_flight || queue->waiters[i].done)
            continue;
        queue->waiters[i] = (struct waiter){.done = done, .user = user};
        return true;
    }
    return false;
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
        if (!queue->ring->slots[i].in_flight)
            return i;
    }
    return -1;
}

/* Puts a command into the queue, of which the controller is told by ring_submission(). */
static void place(struct admin_queue *queue, int index, const struct admin_command *command, admin_done done,
                  void *user)
{
    struct ring *ring = queue->ring;
    struct ring_slot *slot = &ring->slots[index];
    uint64_t page = queue->data_iova + (uint64_t)index * ADMIN_DATA_BYTES;

    queue->waiters[index] = (struct waiter){.data = command->data, .done = done, .user = user};
    slot->generation = (slot->generation + 1) & 0xff;
    slot->sequence = ring->submitted;
    slot->completed = 0;
    __atomic_store_n(&slot->in_flight, 1, __ATOMIC_SEQ_CST);
    crash_here();
    if (command->data)
        memset((uint8_t *)(uintptr_t)queue->data + (size_t)index * ADMIN_DATA_BYTES, 0, ADMIN_DATA_BYTES);
    queue->submission[ring->submitted % ADMIN_ENTRIES] = (struct submission_entry){
        .opcode = command->opcode,
        .cid = htole16((uint16_t)(slot->generation << 8 | (unsigned)index)),
        .nsid = htole32(command->namespace_id),
        .prp1 = htole64(command->data ? page : command->prp1),
        .dword10 = htole32(command->dword10),
        .dword11 = htole32(command->dword11),
    };
    /* The entry must be in memory before the doorbell tells of it. */
    __atomic_store_n(&ring->submitted, ring->submitted + 1, __ATOMIC_SEQ_CST);
    crash_here();
}

static void ring_submission(struct admin_queue *queue)
{
    uint16_t tail = (uint16_t)(queue->ring->submitted % ADMIN_ENTRIES);

    queue->listener.ring_submission(queue->listener.user, tail);
    crash_here();
}

static void issue(struct admin_queue *queue, int index, const struct admin_command *command, admin_done done,
                  void *user)
{
    place(queue, index, command, done, user);
    ring_submission(queue);
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
        if (queue->waiters[i].user == user)
            queue->waiters[i].done = NULL;
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
    unsigned placed = 0;
    int index;

    while (!queue->failed && queue->events < count && (index = free_slot(queue, true)) >= 0) {
        queue->events++;
        placed++;
        place(queue, index, &request, NULL, NULL);
    }
    if (placed)
        ring_submission(queue);
}

static void fail(struct admin_queue *queue, const char *reason)
{
    queue->failed = true;
    queue->listener.failed(queue->listener.user, reason);
}

/* The slot that a completion, copied out of shared memory, is for; -1: the queue has failed. */
static int find_slot(struct admin_queue *queue, const struct completion_entry *entry, uint32_t tail)
{
    unsigned index = tail & 0xff, generation = tail >> 8 & 0xff;
    const struct ring_slot *slot = index < SLOTS ? &queue->ring->slots[index] : NULL;

    if (!slot || !slot->in_flight || slot->generation != generation) {
        fail(queue, "the admin queue completed a command that is not in flight");
        return -1;
    }
    if (entry->submission_id != 0 || le16toh(entry->submission_head) >= ADMIN_ENTRIES) {
        fail(queue, "the admin queue has a completion of another queue");
        return -1;
    }
    return (int)index;
}

/* From here on the completion was taken, whatever becomes of this process. */
static void take(struct ring *ring, struct ring_slot *slot)
{
    slot->completed = ring->taken + 1;
    crash_here();
    __atomic_store_n(&ring->taken, ring->taken + 1, __ATOMIC_SEQ_CST);
    crash_here();
    __atomic_store_n(&slot->in_flight, 0, __ATOMIC_SEQ_CST);
}

static void tell(struct admin_queue *queue, int index, const struct completion_entry *entry, uint32_t tail)
{
    struct waiter *waiter = &queue->waiters[index];
    struct admin_completion completion = {.status = (uint16_t)(tail >> 17 & 0x7ff),
                                          .value = le32toh(entry->value)};

    if (index >= ADMIN_COMMANDS_MAX) {
        queue->events--;
        if (completion.status == 0)
            queue->listener.event(queue->listener.user, completion.value);
        return;
    }
    admin_done done = waiter->done;
    waiter->done = NULL;
    if (!done)
        return;
    completion.error = completion.status ? -EIO : 0;
    if (waiter->data) {
        memcpy(queue->copy, queue->data + (size_t)index * ADMIN_DATA_BYTES, ADMIN_DATA_BYTES);
        completion.data = queue->copy;
    }
    done(waiter->user, &completion);
}

static void acknowledge(struct admin_queue *queue)
{
    struct ring *ring = queue->ring;

    crash_here();
    queue->listener.ring_completion(queue->listener.user, (uint16_t)(ring->taken % ADMIN_ENTRIES));
    crash_here();
    __atomic_store_n(&ring->acknowledged, ring->taken, __ATOMIC_SEQ_CST);
}

void admin_queue_process(struct admin_queue *queue)
{
    struct ring *ring = queue->ring;
    unsigned taken = 0;

    /* The bound keeps a device that forges completions from holding the event loop. */
    while (!queue->failed && taken < ADMIN_ENTRIES) {
        const struct completion_entry *shared = &queue->completions[ring->taken % ADMIN_ENTRIES];
        uint32_t tail = le32toh(__atomic_load_n(&shared->tail, __ATOMIC_ACQUIRE));
        /* The phase is 1 on the first way round, then 0, and so on. */
        if ((tail >> 16 & 1) == (ring->taken / ADMIN_ENTRIES & 1))
            break;
        struct completion_entry entry;
        memcpy(&entry, shared, sizeof(entry));
        int index = find_slot(queue, &entry, tail);
        if (index < 0)
            return;
        take(ring, &ring->slots[index]);
        taken++;
        tell(queue, index, &entry, tail);
    }
    if (taken && !queue->failed) {
        acknowledge(queue);
        submit_waiting(queue);
    }
}

void admin_queue_fail(struct admin_queue *queue, int error)
{
    const struct admin_completion completion = {.error = error};
    struct waiting *waiting;

    queue->failed = true;
    for (int i = 0; i < SLOTS; i++) {
        struct waiter *waiter = &queue->waiters[i];
        admin_done done = queue->ring->slots[i].in_flight ? waiter->done : NULL;
        waiter->done = NULL;
        if (done)
            done(waiter->user, &completion);
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
        count += queue->ring->slots[i].in_flight && queue->waiters[i].done;
    STAILQ_FOREACH (waiting, &queue->waiting, link)
        count++;
    return count;
}
