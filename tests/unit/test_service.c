/* SPDX-License-Identifier: BSD-3-Clause */
/* A service behind a connection: introspection, every standard error, and replies that must fit. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/interfaces.h"
#include "proto/service.h"
#include "tests/unit/open_fds.h"

static const char definition[] = "interface org.example.test\n"
                                 "type Size (small, large)\n"
                                 "method Add(a: int, b: ?int) -> (sum: int)\n"
                                 "method Watch() -> (n: int)\n"
                                 "method Give(size: Size) -> ()\n"
                                 "method Later() -> ()\n"
                                 "error TooBig (limit: int)\n";

static struct varlink_service *service;
static struct varlink_connection *connection;
static unsigned fds_before, given;

static json_object *with_int(const char *key, int value)
{
    json_object *object = json_object_new_object();

    json_object_object_add(object, key, json_object_new_int(value));
    return object;
}

static int add(struct varlink_connection *caller, struct varlink_message *message, void *user)
{
    json_object *reply;
    int sum = json_object_get_int(json_object_object_get(message->parameters, "a")) +
              json_object_get_int(json_object_object_get(message->parameters, "b")),
        r;

    ck_assert_ptr_eq(user, &given);
    if (sum > 100) {
        reply = with_int("limit", 100);
        r = varlink_service_error(service, caller, "org.example.test.TooBig", reply);
    } else {
        reply = with_int("sum", sum);
        r = varlink_service_reply(service, caller, "org.example.test.Add", reply, false, NULL, 0);
    }
    json_object_put(reply);
    return r;
}

static int watch(struct varlink_connection *caller, struct varlink_message *message, void *user)
{
    json_object *reply = with_int("n", 1);
    int r = varlink_service_reply(service, caller, "org.example.test.Watch", reply, true, NULL, 0);

    (void)message;
    (void)user;
    json_object_put(reply);
    return r;
}

static int give(struct varlink_connection *caller, struct varlink_message *message, void *user)
{
    (void)user;
    given = message->fd_count;
    return varlink_error_permission_denied(caller);
}

static int later(struct varlink_connection *caller, struct varlink_message *message, void *user)
{
    (void)caller;
    (void)message;
    (void)user;
    return 0;
}

static const struct varlink_method_entry methods[] = {
    {.name = "Add", .handler = add},
    {.name = "Watch", .handler = watch, .more = true},
    {.name = "Give", .handler = give, .takes_fds = true},
    {.name = "Later", .handler = later},
    {0},
};

static const struct varlink_service_info info = {"vendor", "product", "1.2", "https://example.org"};

static void open_service(void)
{
    fds_before = open_fds();
    ck_assert_int_eq(varlink_service_new(&info, &service), 0);
    ck_assert_int_eq(varlink_service_add(service, definition, methods), 0);
    ck_assert_int_eq(varlink_connection_new(VARLINK_SERVER, &connection), 0);
}

static void close_service(void)
{
    varlink_connection_free(connection);
    varlink_service_free(service);
    ck_assert_uint_eq(open_fds(), fds_before);
}

/* What the service sends for one call: the text of its reply, empty when there is none. */
static const char *call_with_fds(const char *text, unsigned fd_count)
{
    static char reply[32768];
    struct varlink_message message;
    struct iovec iov;
    const int *sent;
    int fds[VARLINK_FDS_MAX];

    for (unsigned i = 0; i < fd_count; i++) {
        fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
    }
    ck_assert_int_eq(varlink_connection_feed(connection, text, strlen(text) + 1, fds, fd_count, false), 0);
    ck_assert_int_eq(varlink_connection_next(connection, &message), 1);
    ck_assert_int_eq(varlink_service_dispatch(service, connection, &message, &given), 0);
    varlink_message_clear(&message);
    size_t count = varlink_connection_output(connection, &iov, &sent, &fd_count);
    ck_assert_uint_lt(count, sizeof(reply));
    reply[0] = '\0';
    if (count > 0) {
        memcpy(reply, iov.iov_base, count);
        ck_assert_uint_eq(strlen(reply) + 1, count);
    }
    varlink_connection_sent(connection, count);
    return reply;
}

static const char *call(const char *text)
{
    return call_with_fds(text, 0);
}

static const struct {
    const char *call, *reply;
} exchanges[] = {
    {"{\"method\":\"org.example.test.Add\",\"parameters\":{\"a\":1,\"b\":2}}",
     "{\"parameters\":{\"sum\":3}}"},
    {"{\"method\":\"org.example.test.Add\",\"parameters\":{\"a\":1,\"b\":null}}",
     "{\"parameters\":{\"sum\":1}}"},
    {"{\"method\":\"org.example.test.Add\",\"parameters\":{\"a\":1},\"more\":true}",
     "{\"parameters\":{\"sum\":1}}"},
    {"{\"method\":\"org.example.test.Add\",\"parameters\":{\"a\":99,\"b\":2}}",
     "{\"error\":\"org.example.test.TooBig\",\"parameters\":{\"limit\":100}}"},
    {"{\"method\":\"org.example.test.Add\",\"parameters\":{\"a\":1},\"oneway\":true}", ""},
    {"{\"method\":\"org.example.test.Add\",\"oneway\":true}", ""},
    {"{\"method\":\"org.example.none.Add\"}", "{\"error\":\"org.varlink.service.InterfaceNotFound\","
                                              "\"parameters\":{\"interface\":\"org.example.none\"}}"},
    {"{\"method\":\"Add\"}",
     "{\"error\":\"org.varlink.service.InterfaceNotFound\",\"parameters\":{\"interface\":\"Add\"}}"},
    {"{\"method\":\"\"}",
     "{\"error\":\"org.varlink.service.InterfaceNotFound\",\"parameters\":{\"interface\":\"\"}}"},
    {"{\"method\":\"org.example.test.Size\"}", "{\"error\":\"org.varlink.service.MethodNotFound\","
                                               "\"parameters\":{\"method\":\"org.example.test.Size\"}}"},
    {"{\"method\":\"org.example.test.\"}",
     "{\"error\":\"org.varlink.service.MethodNotFound\",\"parameters\":{\"method\":\"org.example.test.\"}}"},
    {"{\"method\":\"org.example.test.Add\"}",
     "{\"error\":\"org.varlink.service.InvalidParameter\",\"parameters\":{\"parameter\":\"a\"}}"},
    {"{\"method\":\"org.example.test.Add\",\"parameters\":{\"a\":1,\"c\":1}}",
     "{\"error\":\"org.varlink.service.InvalidParameter\",\"parameters\":{\"parameter\":\"c\"}}"},
    {"{\"method\":\"org.example.test.Add\",\"parameters\":{\"a\":1.0}}",
     "{\"error\":\"org.varlink.service.InvalidParameter\",\"parameters\":{\"parameter\":\"a\"}}"},
    {"{\"method\":\"org.example.test.Give\",\"parameters\":{\"size\":\"medium\"}}",
     "{\"error\":\"org.varlink.service.InvalidParameter\",\"parameters\":{\"parameter\":\"size\"}}"},
    {"{\"method\":\"org.example.test.Add\",\"parameters\":{\"a\":1},\"upgrade\":true}",
     "{\"error\":\"org.varlink.service.InvalidParameter\",\"parameters\":{\"parameter\":\"upgrade\"}}"},
    {"{\"method\":\"org.example.test.Watch\"}", "{\"error\":\"org.varlink.service.ExpectedMore\"}"},
    {"{\"method\":\"org.example.test.Watch\",\"more\":true}",
     "{\"parameters\":{\"n\":1},\"continues\":true}"},
    {"{\"method\":\"org.example.test.Give\",\"parameters\":{\"size\":\"small\"}}",
     "{\"error\":\"org.varlink.service.PermissionDenied\"}"},
    {"{\"method\":\"org.varlink.service.GetInfo\"}",
     "{\"parameters\":{\"vendor\":\"vendor\",\"product\":\"product\",\"version\":\"1.2\",\"url\":\"https://"
     "example.org\","
     "\"interfaces\":[\"org.varlink.service\",\"org.example.test\"]}}"},
    {"{\"method\":\"org.varlink.service.GetInfo\",\"parameters\":{\"x\":1}}",
     "{\"error\":\"org.varlink.service.InvalidParameter\",\"parameters\":{\"parameter\":\"x\"}}"},
    {"{\"method\":\"org.varlink.service.GetInterfaceDescription\",\"parameters\":{\"interface\":\"org."
     "example\"}}",
     "{\"error\":\"org.varlink.service.InterfaceNotFound\",\"parameters\":{\"interface\":\"org.example\"}}"},
    {"{\"method\":\"org.varlink.service.GetInterfaceDescription\"}",
     "{\"error\":\"org.varlink.service.InvalidParameter\",\"parameters\":{\"parameter\":\"interface\"}}"},
    {"{\"method\":\"org.example.test.Later\"}", ""},
};

START_TEST(each_call_gets_its_answer)
{
    ck_assert_str_eq(call(exchanges[_i].call), exchanges[_i].reply);
}
END_TEST

START_TEST(descriptors_only_where_they_are_taken)
{
    ck_assert_str_eq(call_with_fds("{\"method\":\"org.example.test.Add\",\"parameters\":{\"a\":1}}", 1),
                     "{\"error\":\"org.varlink.service.InvalidParameter\","
                     "\"parameters\":{\"parameter\":\"fileDescriptors\"}}");
    (void)call_with_fds("{\"method\":\"org.example.test.Give\",\"parameters\":{\"size\":\"large\"}}", 3);
    ck_assert_uint_eq(given, 3);
    ck_assert_uint_eq(open_fds(), fds_before);
}
END_TEST

START_TEST(descriptions_are_verbatim)
{
    const char *names[] = {"org.varlink.service", "org.example.test"};
    const char *texts[] = {interface_org_varlink_service, definition};
    char text[256];

    for (size_t i = 0; i < 2; i++) {
        snprintf(text, sizeof(text),
                 "{\"method\":\"org.varlink.service.GetInterfaceDescription\",\"parameters\":{\"interface\":"
                 "\"%s\"}}",
                 names[i]);
        json_object *reply = json_tokener_parse(call(text));
        json_object *parameters = json_object_object_get(reply, "parameters");
        ck_assert_str_eq(json_object_get_string(json_object_object_get(parameters, "description")), texts[i]);
        json_object_put(reply);
    }
}
END_TEST

START_TEST(an_endless_name_is_not_echoed_whole)
{
    char *text = malloc(VARLINK_MESSAGE_BYTES_MAX);
    size_t length = (size_t)sprintf(text, "{\"method\":\"x");

    while (length < VARLINK_MESSAGE_BYTES_MAX - 16) {
        memcpy(text + length, "\xe2\x82\xac", 3);
        length += 3;
    }
    strcpy(text + length, ".A\"}");
    const char *reply = call(text);
    ck_assert_uint_lt(strlen(reply), 400);
    ck_assert_ptr_nonnull(strstr(reply, "\xe2\x82\xac\"}}"));
    free(text);
}
END_TEST

START_TEST(what_does_not_fit_is_not_sent)
{
    json_object *wrong = with_int("total", 1), *right = with_int("sum", 1), *limit = with_int("limit", 1);

    (void)call("{\"method\":\"org.example.test.Later\"}");
    ck_assert_int_eq(
        varlink_service_reply(service, connection, "org.example.test.Add", wrong, false, NULL, 0), -EBADMSG);
    ck_assert_int_eq(
        varlink_service_reply(service, connection, "org.example.test.TooBig", limit, false, NULL, 0),
        -EBADMSG);
    ck_assert_int_eq(varlink_service_reply(service, connection, "Add", right, false, NULL, 0), -EBADMSG);
    ck_assert_int_eq(varlink_service_error(service, connection, "org.example.test.TooBig", NULL), -EBADMSG);
    ck_assert_int_eq(varlink_service_error(service, connection, "org.example.test.Add", right), -EBADMSG);
    ck_assert_int_eq(varlink_service_error(service, connection, "org.example.none.TooBig", limit), -EBADMSG);
    ck_assert(varlink_connection_call_pending(connection));
    ck_assert_int_eq(varlink_service_error(service, connection, "org.varlink.service.ExpectedUpgrade", NULL),
                     0);
    ck_assert(!varlink_connection_call_pending(connection));
    json_object_put(wrong);
    json_object_put(right);
    json_object_put(limit);
}
END_TEST

START_TEST(definition_and_handlers_must_agree)
{
    static const struct varlink_method_entry one[] = {{.name = "A", .handler = later}, {0}};
    static const struct varlink_method_entry twice[] = {
        {.name = "A", .handler = later}, {.name = "A", .handler = later}, {0}};
    static const struct varlink_method_entry without_handler[] = {{.name = "A"}, {0}};

    ck_assert_int_eq(varlink_service_add(service, "interface a.b\nmethod A() -> ()\nmethod B() -> ()\n", one),
                     -EINVAL);
    ck_assert_int_eq(
        varlink_service_add(service, "interface a.b\nmethod A() -> ()\nmethod B() -> ()\n", twice), -EINVAL);
    ck_assert_int_eq(varlink_service_add(service, "interface a.b\nmethod B() -> ()\n", one), -EINVAL);
    ck_assert_int_eq(varlink_service_add(service, "interface a.b\nerror A ()\n", one), -EINVAL);
    ck_assert_int_eq(varlink_service_add(service, "interface a.b\nmethod A() -> ()\n", without_handler),
                     -EINVAL);
    ck_assert_int_eq(varlink_service_add(service, "interface a.b\nmethod A() -> (\n", one), -EINVAL);
    ck_assert_int_eq(varlink_service_add(service, definition, methods), -EINVAL);
    ck_assert_int_eq(varlink_service_add(service, "interface a.b\nmethod A() -> ()\n", one), 0);
    varlink_service_free(NULL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("service");
    TCase *calls = tcase_create("calls");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(calls, open_service, close_service);
    tcase_add_loop_test(calls, each_call_gets_its_answer, 0, sizeof(exchanges) / sizeof(*exchanges));
    tcase_add_test(calls, descriptors_only_where_they_are_taken);
    tcase_add_test(calls, descriptions_are_verbatim);
    tcase_add_test(calls, an_endless_name_is_not_echoed_whole);
    tcase_add_test(calls, what_does_not_fit_is_not_sent);
    tcase_add_test(calls, definition_and_handlers_must_agree);
    suite_add_tcase(suite, calls);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
