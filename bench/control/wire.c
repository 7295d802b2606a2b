/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench/control/wire.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

int wire_connect(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    if (strlen(path) >= sizeof(address.sun_path))
        return -ENAMETOOLONG;
    strcpy(address.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
        return fd;
    int r = -errno;
    close(fd);
    return r;
}

int wire_send(int fd, const char *request, size_t bytes)
{
    ssize_t sent = send(fd, request, bytes, MSG_NOSIGNAL);

    if (sent < 0)
        return -errno;
    return (size_t)sent == bytes ? 0 : -EPIPE;
}

static unsigned close_received(struct msghdr *message)
{
    int fds[WIRE_FDS_MAX];
    size_t count = 0;

    for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header; header = CMSG_NXTHDR(message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
            continue;
        count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        memcpy(fds, CMSG_DATA(header), count * sizeof(int));
    }
    for (size_t i = 0; i < count; i++)
        close(fds[i]);
    return (unsigned)count;
}

ssize_t wire_receive(int fd, char reply[WIRE_REPLY_BYTES_MAX], unsigned *ret_fds)
{
    union {
        char bytes[CMSG_SPACE(WIRE_FDS_MAX * sizeof(int))];
        struct cmsghdr alignment;
    } control;
    size_t length = 0;
    unsigned fds = 0;

    do {
        struct iovec iov = {.iov_base = reply + length, .iov_len = WIRE_REPLY_BYTES_MAX - length};
        struct msghdr message = {.msg_iov = &iov,
                                 .msg_iovlen = 1,
                                 .msg_control = control.bytes,
                                 .msg_controllen = sizeof(control.bytes)};
        ssize_t n = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -ECONNRESET;
        fds += close_received(&message);
        length += (size_t)n;
    } while (reply[length - 1] != '\0' && length < WIRE_REPLY_BYTES_MAX);
    if (ret_fds)
        *ret_fds = fds;
    return (ssize_t)length;
}

ssize_t wire_call(int fd, const char *request, size_t bytes, char reply[WIRE_REPLY_BYTES_MAX],
                  unsigned *ret_fds)
{
    int r = wire_send(fd, request, bytes);

    return r < 0 ? r : wire_receive(fd, reply, ret_fds);
}

uint64_t wire_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}
