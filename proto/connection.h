/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One side of a Varlink connection without any I/O: bytes and file descriptors go in, messages come out, and
 * the other way round. The daemon and libhomi use the same code; proto/transport.h moves the bytes over a
 * socket.
 *
 * Ownership: file descriptors fed in belong to the connection until a message takes them
 * (varlink_message_take_fd); what a message still holds when it is cleared is closed. Queued outgoing
 * descriptors are owned by the connection (the caller dups what it wants to keep). Not thread-safe; one
 * connection belongs to one thread.
 *
 * Descriptors: a message with descriptors is sent in a sendmsg of its own, attached to its first byte
 * (UAPI.20, "Passing File Descriptors"). Received ones belong to a message with certainty only if what one
 * recvmsg returned holds bytes of that message alone, from its first byte on; anything else is a violation.
 * The kernel's part of this is described in proto/transport.h, which reads in such pieces.
 *
 * What a peer sends is bounded by proto/limits.h, and so is the memory that it can make this side hold. A
 * connection on which nothing waits holds nothing but itself (about 100 bytes).
 *
 * Calls may be numbered, by a member of the message beside those of the specification, as it allows to
 * vendors:
 * {"method": ..., "io.homi.Call": {"id": 7}}. Every answer to such a call carries the same member, and only
 * those do, so that no client sees it that did not ask. A client that numbers its calls drops an answer that
 * comes twice: a service that was restarted in between cannot know whether it had been sent.
 *
 * A violation is beyond repair: what was received and not taken out is forgotten, and nothing more is taken.
 * A server queues the error of io.homi.Protocol that tells the peer, behind the answers that wait already and
 * in place of the next one that is due, whether a call is pending, waits or neither; send what is queued, as
 * long as the peer reads it, and close. There is none for a peer that does not read (OVERFLOW).
 */
#ifndef HOMI_PROTO_CONNECTION_H
#define HOMI_PROTO_CONNECTION_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "proto/limits.h"
#include "proto/violation.h"

enum varlink_role { VARLINK_CLIENT, VARLINK_SERVER };

struct varlink_connection;

/*
 * A message taken out. Call: method, parameters, flags. Reply: error (NULL when none), parameters, continues.
 * Members that other vendors add ("org.example": {...}) are ignored.
 */
struct varlink_message {
    json_object *object;     /* the whole message; owned */
    const char *method;      /* server side; points into object */
    const char *error;       /* client side; points into object */
    json_object *parameters; /* never NULL; borrowed from object */
    bool more, oneway, upgrade, continues;
    int64_t call_id;          /* server side: the number of the call; 0: it has none */
    int fds[VARLINK_FDS_MAX]; /* owned; -1 where taken */
    unsigned fd_count;        /* as received */
};

int varlink_connection_new(enum varlink_role role, struct varlink_connection **ret_connection);
void varlink_connection_free(struct varlink_connection *connection); /* NULL-safe; closes fds it still owns */

/*
 * Feeds what one recvmsg returned. Takes ownership of all fds in any case. Returns 0, -ENOMEM (close the
 * connection: the bytes are lost), or -EPROTO on a violation.
 */
int varlink_connection_feed(struct varlink_connection *connection, const void *bytes, size_t count,
                            const int *fds, unsigned fd_count, bool fds_truncated);

/* Takes the next complete message: 1 and *ret_message (clear it), 0 when there is none, -ENOMEM, or -EPROTO.
 */
int varlink_connection_next(struct varlink_connection *connection, struct varlink_message *ret_message);
void varlink_message_clear(struct varlink_message *message);                  /* NULL-safe */
int varlink_message_take_fd(struct varlink_message *message, unsigned index); /* the fd, or -EBADF */

/* Client: calls are numbered from now on. */
void varlink_connection_number_calls(struct varlink_connection *connection);

/*
 * Queues a call (client). parameters may be NULL; they are borrowed. fds are taken over on success only.
 * Returns 0, -ENOMEM, -E2BIG (message over the limit), -EMFILE (too many fds) or -ENOBUFS
 * (VARLINK_OUTPUT_BYTES_MAX would be queued, or VARLINK_INPUT_CALLS_MAX calls are unanswered).
 */
int varlink_connection_call(struct varlink_connection *connection, const char *method,
                            json_object *parameters, bool more, const int *fds, unsigned fd_count);

/*
 * Answers the call taken out last (server): with a reply, of which only one to a call with more may continue,
 * or with an error. Every call is answered, a oneway call too: then nothing is sent and the fds are closed.
 * Errors as above, -EPROTO after a violation, and -EINVAL: no call is pending, or it did not ask for more.
 * -ENOBUFS is a violation (OVERFLOW), since the peer does not read.
 */
int varlink_connection_reply(struct varlink_connection *connection, json_object *parameters, bool continues,
                             const int *fds, unsigned fd_count);
int varlink_connection_error(struct varlink_connection *connection, const char *error,
                             json_object *parameters);

/* Server: whether a call was taken out and not answered yet. Calls are answered in order, so next returns 0
 * meanwhile; ask it again after the answer, since calls may wait already. */
bool varlink_connection_call_pending(const struct varlink_connection *connection);

/*
 * What to send next: one message with fds, or a run of messages without, of VARLINK_PIECE_BYTES_MAX bytes
 * unless one message alone is longer. Returns the bytes to send (0: nothing), *ret_fds borrowed until the
 * next call. After sending n bytes of it (fds go with the first), call varlink_connection_sent.
 */
size_t varlink_connection_output(struct varlink_connection *connection, struct iovec *ret_iov,
                                 const int **ret_fds, unsigned *ret_fd_count);
void varlink_connection_sent(struct varlink_connection *connection, size_t bytes);

enum varlink_violation varlink_connection_violation(const struct varlink_connection *connection);
int varlink_connection_json_defect(const struct varlink_connection *connection);

#endif
