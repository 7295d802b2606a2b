/* SPDX-License-Identifier: BSD-3-Clause */
/* Draining homid: no new lease, the present ones go on, and whoever waits hears of the last one's end. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/core_fixture.h"

static struct fixture fixture;
static struct core_client *client, *second;
static struct answer lease, other, drained, plain;

static void set_up(void)
{
    fixture_init(&fixture, 1);
    fixture_start(&fixture);
    client = fixture_client(&fixture, BLUE);
    second = fixture_client(&fixture, BLUE);
}

static void tear_down(void)
{
    core_client_gone(client);
    core_client_gone(second);
    fixture_settle(&fixture);
    check_clean(&fixture);
    fixture_fini(&fixture);
}

static void fresh(struct core_client *process, uint32_t wait, struct answer *ret_answer)
{
    attach(process, (struct core_attach_request){.mode = CORE_ATTACH_FRESH, .wait_milliseconds = wait},
           ret_answer);
    fake_run(&fixture.fake);
}

static void drain(int64_t wait)
{
    memset(&drained, 0, sizeof(drained));
    core_drain(fixture.core, wait, on_plain, &drained);
    fake_run(&fixture.fake);
}

static void undrain(void)
{
    memset(&plain, 0, sizeof(plain));
    core_undrain(fixture.core, on_plain, &plain);
    ck_assert_int_eq(plain.error.code, 0);
}

static void check_unavailable(const struct answer *answer)
{
    check_refused(answer, CORE_REFUSED_DEVICE_UNAVAILABLE);
    ck_assert_str_eq(answer->error.text, "homid is being drained");
    ck_assert_str_eq(answer->error.name, "ssd0");
}

START_TEST(without_leases_it_is_drained_at_once)
{
    struct core_attach_request request = {.tenant = "blue"};

    drain(0);
    ck_assert_uint_eq(drained.count, 1);
    ck_assert_int_eq(drained.error.code, 0);
    ck_assert_str_eq(core_draining(fixture.core), "homid is being drained");
    fresh(client, 0, &other);
    check_unavailable(&other);
    fresh(client, 1000, &other);
    check_unavailable(&other);
    memset(&other, 0, sizeof(other));
    core_allocate(fixture.core, &request, on_attach, &other);
    check_unavailable(&other);
    undrain();
    ck_assert_ptr_null(core_draining(fixture.core));
    fresh(client, 0, &other);
    check_granted(&other);
}
END_TEST

START_TEST(it_waits_for_the_last_lease)
{
    fresh(client, 0, &lease);
    drain(5000);
    ck_assert_uint_eq(drained.count, 0);
    /* Who has the lease keeps it, and others of its processes may come. */
    attach(second, (struct core_attach_request){.lease = lease.lease}, &other);
    fake_run(&fixture.fake);
    check_granted(&other);
    core_client_gone(client);
    client = NULL;
    fake_run(&fixture.fake);
    ck_assert_uint_eq(drained.count, 0);
    fixture_advance(&fixture, 4000);
    core_client_gone(second);
    second = NULL;
    fake_run(&fixture.fake);
    ck_assert_uint_eq(drained.count, 1);
    ck_assert_int_eq(drained.error.code, 0);
    fixture_advance(&fixture, 10000);
    ck_assert_ptr_nonnull(core_draining(fixture.core));
}
END_TEST

START_TEST(in_the_end_it_is_as_it_was)
{
    fresh(client, 0, &lease);
    drain(_i ? 5000 : 0);
    if (_i) {
        fixture_advance(&fixture, 4999);
        ck_assert_uint_eq(drained.count, 0);
        fixture_advance(&fixture, 2);
    }
    check_refused(&drained, CORE_REFUSED_LEASE_HELD);
    ck_assert_str_eq(drained.error.name, lease.lease);
    ck_assert_int_eq(drained.error.value, 1);
    ck_assert_ptr_null(core_draining(fixture.core));
    fresh(second, 0, &other);
    check_granted(&other);
}
END_TEST

START_TEST(who_waits_for_a_function_is_refused)
{
    struct core_client *more[4];
    struct answer answers[4];

    for (unsigned i = 0; i < 4; i++) {
        more[i] = fixture_client(&fixture, i < 2 ? BLUE : GREEN);
        fresh(more[i], 0, &answers[i]);
        check_granted(&answers[i]);
    }
    fresh(client, 60000, &other);
    ck_assert_uint_eq(other.count, 0);
    drain(1000);
    check_unavailable(&other);
    for (unsigned i = 0; i < 4; i++)
        core_client_gone(more[i]);
    fake_run(&fixture.fake);
    ck_assert_int_eq(drained.error.code, 0);
    ck_assert_uint_eq(drained.count, 1);
}
END_TEST

START_TEST(one_at_a_time_and_it_may_be_undone)
{
    fresh(client, 0, &lease);
    drain(5000);
    core_drain(fixture.core, 0, on_plain, &plain);
    ck_assert_int_eq(plain.error.code, -EALREADY);
    undrain();
    ck_assert_int_eq(drained.error.code, -ECANCELED);
    fresh(second, 0, &other);
    check_granted(&other);
    fixture_advance(&fixture, 10000);
    ck_assert_uint_eq(drained.count, 1);
}
END_TEST

START_TEST(it_waits_no_longer_than_a_day)
{
    drain(-1);
    check_refused(&drained, CORE_REFUSED_VALUE);
    drain(CORE_DRAIN_MILLISECONDS_MAX + 1);
    check_refused(&drained, CORE_REFUSED_VALUE);
    ck_assert_int_eq(drained.error.limit, CORE_DRAIN_MILLISECONDS_MAX);
    ck_assert_ptr_null(core_draining(fixture.core));
    drain(CORE_DRAIN_MILLISECONDS_MAX);
    ck_assert_int_eq(drained.error.code, 0);
    undrain();
}
END_TEST

START_TEST(what_leases_there_are_must_be_known)
{
    core_set_aside(fixture.core, "held as it was left");
    drain(0);
    check_refused(&drained, CORE_REFUSED_DEVICE_UNAVAILABLE);
    ck_assert_str_eq(drained.error.text, "held as it was left");
    core_set_aside(fixture.core, NULL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("core drain");
    TCase *tcase = tcase_create("drain");

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, without_leases_it_is_drained_at_once);
    tcase_add_test(tcase, it_waits_for_the_last_lease);
    tcase_add_loop_test(tcase, in_the_end_it_is_as_it_was, 0, 2);
    tcase_add_test(tcase, who_waits_for_a_function_is_refused);
    tcase_add_test(tcase, one_at_a_time_and_it_may_be_undone);
    tcase_add_test(tcase, it_waits_no_longer_than_a_day);
    tcase_add_test(tcase, what_leases_there_are_must_be_known);
    suite_add_tcase(suite, tcase);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
