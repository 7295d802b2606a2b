/* SPDX-License-Identifier: BSD-3-Clause */
/* Namespaces that are scrubbed behind each lease: nobody gets one before, whatever happens in between. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/core_fixture.h"

static struct fixture fixture;
static struct hw_device *device;
static struct answer first, next;
static const uint32_t one[] = {1};
static const struct core_attach_request first_namespace = {
    .namespaces = one, .namespace_count = 1, .namespaces_given = true};

/* Blue and green may both have namespace 1, one after the other. */
static struct core_namespace_config both[] = {{.id = 1, .scrub = true}};

static void configure(void)
{
    fixture_init(&fixture, 1);
    for (unsigned i = 0; i < 2; i++) {
        fixture.tenants[i].namespaces = both;
        fixture.tenants[i].namespace_count = 1;
        fixture.tenants[i].trusted = true;
    }
    device = &fixture.fake.devices[0];
}

/* What was there before homid is nobody's to read either. */
static void begin(void)
{
    fixture_start(&fixture);
    fixture_settle(&fixture);
    ck_assert_uint_eq(device->wiped[1], both[0].scrub ? device->info.namespaces[0].blocks : 0);
    device->wiped[1] = 0;
    fixture.fake.count[FAKE_WIPE] = 0;
}

static void set_up(void)
{
    configure();
    begin();
}

static void tear_down(void)
{
    check_invariants(&fixture);
    fixture_fini(&fixture);
}

static void lease_and_leave(void)
{
    struct core_client *client = fixture_client(&fixture, BLUE);

    attach_now(&fixture, client, first_namespace, &first);
    check_granted(&first);
    device->wiped[1] = 0;
    core_client_gone(client);
}

static void check_wiped(void)
{
    ck_assert_uint_eq(device->wiped[1], device->info.namespaces[0].blocks);
}

static struct core_namespace_view found;
static char scrub[HW_REASON_BYTES];

static void look_for(void *user, const struct core_namespace_view *view)
{
    (void)user;
    if (view->info->id != 1)
        return;
    found = *view;
    snprintf(scrub, sizeof(scrub), "%s", view->scrub ? view->scrub : "");
}

static const struct core_namespace_view *look(void)
{
    core_each_namespace(fixture.core, look_for, NULL);
    return &found;
}

/* Green gets it at last, and it is clean. */
static void green_gets_it(void)
{
    struct core_client *client = fixture_client(&fixture, GREEN);

    attach_now(&fixture, client, first_namespace, &next);
    check_granted(&next);
    check_wiped();
    for (unsigned i = 0; i < 4; i++)
        ck_assert_msg(!device->functions[i].wiping, "VF %u has a queue pair left", i);
    core_client_gone(client);
    fixture_settle(&fixture);
}

START_TEST(it_is_scrubbed_behind_a_lease)
{
    lease_and_leave();
    ck_assert_uint_eq(fixture.fake.count[FAKE_WIPE], 0);
    fixture_settle(&fixture);
    check_wiped();
    ck_assert_uint_eq(fixture.fake.count[FAKE_WIPE], 2); /* slices of 256 MiB */
    ck_assert_ptr_null(look()->holder);
    ck_assert_ptr_null(look()->scrub);
    ck_assert_uint_eq(functions_in(&fixture, "ready"), 4);
    green_gets_it();
    check_wiped();
    check_clean(&fixture);
}
END_TEST

START_TEST(nobody_gets_it_before)
{
    struct core_client *client = fixture_client(&fixture, GREEN);
    struct core_attach_request waiting = first_namespace;

    waiting.wait_milliseconds = 10000;
    lease_and_leave();
    for (bool wiping = false; !wiping || fixture.fake.count[FAKE_WIPE] < 2;) {
        wiping = fixture.fake.count[FAKE_WIPE] > 0;
        attach(client, first_namespace, &next);
        check_refused(&next, CORE_REFUSED_NAMESPACE_BUSY);
        memset(&next, 0, sizeof(next));
        ck_assert(fake_step(&fixture.fake));
    }
    ck_assert_str_eq(look()->holder, "scrub");
    ck_assert_str_eq(scrub, "50 % done");
    ck_assert_uint_eq(functions_in(&fixture, "scrubbing"), 1);
    attach(client, waiting, &next);
    fixture_settle(&fixture);
    check_granted(&next);
    check_wiped();
    end_with(&fixture, client);
}
END_TEST

START_TEST(what_fails_stays_out_until_somebody_acts)
{
    struct core_client *client = fixture_client(&fixture, GREEN);
    struct answer retried = {0};

    fixture.fake.fail_kind = 1u << FAKE_WIPE;
    fixture.fake.fail_kind_error = -EILSEQ;
    lease_and_leave();
    fixture_settle(&fixture);
    ck_assert_uint_eq(fixture.fake.count[FAKE_WIPE], 3);
    ck_assert_uint_ge(fixture.events[CORE_EVENT_FAULT], 1);
    ck_assert_str_eq(look()->holder, "scrub");
    ck_assert_ptr_nonnull(strstr(scrub, "failed: scrubbing a namespace"));
    attach_now(&fixture, client, first_namespace, &next);
    check_refused(&next, CORE_REFUSED_NAMESPACE_BUSY);
    ck_assert_uint_eq(functions_in(&fixture, "ready"), 4);

    fixture.fake.fail_kind = 0;
    core_retry(fixture.core, "ssd0", NULL, on_plain, &retried);
    fixture_settle(&fixture);
    check_refused(&retried, 0);
    check_wiped();
    green_gets_it();
    core_client_gone(client);
}
END_TEST

START_TEST(what_the_host_has_is_left_alone)
{
    lease_and_leave();
    device->info.namespaces[0].controllers[0] = device->info.controller_id;
    device->info.namespaces[0].controller_count = 1;
    core_device_event(device->user, device, HW_NAMESPACE_CHANGED, NULL);
    fixture_settle(&fixture);
    ck_assert_uint_eq(fixture.fake.count[FAKE_WIPE], 0);
    ck_assert_str_eq(look()->holder, "host");
    ck_assert_str_eq(scrub, "failed: the host has it");
}
END_TEST

START_TEST(the_host_is_not_given_it_before)
{
    struct answer answer = {0};
    const struct hw_namespace_change give = {.act = HW_NAMESPACE_ATTACH, .id = 1};

    lease_and_leave();
    while (!fixture.fake.count[FAKE_WIPE])
        ck_assert(fake_step(&fixture.fake));
    core_change_namespace(fixture.core, "ssd0", &give, on_data, &answer);
    check_refused(&answer, CORE_REFUSED_NAMESPACE_BUSY);
    fixture_settle(&fixture);
    check_wiped();
}
END_TEST

START_TEST(a_device_that_goes_comes_back_with_it)
{
    lease_and_leave();
    for (int i = 0; i < _i; i++)
        fake_step(&fixture.fake);
    device->absent = true;
    fake_reset_device(device);
    core_device_event(device->user, device, HW_DEVICE_GONE, NULL);
    fixture_settle(&fixture);
    device->absent = false;
    core_device_event(device->user, device, HW_DEVICE_BACK, NULL);
    fixture_settle(&fixture);
    ck_assert_uint_eq(functions_in(&fixture, "ready"), 4);
    green_gets_it();
}
END_TEST

START_TEST(a_stop_in_the_middle_ends)
{
    lease_and_leave();
    for (int i = 0; i < _i; i++)
        fake_step(&fixture.fake);
    core_stop(fixture.core, NULL, NULL);
    fixture_settle(&fixture);
    ck_assert_str_eq(fixture.fake.complaint, "");
    ck_assert_uint_eq(fake_totals(&fixture.fake).open, 0);
}
END_TEST

static bool yes(void)
{
    return true;
}

static bool no(void)
{
    return false;
}

/* Blue's process has gone, and homid ends then: within at most `writes` of what outlives it, or after so many
 * steps of everything else. What it had started happens, or not. */
static void homid_ends(unsigned writes, unsigned steps, bool (*happens)(void))
{
    configure();
    fixture.keeps = true;
    begin();
    ck_assert_uint_eq(fixture_records(&fixture, CORE_RECORD_SPACE), 1);
    struct core_client *client = fixture_client_at(&fixture, BLUE, 1);
    attach_now(&fixture, client, first_namespace, &first);
    check_granted(&first);
    device->wiped[1] = 0;
    fixture.keeper.writes = 0;
    fixture.keeper.die_at = writes;
    core_client_gone(client);
    for (unsigned i = 0; i < steps && fixture_step(&fixture); i++)
        ;
    fixture_die(&fixture, happens);
    fixture.keeper.die_at = 0;
    fixture_restore(&fixture);
    fixture_settle(&fixture);
    ck_assert_uint_eq(fixture_records(&fixture, CORE_RECORD_SPACE), 1);
    green_gets_it();
    tear_down();
}

START_TEST(homid_may_end_anywhere)
{
    for (unsigned i = 0; i < 25; i++) {
        homid_ends(i + 1, 1000, yes);
        homid_ends(i + 1, 1000, no);
        homid_ends(0, i, yes);
        homid_ends(0, i, no);
    }
}
END_TEST

START_TEST(what_is_clean_stays_so)
{
    configure();
    fixture.keeps = true;
    begin();
    fixture_die(&fixture, yes);
    fixture_restore(&fixture);
    fixture_settle(&fixture);
    ck_assert_uint_eq(fixture.fake.count[FAKE_WIPE], 0);
    ck_assert_uint_eq(fixture_records(&fixture, CORE_RECORD_SPACE), 1);
    tear_down();
}
END_TEST

START_TEST(one_that_was_never_to_be_scrubbed_is_not)
{
    configure();
    both[0].scrub = false;
    begin();
    lease_and_leave();
    fixture_settle(&fixture);
    ck_assert_uint_eq(fixture.fake.count[FAKE_WIPE], 0);
    both[0].scrub = true;
    tear_down();
}
END_TEST

START_TEST(what_is_to_be_scrubbed_from_now_on_is)
{
    configure();
    both[0].scrub = false;
    begin();
    both[0].scrub = true;
    ck_assert_int_eq(core_reconfigure(fixture.core, &fixture.config), 0);
    fixture_settle(&fixture);
    check_wiped();
    tear_down();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("core scrub");
    TCase *tcase = tcase_create("scrub");
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, it_is_scrubbed_behind_a_lease);
    tcase_add_test(tcase, nobody_gets_it_before);
    tcase_add_test(tcase, what_fails_stays_out_until_somebody_acts);
    tcase_add_test(tcase, what_the_host_has_is_left_alone);
    tcase_add_test(tcase, the_host_is_not_given_it_before);
    tcase_add_loop_test(tcase, a_device_that_goes_comes_back_with_it, 0, 10);
    tcase_add_loop_test(tcase, a_stop_in_the_middle_ends, 0, 12);
    suite_add_tcase(suite, tcase);
    TCase *own = tcase_create("own");
    tcase_add_test(own, homid_may_end_anywhere);
    tcase_add_test(own, what_is_clean_stays_so);
    tcase_add_test(own, what_is_to_be_scrubbed_from_now_on_is);
    tcase_add_test(own, one_that_was_never_to_be_scrubbed_is_not);
    suite_add_tcase(suite, own);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
