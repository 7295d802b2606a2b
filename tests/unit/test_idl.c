/* SPDX-License-Identifier: BSD-3-Clause */
/* Interface definitions: the grammar, its refusals with their lines, and values checked against types. */
#include <check.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/idl.h"
#include "proto/interfaces.h"
#include "proto/json.h"

static struct idl_interface *parse(const char *text)
{
    struct idl_interface *interface = NULL;
    unsigned line = 0;

    ck_assert_msg(idl_parse(text, &interface, &line) == 0, "line %u of\n%s", line, text);
    return interface;
}

static const char *const served[] = {interface_io_homi_tenant, interface_io_homi_admin,
                                     interface_io_homi_protocol, interface_org_varlink_service};

/* Every member that a line of the text declares must be found, and nothing twice. */
START_TEST(the_served_definitions_are_complete)
{
    struct idl_interface *interface = parse(served[_i]);
    size_t methods = 0, errors = 0;
    char name[64];

    for (const char *line = served[_i]; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (sscanf(line, "method %63[A-Za-z]", name) == 1) {
            ck_assert_msg(idl_find_method(interface, name) && !idl_find_error(interface, name), "%s", name);
            methods++;
        } else if (sscanf(line, "error %63[A-Za-z]", name) == 1) {
            ck_assert_msg(idl_find_error(interface, name) && !idl_find_method(interface, name), "%s", name);
            errors++;
        }
    }
    ck_assert_uint_gt(errors, 5);
    ck_assert_uint_eq(idl_count_methods(interface), methods);
    ck_assert_str_eq(idl_text(interface), served[_i]);
    idl_free(interface);
}
END_TEST

START_TEST(the_served_definitions_have_their_names)
{
    static const char *const names[] = {"io.homi.Tenant", "io.homi.Admin", "io.homi.Protocol",
                                        "org.varlink.service"};
    struct idl_interface *interface = parse(served[_i]);

    ck_assert_str_eq(idl_name(interface), names[_i]);
    idl_free(interface);
}
END_TEST

/* Removing any one type must be noticed: no use of a type goes unresolved. */
START_TEST(every_used_type_is_resolved)
{
    char *text = strdup(served[_i]);

    for (char *at = strstr(text, "\ntype "); at; at = strstr(at + 1, "\ntype ")) {
        struct idl_interface *interface = NULL;
        char *name = at + strlen("\ntype "), initial = *name;
        *name = 'Z';
        ck_assert_msg(idl_parse(text, &interface, NULL) == -EINVAL, "%.20s", name);
        *name = initial;
    }
    free(text);
}
END_TEST

#define HEAD "interface a.b\n"

static const char *const accepted[] = {
    "interface a.b",
    "  # a comment\n\n interface org.example-1.2x\t# another\r\n",
    HEAD "type A (a: A)",
    HEAD "type A (next: ?A, b: []B)\ntype B (a, b_c, d1)",
    HEAD "type A (\n # one\n one,\n # two\n two\n)",
    HEAD "type A ()\nmethod M () -> ( )\nerror E( )",
    HEAD
    "type A (a: bool, b: int, c: float, d: string, e: object, f: any, g: (x, y), h: (x: int), i: []string,"
    " j: [string]string, k: [string](), l: ?string, m: ?[](x: int), n: ?[string][]?int, o: [][][string]any)",
    HEAD "method M(interface: string, type: int, method: (error, int)) -> (string: string)",
    HEAD "method\nM\n(\na\n:\nint\n)\n->\n(\n)\n",
    HEAD "type Int (a: int)\ntype Boolean (a: Int)",
};

START_TEST(the_whole_grammar_is_accepted)
{
    idl_free(parse(accepted[_i]));
    idl_free(NULL);
}
END_TEST

static const struct {
    const char *text;
    unsigned line;
} refused[] = {
    {"", 1},
    {"# only a comment", 1},
    {"method A() -> ()", 1},
    {"interface", 1},
    {"interface a", 1},
    {"interface 1.a", 1},
    {"interface a..b", 1},
    {"interface a.b.", 1},
    {"interface a.-b", 1},
    {"interface a.b-", 1},
    {"interface a.b type A ()", 1},
    {"interfacea.b", 1},
    {HEAD "type A () type B ()", 2},
    {HEAD "type a ()", 2},
    {HEAD "type A_B ()", 2},
    {HEAD "type A int", 2},
    {HEAD "type A [](a: int)", 2},
    {HEAD "type A ?(a: int)", 2},
    {HEAD "type A (a: int", 2},
    {HEAD "type A (a: int,)", 2},
    {HEAD "type A (a: int b: int)", 2},
    {HEAD "type A (a: int,\nb)", 3},
    {HEAD "type A (a,\nb: int)", 3},
    {HEAD "type A (a: )", 2},
    {HEAD "type A (a_: int)", 2},
    {HEAD "type A (_a: int)", 2},
    {HEAD "type A (a__b: int)", 2},
    {HEAD "type A (1a: int)", 2},
    {HEAD "type A (a: ??int)", 2},
    {HEAD "type A (a: int[])", 2},
    {HEAD "type A (a: [int]int)", 2},
    {HEAD "type A (a: integer)", 2},
    {HEAD "type A (a: int,\n\na: int)", 4},
    {HEAD "type A (a, b, a)", 2},
    {HEAD "\ntype A ()\n\n\nmethod A() -> ()", 6},
    {HEAD "error A ()\ntype A ()", 3},
    {HEAD "method A() -> ()\nmethod A() -> ()", 3},
    {HEAD "method A(a, b) -> ()", 2},
    {HEAD "method A() -> (a, b)", 2},
    {HEAD "method A()", 2},
    {HEAD "method A() ()", 2},
    {HEAD "method A() -> int", 2},
    {HEAD "error A", 2},
    {HEAD "error A (a, b)", 2},
    {HEAD "errorA ()", 2},
    {HEAD "type A (\n a: int,\n b: []?[string](c: Missing)\n)\ntype B ()", 4},
    {HEAD "method M() -> (a: M)", 2},
    {HEAD "error E (a: E)", 2},
    {HEAD "type A ()\nnonsense\n", 3},
};

START_TEST(errors_are_refused_with_their_line)
{
    struct idl_interface *interface = NULL;
    unsigned line = 4711;

    ck_assert_msg(idl_parse(refused[_i].text, &interface, &line) == -EINVAL, "%s", refused[_i].text);
    ck_assert_msg(line == refused[_i].line, "%s: line %u", refused[_i].text, line);
    ck_assert_ptr_null(interface);
}
END_TEST

START_TEST(only_whole_prefixes_are_accepted)
{
    static const char text[] =
        HEAD "type A (a: ?[]int, b: [string](c, d))\nmethod M(a: A) -> (b: (c: bool))\n";
    unsigned whole = 0;

    for (size_t length = 0; length < sizeof(text); length++) {
        struct idl_interface *interface = NULL;
        char *prefix = strndup(text, length);
        int r = idl_parse(prefix, &interface, NULL);
        ck_assert_msg(r == 0 || r == -EINVAL, "%s", prefix);
        whole += r == 0;
        idl_free(interface);
        free(prefix);
    }
    /* The three lines, each with and without its end. */
    ck_assert_uint_eq(whole, 6);
}
END_TEST

START_TEST(types_nest_to_a_limit)
{
    struct idl_interface *interface = NULL;
    char text[4096] = HEAD "type A (a: ";

    for (int i = 0; i < 1000; i++) {
        strcat(text, "[]");
    }
    strcat(text, "int)");
    ck_assert_int_eq(idl_parse(text, &interface, NULL), -EINVAL);
}
END_TEST

static const char types[] =
    HEAD "type Color (red, green)\n"
         "type Node (value: int, next: ?Node)\n"
         "method M(b: ?bool, i: ?int, f: ?float, s: ?string, o: ?object, a: ?any, c: ?Color, n: ?Node, l: "
         "?[]int,\n"
         "  m: ?[string]Color, e: ?[](x: ?int), set: ?[string](), q: ?[]?int) -> (r: int)\n"
         "error E (why: string)\n";

/* field is NULL where the value is fine. */
static const struct {
    const char *parameters, *field;
} values[] = {
    {"{}", NULL},
    {"{\"b\":null,\"i\":null,\"l\":null}", NULL},
    {"{\"b\":true,\"i\":-9223372036854775808,\"f\":1.5,\"s\":\"\",\"o\":{\"x\":[1]},\"a\":[],\"c\":\"red\"}",
     NULL},
    {"{\"f\":3,\"a\":false,\"l\":[],\"m\":{},\"e\":[{},{\"x\":1},{\"x\":null}],\"set\":{\"k\":{}},\"q\":[1,"
     "null]}",
     NULL},
    {"{\"n\":{\"value\":1,\"next\":{\"value\":2,\"next\":{\"value\":3,\"next\":null}}}}", NULL},
    {"{\"b\":1}", "b"},
    {"{\"b\":\"true\"}", "b"},
    {"{\"i\":1.0}", "i"},
    {"{\"i\":1e3}", "i"},
    {"{\"i\":\"1\"}", "i"},
    {"{\"i\":true}", "i"},
    {"{\"f\":\"1.5\"}", "f"},
    {"{\"s\":1}", "s"},
    {"{\"o\":[]}", "o"},
    {"{\"c\":\"blue\"}", "c"},
    {"{\"c\":\"\"}", "c"},
    {"{\"c\":0}", "c"},
    {"{\"n\":{}}", "n.value"},
    {"{\"n\":{\"value\":1,\"next\":{\"value\":2,\"next\":{\"value\":null}}}}", "n.next.next.value"},
    {"{\"n\":{\"value\":1,\"prev\":null}}", "n.prev"},
    {"{\"l\":{}}", "l"},
    {"{\"l\":[1,2,\"3\"]}", "l[2]"},
    {"{\"l\":[null]}", "l[0]"},
    {"{\"m\":{\"k\":\"red\",\"x.y\":\"blue\"}}", "m.x.y"},
    {"{\"m\":{\"k\":null}}", "m.k"},
    {"{\"e\":[{\"x\":1},{\"y\":1}]}", "e[1].y"},
    {"{\"set\":{\"k\":{\"x\":1}}}", "set.k.x"},
    {"{\"set\":{\"k\":true}}", "set.k"},
    {"{\"z\":1}", "z"},
    {"{\"z\":null}", "z"},
    {"{\"\":1}", ""},
    {"{\"B\":true}", "B"},
};

START_TEST(values_are_checked_with_their_path)
{
    struct idl_interface *interface = parse(types);
    json_object *parameters = NULL;
    char *field = NULL;

    ck_assert_int_eq(
        json_parse_strict(values[_i].parameters, strlen(values[_i].parameters), &parameters, NULL), 0);
    int r = idl_check_input(idl_find_method(interface, "M"), parameters, &field);
    ck_assert_msg(r == (values[_i].field != NULL), "%s: %d (%s)", values[_i].parameters, r, field);
    if (values[_i].field) {
        ck_assert_str_eq(field, values[_i].field);
    }
    free(field);
    json_object_put(parameters);
    idl_free(interface);
}
END_TEST

START_TEST(output_and_errors_are_checked)
{
    struct idl_interface *interface = parse(types);
    const struct idl_method *method = idl_find_method(interface, "M");
    json_object *parameters = json_object_new_object(), *array = json_object_new_array();
    char *field = NULL;

    ck_assert_int_eq(idl_check_input(method, NULL, &field), 0);
    ck_assert_int_eq(idl_check_output(method, NULL, &field), 1);
    ck_assert_str_eq(field, "r");
    free(field);
    ck_assert_int_eq(idl_check_error(idl_find_error(interface, "E"), parameters, &field), 1);
    ck_assert_str_eq(field, "why");
    free(field);
    ck_assert_int_eq(idl_check_input(method, array, &field), 1);
    ck_assert_str_eq(field, "");
    free(field);
    /* json-c can hold more than an int is. */
    json_object_object_add(parameters, "r", json_object_new_uint64(UINT64_MAX));
    ck_assert_int_eq(idl_check_output(method, parameters, &field), 1);
    free(field);
    json_object_object_add(parameters, "r", json_object_new_uint64(INT64_MAX));
    ck_assert_int_eq(idl_check_output(method, parameters, &field), 0);
    json_object_put(parameters);
    json_object_put(array);
    idl_free(interface);
}
END_TEST

START_TEST(what_is_absent_is_not_found)
{
    struct idl_interface *interface = parse(types);

    ck_assert_ptr_null(idl_find_method(interface, "Color"));
    ck_assert_ptr_null(idl_find_method(interface, "E"));
    ck_assert_ptr_null(idl_find_error(interface, "M"));
    ck_assert_ptr_null(idl_find_method(interface, "a.b.M"));
    ck_assert_ptr_null(idl_find_method(interface, ""));
    ck_assert_uint_eq(idl_count_methods(interface), 1);
    idl_free(interface);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("idl");
    TCase *grammar = tcase_create("grammar"), *check = tcase_create("values"), *own = tcase_create("served");
    SRunner *runner;
    int failed;

    tcase_add_loop_test(own, the_served_definitions_are_complete, 0, 4);
    tcase_add_loop_test(own, the_served_definitions_have_their_names, 0, 4);
    tcase_add_loop_test(own, every_used_type_is_resolved, 0, 2);
    tcase_add_loop_test(grammar, the_whole_grammar_is_accepted, 0, sizeof(accepted) / sizeof(*accepted));
    tcase_add_loop_test(grammar, errors_are_refused_with_their_line, 0, sizeof(refused) / sizeof(*refused));
    tcase_add_test(grammar, only_whole_prefixes_are_accepted);
    tcase_add_test(grammar, types_nest_to_a_limit);
    tcase_add_loop_test(check, values_are_checked_with_their_path, 0, sizeof(values) / sizeof(*values));
    tcase_add_test(check, output_and_errors_are_checked);
    tcase_add_test(check, what_is_absent_is_not_found);
    suite_add_tcase(suite, own);
    suite_add_tcase(suite, grammar);
    suite_add_tcase(suite, check);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
