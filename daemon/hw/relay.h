/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * homid's end of the doorbell relay: what the relay shall hold, and that it does. A port is a function's part
 * of that, with the ledger and the pages of doorbells, which homid makes; so a relay that died is told all of
 * it again, and goes on from the ledger.
 *
 * Adding needs no answer: a tenant may ring before the relay knows its page. Taking away does: a queue pair
 * is deleted, and a VF reset, only when the relay will not touch it again. A relay that does not answer in
 * time is killed.
 *
 * Ownership: the caller owns ports and pages, a port its pages. Threads: the event loop's.
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

/* Finds a relay that is there already, so that it drops what the last homid left; one is started when it is
 * needed and none listens. config is copied, with what it points to. */
int relay_link_new(struct event_base *base, const struct hw_relay_config *config,
                   struct relay_link **ret_link);
void relay_link_free(struct relay_link *link); /* NULL-safe; after its ports */

/* What it takes to reach a function's doorbells. */
struct relay_target {
    char address[HW_ADDRESS_BYTES];
    int device_fd, reader_fd; /* borrowed, as long as the port lives; reader_fd -1: its reader never sleeps */
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
/* Its tenants see a controller that failed. */
void relay_port_fail(struct relay_port *port);

int relay_page_new(struct relay_port *port, struct hw_page **ret_page);
void relay_page_free(struct hw_page *page); /* NULL-safe; its queue pairs are gone */
void relay_page_info(const struct hw_page *page, struct hw_page_info *ret_info);
void relay_page_queue(const struct hw_page *page, uint16_t id, struct hw_page_queue *ret_queue);

/* Clears the queue pair's doorbells: before the controller makes it. */
void relay_queue_prepare(struct hw_page *page, uint16_t id);
void relay_queue_add(struct hw_page *page, uint16_t id, uint32_t entries);
bool relay_queue_there(const struct relay_port *port, uint16_t id);
/* Calls done when the relay will not forward it again, perhaps before it returns. */
void relay_queue_remove(struct relay_port *port, uint16_t id, relay_done done, void *user);
/* The user of a removal is going: it is not called back. */
void relay_cancel(struct relay_port *port, const void *user);

#endif
