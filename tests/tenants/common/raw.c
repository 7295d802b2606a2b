/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/tenants/common/raw.h"

#include <errno.h>
#include <homi/homi.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define REPLY_MS 30000

int raw_connect(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd;

    if (!path)
        path = getenv("HOMI_TENANT_SOCKET");
    if (!path)
        path = HOMI_TENANT_SOCKET;
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
        int error = -errno;
        close(fd);
        return error;
    }
    return fd;
}

ssize_t raw_send(int socket, const void *bytes, size_t count, const int *fds, unsigned fd_count)
{
    char control[CMSG_SPACE(RAW_FDS_MAX * sizeof(int))] = {0};
    struct iovec iov = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = count};
    struct msghdr header = {.msg_iov = &iov, .msg_iovlen = 1};
    ssize_t n;

    if (fd_count > 0) {
        header.msg_control = control;
        header.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
        struct cmsghdr *c = CMSG_FIRSTHDR(&header);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(fd_count * sizeof(int));
        memcpy(CMSG_DATA(c), fds, fd_count * sizeof(int));
    }
    n = sendmsg(socket, &header, MSG_NOSIGNAL);
    return n < 0 ? -errno : n;
}

static void close_received(struct msghdr *header)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c)) {
        size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        int fds[RAW_FDS_MAX];

        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS || count > RAW_FDS_MAX)
            continue;
        memcpy(fds, CMSG_DATA(c), count * sizeof(int));
        for (size_t i = 0; i < count; i++)
            close(fds[i]);
    }
}

int raw_receive(int socket, char *reply, int timeout_milliseconds)
{
    size_t used = 0;

    while (used < RAW_REPLY_BYTES) {
        char control[CMSG_SPACE(RAW_FDS_MAX * sizeof(int))];
        struct iovec iov = {.iov_base = reply + used, .iov_len = 1};
        struct msghdr header = {
            .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
        struct pollfd entry = {.fd = socket, .events = POLLIN};
        int ready = poll(&entry, 1, timeout_milliseconds);
        ssize_t n;

        if (ready < 0 && errno == EINTR)
            continue;
        if (ready <= 0)
            return ready == 0 ? -ETIMEDOUT : -errno;
        n = recvmsg(socket, &header, MSG_CMSG_CLOEXEC);
        if (n <= 0)
            return n == 0 ? 0 : -errno;
        close_received(&header);
        if (reply[used++] == '\0')
            return 1;
    }
    return -EMSGSIZE;
}

int raw_call(int socket, const char *text, const int *fds, unsigned fd_count, char *reply)
{
    ssize_t n = raw_send(socket, text, strlen(text) + 1, fds, fd_count);

    return n < 0 ? (int)n : raw_receive(socket, reply, REPLY_MS);
}

const char *raw_error(const char *reply, char *name, size_t bytes)
{
    /* A reply's error comes as a member of the outermost object; parameters named so do not exist. */
    if (!raw_string(reply, "error", name, bytes))
        name[0] = '\0';
    return name;
}

/* Where the member's value begins, or NULL. */
static const char *find_member(const char *reply, const char *key)
{
    char quoted[64];
    const char *at;

    snprintf(quoted, sizeof(quoted), "\"%s\"", key);
    at = strstr(reply, quoted);
    if (!at)
        return NULL;
    at += strlen(quoted);
    at += strspn(at, " \t\n");
    if (*at++ != ':')
        return NULL;
    return at + strspn(at, " \t\n");
}

bool raw_string(const char *reply, const char *key, char *value, size_t bytes)
{
    const char *at = find_member(reply, key);

    if (!at || *at != '"')
        return false;
    snprintf(value, bytes, "%.*s", (int)strcspn(at + 1, "\""), at + 1);
    return true;
}

bool raw_number(const char *reply, const char *key, int64_t *ret_value)
{
    const char *at = find_member(reply, key);
    char *end;
    long long value;

    if (!at)
        return false;
    value = strtoll(at, &end, 10);
    if (end == at)
        return false;
    *ret_value = value;
    return true;
}
