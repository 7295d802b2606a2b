/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Varlink without a library, for saying what libhomi never would: any bytes, any descriptors. Replies are
 * looked at as text.
 */
#ifndef HOMI_TESTS_TENANTS_COMMON_RAW_H
#define HOMI_TESTS_TENANTS_COMMON_RAW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define RAW_FDS_MAX     32
#define RAW_REPLY_BYTES 65536

/* path NULL: $HOMI_TENANT_SOCKET or homid's default. Returns the socket or a negative errno. */
int raw_connect(const char *path);

/* Sends bytes, the descriptors with the first of them. Returns how many went or a negative errno; never
 * SIGPIPE. */
ssize_t raw_send(int socket, const void *bytes, size_t count, const int *fds, unsigned fd_count);

/*
 * Receives a message into reply (RAW_REPLY_BYTES, NUL-terminated). Descriptors that come with it are closed.
 * Returns 1, 0 when the peer hung up, -ETIMEDOUT or another negative errno.
 */
int raw_receive(int socket, char *reply, int timeout_milliseconds);

/* A message and its reply, as above. text goes with its NUL. */
int raw_call(int socket, const char *text, const int *fds, unsigned fd_count, char *reply);

/* The name of the error in a reply, "" when it is none. Points to a copy in `name` of `bytes` bytes. */
const char *raw_error(const char *reply, char *name, size_t bytes);

/* The first member of this name anywhere in a reply; false when there is none of the type. */
bool raw_string(const char *reply, const char *key, char *value, size_t bytes);
bool raw_number(const char *reply, const char *key, int64_t *ret_value);

#endif
