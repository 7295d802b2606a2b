/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The driver of a controller's admin queue pair, for whatever lies behind it: it builds submission queue
 * entries, matches completions and keeps Asynchronous Event Requests posted. It makes no system call and
 * knows no time.
 *
 * The memory of the queues is shared with a device that a tenant may steer, so ring state lives elsewhere,
 * the submission queue is written and never read, and whatever is read is checked: a completion that matches
 * no command in flight fails the whole queue, and data is copied before it is looked at.
 *
 * Ring state outlives the process that works on it. It is changed word by word in an order that the next one
 * can go on from, wherever this one is killed: which commands the controller has, and which completions were
 * taken.
 *
 * Ownership: the queue borrows its memory. Threads: one.
 */
#ifndef HOMI_DAEMON_HW_ADMIN_QUEUE_H
#define HOMI_DAEMON_HW_ADMIN_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ADMIN_ENTRIES          32 /* of both queues */
#define ADMIN_COMMANDS_MAX     16 /* in flight; more wait their turn */
#define ADMIN_EVENTS_MAX       4  /* Asynchronous Event Requests */
#define ADMIN_DATA_BYTES       4096
#define ADMIN_SUBMISSION_BYTES 4096 /* memory that the controller only reads: the submission queue */
/* Memory that the controller writes: the completion queue, then a page of data per command. */
#define ADMIN_WRITTEN_BYTES (4096 + ADMIN_COMMANDS_MAX * ADMIN_DATA_BYTES)
#define ADMIN_RING_BYTES    2048 /* memory for the ring state, never within the controller's reach */

struct admin_queue;

/* The members of a submission queue entry that homid sets (NVMe Base 2.0, section 3.3.3.1). */
struct admin_command {
    uint8_t opcode;
    uint32_t namespace_id;
    uint32_t dword10, dword11;
    uint64_t prp1; /* of the queue to be created; ignored when data is set */
    bool data;     /* the controller returns up to ADMIN_DATA_BYTES */
};

/* A completed command. error: 0, -EIO with the NVMe status, or what admin_queue_fail was given. */
struct admin_completion {
    int error;
    uint16_t status; /* SCT and SC, without phase, CRD, M and DNR */
    uint32_t value;  /* DW0 */
    const uint8_t
        *data; /* a private copy of ADMIN_DATA_BYTES; NULL unless asked for; valid in the callback */
};

typedef void (*admin_done)(void *user, const struct admin_completion *completion);

struct admin_listener {
    void (*ring_submission)(void *user, uint16_t tail); /* writes the doorbell */
    void (*ring_completion)(void *user, uint16_t head);
    void (*event)(void *user, uint32_t value); /* an asynchronous event: DW0. Its request is free again */
    void (*failed)(void *user, const char *reason);
    void *user;
};

struct admin_memory {
    void *submission;                       /* ADMIN_SUBMISSION_BYTES */
    void *written;                          /* ADMIN_WRITTEN_BYTES */
    void *ring;                             /* ADMIN_RING_BYTES, aligned to 8 */
    uint64_t submission_iova, written_iova; /* aligned to 4 KiB */
};

/* 0 or -ENOMEM. The memory is zeroed. */
int admin_queue_new(const struct admin_memory *memory, const struct admin_listener *listener,
                    struct admin_queue **ret_queue);
/*
 * The same for a queue that another process worked on until it ended, somehow. Submit a command afterwards:
 * the doorbell may not have been rung for the last one. The memory is kept; -EPROTO: it holds no ring state.
 */
int admin_queue_adopt(const struct admin_memory *memory, const struct admin_listener *listener,
                      struct admin_queue **ret_queue);
/* Whether a command of that other process is in flight, whose completion goes to this callback then. */
bool admin_queue_claim(struct admin_queue *queue, admin_done done, void *user);
/* Commands in flight end without a callback. NULL-safe. */
void admin_queue_free(struct admin_queue *queue);

/*
 * Submits, or queues when too many are in flight. done is called once, from admin_queue_process or
 * admin_queue_fail. -ENOMEM, or -EIO once the queue has failed, and no callback.
 */
int admin_queue_submit(struct admin_queue *queue, const struct admin_command *command, admin_done done,
                       void *user);
/*
 * The caller's timer expired: the callback of `user` is not called any more. A command that the controller
 * has keeps its place until its completion comes.
 */
void admin_queue_forget(struct admin_queue *queue, const void *user);
/* Posts Asynchronous Event Requests until `count` are outstanding. */
void admin_queue_post_events(struct admin_queue *queue, unsigned count);
/* Takes what the controller has completed. The listener's failed is called when it makes no sense. */
void admin_queue_process(struct admin_queue *queue);
/* Ends every command with `error`; nothing can be submitted any more. */
void admin_queue_fail(struct admin_queue *queue, int error);
/* Commands that somebody waits for, events not included. */
unsigned admin_queue_pending(const struct admin_queue *queue);

#endif
