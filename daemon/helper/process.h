/* SPDX-License-Identifier: BSD-3-Clause */
/* Starting a helper process so that it inherits nothing but its socket. */
#ifndef HOMI_DAEMON_HELPER_PROCESS_H
#define HOMI_DAEMON_HELPER_PROCESS_H

#include <sys/types.h>

/* 0, or a negative errno. The socket is non-blocking; the pidfd becomes readable when the process ended. */
int helper_spawn(const char *program, pid_t *ret_pid, int *ret_pidfd, int *ret_socket);

/* Connects to what listens there (SOCK_SEQPACKET, non-blocking). 0 or a negative errno. */
int helper_connect(const char *path, int *ret_socket);

#endif
