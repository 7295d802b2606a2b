/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Messages between homid and its helpers, over a SOCK_SEQPACKET socket pair. Descriptors that are given away
 * travel ahead of the body in a message of their own, and the sender closes its copies in between: whoever
 * has the body knows that the other side holds none of them any more. Closing a VFIO device for good blocks
 * for the length of a reset, and it must happen in the helper. Those that are only shown come with the body.
 */
#ifndef HOMI_DAEMON_HELPER_WIRE_H
#define HOMI_DAEMON_HELPER_WIRE_H

#include <stdalign.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/helper/helper.h"

/* One message. job is used in requests, the three members after it in replies. */
struct helper_body {
    uint16_t job;
    uint16_t nvme_status;
    int32_t error;
    uint32_t fd_count;
    uint32_t bytes;
    char reason[HELPER_REASON_BYTES];
    alignas(16) uint8_t data[HELPER_BYTES_MAX];
};

/* What has been received of a message; starts zeroed. */
struct helper_inbox {
    int fds[HELPER_FDS_MAX];
    size_t fd_count;
    struct helper_body body;
};

/* 0 or a negative errno; the descriptors are only borrowed. */
int helper_send_fds(int socket, const int *fds, size_t fd_count);
int helper_send_body(int socket, const struct helper_body *body, const int *fds, size_t fd_count);
/*
 * Receives one datagram. 1: the message is complete, 0: descriptors came and the body follows, or a negative
 * errno (-EAGAIN, -EPIPE: the other side closed, -EPROTO).
 */
int helper_receive(int socket, struct helper_inbox *inbox);
/* Sends a job's outcome; body->data is what output->data points to. Closes the output's descriptors. */
int helper_reply(int socket, struct helper_output *output, struct helper_body *body);
/* Closes the descriptors that are left (not -1) and forgets them. */
void helper_inbox_clear(struct helper_inbox *inbox);

#endif
