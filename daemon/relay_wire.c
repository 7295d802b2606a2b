/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/relay_wire.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

union control {
    char bytes[CMSG_SPACE(sizeof(int) * RELAY_FDS_MAX)];
    struct cmsghdr align;
};

int relay_send(int socket, const struct relay_message *message, const int *fds, size_t fd_count)
{
    union control control;
    struct iovec iov = {.iov_base = (void *)(uintptr_t)message, .iov_len = sizeof(*message)};
    struct msghdr header = {.msg_iov = &iov, .msg_iovlen = 1};

    if (fd_count > RELAY_FDS_MAX)
        return -EINVAL;
    if (fd_count) {
        memset(&control, 0, sizeof(control));
        header.msg_control = control.bytes;
        header.msg_controllen = CMSG_SPACE(sizeof(int) * fd_count);
        struct cmsghdr *first = CMSG_FIRSTHDR(&header);
        first->cmsg_level = SOL_SOCKET;
        first->cmsg_type = SCM_RIGHTS;
        first->cmsg_len = CMSG_LEN(sizeof(int) * fd_count);
        memcpy(CMSG_DATA(first), fds, sizeof(int) * fd_count);
    }
    return sendmsg(socket, &header, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

int relay_receive(int socket, struct relay_message *ret_message, int *ret_fds, size_t *ret_fd_count)
{
    union control control;
    struct relay_message message;
    struct iovec iov = {.iov_base = &message, .iov_len = sizeof(message)};
    struct msghdr header = {.msg_iov = &iov,
                            .msg_iovlen = 1,
                            .msg_control = control.bytes,
                            .msg_controllen = sizeof(control.bytes)};
    int fds[RELAY_FDS_MAX];
    size_t count = 0;

    ssize_t bytes = recvmsg(socket, &header, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (bytes < 0)
        return -errno;
    struct cmsghdr *first = CMSG_FIRSTHDR(&header);
    if (first && first->cmsg_level == SOL_SOCKET && first->cmsg_type == SCM_RIGHTS) {
        count = (first->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        memcpy(fds, CMSG_DATA(first), count * sizeof(int));
    }
    if (bytes != sizeof(message) || header.msg_flags & (MSG_CTRUNC | MSG_TRUNC) ||
        message.kind >= RELAY_KINDS) {
        for (size_t i = 0; i < count; i++)
            close(fds[i]);
        return bytes == 0 ? -EPIPE : -EPROTO;
    }
    message.function[sizeof(message.function) - 1] = '\0';
    *ret_message = message;
    memcpy(ret_fds, fds, count * sizeof(int));
    *ret_fd_count = count;
    return 0;
}
