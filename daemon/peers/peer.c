/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/peers/peer.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/api/list.h"
#include "daemon/crash.h"
#include "daemon/peers/identity.h"
#include "daemon/peers/peer_kept.h"
#include "daemon/peers/server.h"
#include "daemon/restart/state.h"
#include "proto/transport.h"

/* What a connection is watched for: calls and its end, or its end alone. */
enum { INTEREST_CALLS = EV_READ | EV_PERSIST, INTEREST_END = EV_CLOSED | EV_PERSIST };

static void on_event(evutil_socket_t fd, short what, void *user);

/* Listens for `interest` from now on. A peer that is written to must read within the time-out. */
static int want(struct peer *peer, short interest)
{
    static const struct timeval patience = {.tv_sec = SERVER_WRITE_SECONDS};
    if (peer->interest == interest)
        return 0;
    event_del(peer->event);
    if (event_assign(peer->event, peer->shared->base, peer->fd, interest, on_event, peer) < 0 ||
        event_add(peer->event, interest & EV_WRITE ? &patience : NULL) < 0)
        return -ENOMEM;
    peer->interest = interest;
    return 0;
}

/* The core learns of a tenant's process with its first call: most of the idle ones never make one. */
static int introduce(struct peer *peer)
{
    struct api_session *session = &peer->session;
    struct core_peer credentials;
    gid_t *groups = NULL;
    if (session->kind != API_TENANT || session->client)
        return 0;
    int r = peer_credentials(peer->fd, &credentials);
    if (r == 0)
        r = peer_groups(peer->fd, &groups, &credentials.group_count);
    credentials.groups = groups;
    credentials.connection = peer_connection(peer);
    credentials.lease = peer->account->lease[0] ? peer->account->lease : NULL;
    if (r == 0)
        r = core_client_new(session->context->core, &credentials, session, &session->client);
    free(groups);
    return r;
}

static int refuse(struct peer *peer)
{
    char error[64];
    json_object *parameters = json_object_new_object();
    snprintf(error, sizeof error, "io.homi.%s.%s", peer->session.kind == API_ADMIN ? "Admin" : "Tenant",
             peer->limit ? "QuotaExceeded" : "CallerUnknown");
    if (peer->limit) {
        json_object_object_add(parameters, "quota", json_object_new_string("connections"));
        json_object_object_add(parameters, "limit", json_object_new_int64(peer->limit));
        json_object_object_add(parameters, "used", json_object_new_int64(peer->limit));
    } else {
        const struct core_peer caller = {.pid = peer->session.pid, .uid = peer->session.uid};
        const char *unknown = peer_unknown(&caller, caller.uid);
        json_object_object_add(parameters, "unknown", json_object_new_string(unknown));
    }
    int r = varlink_service_error(peer->shared->api->services[peer->session.kind], peer->session.connection,
                                  error, parameters);
    json_object_put(parameters);
    peer->ending = true;
    return r;
}

static int handle(struct peer *peer, struct varlink_message *message)
{
    if (!peer->account)
        return refuse(peer);
    int r = introduce(peer);
    peer->call_id = message->call_id;
    return r < 0 ? r : api_session_dispatch(&peer->session, message);
}

/*
 * Sends what is queued. Whoever numbers its calls knows an answer that comes again; of the others nobody
 * could tell whether they have it, should homid end right now, nor of an answer that comes in parts.
 */
static int send_queued(struct peer *peer)
{
    struct varlink_connection *connection = peer->session.connection;
    struct iovec piece;
    const int *fds;
    unsigned fd_count;

    if (varlink_connection_output(connection, &piece, &fds, &fd_count) == 0)
        return 1;
    bool last = !varlink_connection_call_pending(connection), part = !last && !peer->session.monitor;
    if ((last && peer->call_id == 0) || part || piece.iov_len > VARLINK_PIECE_BYTES_MAX)
        peer_unsure(peer);
    crash_here();
    return varlink_transport_send(peer->fd, connection);
}

/*
 * Whether to look for calls. Few peers send one before the last is answered: that is found out when it
 * happens, so that a call costs no change of what the connection is watched for.
 */
static bool listens(const struct peer *peer)
{
    bool early = peer->left > 0 || peer->interest == INTEREST_END;

    return !peer->shared->holding && !(early && varlink_connection_call_pending(peer->session.connection));
}

/*
 * Sends what is queued, takes the calls that are there, and arranges for what comes next. Calls are taken
 * only while the peer reads its answers. Returns a negative errno when the connection is over.
 */
static int serve(struct peer *peer)
{
    struct api_session *session = &peer->session;
    struct varlink_message message;
    int r = session->failure, sent = 1;
    peer->serving = true;
    while (r == 0) {
        sent = send_queued(peer);
        r = sent < 0 ? sent : 0;
        if (sent <= 0 || peer->ending)
            break;
        r = api_list_continue(session);
        if (r > 0) {
            r = 0;
            continue;
        }
        if (r < 0 || varlink_connection_call_pending(session->connection))
            break;
        r = peer->taken ? peer_settle(peer) : 0;
        if (r < 0)
            break;
        peer->taken = false;
        r = varlink_connection_next(session->connection, &message);
        if (r == -EPROTO) { /* the error that says why is queued */
            peer->ending = true;
            r = 0;
            continue;
        }
        if (r <= 0)
            break;
        peer->taken = true;
        r = handle(peer, &message);
        varlink_message_clear(&message);
        if (r == 0)
            r = session->failure;
    }
    peer->serving = false;
    if (r < 0)
        return r;
    if (sent == 0)
        return want(peer, EV_WRITE | EV_CLOSED | EV_PERSIST);
    if (peer->ending)
        return -ESHUTDOWN;
    return want(peer, listens(peer) ? INTEREST_CALLS : INTEREST_END);
}

static void end_for(struct peer *peer, int error)
{
    enum varlink_violation violation = varlink_connection_violation(peer->session.connection);
    const char *why = strerror(-error);
    if (violation != VARLINK_VIOLATION_NONE) {
        why = varlink_violation_text(violation);
    } else if (error == -ENOBUFS || error == -ETIMEDOUT) {
        why = "it does not read what it asked for";
    } else if (error == -ESHUTDOWN || error == -EPIPE || error == -ECONNRESET) {
        why = NULL;
    }
    peer_end(peer, why);
}

/* A call stays in the socket until it is answered, if that is to be survived and it came as a whole. */
static int receive(struct peer *peer)
{
    size_t left = 0;
    int r = 2;

    if (peer->slot != STATE_NONE && !peer->partial)
        r = varlink_transport_peek(peer->fd, peer->session.connection, &left);
    if (r != 2) {
        peer->left = (uint16_t)left; /* one read, at most */
        return r;
    }
    if (peer->slot != STATE_NONE && !peer->partial) {
        peer->partial = true;
        peer_unsure(peer);
    }
    return varlink_transport_receive(peer->fd, peer->session.connection);
}

static int on_readable(struct peer *peer)
{
    int r;

    /* A call that came early, or the end: either waits until the last call is done with. */
    if (peer->taken)
        return varlink_connection_call_pending(peer->session.connection) ? want(peer, INTEREST_END)
                                                                         : serve(peer);
    r = receive(peer);
    if (r < 0 && r != -EAGAIN && r != -EPROTO)
        return r;
    if (r == 0 || r == -EPROTO) /* what was queued until now is owed still */
        peer->ending = true;
    return serve(peer);
}

static void on_event(evutil_socket_t fd, short what, void *user)
{
    (void)fd;
    struct peer *peer = user;
    int r;
    if (what & EV_READ)
        r = on_readable(peer);
    else if (what & EV_CLOSED)
        r = -ESHUTDOWN;
    else if (what & EV_TIMEOUT)
        r = -ETIMEDOUT;
    else
        r = serve(peer);
    if (r < 0)
        end_for(peer, r);
}

/* Whoever answers may be deep in another connection's call, so this one is looked after from the loop. */
static void wake(struct api_session *session)
{
    struct peer *peer = (struct peer *)session; /* its first member */
    if (!peer->serving)
        event_active(peer->event, EV_SIGNAL, 1);
}

/* again: an earlier homid looked at the process. */
static int watch(struct peer *peer, const struct core_peer *credentials, const struct peer_record *again)
{
    if (peer->session.kind != API_TENANT || !peer->account)
        return 0;
    peer->pidfd = again ? process_again(again->pid, again->start_time) : peer_pidfd(peer->fd, credentials);
    if (peer->pidfd < 0)
        return peer->pidfd;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = peer};
    return epoll_ctl(peer->shared->deaths, EPOLL_CTL_ADD, peer->pidfd, &event) < 0 ? -errno : 0;
}

static void destroy(struct peer *peer)
{
    if (peer->event)
        event_free(peer->event);
    varlink_connection_free(peer->session.connection);
    close(peer->fd);
    if (peer->pidfd >= 0)
        close(peer->pidfd);
    free(peer);
}

static struct peer *make(struct peer_shared *shared, struct peer_list *list, int fd, enum api_kind kind,
                         const struct core_peer *credentials, bool operator)
{
    struct peer *peer = calloc(1, sizeof *peer);

    if (!peer)
        return NULL;
    peer->shared = shared;
    peer->list = list;
    peer->fd = fd;
    peer->pidfd = -1;
    peer->slot = STATE_NONE;
    peer->session = (struct api_session){.context = shared->api,
                                         .wake = wake,
                                         .begins = shared->state ? peer_begins : NULL,
                                         .pid = credentials->pid,
                                         .uid = credentials->uid,
                                         .kind = (uint8_t)kind,
                                         .operator= operator, };
    return peer;
}

static int start(struct peer *peer, const struct core_peer *credentials, const struct peer_record *again)
{
    peer->event = event_new(peer->shared->base, peer->fd, EV_READ | EV_PERSIST, on_event, peer);
    int r = peer->event ? varlink_connection_new(VARLINK_SERVER, &peer->session.connection) : -ENOMEM;
    if (r == 0)
        r = watch(peer, credentials, again);
    if (r == 0)
        r = want(peer, peer->shared->holding ? INTEREST_END : INTEREST_CALLS);
    return r;
}

int peer_new(struct peer_shared *shared, struct peer_list *list, int fd, enum api_kind kind,
             struct peer_account *account, unsigned limit, const struct core_peer *credentials, bool operator)
{
    struct peer *peer = make(shared, list, fd, kind, credentials, operator);
    if (!peer) {
        close(fd);
        return -ENOMEM;
    }
    peer->account = account;
    peer->limit = limit;
    int r = start(peer, credentials, NULL);
    if (r < 0) {
        destroy(peer);
        return r;
    }
    peer_keep(peer);
    TAILQ_INSERT_TAIL(list, peer, entry);
    return 0;
}

int peer_restore(struct peer_shared *shared, struct peer_list *list, int fd, uint32_t slot,
                 const struct peer_record *record, struct peer_account *account,
                 const struct core_peer *credentials, bool operator)
{
    struct peer *peer = make(shared, list, fd, (enum api_kind)record->kind, credentials, operator);
    if (!peer) {
        close(fd);
        return -ENOMEM;
    }
    peer->account = account;
    peer->slot = slot;
    peer->restored = true;
    int r = start(peer, credentials, record);
    if (r == 0)
        r = introduce(peer);
    if (r < 0) {
        peer->session.client = NULL;
        destroy(peer);
        return r;
    }
    TAILQ_INSERT_TAIL(list, peer, entry);
    return 0;
}

void peer_resume(struct peer *peer)
{
    if (!varlink_connection_call_pending(peer->session.connection) && want(peer, INTEREST_CALLS) < 0)
        peer_end(peer, NULL);
}

void peer_expel(struct peer *peer, bool kill)
{
    /* By its pidfd: the number may be another process's by now. Whoever is gone already needs no signal. */
    if (kill && peer->pidfd >= 0 && pidfd_send_signal(peer->pidfd, SIGKILL, NULL, 0) < 0 && errno != ESRCH)
        log_write(peer->shared->log, LOG_WARNING, NULL, "pid %d cannot be killed: %s", (int)peer->session.pid,
                  strerror(errno));
    peer->ending = true;
    wake(&peer->session);
}

void peer_end(struct peer *peer, const char *why)
{
    struct peer_shared *shared = peer->shared;
    struct peer_account *account = peer->account;
    uint8_t kind = peer->session.kind;
    if (why) {
        const struct log_fields fields = {.pid = peer->session.pid, .uid = peer->session.uid};
        log_write(shared->log, LOG_NOTICE, &fields, "connection of pid %d, uid %u closed: %s",
                  (int)peer->session.pid, (unsigned)peer->session.uid, why);
    }
    TAILQ_REMOVE(peer->list, peer, entry);
    api_session_close(&peer->session);
    peer_forget(peer);
    destroy(peer);
    shared->ended(shared->user, account, kind);
}
