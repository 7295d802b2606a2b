/* SPDX-License-Identifier: BSD-3-Clause */
/* One side of a connection, fed by hand: framing, descriptors, shapes, order of calls and answers, limits. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/connection.h"
#include "proto/idl.h"
#include "proto/interfaces.h"
#include "proto/json.h"
#include "tests/unit/open_fds.h"

#define CALL "{\"method\":\"a.b.C\"}"

static struct varlink_connection *connection;
static unsigned fds_before;

static void open_connection(enum varlink_role role)
{
    fds_before = open_fds();
    ck_assert_int_eq(varlink_connection_new(role, &connection), 0);
}

static void open_server(void)
{
    open_connection(VARLINK_SERVER);
}

static void open_client(void)
{
    open_connection(VARLINK_CLIENT);
}

static void close_connection(void)
{
    varlink_connection_free(connection);
    ck_assert_uint_eq(open_fds(), fds_before);
}

static int feed(const void *bytes, size_t count)
{
    return varlink_connection_feed(connection, bytes, count, NULL, 0, false);
}

static int feed_text(const char *text)
{
    return feed(text, strlen(text) + 1);
}

static int feed_fds(const void *bytes, size_t count, unsigned fd_count, bool truncated)
{
    int fds[VARLINK_FDS_MAX + 1];

    for (unsigned i = 0; i < fd_count; i++) {
        fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
        ck_assert_int_ge(fds[i], 0);
    }
    return varlink_connection_feed(connection, bytes, count, fds, fd_count, truncated);
}

static const char *output(void);

static void ck_violates(int r, enum varlink_violation violation)
{
    struct varlink_message message;

    ck_assert_int_eq(r, -EPROTO);
    ck_assert_int_eq(varlink_connection_violation(connection), violation);
    /* Nothing but the end follows. */
    ck_assert_int_eq(varlink_connection_next(connection, &message), -EPROTO);
    ck_assert_int_eq(feed_fds(CALL, sizeof(CALL), 1, false), -EPROTO);
    ck_assert_uint_eq(open_fds(), fds_before);
}

/* The same by a client: `error`, without its interface, is what it hears last. */
static void ck_refuses(int r, enum varlink_violation violation, const char *error)
{
    char expected[512];

    ck_violates(r, violation);
    (void)snprintf(expected, sizeof(expected), "{\"error\":\"io.homi.Protocol.%s}|", error);
    ck_assert_str_eq(output(), expected);
}

#define TOO_LONG      "MessageTooLong\",\"parameters\":{\"limitBytes\":65536}"
#define TOO_FAR_AHEAD "TooManyCallsAhead\",\"parameters\":{\"limit\":16,\"limitBytes\":131072}"
#define TOO_MANY_FDS  "TooManyFileDescriptors\",\"parameters\":{\"limit\":16}"
#define MISPLACED     "FileDescriptorsMisplaced\""
#define LOST          "FileDescriptorsLost\""

static struct varlink_message next(void)
{
    struct varlink_message message;

    ck_assert_int_eq(varlink_connection_next(connection, &message), 1);
    return message;
}

static void ck_nothing_next(void)
{
    struct varlink_message message;

    ck_assert_int_eq(varlink_connection_next(connection, &message), 0);
}

/* Takes the next call, whose method is `method`, and answers it with nothing. */
static void serve(const char *method)
{
    struct varlink_message message = next();

    ck_assert_str_eq(message.method, method);
    varlink_message_clear(&message);
    ck_assert_int_eq(varlink_connection_reply(connection, NULL, false, NULL, 0), 0);
}

/* What waits to be sent, as one string of messages that end in '|', and takes it away. */
static const char *output(void)
{
    static char text[4096];
    struct iovec iov;
    const int *fds;
    unsigned fd_count;
    size_t length = 0, count;

    while ((count = varlink_connection_output(connection, &iov, &fds, &fd_count)) > 0) {
        ck_assert_uint_eq(count, iov.iov_len);
        ck_assert_uint_lt(length + count, sizeof(text));
        memcpy(text + length, iov.iov_base, count);
        length += count;
        varlink_connection_sent(connection, count);
    }
    for (size_t i = 0; i < length; i++) {
        text[i] = text[i] ? text[i] : '|';
    }
    text[length] = '\0';
    return text;
}

static json_object *parameters_of(size_t bytes)
{
    json_object *parameters = json_object_new_object();
    char *text = malloc(bytes + 1);

    memset(text, 'x', bytes);
    text[bytes] = '\0';
    json_object_object_add(parameters, "p", json_object_new_string(text));
    free(text);
    return parameters;
}

START_TEST(a_call_is_taken_out)
{
    static const char text[] = "{\"method\":\"a.b.C\",\"parameters\":{\"x\":1},\"more\":true,\"oneway\":null,"
                               "\"org.example\":{\"trace\":1}}";
    struct varlink_message message;

    ck_nothing_next();
    ck_assert_int_eq(feed(text, sizeof(text)), 0);
    message = next();
    ck_assert_str_eq(message.method, "a.b.C");
    ck_assert_int_eq(json_object_get_int(json_object_object_get(message.parameters, "x")), 1);
    ck_assert(message.more && !message.oneway && !message.upgrade);
    ck_assert_uint_eq(message.fd_count, 0);
    ck_assert_int_eq(varlink_message_take_fd(&message, 0), -EBADF);
    varlink_message_clear(&message);
    varlink_message_clear(NULL);
}
END_TEST

START_TEST(bytes_may_come_one_by_one)
{
    static const char text[] = CALL "\0" CALL;

    for (size_t i = 0; i < sizeof(text); i++) {
        ck_assert_int_eq(feed(text + i, 1), 0);
        if (text[i] == '\0') {
            serve("a.b.C");
        } else {
            ck_nothing_next();
        }
    }
    ck_assert_str_eq(output(), "{}|{}|");
}
END_TEST

START_TEST(absent_parameters_are_an_empty_object)
{
    static const char *const texts[] = {CALL, "{\"method\":\"a.b.C\",\"parameters\":null}",
                                        "{\"method\":\"a.b.C\",\"parameters\":{}}"};

    for (size_t i = 0; i < 3; i++) {
        ck_assert_int_eq(feed_text(texts[i]), 0);
        struct varlink_message message = next();
        ck_assert(json_object_is_type(message.parameters, json_type_object));
        ck_assert_int_eq(json_object_object_length(message.parameters), 0);
        varlink_message_clear(&message);
        ck_assert_int_eq(varlink_connection_reply(connection, NULL, false, NULL, 0), 0);
    }
}
END_TEST

static const struct {
    const char *text, *member;
} no_calls[] = {
    {"{}", "method"},
    {"{\"parameters\":{}}", "method"},
    {"{\"method\":null}", "method"},
    {"{\"method\":1}", "method"},
    {"{\"method\":\"a.b.C\",\"parameters\":[]}", "parameters"},
    {"{\"method\":\"a.b.C\",\"parameters\":\"x\"}", "parameters"},
    {"{\"method\":\"a.b.C\",\"more\":1}", "more"},
    {"{\"method\":\"a.b.C\",\"oneway\":\"true\"}", "oneway"},
    {"{\"method\":\"a.b.C\",\"upgrade\":{}}", "upgrade"},
    {"{\"method\":\"a.b.C\",\"more\":true,\"oneway\":true}", "oneway"},
    {"{\"method\":\"a.b.C\",\"more\":true,\"upgrade\":true}", "upgrade"},
    {"{\"method\":\"a.b.C\",\"oneway\":true,\"upgrade\":true}", "upgrade"},
    {"{\"method\":\"a.b.C\",\"unknown\":1}", "unknown"},
    {"{\"method\":\"a.b.C\",\"org.example\":1}", "org.example"},
    {"{\"method\":\"a.b.C\",\"continues\":true}", "continues"},
    {"{\"error\":\"a.b.C\"}", "error"},
};

START_TEST(what_is_no_call_is_refused)
{
    struct varlink_message message;
    char error[128];

    ck_assert_int_eq(feed_text(no_calls[_i].text), 0);
    (void)snprintf(error, sizeof(error), "NotACall\",\"parameters\":{\"member\":\"%s\"}",
                   no_calls[_i].member);
    ck_refuses(varlink_connection_next(connection, &message), VARLINK_VIOLATION_SHAPE, error);
}
END_TEST

START_TEST(an_endless_member_is_not_repeated_whole)
{
    char *text = malloc(60000);
    struct varlink_message message;

    memset(text, 'x', 60000);
    memcpy(text, "{\"", 2);
    memcpy(text + 59995, "\":1}", 5);
    ck_assert_int_eq(feed_text(text), 0);
    ck_violates(varlink_connection_next(connection, &message), VARLINK_VIOLATION_SHAPE);
    ck_assert_uint_lt(strlen(output()), 400);
    free(text);
}
END_TEST

#define MALFORMED(defect, offset)                                                                            \
    "MalformedMessage\",\"parameters\":{\"defect\":\"" defect "\",\"offsetBytes\":" #offset "}"

static const struct {
    const char *text;
    int defect;
    const char *error;
} no_json[] = {
    {"", JSON_SYNTAX, MALFORMED("syntax", 0)},
    {"{\"method\":\"a.b.C\"", JSON_SYNTAX, MALFORMED("syntax", 17)},
    {"[]", JSON_NOT_OBJECT, MALFORMED("notObject", 0)},
    {"{\"method\":\"a\",\"\\u006dethod\":\"b\"}", JSON_DUPLICATE_KEY, MALFORMED("duplicateKey", 14)},
    {"{\"method\":\"a\\u0000b\"}", JSON_NUL, MALFORMED("nul", 12)},
    {"{\"method\":\"\xff\"}", JSON_NOT_UTF8, MALFORMED("notUtf8", 11)},
    {"{\"method\":\"a\",\"parameters\":{\"x\":9223372036854775808}}", JSON_NUMBER_RANGE,
     MALFORMED("numberOutOfRange", 32)},
    {"{\"method\":\"a\",\"parameters\":{\"x\":[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]}}", JSON_TOO_DEEP,
     "MessageTooDeep\",\"parameters\":{\"limit\":16,\"offsetBytes\":46}"},
};

START_TEST(what_is_no_strict_json_is_refused)
{
    struct varlink_message message;

    ck_assert_int_eq(feed_fds(no_json[_i].text, strlen(no_json[_i].text) + 1, 2, false), 0);
    ck_refuses(varlink_connection_next(connection, &message), VARLINK_VIOLATION_JSON, no_json[_i].error);
    ck_assert_int_eq(varlink_connection_json_defect(connection), no_json[_i].defect);
}
END_TEST

/* What was answered already, and is not read yet, comes first. */
START_TEST(the_refusal_comes_last)
{
    struct varlink_message message;

    ck_assert_int_eq(feed_text(CALL), 0);
    serve("a.b.C");
    ck_assert_int_eq(feed_text("[]"), 0);
    ck_violates(varlink_connection_next(connection, &message), VARLINK_VIOLATION_JSON);
    ck_assert_str_eq(output(), "{}|{\"error\":\"io.homi.Protocol." MALFORMED("notObject", 0) "}|");
}
END_TEST

START_TEST(a_call_under_way_is_answered_by_the_refusal)
{
    struct varlink_message message;

    ck_assert_int_eq(feed_text(CALL), 0);
    message = next();
    varlink_message_clear(&message);
    ck_refuses(feed_fds(CALL, sizeof(CALL), VARLINK_FDS_MAX + 1, false), VARLINK_VIOLATION_FDS_TOO_MANY,
               TOO_MANY_FDS);
    ck_assert_int_eq(varlink_connection_reply(connection, NULL, false, NULL, 0), -EPROTO);
    ck_assert_str_eq(output(), "");
}
END_TEST

/* Every error is defined, and defined with what is sent. */
START_TEST(refusals_fit_their_definition)
{
    struct varlink_breach breach = {.member = "more"};
    struct idl_interface *interface;
    unsigned told = 0;

    ck_assert_int_eq(idl_parse(interface_io_homi_protocol, &interface, NULL), 0);
    for (int v = VARLINK_VIOLATION_NONE; v <= VARLINK_VIOLATION_AHEAD; v++) {
        for (int defect = JSON_SYNTAX; defect <= (v == VARLINK_VIOLATION_JSON ? JSON_NUL : JSON_SYNTAX);
             defect++) {
            const char *error;
            char *field = NULL;
            json_object *parameters;
            breach.violation = (enum varlink_violation)v;
            breach.json_defect = defect;
            if (varlink_violation_error(&breach, &error, &parameters) == -ENOENT) {
                continue;
            }
            const struct idl_error *definition = idl_find_error(interface, strrchr(error, '.') + 1);
            ck_assert_msg(definition != NULL, "%s", error);
            ck_assert_msg(idl_check_error(definition, parameters, &field) == 0, "%s: %s", error, field);
            json_object_put(parameters);
            told++;
        }
    }
    ck_assert_uint_eq(told, 6 + 7);
    idl_free(interface);
}
END_TEST

START_TEST(a_message_of_the_limit_fits)
{
    char *text = malloc(VARLINK_MESSAGE_BYTES_MAX);

    memset(text, ' ', VARLINK_MESSAGE_BYTES_MAX);
    memcpy(text, CALL, sizeof(CALL) - 1);
    text[VARLINK_MESSAGE_BYTES_MAX - 1] = '\0';
    ck_assert_int_eq(feed(text, VARLINK_MESSAGE_BYTES_MAX), 0);
    serve("a.b.C");
    free(text);
}
END_TEST

START_TEST(a_message_beyond_the_limit_is_refused)
{
    char *text = malloc(VARLINK_MESSAGE_BYTES_MAX + 1);

    memset(text, ' ', VARLINK_MESSAGE_BYTES_MAX);
    text[VARLINK_MESSAGE_BYTES_MAX] = '\0';
    if (_i == 0) { /* with its end */
        ck_refuses(feed(text, VARLINK_MESSAGE_BYTES_MAX + 1), VARLINK_VIOLATION_OVERSIZED, TOO_LONG);
    } else if (_i == 1) { /* before its end is known */
        ck_refuses(feed(text, VARLINK_MESSAGE_BYTES_MAX), VARLINK_VIOLATION_OVERSIZED, TOO_LONG);
    } else { /* in two pieces */
        ck_assert_int_eq(feed(text, VARLINK_MESSAGE_BYTES_MAX - 1), 0);
        ck_refuses(feed(text, 1), VARLINK_VIOLATION_OVERSIZED, TOO_LONG);
    }
    free(text);
}
END_TEST

START_TEST(one_call_is_served_at_a_time)
{
    ck_assert_int_eq(feed("{\"method\":\"a.b.C\"}\0{\"method\":\"a.b.D\"}\0{\"method\":\"a.b.E\"}", 57), 0);
    struct varlink_message message = next();
    ck_assert(varlink_connection_call_pending(connection));
    ck_nothing_next();
    varlink_message_clear(&message);
    ck_nothing_next();
    ck_assert_int_eq(varlink_connection_error(connection, "a.b.Bad", NULL), 0);
    ck_assert(!varlink_connection_call_pending(connection));
    serve("a.b.D");
    serve("a.b.E");
    ck_nothing_next();
    ck_assert_str_eq(output(), "{\"error\":\"a.b.Bad\"}|{}|{}|");
}
END_TEST

START_TEST(a_oneway_call_gets_no_answer)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(feed_text("{\"method\":\"a.b.C\",\"oneway\":true}"), 0);
        struct varlink_message message = next();
        ck_assert(message.oneway);
        varlink_message_clear(&message);
        ck_assert(varlink_connection_call_pending(connection));
        ck_assert_int_eq(i == 0 ? varlink_connection_reply(connection, NULL, false, &fd, 1)
                                : varlink_connection_error(connection, "a.b.Bad", NULL),
                         0);
        ck_assert(!varlink_connection_call_pending(connection));
    }
    ck_assert_str_eq(output(), "");
}
END_TEST

START_TEST(only_a_call_with_more_continues)
{
    json_object *parameters = json_object_new_object();

    json_object_object_add(parameters, "n", json_object_new_int(1));
    ck_assert_int_eq(varlink_connection_reply(connection, NULL, false, NULL, 0), -EINVAL);
    ck_assert_int_eq(feed_text(CALL), 0);
    struct varlink_message message = next();
    varlink_message_clear(&message);
    ck_assert_int_eq(varlink_connection_reply(connection, NULL, true, NULL, 0), -EINVAL);
    ck_assert_int_eq(varlink_connection_reply(connection, NULL, false, NULL, 0), 0);

    ck_assert_int_eq(feed_text("{\"method\":\"a.b.C\",\"more\":true}"), 0);
    message = next();
    varlink_message_clear(&message);
    ck_assert_int_eq(varlink_connection_reply(connection, parameters, true, NULL, 0), 0);
    ck_assert(varlink_connection_call_pending(connection));
    ck_assert_int_eq(varlink_connection_reply(connection, parameters, false, NULL, 0), 0);
    ck_assert_int_eq(varlink_connection_reply(connection, parameters, false, NULL, 0), -EINVAL);
    ck_assert_str_eq(output(),
                     "{}|{\"parameters\":{\"n\":1},\"continues\":true}|{\"parameters\":{\"n\":1}}|");
    json_object_put(parameters);
}
END_TEST

START_TEST(calls_far_ahead_are_refused)
{
    for (unsigned i = 0; i < VARLINK_INPUT_CALLS_MAX; i++) {
        ck_assert_int_eq(feed_text(CALL), 0);
    }
    ck_refuses(feed_text(CALL), VARLINK_VIOLATION_AHEAD, TOO_FAR_AHEAD);
}
END_TEST

START_TEST(large_calls_far_ahead_are_refused)
{
    char *text = malloc(60000);

    memset(text, ' ', 59999);
    text[59999] = '\0';
    ck_assert_int_eq(feed(text, 60000), 0);
    ck_assert_int_eq(feed(text, 60000), 0);
    ck_refuses(feed(text, 60000), VARLINK_VIOLATION_AHEAD, TOO_FAR_AHEAD);
    free(text);
}
END_TEST

START_TEST(descriptors_go_with_the_message_that_they_began)
{
    ck_assert_int_eq(feed(CALL, sizeof(CALL)), 0);
    ck_assert_int_eq(feed_fds(CALL, 5, VARLINK_FDS_MAX, false), 0);
    ck_assert_int_eq(feed(&CALL[5], sizeof(CALL) - 5), 0);
    ck_assert_int_eq(feed(CALL, sizeof(CALL)), 0);
    ck_assert_int_eq(feed_fds(CALL, sizeof(CALL), 1, false), 0);
    ck_assert_uint_eq(open_fds(), fds_before + VARLINK_FDS_MAX + 1);

    static const unsigned counts[] = {0, VARLINK_FDS_MAX, 0, 1};
    for (size_t i = 0; i < 4; i++) {
        struct varlink_message message = next();
        ck_assert_uint_eq(message.fd_count, counts[i]);
        if (counts[i] > 0) {
            int fd = varlink_message_take_fd(&message, 0);
            ck_assert_int_ge(fcntl(fd, F_GETFD), 0);
            ck_assert_int_eq(varlink_message_take_fd(&message, 0), -EBADF);
            ck_assert_int_eq(varlink_message_take_fd(&message, counts[i]), -EBADF);
            varlink_message_clear(&message);
            ck_assert_int_eq(close(fd), 0);
        }
        varlink_message_clear(&message);
        ck_assert_int_eq(varlink_connection_reply(connection, NULL, false, NULL, 0), 0);
    }
    ck_assert_uint_eq(open_fds(), fds_before);
}
END_TEST

START_TEST(descriptors_without_one_message_are_refused)
{
    static const struct {
        const char *bytes;
        size_t count;
        unsigned fds;
        bool truncated;
        enum varlink_violation violation;
        const char *error;
    } cases[] = {
        {CALL, sizeof(CALL), VARLINK_FDS_MAX + 1, false, VARLINK_VIOLATION_FDS_TOO_MANY, TOO_MANY_FDS},
        {CALL, sizeof(CALL), VARLINK_FDS_MAX, true, VARLINK_VIOLATION_FDS_TOO_MANY, TOO_MANY_FDS},
        {CALL, sizeof(CALL), 7, true, VARLINK_VIOLATION_FDS_LOST, LOST},
        {CALL, sizeof(CALL), 0, true, VARLINK_VIOLATION_FDS_LOST, LOST},
        {"", 0, 1, false, VARLINK_VIOLATION_FDS_MISPLACED, MISPLACED},
        {CALL "\0" CALL, 2 * sizeof(CALL), 1, false, VARLINK_VIOLATION_FDS_MISPLACED, MISPLACED},
        {CALL "\0{", sizeof(CALL) + 1, 1, false, VARLINK_VIOLATION_FDS_MISPLACED, MISPLACED},
    };

    ck_refuses(feed_fds(cases[_i].bytes, cases[_i].count, cases[_i].fds, cases[_i].truncated),
               cases[_i].violation, cases[_i].error);
}
END_TEST

START_TEST(descriptors_behind_the_first_byte_are_refused)
{
    ck_assert_int_eq(feed_fds(CALL, 5, 1, false), 0);
    ck_refuses(feed_fds(&CALL[5], sizeof(CALL) - 5, 1, false), VARLINK_VIOLATION_FDS_MISPLACED, MISPLACED);
}
END_TEST

START_TEST(descriptors_are_sent_with_their_message_alone)
{
    int fds[2] = {open("/dev/null", O_RDONLY | O_CLOEXEC), open("/dev/null", O_RDONLY | O_CLOEXEC)};
    struct iovec iov;
    const int *sent;
    unsigned count;
    int many[VARLINK_FDS_MAX + 1] = {0};

    ck_assert_int_eq(varlink_connection_call(connection, "a.A", NULL, false, many, VARLINK_FDS_MAX + 1),
                     -EMFILE);
    ck_assert_int_eq(varlink_connection_call(connection, "a.A", NULL, false, NULL, 0), 0);
    ck_assert_int_eq(varlink_connection_call(connection, "a.B", NULL, true, NULL, 0), 0);
    ck_assert_int_eq(varlink_connection_call(connection, "a.C", NULL, false, fds, 2), 0);
    ck_assert_int_eq(varlink_connection_call(connection, "a.D", NULL, false, NULL, 0), 0);

    ck_assert_uint_eq(varlink_connection_output(connection, &iov, &sent, &count), 17 + 29);
    ck_assert_uint_eq(count, 0);
    varlink_connection_sent(connection, 17 + 29);
    ck_assert_uint_eq(varlink_connection_output(connection, &iov, &sent, &count), 17);
    ck_assert_uint_eq(count, 2);
    ck_assert_int_eq(sent[1], fds[1]);
    varlink_connection_sent(connection, 1);
    /* They went with the first byte. */
    ck_assert_uint_eq(open_fds(), fds_before);
    ck_assert_uint_eq(varlink_connection_output(connection, &iov, &sent, &count), 16);
    ck_assert_uint_eq(count, 0);
    varlink_connection_sent(connection, 16);
    ck_assert_str_eq(output(), "{\"method\":\"a.D\"}|");
}
END_TEST

START_TEST(unsent_descriptors_are_closed)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

    ck_assert_int_eq(varlink_connection_call(connection, "a.A", NULL, false, &fd, 1), 0);
    ck_assert_uint_eq(open_fds(), fds_before + 1);
}
END_TEST

START_TEST(replies_answer_calls_in_order)
{
    ck_assert_int_eq(varlink_connection_call(connection, "a.A", NULL, false, NULL, 0), 0);
    ck_assert_int_eq(varlink_connection_call(connection, "a.B", NULL, true, NULL, 0), 0);
    ck_assert_int_eq(varlink_connection_call(connection, "a.C", NULL, false, NULL, 0), 0);
    ck_assert_int_eq(feed_text("{\"parameters\":{\"n\":1},\"continues\":false,\"error\":null}"), 0);
    ck_assert_int_eq(feed_text("{\"continues\":true}"), 0);
    ck_assert_int_eq(feed_text("{\"continues\":true}"), 0);
    ck_assert_int_eq(feed_text("{}"), 0);
    ck_assert_int_eq(feed_text("{\"error\":\"a.Bad\",\"parameters\":{\"why\":1}}"), 0);
    for (int i = 0; i < 5; i++) {
        struct varlink_message message = next();
        ck_assert_int_eq(message.continues, i == 1 || i == 2);
        ck_assert_int_eq(message.error != NULL, i == 4);
        ck_assert_int_eq(json_object_object_length(message.parameters), i == 0 || i == 4);
        varlink_message_clear(&message);
    }
    ck_assert_int_eq(feed_text("{}"), 0);
    struct varlink_message message;
    ck_violates(varlink_connection_next(connection, &message), VARLINK_VIOLATION_UNEXPECTED);
}
END_TEST

START_TEST(a_simple_call_has_one_reply)
{
    struct varlink_message message;

    ck_assert_int_eq(varlink_connection_call(connection, "a.A", NULL, false, NULL, 0), 0);
    ck_assert_int_eq(varlink_connection_call(connection, "a.B", NULL, true, NULL, 0), 0);
    ck_assert_int_eq(feed_text("{\"continues\":true}"), 0);
    ck_violates(varlink_connection_next(connection, &message), VARLINK_VIOLATION_UNEXPECTED);
}
END_TEST

static const char *const no_replies[] = {
    "{\"method\":\"a.b.C\"}",
    "{\"error\":1}",
    "{\"parameters\":1}",
    "{\"continues\":1}",
    "{\"continues\":true,\"error\":\"a.Bad\"}",
    "{\"unknown\":{}}",
};

START_TEST(what_is_no_reply_is_refused)
{
    struct varlink_message message;

    ck_assert_int_eq(varlink_connection_call(connection, "a.A", NULL, true, NULL, 0), 0);
    ck_assert_int_eq(feed_text(no_replies[_i]), 0);
    ck_violates(varlink_connection_next(connection, &message), VARLINK_VIOLATION_SHAPE);
}
END_TEST

START_TEST(a_client_stays_within_the_limits)
{
    json_object *large = parameters_of(VARLINK_MESSAGE_BYTES_MAX);

    ck_assert_int_eq(varlink_connection_call(connection, "a.A", large, false, NULL, 0), -E2BIG);
    json_object_put(large);
    for (unsigned i = 0; i < VARLINK_INPUT_CALLS_MAX; i++) {
        ck_assert_int_eq(varlink_connection_call(connection, "a.A", NULL, i == 15, NULL, 0), 0);
    }
    ck_assert_int_eq(varlink_connection_call(connection, "a.A", NULL, false, NULL, 0), -ENOBUFS);
    for (unsigned i = 0; i < VARLINK_INPUT_CALLS_MAX; i++) {
        ck_assert_int_eq(feed_text(i == 15 ? "{\"continues\":true}" : "{}"), 0);
        struct varlink_message message = next();
        varlink_message_clear(&message);
    }
    ck_assert_int_eq(varlink_connection_call(connection, "a.A", NULL, false, NULL, 0), 0);
}
END_TEST

START_TEST(a_peer_that_never_reads_is_cut_off)
{
    json_object *event = parameters_of(1000);
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC), r = 0;
    unsigned queued = 0;

    ck_assert_int_eq(feed_text("{\"method\":\"a.b.C\",\"more\":true}"), 0);
    struct varlink_message message = next();
    varlink_message_clear(&message);
    while (r == 0 && queued < 1000) {
        r = varlink_connection_reply(connection, event, true, NULL, 0);
        queued += r == 0;
    }
    ck_assert_int_eq(r, -ENOBUFS);
    ck_assert_uint_eq(queued, VARLINK_OUTPUT_BYTES_MAX /
                                  (1000 + sizeof("{\"parameters\":{\"p\":\"\"},\"continues\":true}")));
    ck_assert_int_eq(varlink_connection_violation(connection), VARLINK_VIOLATION_OVERFLOW);
    ck_assert_int_eq(feed_text(CALL), -EPROTO);
    /* Not taken over, since it was not queued. */
    ck_assert_int_eq(varlink_connection_reply(connection, event, true, &fd, 1), -EPROTO);
    ck_assert_int_eq(close(fd), 0);
    json_object_put(event);
}
END_TEST

START_TEST(a_slow_reader_costs_no_more_than_what_waits)
{
    json_object *event = parameters_of(1000);
    uintptr_t lowest = 0, highest = 0;
    struct iovec iov;
    const int *fds;
    unsigned fd_count;

    ck_assert_int_eq(feed_text("{\"method\":\"a.b.C\",\"more\":true}"), 0);
    struct varlink_message message = next();
    varlink_message_clear(&message);
    ck_assert_int_eq(varlink_connection_reply(connection, event, true, NULL, 0), 0);
    for (int i = 0; i < 20000; i++) {
        ck_assert_int_eq(varlink_connection_reply(connection, event, true, NULL, 0), 0);
        /* Always behind by the better part of one message, so that the queue is never empty. */
        size_t waits = varlink_connection_output(connection, &iov, &fds, &fd_count);
        ck_assert_uint_gt(waits, 1000);
        ck_assert_uint_lt(waits, 3000);
        varlink_connection_sent(connection,
                                1000 + sizeof("{\"parameters\":{\"p\":\"\"},\"continues\":true}"));
        /* Once it has its size, the block that holds the queue neither grows nor moves. */
        uintptr_t at = (uintptr_t)iov.iov_base;
        lowest = i < 100 || at < lowest ? at : lowest;
        highest = i < 100 || at > highest ? at : highest;
    }
    ck_assert_uint_lt(highest - lowest, 16384);
    json_object_put(event);
}
END_TEST

START_TEST(every_violation_has_words)
{
    for (int i = VARLINK_VIOLATION_NONE; i <= VARLINK_VIOLATION_AHEAD; i++) {
        ck_assert_str_ne(varlink_violation_text((enum varlink_violation)i),
                         varlink_violation_text((enum varlink_violation)(VARLINK_VIOLATION_AHEAD + 1)));
    }
    varlink_connection_free(NULL);
}
END_TEST

static TCase *server_case(void)
{
    TCase *server = tcase_create("server");

    tcase_add_checked_fixture(server, open_server, close_connection);
    tcase_add_test(server, a_call_is_taken_out);
    tcase_add_test(server, bytes_may_come_one_by_one);
    tcase_add_test(server, absent_parameters_are_an_empty_object);
    tcase_add_loop_test(server, what_is_no_call_is_refused, 0, sizeof(no_calls) / sizeof(*no_calls));
    tcase_add_loop_test(server, what_is_no_strict_json_is_refused, 0, sizeof(no_json) / sizeof(*no_json));
    tcase_add_test(server, an_endless_member_is_not_repeated_whole);
    tcase_add_test(server, the_refusal_comes_last);
    tcase_add_test(server, a_call_under_way_is_answered_by_the_refusal);
    tcase_add_test(server, refusals_fit_their_definition);
    tcase_add_test(server, a_message_of_the_limit_fits);
    tcase_add_loop_test(server, a_message_beyond_the_limit_is_refused, 0, 3);
    tcase_add_test(server, one_call_is_served_at_a_time);
    tcase_add_test(server, a_oneway_call_gets_no_answer);
    tcase_add_test(server, only_a_call_with_more_continues);
    tcase_add_test(server, calls_far_ahead_are_refused);
    tcase_add_test(server, large_calls_far_ahead_are_refused);
    tcase_add_test(server, descriptors_go_with_the_message_that_they_began);
    tcase_add_loop_test(server, descriptors_without_one_message_are_refused, 0, 7);
    tcase_add_test(server, descriptors_behind_the_first_byte_are_refused);
    tcase_add_test(server, a_peer_that_never_reads_is_cut_off);
    tcase_add_test(server, a_slow_reader_costs_no_more_than_what_waits);
    tcase_add_test(server, every_violation_has_words);
    return server;
}

static TCase *client_case(void)
{
    TCase *client = tcase_create("client");

    tcase_add_checked_fixture(client, open_client, close_connection);
    tcase_add_test(client, descriptors_are_sent_with_their_message_alone);
    tcase_add_test(client, unsent_descriptors_are_closed);
    tcase_add_test(client, replies_answer_calls_in_order);
    tcase_add_test(client, a_simple_call_has_one_reply);
    tcase_add_loop_test(client, what_is_no_reply_is_refused, 0, sizeof(no_replies) / sizeof(*no_replies));
    tcase_add_test(client, a_client_stays_within_the_limits);
    return client;
}

int main(void)
{
    Suite *suite = suite_create("connection");
    SRunner *runner;
    int failed;

    suite_add_tcase(suite, server_case());
    suite_add_tcase(suite, client_case());
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
