/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A connection to homid, as the rest of the library sees it: one blocking call at a time. A peer that breaks
 * the protocol, or a reply that makes no sense, ends the connection for good (homid then gives back what the
 * process held), so that no call ever works on a state that the two sides see differently.
 */
#ifndef HOMI_LIB_CLIENT_H
#define HOMI_LIB_CLIENT_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

#include "proto/connection.h"
#include <homi/homi.h>

struct homi {
    int socket; /* -1: the connection ended */
    struct varlink_connection *connection;
    char *path;
    uint64_t next_request;
    bool answered; /* something was heard on this connection */
    struct homi_lease *leases;
    struct homi *monitor; /* the connection of homi_event_next() */
    char error_name[128];
    char error_text[512];
};

/* Parameters for a call that changes something: an object with a fresh requestId, or NULL (out of memory). */
json_object *client_request(struct homi *homi);

/*
 * Sends a call and waits for its first reply: 1 and *ret_reply, or a negative errno. A homid that is
 * restarted keeps the connections that it has accepted, but not one that it accepted in that very moment.
 * Nothing was answered on it then, so nothing is held, and the call is made on another one.
 */
int client_exchange(struct homi *homi, const char *method, json_object *parameters, const int *fds,
                    unsigned fd_count, struct varlink_message *ret_reply);

/*
 * Calls and waits for the reply. parameters and fds are borrowed. Returns 0 and *ret_reply (clear it with
 * varlink_message_clear), a positive enum homi_refusal, or a negative errno. A reply with more descriptors
 * than fds_max is a breach of the protocol.
 */
int client_call(struct homi *homi, const char *method, json_object *parameters, const int *fds,
                unsigned fd_count, unsigned fds_max, struct varlink_message *ret_reply);

/* The same for a call whose reply says nothing. */
int client_command(struct homi *homi, const char *method, json_object *parameters);

/* Ends the connection: homid said something that cannot be. Returns -EPROTO. */
int client_breach(struct homi *homi);

/* Records a refusal for homi_error_name() and homi_error_text(), and returns it. */
int client_refused(struct homi *homi, const struct varlink_message *reply);

/* Sends a call and does not wait. Returns 0 or a negative errno. */
int client_send(struct homi *homi, const char *method, json_object *parameters, bool more, const int *fds,
                unsigned fd_count);

/* Takes the next reply: 1 and *ret_reply, 0 when there is none yet (only without wait), or a negative errno.
 */
int client_receive(struct homi *homi, bool wait, struct varlink_message *ret_reply);

#endif
