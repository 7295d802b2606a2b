/* SPDX-License-Identifier: BSD-3-Clause */
/* The validating scanner in front of json-c: what it refuses, where it says so, and what an adversary costs.
 */
#include <check.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "proto/json.h"
#include "proto/json_text.h"
#include "proto/limits.h"

static const struct {
    const char *text;
    int defect;
    size_t offset;
} refused[] = {
    {"", JSON_SYNTAX, 0},
    {"   ", JSON_SYNTAX, 3},
    {"{", JSON_SYNTAX, 1},
    {"{\"a\"", JSON_SYNTAX, 4},
    {"{\"a\":", JSON_SYNTAX, 5},
    {"{\"a\":1", JSON_SYNTAX, 6},
    {"{\"a\":1,", JSON_SYNTAX, 7},
    {"{\"a\":1,}", JSON_SYNTAX, 7},
    {"{\"a\":[1,]}", JSON_SYNTAX, 8},
    {"{\"a\" 1}", JSON_SYNTAX, 5},
    {"{'a':1}", JSON_SYNTAX, 1},
    {"{a:1}", JSON_SYNTAX, 1},
    {"{\"a\":1} x", JSON_SYNTAX, 8},
    {"{\"a\":1}{}", JSON_SYNTAX, 7},
    {"{\"a\":[1}", JSON_SYNTAX, 7},
    {"{\"a\":NaN}", JSON_SYNTAX, 5},
    {"{\"a\":Infinity}", JSON_SYNTAX, 5},
    {"{\"a\":-Infinity}", JSON_SYNTAX, 6},
    {"{\"a\":nul}", JSON_SYNTAX, 8},
    {"{\"a\":True}", JSON_SYNTAX, 5},
    {"{\"a\":01}", JSON_SYNTAX, 6},
    {"{\"a\":+1}", JSON_SYNTAX, 5},
    {"{\"a\":.5}", JSON_SYNTAX, 5},
    {"{\"a\":1.}", JSON_SYNTAX, 7},
    {"{\"a\":1e}", JSON_SYNTAX, 7},
    {"{\"a\":0x10}", JSON_SYNTAX, 6},
    {"{\"a\":\"x}", JSON_SYNTAX, 8},
    {"{\"a\":\"\t\"}", JSON_SYNTAX, 6},
    {"{\"a\":\"\\x\"}", JSON_SYNTAX, 6},
    {"{\"a\":\"\\u12g4\"}", JSON_SYNTAX, 6},
    {"{\"a\":\"\\u12\"}", JSON_SYNTAX, 6},
    {"{\"a\":/**/1}", JSON_SYNTAX, 5},
    {"\xef\xbb\xbf{}", JSON_SYNTAX, 0},
    {"[1]", JSON_NOT_OBJECT, 0},
    {" \"x\"", JSON_NOT_OBJECT, 1},
    {"null", JSON_NOT_OBJECT, 0},
    {"{\"a\":\"\\u0000\"}", JSON_NUL, 6},
    {"{\"a\\u0000b\":1}", JSON_NUL, 3},
    {"{\"a\":\"\\ud800\"}", JSON_NOT_UTF8, 6},
    {"{\"a\":\"\\ud800\\u0041\"}", JSON_NOT_UTF8, 6},
    {"{\"a\":\"\\udc00\\ud800\"}", JSON_NOT_UTF8, 6},
    {"{\"a\":\"\xff\"}", JSON_NOT_UTF8, 6},
    {"{\"a\":\"\xc0\xaf\"}", JSON_NOT_UTF8, 6},
    {"{\"a\":\"\xe0\x80\xaf\"}", JSON_NOT_UTF8, 6},
    {"{\"a\":\"\xed\xa0\x80\"}", JSON_NOT_UTF8, 6},
    {"{\"a\":\"\xf4\x90\x80\x80\"}", JSON_NOT_UTF8, 6},
    {"{\"a\":\"\xe2\x82\"}", JSON_NOT_UTF8, 6},
    {"{\"a\":9223372036854775808}", JSON_NUMBER_RANGE, 5},
    {"{\"a\":-9223372036854775809}", JSON_NUMBER_RANGE, 5},
    {"{\"a\":18446744073709551616}", JSON_NUMBER_RANGE, 5},
    {"{\"a\":1e309}", JSON_NUMBER_RANGE, 5},
    {"{\"a\":-0.1e310}", JSON_NUMBER_RANGE, 5},
    {"{\"a\":1.7976931348623159e308}", JSON_NUMBER_RANGE, 5},
    {"{\"a\":1e99999999999999999999999}", JSON_NUMBER_RANGE, 5},
    {"{\"a\":1,\"a\":2}", JSON_DUPLICATE_KEY, 7},
    {"{\"a\":1,\"b\":2,\"\\u0061\":3}", JSON_DUPLICATE_KEY, 13},
    {"{\"x\":[{\"k/\":1,\"k\\/\":2}]}", JSON_DUPLICATE_KEY, 14},
    {"{\"\xc3\xa9\":1,\"\\u00E9\":2}", JSON_DUPLICATE_KEY, 8},
    {"{\"\xf0\x9f\x98\x80\":1,\"\\ud83d\\uDE00\":2}", JSON_DUPLICATE_KEY, 10},
    {"{\"\":1,\"\":2}", JSON_DUPLICATE_KEY, 6},
    {"{\"c\":0,\"b\":1,\"b\":2,\"c\":3,\"b\":4}", JSON_DUPLICATE_KEY, 13},
};

START_TEST(refuses_and_says_where)
{
    json_object *object = (json_object *)&refused;
    size_t offset = 4711;
    int r = json_parse_strict(refused[_i].text, strlen(refused[_i].text), &object, &offset);

    ck_assert_msg(r == refused[_i].defect, "%s: defect %d", refused[_i].text, r);
    ck_assert_msg(offset == refused[_i].offset, "%s: offset %zu", refused[_i].text, offset);
    ck_assert_ptr_eq(object, (json_object *)&refused);
}
END_TEST

START_TEST(refuses_every_prefix)
{
    static const char text[] = "{\"a\":[1,-2.5e3,true,null,{\"\\u00e9\\n\":\"\xe2\x82\xac\"}],\"b\":false}";
    json_object *object = NULL;

    for (size_t length = 0; length < sizeof(text) - 1; length++) {
        /* A block of exactly that size, so that the sanitizer sees a read beyond the end. */
        char *prefix = malloc(length ? length : 1);
        memcpy(prefix, text, length);
        ck_assert_int_gt(json_parse_strict(prefix, length, &object, NULL), 0);
        free(prefix);
    }
    ck_assert_int_eq(json_parse_strict(text, sizeof(text) - 1, &object, NULL), 0);
    json_object_put(object);
}
END_TEST

START_TEST(refuses_a_raw_nul)
{
    json_object *object = NULL;
    size_t offset = 0;

    ck_assert_int_eq(json_parse_strict("{\"a\":\"x\0y\"}", 11, &object, &offset), JSON_SYNTAX);
    ck_assert_uint_eq(offset, 7);
    ck_assert_int_eq(json_parse_strict("{}\0", 3, &object, &offset), JSON_SYNTAX);
}
END_TEST

static json_object *parse(const char *text)
{
    json_object *object = NULL;

    ck_assert_int_eq(json_parse_strict(text, strlen(text), &object, NULL), 0);
    ck_assert_ptr_nonnull(object);
    return object;
}

START_TEST(accepts_what_fits)
{
    json_object *object = parse(" {\r\n\"i\" : 9223372036854775807 ,\t\"j\":-9223372036854775808,\"z\":-0,"
                                "\"d\":1.7976931348623157e308,\"e\":1E-400,\"f\":0.0000001e315,"
                                "\"s\":\"\\ud83d\\ude00\\\"\\/\",\"k\":{\"i\":1},\"l\":[],\"m\":{}} \n");

    ck_assert_int_eq(json_object_get_int64(json_object_object_get(object, "i")), INT64_MAX);
    ck_assert_int_eq(json_object_get_int64(json_object_object_get(object, "j")), INT64_MIN);
    ck_assert_double_eq(json_object_get_double(json_object_object_get(object, "d")), 1.7976931348623157e308);
    ck_assert_double_eq(json_object_get_double(json_object_object_get(object, "e")), 0);
    ck_assert_double_eq(json_object_get_double(json_object_object_get(object, "f")), 1e308);
    ck_assert_str_eq(json_object_get_string(json_object_object_get(object, "s")), "\xf0\x9f\x98\x80\"/");
    json_object_put(object);
}
END_TEST

START_TEST(depth_ends_at_the_limit)
{
    json_object *object = NULL;
    char text[128];
    size_t offset = 0;

    snprintf(text, sizeof(text), "{\"a\":%.15s1%.15s}", "[[[[[[[[[[[[[[[[", "]]]]]]]]]]]]]]]]");
    json_object_put(parse(text));
    snprintf(text, sizeof(text), "{\"a\":%.16s%.16s}", "[[[[[[[[[[[[[[[[", "]]]]]]]]]]]]]]]]");
    ck_assert_int_eq(json_parse_strict(text, strlen(text), &object, &offset), JSON_TOO_DEEP);
    ck_assert_uint_eq(offset, 5 + 15);
}
END_TEST

/* Seconds of CPU time to parse a message of as many members as fit. */
static double cost(const char *prefix, bool distinct, int expected)
{
    char *text = malloc(VARLINK_MESSAGE_BYTES_MAX + 64);
    json_object *object = NULL;
    size_t length = 1;
    clock_t begin;
    int r;

    text[0] = '{';
    for (unsigned i = 0; length < VARLINK_MESSAGE_BYTES_MAX - 32; i++) {
        length += (size_t)snprintf(text + length, 64, "\"%s%x\":0,", prefix, distinct ? i : 0);
    }
    text[length - 1] = '}';
    begin = clock();
    r = json_parse_strict(text, length, &object, NULL);
    ck_assert_int_eq(r, expected);
    free(text);
    if (r == 0) {
        json_object_put(object);
    }
    return (double)(clock() - begin) / CLOCKS_PER_SEC;
}

START_TEST(an_adversary_costs_little)
{
    /* Comparing each key with each would take seconds under the sanitizers. */
    ck_assert_double_lt(cost("", true, JSON_OK), 0.5);
    ck_assert_double_lt(cost("aaaaaaaaaaaaaaaa", true, JSON_OK), 0.5);
    ck_assert_double_lt(cost("a", false, JSON_DUPLICATE_KEY), 0.5);
}
END_TEST

START_TEST(config_takes_comments)
{
    static const char text[] = "// one\n{ /* two\n\" */ \"a\": \"// no /* comment \\\" */\", // \xff three\n"
                               "\"b\": 2 /**/ }\n// end";
    json_object *object = NULL;

    ck_assert_int_eq(json_parse_config(text, sizeof(text) - 1, &object, NULL), 0);
    ck_assert_str_eq(json_object_get_string(json_object_object_get(object, "a")), "// no /* comment \" */");
    ck_assert_int_eq(json_object_get_int(json_object_object_get(object, "b")), 2);
    json_object_put(object);
}
END_TEST

static const struct {
    const char *text;
    int defect;
    size_t offset;
} config_refused[] = {
    {"/* a\n b */ { // c\n \"k\": 1,\n \"k\": 2 }", JSON_DUPLICATE_KEY, 28},
    {"{ // c\n \"k\": oops }", JSON_SYNTAX, 13},
    {"{ \"k\": 1 /* never closed }", JSON_SYNTAX, 9},
    {"{ \"k\": 1 / 2 }", JSON_SYNTAX, 9},
    {"{ \"k\": 1 /*/ }", JSON_SYNTAX, 9},
    {"{ \"k\": \"never closed // }", JSON_SYNTAX, 25},
    {"{ \"k\": \"backslash at the end \\", JSON_SYNTAX, 30},
    {"// nothing", JSON_SYNTAX, 10},
};

START_TEST(config_offsets_are_those_of_the_file)
{
    json_object *object = NULL;
    size_t offset = 4711;
    const char *text = config_refused[_i].text;
    int r = json_parse_config(text, strlen(text), &object, &offset);

    ck_assert_msg(r == config_refused[_i].defect, "%s: defect %d", text, r);
    ck_assert_msg(offset == config_refused[_i].offset, "%s: offset %zu", text, offset);
}
END_TEST

START_TEST(config_has_no_nul_in_comments)
{
    static const char text[] = "/* a\0 */ {}";
    json_object *object = NULL;
    size_t offset = 0;

    ck_assert_int_eq(json_parse_config(text, sizeof(text) - 1, &object, &offset), JSON_NUL);
    ck_assert_uint_eq(offset, 4);
    ck_assert_ptr_null(object);
}
END_TEST

START_TEST(every_defect_has_words)
{
    for (int i = JSON_OK; i <= JSON_NUL; i++) {
        ck_assert_str_ne(json_defect_text(i), json_defect_text(JSON_NUL + 1));
    }
}
END_TEST

/* ---- text on its way out ---- */

static void check_written(json_object *value)
{
    const char *expected =
        json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
    struct json_text text = {0};

    json_text_value(&text, value);
    ck_assert(!text.failed);
    ck_assert_uint_eq(text.length, strlen(expected));
    ck_assert_msg(memcmp(text.bytes, expected, text.length) == 0, "%.*s instead of %s", (int)text.length,
                  text.bytes, expected);
    free(text.bytes);
}

START_TEST(writes_what_json_c_writes)
{
    static const char *const texts[] = {
        "null",
        "true",
        "false",
        "0",
        "-1",
        "9223372036854775807",
        "-9223372036854775808",
        "1.5",
        "-2.5e-7",
        "\"\"",
        "\"a/b \\\" \\\\ \\b\\f\\n\\r\\t \\u0001 \\u001f \\u007f \\u00e9\\ud83d\\ude00\"",
        "[]",
        "{}",
        "[1,[],{},null,[true,\"x\"]]",
        "{\"a\\n\":{\"b\":[1,2,3]},\"\":null,\"c\":false}",
    };

    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        json_object *value = json_tokener_parse(texts[i]);
        check_written(value);
        json_object_put(value);
    }
}
END_TEST

START_TEST(writes_more_than_it_began_with)
{
    json_object *array = json_object_new_array();

    for (int i = 0; i < 5000; i++) {
        json_object_array_add(array, json_object_new_string("\twith escapes\n"));
    }
    check_written(array);
    json_object_put(array);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("json");
    TCase *strict = tcase_create("strict"), *config = tcase_create("config"), *out = tcase_create("text");
    SRunner *runner;
    int failed;

    tcase_add_loop_test(strict, refuses_and_says_where, 0, sizeof(refused) / sizeof(*refused));
    tcase_add_test(strict, refuses_every_prefix);
    tcase_add_test(strict, refuses_a_raw_nul);
    tcase_add_test(strict, accepts_what_fits);
    tcase_add_test(strict, depth_ends_at_the_limit);
    tcase_add_test(strict, an_adversary_costs_little);
    tcase_add_test(strict, every_defect_has_words);
    tcase_add_test(config, config_takes_comments);
    tcase_add_test(config, config_has_no_nul_in_comments);
    tcase_add_loop_test(config, config_offsets_are_those_of_the_file, 0,
                        sizeof(config_refused) / sizeof(*config_refused));
    tcase_add_test(out, writes_what_json_c_writes);
    tcase_add_test(out, writes_more_than_it_began_with);
    suite_add_tcase(suite, out);
    suite_add_tcase(suite, strict);
    suite_add_tcase(suite, config);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
