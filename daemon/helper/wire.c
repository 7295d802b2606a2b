/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/helper/wire.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int send_message(int socket, const void *bytes, size_t count, const int *fds, size_t fd_count)
{
    union {
        char bytes[CMSG_SPACE(sizeof(int) * HELPER_FDS_MAX)];
        struct cmsghdr align;
    } control;
    struct iovec iov = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = count};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};

    if (fd_count > HELPER_FDS_MAX)
        return -EINVAL;
    if (fd_count > 0) {
        message.msg_control = control.bytes;
        message.msg_controllen = CMSG_SPACE(sizeof(int) * fd_count);
        memset(&control, 0, message.msg_controllen);
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int) * fd_count);
        memcpy(CMSG_DATA(header), fds, sizeof(int) * fd_count);
    }
    return sendmsg(socket, &message, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

int helper_send_fds(int socket, const int *fds, size_t fd_count)
{
    const uint8_t mark = 0;

    return fd_count == 0 ? -EINVAL : send_message(socket, &mark, sizeof(mark), fds, fd_count);
}

int helper_send_body(int socket, const struct helper_body *body, const int *fds, size_t fd_count)
{
    if (body->bytes > HELPER_BYTES_MAX)
        return -EINVAL;
    return send_message(socket, body, offsetof(struct helper_body, data) + body->bytes, fds, fd_count);
}

static void take_fds(struct msghdr *message, struct helper_inbox *inbox)
{
    for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header; header = CMSG_NXTHDR(message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
            continue;
        size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        memcpy(inbox->fds, CMSG_DATA(header), count * sizeof(int));
        inbox->fd_count = count;
    }
}

int helper_receive(int socket, struct helper_inbox *inbox)
{
    union {
        char bytes[CMSG_SPACE(sizeof(int) * HELPER_FDS_MAX)];
        struct cmsghdr align;
    } control;
    struct iovec iov = {.iov_base = &inbox->body, .iov_len = sizeof(inbox->body)};
    struct msghdr message = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = inbox->fd_count ? 0 : sizeof(control.bytes)};

    ssize_t bytes = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    if (bytes < 0)
        return -errno;
    if (bytes == 0)
        return -EPIPE;
    take_fds(&message, inbox);
    if (message.msg_flags & (MSG_CTRUNC | MSG_TRUNC))
        return -EPROTO;
    if (bytes == 1)
        return inbox->fd_count ? 0 : -EPROTO;
    if ((size_t)bytes < offsetof(struct helper_body, data) ||
        (size_t)bytes != offsetof(struct helper_body, data) + inbox->body.bytes ||
        inbox->body.fd_count != inbox->fd_count)
        return -EPROTO;
    return 1;
}

void helper_inbox_clear(struct helper_inbox *inbox)
{
    for (size_t i = 0; i < inbox->fd_count; i++) {
        if (inbox->fds[i] >= 0)
            close(inbox->fds[i]);
    }
    inbox->fd_count = 0;
}
