/* SPDX-License-Identifier: BSD-3-Clause */
/* One connection: moves its bytes, hands its calls to the API one at a time, and notices when it ends. */
#ifndef HOMI_DAEMON_PEERS_PEER_H
#define HOMI_DAEMON_PEERS_PEER_H

#include "daemon/api/session.h"
#include "daemon/log.h"

struct event;
struct event_base;
struct fdstore;
struct state;

#define PEER_RECORD 64 /* the kind of a connection's record, among those of the core */

/* See daemon/peers/peer_kept.h. The layout belongs to STATE_VERSION. */
struct peer_record {
    uint64_t start_time; /* of the process */
    uint64_t began;      /* the call, monotonic, milliseconds */
    int32_t pid;
    uint32_t serial;  /* counts calls that change something */
    uint8_t kind;     /* enum api_kind */
    uint8_t answered; /* the last call that changes something was */
    uint8_t begun;    /* and took something away before */
    uint8_t unsure;   /* what the peer has seen cannot be told if homid ends now */
    uint8_t reserved[4];
    char request[72];            /* how that call is known again: its number, or its requestId */
    char lease[CORE_NAME_BYTES]; /* by whose socket it came; empty: by the tenants' or the operator's */
};

/* Whose connections are counted together: a user's, those by the socket of a lease, the operators'. */
struct peer_account {
    TAILQ_ENTRY(peer_account) entry;
    char lease[CORE_NAME_BYTES]; /* empty: not by a lease's socket */
    uid_t uid;
    unsigned connections;
};

/* What the peers of a server share. */
struct peer_shared {
    struct event_base *base;
    const struct log *log;
    struct api_context *api;
    void (*ended)(void *user, struct peer_account *account, uint8_t kind); /* account NULL: a refused one */
    void *user;
    int deaths;          /* epoll of the pidfds; the data is the peer */
    struct state *state; /* NULL: nothing outlives homid */
    struct fdstore *store;
    bool holding; /* no calls are taken, as what an earlier homid left is being restored */
};

struct peer {
    struct api_session session;
    TAILQ_ENTRY(peer) entry;
    struct peer_list *list; /* that it is in */
    struct peer_shared *shared;
    struct peer_account *account; /* whose connections are counted; NULL: refused */
    struct event *event;
    int64_t call_id; /* of the call under way; 0: it has none */
    int fd, pidfd;
    unsigned limit; /* of a refused one: what the error says; 0: that nobody knows who it is */
    uint32_t slot;  /* of its record; STATE_NONE: it ends with this homid */
    uint16_t left;  /* bytes of the call under way that are in the socket still */
    short interest;
    bool serving : 1;  /* within peer_serve, which looks after output itself */
    bool ending : 1;   /* end of stream, violation, or refused: ends when its output is out */
    bool taken : 1;    /* a call was taken out of the connection and is not settled yet */
    bool partial : 1;  /* it was received piece by piece */
    bool changes : 1;  /* it changes something */
    bool restored : 1; /* no call was taken since an earlier homid had the connection */
};

/* With what malloc adds, 192 bytes: an idle connection is to cost 512 in all. */
_Static_assert(sizeof(struct peer) <= 184, "no field pushes it into the next size");

TAILQ_HEAD(peer_list, peer);

/*
 * Takes over fd and *list membership. account NULL: the connection is over `limit`, or (0) of a peer that
 * nobody knows, and its first call is refused. Returns 0 and the peer in the list, or a negative errno: then
 * fd is closed.
 */
int peer_new(struct peer_shared *shared, struct peer_list *list, int fd, enum api_kind kind,
             struct peer_account *account, unsigned limit, const struct core_peer *credentials,
             bool operator);
/* The same for a connection that an earlier homid had, from its record. */
int peer_restore(struct peer_shared *shared, struct peer_list *list, int fd, uint32_t slot,
                 const struct peer_record *record, struct peer_account *account,
                 const struct core_peer *credentials, bool operator);
void peer_resume(struct peer *peer); /* takes calls, after shared->holding */
/* Ends once what is queued for it is out; with kill, its process is killed. */
void peer_expel(struct peer *peer, bool kill);
void peer_end(struct peer *peer, const char *why); /* closes, gives everything back and frees */

#endif
