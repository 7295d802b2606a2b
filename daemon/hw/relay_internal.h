/* SPDX-License-Identifier: BSD-3-Clause */
/* What the two files of the relay's client share: relay.c keeps what shall be, relay_link.c has it be so. */
#ifndef HOMI_DAEMON_HW_RELAY_INTERNAL_H
#define HOMI_DAEMON_HW_RELAY_INTERNAL_H

#include <sys/queue.h>
#include <sys/types.h>

#include "daemon/hw/doorbells.h"
#include "daemon/hw/relay.h"
#include "daemon/relay_wire.h"

struct hw_page {
    LIST_ENTRY(hw_page) link;
    struct relay_port *port;
    int fd;
    uint8_t *view;
    uint64_t key; /* the memfd's inode */
    bool sent;    /* on the connection that stands */
};

struct relay_queue {
    struct hw_page *page; /* NULL: not forwarded */
    uint32_t entries;
    bool sent;
    bool doubtful; /* only to be taken away */
};

struct relay_port {
    TAILQ_ENTRY(relay_port) link;
    struct relay_link *owner;
    struct relay_target target;
    void (*ended)(void *user, uint16_t id, const char *reason);
    void *user;
    LIST_HEAD(, hw_page) pages;
    struct relay_queue *queues; /* by id */
    bool sent, suspended;
};

/* Something that the relay shall have let go of. */
struct relay_removal {
    TAILQ_ENTRY(relay_removal) link;
    struct relay_port *port; /* that cares; NULL: nobody */
    struct relay_message message;
    uint64_t deadline; /* monotonic, milliseconds */
    bool sent, killed /* the relay, for not answering */;
    relay_done done; /* NULL: nobody waits */
    void *user;
};

TAILQ_HEAD(relay_port_list, relay_port);
TAILQ_HEAD(relay_removal_list, relay_removal);

/* Its tenant sees a queue pair that failed. */
void relay_queue_fail(struct relay_port *port, uint16_t id);

/* Sends what has not been sent, now or soon. */
void relay_link_pump(struct relay_link *link);
struct relay_port_list *relay_link_ports(struct relay_link *link);
/* Queues a message that takes something away; done as relay_queue_remove. */
void relay_link_remove(struct relay_link *link, struct relay_port *port, const struct relay_message *message,
                       relay_done done, void *user);
struct relay_removal_list *relay_link_removals(struct relay_link *link);

#endif
