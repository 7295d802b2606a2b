/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A core that does what the test says: it counts what it is asked, and answers at once, later, or with a
 * refusal. It stands in for daemon/core, so it is a header that a test program includes once instead of an
 * object that all of them are linked with.
 */
#ifndef HOMI_TESTS_UNIT_SCRIPTED_CORE_H
#define HOMI_TESTS_UNIT_SCRIPTED_CORE_H

#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/served.h"

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
    struct core_revocation revocation;
    unsigned tenants;   /* that everybody may act for */
    unsigned functions; /* that there are */
    const char *state;  /* of each of them, and why */
    char reason[HW_REASON_BYTES];
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
        .wake_fd = -1,
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
    const struct core_queue_grant queue = {.id = 1,
                                           .submission_doorbell = 0x1008,
                                           .completion_doorbell = 0x100c,
                                           .event_fd = request->interrupt ? core.device_fd : -1};
    done(user, &core.error, core.error.code ? NULL : &queue);
}

void core_delete_queue_pair(struct core_client *client, const char *lease, const char *function, int64_t id,
                            core_done done, void *user)
{
    (void)function, (void)id;
    core_detach(client, lease, done, user);
}

void core_recover(struct core_client *client, const char *lease, core_recover_done done, void *user)
{
    static const struct core_pair_name pair = {.function = "0000:01:00.1", .id = 2};

    (void)client, (void)lease;
    core.asked++;
    done(user, &core.error, &pair, core.error.code ? 0 : 1);
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

void core_revoke_lease(struct core *c, const struct core_revocation *revocation, core_done done, void *user)
{
    (void)c;
    core.revocation = *revocation;
    core_detach(NULL, revocation->lease, done, user);
}

void core_retry(struct core *c, const char *device, const char *function, core_done done, void *user)
{
    (void)c, (void)function;
    core_detach(NULL, device, done, user);
}

void core_drain(struct core *c, int64_t wait_milliseconds, core_done done, void *user)
{
    (void)c, (void)wait_milliseconds;
    core_detach(NULL, "drained", done, user);
}

void core_undrain(struct core *c, core_done done, void *user)
{
    (void)c;
    core_detach(NULL, "undrained", done, user);
}

const char *core_draining(const struct core *c)
{
    (void)c;
    return NULL;
}

void core_change_namespace(struct core *c, const char *name, const struct hw_namespace_change *change,
                           core_data_done done, void *user)
{
    const struct core_error fine = {0};
    (void)c, (void)name;
    done(user, &fine, NULL, change->id ? 0 : 7);
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
        each(user, &(struct core_function_view){.name = "0000:01:00.1",
                                                .device = "ssd0",
                                                .index = i,
                                                .state = c->state,
                                                .reason = c->reason[0] ? c->reason : NULL,
                                                .iommu_group = -1});
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

void core_caller(struct core *unused, const struct core_caller *caller)
{
    (void)unused;
    (void)caller;
}

bool core_converged(const struct core *c)
{
    (void)c;
    return true;
}

static inline void start(void)
{
    core = (struct core){.device_fd = -1, .tenants = 1, .functions = 1, .state = "ready"};
    config.core = (struct core_config){.devices = &device,
                                       .device_count = 1,
                                       .tenants = &tenant,
                                       .tenant_count = 1,
                                       .wait_milliseconds_max = 60000};
    serve_in_folder(&core);
}

static inline void stop(void)
{
    stop_serving();
    ck_assert_uint_eq(core.clients, 0);
}

#endif
