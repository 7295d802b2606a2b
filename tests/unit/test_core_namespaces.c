/* SPDX-License-Identifier: BSD-3-Clause */
/* What operators do to namespaces, and what keeps them from it. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/core_fixture.h"

static struct fixture fixture;
static struct core_error error;
static uint32_t value;
static unsigned answers;

static void answered(void *user, const struct core_error *given, const uint8_t *data, uint32_t number)
{
    (void)user, (void)data;
    error = *given;
    value = number;
    answers++;
}

static void change_of(const char *device, struct hw_namespace_change change)
{
    answers = 0;
    core_change_namespace(fixture.core, device, &change, answered, NULL);
}
#define change(...) change_of("ssd0", (struct hw_namespace_change){__VA_ARGS__})

static void set_up(void)
{
    fixture_init(&fixture, 1);
    fixture_start(&fixture);
}

static void tear_down(void)
{
    check_invariants(&fixture);
    fixture_fini(&fixture);
}

static struct core_namespace_view found;

static void look_for(void *user, const struct core_namespace_view *view)
{
    if (view->info->id == *(uint32_t *)user)
        found = *view;
}

/* What the core knows of a namespace; info is NULL when nothing. */
static const struct core_namespace_view *look(uint32_t id)
{
    found = (struct core_namespace_view){0};
    core_each_namespace(fixture.core, look_for, &id);
    return &found;
}

START_TEST(one_is_created_and_known_when_that_is_answered)
{
    unsigned probes = fixture.fake.count[FAKE_PROBE];

    change(.act = HW_NAMESPACE_CREATE, .bytes = 1 << 20, .shareable = true);
    ck_assert_uint_eq(answers, 0);
    fake_run(&fixture.fake);
    ck_assert_uint_eq(answers, 1);
    ck_assert_int_eq(error.code, 0);
    ck_assert_ptr_nonnull(look(value)->info);
    ck_assert_uint_eq(look(value)->info->blocks, 2048);
    ck_assert_uint_gt(fixture.fake.count[FAKE_PROBE], probes);
    change(.act = HW_NAMESPACE_DELETE, .id = value);
    fake_run(&fixture.fake);
    ck_assert_int_eq(error.code, 0);
    ck_assert_ptr_null(look(4)->info);
}
END_TEST

START_TEST(the_host_is_given_one_and_lets_it_go)
{
    change(.act = HW_NAMESPACE_ATTACH, .id = 2);
    fake_run(&fixture.fake);
    ck_assert_int_eq(error.code, 0);
    ck_assert_str_eq(look(2)->holder, "host");
    /* What is so already is not done again. */
    change(.act = HW_NAMESPACE_ATTACH, .id = 2);
    ck_assert_uint_eq(answers, 1);
    ck_assert_int_eq(error.code, 0);
    ck_assert_uint_eq(fixture.fake.count[FAKE_CHANGE], 1);
    change(.act = HW_NAMESPACE_DELETE, .id = 2);
    ck_assert_int_eq(error.code, CORE_REFUSED_NAMESPACE_BUSY);
    ck_assert_str_eq(error.text, "host");
    change(.act = HW_NAMESPACE_DETACH, .id = 2);
    fake_run(&fixture.fake);
    ck_assert_int_eq(error.code, 0);
    ck_assert_ptr_null(look(2)->holder);
}
END_TEST

START_TEST(what_a_lease_has_is_not_touched)
{
    static const enum hw_namespace_act acts[] = {HW_NAMESPACE_DELETE, HW_NAMESPACE_FORMAT,
                                                 HW_NAMESPACE_ATTACH};
    struct core_client *client = fixture_client(&fixture, BLUE);
    struct answer answer = {0};

    attach(client, (struct core_attach_request){0}, &answer);
    fake_run(&fixture.fake);
    ck_assert_int_eq(answer.error.code, 0);
    for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++) {
        change(.act = acts[i], .id = 1);
        ck_assert_int_eq(error.code, CORE_REFUSED_NAMESPACE_BUSY);
        ck_assert_str_eq(error.text, "blue");
    }
    ck_assert_uint_eq(fixture.fake.count[FAKE_CHANGE], 0);
    core_client_gone(client);
    fake_run(&fixture.fake);
    change(.act = HW_NAMESPACE_FORMAT, .id = 1, .block_bytes = 4096);
    fake_run(&fixture.fake);
    ck_assert_int_eq(error.code, 0);
    ck_assert_uint_eq(look(1)->info->block_bytes, 4096);
}
END_TEST

/* The fake complains when a namespace changes while a function has it. */
START_TEST(who_comes_meanwhile_does_not_get_it)
{
    struct core_client *client = fixture_client(&fixture, BLUE);
    struct answer answer = {0};

    change(.act = HW_NAMESPACE_FORMAT, .id = 1, .block_bytes = 4096);
    attach(client, (struct core_attach_request){0}, &answer);
    ck_assert_uint_eq(answer.count, 1);
    ck_assert_int_eq(answer.error.code, CORE_REFUSED_NAMESPACE_BUSY);
    ck_assert_str_eq(answer.error.text, "operator");
    answer = (struct answer){0};
    attach(client, (struct core_attach_request){.wait_milliseconds = 1000}, &answer);
    ck_assert_uint_eq(answer.count, 0);
    fake_run(&fixture.fake);
    ck_assert_int_eq(error.code, 0);
    ck_assert_uint_eq(answer.count, 1);
    ck_assert_int_eq(answer.error.code, 0);
    core_client_gone(client);
    fake_run(&fixture.fake);
}
END_TEST

START_TEST(refusals_and_failures_change_nothing)
{
    change_of("nothing", (struct hw_namespace_change){.act = HW_NAMESPACE_CREATE, .bytes = 4096});
    ck_assert_int_eq(error.code, CORE_REFUSED_UNKNOWN_DEVICE);
    change(.act = HW_NAMESPACE_DELETE, .id = 99);
    ck_assert_int_eq(error.code, CORE_REFUSED_UNKNOWN_NAMESPACE);
    ck_assert_int_eq(error.value, 99);
    change(.act = HW_NAMESPACE_CREATE, .bytes = 4096);
    change(.act = HW_NAMESPACE_CREATE, .bytes = 4096);
    ck_assert_int_eq(error.code, CORE_REFUSED_DEVICE_UNAVAILABLE);
    fake_run(&fixture.fake);

    fixture.fake.fail_kind = 1u << FAKE_CHANGE;
    fixture.fake.fail_kind_error = -EBUSY;
    change(.act = HW_NAMESPACE_FORMAT, .id = 1);
    fake_run(&fixture.fake);
    ck_assert_int_eq(error.code, CORE_REFUSED_NAMESPACE_BUSY);
    ck_assert_str_eq(error.text, "host");
    fixture.fake.fail_kind_error = -EIO;
    fixture.fake.fail_status = 0x115;
    change(.act = HW_NAMESPACE_CREATE, .bytes = 4096);
    fake_run(&fixture.fake);
    ck_assert_int_eq(error.code, CORE_REFUSED_COMMAND_FAILED);
    ck_assert_int_eq(error.value, 0x115);
    ck_assert_uint_eq(answers, 1);
}
END_TEST

START_TEST(a_device_that_goes_answers)
{
    change(.act = HW_NAMESPACE_FORMAT, .id = 1);
    fixture.fake.devices[0].absent = true;
    core_device_event(fixture.fake.devices[0].user, &fixture.fake.devices[0], HW_DEVICE_GONE, "pulled");
    fake_run(&fixture.fake);
    ck_assert_uint_eq(answers, 1);
    change(.act = HW_NAMESPACE_FORMAT, .id = 1);
    ck_assert_int_eq(error.code, CORE_REFUSED_DEVICE_UNAVAILABLE);
}
END_TEST

START_TEST(one_without_management_refuses)
{
    fixture_fini(&fixture);
    fixture_init(&fixture, 1);
    fixture.fake.devices[0].info.namespace_management = false;
    fixture_new(&fixture);
    core_start(fixture.core);
    fake_run(&fixture.fake);
    change(.act = HW_NAMESPACE_CREATE, .bytes = 4096);
    ck_assert_int_eq(error.code, CORE_REFUSED_DEVICE_UNAVAILABLE);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("core namespaces");
    TCase *tcase = tcase_create("namespaces");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, one_is_created_and_known_when_that_is_answered);
    tcase_add_test(tcase, the_host_is_given_one_and_lets_it_go);
    tcase_add_test(tcase, what_a_lease_has_is_not_touched);
    tcase_add_test(tcase, who_comes_meanwhile_does_not_get_it);
    tcase_add_test(tcase, refusals_and_failures_change_nothing);
    tcase_add_test(tcase, a_device_that_goes_answers);
    tcase_add_test(tcase, one_without_management_refuses);
    suite_add_tcase(suite, tcase);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
