/* SPDX-License-Identifier: BSD-3-Clause */
#include "proto/transport.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#define READ_BYTES 4096

/* Room for exactly VARLINK_FDS_MAX descriptors: the kernel closes the others and says MSG_CTRUNC. */
union control {
    char bytes[CMSG_SPACE(VARLINK_FDS_MAX * sizeof(int))];
    struct cmsghdr alignment;
};

_Static_assert(CMSG_SPACE(VARLINK_FDS_MAX * sizeof(int)) == CMSG_LEN(VARLINK_FDS_MAX * sizeof(int)),
               "padding would let one more descriptor in");

static unsigned received_fds(struct msghdr *header, int fds[VARLINK_FDS_MAX])
{
    unsigned count = 0;

    for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c)) {
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
            /* The kernel sends one such block per recvmsg, so that this cannot overrun. */
            count = (unsigned)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
            memcpy(fds, CMSG_DATA(c), count * sizeof(int));
        }
    }
    return count;
}

/* How many of the waiting bytes to take: up to the first NUL (*ret_whole then). 0 at end of stream. */
static ssize_t look(int socket, char *buffer, bool *ret_whole)
{
    const char *nul;
    ssize_t n;

    do {
        n = recv(socket, buffer, READ_BYTES, MSG_PEEK);
    } while (n < 0 && errno == EINTR);
    if (n <= 0) {
        return n < 0 ? -errno : 0;
    }
    nul = memchr(buffer, '\0', (size_t)n);
    *ret_whole = nul != NULL;
    return nul ? nul + 1 - buffer : n;
}

static int feed(int socket, struct varlink_connection *connection, char *buffer, size_t bytes, int flags)
{
    union control control;
    struct iovec iov = {.iov_base = buffer, .iov_len = bytes};
    struct msghdr header = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
    int fds[VARLINK_FDS_MAX];
    unsigned fd_count;
    ssize_t n;
    int r;

    do {
        n = recvmsg(socket, &header, MSG_CMSG_CLOEXEC | flags);
    } while (n < 0 && errno == EINTR);
    if (n <= 0) {
        return n < 0 ? -errno : 0;
    }
    fd_count = received_fds(&header, fds);
    r = varlink_connection_feed(connection, buffer, (size_t)n, fds, fd_count, header.msg_flags & MSG_CTRUNC);
    return r ? r : 1;
}

int varlink_transport_receive(int socket, struct varlink_connection *connection)
{
    char buffer[READ_BYTES];
    bool whole;
    ssize_t n = look(socket, buffer, &whole);

    return n > 0 ? feed(socket, connection, buffer, (size_t)n, 0) : (int)n;
}

int varlink_transport_peek(int socket, struct varlink_connection *connection, size_t *ret_bytes)
{
    char buffer[READ_BYTES];
    bool whole;
    ssize_t n = look(socket, buffer, &whole);
    int r;

    if (n <= 0 || !whole) {
        return n > 0 ? 2 : (int)n;
    }
    r = feed(socket, connection, buffer, (size_t)n, MSG_PEEK);
    *ret_bytes = (size_t)n;
    return r;
}

int varlink_transport_take(int socket, size_t bytes)
{
    char buffer[READ_BYTES];

    while (bytes > 0) {
        ssize_t n = recv(socket, buffer, bytes < sizeof(buffer) ? bytes : sizeof(buffer), 0);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return n < 0 ? -errno : -ECONNRESET;
        }
        bytes -= (size_t)n;
    }
    return 0;
}

static ssize_t send_once(int socket, struct iovec *iov, const int *fds, unsigned fd_count)
{
    union control control = {0};
    struct msghdr header = {.msg_iov = iov, .msg_iovlen = 1};
    ssize_t n;

    if (fd_count > 0) {
        header.msg_control = &control;
        header.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
        struct cmsghdr *c = CMSG_FIRSTHDR(&header);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(fd_count * sizeof(int));
        memcpy(CMSG_DATA(c), fds, fd_count * sizeof(int));
    }
    do {
        n = sendmsg(socket, &header, MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

int varlink_transport_send(int socket, struct varlink_connection *connection)
{
    struct iovec iov;
    const int *fds;
    unsigned fd_count;

    while (varlink_connection_output(connection, &iov, &fds, &fd_count) > 0) {
        ssize_t n = send_once(socket, &iov, fds, fd_count);
        if (n < 0) {
            return n == -EAGAIN ? 0 : (int)n;
        }
        varlink_connection_sent(connection, (size_t)n);
    }
    return 1;
}
