/* SPDX-License-Identifier: BSD-3-Clause */
/* A reset of the SSD under leases: what is kept, what is made again, and what ends the lease all the same. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/core_fixture.h"

#define REGION_BYTES (1 << 20)

static struct fixture fixture;
static struct hw_device *device;
static struct core_client *blue;
static struct answer lease, region, pair, plain, recovered;
static struct core_pair_name pairs[4];
static size_t pair_count;
static const char *const ssd0[] = {"ssd0"}, *const both[] = {"ssd0", "ssd1"};

static void on_recovered(void *user, const struct core_error *error, const struct core_pair_name *names,
                         size_t count)
{
    on_plain(user, error);
    pair_count = count;
    ck_assert_uint_le(count, 4);
    for (size_t i = 0; i < count; i++)
        pairs[i] = names[i];
}

static void recover(void)
{
    memset(&recovered, 0, sizeof(recovered));
    core_recover(blue, lease.lease, on_recovered, &recovered);
}

static void begin(bool keeps)
{
    fixture_init(&fixture, 2);
    fixture.keeps = keeps;
    fixture_start(&fixture);
    device = &fixture.fake.devices[0];
    blue = keeps ? fixture_client_at(&fixture, BLUE, 1) : fixture_client(&fixture, BLUE);
    attach_now(&fixture, blue, (struct core_attach_request){.devices = ssd0, .device_count = 1}, &lease);
    register_memory(blue, &lease, REGION_BYTES, &region);
    fake_run(&fixture.fake);
    create_pair(blue, &lease, &region, 0, true, &pair);
    fake_run(&fixture.fake);
    check_granted(&pair);
    memset(&plain, 0, sizeof(plain));
}

static void set_up(void)
{
    begin(false);
}

static void set_up_kept(void)
{
    begin(true);
}

static void tear_down(void)
{
    check_invariants(&fixture);
    fixture_fini(&fixture);
}

static void reset(void)
{
    fake_reset_controllers(device);
    core_device_event(device->user, device, HW_DEVICE_RESET, "the kernel reset the controller");
}

static void check_recovered(void)
{
    recover();
    fixture_settle(&fixture);
    check_granted(&recovered);
    ck_assert_uint_eq(pair_count, 0);
    create_pair(blue, &lease, &region, 0, true, &pair);
    fake_run(&fixture.fake);
    check_granted(&pair);
    recover();
    ck_assert_uint_eq(pair_count, 1);
    ck_assert_uint_eq(pairs[0].id, pair.queue);
    ck_assert_str_eq(pairs[0].function, lease.functions[0]);
    end_with(&fixture, blue);
    ck_assert_uint_eq(functions_in(&fixture, "ready"), 8);
}

START_TEST(a_lease_outlives_a_reset)
{
    unsigned opens = device->functions[0].opens, maps = fixture.fake.count[FAKE_MAP];

    reset();
    ck_assert_uint_eq(fixture.events[CORE_EVENT_FUNCTION_RESET], 1);
    recover();
    ck_assert_uint_eq(recovered.count, 0);
    fake_run(&fixture.fake);
    check_granted(&recovered);
    ck_assert_str_eq(function_state(&fixture, 0, 0), "leased");
    ck_assert_uint_eq(fixture.events[CORE_EVENT_LEASE_REVOKED], 0);
    ck_assert_uint_eq(fixture.events[CORE_EVENT_QUEUE_DELETED], 1);
    /* The same open function, with its memory and its namespaces; the idle ones were opened again. */
    ck_assert_uint_eq(device->functions[0].opens, opens);
    ck_assert_uint_eq(fixture.fake.count[FAKE_MAP], maps);
    ck_assert_uint_eq(device->functions[0].mapping_count, 1);
    ck_assert_uint_eq(device->functions[0].attached, 5);
    ck_assert_uint_eq(functions_in(&fixture, "ready"), 7);
    check_recovered();
}
END_TEST

START_TEST(without_a_reset_there_is_nothing_to_wait_for)
{
    recover();
    check_granted(&recovered);
    ck_assert_uint_eq(pair_count, 1);
    core_recover(blue, "lease-77", on_recovered, &plain);
    check_refused(&plain, CORE_REFUSED_UNKNOWN_LEASE);
    end_with(&fixture, blue);
}
END_TEST

/* Whatever is under way when the next reset comes, at any number of steps. */
START_TEST(resets_come_at_any_moment)
{
    for (int step = 0; step < _i; step++)
        fake_step(&fixture.fake);
    reset();
    for (int step = 0; step < _i; step++)
        fake_step(&fixture.fake);
    reset();
    fixture_settle(&fixture);
    ck_assert_uint_eq(fixture.events[CORE_EVENT_LEASE_REVOKED], 0);
    check_recovered();
}
END_TEST

START_TEST(another_reset_is_noticed_before_it_is_told)
{
    static const enum fake_operation meets[] = {FAKE_RENEW, FAKE_IDENTIFY, FAKE_IDENTIFY_NAMESPACE};

    reset();
    while (fake_kind(&fixture.fake, 0) != meets[_i])
        ck_assert(fake_step(&fixture.fake));
    fake_reset_controllers(device);
    fixture_settle(&fixture);
    ck_assert_uint_eq(fixture.events[CORE_EVENT_FUNCTION_RESET], 2);
    ck_assert_uint_eq(fixture.events[CORE_EVENT_LEASE_REVOKED], 0);
    ck_assert_str_eq(function_state(&fixture, 0, 0), "leased");
    core_device_event(device->user, device, HW_DEVICE_RESET, NULL);
    check_recovered();
}
END_TEST

START_TEST(calls_meanwhile)
{
    struct answer memory, created, deleted = {0}, data = {0};

    create_pair(blue, &lease, &region, 1, false, &created);
    core_delete_queue_pair(blue, lease.lease, lease.functions[0], pair.queue, on_plain, &deleted);
    reset();
    core_identify(blue, lease.lease, lease.functions[0], 1, 0, on_data, &data);
    check_refused(&data, CORE_REFUSED_FUNCTION_RESET);
    ck_assert_str_eq(data.error.name, lease.functions[0]);
    ck_assert_str_eq(data.error.text, "the kernel reset the controller");
    register_memory(blue, &lease, REGION_BYTES, &memory);
    fake_run(&fixture.fake);
    /* What was under way when it came is answered, too. */
    check_refused(&created, CORE_REFUSED_FUNCTION_RESET);
    check_refused(&deleted, CORE_REFUSED_FUNCTION_RESET);
    check_granted(&memory);
    check_recovered();
}
END_TEST

START_TEST(a_process_ends_while_its_function_is_provisioned_again)
{
    reset();
    for (int step = 0; step < _i; step++)
        fake_step(&fixture.fake);
    end_with(&fixture, blue);
    ck_assert_uint_eq(functions_in(&fixture, "ready"), 8);
    ck_assert_uint_eq(fixture.events[CORE_EVENT_LEASE_ENDED], 1);
}
END_TEST

START_TEST(it_cannot_be_provisioned_again)
{
    static const enum fake_operation failing[] = {FAKE_PROBE,  FAKE_LIST,  FAKE_ASSIGN,
                                                  FAKE_ONLINE, FAKE_RENEW, FAKE_ATTACH};

    reset();
    recover();
    fixture.fake.fail_kind = 1u << failing[_i];
    fixture.fake.fail_kind_error = -EIO;
    fake_run(&fixture.fake);
    check_refused(&recovered, CORE_REFUSED_LEASE_REVOKED);
    ck_assert_uint_eq(fixture.events[CORE_EVENT_LEASE_REVOKED], 1);
    fixture.fake.fail_kind = 0;
    fixture_settle(&fixture);
    check_clean(&fixture);
    core_retry(fixture.core, "ssd0", NULL, on_plain, &plain);
    fixture_settle(&fixture);
    end_with(&fixture, blue);
    ck_assert_uint_eq(functions_in(&fixture, "ready"), 8);
}
END_TEST

START_TEST(it_is_removed_instead)
{
    reset();
    fake_step(&fixture.fake);
    recover();
    device->absent = true;
    core_device_event(device->user, device, HW_DEVICE_GONE, NULL);
    fixture_settle(&fixture);
    check_refused(&recovered, CORE_REFUSED_LEASE_REVOKED);
    ck_assert_str_eq(device_state_of(&fixture, 0), "absent");
    end_with(&fixture, blue);
}
END_TEST

START_TEST(a_failure_that_is_a_reset)
{
    struct hw_function *function = &device->functions[0];

    fake_reset_controllers(device);
    core_function_event(function->listener_user, function, HW_FUNCTION_FAILED, "CSTS.CFS is set");
    fake_run(&fixture.fake);
    ck_assert_uint_eq(fixture.events[CORE_EVENT_FUNCTION_RESET], 1);
    ck_assert_uint_eq(fixture.events[CORE_EVENT_LEASE_REVOKED], 0);
    check_recovered();
}
END_TEST

START_TEST(a_failure_that_is_none)
{
    struct hw_function *function = &device->functions[0];

    recover();
    core_function_event(function->listener_user, function, HW_FUNCTION_FAILED, "CSTS.CFS is set");
    recover();
    fake_run(&fixture.fake);
    check_refused(&recovered, CORE_REFUSED_LEASE_REVOKED);
    ck_assert_str_eq(recovered.error.text, "CSTS.CFS is set");
    ck_assert_uint_eq(fixture.events[CORE_EVENT_FUNCTION_RESET], 0);
    end_with(&fixture, blue);
}
END_TEST

START_TEST(a_failure_that_the_device_says_nothing_of)
{
    struct hw_function *function = &device->functions[0];

    core_function_event(function->listener_user, function, HW_FUNCTION_FAILED, "CSTS.CFS is set");
    ck_assert(fake_step_with(&fixture.fake, 0, -EIO));
    recover();
    fixture_advance(&fixture, 999);
    ck_assert_uint_eq(recovered.count, 0);
    fixture_advance(&fixture, 1);
    fake_run(&fixture.fake);
    check_refused(&recovered, CORE_REFUSED_LEASE_REVOKED);
    end_with(&fixture, blue);
}
END_TEST

START_TEST(one_of_two_devices_is_reset)
{
    struct answer two;

    core_client_gone(blue);
    fixture_settle(&fixture);
    blue = fixture_client(&fixture, BLUE);
    attach_now(&fixture, blue, (struct core_attach_request){.devices = both, .device_count = 2}, &lease);
    register_memory(blue, &lease, REGION_BYTES, &region);
    fake_run(&fixture.fake);
    create_pair(blue, &lease, &region, 0, false, &pair);
    snprintf(lease.functions[0], sizeof(lease.functions[0]), "%s", lease.functions[1]);
    create_pair(blue, &lease, &region, 1, false, &two);
    fake_run(&fixture.fake);
    reset();
    recover();
    fake_run(&fixture.fake);
    check_granted(&recovered);
    ck_assert_uint_eq(pair_count, 1);
    ck_assert_str_eq(pairs[0].function, lease.functions[1]);
    end_with(&fixture, blue);
}
END_TEST

static void on_stopped(void *user)
{
    (void)user;
    fixture.stopped = true;
}

START_TEST(a_stop_while_it_is_provisioned_again)
{
    reset();
    for (int step = 0; step < _i; step++)
        fake_step(&fixture.fake);
    core_stop(fixture.core, on_stopped, NULL);
    fake_run(&fixture.fake);
    ck_assert(fixture.stopped);
    ck_assert_uint_eq(fake_totals(&fixture.fake).open, 0);
}
END_TEST

/* ---- with homid's own end ---- */

static bool always(void)
{
    return true;
}

static bool never(void)
{
    return false;
}

static void die_and_restore(bool (*happens)(void))
{
    fixture_die(&fixture, happens);
    blue = fixture_client_at(&fixture, BLUE, 1);
    fixture_restore(&fixture);
}

/* At each of its writes; what it had just asked of the hardware takes place or not. */
START_TEST(homid_ends_while_it_is_provisioned_again)
{
    unsigned opens = device->functions[0].opens;

    fixture.keeper.writes = 0;
    fixture.keeper.die_at = (unsigned)_i / 2 + 1;
    reset();
    while (!fixture.fake.dead && fixture_step(&fixture))
        ;
    die_and_restore(_i % 2 ? always : never);
    fixture_settle(&fixture);
    ck_assert_str_eq(function_state(&fixture, 0, 0), "leased");
    ck_assert_uint_eq(fixture.events[CORE_EVENT_LEASE_REVOKED], 0);
    ck_assert_uint_eq(device->functions[0].opens, opens);
    ck_assert_uint_eq(device->functions[0].mapping_count, 1);
    check_recovered();
}
END_TEST

START_TEST(a_reset_while_no_homid_is_there)
{
    fixture_die(&fixture, always);
    fake_reset_controllers(device);
    blue = fixture_client_at(&fixture, BLUE, 1);
    fixture_restore(&fixture);
    /* The answers come in another order each time. */
    for (int i = 0; i < 12 && fixture.fake.pending; i++)
        fake_step_nth(&fixture.fake, (unsigned)_i % fixture.fake.pending);
    fixture_settle(&fixture);
    ck_assert_uint_eq(fixture.events[CORE_EVENT_FUNCTION_RESET], 1);
    ck_assert_uint_eq(fixture.events[CORE_EVENT_LEASE_REVOKED], 0);
    check_recovered();
}
END_TEST

START_TEST(a_reset_while_it_is_taken_over)
{
    die_and_restore(always);
    for (int step = 0; step < _i; step++)
        fixture_step(&fixture);
    reset();
    fixture_settle(&fixture);
    ck_assert_uint_eq(fixture.events[CORE_EVENT_FUNCTION_RESET], 1);
    ck_assert_uint_eq(fixture.events[CORE_EVENT_LEASE_REVOKED], 0);
    check_recovered();
}
END_TEST

START_TEST(a_process_ends_while_no_homid_is_there)
{
    fixture.keeper.writes = 0;
    fixture.keeper.die_at = (unsigned)_i + 1;
    reset();
    while (!fixture.fake.dead && fixture_step(&fixture))
        ;
    fixture_die(&fixture, always);
    fixture_restore(&fixture);
    fixture_settle(&fixture);
    check_clean(&fixture);
    ck_assert_uint_eq(functions_in(&fixture, "ready"), 8);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("core recovery");
    TCase *tcase = tcase_create("recovery");

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, a_lease_outlives_a_reset);
    tcase_add_test(tcase, without_a_reset_there_is_nothing_to_wait_for);
    tcase_add_loop_test(tcase, resets_come_at_any_moment, 0, 40);
    tcase_add_loop_test(tcase, another_reset_is_noticed_before_it_is_told, 0, 3);
    tcase_add_test(tcase, calls_meanwhile);
    tcase_add_loop_test(tcase, a_process_ends_while_its_function_is_provisioned_again, 0, 40);
    tcase_add_loop_test(tcase, it_cannot_be_provisioned_again, 0, 6);
    tcase_add_test(tcase, it_is_removed_instead);
    tcase_add_test(tcase, a_failure_that_is_a_reset);
    tcase_add_test(tcase, a_failure_that_is_none);
    tcase_add_test(tcase, a_failure_that_the_device_says_nothing_of);
    tcase_add_test(tcase, one_of_two_devices_is_reset);
    tcase_add_loop_test(tcase, a_stop_while_it_is_provisioned_again, 0, 40);
    suite_add_tcase(suite, tcase);
    tcase = tcase_create("homid's end");
    tcase_add_checked_fixture(tcase, set_up_kept, tear_down);
    tcase_add_loop_test(tcase, homid_ends_while_it_is_provisioned_again, 0, 80);
    tcase_add_loop_test(tcase, a_reset_while_no_homid_is_there, 0, 8);
    tcase_add_loop_test(tcase, a_reset_while_it_is_taken_over, 0, 20);
    tcase_add_loop_test(tcase, a_process_ends_while_no_homid_is_there, 0, 40);
    suite_add_tcase(suite, tcase);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
