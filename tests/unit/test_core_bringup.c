/* SPDX-License-Identifier: BSD-3-Clause */
/* Devices and their functions: from absent to ready, what is refused and why, retry, reset, removal, stop. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/core_fixture.h"

static struct fixture fixture;

static void set_up(void)
{
    fixture_init(&fixture, 1);
}

static void tear_down(void)
{
    fixture_fini(&fixture);
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
        ck_assert_uint_eq(fixture.fake.devices[0].functions[i].queues, 4);
        ck_assert_uint_eq(fixture.fake.devices[0].functions[i].interrupts, 2);
    }
    check_clean(&fixture);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("core bring-up");
    TCase *tcase = tcase_create("bring-up");

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, everything_becomes_ready);
    suite_add_tcase(suite, tcase);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
