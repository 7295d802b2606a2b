/* SPDX-License-Identifier: BSD-3-Clause */
/* homi-perf's histogram against sorted values. */
#include <check.h>
#include <stdlib.h>

#include "bench/perf/histogram.h"

enum { COUNT = 20000 };

static struct histogram first, second;
static uint64_t values[COUNT];

static int compare(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

START_TEST(empty_has_no_percentiles)
{
    ck_assert_uint_eq(histogram_percentile(&first, 50000), 0);
}
END_TEST

START_TEST(small_values_are_exact)
{
    for (uint64_t value = 1; value <= 100; value++)
        histogram_add(&first, value);
    ck_assert_uint_eq(histogram_percentile(&first, 50000), 50);
    ck_assert_uint_eq(histogram_percentile(&first, 99000), 99);
    ck_assert_uint_eq(histogram_percentile(&first, 100000), 100);
    ck_assert_uint_eq(first.min, 1);
    ck_assert_uint_eq(first.sum, 5050);
}
END_TEST

START_TEST(percentiles_are_within_a_64th)
{
    static const uint32_t asked[] = {1, 1000, 50000, 90000, 99000, 99900, 99990, 100000};
    uint64_t state = 1;

    for (int i = 0; i < COUNT; i++) {
        state = state * UINT64_C(6364136223846793005) + 1442695040888963407u;
        values[i] = (state >> 33) >> (state >> 60); /* from nanoseconds to seconds */
        histogram_add(i % 2 ? &first : &second, values[i]);
    }
    histogram_merge(&first, &second);
    qsort(values, COUNT, sizeof(values[0]), compare);
    ck_assert_uint_eq(first.count, COUNT);
    ck_assert_uint_eq(first.min, values[0]);
    ck_assert_uint_eq(first.max, values[COUNT - 1]);
    for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
        uint64_t rank = ((uint64_t)COUNT * asked[i] + 99999) / 100000, right = values[rank - 1];
        uint64_t found = histogram_percentile(&first, asked[i]);

        ck_assert_uint_ge(found, right);
        ck_assert_uint_le(found, right + right / 64);
    }
}
END_TEST

START_TEST(huge_values_count_as_the_largest)
{
    histogram_add(&first, UINT64_MAX);
    ck_assert_uint_eq(first.max, (UINT64_C(1) << HISTOGRAM_VALUE_BITS) - 1);
    ck_assert_uint_eq(histogram_percentile(&first, 50000), first.max);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("perf histogram");
    TCase *tests = tcase_create("histogram");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(tests, empty_has_no_percentiles);
    tcase_add_test(tests, small_values_are_exact);
    tcase_add_test(tests, percentiles_are_within_a_64th);
    tcase_add_test(tests, huge_values_count_as_the_largest);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
