/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a peer can do that ends its connection: in words for the log, and as the error of io.homi.Protocol
 * that tells the peer. Pure functions; any thread.
 */
#ifndef HOMI_PROTO_VIOLATION_H
#define HOMI_PROTO_VIOLATION_H

#include <json-c/json.h>
#include <stddef.h>

enum varlink_violation {
    VARLINK_VIOLATION_NONE,
    VARLINK_VIOLATION_OVERSIZED, /* no NUL within VARLINK_MESSAGE_BYTES_MAX */
    VARLINK_VIOLATION_JSON,      /* an enum json_defect says what */
    VARLINK_VIOLATION_SHAPE, /* not a call (server) or not a reply (client): unknown or mistyped members */
    VARLINK_VIOLATION_FDS_TOO_MANY,
    VARLINK_VIOLATION_FDS_MISPLACED, /* not attributable to one message */
    VARLINK_VIOLATION_FDS_LOST,      /* not the peer's fault: this process had no room for them */
    VARLINK_VIOLATION_UNEXPECTED,    /* a reply to no call; a continued reply to a call without more */
    VARLINK_VIOLATION_OVERFLOW,      /* the peer does not read what is queued for it */
    VARLINK_VIOLATION_AHEAD, /* more calls wait for an answer than VARLINK_INPUT_CALLS_MAX, _BYTES_MAX */
};

/* A violation and what is known of it. */
struct varlink_breach {
    enum varlink_violation violation;
    int json_defect;    /* of JSON */
    size_t offset;      /* of JSON: where, in bytes from the beginning of the message */
    const char *member; /* of SHAPE: which; borrowed */
};

/*
 * The error that tells a client what it did. Returns 0, *ret_error (static) and *ret_parameters (owned by the
 * caller), -ENOMEM, or -ENOENT for what cannot be told: what only a server does, and OVERFLOW.
 */
int varlink_violation_error(const struct varlink_breach *breach, const char **ret_error,
                            json_object **ret_parameters);

const char *varlink_violation_text(enum varlink_violation violation);

#endif
