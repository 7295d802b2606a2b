/* SPDX-License-Identifier: BSD-3-Clause */
/* homi-conformance as it is run, on the software SSD: its arguments, what it prints, its exit status. */
#include <check.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

static char output[65536];

/* The program lies beside the folder of this one; its exit status. */
static int run(const char *arguments)
{
    char program[PATH_MAX], command[2 * PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", program, sizeof(program) - 1);

    ck_assert_int_gt(length, 0);
    program[length] = '\0';
    for (int i = 0; i < 2; i++)
        *strrchr(program, '/') = '\0';
    ck_assert_int_lt(
        snprintf(command, sizeof(command), "%s/homi-conformance %s 2>&1 </dev/null", program, arguments),
        (int)sizeof(command));
    FILE *pipe = popen(command, "r");
    ck_assert_ptr_nonnull(pipe);
    output[fread(output, 1, sizeof(output) - 1, pipe)] = '\0';
    return WEXITSTATUS(pclose(pipe));
}

static unsigned lines(void)
{
    unsigned count = 0;

    for (const char *at = output; *at; at++)
        count += *at == '\n';
    return count;
}

START_TEST(wrong_arguments_are_refused)
{
    static const char *const wrong[] = {
        "",
        "--serial X",
        "--destructive-namespace 1",
        "--serial X --destructive-namespace 0",
        "--serial X --destructive-namespace 1x",
        "--model --destructive-namespace 1",
        "--model --serial X --destructive-namespace 1",
        "--model extra",
        "--sing",
        "--model --mutate",
    };

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        ck_assert_msg(run(wrong[i]) == EX_USAGE, "'%s': %s", wrong[i], output);
}
END_TEST

START_TEST(a_wrong_specification_is_refused_with_its_key)
{
    ck_assert_int_eq(run("--model='{\"devices\":[{\"serial\":\"RIG\",\"virtualFunctions\":0}]}'"), EX_USAGE);
    ck_assert_ptr_nonnull(strstr(output, "devices[0].virtualFunctions: must be 1 to 256"));
}
END_TEST

START_TEST(a_device_that_is_not_there_cannot_be_had)
{
    ck_assert_int_eq(run("--model='{\"devices\":[{\"serial\":\"OTHER\"}]}'"), EX_UNAVAILABLE);
    ck_assert_ptr_nonnull(strstr(output, "no model device RIG"));
}
END_TEST

START_TEST(the_list_has_names_and_sections)
{
    ck_assert_int_eq(run("--list"), EXIT_SUCCESS);
    ck_assert_uint_ge(lines(), 150);
    ck_assert_ptr_nonnull(strstr(output, "what is written is read (NVM 3.2.4, 3.2.6)\n"));
}
END_TEST

START_TEST(cases_are_run_and_counted)
{
    ck_assert_int_eq(run("--model --case 'a compare'"), EXIT_SUCCESS);
    ck_assert_ptr_nonnull(strstr(output, "ok    a compare finds the same\n"));
    ck_assert_ptr_nonnull(
        strstr(output, "conformance: 3 passed, 0 failed (0 known to deviate, 0 not offered)\n"));
}
END_TEST

START_TEST(what_is_not_offered_is_said)
{
    ck_assert_int_eq(
        run("--case 'no more queues' --model='{\"devices\":[{\"serial\":\"RIG\","
            "\"virtualizationManagement\":false,\"namespaces\":[{\"id\":1,\"bytes\":\"1M\"}]}]}'"),
        EXIT_SUCCESS);
    ck_assert_ptr_nonnull(strstr(output, "n/a   no more queues than VQFRSM\n"));
}
END_TEST

START_TEST(a_fault_makes_a_case_fail)
{
    ck_assert_int_eq(run("--case 'flush succeeds' --model='{\"devices\":[{\"serial\":\"RIG\","
                         "\"namespaces\":[{\"id\":1,\"bytes\":\"1M\"}],\"faults\":[{\"action\":\"fail\","
                         "\"queue\":1,\"opcode\":0}]}]}'"),
                     EXIT_FAILURE);
    ck_assert_ptr_nonnull(strstr(output, "FAIL  flush succeeds (7.1): "));
    ck_assert_ptr_nonnull(strstr(output, "0 passed, 1 failed"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("conformance_program");
    TCase *tcase = tcase_create("program");

    tcase_add_test(tcase, wrong_arguments_are_refused);
    tcase_add_test(tcase, a_wrong_specification_is_refused_with_its_key);
    tcase_add_test(tcase, a_device_that_is_not_there_cannot_be_had);
    tcase_add_test(tcase, the_list_has_names_and_sections);
    tcase_add_test(tcase, cases_are_run_and_counted);
    tcase_add_test(tcase, what_is_not_offered_is_said);
    tcase_add_test(tcase, a_fault_makes_a_case_fail);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
