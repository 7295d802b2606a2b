/* SPDX-License-Identifier: BSD-3-Clause */
/* Every error of io.homi.Admin has words in homictl, and they use the parameters that the definition gives
 * it. */
#include <check.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "homictl/refusal.h"
#include "proto/interfaces.h"

/* What refusal_print prints; free it. */
static char *printed(const char *name, struct json_object *parameters, enum exit_status *ret_status)
{
    char *text;
    size_t size;
    FILE *stream = open_memstream(&text, &size);

    ck_assert_ptr_nonnull(stream);
    *ret_status = refusal_print(stream, "do it", name, parameters);
    fclose(stream);
    return text;
}

/* Gives each parameter of a definition "(a: type, b: type)" its own name in stars for a value. */
static struct json_object *marked_parameters(const char *definition)
{
    struct json_object *parameters = json_object_new_object();

    for (const char *colon; (colon = strchr(definition, ':')) && colon < strchr(definition, ')');
         definition = colon + 1) {
        const char *start = colon;
        char name[64], value[68];

        while (isalpha((unsigned char)start[-1]))
            start--;
        snprintf(name, sizeof(name), "%.*s", (int)(colon - start), start);
        snprintf(value, sizeof(value), "*%s*", name);
        json_object_object_add(parameters, name, json_object_new_string(value));
    }
    return parameters;
}

START_TEST(every_error_has_words)
{
    int count = 0;

    for (const char *line = interface_io_homi_admin; (line = strstr(line, "\nerror ")); line++) {
        const char *name = line + strlen("\nerror ");
        struct json_object *parameters = marked_parameters(name);
        enum exit_status status;
        char full[128], *text;

        snprintf(full, sizeof(full), "io.homi.Admin.%.*s", (int)strcspn(name, " ("), name);
        text = printed(full, parameters, &status);
        ck_assert_msg(!strstr(text, "homid answered"), "%s has no words", full);
        ck_assert_msg(!strchr(text, '?'), "%s uses a parameter that it does not have: %s", full, text);
        ck_assert_msg(strstr(text, "\n  next: "), "%s says nothing to do: %s", full, text);
        json_object_object_foreach (parameters, key, value) {
            (void)key;
            ck_assert_msg(strstr(text, json_object_get_string(value)), "%s does not show %s", full,
                          json_object_get_string(value));
        }
        ck_assert_int_eq(status, strstr(full, "SystemError") ? EXIT_SYSTEM : EXIT_REFUSED);
        free(text);
        json_object_put(parameters);
        count++;
    }
    ck_assert_int_ge(count, 14);
}
END_TEST

START_TEST(says_what_was_tried_and_why)
{
    struct json_object *parameters = json_tokener_parse("{\"lease\":\"blue-1\",\"holders\":2}");
    enum exit_status status;
    char *text = printed("io.homi.Admin.LeaseHeld", parameters, &status);

    ck_assert_str_eq(
        text, "homictl: cannot do it: 2 processes hold lease blue-1\n"
              "  next: end them (`homictl queue` shows their pids), or take it from them with --force\n");
    free(text);
    json_object_put(parameters);
}
END_TEST

START_TEST(an_unknown_error_is_named)
{
    enum exit_status status;
    char *text = printed("io.homi.Admin.Brand\033New", NULL, &status);

    ck_assert_int_eq(status, EXIT_REFUSED);
    ck_assert_ptr_nonnull(strstr(text, "io.homi.Admin.Brand?New"));
    free(text);
}
END_TEST

START_TEST(foreign_text_and_missing_parameters_are_harmless)
{
    struct json_object *parameters = json_tokener_parse("{\"device\":\"a\\u001b[2J\"}");
    enum exit_status status;
    char *text = printed("io.homi.Admin.DeviceUnavailable", parameters, &status);

    ck_assert_ptr_nonnull(strstr(text, "a?[2J cannot serve: ?"));
    free(text);
    json_object_put(parameters);
    text = printed("NoDot", NULL, &status);
    ck_assert_ptr_nonnull(strstr(text, "NoDot"));
    free(text);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("homictl refusals");
    TCase *words = tcase_create("words");
    SRunner *runner;
    int failed;

    tcase_add_test(words, every_error_has_words);
    tcase_add_test(words, says_what_was_tried_and_why);
    tcase_add_test(words, an_unknown_error_is_named);
    tcase_add_test(words, foreign_text_and_missing_parameters_are_harmless);
    suite_add_tcase(suite, words);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
