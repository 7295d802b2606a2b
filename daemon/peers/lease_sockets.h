/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sockets of leases: whoever can connect to a lease's socket may have that lease and no other, whatever user
 * it is. They are made for one lease each, to be mounted into a container.
 *
 * They are "NAME.sock" in the folder "lease" beside the tenants' socket. The folder is homid's alone (0700),
 * so on the host nobody else gets to them; the sockets themselves are open to everybody (0666), since inside
 * of a container the folder does not stand before them and users have any numbers.
 *
 * A socket goes with its lease: it is closed and its name removed, and a mount of it refuses connections from
 * then on. It outlives homid: a record (state.h) says whose it is, and the descriptor is kept as "lN" of
 * record N (fdstore.h).
 *
 * Ownership: descriptors, records and files are the module's. Threads: the event loop's.
 */
#ifndef HOMI_DAEMON_PEERS_LEASE_SOCKETS_H
#define HOMI_DAEMON_PEERS_LEASE_SOCKETS_H

#include <stdbool.h>

#include "daemon/core/core.h"
#include "daemon/log.h"

#define LEASE_SOCKET_RECORD 65 /* the kind of its record, among those of the core and of connections */

struct event_base;
struct fdstore;
struct lease_sockets;
struct state;

struct lease_sockets_options {
    struct event_base *base;
    const struct log *log;
    const char *tenant_socket; /* its path */
    const unsigned *limit;     /* how many leases may have one */
    struct state *state;       /* NULL: nothing outlives homid */
    struct fdstore *store;
    /* Somebody wants to connect: accept from the (non-blocking) listener. */
    void (*readable)(void *user, int listener, const char *lease);
    void *user;
};

/* What the options point to must outlive it. Returns 0 or a negative errno. */
int lease_sockets_new(const struct lease_sockets_options *options, struct lease_sockets **ret_sockets);
void lease_sockets_free(struct lease_sockets *sockets); /* NULL-safe; removes them all */

/*
 * Makes the lease's socket, unless it has one. 0 and its path, valid as long as the socket; -EDQUOT: there
 * are so many as may be; or another negative errno.
 */
int lease_sockets_add(struct lease_sockets *sockets, const char *lease, const char **ret_path);
const char *lease_sockets_path(const struct lease_sockets *sockets,
                               const char *lease); /* NULL: it has none */
void lease_sockets_remove(struct lease_sockets *sockets, const char *lease);
/* Whether connections are taken, also by those made later. At first they are. */
void lease_sockets_accept(struct lease_sockets *sockets, bool accept);

/* Takes over those of an earlier homid. */
void lease_sockets_restore(struct lease_sockets *sockets);
/* From now on so many leases may have one; borrowed. */
void lease_sockets_limit(struct lease_sockets *sockets, const unsigned *limit);
/* The core knows by now which leases stand: the others' sockets go, and files that are nobody's. */
void lease_sockets_settle(struct lease_sockets *sockets, struct core *core);

#endif
