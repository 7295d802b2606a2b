/* SPDX-License-Identifier: BSD-3-Clause */
/* Tables: alignment, what is shown for nothing, colours, and texts that would steer the terminal. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "homictl/format.h"
#include "homictl/table.h"

static const struct table_column columns[] = {{"NAME", false}, {"COUNT", true}, {"REASON", false}};

/* What a table prints; free it. */
static char *printed(const struct table *table, bool colour)
{
    char *text;
    size_t size;
    FILE *stream = open_memstream(&text, &size);

    ck_assert_ptr_nonnull(stream);
    ck_assert_int_eq(table_print(table, stream, colour), 0);
    fclose(stream);
    return text;
}

static struct table *new_table(void)
{
    struct table *table;

    ck_assert_int_eq(table_new(columns, 3, &table), 0);
    return table;
}

START_TEST(columns_are_aligned)
{
    struct table *table = new_table();
    char *text;

    table_add(table, TABLE_PLAIN, "a");
    table_add(table, TABLE_PLAIN, "12345678");
    table_add(table, TABLE_PLAIN, "why");
    table_add(table, TABLE_PLAIN, "longer");
    table_add(table, TABLE_PLAIN, "9");
    table_add(table, TABLE_PLAIN, NULL);
    ck_assert_uint_eq(table_rows(table), 2);
    text = printed(table, false);
    ck_assert_str_eq(text, "NAME       COUNT  REASON\n"
                           "a       12345678  why\n"
                           "longer         9  -\n");
    free(text);
    table_free(table);
}
END_TEST

START_TEST(characters_count_not_bytes)
{
    struct table *table = new_table();
    char *text;

    table_add(table, TABLE_PLAIN, "\xc3\xa4\xc3\xb6\xc3\xbc\xc3\x9f.");
    table_add(table, TABLE_PLAIN, "1");
    table_add(table, TABLE_PLAIN, "");
    text = printed(table, false);
    ck_assert_str_eq(text, "NAME   COUNT  REASON\n"
                           "\xc3\xa4\xc3\xb6\xc3\xbc\xc3\x9f.      1  -\n");
    free(text);
    table_free(table);
}
END_TEST

START_TEST(colours_enclose_the_text_alone)
{
    struct table *table = new_table();
    char *text;

    table_add(table, TABLE_BAD, "a");
    table_add(table, TABLE_GOOD, "1");
    table_add(table, TABLE_PLAIN, "x");
    text = printed(table, true);
    ck_assert_ptr_nonnull(strstr(text, "\n\033[1;31ma\033[0m         \033[32m1\033[0m  x\n"));
    free(text);
    table_free(table);
}
END_TEST

START_TEST(no_text_steers_the_terminal)
{
    struct table *table = new_table();
    char *text;

    table_add(table, TABLE_PLAIN, "a\033[2Jb");
    table_add(table, TABLE_PLAIN, "1\n2");
    table_add(table, TABLE_PLAIN, "x\xc2\x9by\x7f");
    text = printed(table, false);
    ck_assert_str_eq(text, "NAME    COUNT  REASON\n"
                           "a?[2Jb    1?2  x?y?\n");
    free(text);
    table_free(table);
}
END_TEST

START_TEST(many_rows)
{
    struct table *table = new_table();
    char *text, *line;
    int lines = 0;

    for (int i = 0; i < 3 * 1000; i++)
        table_add(table, TABLE_PLAIN, "x");
    text = printed(table, false);
    for (line = text; (line = strchr(line, '\n')); line++)
        lines++;
    ck_assert_int_eq(lines, 1001);
    free(text);
    table_free(table);
}
END_TEST

START_TEST(a_full_disk_is_told)
{
    struct table *table = new_table();
    FILE *full = fopen("/dev/full", "w");

    ck_assert_ptr_nonnull(full);
    setvbuf(full, NULL, _IONBF, 0);
    ck_assert_int_lt(table_print(table, full, false), 0);
    fclose(full);
    table_free(table);
    table_free(NULL);
}
END_TEST

static const struct {
    uint64_t value;
    const char *bytes, *age;
} quantities[] = {
    {0, "0B", "0s"},
    {59, "59B", "59s"},
    {60, "60B", "1m0s"},
    {1023, "1023B", "17m3s"},
    {1024, "1.0KiB", "17m4s"},
    {3600, "3.5KiB", "1h0m"},
    {86399, "84.4KiB", "23h59m"},
    {86400, "84.4KiB", "1d0h"},
    {1048524, "1023.9KiB", "12d3h"},
    {1048575, "1.0MiB", "12d3h"},
    {UINT64_C(1) << 30, "1.0GiB", "12427d13h"},
    {UINT64_MAX, "16.0EiB", "213503982334601d7h"},
};

START_TEST(quantities_are_readable)
{
    char text[FORMAT_BYTES];

    format_bytes(quantities[_i].value, text);
    ck_assert_str_eq(text, quantities[_i].bytes);
    format_age(quantities[_i].value, text);
    ck_assert_str_eq(text, quantities[_i].age);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("table");
    TCase *table = tcase_create("table"), *format = tcase_create("format");
    SRunner *runner;
    int failed;

    tcase_add_test(table, columns_are_aligned);
    tcase_add_test(table, characters_count_not_bytes);
    tcase_add_test(table, colours_enclose_the_text_alone);
    tcase_add_test(table, no_text_steers_the_terminal);
    tcase_add_test(table, many_rows);
    tcase_add_test(table, a_full_disk_is_told);
    tcase_add_loop_test(format, quantities_are_readable, 0, sizeof(quantities) / sizeof(*quantities));
    suite_add_tcase(suite, table);
    suite_add_tcase(suite, format);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
