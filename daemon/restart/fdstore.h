/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The service manager's file descriptor store: what is put there under a name comes back to the next homid,
 * however this one ends (sd_notify(3), FDSTORE=1). It also hands in the listening sockets.
 *
 * Every descriptor has a name of its own, of FDSTORE_NAME_MAX characters at most: LISTEN_FDNAMES is one
 * string of at most 128 KiB. They are stored with FDPOLL=0, since a socket whose peer hung up would be
 * dropped otherwise, and with it the knowledge that somebody has to be cleaned up after.
 *
 * $FDSTORE says how many descriptors are kept (homid.service sets it; systemd does since 254). Without it, or
 * without a service manager, nothing survives and everything here succeeds without an effect.
 *
 * Messages go to the service manager at once and in order. It reads them before it looks at the end of the
 * process that sent them, so what was sent by a process that was killed then counts.
 *
 * Ownership: the store owns what was handed in until it is taken; what is put in is borrowed (the service
 * manager gets its own). Threads: the event loop's.
 */
#ifndef HOMI_DAEMON_RESTART_FDSTORE_H
#define HOMI_DAEMON_RESTART_FDSTORE_H

#include <stdbool.h>

#define FDSTORE_NAME_MAX 11
#define FDSTORE_MAX      (120 * 1024 / (FDSTORE_NAME_MAX + 1)) /* descriptors whose names fit in any case */

struct event_base;
struct fdstore;

/* Takes what was handed in, and the environment that says so. base: for barriers; may be set later. */
int fdstore_new(struct event_base *base, struct fdstore **ret_store);
void fdstore_free(struct fdstore *store); /* NULL-safe; closes what nobody took */

/* How many descriptors are kept, FDSTORE_MAX at most; 0: nothing survives. */
unsigned fdstore_limit(const struct fdstore *store);

/* The descriptor that was handed in under this name; the caller's from now on. -ENOENT: there is none. */
int fdstore_take(struct fdstore *store, const char *name);
/* Gives it back to the store, as if it had not been taken. */
void fdstore_untake(struct fdstore *store, const char *name, int fd);
/* A name among those handed in and not taken, or NULL. Valid until the next call for the store. */
const char *fdstore_left(const struct fdstore *store);

/* name: letters and digits. Failures are for the log only: what is not kept ends with this homid. */
int fdstore_put(struct fdstore *store, int fd, const char *name);
int fdstore_remove(struct fdstore *store, const char *name);
/*
 * Calls done once the service manager has acted on everything sent before: what was removed is closed there.
 * Never from within this call. Without a store that comes at once.
 */
int fdstore_barrier(struct fdstore *store, void (*done)(void *user), void *user);

#endif
