/* SPDX-License-Identifier: BSD-3-Clause */
/* libhomi's connection against a homid that says what it should, refuses, or says what cannot be. */
#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "lib/refusal.h"
#include "proto/interfaces.h"
#include "tests/unit/client_fixture.h"

/* ---- connection ---- */

START_TEST(open_says_why_not)
{
    char long_path[200];

    memset(long_path, 'a', sizeof(long_path));
    long_path[sizeof(long_path) - 1] = '\0';
    ck_assert_int_eq(homi_open("/nonexistent/socket", &fixture.homi), -ENOENT);
    ck_assert_int_eq(homi_open(long_path, &fixture.homi), -ENAMETOOLONG);
    setenv("HOMI_TENANT_SOCKET", "/nonexistent/either", 1);
    ck_assert_int_eq(homi_open(NULL, &fixture.homi), -ENOENT);
    ck_assert_ptr_null(fixture.homi);
}
END_TEST

START_TEST(every_error_of_the_interface_is_a_refusal_of_its_own)
{
    bool seen[HOMI_REFUSED_SYSTEM + 1] = {false};
    const char *at = interface_io_homi_tenant;
    unsigned count = 0;

    while ((at = strstr(at, "\nerror ")) != NULL) {
        char name[128];
        int length;

        at += strlen("\nerror ");
        length = (int)strcspn(at, " (");
        snprintf(name, sizeof(name), TENANT "%.*s", length, at);
        enum homi_refusal refusal = refusal_by_name(name);
        ck_assert_msg(refusal != HOMI_REFUSED_OTHER && !seen[refusal], "%s", name);
        ck_assert_ptr_nonnull(refusal_text(refusal));
        seen[refusal] = true;
        count++;
    }
    /* All but OTHER and the two that are org.varlink.service's. */
    ck_assert_uint_eq(count, HOMI_REFUSED_SYSTEM - 3);
}
END_TEST

START_TEST(a_refusal_comes_with_name_and_limit)
{
    struct homi_lease *lease = NULL;

    client_start_with("{\"error\":\"" TENANT "QuotaExceeded\",\"parameters\":"
                      "{\"quota\":\"virtualFunctions\",\"limit\":4,\"used\":3}}");
    ck_assert_int_eq(homi_attach(fixture.homi, NULL, &lease), HOMI_REFUSED_QUOTA);
    ck_assert_str_eq(homi_error_name(fixture.homi), TENANT "QuotaExceeded");
    ck_assert_str_eq(homi_error_text(fixture.homi),
                     "over the tenant's quota (quota: virtualFunctions, limit: 4, used: 3)");
    ck_assert_ptr_null(lease);
    /* The connection goes on, and the refusal is forgotten with the next call. */
    char *reply = NULL;
    ck_assert_int_eq(homi_call(fixture.homi, TENANT "ListTenants", NULL, &reply), 0);
    ck_assert_str_eq(homi_error_name(fixture.homi), "");
    free(reply);
}
END_TEST

START_TEST(an_error_of_the_future_is_other)
{
    struct homi_lease *lease = NULL;

    client_start_with("{\"error\":\"" TENANT "MoonPhase\",\"parameters\":{\"phase\":[1,2]}}");
    ck_assert_int_eq(homi_attach(fixture.homi, NULL, &lease), HOMI_REFUSED_OTHER);
    ck_assert_str_eq(homi_error_text(fixture.homi), TENANT "MoonPhase (phase: [1,2])");
}
END_TEST

START_TEST(a_long_refusal_is_cut)
{
    char reply[4096], value[3000];
    struct homi_lease *lease = NULL;

    memset(value, 'x', sizeof(value));
    value[sizeof(value) - 1] = '\0';
    snprintf(reply, sizeof(reply), "{\"error\":\"a.b.C%.500s\",\"parameters\":{\"a\":\"%s\"}}", value, value);
    client_start_with(reply);
    ck_assert_int_eq(homi_attach(fixture.homi, NULL, &lease), HOMI_REFUSED_OTHER);
    ck_assert_uint_eq(strlen(homi_error_text(fixture.homi)), 511);
}
END_TEST

START_TEST(errors_have_words)
{
    ck_assert_str_eq(homi_strerror(-ENOENT), "No such file or directory");
    ck_assert_str_eq(homi_strerror(HOMI_REFUSED_REGION_BUSY), "queue pairs lie in the region");
    ck_assert_str_eq(homi_strerror(HOMI_REFUSED_SYSTEM + 1), "unknown error");
    ck_assert_str_eq(homi_strerror(-100000), "unknown error");
}
END_TEST

/* What ends the connection: reply, whether it is cut, and what the call returns. */
static const struct {
    const char *reply;
    bool cut;
    int error;
} breaches[] = {
    {"hello", false, -EPROTO},
    {"{\"parameters\":{}", false, -EPROTO},
    {"[]", false, -EPROTO},
    {"{\"parameters\":[]}", false, -EPROTO},
    {"{\"error\":1}", false, -EPROTO},
    {"{\"parameters\":{\"lease\":\"a\",\"lease\":\"b\"}}", false, -EPROTO},
    {"{\"parameters\":{},\"continues\":true}", false, -EPROTO},
    {"{\"parameters\":{}", true, -ECONNRESET},
};

START_TEST(a_broken_reply_ends_the_connection)
{
    struct homi_lease *lease = NULL;

    client_start(&(struct fake_step){.reply = breaches[_i].reply, .cut = breaches[_i].cut}, 1);
    ck_assert_int_eq(homi_attach(fixture.homi, NULL, &lease), breaches[_i].error);
    ck_assert_int_eq(homi_attach(fixture.homi, NULL, &lease), -ENOTCONN);
    ck_assert_ptr_null(lease);
}
END_TEST

START_TEST(a_call_to_a_daemon_that_left_is_an_error_not_a_signal)
{
    char *reply = NULL;

    client_start(&(struct fake_step){.reply = "{}", .hang_up = true}, 1);
    ck_assert_int_eq(homi_call(fixture.homi, TENANT "ListTenants", NULL, &reply), 0);
    free(reply);
    usleep(20000);
    ck_assert_int_eq(homi_call(fixture.homi, TENANT "ListTenants", NULL, &reply), -ECONNRESET);
}
END_TEST

START_TEST(a_connection_that_ends_without_a_word_is_made_again)
{
    const struct fake_step steps[] = {
        {.reply = "", .cut = true}, {.reply = "", .cut = true}, {.reply = "{}"}};
    char *reply = NULL;

    client_start(steps, 3);
    ck_assert_int_eq(homi_call(fixture.homi, TENANT "ListTenants", NULL, &reply), 0);
    ck_assert_str_eq(reply, "{}");
    free(reply);
}
END_TEST

static void on_alarm(int number)
{
    (void)number;
}

START_TEST(signals_do_not_disturb_a_call)
{
    struct sigaction action = {.sa_handler = on_alarm};
    struct itimerval often = {.it_interval = {.tv_usec = 200}, .it_value = {.tv_usec = 200}};
    struct itimerval never = {.it_value = {.tv_usec = 0}};
    struct fake_step slow = {
        .reply = fixture.grant, .fds = {dup(fixture.bar)}, .fd_count = 1, .bytewise = true};
    struct homi_lease *lease = NULL;

    sigaction(SIGALRM, &action, NULL);
    client_start(&slow, 1);
    setitimer(ITIMER_REAL, &often, NULL);
    ck_assert_int_eq(homi_attach(fixture.homi, NULL, &lease), 0);
    setitimer(ITIMER_REAL, &never, NULL);
    ck_assert_str_eq(homi_lease_name(lease), "blue-1");
}
END_TEST

/* ---- any call ---- */

START_TEST(any_call_takes_and_gives_text)
{
    char *reply = NULL;

    client_start_with("{\"parameters\":{\"tenants\":[\"blue\"]}}");
    ck_assert_int_eq(homi_call(fixture.homi, TENANT "ListTenants", "{\"a\":1}", &reply), 0);
    ck_assert_str_eq(reply, "{\"tenants\":[\"blue\"]}");
    ck_assert_ptr_nonnull(strstr(fake_homid_heard(fixture.fake), "\"parameters\":{\"a\":1}"));
    free(reply);
    reply = NULL;
    ck_assert_int_eq(homi_call(fixture.homi, TENANT "ListTenants", "{'a':1}", &reply), -EINVAL);
    ck_assert_int_eq(homi_call(fixture.homi, TENANT "ListTenants", "[]", &reply), -EINVAL);
    ck_assert_ptr_null(reply);
}
END_TEST

START_TEST(any_call_takes_no_descriptors)
{
    char *reply = NULL;

    client_start(&(struct fake_step){.reply = "{}", .fds = {dup(fixture.bar)}, .fd_count = 1}, 1);
    ck_assert_int_eq(homi_call(fixture.homi, TENANT "ListTenants", NULL, &reply), -EPROTO);
    ck_assert_ptr_null(reply);
}
END_TEST

static int count_replies(const char *reply, void *user)
{
    unsigned *left = user;

    ck_assert_str_eq(reply, "{\"n\":1}");
    return --*left == 0;
}

START_TEST(a_stream_runs_to_its_end_or_until_stopped)
{
    struct fake_step continued = {.reply = "{\"parameters\":{\"n\":1},\"continues\":true}", .goes_on = true};
    struct fake_step steps[] = {
        continued, continued, {.reply = "{\"parameters\":{\"n\":1}}"}, continued, continued};
    unsigned left = 5;

    client_start(steps, 5);
    ck_assert_int_eq(homi_call_more(fixture.homi, "a.b.C", NULL, count_replies, &left), 0);
    ck_assert_uint_eq(left, 2);
    left = 1;
    ck_assert_int_eq(homi_call_more(fixture.homi, "a.b.C", NULL, count_replies, &left), 0);
    ck_assert_uint_eq(left, 0);
    ck_assert_int_eq(homi_call_more(fixture.homi, "a.b.C", NULL, count_replies, &left), -ENOTCONN);
}
END_TEST

START_TEST(a_stream_may_be_refused)
{
    client_start_with("{\"error\":\"org.varlink.service.PermissionDenied\"}");
    ck_assert_int_eq(homi_call_more(fixture.homi, "a.b.C", NULL, count_replies, NULL),
                     HOMI_REFUSED_PERMISSION);
}
END_TEST

/* ---- what the controller says, and events ---- */

START_TEST(identify_gives_the_data)
{
    static char reply[8192];
    size_t at = (size_t)sprintf(reply, "{\"parameters\":{\"data\":\"");
    struct homi_lease *lease;
    uint8_t data[HOMI_IDENTIFY_BYTES];

    for (size_t i = 0; i < 1365; i++)
        at += (size_t)sprintf(reply + at, "/wAB");
    sprintf(reply + at, "/g==\"}}");
    lease = client_attach(&(struct fake_step){.reply = reply}, 1);
    ck_assert_int_eq(homi_identify(lease, 0, 1, 0, data), 0);
    ck_assert_uint_eq(data[0], 0xff);
    ck_assert_uint_eq(data[1], 0);
    ck_assert_uint_eq(data[2], 1);
    ck_assert_uint_eq(data[4095], 0xfe);
    ck_assert_int_eq(homi_identify(lease, 1, 1, 0, data), -EINVAL);
    ck_assert_int_eq(homi_get_log_page(lease, 0, 1, 0, 3, data), -EINVAL);
    ck_assert_int_eq(homi_get_log_page(lease, 0, 1, 0, 4100, data), -EINVAL);
}
END_TEST

static const char *const bad_logs[] = {
    "{\"parameters\":{\"data\":\"AAAA\"}}",           "{\"parameters\":{\"data\":\"AAAAAA=A\"}}",
    "{\"parameters\":{\"data\":\"AAAAAAA*\"}}",       "{\"parameters\":{\"data\":\"AAAAAAA=AAAA\"}}",
    "{\"parameters\":{\"data\":\"AAAAA===\"}}",       "{\"parameters\":{\"data\":12}}",
    "{\"parameters\":{\"data\":\"AAAA\\u0000AAA\"}}",
};

START_TEST(data_of_a_wrong_form_is_a_breach)
{
    struct homi_lease *lease = client_attach(&(struct fake_step){.reply = bad_logs[_i]}, 1);
    uint8_t data[8];

    ck_assert_int_eq(homi_get_log_page(lease, 0, 1, 0, 4, data), -EPROTO);
}
END_TEST

START_TEST(a_feature_fits_its_dword)
{
    struct fake_step steps[] = {{.reply = "{\"parameters\":{\"value\":4294967295}}"},
                                {.reply = "{\"parameters\":{\"value\":4294967296}}"}};
    struct homi_lease *lease = client_attach(steps, 2);
    uint32_t value = 0;

    ck_assert_int_eq(homi_get_feature(lease, 0, 7, &value), 0);
    ck_assert_uint_eq(value, UINT32_MAX);
    ck_assert_int_eq(homi_get_feature(lease, 0, 7, &value), -EPROTO);
}
END_TEST

#define EVENT(kind)                                                                                          \
    "{\"parameters\":{\"event\":{\"lease\":\"blue-1\"," kind "\"reason\":\"so\"}},\"continues\":true}"

static int next_event(struct homi_event *event)
{
    int r;

    while ((r = homi_event_next(fixture.homi, event)) == 0)
        usleep(1000);
    return r;
}

START_TEST(events_come_one_by_one)
{
    struct fake_step steps[] = {
        {.reply = EVENT("\"kind\":\"functionReset\",\"virtualFunction\":\"0000:01:00.1\","), .goes_on = true},
        {.reply = EVENT("\"kind\":\"moonrise\","), .goes_on = true}, /* of a newer homid: passed over */
        {.reply = EVENT("\"kind\":\"revoked\",\"virtualFunction\":null,"), .hang_up = true},
    };
    struct homi_event event;

    client_start(steps, 3);
    ck_assert_int_eq(homi_event_next(fixture.homi, &event), -EBADF);
    ck_assert_int_ge(homi_event_fd(fixture.homi), 0);
    ck_assert_int_eq(homi_event_fd(fixture.homi), homi_event_fd(fixture.homi));
    ck_assert_int_eq(next_event(&event), 1);
    ck_assert_int_eq(event.kind, HOMI_EVENT_FUNCTION_RESET);
    ck_assert_str_eq(event.lease, "blue-1");
    ck_assert_str_eq(event.function, "0000:01:00.1");
    ck_assert_str_eq(event.reason, "so");
    ck_assert_int_eq(next_event(&event), 1);
    ck_assert_int_eq(event.kind, HOMI_EVENT_REVOKED);
    ck_assert_str_eq(event.function, "");
    ck_assert_int_eq(next_event(&event), -ECONNRESET);
    ck_assert_int_eq(homi_event_fd(fixture.homi), -ENOTCONN);
}
END_TEST

static const struct {
    const char *reply;
    int error;
} bad_events[] = {
    {"{\"error\":\"org.varlink.service.PermissionDenied\"}", -EACCES},
    {"{\"parameters\":{}}", -ECONNRESET},
    {"{\"parameters\":{},\"continues\":true}", -EPROTO},
    {EVENT("\"kind\":7,"), -EPROTO},
    {EVENT("\"kind\":\"revoked\",\"virtualFunction\":1,"), -EPROTO},
    {"nonsense", -EPROTO},
};

START_TEST(a_bad_event_ends_the_stream)
{
    struct homi_event event;

    client_start_with(bad_events[_i].reply);
    ck_assert_int_ge(homi_event_fd(fixture.homi), 0);
    ck_assert_int_eq(next_event(&event), bad_events[_i].error);
    ck_assert_int_eq(homi_event_next(fixture.homi, &event), -ENOTCONN);
}
END_TEST

static void add_connection_tests(Suite *suite)
{
    TCase *cases = client_test_case(suite, "connection");

    tcase_add_test(cases, open_says_why_not);
    tcase_add_test(cases, every_error_of_the_interface_is_a_refusal_of_its_own);
    tcase_add_test(cases, a_refusal_comes_with_name_and_limit);
    tcase_add_test(cases, an_error_of_the_future_is_other);
    tcase_add_test(cases, a_long_refusal_is_cut);
    tcase_add_test(cases, errors_have_words);
    tcase_add_loop_test(cases, a_broken_reply_ends_the_connection, 0, COUNT(breaches));
    tcase_add_test(cases, a_connection_that_ends_without_a_word_is_made_again);
    tcase_add_test(cases, a_call_to_a_daemon_that_left_is_an_error_not_a_signal);
    tcase_add_test(cases, signals_do_not_disturb_a_call);
    tcase_add_test(cases, any_call_takes_and_gives_text);
    tcase_add_test(cases, any_call_takes_no_descriptors);
    tcase_add_test(cases, a_stream_runs_to_its_end_or_until_stopped);
    tcase_add_test(cases, a_stream_may_be_refused);
}

static void add_controller_tests(Suite *suite)
{
    TCase *cases = client_test_case(suite, "controller");

    tcase_add_test(cases, identify_gives_the_data);
    tcase_add_loop_test(cases, data_of_a_wrong_form_is_a_breach, 0, COUNT(bad_logs));
    tcase_add_test(cases, a_feature_fits_its_dword);
    tcase_add_test(cases, events_come_one_by_one);
    tcase_add_loop_test(cases, a_bad_event_ends_the_stream, 0, COUNT(bad_events));
}

int main(void)
{
    Suite *suite = suite_create("client");

    add_connection_tests(suite);
    add_controller_tests(suite);
    return client_run(suite);
}
