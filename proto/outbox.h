/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bytes and file descriptors that wait to be sent. A message with descriptors stands alone, so that it is
 * sent in a sendmsg of its own; messages without are joined. Memory is held only while something waits.
 */
#ifndef HOMI_PROTO_OUTBOX_H
#define HOMI_PROTO_OUTBOX_H

#include <stddef.h>

struct outbox_run;

/* All zero is empty. */
struct outbox {
    struct outbox_run *first, *last;
    size_t bytes; /* that wait in all */
};

/* Adds one message. fds are taken over on success only. Returns 0, -ENOMEM, or -ENOBUFS when then more than
 * VARLINK_OUTPUT_BYTES_MAX would wait. */
int outbox_add(struct outbox *outbox, const char *bytes, size_t count, const int *fds, unsigned fd_count);

/* What to send next; 0 when nothing waits. All borrowed until the next call of another function. */
size_t outbox_peek(const struct outbox *outbox, const char **ret_bytes, const int **ret_fds,
                   unsigned *ret_fd_count);

/* Takes `count` of the bytes that outbox_peek showed away, and closes the descriptors shown with them. */
void outbox_sent(struct outbox *outbox, size_t count);

/* Forgets everything and closes the descriptors. */
void outbox_clear(struct outbox *outbox);

#endif
