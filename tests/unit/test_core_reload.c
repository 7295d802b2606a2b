/* SPDX-License-Identifier: BSD-3-Clause */
/* Another configuration while leases stand: who may have what from then on, and what stays. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/core_fixture.h"

static struct fixture fixture;
static struct core_client *blue, *green;
static struct answer lease, region, pair, second;
static const char *const ssd0[] = {"ssd0"};

/* The next configuration: copies of what the fixture has, to be changed by the test. */
static struct core_config next;
static struct core_device_config devices[FIXTURE_DEVICES];
static struct core_tenant_config tenants[4];

static void set_up(void)
{
    fixture_init(&fixture, 2);
    fixture_start(&fixture);
    blue = fixture_client(&fixture, BLUE);
    green = fixture_client(&fixture, GREEN);
    next = fixture.config;
    memcpy(devices, fixture.devices, sizeof(devices));
    memcpy(tenants, fixture.tenants, sizeof(fixture.tenants));
    next.devices = devices;
    next.tenants = tenants;
    attach_now(&fixture, blue, (struct core_attach_request){.devices = ssd0, .device_count = 1}, &lease);
    register_memory(blue, &lease, 1 << 20, &region);
    fake_run(&fixture.fake);
    create_pair(blue, &lease, &region, 0, false, &pair);
    fake_run(&fixture.fake);
    check_granted(&pair);
}

static void tear_down(void)
{
    check_invariants(&fixture);
    fixture_fini(&fixture);
}

static void apply(void)
{
    ck_assert_int_eq(core_reconfigure(fixture.core, &next), 0);
}

/* Whatever still points into it shows under the address sanitizer. */
static void spoil_the_old_one(void)
{
    memset(fixture.devices, 0xee, sizeof(fixture.devices));
    memset(fixture.tenants, 0xee, sizeof(fixture.tenants));
    memcpy(fixture.devices, devices, sizeof(devices));
    memcpy(fixture.tenants, tenants, sizeof(fixture.tenants));
}

START_TEST(the_same_one_again_changes_nothing)
{
    apply();
    spoil_the_old_one();
    create_pair(blue, &lease, &region, 1, false, &pair);
    fake_run(&fixture.fake);
    check_granted(&pair);
    attach_now(&fixture, green, (struct core_attach_request){.devices = ssd0, .device_count = 1}, &second);
    check_granted(&second);
    core_client_gone(green);
    end_with(&fixture, blue);
}
END_TEST

START_TEST(a_smaller_quota_takes_nothing_away)
{
    tenants[0].queue_pairs_max = 1;
    tenants[0].functions_max = 0;
    apply();
    create_pair(blue, &lease, &region, 1, false, &second);
    check_refused(&second, CORE_REFUSED_QUOTA);
    ck_assert_int_eq(second.error.limit, 1);
    ck_assert_uint_eq(lease_count(&fixture), 1);
    attach_now(&fixture, blue, (struct core_attach_request){.mode = CORE_ATTACH_FRESH}, &second);
    check_refused(&second, CORE_REFUSED_QUOTA);
    tenants[0].queue_pairs_max = 2;
    apply();
    create_pair(blue, &lease, &region, 1, false, &second);
    fake_run(&fixture.fake);
    check_granted(&second);
    core_client_gone(green);
    end_with(&fixture, blue);
}
END_TEST

static void count_tenant(void *user, const struct core_tenant_view *view)
{
    if (strcmp(view->config->name, "blue") == 0)
        ++*(unsigned *)user;
}

static unsigned blues(void)
{
    unsigned count = 0;

    core_each_tenant(fixture.core, count_tenant, &count);
    return count;
}

START_TEST(a_tenant_that_is_no_more_keeps_what_it_holds)
{
    struct core_client *other;

    memmove(&tenants[0], &tenants[1], 2 * sizeof(tenants[0]));
    next.tenant_count = 2;
    apply();
    ck_assert_uint_eq(lease_count(&fixture), 1);
    ck_assert_uint_eq(blues(), 1);
    create_pair(blue, &lease, &region, 1, false, &second);
    check_refused(&second, CORE_REFUSED_QUOTA);
    attach_now(&fixture, blue, (struct core_attach_request){.tenant = "blue"}, &second);
    check_refused(&second, CORE_REFUSED_UNKNOWN_TENANT);
    other = fixture_client(&fixture, BLUE);
    attach_now(&fixture, other, (struct core_attach_request){.lease = lease.lease}, &second);
    check_refused(&second, CORE_REFUSED_UNKNOWN_LEASE);
    core_client_gone(other);
    /* It leaves with what it held, and the next configuration has forgotten it. */
    core_client_gone(green);
    core_client_gone(blue);
    fixture_settle(&fixture);
    check_clean(&fixture);
    apply();
    ck_assert_uint_eq(blues(), 0);
}
END_TEST

START_TEST(a_tenant_that_returns_has_its_leases)
{
    struct core_tenant_config kept = tenants[0];

    memmove(&tenants[0], &tenants[1], 2 * sizeof(tenants[0]));
    next.tenant_count = 2;
    apply();
    tenants[2] = kept;
    next.tenant_count = 3;
    apply();
    ck_assert_uint_eq(blues(), 1);
    create_pair(blue, &lease, &region, 1, false, &second);
    fake_run(&fixture.fake);
    check_granted(&second);
    core_client_gone(green);
    end_with(&fixture, blue);
}
END_TEST

START_TEST(who_may_act_for_whom)
{
    static uid_t swapped[] = {GREEN};

    tenants[0].uids = swapped;
    tenants[0].uid_count = 1;
    apply();
    /* Connected before, judged anew. */
    attach_now(&fixture, green, (struct core_attach_request){.tenant = "blue", .mode = CORE_ATTACH_FRESH},
               &second);
    check_granted(&second);
    attach_now(&fixture, blue, (struct core_attach_request){.tenant = "blue", .mode = CORE_ATTACH_FRESH},
               &second);
    check_refused(&second, CORE_REFUSED_TENANT_NOT_PERMITTED);
    core_client_gone(green);
    end_with(&fixture, blue);
}
END_TEST

START_TEST(a_new_tenant)
{
    static uid_t red_uids[] = {1005};
    struct core_client *red = fixture_client(&fixture, 1005);

    tenants[3] = tenants[1];
    tenants[3].name = (char[]){"red"};
    tenants[3].uids = red_uids;
    tenants[3].uid_count = 1;
    next.tenant_count = 4;
    apply();
    attach_now(&fixture, red, (struct core_attach_request){.devices = ssd0, .device_count = 1}, &second);
    check_granted(&second);
    core_client_gone(red);
    core_client_gone(green);
    end_with(&fixture, blue);
}
END_TEST

START_TEST(who_waits_and_may_no_more_is_refused)
{
    struct answer waiting[2];
    struct core_client *more[3];

    for (unsigned i = 0; i < 3; i++) {
        more[i] = fixture_client(&fixture, BLUE);
        attach_now(
            &fixture, more[i],
            (struct core_attach_request){.devices = ssd0, .device_count = 1, .mode = CORE_ATTACH_FRESH},
            &second);
        check_granted(&second);
    }
    attach(green,
           (struct core_attach_request){.devices = ssd0, .device_count = 1, .wait_milliseconds = 60000},
           &waiting[0]);
    attach(blue,
           (struct core_attach_request){
               .devices = ssd0, .device_count = 1, .mode = CORE_ATTACH_FRESH, .wait_milliseconds = 60000},
           &waiting[1]);
    fake_run(&fixture.fake);
    ck_assert_uint_eq(waiting[0].count + waiting[1].count, 0);
    tenants[1].device_count = 0;
    apply();
    check_refused(&waiting[0], CORE_REFUSED_TENANT_NOT_PERMITTED);
    ck_assert_uint_eq(waiting[1].count, 0);
    for (unsigned i = 0; i < 3; i++)
        core_client_gone(more[i]);
    fake_run(&fixture.fake);
    check_granted(&waiting[1]);
    core_client_gone(green);
    end_with(&fixture, blue);
}
END_TEST

START_TEST(other_devices_are_refused)
{
    devices[1].name = (char[]){"ssd7"};
    ck_assert_int_eq(core_reconfigure(fixture.core, &next), -EINVAL);
    next.device_count = 1;
    ck_assert_int_eq(core_reconfigure(fixture.core, &next), -EINVAL);
    core_client_gone(green);
    end_with(&fixture, blue);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("core reload");
    TCase *tcase = tcase_create("reload");

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, the_same_one_again_changes_nothing);
    tcase_add_test(tcase, a_smaller_quota_takes_nothing_away);
    tcase_add_test(tcase, a_tenant_that_is_no_more_keeps_what_it_holds);
    tcase_add_test(tcase, a_tenant_that_returns_has_its_leases);
    tcase_add_test(tcase, who_may_act_for_whom);
    tcase_add_test(tcase, a_new_tenant);
    tcase_add_test(tcase, who_waits_and_may_no_more_is_refused);
    tcase_add_test(tcase, other_devices_are_refused);
    suite_add_tcase(suite, tcase);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
