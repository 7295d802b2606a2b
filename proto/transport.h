/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Moves a connection's bytes and file descriptors over an AF_UNIX stream socket: recvmsg and sendmsg, nothing
 * else. The socket stays the caller's; it may block or not.
 *
 * Which message descriptors belong to (unix_stream_read_generic in the kernel, 2.6 to 7.x): the descriptors
 * of a sendmsg are attached to the first buffer that it queues. One recvmsg joins any number of buffers and
 * stops behind the first that carried descriptors, so what it returns may begin with bytes that were sent
 * *earlier* without any; nothing sent later is ever joined. Two sendmsg, "A\0" and "B\0" with a descriptor,
 * thus read as one "A\0B\0" with a descriptor, and so does one sendmsg of "A\0B\0" with a descriptor meant
 * for A. Only a read that ends with a message's NUL tells them apart; therefore receive looks first
 * (MSG_PEEK) where the message ends and then takes no byte beyond it. That leaves calls that the peer sent
 * ahead in the socket, where they slow down the peer, and the bytes behind the NUL of an upgrade untouched.
 */
#ifndef HOMI_PROTO_TRANSPORT_H
#define HOMI_PROTO_TRANSPORT_H

#include "proto/connection.h"

/*
 * Reads once: a piece of one message, of at most 4 KiB. Returns 1 when something was fed, 0 at end of stream,
 * -EAGAIN, -EPROTO (violation) or another negative errno. All received descriptors are close-on-exec. The
 * socket must not have SO_PASSCRED or the like set: other ancillary data would take the descriptors' room.
 */
int varlink_transport_receive(int socket, struct varlink_connection *connection);

/*
 * Feeds a message without taking it out of the socket, where the next process of a service that ends finds it
 * again: 1, and *ret_bytes are to be taken by varlink_transport_take when it was answered. 2 and nothing is
 * fed when no whole message of at most 4 KiB is there: it has to be received piece by piece. Otherwise as
 * above.
 */
int varlink_transport_peek(int socket, struct varlink_connection *connection, size_t *ret_bytes);
/* Takes what was only looked at, and closes its descriptors. 0 or a negative errno. */
int varlink_transport_take(int socket, size_t bytes);

/*
 * Sends as much as the socket takes. Returns 1 when all is out, 0 when the socket is full, or a negative
 * errno. Never raises SIGPIPE.
 */
int varlink_transport_send(int socket, struct varlink_connection *connection);

#endif
