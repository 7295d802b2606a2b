/* SPDX-License-Identifier: BSD-3-Clause */
/* Processes that homid starts and that outlive it: the software SSD and, where systemd does not, the relay.
 */
#ifndef HOMI_DAEMON_HW_COMPANION_H
#define HOMI_DAEMON_HW_COMPANION_H

/*
 * Connects to whoever listens at `path` (SOCK_SEQPACKET). Where nobody does, `program` is started with
 * arguments, whose first is its name and whose last is NULL, and with the listening socket as descriptor 3;
 * it listens before the process runs, so nobody has to wait for it. 0 or a negative errno.
 */
int companion_connect(const char *program, const char *path, char *const arguments[], int *ret_socket);

#endif
