/* SPDX-License-Identifier: BSD-3-Clause */
/* No user fills the log: entries about its processes are counted, and what is left out is told. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/log.h"

static FILE *said;
static struct log_budgets budgets;
static const struct log out = {.level = LOG_INFO, .budgets = &budgets};

/* What is written to stderr goes to a file. */
static void set_up(void)
{
    said = tmpfile();
    ck_assert_ptr_nonnull(said);
    ck_assert_int_ge(dup2(fileno(said), STDERR_FILENO), 0);
}

static void tear_down(void)
{
    fclose(said);
}

static unsigned lines_with(const char *part)
{
    char line[1024];
    unsigned count = 0;

    rewind(said);
    while (fgets(line, sizeof line, said))
        count += strstr(line, part) != NULL;
    return count;
}

static void refuse(uid_t uid, unsigned times)
{
    const struct log_fields fields = {.pid = 7, .uid = uid};

    for (unsigned i = 0; i < times; i++)
        log_write(&out, LOG_NOTICE, &fields, "refused uid=%u.", (unsigned)uid);
}

START_TEST(a_user_cannot_fill_the_log)
{
    const struct log_fields loud = {.pid = 7, .uid = 1001};

    refuse(1001, LOG_ENTRIES_PER_USER + 30);
    refuse(1002, 5);
    log_write(&out, LOG_WARNING, &loud, "revoked uid=1001");
    log_write(&out, LOG_NOTICE, NULL, "about nobody");
    ck_assert_uint_eq(lines_with("refused uid=1001."), LOG_ENTRIES_PER_USER);
    ck_assert_uint_eq(lines_with("refused uid=1002."), 5);
    ck_assert_uint_eq(lines_with("revoked uid=1001"), 1);
    ck_assert_uint_eq(lines_with("about nobody"), 1);
    /* Later: what was left out is told, and there is room again. */
    budgets.users[1001 % LOG_BUDGETS].since -= LOG_WINDOW_SECONDS;
    refuse(1001, 1);
    ck_assert_uint_eq(lines_with("30 entries about processes of uid 1001 were left out"), 1);
    ck_assert_uint_eq(lines_with("refused uid=1001."), LOG_ENTRIES_PER_USER + 1);
}
END_TEST

START_TEST(what_is_not_written_does_not_count)
{
    const struct log_fields fields = {.pid = 7, .uid = 1001};

    for (unsigned i = 0; i < 2 * LOG_ENTRIES_PER_USER; i++)
        log_write(&out, LOG_DEBUG, &fields, "too much detail");
    refuse(1001, 1);
    ck_assert_uint_eq(lines_with("too much"), 0);
    ck_assert_uint_eq(lines_with("refused"), 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("log");
    TCase *tcase = tcase_create("log");

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, a_user_cannot_fill_the_log);
    tcase_add_test(tcase, what_is_not_written_does_not_count);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
