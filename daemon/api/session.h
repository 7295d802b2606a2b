/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the two interfaces need of a connection. The server owns the session together with its socket; the
 * files of this folder decode a call, hand it to the core and answer it, at once or later. One call of a
 * session is under way at a time.
 */
#ifndef HOMI_DAEMON_API_SESSION_H
#define HOMI_DAEMON_API_SESSION_H

#include <stdbool.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "daemon/core/core.h"
#include "proto/connection.h"
#include "proto/service.h"

struct api_call;
struct api_list;
struct api_replay;
struct events;
struct metrics;
struct monitor;

LIST_HEAD(api_replays, api_replay);

#define API_REPLAY_BUCKETS 256

enum api_kind { API_TENANT, API_ADMIN };

/* Shared by all sessions; the server owns it. */
struct api_context {
    struct core *core;
    const struct core_config *config;
    const char *container_directory, *container_library;
    /* Makes a lease's socket, unless it has one; -EDQUOT: there are *lease_sockets_max. */
    int (*add_lease_socket)(void *user, const char *lease, const char **ret_path);
    const char *(*lease_socket_path)(void *user, const char *lease); /* NULL: it has none */
    const unsigned *lease_sockets_max;
    void *user;
    struct varlink_service *services[2]; /* by enum api_kind */
    struct events *events;
    struct metrics *metrics;
    uint64_t began; /* monotonic, microseconds: the call that is being dispatched */
    struct api_replays replays[API_REPLAY_BUCKETS]; /* those with descriptors of a lease, by its name */
    uint64_t started;                               /* monotonic, milliseconds */
};

struct api_session {
    struct api_context *context;
    struct varlink_connection *connection;
    void (*wake)(struct api_session *session); /* something was queued, or failure was set */
    /*
     * A call that changes something begins, with this requestId (NULL: none): tells the core who calls. NULL:
     * nothing outlives homid. A negative errno ends the connection.
     */
    int (*begins)(struct api_session *session, const char *request_id);
    struct core_client *client; /* of a tenant's socket */
    struct api_call *call;      /* under way */
    struct api_replay *replay;  /* the last answer to a call with a request id */
    struct monitor *monitor;
    struct api_list *list; /* on its way out */
    char *metrics_text;    /* what GetMetrics is being read from */
    pid_t pid;
    uid_t uid;
    int failure;                  /* negative errno: the connection is to be closed */
    uint32_t waited_milliseconds; /* by the call under way, with an earlier homid */
    uint8_t kind;
    bool operator; /* may call io.homi.Admin */
};

/* Makes the services of both sockets and registers their methods. Returns 0 or a negative errno. */
int api_context_init(struct api_context *context);
void api_context_clear(struct api_context *context);

/* Handles one call; the message is only borrowed. Returns 0 or a negative errno that ends the connection. */
int api_session_dispatch(struct api_session *session, struct varlink_message *message);
/* The connection ended: forgets its call, its answers, and gives back what its client holds. */
void api_session_close(struct api_session *session);

/* Drops the answers kept for a lease that ends: they hold descriptors of its functions. */
void api_forget_lease(struct api_context *context, const char *lease);

#endif
