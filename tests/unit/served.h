/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The server on real sockets in a folder of its own, and a client of it in the same thread. For tests of one
 * program each: it includes this once.
 */
#ifndef HOMI_TESTS_UNIT_SERVED_H
#define HOMI_TESTS_UNIT_SERVED_H

#include <check.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/peers/server.h"
#include "daemon/peers/sockets.h"
#include "tests/unit/open_fds.h"

static char folder[64], paths[2][96];
static struct event_base *base;
static struct server *server;
static struct sockets sockets;
static struct config config;
static const struct log quiet = {.level = -1};
static unsigned fds_before;

static inline void serve_in_folder(struct core *served)
{
    strcpy(folder, "/tmp/homi-test-server.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    ck_assert_int_eq(chmod(folder, 0755), 0);
    snprintf(paths[0], sizeof paths[0], "%s/tenant", folder);
    snprintf(paths[1], sizeof paths[1], "%s/admin", folder);
    fds_before = open_fds();
    config.limits = (struct config_limits){.connections = 100,
                                           .connections_per_uid = 90,
                                           .connections_per_lease = 10,
                                           .lease_sockets = 4,
                                           .admin_connections = 10,
                                           .monitors = 2,
                                           .monitors_per_uid = 1};
    config.tenant_socket = paths[0];
    config.admin_socket = paths[1];
    config.container_directory = folder;
    config.overflow_uid = 65534;
    config.admin_group_known = true;
    config.admin_group = getegid();
    ck_assert_int_eq(sockets_open(&config, &quiet, NULL, &sockets), 0);
    ck_assert_int_eq(chmod(paths[1], 0666), 0);
    base = event_base_new();
    const struct server_options options = {.base = base,
                                           .core = served,
                                           .config = &config,
                                           .log = &quiet,
                                           .listeners = {sockets.fds[0], sockets.fds[1]}};
    ck_assert_int_eq(server_new(&options, &server), 0);
}

static inline void stop_serving(void)
{
    server_free(server);
    server = NULL;
    sockets_close(&sockets);
    event_base_free(base);
    ck_assert_uint_eq(open_fds(), fds_before);
    ck_assert_int_eq(rmdir(folder), 0);
}

/* What else is to happen between two rounds of the loop; NULL: nothing. */
static void (*meanwhile)(void);

static inline void spin(void)
{
    for (unsigned i = 0; i < 20; i++) {
        event_base_loop(base, EVLOOP_NONBLOCK);
        if (meanwhile)
            meanwhile();
    }
}

static inline int dial_at(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strcpy(address.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(connect(fd, (const struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static inline int dial(enum api_kind kind)
{
    return dial_at(paths[kind]);
}

static inline void say_with(int fd, const char *text, const int *fds, unsigned count)
{
    char control[CMSG_SPACE(4 * sizeof(int))] = {0};
    struct iovec iov = {.iov_base = (void *)text, .iov_len = strlen(text) + 1};
    struct msghdr header = {.msg_iov = &iov, .msg_iovlen = 1};
    if (count) {
        header.msg_control = control;
        header.msg_controllen = CMSG_SPACE(count * sizeof(int));
        struct cmsghdr *c = CMSG_FIRSTHDR(&header);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(count * sizeof(int));
        memcpy(CMSG_DATA(c), fds, count * sizeof(int));
    }
    ck_assert_int_eq(sendmsg(fd, &header, MSG_NOSIGNAL), (ssize_t)iov.iov_len);
}

static inline void say(int fd, const char *text)
{
    say_with(fd, text, NULL, 0);
}

/* One reply; "" when none came, NULL at end of stream. *ret_fd: what came along, or -1. */
static inline const char *hear_with(int fd, int *ret_fd)
{
    static char text[65536];
    size_t used = 0;
    *ret_fd = -1;
    spin();
    while (used < sizeof text - 1) {
        char control[CMSG_SPACE(sizeof(int))];
        struct iovec iov = {.iov_base = text + used, .iov_len = 1};
        struct msghdr header = {
            .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
        ssize_t n = recvmsg(fd, &header, MSG_CMSG_CLOEXEC);
        if (n < 0 && errno == EAGAIN && used == 0)
            return "";
        if (n < 0 && errno == EAGAIN) { /* the rest follows once there is room for it */
            spin();
            continue;
        }
        if (n <= 0)
            return NULL;
        struct cmsghdr *c = CMSG_FIRSTHDR(&header);
        if (c && c->cmsg_type == SCM_RIGHTS)
            memcpy(ret_fd, CMSG_DATA(c), sizeof *ret_fd);
        if (!text[used++])
            return text;
    }
    return NULL;
}

static inline const char *hear(int fd)
{
    int came;
    const char *text = hear_with(fd, &came);
    ck_assert_int_eq(came, -1);
    return text;
}

#define ck_assert_heard(fd, part)                                                                            \
    do {                                                                                                     \
        const char *heard_ = hear(fd);                                                                       \
        ck_assert_msg(heard_ &&strstr(heard_, part), "\"%s\" does not say \"%s\"", heard_ ? heard_ : "EOF",  \
                      part);                                                                                 \
    } while (0)

#define TENANT(method, parameters)                                                                           \
    "{\"method\":\"io.homi.Tenant." method "\",\"parameters\":{" parameters "}}"
#define ADMIN(method, parameters) "{\"method\":\"io.homi.Admin." method "\",\"parameters\":{" parameters "}}"

#endif
