/* SPDX-License-Identifier: BSD-3-Clause */
/* One connection: moves its bytes, hands its calls to the API one at a time, and notices when it ends. */
#ifndef HOMI_DAEMON_PEER_H
#define HOMI_DAEMON_PEER_H

#include "daemon/api/session.h"
#include "daemon/log.h"

struct event;
struct event_base;
struct peer_account;

/* What the peers of a server share. */
struct peer_shared {
    struct event_base *base;
    const struct log *log;
    struct api_context *api;
    void (*ended)(void *user, struct peer_account *account, uint8_t kind); /* account NULL: a refused one */
    void *user;
    int deaths; /* epoll of the pidfds; the data is the peer */
};

struct peer {
    struct api_session session;
    TAILQ_ENTRY(peer) entry;
    struct peer_list *list; /* that it is in */
    struct peer_shared *shared;
    struct peer_account *account; /* whose connections are counted; NULL: refused */
    struct event *event;
    int fd, pidfd;
    short interest;
    bool serving;   /* within peer_serve, which looks after output itself */
    bool ending;    /* end of stream, violation, or refused: ends when its output is out */
    unsigned limit; /* of a refused one: what the error says */
};

TAILQ_HEAD(peer_list, peer);

/*
 * Takes over fd and *list membership. account NULL: the connection is over `limit`, and its first call is
 * refused. Returns 0 and the peer in the list, or a negative errno: then fd is closed.
 */
int peer_new(struct peer_shared *shared, struct peer_list *list, int fd, enum api_kind kind,
             struct peer_account *account, unsigned limit, const struct core_peer *credentials,
             bool operator);
/* Ends once what is queued for it is out; with kill, its process is killed. */
void peer_expel(struct peer *peer, bool kill);
void peer_end(struct peer *peer, const char *why); /* closes, gives everything back and frees */

#endif
