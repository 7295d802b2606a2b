/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A tenant named blue, whose user is the caller's or another, on one device in memory: the server, both
 * interfaces and the core. For tests of one program each: it includes this once.
 */
#ifndef HOMI_TESTS_UNIT_BLUE_H
#define HOMI_TESTS_UNIT_BLUE_H

#include "daemon/core/core.h"
#include "daemon/loop.h"
#include "tests/unit/fake_backend.h"
#include "tests/unit/served.h"

static struct fake fake;
static struct core *core;
static int bar, stopped;
static uid_t uids[1];
static size_t all_devices[] = {0};
static struct core_namespace_config blue_namespaces[] = {{.device = 0, .id = 1}, {.device = 0, .id = 2}};
static struct core_device_config device = {
    .name = (char[]){"ssd0"}, .serial = (char[]){"serial0"}, .functions = 4, .queue_pairs = 3};
static struct core_tenant_config blue = {.name = (char[]){"blue"},
                                         .trusted = true,
                                         .direct = true,
                                         .uids = uids,
                                         .uid_count = 1,
                                         .devices = all_devices,
                                         .device_count = 1,
                                         .namespaces = blue_namespaces,
                                         .namespace_count = 2,
                                         .functions_max = 2,
                                         .queue_pairs_max = 4,
                                         .connections_max = 8,
                                         .regions_max = 3,
                                         .waiting_max = 1,
                                         .memory_bytes_max = 64 * 1024};

static uint64_t now(void *user)
{
    (void)user;
    return loop_now();
}

static void timer(void *user, uint64_t at)
{
    (void)user, (void)at;
}

static void event(void *user, const struct core_event *happened)
{
    (void)user;
    if (server)
        server_event(server, happened);
}

static void changed(void *user)
{
    (void)user;
}

static void done(void *user)
{
    *(int *)user = 1;
}

static int real_device_fd(struct hw_function *function)
{
    (void)function;
    return bar;
}

static void hardware(void)
{
    fake_run(&fake);
    core_tick(core);
}

static inline void start_for(uid_t user)
{
    static const struct core_listener listener = {
        .now = now, .timer = timer, .event = event, .changed = changed};
    uids[0] = user;
    fake_init(&fake, 1);
    fake.backend.device_fd = real_device_fd;
    bar = open("/dev/null", O_RDWR | O_CLOEXEC);
    config.core = (struct core_config){.devices = &device,
                                       .device_count = 1,
                                       .tenants = &blue,
                                       .tenant_count = 1,
                                       .retry_seconds = 1,
                                       .wait_milliseconds_max = 60000};
    ck_assert_int_eq(core_new(&config.core, &fake.backend, &listener, &core), 0);
    serve_in_folder(core);
    meanwhile = hardware;
    core_start(core);
    spin();
    ck_assert(core_converged(core));
    ck_assert_uint_eq(fake_totals(&fake).open, 4);
}

static inline void start(void)
{
    start_for(geteuid());
}

/* Nothing of the tenants is left on the device, and nothing was done that real hardware would punish. */
static inline void assert_clean(void)
{
    spin();
    struct fake_totals totals = fake_totals(&fake);
    struct core_totals held = core_totals(core);
    ck_assert_str_eq(fake.complaint, "");
    ck_assert_uint_eq(totals.pairs, 0);
    ck_assert_uint_eq(totals.mappings, 0);
    ck_assert_uint_eq(totals.attached, 0);
    ck_assert_uint_eq(held.leases, 0);
    ck_assert_uint_eq(held.queue_pairs, 0);
    ck_assert_uint_eq(held.memory_bytes, 0);
}

static inline void stop(void)
{
    stop_serving();
    core_stop(core, done, &stopped);
    for (unsigned i = 0; i < 50 && !stopped; i++)
        hardware();
    ck_assert_int_eq(stopped, 1);
    ck_assert_str_eq(fake.complaint, "");
    core_free(core);
    fake_fini(&fake);
    close(bar);
}

/* Copies a member's value out of a reply: up to the next quote or what ends a number. */
static inline const char *member_of(const char *reply, const char *key)
{
    static char value[64];
    char quoted[48];
    snprintf(quoted, sizeof quoted, "\"%s\":", key);
    const char *at = reply ? strstr(reply, quoted) : NULL;
    ck_assert_msg(at != NULL, "no %s in %s", key, reply ? reply : "EOF");
    at += strlen(quoted);
    at += *at == '"';
    snprintf(value, sizeof value, "%.*s", (int)strcspn(at, "\",}]"), at);
    return value;
}

#endif
