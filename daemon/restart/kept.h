/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What outlives homid as a whole: the records (state.h) and the descriptors (fdstore.h), put together for the
 * core and the server.
 *
 * Names in the store: "state", the memfd of the records; "cN", the socket of the connection with record N;
 * "lN", that of the lease's socket with record N; "fN-K", descriptor K (in the backend's order) of the
 * function with record N, or the page of doorbells on function K of its lease of the holder with record N;
 * and the listening sockets "tenant" and "admin", which the service manager hands in as well. Whatever else
 * is there belongs to nobody and is let go before anything is opened, since it may keep a virtual function
 * open.
 *
 * A state that cannot be read is kept aside: nothing is taken out of the store, nothing is put there, and no
 * device is touched, until a homid comes that can read it, or the unit is stopped.
 */
#ifndef HOMI_DAEMON_RESTART_KEPT_H
#define HOMI_DAEMON_RESTART_KEPT_H

#include "daemon/core/core.h"
#include "daemon/log.h"
#include "daemon/restart/fdstore.h"
#include "daemon/restart/state.h"

struct hw_backend;
struct kept;

/* log is borrowed. Returns 0 also where nothing outlives homid or the state cannot be read. */
int kept_new(struct event_base *base, const struct log *log, struct kept **ret_kept);
void kept_free(struct kept *kept); /* NULL-safe; what is in the store stays there */

struct fdstore *kept_store(struct kept *kept);
struct state *kept_state(struct kept *kept);                      /* NULL: nothing outlives homid */
const struct core_archive *kept_archive(const struct kept *kept); /* NULL likewise */
const char *
kept_aside(const struct kept *kept); /* why the state cannot be read; NULL: it can, or there is none */
/* Calls of the core's archive about connections go there. */
void kept_on_begun(struct kept *kept, void (*begun)(void *user, uint32_t connection), void *user);

/*
 * Hands the records to the core and lets go of what nobody took; then calls done, from the event loop. The
 * core's clients are there already.
 */
void kept_restore(struct kept *kept, struct core *core, struct hw_backend *backend, void (*done)(void *user),
                  void *user);
/* All was given back: the next homid begins anew. */
void kept_end(struct kept *kept);

/* How many descriptors may have to be kept, connections and leases' sockets not included. */
unsigned kept_needed(const struct core_config *config);

#endif
