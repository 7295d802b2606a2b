/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Received bytes and file descriptors, cut into NUL-terminated messages. Memory is held only while bytes
 * wait.
 *
 * Descriptors belong to a message with certainty only if the chunk that brought them holds bytes of that one
 * message, from its first byte on; anything else is refused. proto/transport.h reads in chunks of that kind.
 */
#ifndef HOMI_PROTO_INBOX_H
#define HOMI_PROTO_INBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/limits.h"

/* The descriptors of one message that waits. */
struct inbox_fds {
    struct inbox_fds *next;
    uint64_t position; /* of the message's first byte in the stream */
    unsigned count;
    int fds[VARLINK_FDS_MAX];
};

/* All zero is empty. */
struct inbox {
    char *bytes;
    uint32_t begin, end, capacity; /* [begin, end) of bytes waits */
    uint32_t partial;              /* bytes behind the last NUL */
    uint32_t messages;             /* complete ones */
    uint64_t position;             /* of bytes[begin] in the stream */
    struct inbox_fds *first_fds;   /* in the order of their messages */
};

/*
 * Adds a chunk; takes ownership of all fds in any case. Returns 0, -ENOMEM, or a positive
 * enum varlink_violation (OVERSIZED or one of FDS).
 */
int inbox_add(struct inbox *inbox, const char *bytes, size_t count, const int *fds, unsigned fd_count,
              bool fds_truncated);

/* The first complete message, its NUL excluded from *ret_length; false when there is none. */
bool inbox_peek(const struct inbox *inbox, const char **ret_text, size_t *ret_length);

/* Takes that message away; its descriptors go to the caller. */
void inbox_take(struct inbox *inbox, int ret_fds[VARLINK_FDS_MAX], unsigned *ret_fd_count);

/* Forgets everything and closes the descriptors. */
void inbox_clear(struct inbox *inbox);

#endif
