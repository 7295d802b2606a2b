/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The server and both interfaces over real sockets, on a core that does what the test says: it counts what it
 * is asked, and answers at once, later, or with a refusal. It stands in for daemon/core, so it is a header
 * that a test program includes once instead of an object that all of them are linked with.
 */
#ifndef HOMI_TESTS_UNIT_SCRIPTED_SERVER_H
#define HOMI_TESTS_UNIT_SCRIPTED_SERVER_H

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

#include "daemon/server.h"
#include "daemon/sockets.h"
#include "tests/unit/open_fds.h"

/* ---- the core ---- */

struct core_client {
    void *user;
    pid_t pid;
    uid_t uid;
};

struct core {
    unsigned clients, asked, given_back; /* calls that reached the core; clients gone */
    bool later;                          /* answer only when told */
    struct core_error error;             /* the answer */
    int device_fd;
    void *done_user;
    core_attach_done attach_done;
    uint64_t offset, bytes, page;
    unsigned tenants;   /* that everybody may act for */
    unsigned functions; /* that there are */
};

static struct core core;

static const struct hw_function_info info = {.controller_id = 7,
                                             .doorbell_stride = 4,
                                             .page_bytes = 4096,
                                             .max_transfer_bytes = 131072,
                                             .queue_entries_max = 1024,
                                             .bar_bytes = 16384};
static const struct hw_namespace namespaces[] = {{.id = 2, .block_bytes = 512, .blocks = 1000}};
static const bool shared[] = {false};

int core_client_new(struct core *c, const struct core_peer *peer, void *user, struct core_client **ret_client)
{
    struct core_client *client = calloc(1, sizeof *client);
    ck_assert_ptr_nonnull(client);
    *client = (struct core_client){.user = user, .pid = peer->pid, .uid = peer->uid};
    c->clients++;
    *ret_client = client;
    return 0;
}

void core_client_gone(struct core_client *client)
{
    if (!client)
        return;
    core.clients--;
    core.given_back++;
    core.attach_done = NULL;
    free(client);
}

void core_client_tenants(struct core_client *client, void (*each)(void *user, const char *name), void *user)
{
    (void)client;
    if (core.tenants > 0)
        each(user, "blue");
    if (core.tenants > 1)
        each(user, "green");
}

bool core_client_concerned(const struct core_client *client, const struct core_event *event)
{
    (void)client;
    return event->tenant && strcmp(event->tenant, "blue") == 0;
}

static inline void grant(core_attach_done done, void *user)
{
    const struct core_function_grant function = {
        .name = "0000:01:00.1",
        .device = "ssd0",
        .info = &info,
        .device_fd = core.device_fd,
        .queue_pairs = 3,
        .namespaces = namespaces,
        .namespace_shared = shared,
        .namespace_count = 1,
    };
    const struct core_grant all = {.lease = "l1", .functions = &function, .function_count = 1};
    done(user, &core.error, core.error.code ? NULL : &all);
}

void core_attach(struct core_client *client, const struct core_attach_request *request, core_attach_done done,
                 void *user)
{
    (void)client, (void)request;
    core.asked++;
    if (core.later) {
        core.attach_done = done;
        core.done_user = user;
    } else {
        grant(done, user);
    }
}

void core_allocate(struct core *c, const struct core_attach_request *request, core_attach_done done,
                   void *user)
{
    (void)c;
    core_attach(NULL, request, done, user);
}

void core_detach(struct core_client *client, const char *lease, core_done done, void *user)
{
    (void)client, (void)lease;
    core.asked++;
    done(user, &core.error);
}

void core_register_memory(struct core_client *client, const char *lease, int memfd, uint64_t offset,
                          uint64_t bytes, uint64_t page_bytes, core_region_done done, void *user)
{
    (void)client, (void)lease;
    core.asked++;
    ck_assert_int_ge(fcntl(memfd, F_GETFD), 0);
    core.offset = offset;
    core.bytes = bytes;
    core.page = page_bytes;
    done(user, &core.error, 5, 0x10000);
}

void core_unregister_memory(struct core_client *client, const char *lease, int64_t region, core_done done,
                            void *user)
{
    (void)region;
    core_detach(client, lease, done, user);
}

void core_create_queue_pair(struct core_client *client, const struct core_queue_request *request,
                            core_queue_done done, void *user)
{
    (void)client;
    core.asked++;
    done(user, &core.error, 1, 0x1008, 0x100c, request->interrupt ? core.device_fd : -1);
}

void core_delete_queue_pair(struct core_client *client, const char *lease, const char *function, int64_t id,
                            core_done done, void *user)
{
    (void)function, (void)id;
    core_detach(client, lease, done, user);
}

static inline void give_data(core_data_done done, void *user)
{
    static const uint8_t data[HW_DATA_BYTES] = {'M', 'a', 'n', 'y'};
    core.asked++;
    done(user, &core.error, data, 42);
}

void core_identify(struct core_client *client, const char *lease, const char *function, int64_t cns,
                   int64_t namespace_id, core_data_done done, void *user)
{
    (void)client, (void)lease, (void)function, (void)cns, (void)namespace_id;
    give_data(done, user);
}

void core_get_log_page(struct core_client *client, const char *lease, const char *function, int64_t page,
                       int64_t namespace_id, int64_t bytes, core_data_done done, void *user)
{
    (void)client, (void)lease, (void)function, (void)page, (void)namespace_id, (void)bytes;
    give_data(done, user);
}

void core_get_feature(struct core_client *client, const char *lease, const char *function, int64_t feature,
                      core_data_done done, void *user)
{
    (void)client, (void)lease, (void)function, (void)feature;
    give_data(done, user);
}

void core_free_lease(struct core *c, const char *lease, bool force, core_done done, void *user)
{
    (void)c, (void)force;
    core_detach(NULL, lease, done, user);
}

void core_retry(struct core *c, const char *device, const char *function, core_done done, void *user)
{
    (void)c, (void)function;
    core_detach(NULL, device, done, user);
}

static struct core_device_config device = {
    .name = (char[]){"ssd0"}, .serial = (char[]){"S1"}, .functions = 4};

void core_each_device(struct core *c, void (*each)(void *user, const struct core_device_view *view),
                      void *user)
{
    (void)c;
    each(user,
         &(struct core_device_view){.config = &device, .state = "quarantined", .reason = "it is broken"});
}

void core_each_function(struct core *c, void (*each)(void *user, const struct core_function_view *view),
                        void *user)
{
    for (unsigned i = 0; i < c->functions; i++)
        each(user,
             &(struct core_function_view){
                 .name = "0000:01:00.1", .device = "ssd0", .index = i, .state = "ready", .iommu_group = -1});
}

void core_each_lease(struct core *c, void (*each)(void *user, const struct core_lease_view *view), void *user)
{
    (void)c, (void)each, (void)user;
}

void core_each_queue(struct core *c, void (*each)(void *user, const struct core_queue_view *view), void *user)
{
    (void)c, (void)each, (void)user;
}

static struct core_namespace_config owned = {.device = 0, .id = 2};
static size_t owned_device;
static struct core_tenant_config tenant = {.name = (char[]){"blue"},
                                           .devices = &owned_device,
                                           .device_count = 1,
                                           .namespaces = &owned,
                                           .namespace_count = 1,
                                           .functions_max = 2};

void core_each_tenant(struct core *c, void (*each)(void *user, const struct core_tenant_view *view),
                      void *user)
{
    (void)c;
    each(user, &(struct core_tenant_view){.config = &tenant, .functions = 1});
}

void core_each_namespace(struct core *c, void (*each)(void *user, const struct core_namespace_view *view),
                         void *user)
{
    (void)c;
    each(user, &(struct core_namespace_view){.device = "ssd0", .info = &namespaces[0], .holder = "blue"});
}

struct core_totals core_totals(const struct core *c)
{
    return (struct core_totals){.connections = c->clients};
}

bool core_converged(const struct core *c)
{
    (void)c;
    return true;
}

/* ---- the server ---- */

static char folder[64], paths[2][96];
static struct event_base *base;
static struct server *server;
static struct sockets sockets;
static struct config config;
static const struct log quiet = {.level = -1};
static unsigned fds_before;

static inline void start(void)
{
    strcpy(folder, "/tmp/homi-test-server.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    ck_assert_int_eq(chmod(folder, 0755), 0);
    snprintf(paths[0], sizeof paths[0], "%s/tenant", folder);
    snprintf(paths[1], sizeof paths[1], "%s/admin", folder);
    fds_before = open_fds();
    core = (struct core){.device_fd = -1, .tenants = 1, .functions = 1};
    config.core = (struct core_config){.devices = &device,
                                       .device_count = 1,
                                       .tenants = &tenant,
                                       .tenant_count = 1,
                                       .wait_milliseconds_max = 60000};
    config.limits = (struct config_limits){
        .connections = 100, .connections_per_uid = 90, .admin_connections = 10, .monitors = 2};
    config.tenant_socket = paths[0];
    config.admin_socket = paths[1];
    config.admin_group_known = true;
    config.admin_group = getegid();
    ck_assert_int_eq(sockets_open(&config, &quiet, &sockets), 0);
    ck_assert_int_eq(chmod(paths[1], 0666), 0);
    base = event_base_new();
    const struct server_options options = {.base = base,
                                           .core = &core,
                                           .config = &config,
                                           .log = &quiet,
                                           .listeners = {sockets.fds[0], sockets.fds[1]}};
    ck_assert_int_eq(server_new(&options, &server), 0);
}

static inline void stop(void)
{
    server_free(server);
    sockets_close(&sockets);
    event_base_free(base);
    ck_assert_uint_eq(core.clients, 0);
    ck_assert_uint_eq(open_fds(), fds_before);
    ck_assert_int_eq(rmdir(folder), 0);
}

static inline void spin(void)
{
    for (unsigned i = 0; i < 20; i++)
        event_base_loop(base, EVLOOP_NONBLOCK);
}

static inline int dial(enum api_kind kind)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strcpy(address.sun_path, paths[kind]);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(connect(fd, (const struct sockaddr *)&address, sizeof address), 0);
    return fd;
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
