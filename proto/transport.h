/* SPDX-License-Identifier: BSD-3-Clause */
/* Moves a connection's bytes and file descriptors over an AF_UNIX stream socket: recvmsg and sendmsg, nothing
 * else. */
#ifndef HOMI_PROTO_TRANSPORT_H
#define HOMI_PROTO_TRANSPORT_H

#include "proto/connection.h"

/*
 * Reads once. Returns 1 when something was fed, 0 at end of stream, -EAGAIN, -EPROTO (violation) or another
 * negative errno. All received descriptors are close-on-exec.
 */
int varlink_transport_receive(int socket, struct varlink_connection *connection);

/* Sends as much as the socket takes. Returns 1 when all is out, 0 when the socket is full, or a negative
 * errno. */
int varlink_transport_send(int socket, struct varlink_connection *connection);

#endif
