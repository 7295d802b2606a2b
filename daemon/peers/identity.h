/* SPDX-License-Identifier: BSD-3-Clause */
/* Who is at the other end of a socket, and how to learn that this process ended. */
#ifndef HOMI_DAEMON_PEERS_IDENTITY_H
#define HOMI_DAEMON_PEERS_IDENTITY_H

#include "daemon/core/core.h"

/* The process that connected (SO_PEERCRED); groups are left out. Returns 0 or a negative errno. */
int peer_credentials(int fd, struct core_peer *ret_peer);
/* Its supplementary groups (SO_PEERGROUPS); the caller frees them. Returns 0 or a negative errno. */
int peer_groups(int fd, gid_t **ret_groups, size_t *ret_count);

/*
 * The ids that the kernel shows in place of those that have no number in the reader's user namespace: whoever
 * has one of them may be anybody.
 */
uid_t overflow_uid(void);
gid_t overflow_gid(void);
/* "user" or "process", when homid's namespaces have no number for the peer's; NULL: both are known. */
const char *peer_unknown(const struct core_peer *peer, uid_t overflow);

/*
 * A pidfd of the process that connected, or -ESRCH when that is gone, or another negative errno. Exact with
 * SO_PEERPIDFD (Linux 6.5). Before, the process that has the number now is taken if it runs as the same user:
 * a number that was used again by the same user between connect and accept is not told apart, and then the
 * connection ends with that process, if it does not end before.
 */
int peer_pidfd(int fd, const struct core_peer *peer);

/* When a process began, in clock ticks since the machine did: with its number, that tells it from all others.
 */
int process_start_time(pid_t pid, uint64_t *ret_time);
/* A pidfd of the process that has this number and began then; -ESRCH when it is gone. */
int process_again(pid_t pid, uint64_t start_time);

#endif
