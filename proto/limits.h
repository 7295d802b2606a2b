/* SPDX-License-Identifier: BSD-3-Clause */
/* Every limit of the protocol that a peer can run into, by name. */
#ifndef HOMI_PROTO_LIMITS_H
#define HOMI_PROTO_LIMITS_H

#define VARLINK_MESSAGE_BYTES_MAX (64u * 1024)  /* one message, its terminating NUL included */
#define VARLINK_JSON_DEPTH_MAX    16u           /* nested objects and arrays */
#define VARLINK_FDS_MAX           16u           /* file descriptors with one message */
#define VARLINK_OUTPUT_BYTES_MAX  (256u * 1024) /* queued for a peer that does not read */
#define VARLINK_INPUT_CALLS_MAX   16u           /* calls sent ahead of the answer to the first of them */
#define VARLINK_INPUT_BYTES_MAX   (128u * 1024) /* bytes of calls that wait behind an unanswered one */
#define VARLINK_PIECE_BYTES_MAX                                                                              \
    (32u * 1024) /* sent at once; the kernel takes so much as a whole or not at all */

#endif
