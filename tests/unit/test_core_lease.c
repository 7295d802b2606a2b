/* SPDX-License-Identifier: BSD-3-Clause */
/* Leases: who gets one, who waits, who joins, and what is refused. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/core_fixture.h"

static struct fixture fixture;
static struct hw_device *device;
static struct answer answer, second, third, plain;
static const char *const ssd0[] = {"ssd0"}, *const ssd1[] = {"ssd1"}, *const both[] = {"ssd0", "ssd1"};
static const struct core_attach_request anything, fresh = {.mode = CORE_ATTACH_FRESH};

static void set_up(void)
{
    fixture_init(&fixture, 2);
    fixture_start(&fixture);
    device = &fixture.fake.devices[0];
    memset(&plain, 0, sizeof(plain));
}

static void tear_down(void)
{
    check_invariants(&fixture);
    fixture_fini(&fixture);
}

/* ---- getting one ---- */

START_TEST(a_trusted_tenant_gets_a_function_with_its_namespaces)
{
    struct core_client *client = fixture_client(&fixture, BLUE);

    attach_now(&fixture, client, (struct core_attach_request){.devices = ssd0, .device_count = 1}, &answer);
    check_granted(&answer);
    ck_assert_uint_eq(answer.function_count, 1);
    ck_assert_uint_eq(answer.namespace_count, 2);
    ck_assert_uint_eq(answer.queue_pairs, 3);
    ck_assert_int_eq(answer.device_fd, 100);
    ck_assert_uint_eq(device->functions[0].attached, 5);
    ck_assert_str_eq(function_state(&fixture, 0, 0), "leased");
    ck_assert_uint_eq(core_totals(fixture.core).leases, 1);
    ck_assert_uint_eq(core_totals(fixture.core).connections, 1);
    end_with(&fixture, client);
    ck_assert_uint_eq(device->functions[0].attached, 0);
    ck_assert_uint_eq(device->functions[0].opens, 2);
}
END_TEST

START_TEST(who_may_act_for_whom)
{
    struct core_client *stranger = fixture_client(&fixture, STRANGER), *grey = fixture_client(&fixture, GREY);
    struct core_client *blue = fixture_client(&fixture, BLUE), *two = fixture_client(&fixture, BOTH);

    attach_now(&fixture, stranger, anything, &answer);
    check_refused(&answer, CORE_REFUSED_TENANT_AMBIGUOUS);
    attach_now(&fixture, stranger, (struct core_attach_request){.tenant = "blue"}, &answer);
    check_refused(&answer, CORE_REFUSED_TENANT_NOT_PERMITTED);
    ck_assert_str_eq(answer.error.name, "blue");
    attach_now(&fixture, blue, (struct core_attach_request){.tenant = "red"}, &answer);
    check_refused(&answer, CORE_REFUSED_UNKNOWN_TENANT);
    attach_now(&fixture, two, anything, &answer);
    check_refused(&answer, CORE_REFUSED_TENANT_AMBIGUOUS);
    attach_now(&fixture, grey, anything, &answer);
    check_refused(&answer, CORE_REFUSED_TRUST_REQUIRED);
    ck_assert_uint_eq(fixture.events[CORE_EVENT_REFUSED], 5);
    attach_now(&fixture, two, (struct core_attach_request){.tenant = "green"}, &answer);
    check_granted(&answer);
    core_client_gone(stranger);
    core_client_gone(grey);
    core_client_gone(blue);
    end_with(&fixture, two);
}
END_TEST

START_TEST(supplementary_groups_count)
{
    gid_t gids[] = {77}, groups[] = {5, 77};
    struct core_peer peer = {.pid = 1, .uid = STRANGER, .gid = 5, .groups = groups, .group_count = 2};
    struct core_client *client;

    fixture_fini(&fixture);
    fixture_init(&fixture, 2);
    fixture.tenants[0].gids = gids;
    fixture.tenants[0].gid_count = 1;
    fixture_start(&fixture);
    ck_assert_int_eq(core_client_new(fixture.core, &peer, NULL, &client), 0);
    attach_now(&fixture, client, anything, &answer);
    check_granted(&answer);
    ck_assert(core_client_concerned(client, &(struct core_event){.tenant = "blue"}));
    ck_assert(!core_client_concerned(client, &(struct core_event){.tenant = "green"}));
    end_with(&fixture, client);
}
END_TEST

START_TEST(devices_that_are_refused)
{
    struct core_client *client = fixture_client(&fixture, BLUE);
    const char *const unknown[] = {"ssd0", "ssd9"}, *const twice[] = {"ssd0", "ssd0"};

    attach_now(&fixture, client, (struct core_attach_request){.devices = unknown, .device_count = 2},
               &answer);
    check_refused(&answer, CORE_REFUSED_UNKNOWN_DEVICE);
    ck_assert_str_eq(answer.error.name, "ssd9");
    attach_now(&fixture, client, (struct core_attach_request){.devices = twice, .device_count = 2}, &answer);
    check_refused(&answer, CORE_REFUSED_VALUE);
    attach_now(&fixture, client, (struct core_attach_request){.devices = twice, .device_count = 9}, &answer);
    check_refused(&answer, CORE_REFUSED_VALUE);
    attach_now(&fixture, client, (struct core_attach_request){.queue_pairs = 4}, &answer);
    check_refused(&answer, CORE_REFUSED_VALUE);
    ck_assert_str_eq(answer.error.name, "queuePairs");
    ck_assert_int_eq(answer.error.limit, 3);
    attach_now(&fixture, client, (struct core_attach_request){.wait_milliseconds = 60001}, &answer);
    check_refused(&answer, CORE_REFUSED_VALUE);
    ck_assert_str_eq(answer.error.name, "waitMilliseconds");
    end_with(&fixture, client);
}
END_TEST

START_TEST(namespaces_that_are_refused)
{
    struct core_client *blue = fixture_client(&fixture, BLUE), *green = fixture_client(&fixture, GREEN);
    uint32_t foreign[] = {2}, own[] = {1};
    struct core_attach_request request = {.devices = ssd0,
                                          .device_count = 1,
                                          .namespaces = foreign,
                                          .namespaces_given = true,
                                          .namespace_count = 1};

    attach_now(&fixture, blue, request, &answer);
    check_refused(&answer, CORE_REFUSED_NAMESPACE_NOT_ALLOWED);
    ck_assert_int_eq(answer.error.value, 2);
    ck_assert_str_eq(answer.error.name, "ssd0");
    request.namespaces = own;
    attach_now(&fixture, green, request, &answer);
    check_refused(&answer, CORE_REFUSED_NAMESPACE_NOT_ALLOWED);
    attach_now(&fixture, blue, request, &answer);
    check_granted(&answer);
    ck_assert_uint_eq(answer.namespace_count, 1);
    ck_assert_uint_eq(device->functions[0].attached, 1);
    core_client_gone(green);
    end_with(&fixture, blue);
}
END_TEST

START_TEST(a_namespace_that_the_host_took_meanwhile_is_busy)
{
    struct core_client *client = fixture_client(&fixture, BLUE);
    uint32_t own[] = {1};
    struct core_attach_request request = {.devices = ssd0,
                                          .device_count = 1,
                                          .namespaces = own,
                                          .namespaces_given = true,
                                          .namespace_count = 1};

    device->info.namespaces[0].controllers[0] = device->info.controller_id;
    device->info.namespaces[0].controller_count = 1;
    fixture.now += 5000;
    attach_now(&fixture, client, request, &answer);
    check_refused(&answer, CORE_REFUSED_NAMESPACE_BUSY);
    ck_assert_str_eq(answer.error.text, "host");
    ck_assert_int_eq(answer.error.value, 1);
    device->info.namespaces[0].controller_count = 0;
    fixture.now += 5000;
    attach_now(&fixture, client, request, &answer);
    check_granted(&answer);
    end_with(&fixture, client);
}
END_TEST

START_TEST(a_look_at_the_device_that_fails_refuses)
{
    struct core_client *client = fixture_client(&fixture, BLUE);

    fixture.now += 5000;
    fixture.fake.fail_kind = 1u << FAKE_PROBE;
    fixture.fake.fail_kind_error = -EIO;
    attach_now(&fixture, client, (struct core_attach_request){.devices = ssd0, .device_count = 1}, &answer);
    check_refused(&answer, CORE_REFUSED_DEVICE_UNAVAILABLE);
    end_with(&fixture, client);
}
END_TEST

START_TEST(requests_during_a_look_are_all_served)
{
    struct core_client *one = fixture_client(&fixture, BLUE), *two = fixture_client(&fixture, GREEN);

    fixture.now += 5000;
    attach(one, (struct core_attach_request){.devices = ssd0, .device_count = 1}, &answer);
    attach(two, (struct core_attach_request){.devices = ssd0, .device_count = 1}, &second);
    ck_assert_uint_eq(answer.count + second.count, 0);
    fake_run(&fixture.fake);
    check_granted(&answer);
    check_granted(&second);
    core_client_gone(one);
    end_with(&fixture, two);
}
END_TEST

START_TEST(a_private_namespace_is_not_shared)
{
    struct core_client *one = fixture_client(&fixture, BLUE), *two = fixture_client(&fixture, BLUE);

    device->info.namespaces[0].shareable = false;
    fixture.now += 5000;
    attach_now(&fixture, one, (struct core_attach_request){.devices = ssd0, .device_count = 1}, &answer);
    check_granted(&answer);
    attach_now(&fixture, two,
               (struct core_attach_request){.devices = ssd0, .device_count = 1, .mode = CORE_ATTACH_FRESH},
               &second);
    check_refused(&second, CORE_REFUSED_NAMESPACE_BUSY);
    ck_assert_str_eq(second.error.text, "blue");
    core_client_gone(two);
    end_with(&fixture, one);
}
END_TEST

START_TEST(a_foreign_namespace_never_reaches_a_tenant)
{
    struct core_client *client = fixture_client(&fixture, BLUE);

    /* Somebody attached it behind homid's back, between the opening and the grant. */
    device->functions[0].attached = 2;
    attach_now(&fixture, client, (struct core_attach_request){.devices = ssd0, .device_count = 1}, &answer);
    check_granted(&answer);
    ck_assert_uint_eq(device->functions[0].attached, 5);
    end_with(&fixture, client);
}
END_TEST

START_TEST(several_devices_all_or_nothing)
{
    struct core_client *client = fixture_client(&fixture, BLUE);

    attach_now(&fixture, client, (struct core_attach_request){.devices = both, .device_count = 2}, &answer);
    check_granted(&answer);
    ck_assert_uint_eq(answer.function_count, 2);
    end_with(&fixture, client);
    client = fixture_client(&fixture, BLUE);
    fixture.fake.fail_kind = 1u << FAKE_IDENTIFY_NAMESPACE;
    fixture.fake.fail_kind_error = -EIO;
    fixture.fake.fail_status = 0x0b;
    attach_now(&fixture, client, (struct core_attach_request){.devices = both, .device_count = 2}, &answer);
    check_refused(&answer, CORE_REFUSED_COMMAND_FAILED);
    ck_assert_int_eq(answer.error.value, 0x0b);
    end_with(&fixture, client);
    ck_assert_uint_eq(fake_totals(&fixture.fake).attached, 0);
}
END_TEST

START_TEST(a_device_that_is_away_is_unavailable)
{
    struct core_client *client = fixture_client(&fixture, BLUE);

    fixture.fake.devices[1].absent = true;
    fake_reset_device(&fixture.fake.devices[1]);
    core_device_event(fixture.fake.devices[1].user, &fixture.fake.devices[1], HW_DEVICE_GONE, "pulled");
    fake_run(&fixture.fake);
    attach_now(&fixture, client, (struct core_attach_request){.devices = ssd1, .device_count = 1}, &answer);
    check_refused(&answer, CORE_REFUSED_DEVICE_UNAVAILABLE);
    ck_assert_str_eq(answer.error.text, "pulled");
    attach_now(&fixture, client, anything, &answer);
    check_granted(&answer);
    end_with(&fixture, client);
}
END_TEST

/* ---- quotas ---- */

START_TEST(quotas_of_functions_and_connections)
{
    struct core_client *clients[4];

    fixture.tenants[0].functions_max = 2;
    fixture.tenants[0].connections_max = 3;
    for (unsigned i = 0; i < 4; i++)
        clients[i] = fixture_client(&fixture, BLUE);
    attach_now(&fixture, clients[0], fresh, &answer);
    attach_now(&fixture, clients[0], fresh, &second);
    check_granted(&second);
    attach_now(&fixture, clients[1], fresh, &third);
    check_refused(&third, CORE_REFUSED_QUOTA);
    ck_assert_int_eq(third.error.quota, CORE_QUOTA_FUNCTIONS);
    ck_assert_int_eq(third.error.limit, 2);
    ck_assert_int_eq(third.error.value, 2);
    attach_now(&fixture, clients[1], anything, &third);
    check_granted(&third);
    attach_now(&fixture, clients[2], anything, &third);
    check_granted(&third);
    attach_now(&fixture, clients[3], anything, &third);
    check_refused(&third, CORE_REFUSED_QUOTA);
    ck_assert_int_eq(third.error.quota, CORE_QUOTA_CONNECTIONS);
    for (unsigned i = 0; i < 3; i++)
        core_client_gone(clients[i]);
    end_with(&fixture, clients[3]);
}
END_TEST

/* ---- joining ---- */

START_TEST(joining)
{
    struct core_client *one = fixture_client(&fixture, BLUE), *two = fixture_client(&fixture, BLUE);
    struct core_client *green = fixture_client(&fixture, GREEN);
    struct core_attach_request join = {.mode = CORE_ATTACH_JOIN};
    uint32_t own[] = {1};

    attach_now(&fixture, two, join, &second);
    check_refused(&second, CORE_REFUSED_UNKNOWN_LEASE);
    attach_now(&fixture, one,
               (struct core_attach_request){.devices = ssd0,
                                            .device_count = 1,
                                            .namespaces = own,
                                            .namespaces_given = true,
                                            .namespace_count = 1,
                                            .queue_pairs = 2},
               &answer);
    check_granted(&answer);
    ck_assert_uint_eq(answer.queue_pairs, 2);
    attach_now(&fixture, two, join, &second);
    check_granted(&second);
    ck_assert_str_eq(second.lease, answer.lease);
    attach_now(&fixture, two, (struct core_attach_request){.mode = CORE_ATTACH_JOIN, .queue_pairs = 3},
               &second);
    check_refused(&second, CORE_REFUSED_NO_QUEUE_PAIR_FREE);
    attach_now(&fixture, two,
               (struct core_attach_request){.mode = CORE_ATTACH_JOIN, .devices = ssd1, .device_count = 1},
               &second);
    check_refused(&second, CORE_REFUSED_UNKNOWN_LEASE);
    attach_now(&fixture, two, (struct core_attach_request){.lease = answer.lease}, &second);
    check_granted(&second);
    attach_now(&fixture, green, (struct core_attach_request){.lease = answer.lease}, &third);
    check_refused(&third, CORE_REFUSED_UNKNOWN_LEASE);
    attach_now(&fixture, two, (struct core_attach_request){.lease = "lease-99"}, &third);
    check_refused(&third, CORE_REFUSED_UNKNOWN_LEASE);
    /* The lease lives until the last of them is gone. */
    core_client_gone(one);
    fixture_settle(&fixture);
    ck_assert_uint_eq(lease_count(&fixture), 1);
    core_client_gone(green);
    end_with(&fixture, two);
}
END_TEST

START_TEST(two_that_start_at_once_share)
{
    struct core_client *one = fixture_client(&fixture, BLUE), *two = fixture_client(&fixture, BLUE);

    attach(one, anything, &answer);
    attach(two, anything, &second);
    core_client_gone(one);
    fake_run(&fixture.fake);
    ck_assert_uint_eq(answer.count, 0);
    check_granted(&second);
    end_with(&fixture, two);
}
END_TEST

START_TEST(detaching)
{
    struct core_client *client = fixture_client(&fixture, BLUE);

    core_detach(client, "lease-1", on_plain, &plain);
    check_refused(&plain, CORE_REFUSED_UNKNOWN_LEASE);
    attach_now(&fixture, client, anything, &answer);
    memset(&plain, 0, sizeof(plain));
    core_detach(client, answer.lease, on_plain, &plain);
    fake_run(&fixture.fake);
    check_granted(&plain);
    check_clean(&fixture);
    memset(&plain, 0, sizeof(plain));
    core_detach(client, answer.lease, on_plain, &plain);
    check_refused(&plain, CORE_REFUSED_UNKNOWN_LEASE);
    end_with(&fixture, client);
}
END_TEST

/* ---- waiting ---- */

static void take_all(struct core_client **clients)
{
    struct answer taken;

    for (unsigned i = 0; i < 4; i++) {
        clients[i] = fixture_client(&fixture, GREEN);
        attach_now(
            &fixture, clients[i],
            (struct core_attach_request){.mode = CORE_ATTACH_FRESH, .devices = ssd0, .device_count = 1},
            &taken);
        check_granted(&taken);
    }
}

START_TEST(waiting_first_come_first_served)
{
    struct core_client *clients[4], *one = fixture_client(&fixture, BLUE),
                                    *two = fixture_client(&fixture, BLUE);
    struct core_attach_request wait = {
        .mode = CORE_ATTACH_FRESH, .devices = ssd0, .device_count = 1, .wait_milliseconds = 1000};

    take_all(clients);
    attach(one, (struct core_attach_request){.mode = CORE_ATTACH_FRESH, .devices = ssd0, .device_count = 1},
           &answer);
    check_refused(&answer, CORE_REFUSED_NO_FUNCTION_FREE);
    ck_assert_str_eq(answer.error.name, "ssd0");
    attach(one, wait, &answer);
    attach(two, wait, &second);
    fixture_advance(&fixture, 999);
    ck_assert_uint_eq(answer.count + second.count, 0);
    core_client_gone(clients[0]);
    fake_run(&fixture.fake);
    check_granted(&answer);
    ck_assert_uint_eq(second.count, 0);
    fixture_advance(&fixture, 1);
    check_refused(&second, CORE_REFUSED_WAIT_EXPIRED);
    ck_assert_int_eq(second.error.value, 1000);
    for (unsigned i = 1; i < 4; i++)
        core_client_gone(clients[i]);
    core_client_gone(one);
    end_with(&fixture, two);
}
END_TEST

START_TEST(a_waiter_that_dies_is_passed_over)
{
    struct core_client *clients[4], *one = fixture_client(&fixture, BLUE),
                                    *two = fixture_client(&fixture, BLUE);
    struct core_attach_request wait = {
        .mode = CORE_ATTACH_FRESH, .devices = ssd0, .device_count = 1, .wait_milliseconds = 1000};

    take_all(clients);
    attach(one, wait, &answer);
    attach(two, wait, &second);
    core_client_gone(one);
    core_client_gone(clients[3]);
    fake_run(&fixture.fake);
    ck_assert_uint_eq(answer.count, 0);
    check_granted(&second);
    for (unsigned i = 0; i < 3; i++)
        core_client_gone(clients[i]);
    end_with(&fixture, two);
}
END_TEST

START_TEST(who_waits_for_two_devices_is_not_overtaken)
{
    struct core_client *clients[4], *one = fixture_client(&fixture, BLUE),
                                    *two = fixture_client(&fixture, BLUE);

    take_all(clients);
    attach(one,
           (struct core_attach_request){
               .mode = CORE_ATTACH_FRESH, .devices = both, .device_count = 2, .wait_milliseconds = 1000},
           &answer);
    attach(two, (struct core_attach_request){.mode = CORE_ATTACH_FRESH, .devices = ssd1, .device_count = 1},
           &second);
    check_refused(&second, CORE_REFUSED_NO_FUNCTION_FREE);
    core_client_gone(clients[0]);
    fake_run(&fixture.fake);
    check_granted(&answer);
    attach_now(&fixture, two,
               (struct core_attach_request){.mode = CORE_ATTACH_FRESH, .devices = ssd1, .device_count = 1},
               &second);
    check_granted(&second);
    for (unsigned i = 1; i < 4; i++)
        core_client_gone(clients[i]);
    core_client_gone(one);
    end_with(&fixture, two);
}
END_TEST

START_TEST(who_queued_later_waits_behind)
{
    struct core_client *clients[4], *one = fixture_client(&fixture, BLUE),
                                    *two = fixture_client(&fixture, BLUE);
    struct core_client *holder = fixture_client(&fixture, GREEN);

    take_all(clients);
    attach_now(&fixture, holder,
               (struct core_attach_request){.mode = CORE_ATTACH_FRESH, .devices = ssd1, .device_count = 1},
               &third);
    attach(one,
           (struct core_attach_request){
               .mode = CORE_ATTACH_FRESH, .devices = both, .device_count = 2, .wait_milliseconds = 1000},
           &answer);
    attach(two,
           (struct core_attach_request){
               .mode = CORE_ATTACH_FRESH, .devices = ssd1, .device_count = 1, .wait_milliseconds = 1000},
           &second);
    /* Another function of ssd1 comes free: it is the first one's still. */
    core_client_gone(holder);
    fake_run(&fixture.fake);
    ck_assert_uint_eq(answer.count + second.count, 0);
    core_client_gone(one);
    fake_run(&fixture.fake);
    check_granted(&second);
    for (unsigned i = 0; i < 4; i++)
        core_client_gone(clients[i]);
    end_with(&fixture, two);
}
END_TEST

START_TEST(the_quota_of_waiting)
{
    struct core_client *clients[4], *one = fixture_client(&fixture, BLUE),
                                    *two = fixture_client(&fixture, BLUE);
    struct core_attach_request wait = {
        .mode = CORE_ATTACH_FRESH, .devices = ssd0, .device_count = 1, .wait_milliseconds = 1000};

    fixture.tenants[0].waiting_max = 1;
    take_all(clients);
    attach(one, wait, &answer);
    attach(two, wait, &second);
    check_refused(&second, CORE_REFUSED_QUOTA);
    ck_assert_int_eq(second.error.quota, CORE_QUOTA_WAITING);
    for (unsigned i = 0; i < 4; i++)
        core_client_gone(clients[i]);
    core_client_gone(two);
    end_with(&fixture, one);
}
END_TEST

/* homid may have been started by the very request: it is not refused because of that. */
START_TEST(who_comes_with_the_start_is_served)
{
    struct core_client *client;

    fixture_fini(&fixture);
    fixture_init(&fixture, 1);
    fixture_new(&fixture);
    core_start(fixture.core);
    fake_step(&fixture.fake);
    client = fixture_client(&fixture, BLUE);
    attach(client, anything, &answer);
    ck_assert_uint_eq(answer.count, 0);
    fake_run(&fixture.fake);
    check_granted(&answer);
    end_with(&fixture, client);
}
END_TEST

START_TEST(a_start_that_fails_refuses_who_came_with_it)
{
    struct core_client *client;

    fixture_fini(&fixture);
    fixture_init(&fixture, 1);
    fixture_new(&fixture);
    fixture.fake.fail_kind = 1u << FAKE_PROBE;
    fixture.fake.fail_kind_error = -EIO;
    core_start(fixture.core);
    client = fixture_client(&fixture, BLUE);
    attach(client, anything, &answer);
    ck_assert_uint_eq(answer.count, 0);
    fake_run(&fixture.fake);
    check_refused(&answer, CORE_REFUSED_DEVICE_UNAVAILABLE);
    end_with(&fixture, client);
}
END_TEST

START_TEST(a_waiter_is_served_after_provisioning)
{
    struct core_client *client;

    fixture_fini(&fixture);
    fixture_init(&fixture, 1);
    fixture_new(&fixture);
    core_start(fixture.core);
    fake_step(&fixture.fake);
    client = fixture_client(&fixture, BLUE);
    attach(client, (struct core_attach_request){.wait_milliseconds = 1000}, &answer);
    ck_assert_uint_eq(answer.count, 0);
    fake_run(&fixture.fake);
    check_granted(&answer);
    end_with(&fixture, client);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("core leases");
    TCase *tcase = tcase_create("leases");

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, a_trusted_tenant_gets_a_function_with_its_namespaces);
    tcase_add_test(tcase, who_may_act_for_whom);
    tcase_add_test(tcase, supplementary_groups_count);
    tcase_add_test(tcase, devices_that_are_refused);
    tcase_add_test(tcase, namespaces_that_are_refused);
    tcase_add_test(tcase, a_namespace_that_the_host_took_meanwhile_is_busy);
    tcase_add_test(tcase, a_look_at_the_device_that_fails_refuses);
    tcase_add_test(tcase, requests_during_a_look_are_all_served);
    tcase_add_test(tcase, a_private_namespace_is_not_shared);
    tcase_add_test(tcase, a_foreign_namespace_never_reaches_a_tenant);
    tcase_add_test(tcase, several_devices_all_or_nothing);
    tcase_add_test(tcase, a_device_that_is_away_is_unavailable);
    tcase_add_test(tcase, quotas_of_functions_and_connections);
    tcase_add_test(tcase, joining);
    tcase_add_test(tcase, two_that_start_at_once_share);
    tcase_add_test(tcase, detaching);
    tcase_add_test(tcase, waiting_first_come_first_served);
    tcase_add_test(tcase, a_waiter_that_dies_is_passed_over);
    tcase_add_test(tcase, who_waits_for_two_devices_is_not_overtaken);
    tcase_add_test(tcase, who_queued_later_waits_behind);
    tcase_add_test(tcase, the_quota_of_waiting);
    tcase_add_test(tcase, who_comes_with_the_start_is_served);
    tcase_add_test(tcase, a_start_that_fails_refuses_who_came_with_it);
    tcase_add_test(tcase, a_waiter_is_served_after_provisioning);
    suite_add_tcase(suite, tcase);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
