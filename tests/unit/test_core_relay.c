/* SPDX-License-Identifier: BSD-3-Clause */
/* Tenants that nobody trusts: pages of doorbells in place of the device, and queue pairs that the relay
 * ended. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/core_fixture.h"

static struct fixture fixture;
static struct hw_device *device;
static struct core_client *client;
static struct answer lease, region, pair, other;

static void attach_green(struct core_client *process, enum core_attach_mode mode, struct answer *ret_answer)
{
    static const char *const devices[] = {"ssd0"};

    memset(ret_answer, 0, sizeof(*ret_answer));
    attach(process, (struct core_attach_request){.mode = mode, .devices = devices, .device_count = 1},
           ret_answer);
    fake_run(&fixture.fake);
}

static void set_up(void)
{
    fixture_init(&fixture, 2);
    fixture_start(&fixture);
    device = &fixture.fake.devices[0];
    client = fixture_client(&fixture, GREEN);
    attach_green(client, CORE_ATTACH_FRESH, &lease);
    ck_assert_int_eq(lease.error.code, 0);
    register_memory(client, &lease, 1 << 20, &region);
    fake_run(&fixture.fake);
    ck_assert_int_eq(region.error.code, 0);
}

static void tear_down(void)
{
    check_invariants(&fixture);
    core_client_gone(client);
    fixture_settle(&fixture);
    check_clean(&fixture);
    ck_assert_uint_eq(functions_in(&fixture, "ready"), 8);
    fixture_fini(&fixture);
}

static void make_pair(unsigned slot, struct answer *ret_answer)
{
    memset(ret_answer, 0, sizeof(*ret_answer));
    create_pair(client, &lease, &region, slot, false, ret_answer);
    fake_run(&fixture.fake);
    ck_assert_int_eq(ret_answer->error.code, 0);
}

START_TEST(it_gets_a_page_and_no_device)
{
    ck_assert(lease.relayed);
    ck_assert_int_eq(lease.device_fd, -1);
    ck_assert_int_eq(lease.page_fd, 300);
    ck_assert_uint_eq(fake_totals(&fixture.fake).pages, 1);
    make_pair(0, &pair);
    ck_assert_ptr_nonnull(device->functions[0].pairs[1].page);
    ck_assert_uint_eq(pair.submission_doorbell, 64);
    ck_assert_uint_eq(pair.completion_doorbell, 68);
    ck_assert_uint_eq(pair.status, 72);
}
END_TEST

START_TEST(each_process_has_a_page_of_its_own)
{
    struct core_client *second = fixture_client(&fixture, GREEN);

    attach_green(second, CORE_ATTACH_JOIN, &other);
    ck_assert_int_eq(other.error.code, 0);
    ck_assert(other.relayed);
    ck_assert_uint_eq(fake_totals(&fixture.fake).pages, 2);
    core_client_gone(second);
    fake_run(&fixture.fake);
    ck_assert_uint_eq(fake_totals(&fixture.fake).pages, 1);
    /* Attaching again gives the same page again. */
    attach_green(client, CORE_ATTACH_JOIN, &other);
    ck_assert_int_eq(other.error.code, 0);
    ck_assert_uint_eq(fake_totals(&fixture.fake).pages, 1);
}
END_TEST

START_TEST(no_page_no_lease)
{
    struct core_client *second = fixture_client(&fixture, GREEN);

    fixture.fake.fail_page = -EMFILE;
    attach_green(second, CORE_ATTACH_JOIN, &other);
    ck_assert_int_eq(other.error.code, -EMFILE);
    attach_green(second, CORE_ATTACH_FRESH, &other);
    ck_assert_int_eq(other.error.code, -EMFILE);
    fixture_settle(&fixture);
    ck_assert_uint_eq(lease_count(&fixture), 1);
    ck_assert_uint_eq(fake_totals(&fixture.fake).pages, 1);
    core_client_gone(second);
}
END_TEST

START_TEST(a_page_ends_with_its_function)
{
    struct hw_function *function = &device->functions[0];

    make_pair(0, &pair);
    core_function_event(function->listener_user, function, HW_FUNCTION_FAILED, "CSTS.CFS is set");
    fixture_settle(&fixture);
    ck_assert_uint_eq(fake_totals(&fixture.fake).pages, 0);
}
END_TEST

static void end_queue(uint16_t id)
{
    struct hw_function *function = &device->functions[0];

    core_queue_ended(function->listener_user, function, id, "queue pair 1: 99 was written");
}

START_TEST(what_its_owner_wrote_ends_one_queue_pair)
{
    make_pair(0, &pair);
    make_pair(1, &other);
    end_queue(pair.queue);
    end_queue(pair.queue); /* said twice */
    fake_run(&fixture.fake);
    ck_assert_uint_eq(fixture.events[CORE_EVENT_QUEUE_FAILED], 1);
    ck_assert_uint_eq(fake_totals(&fixture.fake).pairs, 1);
    ck_assert_uint_eq(device->functions[0].pairs[other.queue].id, other.queue);
    ck_assert_uint_eq(lease_count(&fixture), 1);
    /* Its place is free again, and it is nobody's any more. */
    memset(&pair, 0, sizeof(pair));
    core_delete_queue_pair(client, lease.lease, lease.functions[0], 1, on_plain, &pair);
    ck_assert_int_eq(pair.error.code, CORE_REFUSED_UNKNOWN_QUEUE_PAIR);
    make_pair(0, &pair);
    ck_assert_uint_eq(pair.queue, 1);
}
END_TEST

START_TEST(a_queue_pair_that_is_not_there_does_not_end)
{
    struct hw_function *function = &device->functions[0];

    make_pair(0, &pair);
    end_queue(2);
    end_queue(0);
    end_queue(UINT16_MAX);
    core_queue_ended(function->listener_user, &device->functions[1], 1, "of another handle");
    ck_assert_uint_eq(fixture.fake.pending, 0);
    core_delete_queue_pair(client, lease.lease, lease.functions[0], 1, on_plain, &other);
    end_queue(1); /* while it is being deleted */
    fake_run(&fixture.fake);
    ck_assert_uint_eq(fixture.events[CORE_EVENT_QUEUE_FAILED], 0);
    ck_assert_uint_eq(fixture.fake.count[FAKE_DELETE], 1);
}
END_TEST

/* ---- verdicts ---- */

static void attach_grey(struct answer *ret_answer)
{
    struct core_client *grey = fixture_client(&fixture, GREY);

    attach_green(grey, CORE_ATTACH_FRESH, ret_answer);
    core_client_gone(grey);
    fixture_settle(&fixture);
}

START_TEST(who_is_not_trusted_is_direct_only_where_it_is_confined)
{
    ck_assert_uint_eq(fixture.fake.count[FAKE_EXAMINE], 8);
    attach_grey(&other);
    check_refused(&other, CORE_REFUSED_TRUST_REQUIRED);
    fixture.fake.confinement = HW_TRUSTED_ONLY;
    fake_reset_device(device);
    core_device_event(device->user, device, HW_DEVICE_RESET, "reset");
    fixture_settle(&fixture);
    attach_grey(&other);
    check_refused(&other, CORE_REFUSED_TRUST_REQUIRED);
    fixture.fake.confinement = HW_CONFINED;
    fake_reset_device(device);
    core_device_event(device->user, device, HW_DEVICE_RESET, "reset");
    fixture_settle(&fixture);
    attach_grey(&other);
    check_granted(&other);
    ck_assert(!other.relayed);
    ck_assert_int_ge(other.device_fd, 0);
    /* Once for each time that the functions came up: neither leases nor reopening make it again. */
    ck_assert_uint_eq(fixture.fake.count[FAKE_EXAMINE], 16);
}
END_TEST

static struct hw_verdict device_verdict, function_verdict;

static void take_device(void *user, const struct core_device_view *view)
{
    (void)user;
    if (strcmp(view->config->name, "ssd0") == 0)
        device_verdict = *view->verdict;
}

static void take_function(void *user, const struct core_function_view *view)
{
    (void)user;
    if (strcmp(view->name, "0000:01:00.1") == 0)
        function_verdict = *view->verdict;
}

START_TEST(verdicts_are_shown)
{
    core_each_device(fixture.core, take_device, NULL);
    core_each_function(fixture.core, take_function, NULL);
    ck_assert_int_eq(device_verdict.confinement, HW_CONFINEMENT_UNKNOWN);
    ck_assert_str_eq(function_verdict.reason, "as the test says");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("core relay");
    TCase *tcase = tcase_create("relayed");

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, it_gets_a_page_and_no_device);
    tcase_add_test(tcase, each_process_has_a_page_of_its_own);
    tcase_add_test(tcase, no_page_no_lease);
    tcase_add_test(tcase, a_page_ends_with_its_function);
    tcase_add_test(tcase, what_its_owner_wrote_ends_one_queue_pair);
    tcase_add_test(tcase, a_queue_pair_that_is_not_there_does_not_end);
    tcase_add_test(tcase, who_is_not_trusted_is_direct_only_where_it_is_confined);
    tcase_add_test(tcase, verdicts_are_shown);
    suite_add_tcase(suite, tcase);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
