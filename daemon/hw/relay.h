/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * homid's end of the doorbell relay: what the relay shall hold, and that it does. A port is a function's part
 * of that, with the ledger and the pages of doorbells, which homid makes; so a relay that died is told all of
 * it again, and goes on from the ledger.
 *
 * What there shall be is homid's to say, what was forwarded the ledger's: the relay knows nothing that is not
 * in one of them. So each of the two may die, or both. A homid that takes over tells the relay what it has
 * taken over; a relay that lives finds it as it was and touches nothing. What it is not told of when all was
 * taken over, it drops.
 *
 * Adding needs no answer: a tenant may ring before the relay knows its page. Taking away does: a queue pair
 * is deleted, and a VF reset, only when the relay will not touch it again. A relay that does not answer in
 * time is killed.
 *
 * Ownership: the caller owns ledgers, ports and pages, a port its pages. Threads: the event loop's.
 */
#ifndef HOMI_DAEMON_HW_RELAY_H
#define HOMI_DAEMON_HW_RELAY_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/hw/backend.h"

struct event_base;
struct relay_link;
struct relay_port;

/* error: 0, or -ETIMEDOUT when the relay neither answered nor could be killed. */
typedef void (*relay_done)(void *user, int error);

/* Finds a relay that is there already; one is started when it is needed and none listens. config is copied,
 * with what it points to. */
int relay_link_new(struct event_base *base, const struct hw_relay_config *config,
                   struct relay_link **ret_link);
void relay_link_free(struct relay_link *link); /* NULL-safe; after its ports */
/* All that an earlier homid left has been taken over, as far as it will be: the relay drops the rest. */
void relay_link_settled(struct relay_link *link);

/* What was forwarded of a function, and what wakes the relay: made when it is opened, and kept with it. */
struct relay_ledger {
    int fd, wake_fd; /* a memfd of daemon/hw/doorbells.h, an eventfd; -1: there is none */
    uint8_t *view;
    uint16_t pairs;
};
#define RELAY_LEDGER_NONE ((struct relay_ledger){.fd = -1, .wake_fd = -1})

int relay_ledger_new(uint16_t pairs, struct relay_ledger *ret_ledger);
/* Takes the descriptors on success. -EPROTO: they are of another function. */
int relay_ledger_adopt(int fd, int wake_fd, uint16_t pairs, struct relay_ledger *ret_ledger);
void relay_ledger_free(struct relay_ledger *ledger); /* what is there; it is RELAY_LEDGER_NONE then */

/* What it takes to reach a function's doorbells. */
struct relay_target {
    char address[HW_ADDRESS_BYTES];
    int device_fd, reader_fd; /* borrowed, as long as the port lives; reader_fd -1: its reader never sleeps */
    const struct relay_ledger *ledger; /* likewise */
    uint64_t bar_offset, reader_wake_offset;
    uint32_t doorbell_stride;
    uint16_t pairs;
};

/* ended(user, ...): the relay ended a queue pair for what its owner wrote. */
int relay_port_new(struct relay_link *link, const struct relay_target *target,
                   void (*ended)(void *user, uint16_t id, const char *reason), void *user,
                   struct relay_port **ret_port);
/* At once, and without knowing when the relay follows; calls back nothing any more. NULL-safe. */
void relay_port_free(struct relay_port *port);
/* Has the relay let go of the function, then frees the port and calls done, perhaps before it returns. */
void relay_port_close(struct relay_port *port, relay_done done, void *user);
/* The same for a function without a port, of which the relay may hold what an earlier homid told it. */
void relay_function_close(struct relay_link *link, const char *address, relay_done done, void *user);
/* Its tenants see a controller that failed. */
void relay_port_fail(struct relay_port *port);
/*
 * The function is to be reset: its queue pairs are no more, and the relay lets go of it; then done is called,
 * perhaps before this returns (NULL: nobody waits). Pages stay, and it may be said again.
 */
void relay_port_suspend(struct relay_port *port, relay_done done, void *user);
void relay_port_resume(struct relay_port *port); /* the relay gets it back, with its pages */

int relay_page_new(struct relay_port *port, struct hw_page **ret_page);
/* One that an earlier homid made: nothing in it is changed. Takes fd on success; -EPROTO: it is no such page.
 */
int relay_page_adopt(struct relay_port *port, int fd, struct hw_page **ret_page);
void relay_page_free(struct hw_page *page); /* NULL-safe; its queue pairs are gone */
void relay_page_info(const struct hw_page *page, struct hw_page_info *ret_info);
void relay_page_queue(const struct hw_page *page, uint16_t id, struct hw_page_queue *ret_queue);

/* Clears the queue pair's doorbells: before the controller makes it. */
void relay_queue_prepare(struct hw_page *page, uint16_t id);
void relay_queue_add(struct hw_page *page, uint16_t id, uint32_t entries);
/* The relay may forward it for an earlier homid: it is not told to, but has to let go of it. page: NULL when
 * it is lost. */
void relay_queue_doubt(struct relay_port *port, struct hw_page *page, uint16_t id);
bool relay_queue_there(const struct relay_port *port, uint16_t id);
/* Calls done when the relay will not forward it again, perhaps before it returns. */
void relay_queue_remove(struct relay_port *port, uint16_t id, relay_done done, void *user);
/* The user of a removal is going: it is not called back. */
void relay_cancel(struct relay_port *port, const void *user);

#endif
