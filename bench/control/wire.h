/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The least that a client does: bytes out, bytes in up to a NUL. The same code calls homid and the raw echo,
 * so that what differs between them is the server.
 */
#ifndef HOMI_BENCH_CONTROL_WIRE_H
#define HOMI_BENCH_CONTROL_WIRE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define WIRE_REPLY_BYTES_MAX 65536
#define WIRE_FDS_MAX         8

/* A blocking connection, or a negative errno. */
int wire_connect(const char *path);
/* The request's bytes count its NUL. */
int wire_send(int fd, const char *request, size_t bytes);
/*
 * Reads one reply; its length with the NUL, or a negative errno. Descriptors that came are closed, and
 * counted in *ret_fds (may be NULL).
 */
ssize_t wire_receive(int fd, char reply[WIRE_REPLY_BYTES_MAX], unsigned *ret_fds);
ssize_t wire_call(int fd, const char *request, size_t bytes, char reply[WIRE_REPLY_BYTES_MAX],
                  unsigned *ret_fds);

uint64_t wire_now(void); /* monotonic, nanoseconds */

#endif
