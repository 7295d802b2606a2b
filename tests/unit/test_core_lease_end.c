/* SPDX-License-Identifier: BSD-3-Clause */
/* Leases: reservations, and what is left of a lease when something fails under it. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/core_fixture.h"

static struct fixture fixture;
static struct hw_device *device;
static struct answer answer, second, plain;
static const char *const ssd0[] = {"ssd0"}, *const both[] = {"ssd0", "ssd1"};
static const struct core_attach_request anything;

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

/* ---- reservations ---- */

static void reserve(struct answer *ret_answer)
{
    memset(ret_answer, 0, sizeof(*ret_answer));
    core_allocate(fixture.core,
                  &(struct core_attach_request){.tenant = "blue", .devices = ssd0, .device_count = 1},
                  on_attach, ret_answer);
    fake_run(&fixture.fake);
    check_granted(ret_answer);
}

static void free_lease(const char *lease, bool force, int code)
{
    memset(&plain, 0, sizeof(plain));
    core_free_lease(fixture.core, lease, force, on_plain, &plain);
    fake_run(&fixture.fake);
    check_refused(&plain, code);
}

START_TEST(a_reservation_stands_until_it_is_freed)
{
    struct core_client *client;

    reserve(&answer);
    ck_assert_int_eq(answer.device_fd, -1);
    ck_assert_uint_eq(device->functions[0].opens, 1);
    for (unsigned i = 0; i < 3; i++) {
        client = fixture_client(&fixture, BLUE);
        attach_now(&fixture, client, (struct core_attach_request){.lease = answer.lease}, &second);
        check_granted(&second);
        ck_assert_int_eq(second.device_fd, 100);
        core_client_gone(client);
        fixture_settle(&fixture);
        /* The next process gets a function that nobody has touched, with the same namespaces. */
        ck_assert_uint_eq(device->functions[0].opens, 2 + i);
        ck_assert_uint_eq(device->functions[0].attached, 5);
        ck_assert_str_eq(function_state(&fixture, 0, 0), "leased");
    }
    free_lease(answer.lease, false, 0);
    free_lease(answer.lease, false, CORE_REFUSED_UNKNOWN_LEASE);
    fixture_settle(&fixture);
    check_clean(&fixture);
}
END_TEST

START_TEST(a_reservation_that_is_held)
{
    struct core_client *client = fixture_client(&fixture, BLUE);
    struct answer data = {0};

    reserve(&answer);
    attach_now(&fixture, client, (struct core_attach_request){.lease = answer.lease}, &second);
    free_lease(answer.lease, false, CORE_REFUSED_LEASE_HELD);
    ck_assert_int_eq(plain.error.value, 1);
    free_lease(answer.lease, true, 0);
    core_identify(client, second.lease, second.functions[0], 1, 0, on_data, &data);
    check_refused(&data, CORE_REFUSED_LEASE_REVOKED);
    ck_assert_uint_eq(fixture.events[CORE_EVENT_LEASE_REVOKED], 1);
    check_clean(&fixture);
    end_with(&fixture, client);
}
END_TEST

START_TEST(joining_while_a_reservation_is_cleaned)
{
    struct core_client *one = fixture_client(&fixture, BLUE), *two = fixture_client(&fixture, BLUE);

    reserve(&answer);
    attach_now(&fixture, one, (struct core_attach_request){.lease = answer.lease}, &second);
    core_client_gone(one);
    attach(two, (struct core_attach_request){.lease = answer.lease}, &second);
    ck_assert_uint_eq(second.count, 0);
    fake_run(&fixture.fake);
    check_granted(&second);
    ck_assert_uint_eq(device->functions[0].opens, 2);
    core_client_gone(two);
    fixture_settle(&fixture);
    free_lease(answer.lease, false, 0);
    fixture_settle(&fixture);
    check_clean(&fixture);
}
END_TEST

/* However far the cleaning behind its last process has come, the namespaces go too. */
START_TEST(a_reservation_freed_while_it_is_cleaned)
{
    for (unsigned steps = 0; steps < 6; steps++) {
        struct core_client *client = fixture_client(&fixture, BLUE);
        reserve(&answer);
        attach_now(&fixture, client, (struct core_attach_request){.lease = answer.lease}, &second);
        core_client_gone(client);
        for (unsigned i = 0; i < steps; i++)
            fake_step(&fixture.fake);
        free_lease(answer.lease, false, 0);
        fixture_settle(&fixture);
        ck_assert_str_eq(function_reason(&fixture, 0, 0), "");
        ck_assert_str_eq(function_state(&fixture, 0, 0), "ready");
        check_clean(&fixture);
    }
}
END_TEST

START_TEST(a_reservation_freed_while_its_function_is_opened_again)
{
    struct core_client *client = fixture_client(&fixture, BLUE);

    reserve(&answer);
    attach_now(&fixture, client, (struct core_attach_request){.lease = answer.lease}, &second);
    core_client_gone(client);
    while (fake_kind(&fixture.fake, 0) != FAKE_OPEN)
        ck_assert(fake_step(&fixture.fake));
    free_lease(answer.lease, false, 0);
    fixture_settle(&fixture);
    check_clean(&fixture);
    ck_assert_uint_eq(functions_in(&fixture, "ready"), 8);
}
END_TEST

START_TEST(memory_given_back_while_it_is_mapped_on_another_device)
{
    struct core_client *client = fixture_client(&fixture, BLUE);
    struct answer region = {0};

    attach_now(&fixture, client, (struct core_attach_request){.devices = both, .device_count = 2}, &answer);
    register_memory(client, &answer, 1 << 20, &region);
    ck_assert_int_eq(fake_kind(&fixture.fake, 1), FAKE_MAP);
    ck_assert(fake_step(&fixture.fake));
    core_detach(client, answer.lease, on_plain, &plain);
    fake_run(&fixture.fake);
    check_refused(&region, CORE_REFUSED_LEASE_REVOKED);
    check_refused(&plain, 0);
    end_with(&fixture, client);
}
END_TEST

START_TEST(a_reservation_outlives_a_failure)
{
    struct core_client *client = fixture_client(&fixture, BLUE);
    struct hw_function *function = &device->functions[0];

    reserve(&answer);
    attach_now(&fixture, client, (struct core_attach_request){.lease = answer.lease}, &second);
    core_function_event(function->listener_user, function, HW_FUNCTION_FAILED, "CSTS.CFS is set");
    fake_run(&fixture.fake);
    attach_now(&fixture, client, (struct core_attach_request){.lease = answer.lease}, &second);
    check_granted(&second);
    core_client_gone(client);
    fixture_settle(&fixture);
    free_lease(answer.lease, false, 0);
    fixture_settle(&fixture);
    check_clean(&fixture);
}
END_TEST

START_TEST(what_allocate_refuses)
{
    static const struct {
        const char *tenant;
        int code;
    } cases[] = {{NULL, CORE_REFUSED_UNKNOWN_TENANT},
                 {"red", CORE_REFUSED_UNKNOWN_TENANT},
                 {"grey", CORE_REFUSED_TRUST_REQUIRED}};

    for (unsigned i = 0; i < 3; i++) {
        memset(&answer, 0, sizeof(answer));
        core_allocate(fixture.core, &(struct core_attach_request){.tenant = cases[i].tenant}, on_attach,
                      &answer);
        check_refused(&answer, cases[i].code);
    }
    check_clean(&fixture);
}
END_TEST

/* ---- failures ---- */

START_TEST(a_failure_revokes_the_lease)
{
    struct core_client *client = fixture_client(&fixture, BLUE);
    struct answer region, data = {0};

    attach_now(&fixture, client, (struct core_attach_request){.devices = ssd0, .device_count = 1}, &answer);
    register_memory(client, &answer, 65536, &region);
    fake_run(&fixture.fake);
    create_pair(client, &answer, &region, 0, false, &second);
    fake_run(&fixture.fake);
    check_granted(&second);
    core_function_event(device->functions[0].listener_user, &device->functions[0], HW_FUNCTION_FAILED,
                        "CSTS.CFS is set");
    fake_step(&fixture.fake); /* whether it was taken offline */
    ck_assert_uint_eq(fixture.events[CORE_EVENT_FUNCTION_FAILED], 1);
    ck_assert_uint_eq(fixture.events[CORE_EVENT_LEASE_REVOKED], 1);
    core_identify(client, answer.lease, answer.functions[0], 1, 0, on_data, &data);
    check_refused(&data, CORE_REFUSED_LEASE_REVOKED);
    ck_assert_str_eq(data.error.text, "CSTS.CFS is set");
    fake_run(&fixture.fake);
    check_clean(&fixture);
    core_detach(client, answer.lease, on_plain, &plain);
    check_granted(&plain);
    memset(&data, 0, sizeof(data));
    core_identify(client, answer.lease, answer.functions[0], 1, 0, on_data, &data);
    check_refused(&data, CORE_REFUSED_UNKNOWN_LEASE);
    attach_now(&fixture, client, anything, &answer);
    check_granted(&answer);
    end_with(&fixture, client);
}
END_TEST

START_TEST(a_queue_that_will_not_be_deleted_resets_the_function)
{
    struct core_client *client = fixture_client(&fixture, BLUE);
    struct answer region;

    attach_now(&fixture, client, (struct core_attach_request){.devices = ssd0, .device_count = 1}, &answer);
    register_memory(client, &answer, 65536, &region);
    fake_run(&fixture.fake);
    create_pair(client, &answer, &region, 0, false, &second);
    fake_run(&fixture.fake);
    fixture.fake.fail_kind = 1u << FAKE_DELETE;
    fixture.fake.fail_kind_error = -ETIMEDOUT;
    core_client_gone(client);
    fixture_settle(&fixture);
    ck_assert_uint_eq(fixture.fake.count[FAKE_UNMAP], 0);
    ck_assert_uint_eq(device->functions[0].opens, 2);
    check_clean(&fixture);
    ck_assert_uint_eq(functions_in(&fixture, "ready"), 8);
}
END_TEST

START_TEST(a_namespace_that_cannot_be_detached_keeps_its_claim)
{
    struct core_client *client = fixture_client(&fixture, BLUE);

    attach_now(&fixture, client, (struct core_attach_request){.devices = ssd0, .device_count = 1}, &answer);
    fixture.fake.fail_kind = 1u << FAKE_ATTACH;
    fixture.fake.fail_kind_error = -EIO;
    core_client_gone(client);
    fixture_settle(&fixture);
    ck_assert_str_eq(function_state(&fixture, 0, 0), "quarantined");
    ck_assert_ptr_nonnull(strstr(function_reason(&fixture, 0, 0), "could not be detached"));
    ck_assert_uint_eq(fake_totals(&fixture.fake).open, 7);
    fixture.fake.fail_kind = 0;
    core_retry(fixture.core, "ssd0", "0000:01:00.1", on_plain, &plain);
    fixture_settle(&fixture);
    ck_assert_uint_eq(functions_in(&fixture, "ready"), 8);
    ck_assert_uint_eq(device->functions[0].attached, 0);
    check_clean(&fixture);
}
END_TEST

START_TEST(a_reset_that_takes_the_functions_revokes_and_recovers)
{
    struct core_client *client = fixture_client(&fixture, BLUE);

    attach_now(&fixture, client, (struct core_attach_request){.devices = both, .device_count = 2}, &answer);
    fake_reset_device(device);
    core_device_event(device->user, device, HW_DEVICE_RESET, NULL);
    ck_assert_uint_eq(fixture.events[CORE_EVENT_FUNCTION_RESET], 1);
    fixture_settle(&fixture);
    ck_assert_uint_eq(fixture.events[CORE_EVENT_LEASE_REVOKED], 1);
    check_clean(&fixture);
    ck_assert_uint_eq(functions_in(&fixture, "ready"), 8);
    attach_now(&fixture, client, (struct core_attach_request){.devices = both, .device_count = 2}, &answer);
    check_granted(&answer);
    end_with(&fixture, client);
}
END_TEST

START_TEST(the_holder_of_a_descriptor_keeps_its_function_out)
{
    struct core_client *client = fixture_client(&fixture, BLUE);

    attach_now(&fixture, client, (struct core_attach_request){.devices = ssd0, .device_count = 1}, &answer);
    device->functions[0].held = true;
    core_client_gone(client);
    fake_run(&fixture.fake);
    ck_assert_str_eq(function_state(&fixture, 0, 0), "draining");
    fixture_advance(&fixture, 3000);
    ck_assert_str_eq(function_state(&fixture, 0, 0), "quarantined");
    check_clean(&fixture);
    device->functions[0].held = false;
    fixture_advance(&fixture, 5000);
    ck_assert_str_eq(function_state(&fixture, 0, 0), "ready");
}
END_TEST

START_TEST(an_event_may_end_its_client)
{
    fixture.gone_on_event = fixture_client(&fixture, BLUE);
    attach(fixture.gone_on_event, anything, &answer);
    fixture_settle(&fixture);
    check_clean(&fixture);
    ck_assert_uint_le(answer.count, 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("core leases' ends");
    TCase *tcase = tcase_create("leases");

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, a_reservation_stands_until_it_is_freed);
    tcase_add_test(tcase, a_reservation_that_is_held);
    tcase_add_test(tcase, joining_while_a_reservation_is_cleaned);
    tcase_add_test(tcase, a_reservation_freed_while_it_is_cleaned);
    tcase_add_test(tcase, a_reservation_freed_while_its_function_is_opened_again);
    tcase_add_test(tcase, memory_given_back_while_it_is_mapped_on_another_device);
    tcase_add_test(tcase, a_reservation_outlives_a_failure);
    tcase_add_test(tcase, what_allocate_refuses);
    tcase_add_test(tcase, a_failure_revokes_the_lease);
    tcase_add_test(tcase, a_queue_that_will_not_be_deleted_resets_the_function);
    tcase_add_test(tcase, a_namespace_that_cannot_be_detached_keeps_its_claim);
    tcase_add_test(tcase, a_reset_that_takes_the_functions_revokes_and_recovers);
    tcase_add_test(tcase, the_holder_of_a_descriptor_keeps_its_function_out);
    tcase_add_test(tcase, an_event_may_end_its_client);
    suite_add_tcase(suite, tcase);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
