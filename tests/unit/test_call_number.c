/* SPDX-License-Identifier: BSD-3-Clause */
/* Numbered calls: who numbers gets the number back, and drops what it has heard already; nobody else sees
 * any. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/connection.h"
#include "tests/unit/open_fds.h"

static struct varlink_connection *connection;
static unsigned fds_before;

static void open_as(enum varlink_role role)
{
    fds_before = open_fds();
    ck_assert_int_eq(varlink_connection_new(role, &connection), 0);
}

static void close_connection(void)
{
    varlink_connection_free(connection);
    ck_assert_uint_eq(open_fds(), fds_before);
}

static void feed(const char *text, bool with_fd)
{
    int fd = with_fd ? open("/dev/null", O_RDONLY | O_CLOEXEC) : -1;

    ck_assert_int_eq(varlink_connection_feed(connection, text, strlen(text) + 1, &fd, with_fd, false), 0);
}

static const char *output(void)
{
    static char text[1024];
    struct iovec iov;
    const int *fds;
    unsigned fd_count;
    size_t count = varlink_connection_output(connection, &iov, &fds, &fd_count);

    ck_assert_uint_lt(count, sizeof(text));
    memcpy(text, count ? iov.iov_base : "", count ? count : 1);
    varlink_connection_sent(connection, count);
    return text;
}

static void take(const char *error)
{
    struct varlink_message message;

    ck_assert_int_eq(varlink_connection_next(connection, &message), 1);
    if (error)
        ck_assert_str_eq(message.error, error);
    varlink_message_clear(&message);
}

START_TEST(answers_carry_the_number_of_their_call)
{
    struct varlink_message message;

    open_as(VARLINK_SERVER);
    feed("{\"method\":\"a.b.C\",\"io.homi.Call\":{\"id\":7,\"later\":true},\"more\":true}", false);
    ck_assert_int_eq(varlink_connection_next(connection, &message), 1);
    ck_assert_int_eq(message.call_id, 7);
    varlink_message_clear(&message);
    ck_assert_int_eq(varlink_connection_reply(connection, NULL, true, NULL, 0), 0);
    ck_assert_str_eq(output(), "{\"continues\":true,\"io.homi.Call\":{\"id\":7}}");
    ck_assert_int_eq(varlink_connection_error(connection, "a.b.E", NULL), 0);
    ck_assert_str_eq(output(), "{\"error\":\"a.b.E\",\"io.homi.Call\":{\"id\":7}}");
    feed("{\"method\":\"a.b.C\"}", false);
    take(NULL);
    ck_assert_int_eq(varlink_connection_reply(connection, NULL, false, NULL, 0), 0);
    ck_assert_str_eq(output(), "{}");
    close_connection();
}
END_TEST

static const char *const wrong[] = {
    "7", "{}", "{\"id\":0}", "{\"id\":-1}", "{\"id\":\"7\"}", "{\"id\":1.5}", "null"};

START_TEST(a_number_that_is_none_is_refused)
{
    struct varlink_message message;
    char text[128];

    open_as(VARLINK_SERVER);
    snprintf(text, sizeof(text), "{\"method\":\"a.b.C\",\"io.homi.Call\":%s}", wrong[_i]);
    feed(text, false);
    ck_assert_int_eq(varlink_connection_next(connection, &message), -EPROTO);
    ck_assert_int_eq(varlink_connection_violation(connection), VARLINK_VIOLATION_SHAPE);
    close_connection();
}
END_TEST

START_TEST(an_answer_that_comes_twice_is_dropped)
{
    struct varlink_message message;

    open_as(VARLINK_CLIENT);
    varlink_connection_number_calls(connection);
    ck_assert_int_eq(varlink_connection_call(connection, "a.b.C", NULL, false, NULL, 0), 0);
    ck_assert_str_eq(output(), "{\"method\":\"a.b.C\",\"io.homi.Call\":{\"id\":1}}");
    feed("{\"error\":\"a.b.One\",\"io.homi.Call\":{\"id\":1}}", false);
    take("a.b.One");
    /* With nothing asked, and before the answer to the next call; its descriptor goes too. */
    feed("{\"error\":\"a.b.One\",\"io.homi.Call\":{\"id\":1}}", true);
    ck_assert_int_eq(varlink_connection_next(connection, &message), 0);
    ck_assert_uint_eq(open_fds(), fds_before);
    ck_assert_int_eq(varlink_connection_call(connection, "a.b.C", NULL, false, NULL, 0), 0);
    feed("{\"error\":\"a.b.One\",\"io.homi.Call\":{\"id\":1}}", false);
    feed("{\"error\":\"a.b.Two\",\"io.homi.Call\":{\"id\":2}}", false);
    take("a.b.Two");
    ck_assert_int_eq(varlink_connection_next(connection, &message), 0);
    close_connection();
}
END_TEST

START_TEST(a_service_without_numbers_is_understood)
{
    open_as(VARLINK_CLIENT);
    varlink_connection_number_calls(connection);
    ck_assert_int_eq(varlink_connection_call(connection, "a.b.C", NULL, false, NULL, 0), 0);
    feed("{\"error\":\"a.b.One\"}", false);
    take("a.b.One");
    close_connection();
}
END_TEST

START_TEST(an_answer_to_no_call_is_a_breach)
{
    struct varlink_message message;

    open_as(VARLINK_CLIENT);
    varlink_connection_number_calls(connection);
    ck_assert_int_eq(varlink_connection_call(connection, "a.b.C", NULL, false, NULL, 0), 0);
    feed("{\"io.homi.Call\":{\"id\":2}}", false);
    ck_assert_int_eq(varlink_connection_next(connection, &message), -EPROTO);
    ck_assert_int_eq(varlink_connection_violation(connection), VARLINK_VIOLATION_UNEXPECTED);
    close_connection();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("call number");
    TCase *tcase = tcase_create("numbers");

    tcase_add_test(tcase, answers_carry_the_number_of_their_call);
    tcase_add_loop_test(tcase, a_number_that_is_none_is_refused, 0, (int)(sizeof(wrong) / sizeof(wrong[0])));
    tcase_add_test(tcase, an_answer_that_comes_twice_is_dropped);
    tcase_add_test(tcase, a_service_without_numbers_is_understood);
    tcase_add_test(tcase, an_answer_to_no_call_is_a_breach);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
