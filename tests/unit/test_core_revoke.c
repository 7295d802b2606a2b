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

static void begin(bool keeps)
{
    fixture_init(&fixture, 2);
    fixture.keeps = keeps;
    fixture_start(&fixture);
    device = &fixture.fake.devices[0];
    blue = keeps ? fixture_client_at(&fixture, BLUE, 1) : fixture_client(&fixture, BLUE);
    memset(&plain, 0, sizeof(plain));
    memset(&second, 0, sizeof(second));
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

/* It stays out all the same, and comes back once it is let go. */
START_TEST(a_descriptor_that_is_kept_on_a_function_that_does_not_go_offline)
{
    struct hw_function *function = &device->functions[0];

    take_lease();
    function->held = true;
    fixture.fake.fail_kind = 1u << FAKE_ONLINE;
    fixture.fake.fail_kind_error = -5;
    revoke(0, false, &plain);
    fake_run(&fixture.fake);
    check_granted(&plain);
    core_client_gone(blue);
    fixture_advance(&fixture, 3000);
    ck_assert_str_eq(function_state(&fixture, 0, 0), "quarantined");
    ck_assert_ptr_nonnull(strstr(function_reason(&fixture, 0, 0), "still holds"));
    fixture.fake.fail_kind = 0;
    function->held = false;
    fixture_settle(&fixture);
    ck_assert_str_eq(function_state(&fixture, 0, 0), "ready");
    check_clean(&fixture);
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

/* ---- with homid's own end ---- */

static bool always(void)
{
    return true;
}

static void die_and_restore(void)
{
    fixture_die(&fixture, always);
    blue = fixture_client_at(&fixture, BLUE, 1);
    fixture_restore(&fixture);
    fixture_run(&fixture);
}

START_TEST(a_grace_outlives_homid)
{
    take_lease();
    revoke(30, true, &plain);
    fixture_advance(&fixture, 20000);
    die_and_restore();
    /* The call comes again, and does not begin the grace anew. */
    core_caller(fixture.core, &(struct core_caller){.resumed = true, .begun = true});
    revoke(30, true, &second);
    ck_assert_uint_eq(fixture.events[CORE_EVENT_LEASE_REVOKING], 1);
    fixture_advance(&fixture, 9999);
    ck_assert_uint_eq(fixture.killed, 0);
    fixture_advance(&fixture, 1);
    ck_assert_uint_eq(fixture.killed, 1);
    fixture_run(&fixture);
    check_granted(&second);
    check_revoked("revoked by the operator");
    /* And once more, when it has long been done. */
    die_and_restore();
    core_caller(fixture.core, &(struct core_caller){.resumed = true, .begun = true});
    memset(&second, 0, sizeof(second));
    revoke(30, true, &second);
    check_granted(&second);
    core_client_gone(blue);
    fixture_settle(&fixture);
    check_clean(&fixture);
}
END_TEST

START_TEST(a_lease_expires_while_no_homid_is_there)
{
    fixture.tenants[0].lease_seconds_max = 60;
    take_lease();
    fixture_die(&fixture, always);
    fixture.now += 70000;
    blue = fixture_client_at(&fixture, BLUE, 1);
    fixture_restore(&fixture);
    fixture_settle(&fixture);
    check_revoked("it has expired");
    core_client_gone(blue);
    fixture_settle(&fixture);
    check_clean(&fixture);
    ck_assert_uint_eq(functions_in(&fixture, "ready"), 8);
}
END_TEST

START_TEST(an_exile_outlives_homid)
{
    struct hw_function *function = &device->functions[0];

    take_lease();
    function->held = true;
    revoke(0, false, &plain);
    fixture_settle(&fixture);
    ck_assert(!function->online);
    die_and_restore();
    fixture_advance(&fixture, 10000);
    ck_assert(!function->online);
    ck_assert_str_eq(function_state(&fixture, 0, 0), "quarantined");
    function->held = false;
    fixture_advance(&fixture, 10000);
    fixture_settle(&fixture);
    ck_assert_uint_eq(functions_in(&fixture, "ready"), 8);
    core_client_gone(blue);
    fixture_settle(&fixture);
    check_clean(&fixture);
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
    tcase_add_test(tcase, a_descriptor_that_is_kept_on_a_function_that_does_not_go_offline);
    tcase_add_test(tcase, a_tenant_whose_leases_expire);
    tcase_add_loop_test(tcase, the_sooner_one_counts, 0, 5);
    suite_add_tcase(suite, tcase);
    tcase = tcase_create("homid's end");
    tcase_add_checked_fixture(tcase, set_up_kept, tear_down);
    tcase_add_test(tcase, a_grace_outlives_homid);
    tcase_add_test(tcase, a_lease_expires_while_no_homid_is_there);
    tcase_add_test(tcase, an_exile_outlives_homid);
    suite_add_tcase(suite, tcase);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
