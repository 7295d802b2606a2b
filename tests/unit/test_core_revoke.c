/* SPDX-License-Identifier: BSD-3-Clause */
/* Leases taken away by the operator, with and without a grace, and leases that expire. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/core_fixture.h"

static struct fixture fixture;
static struct hw_device *device;
static struct core_client *blue;
static struct answer lease, plain, second;
static const char *const ssd0[] = {"ssd0"}, *const ssd1[] = {"ssd1"};

static void set_up(void)
{
    fixture_init(&fixture, 2);
    fixture_start(&fixture);
    device = &fixture.fake.devices[0];
    blue = fixture_client(&fixture, BLUE);
    memset(&plain, 0, sizeof(plain));
    memset(&second, 0, sizeof(second));
}

static void tear_down(void)
{
    check_invariants(&fixture);
    fixture_fini(&fixture);
}

static void take_lease(void)
{
    attach_now(&fixture, blue, (struct core_attach_request){.devices = ssd0, .device_count = 1}, &lease);
    check_granted(&lease);
}

static void revoke(uint32_t grace, bool kill, struct answer *ret_answer)
{
    const struct core_revocation revocation = {
        .lease = lease.lease, .grace_seconds = grace, .kill = kill, .pid = 1, .uid = 0};

    core_revoke_lease(fixture.core, &revocation, on_plain, ret_answer);
}

static void check_revoked(const char *reason)
{
    struct answer data = {0};

    core_identify(blue, lease.lease, lease.functions[0], 1, 0, on_data, &data);
    check_refused(&data, CORE_REFUSED_LEASE_REVOKED);
    ck_assert_str_eq(data.error.text, reason);
    ck_assert_uint_eq(fixture.events[CORE_EVENT_LEASE_REVOKED], 1);
    ck_assert_uint_eq(fixture.events[CORE_EVENT_LEASE_LOST], 1);
}

START_TEST(at_once)
{
    take_lease();
    revoke(0, false, &plain);
    ck_assert_uint_eq(fixture.events[CORE_EVENT_LEASE_REVOKING], 1);
    ck_assert_uint_eq(fixture.expelled, 1);
    ck_assert_uint_eq(fixture.killed, 0);
    ck_assert_uint_eq(plain.count, 0);
    fake_run(&fixture.fake);
    check_granted(&plain);
    check_revoked("revoked by the operator");
    end_with(&fixture, blue);
    ck_assert_uint_eq(functions_in(&fixture, "ready"), 8);
}
END_TEST

START_TEST(after_a_grace)
{
    struct core_client *other = fixture_client(&fixture, BLUE);
    struct answer data = {0};

    take_lease();
    revoke(30, true, &plain);
    fixture_advance(&fixture, 29999);
    core_identify(blue, lease.lease, lease.functions[0], 1, 0, on_data, &data);
    fake_run(&fixture.fake);
    check_granted(&data);
    /* Nobody joins it any more. */
    attach_now(&fixture, other, (struct core_attach_request){.lease = lease.lease}, &second);
    check_refused(&second, CORE_REFUSED_LEASE_REVOKED);
    attach_now(&fixture, other, (struct core_attach_request){.mode = CORE_ATTACH_JOIN}, &second);
    check_refused(&second, CORE_REFUSED_UNKNOWN_LEASE);
    core_client_gone(other);
    ck_assert_uint_eq(fixture.expelled, 0);
    fixture_advance(&fixture, 1);
    ck_assert_uint_eq(fixture.killed, 1);
    fake_run(&fixture.fake);
    check_granted(&plain);
    check_revoked("revoked by the operator");
    end_with(&fixture, blue);
}
END_TEST

START_TEST(given_back_within_the_grace)
{
    take_lease();
    revoke(30, false, &plain);
    core_detach(blue, lease.lease, on_plain, &second);
    fake_run(&fixture.fake);
    check_granted(&second);
    check_granted(&plain);
    fixture_advance(&fixture, 60000);
    ck_assert_uint_eq(fixture.events[CORE_EVENT_LEASE_REVOKED], 0);
    ck_assert_uint_eq(fixture.expelled, 0);
    end_with(&fixture, blue);
}
END_TEST

START_TEST(a_second_call_shortens_the_grace)
{
    take_lease();
    revoke(3600, false, &plain);
    revoke(7200, false, &second);
    fixture_advance(&fixture, 1000);
    revoke(1, false, &second);
    fixture_advance(&fixture, 1000);
    fake_run(&fixture.fake);
    check_granted(&plain);
    ck_assert_uint_eq(second.count, 2);
    check_revoked("revoked by the operator");
    revoke(0, false, &plain);
    ck_assert_int_eq(plain.error.code, CORE_REFUSED_UNKNOWN_LEASE);
    end_with(&fixture, blue);
}
END_TEST

START_TEST(who_holds_another_lease_stays)
{
    struct answer other;

    take_lease();
    attach_now(&fixture, blue,
               (struct core_attach_request){.devices = ssd1, .device_count = 1, .mode = CORE_ATTACH_FRESH},
               &other);
    check_granted(&other);
    revoke(0, false, &plain);
    fake_run(&fixture.fake);
    check_granted(&plain);
    ck_assert_uint_eq(fixture.expelled, 0);
    check_revoked("revoked by the operator");
    end_with(&fixture, blue);
}
END_TEST

START_TEST(a_reservation)
{
    core_allocate(fixture.core,
                  &(struct core_attach_request){.tenant = "blue", .devices = ssd0, .device_count = 1},
                  on_attach, &lease);
    fake_run(&fixture.fake);
    check_granted(&lease);
    revoke(0, false, &plain);
    fixture_settle(&fixture);
    check_granted(&plain);
    end_with(&fixture, blue);
}
END_TEST

START_TEST(a_descriptor_that_is_kept)
{
    struct hw_function *function = &device->functions[0];
    unsigned offline = fixture.fake.count[FAKE_ONLINE];

    take_lease();
    function->held = true;
    revoke(0, false, &plain);
    fake_run(&fixture.fake);
    check_granted(&plain);
    core_client_gone(blue);
    fixture_advance(&fixture, 3000);
    ck_assert_str_eq(function_state(&fixture, 0, 0), "quarantined");
    ck_assert_ptr_nonnull(strstr(function_reason(&fixture, 0, 0), "still holds"));
    ck_assert(!function->online);
    ck_assert_uint_eq(fixture.fake.count[FAKE_ONLINE], offline + 1);
    /* It is tried again, and stays out, without being given resources meanwhile. */
    fixture_advance(&fixture, 30000);
    ck_assert(!function->online);
    ck_assert_uint_eq(fixture.fake.count[FAKE_ONLINE], offline + 1);
    function->held = false;
    fixture_advance(&fixture, 6000);
    fixture_settle(&fixture);
    ck_assert_str_eq(function_state(&fixture, 0, 0), "ready");
    check_clean(&fixture);
}
END_TEST

START_TEST(a_tenant_whose_leases_expire)
{
    fixture.tenants[0].lease_seconds_max = 60;
    take_lease();
    fixture_advance(&fixture, 49999);
    ck_assert_uint_eq(fixture.events[CORE_EVENT_LEASE_REVOKING], 0);
    fixture_advance(&fixture, 1);
    ck_assert_uint_eq(fixture.events[CORE_EVENT_LEASE_REVOKING], 1);
    ck_assert_str_eq(fixture.last_text, "it has expired: it is taken away in 10 s");
    fixture_advance(&fixture, 9999);
    ck_assert_uint_eq(fixture.events[CORE_EVENT_LEASE_REVOKED], 0);
    fixture_advance(&fixture, 1);
    fake_run(&fixture.fake);
    check_revoked("it has expired");
    end_with(&fixture, blue);
}
END_TEST

static void note_end(void *user, const struct core_lease_view *view)
{
    *(int64_t *)user = view->ends_in_milliseconds;
}

/* What is asked for, and what the tenant may have at most. */
static const struct {
    unsigned most, asked;
    int64_t milliseconds;
} expiries[] = {{0, 0, -1}, {0, 5, 5000}, {60, 0, 60000}, {60, 5, 5000}, {60, 600, 60000}};

START_TEST(the_sooner_one_counts)
{
    int64_t milliseconds = 0;

    fixture.tenants[0].lease_seconds_max = expiries[_i].most;
    core_allocate(fixture.core,
                  &(struct core_attach_request){.tenant = "blue", .expires_seconds = expiries[_i].asked},
                  on_attach, &lease);
    fake_run(&fixture.fake);
    check_granted(&lease);
    core_each_lease(fixture.core, note_end, &milliseconds);
    ck_assert_int_eq(milliseconds, expiries[_i].milliseconds);
    revoke(0, false, &plain);
    fixture_settle(&fixture);
    end_with(&fixture, blue);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("core revocation");
    TCase *tcase = tcase_create("revocation");

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, at_once);
    tcase_add_test(tcase, after_a_grace);
    tcase_add_test(tcase, given_back_within_the_grace);
    tcase_add_test(tcase, a_second_call_shortens_the_grace);
    tcase_add_test(tcase, who_holds_another_lease_stays);
    tcase_add_test(tcase, a_reservation);
    tcase_add_test(tcase, a_descriptor_that_is_kept);
    tcase_add_test(tcase, a_tenant_whose_leases_expire);
    tcase_add_loop_test(tcase, the_sooner_one_counts, 0, 5);
    suite_add_tcase(suite, tcase);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
