/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/peers/identity.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77 /* since Linux 6.5 */
#endif

#define OVERFLOW_ID 65534 /* the kernel's default */

int peer_credentials(int fd, struct core_peer *ret_peer)
{
    struct ucred credentials;
    socklen_t bytes = sizeof credentials;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &bytes) < 0)
        return -errno;
    *ret_peer = (struct core_peer){.pid = credentials.pid, .uid = credentials.uid, .gid = credentials.gid};
    return 0;
}

int peer_groups(int fd, gid_t **ret_groups, size_t *ret_count)
{
    socklen_t bytes = 64 * sizeof(gid_t);
    for (;;) {
        gid_t *groups = malloc(bytes ? bytes : 1);
        if (!groups)
            return -ENOMEM;
        if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &bytes) == 0) {
            *ret_groups = groups;
            *ret_count = bytes / sizeof *groups;
            return 0;
        }
        free(groups);
        if (errno != ERANGE) /* which says how much is needed */
            return -errno;
    }
}

static uint32_t overflow_id(const char *path)
{
    unsigned id = OVERFLOW_ID;
    FILE *file = fopen(path, "re");
    if (file) {
        if (fscanf(file, "%u", &id) != 1)
            id = OVERFLOW_ID;
        fclose(file);
    }
    return id;
}

uid_t overflow_uid(void)
{
    return overflow_id("/proc/sys/kernel/overflowuid");
}

gid_t overflow_gid(void)
{
    return overflow_id("/proc/sys/kernel/overflowgid");
}

const char *peer_unknown(const struct core_peer *peer, uid_t overflow)
{
    if (peer->pid <= 0)
        return "process";
    return peer->uid == overflow ? "user" : NULL;
}

/* Whether a process still runs as a user, by any of its four user ids. */
static bool runs_as(pid_t pid, uid_t uid)
{
    char path[32], line[256];
    unsigned ids[4];
    bool found = false;
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    while (!found && fgets(line, sizeof line, file)) {
        if (sscanf(line, "Uid: %u %u %u %u", &ids[0], &ids[1], &ids[2], &ids[3]) == 4)
            found = ids[0] == uid || ids[1] == uid || ids[2] == uid || ids[3] == uid;
    }
    fclose(file);
    return found;
}

static bool has_ended(int pidfd)
{
    struct pollfd entry = {.fd = pidfd, .events = POLLIN};
    return poll(&entry, 1, 0) != 0;
}

int peer_pidfd(int fd, const struct core_peer *peer)
{
    int pidfd = -1;
    socklen_t bytes = sizeof pidfd;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &bytes) == 0)
        return pidfd;
    if (errno != ENOPROTOOPT)
        return errno == EINVAL ? -ESRCH : -errno;

    pidfd = (int)syscall(SYS_pidfd_open, peer->pid, 0);
    if (pidfd < 0)
        return -errno;
    /*
     * The number may be another process's by now. The look at /proc is about the process of the pidfd, since
     * that is alive after it.
     */
    if (!runs_as(peer->pid, peer->uid) || has_ended(pidfd)) {
        close(pidfd);
        return -ESRCH;
    }
    return pidfd;
}

int process_start_time(pid_t pid, uint64_t *ret_time)
{
    char path[32], text[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "re");
    if (!file)
        return errno == ENOENT ? -ESRCH : -errno;
    size_t count = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[count] = '\0';
    /* The name in parentheses may hold anything; the time is the 20th word behind it. */
    const char *at = strrchr(text, ')');
    unsigned long long time;
    if (!at ||
        sscanf(at + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
               &time) != 1)
        return -EPROTO;
    *ret_time = time;
    return 0;
}

int process_again(pid_t pid, uint64_t start_time)
{
    uint64_t found;
    int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (pidfd < 0)
        return -errno;
    /* The look at /proc is about the process of the pidfd, since that is alive after it. */
    int r = process_start_time(pid, &found);
    if (r == 0 && (found != start_time || has_ended(pidfd)))
        r = -ESRCH;
    if (r == 0)
        return pidfd;
    close(pidfd);
    return r;
}
