/* SPDX-License-Identifier: BSD-3-Clause */
/* Devices and their functions: from absent to ready, what is refused and why, retry, reset, removal, stop. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/core_fixture.h"

static struct fixture fixture;
static struct hw_device *device;

static void set_up(void)
{
    fixture_init(&fixture, 1);
    device = &fixture.fake.devices[0];
}

static void tear_down(void)
{
    check_invariants(&fixture);
    fixture_fini(&fixture);
}

static void check_out(const char *part_of_reason)
{
    ck_assert_str_eq(device_state_of(&fixture, 0), "quarantined");
    ck_assert_msg(strstr(device_reason_of(&fixture, 0), part_of_reason) != NULL, "the reason is: %s",
                  device_reason_of(&fixture, 0));
    ck_assert(core_converged(fixture.core));
}

START_TEST(everything_becomes_ready)
{
    fixture_new(&fixture);
    core_start(fixture.core);
    ck_assert(!core_converged(fixture.core));
    ck_assert_str_eq(device_state_of(&fixture, 0), "probing");
    fake_run(&fixture.fake);
    ck_assert(core_converged(fixture.core));
    ck_assert_str_eq(device_state_of(&fixture, 0), "ready");
    ck_assert_uint_eq(functions_in(&fixture, "ready"), 4);
    for (unsigned i = 0; i < 4; i++) {
        ck_assert_uint_eq(device->functions[i].queues, 4);
        ck_assert_uint_eq(device->functions[i].interrupts, 2);
    }
    check_clean(&fixture);
}
END_TEST

/* A helper of an earlier homid, which ends by itself. */
START_TEST(a_device_that_others_work_on_is_tried_again)
{
    fixture.fake.fail_kind = 1u << FAKE_PROBE;
    fixture.fake.fail_kind_error = -EBUSY;
    fixture_start(&fixture); /* and a minute of the clock */
    ck_assert_uint_eq(fixture.fake.count[FAKE_PROBE], 1 + 60 / 5);
    check_out("probing: probe fails");
    fixture.fake.fail_kind_error = -EIO;
    fixture_advance(&fixture, 5000);
    ck_assert_uint_eq(fixture.fake.count[FAKE_PROBE], 14);
    fixture_advance(&fixture, 60000); /* that does not mend itself */
    ck_assert_uint_eq(fixture.fake.count[FAKE_PROBE], 14);
    struct answer retried = {0};
    fixture.fake.fail_kind_error = -EBUSY;
    core_retry(fixture.core, "ssd0", NULL, on_plain, &retried);
    fake_run(&fixture.fake);
    ck_assert_uint_eq(fixture.fake.count[FAKE_PROBE], 15);
    fixture.fake.fail_kind = 0;
    fixture_advance(&fixture, 5000);
    ck_assert_uint_eq(functions_in(&fixture, "ready"), 4);
}
END_TEST

static bool never(void)
{
    return false;
}

/* A process has a lease, homid ends, and the process before the next one comes. */
static void die_with_a_lease(void)
{
    struct core_client *client;
    struct answer answer;

    fixture.keeps = true;
    fixture_new(&fixture);
    core_start(fixture.core);
    fixture_run(&fixture);
    client = fixture_client_at(&fixture, BLUE, 1);
    attach(client, (struct core_attach_request){.mode = CORE_ATTACH_FRESH}, &answer);
    fixture_run(&fixture);
    check_granted(&answer);
    fixture_die(&fixture, never);
}

START_TEST(what_others_kept_from_being_given_back_is_tried_again)
{
    die_with_a_lease();
    fixture.fake.fail_kind = 1u << FAKE_PROBE | 1u << FAKE_ATTACH;
    fixture.fake.fail_kind_error = -EBUSY;
    fixture_restore(&fixture);
    fixture_run(&fixture);
    fixture_advance(&fixture, 12000);
    check_out("probing: probe fails");
    ck_assert_uint_eq(functions_in(&fixture, "quarantined"), 1);
    fixture.fake.fail_kind = 0;
    fixture_settle(&fixture);
    ck_assert_uint_eq(functions_in(&fixture, "ready"), 4);
    check_clean(&fixture);
}
END_TEST

/* Whoever took it away left nothing to be held. */
START_TEST(a_function_that_is_gone_is_brought_up_anew)
{
    die_with_a_lease();
    for (unsigned i = 0; i < FIXTURE_RECORDS; i++)
        fixture.keeper.records[i].kept = 0;
    for (unsigned i = 0; i < 4; i++)
        device->functions[i].open = device->functions[i].bound = false;
    fixture_restore(&fixture);
    fixture_settle(&fixture);
    ck_assert_uint_eq(functions_in(&fixture, "ready"), 4);
    check_clean(&fixture);
}
END_TEST

/* Ends all that is pending but closing. */
static void run_but_close(void)
{
    for (unsigned nth = 0; nth < fixture.fake.pending;) {
        if (fake_kind(&fixture.fake, nth) == FAKE_CLOSE) {
            nth++;
        } else {
            fake_step_nth(&fixture.fake, nth);
            nth = 0;
        }
    }
}

static void on_stopped_early(void *user)
{
    *(bool *)user = true;
}

START_TEST(what_is_left_is_taken_offline)
{
    struct core_client *client;
    struct answer answer;
    bool stopped = false;

    fixture_start(&fixture);
    client = fixture_client(&fixture, BLUE);
    attach_now(&fixture, client, (struct core_attach_request){.mode = CORE_ATTACH_FRESH}, &answer);
    check_granted(&answer);
    core_stop(fixture.core, on_stopped_early, &stopped);
    run_but_close();
    ck_assert_uint_eq(fixture.fake.pending, 4); /* nothing comes back from there */
    for (unsigned i = 0; i < 4; i++)
        ck_assert(device->functions[i].online);
    core_stop_now(fixture.core);
    ck_assert(!stopped);
    run_but_close();
    ck_assert(stopped);
    for (unsigned i = 0; i < 4; i++)
        ck_assert(!device->functions[i].online);
    core_client_gone(client);
}
END_TEST

START_TEST(what_is_right_is_left_alone)
{
    device->info.functions_enabled = 4;
    for (unsigned i = 0; i < 4; i++) {
        device->functions[i].queues = 4;
        device->functions[i].interrupts = 2;
        device->functions[i].online = true;
    }
    fixture_start(&fixture);
    ck_assert_uint_eq(functions_in(&fixture, "ready"), 4);
    ck_assert_uint_eq(fixture.fake.count[FAKE_ASSIGN], 0);
    ck_assert_uint_eq(fixture.fake.count[FAKE_ONLINE], 0);
    ck_assert_uint_eq(fixture.fake.count[FAKE_COUNT], 0);
}
END_TEST

START_TEST(what_is_wrong_is_put_right)
{
    /* One function hoards, another has too little: all must be freed before any is assigned. */
    device->info.functions_enabled = 4;
    device->info.queues.per_function = 8;
    device->functions[3].queues = 8;
    device->functions[3].interrupts = 2;
    device->functions[3].online = true;
    device->functions[0].queues = 2;
    fixture_start(&fixture);
    ck_assert_uint_eq(functions_in(&fixture, "ready"), 4);
    for (unsigned i = 0; i < 4; i++)
        ck_assert_uint_eq(device->functions[i].queues, 4);
}
END_TEST

START_TEST(functions_that_are_not_offered_give_up_their_resources)
{
    fixture.devices[0].functions = 2;
    device->functions[2].queues = 4;
    device->functions[2].interrupts = 2;
    device->functions[3].queues = 4;
    device->functions[3].interrupts = 2;
    fixture_start(&fixture);
    ck_assert_uint_eq(functions_in(&fixture, "ready"), 2);
    ck_assert_uint_eq(device->functions[2].queues + device->functions[3].queues, 0);
}
END_TEST

START_TEST(fixed_functions_need_no_virtualization_management)
{
    device->info.virtualization_management = false;
    fixture_start(&fixture);
    ck_assert_uint_eq(functions_in(&fixture, "ready"), 4);
    ck_assert_uint_eq(
        fixture.fake.count[FAKE_LIST] + fixture.fake.count[FAKE_ASSIGN] + fixture.fake.count[FAKE_ONLINE], 0);
}
END_TEST

START_TEST(a_fixed_function_with_too_little_is_refused)
{
    device->info.virtualization_management = false;
    device->function_pairs = 2;
    fixture_start(&fixture);
    check_out("has 2 I/O queue pairs, 3 are configured");
    ck_assert_uint_eq(fake_totals(&fixture.fake).open, 0);
}
END_TEST

START_TEST(more_queues_than_the_device_gives_are_refused)
{
    fixture.devices[0].queue_pairs = 4;
    fixture_start(&fixture);
    check_out("at most 4");
    ck_assert_uint_eq(fixture.fake.count[FAKE_ASSIGN], 0);
}
END_TEST

START_TEST(more_queues_in_all_than_there_are_are_refused)
{
    device->info.queues.total = 15;
    fixture_start(&fixture);
    check_out("need 16, the device has 15");
}
END_TEST

START_TEST(more_interrupts_than_there_are_are_refused)
{
    fixture.devices[0].interrupts = 2;
    fixture_start(&fixture);
    check_out("interrupt resources");
}
END_TEST

START_TEST(more_functions_than_there_are_are_refused)
{
    fixture.devices[0].functions = 5;
    fixture_start(&fixture);
    check_out("5 VFs are configured, the device has 4");
}
END_TEST

START_TEST(a_device_that_is_not_there_is_waited_for)
{
    device->absent = true;
    fixture_start(&fixture);
    ck_assert_str_eq(device_state_of(&fixture, 0), "absent");
    ck_assert(core_converged(fixture.core));
    device->absent = false;
    core_device_event(device->user, device, HW_DEVICE_BACK, "it came");
    ck_assert(!core_converged(fixture.core));
    fixture_settle(&fixture);
    ck_assert_uint_eq(functions_in(&fixture, "ready"), 4);
}
END_TEST

START_TEST(a_group_that_is_not_viable_is_refused)
{
    struct answer answer;
    struct core_client *client;

    for (unsigned i = 0; i < 4; i++)
        device->functions[i].viable = false;
    fixture_start(&fixture);
    check_out("IOMMU group 0 holds other devices");
    ck_assert_uint_eq(fixture.fake.count[FAKE_OPEN], 0);
    client = fixture_client(&fixture, BLUE);
    attach(client, (struct core_attach_request){0}, &answer);
    ck_assert_int_eq(answer.error.code, CORE_REFUSED_GROUP_NOT_VIABLE);
    ck_assert_str_eq(answer.error.name, "0000:01:00.4");
    core_client_gone(client);
}
END_TEST

START_TEST(one_bad_function_leaves_the_others)
{
    device->functions[2].viable = false;
    fixture_start(&fixture);
    ck_assert_str_eq(device_state_of(&fixture, 0), "ready");
    ck_assert_uint_eq(functions_in(&fixture, "ready"), 3);
    ck_assert_str_eq(function_state(&fixture, 0, 2), "quarantined");
}
END_TEST

START_TEST(one_bad_device_leaves_the_other)
{
    fixture_fini(&fixture);
    fixture_init(&fixture, 2);
    fixture.fake.devices[0].info.queues.total = 3;
    fixture_start(&fixture);
    ck_assert_str_eq(device_state_of(&fixture, 0), "quarantined");
    ck_assert_str_eq(device_state_of(&fixture, 1), "ready");
    ck_assert(core_converged(fixture.core));
}
END_TEST

START_TEST(an_operation_that_hangs_puts_the_device_out)
{
    fixture.fake.fail_kind = 1u << FAKE_ASSIGN;
    fixture.fake.fail_kind_error = -ETIMEDOUT;
    fixture_start(&fixture);
    check_out("assigning queue resources");
    ck_assert_uint_eq(fixture.fake.count[FAKE_ASSIGN], 1);
}
END_TEST

START_TEST(a_retry_brings_it_back)
{
    struct answer answer = {0};

    fixture.fake.fail_kind = 1u << FAKE_COUNT;
    fixture.fake.fail_kind_error = -EIO;
    fixture_start(&fixture);
    check_out("enabling 4 VFs");
    core_retry(fixture.core, "ssd0", NULL, on_plain, &answer);
    ck_assert_uint_eq(answer.count, 1);
    ck_assert_int_eq(answer.error.code, 0);
    fixture_settle(&fixture);
    check_out("enabling 4 VFs");
    fixture.fake.fail_kind = 0;
    core_retry(fixture.core, "ssd0", NULL, on_plain, &answer);
    fixture_settle(&fixture);
    ck_assert_uint_eq(functions_in(&fixture, "ready"), 4);
    core_retry(fixture.core, "ssd0", NULL, on_plain, &answer);
    ck_assert_int_eq(answer.error.code, CORE_REFUSED_NOT_QUARANTINED);
    core_retry(fixture.core, "ssd7", NULL, on_plain, &answer);
    ck_assert_int_eq(answer.error.code, CORE_REFUSED_UNKNOWN_DEVICE);
    core_retry(fixture.core, "ssd0", "nothing", on_plain, &answer);
    ck_assert_int_eq(answer.error.code, CORE_REFUSED_UNKNOWN_FUNCTION);
    core_retry(fixture.core, "ssd0", "0000:01:00.1", on_plain, &answer);
    ck_assert_int_eq(answer.error.code, CORE_REFUSED_NOT_QUARANTINED);
}
END_TEST

START_TEST(a_retry_brings_one_function_back)
{
    struct answer answer = {0};

    device->functions[1].viable = false;
    fixture_start(&fixture);
    device->functions[1].viable = true;
    core_retry(fixture.core, "ssd0", "0000:01:00.2", on_plain, &answer);
    ck_assert_int_eq(answer.error.code, 0);
    fixture_settle(&fixture);
    ck_assert_uint_eq(functions_in(&fixture, "ready"), 4);
    ck_assert_uint_eq(device->functions[0].opens, 1);
}
END_TEST

START_TEST(a_function_that_is_held_comes_back_by_itself)
{
    device->functions[0].held = true;
    fixture_new(&fixture);
    core_start(fixture.core);
    fake_run(&fixture.fake);
    fixture_advance(&fixture, 2000);
    ck_assert_str_eq(function_state(&fixture, 0, 0), "quarantined");
    ck_assert_ptr_nonnull(strstr(function_reason(&fixture, 0, 0), "still holds"));
    ck_assert(core_converged(fixture.core));
    fixture_advance(&fixture, 60000);
    /* Every five seconds at least, as configured, and no busy loop. */
    ck_assert_uint_ge(fixture.fake.count[FAKE_OPEN], 3 + 12);
    ck_assert_uint_le(fixture.fake.count[FAKE_OPEN], 3 + 30);
    device->functions[0].held = false;
    fixture_advance(&fixture, 5000);
    ck_assert_str_eq(function_state(&fixture, 0, 0), "ready");
}
END_TEST

START_TEST(foreign_namespaces_are_taken_away)
{
    /* As an SSD does that attaches shared namespaces to every controller at reset. */
    device->reattach = 5;
    fixture_start(&fixture);
    ck_assert_uint_eq(functions_in(&fixture, "ready"), 4);
    ck_assert_uint_eq(fake_totals(&fixture.fake).attached, 0);
}
END_TEST

START_TEST(a_namespace_that_cannot_be_taken_away_puts_the_function_out)
{
    device->reattach = 1;
    fixture.fake.fail_kind = 1u << FAKE_ATTACH;
    fixture.fake.fail_kind_error = -EIO;
    fixture_start(&fixture);
    check_out("detaching a foreign namespace");
    ck_assert_uint_eq(fake_totals(&fixture.fake).open, 0);
}
END_TEST

START_TEST(a_function_that_fails_idle_is_cleaned_a_few_times)
{
    struct hw_function *function = &device->functions[1];

    fixture_start(&fixture);
    for (unsigned i = 0; i < 3; i++) {
        core_function_event(function->listener_user, function, HW_FUNCTION_FAILED, "CSTS.CFS is set");
        ck_assert_str_eq(function_state(&fixture, 0, 1), "draining");
        fixture_settle(&fixture);
        ck_assert_str_eq(function_state(&fixture, 0, 1), "ready");
    }
    core_function_event(function->listener_user, function, HW_FUNCTION_FAILED, "CSTS.CFS is set");
    fixture_settle(&fixture);
    ck_assert_str_eq(function_state(&fixture, 0, 1), "quarantined");
    ck_assert_str_eq(function_reason(&fixture, 0, 1), "CSTS.CFS is set");
    check_clean(&fixture);
}
END_TEST

START_TEST(a_reset_provisions_again)
{
    fixture_start(&fixture);
    fake_reset_device(device);
    core_device_event(device->user, device, HW_DEVICE_RESET, NULL);
    ck_assert(!core_converged(fixture.core));
    fixture_settle(&fixture);
    ck_assert_uint_eq(functions_in(&fixture, "ready"), 4);
    ck_assert_uint_eq(device->info.functions_enabled, 4);
    ck_assert(core_converged(fixture.core));
}
END_TEST

START_TEST(removal_and_return)
{
    fixture_start(&fixture);
    fake_reset_device(device);
    device->absent = true;
    core_device_event(device->user, device, HW_DEVICE_GONE, "pulled");
    fixture_settle(&fixture);
    ck_assert_str_eq(device_state_of(&fixture, 0), "absent");
    ck_assert_str_eq(device_reason_of(&fixture, 0), "pulled");
    ck_assert_uint_eq(functions_in(&fixture, "absent"), 4);
    ck_assert(core_converged(fixture.core));
    device->absent = false;
    core_device_event(device->user, device, HW_DEVICE_BACK, NULL);
    fixture_settle(&fixture);
    ck_assert_uint_eq(functions_in(&fixture, "ready"), 4);
}
END_TEST

/* ---- stop ---- */

static void on_stopped(void *user)
{
    ((struct fixture *)user)->stopped = true;
}

static void stop(void)
{
    core_stop(fixture.core, on_stopped, &fixture);
    fixture_settle(&fixture);
    ck_assert(fixture.stopped);
    ck_assert_uint_eq(fake_totals(&fixture.fake).open, 0);
}

START_TEST(the_stop_takes_everything_down)
{
    fixture_start(&fixture);
    stop();
    ck_assert_uint_eq(device->info.functions_enabled, 0);
    for (unsigned i = 0; i < 4; i++)
        ck_assert(!device->functions[i].online && !device->functions[i].bound);
}
END_TEST

START_TEST(the_stop_comes_through_while_steps_fail)
{
    fixture_start(&fixture);
    fixture.fake.fail_kind = ~0u;
    fixture.fake.fail_kind_error = -ETIMEDOUT;
    stop();
}
END_TEST

START_TEST(the_stop_comes_through_during_bring_up)
{
    for (unsigned steps = 0; steps < 40; steps++) {
        fixture_new(&fixture);
        core_start(fixture.core);
        for (unsigned i = 0; i < steps; i++)
            fake_step(&fixture.fake);
        fixture.stopped = false;
        stop();
        ck_assert_uint_eq(device->info.functions_enabled, 0);
        fixture_fini(&fixture);
        set_up();
    }
    fixture_new(&fixture);
}
END_TEST

START_TEST(the_stop_does_not_unbind_what_is_held)
{
    struct core_client *client;
    struct answer answer;

    fixture_start(&fixture);
    client = fixture_client(&fixture, BLUE);
    attach(client, (struct core_attach_request){0}, &answer);
    fixture_settle(&fixture);
    ck_assert_int_eq(answer.error.code, 0);
    device->functions[0].held = true;
    stop();
    ck_assert(device->functions[0].bound);
    ck_assert_msg(!device->functions[0].online, "offline is the one revocation that the holder cannot undo");
    ck_assert_uint_eq(device->info.functions_enabled, 4);
    core_client_gone(client);
}
END_TEST

START_TEST(freeing_with_operations_under_way_leaks_nothing)
{
    for (unsigned steps = 0; steps < 40; steps++) {
        fixture_new(&fixture);
        core_start(fixture.core);
        for (unsigned i = 0; i < steps; i++)
            fake_step(&fixture.fake);
        fixture_fini(&fixture);
        set_up();
    }
    fixture_new(&fixture);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("core bring-up");
    TCase *tcase = tcase_create("bring-up");

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, everything_becomes_ready);
    tcase_add_test(tcase, a_device_that_others_work_on_is_tried_again);
    tcase_add_test(tcase, what_is_left_is_taken_offline);
    tcase_add_test(tcase, what_others_kept_from_being_given_back_is_tried_again);
    tcase_add_test(tcase, a_function_that_is_gone_is_brought_up_anew);
    tcase_add_test(tcase, what_is_right_is_left_alone);
    tcase_add_test(tcase, what_is_wrong_is_put_right);
    tcase_add_test(tcase, functions_that_are_not_offered_give_up_their_resources);
    tcase_add_test(tcase, fixed_functions_need_no_virtualization_management);
    tcase_add_test(tcase, a_fixed_function_with_too_little_is_refused);
    tcase_add_test(tcase, more_queues_than_the_device_gives_are_refused);
    tcase_add_test(tcase, more_queues_in_all_than_there_are_are_refused);
    tcase_add_test(tcase, more_interrupts_than_there_are_are_refused);
    tcase_add_test(tcase, more_functions_than_there_are_are_refused);
    tcase_add_test(tcase, a_device_that_is_not_there_is_waited_for);
    tcase_add_test(tcase, a_group_that_is_not_viable_is_refused);
    tcase_add_test(tcase, one_bad_function_leaves_the_others);
    tcase_add_test(tcase, one_bad_device_leaves_the_other);
    tcase_add_test(tcase, an_operation_that_hangs_puts_the_device_out);
    tcase_add_test(tcase, a_retry_brings_it_back);
    tcase_add_test(tcase, a_retry_brings_one_function_back);
    tcase_add_test(tcase, a_function_that_is_held_comes_back_by_itself);
    tcase_add_test(tcase, foreign_namespaces_are_taken_away);
    tcase_add_test(tcase, a_namespace_that_cannot_be_taken_away_puts_the_function_out);
    tcase_add_test(tcase, a_function_that_fails_idle_is_cleaned_a_few_times);
    tcase_add_test(tcase, a_reset_provisions_again);
    tcase_add_test(tcase, removal_and_return);
    tcase_add_test(tcase, the_stop_takes_everything_down);
    tcase_add_test(tcase, the_stop_comes_through_while_steps_fail);
    tcase_add_test(tcase, the_stop_comes_through_during_bring_up);
    tcase_add_test(tcase, the_stop_does_not_unbind_what_is_held);
    tcase_add_test(tcase, freeing_with_operations_under_way_leaks_nothing);
    suite_add_tcase(suite, tcase);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
