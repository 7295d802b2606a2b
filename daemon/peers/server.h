/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The connections of tenants and operators. The server accepts them within the configured limits and owns
 * them; it never blocks, and no peer can make it wait or grow:
 *
 * - A peer is read one message at a time, and not at all while it has a call under way or an answer unread.
 * - One that does not read its answer for SERVER_WRITE_SECONDS is dropped, a monitor that does not read at
 * once when its queue is full.
 * - A connection over a limit is kept among SERVER_REFUSED_MAX others just long enough to answer its first
 * call with QuotaExceeded; when there are more of these, the oldest is closed unanswered.
 * - One that breaks a rule of io.homi.Protocol gets the error that says so and is closed once its socket took
 * that.
 * - When descriptors run out, accepting pauses until a connection ends or SERVER_PAUSE_SECONDS passed.
 * - The end of the process that connected ends the connection, also when a child of it still holds the
 * socket. So does closing, or shutting down its sending side, while a call is under way.
 */
#ifndef HOMI_DAEMON_PEERS_SERVER_H
#define HOMI_DAEMON_PEERS_SERVER_H

#include "daemon/api/session.h"
#include "daemon/config/config.h"
#include "daemon/log.h"

#define SERVER_WRITE_SECONDS 30
#define SERVER_PAUSE_SECONDS 1
#define SERVER_REFUSED_MAX   32

struct event_base;
struct fdstore;
struct server;
struct state;

struct server_options {
    struct event_base *base;
    struct core *core;
    const struct config *config;
    const struct log *log;
    int listeners[2];    /* by enum api_kind; borrowed, non-blocking */
    struct state *state; /* NULL: nothing outlives homid */
    struct fdstore *store;
};

/* What the options point to must outlive the server (config: until another one takes its place). Returns 0 or
 * a negative errno. */
int server_new(const struct server_options *options, struct server **ret_server);
void server_free(struct server *server); /* NULL-safe; ends every connection */

/*
 * Takes over the connections that an earlier homid had, with the core's clients for them. No call is taken,
 * and nobody new accepted, until server_resume.
 */
void server_restore(struct server *server);
void server_resume(struct server *server);
/* The core knows by now which leases of an earlier homid stand. */
void server_settled(struct server *server);
void server_call_begun(struct server *server, uint32_t connection); /* as core_archive.begun */

void server_event(struct server *server, const struct core_event *event); /* tells those who monitor */
/* Counts a step of a function's life cycle. */
void server_step(struct server *server, const char *operation, bool failed, uint64_t milliseconds);
/* Ends the connection of a client, whose session it is; with kill, the process that connected first. */
void server_expel(struct api_session *session, bool kill);
void server_reconfigure(struct server *server, const struct config *config); /* instead of the one before */
void server_stop(struct server *server); /* accepts nobody any more and ends every connection */
unsigned server_connections(const struct server *server); /* refused ones not included */

#endif
