/* SPDX-License-Identifier: BSD-3-Clause */
/* homi-perf's command line. */
#include <check.h>
#include <string.h>

#include "bench/perf/options.h"

static struct perf_options options;

/* Parses the words of a line. */
static enum perf_parse parse(const char *line)
{
    static char program[] = "homi-perf", words[256];
    char *argv[32] = {program}, *rest = NULL;
    int argc = 1;

    strcpy(words, line);
    for (char *word = strtok_r(words, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
        argv[argc++] = word;
    return perf_options_parse(argc, argv, &options);
}

START_TEST(defaults)
{
    ck_assert_int_eq(parse(""), PERF_PARSED);
    ck_assert_int_eq(options.rw, PERF_RANDREAD);
    ck_assert_uint_eq(options.read_percent, 100);
    ck_assert_uint_eq(options.block_bytes, 4096);
    ck_assert_uint_eq(options.depth, 32);
    ck_assert_uint_eq(options.batch, 8);
    ck_assert_uint_eq(options.seconds, 10);
    ck_assert(perf_options_random(&options));
}
END_TEST

START_TEST(values)
{
    ck_assert_int_eq(parse("--rw rw --rwmixread 70 --destroy --block-size 128k --length 2G --cpus 0,2-4 "
                           "--device a --device b --ios 7 --depth 3"),
                     PERF_PARSED);
    ck_assert_uint_eq(options.read_percent, 70);
    ck_assert_uint_eq(options.block_bytes, 128 << 10);
    ck_assert_uint_eq(options.length, UINT64_C(2) << 30);
    ck_assert_uint_eq(options.cpu_count, 4);
    ck_assert_uint_eq(options.cpus[3], 4);
    ck_assert_uint_eq(options.device_count, 2);
    ck_assert_str_eq(options.devices[1], "b");
    ck_assert_uint_eq(options.seconds, 0);
    ck_assert_uint_eq(options.batch, 1);
    ck_assert(!perf_options_random(&options));
}
END_TEST

START_TEST(writing_needs_consent)
{
    ck_assert_int_eq(parse("--rw write"), PERF_BAD);
    ck_assert_int_eq(parse("--rw randwrite"), PERF_BAD);
    ck_assert_int_eq(parse("--rw randrw --rwmixread 99"), PERF_BAD);
    ck_assert_int_eq(parse("--rw write --destroy"), PERF_PARSED);
    ck_assert_int_eq(parse("--rw randrw --rwmixread 100"), PERF_PARSED);
}
END_TEST

static const char *const wrong[] = {
    "word",
    "--no-such",
    "--rw",
    "--rw sideways",
    "--depth 0",
    "--depth -1",
    "--depth 12x",
    "--depth 65536",
    "--batch 33",
    "--block-size 0",
    "--block-size 1000",
    "--block-size 99999999999999999999",
    "--runtime 0",
    "--ios 0",
    "--rwmixread 101",
    "--cpus 1-",
    "--cpus 3-1",
    "--cpus 1,",
    "--cpus 1;2",
    "--rwmixread 50",
    "--lease l --functions 2",
    "--length 4Q",
    "--cpus 0-9999999999",
    "--interrupt --queue-pairs 2 --threads 1",
};

START_TEST(wrong_lines_are_refused)
{
    ck_assert_int_eq(parse(wrong[_i]), PERF_BAD);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("perf options");
    TCase *tests = tcase_create("options");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(tests, defaults);
    tcase_add_test(tests, values);
    tcase_add_test(tests, writing_needs_consent);
    tcase_add_loop_test(tests, wrong_lines_are_refused, 0, (int)(sizeof(wrong) / sizeof(wrong[0])));
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
