/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The raw echo that homid is held against: a process with an epoll loop that reads requests of
 * ECHO_REQUEST_BYTES and answers each with ECHO_REPLY_BYTES, and with descriptors where the request's first
 * byte is ECHO_WITH_FDS.
 */
#ifndef HOMI_BENCH_CONTROL_ECHO_H
#define HOMI_BENCH_CONTROL_ECHO_H

#include <sys/types.h>

#define ECHO_REQUEST_BYTES 200
#define ECHO_REPLY_BYTES   600
#define ECHO_WITH_FDS      'f'
#define ECHO_FDS           2 /* as many as the reply to Attach on a software SSD's VF */

/* Starts it, listening at path. Its pid or a negative errno. */
pid_t echo_start(const char *path);
void echo_stop(pid_t pid);

#endif
