/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the relay holds: functions (a mapping of the doorbells in BAR 0, and the ledger), each with the pages
 * of the processes that drive it and their queue pairs. Here the doorbells are forwarded.
 *
 * A queue pair belongs to one page: what another page says about its id is never read. A value that is out of
 * range ends that queue pair and nothing else.
 *
 * Threads: a function is its worker's while the worker runs. The controlling thread changes it only between
 * worker_stop() and worker_go().
 */
#ifndef HOMI_DAEMON_RELAY_RELAYED_H
#define HOMI_DAEMON_RELAY_RELAYED_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "daemon/hw/doorbells.h"
#include "daemon/relay_wire.h"

struct worker;
struct relayed;

struct page {
    LIST_ENTRY(page) link;
    uint64_t key;
    uint8_t *view;
    uint64_t bytes;
    bool named; /* since the last RELAY_HELLO */
};

struct queue {
    struct page *page; /* NULL: not there */
    struct doorbells_line *line;
    struct doorbells_ledger *ledger;
    volatile uint32_t *submission, *completion; /* the controller's doorbells */
    uint32_t entries, last_submission, last_completion;
    bool named, told; /* homid knows that it has ended */
};

enum wakefulness { ASLEEP, AWAKE };

struct relayed {
    LIST_ENTRY(relayed) link;    /* of the relay */
    TAILQ_ENTRY(relayed) worked; /* of its worker, by wakefulness */
    struct worker *worker;
    char address[RELAY_ADDRESS_BYTES];
    dev_t device_number;
    ino_t inode, ledger_inode;
    bool named;
    uint8_t *bar; /* from the first doorbell on */
    uint64_t bar_bytes;
    uint32_t stride;
    uint8_t *ledger;
    uint64_t ledger_bytes;
    volatile uint32_t *reader_asleep; /* of what reads the doorbells; NULL: it never sleeps */
    int reader_fd, wake_fd;
    uint16_t pairs;
    struct queue *queues; /* by id, 0 unused */
    uint16_t *active;     /* ids of those that are forwarded */
    unsigned active_count;
    LIST_HEAD(, page) pages;
    enum wakefulness wakefulness;
    bool busy; /* something was forwarded since the worker looked last */
    uint64_t busy_at;
};

/* Maps what came with RELAY_FUNCTION; the descriptors become the function's, also when it fails. */
int relayed_new(const struct relay_message *message, int *fds, size_t fd_count,
                struct relayed **ret_function);
void relayed_free(struct relayed *function); /* NULL-safe */
/* Whether a RELAY_FUNCTION tells of the very same one. */
bool relayed_same(const struct relayed *function, const struct relay_message *message, const int *fds,
                  size_t fd_count);

/* The memfd is borrowed. 0, or a negative errno. */
int relayed_add_page(struct relayed *function, uint64_t key, int memfd);
struct page *relayed_page(const struct relayed *function, uint64_t key); /* NULL: there is none */
void relayed_drop_page(struct relayed *function, struct page *page);
/* -ENOENT: no such page; -EINVAL: no such queue pair can be; -EBUSY: it is another page's. */
int relayed_add_queue(struct relayed *function, uint64_t page, uint16_t id, uint32_t entries);
void relayed_drop_queue(struct relayed *function, uint16_t id);
/* Whether the queue pair was ended for what its owner wrote, and homid, which named it, has not been told. */
bool relayed_ended(const struct relayed *function, uint16_t id);

void relayed_forget_names(struct relayed *function);
void relayed_drop_unnamed(struct relayed *function);

/* Writes the wake word of every page. */
void relayed_say_asleep(struct relayed *function, bool asleep);
/* Looks at every queue pair once. Whether anything was forwarded. */
bool relayed_forward(struct relayed *function);
/* Puts zeroes where an access to one of its mappings failed. Async-signal-safe. */
bool relayed_mend(const struct relayed *function, const void *address);

#endif
