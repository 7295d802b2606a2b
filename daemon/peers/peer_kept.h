/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What of a connection outlives homid: its socket, in the store, and a record of the call that is under way.
 *
 * A call stays in the socket until its answer is out: it is looked at, recorded if it changes something,
 * carried out, answered, and only then taken away. So the next homid finds it there again and carries it out
 * as far as that was not done (struct core_caller). Where homid ends between the answer and its taking away,
 * the answer may come twice. A client that numbers its calls (proto/connection.h) drops the second one; the
 * connection of any other is closed then. It is closed, too, where a message or an answer was cut in two:
 * calls of more than 4 KiB or in pieces, and answers of more than 32 KiB.
 *
 * A Monitor call is never answered for good, so it stays in the socket and the next homid subscribes it
 * again; events that were queued for a peer that does not read are lost, and the numbers of an operator's
 * events show it.
 */
#ifndef HOMI_DAEMON_PEERS_PEER_KEPT_H
#define HOMI_DAEMON_PEERS_PEER_KEPT_H

#include "daemon/peers/peer.h"

/* Keeps a new connection; without room for it, it ends with this homid. */
void peer_keep(struct peer *peer);
/* The connection has ended, and with it what it held. */
void peer_forget(struct peer *peer);
void peer_call_begun(struct peer *peer);
/* As api_session.begins. */
int peer_begins(struct api_session *session, const char *request_id);
/* What the peer has seen cannot be told from now on, until peer_settle. */
void peer_unsure(struct peer *peer);
/* The call was answered, and the answer is out: it is taken out of the socket. 0 or a negative errno. */
int peer_settle(struct peer *peer);
/* The name of its socket in the store: FDSTORE_NAME_MAX characters at most. */
void peer_name(uint32_t slot, char *ret_name);
uint32_t peer_connection(const struct peer *peer); /* as core_peer.connection */

#endif
