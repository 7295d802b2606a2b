/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench/control/echo.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { EVENTS = 64, BACKLOG = 128 };

static int listen_at(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    if (strlen(path) >= sizeof(address.sun_path))
        return -ENAMETOOLONG;
    strcpy(address.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    if (bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    int r = -errno;
    close(fd);
    return r;
}

static void reply(int socket, const int fds[ECHO_FDS])
{
    static char bytes[ECHO_REPLY_BYTES];
    union {
        char bytes[CMSG_SPACE(ECHO_FDS * sizeof(int))];
        struct cmsghdr alignment;
    } control = {0};
    struct iovec iov = {.iov_base = bytes, .iov_len = sizeof(bytes)};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};

    memset(bytes, 'r', sizeof(bytes) - 1);
    if (fds) {
        message.msg_control = control.bytes;
        message.msg_controllen = sizeof(control.bytes);
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(ECHO_FDS * sizeof(int));
        memcpy(CMSG_DATA(header), fds, ECHO_FDS * sizeof(int));
    }
    if (sendmsg(socket, &message, MSG_NOSIGNAL) < 0)
        close(socket);
}

static void serve(int socket, const int fds[ECHO_FDS])
{
    char request[ECHO_REQUEST_BYTES];
    ssize_t n = recv(socket, request, sizeof(request), 0);

    if (n == (ssize_t)sizeof(request))
        reply(socket, request[0] == ECHO_WITH_FDS ? fds : NULL);
    else if (n >= 0 || errno != EAGAIN)
        close(socket);
}

static void accept_one(int epoll, int listener)
{
    int socket = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = socket};

    if (socket >= 0 && epoll_ctl(epoll, EPOLL_CTL_ADD, socket, &event) < 0)
        close(socket);
}

static void run(int listener)
{
    struct epoll_event events[EVENTS] = {{.events = EPOLLIN, .data.fd = listener}};
    int epoll = epoll_create1(EPOLL_CLOEXEC), fds[ECHO_FDS];

    for (unsigned i = 0; i < ECHO_FDS; i++)
        fds[i] = eventfd(0, EFD_CLOEXEC);
    if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, listener, events) < 0)
        return;
    for (;;) {
        int count = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < count; i++) {
            if (events[i].data.fd == listener)
                accept_one(epoll, listener);
            else
                serve(events[i].data.fd, fds);
        }
    }
}

pid_t echo_start(const char *path)
{
    int listener = listen_at(path);

    if (listener < 0)
        return listener;
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        run(listener);
        _exit(1);
    }
    int error = errno;
    close(listener);
    return pid < 0 ? -error : pid;
}

void echo_stop(pid_t pid)
{
    if (pid <= 0)
        return;
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}
