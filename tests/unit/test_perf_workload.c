/* SPDX-License-Identifier: BSD-3-Clause */
/* The commands that homi-perf chooses, and the data by which it verifies. */
#include <check.h>
#include <string.h>

#include "bench/perf/pattern.h"
#include "bench/perf/workload.h"

enum { CHUNKS = 100, BLOCK_BYTES = 8192, COMMANDS = 100000 };

static struct workload_setup setup = {
    .offset = 12288, .chunks = CHUNKS, .block_bytes = BLOCK_BYTES, .read_percent = 70, .random = true};
static unsigned seen[CHUNKS];

static uint64_t chunk_of(const struct workload *workload)
{
    uint64_t place = workload->position - setup.offset;

    ck_assert_uint_ge(workload->position, setup.offset);
    ck_assert_uint_eq(place % BLOCK_BYTES, 0);
    ck_assert_uint_lt(place / BLOCK_BYTES, CHUNKS);
    return place / BLOCK_BYTES;
}

START_TEST(random_covers_the_range_evenly_in_the_asked_mix)
{
    struct workload workload;
    unsigned writes = 0;

    setup.seed = (uint64_t)_i;
    workload_init(&workload, &setup);
    for (unsigned i = 0; i < COMMANDS; i++, workload_next(&workload)) {
        seen[chunk_of(&workload)]++;
        writes += workload.write;
    }
    for (unsigned i = 0; i < CHUNKS; i++) {
        ck_assert_uint_gt(seen[i], COMMANDS / CHUNKS * 8 / 10);
        ck_assert_uint_lt(seen[i], COMMANDS / CHUNKS * 12 / 10);
    }
    ck_assert_uint_gt(writes, COMMANDS * 29 / 100);
    ck_assert_uint_lt(writes, COMMANDS * 31 / 100);
}
END_TEST

START_TEST(sequential_goes_around_from_where_it_starts)
{
    struct workload workload;

    setup.random = false;
    setup.first = 97;
    workload_init(&workload, &setup);
    for (unsigned i = 0; i < 3 * CHUNKS; i++, workload_next(&workload))
        ck_assert_uint_eq(chunk_of(&workload), (97 + i) % CHUNKS);
}
END_TEST

START_TEST(pure_loads_are_pure)
{
    struct workload workload;

    setup.read_percent = _i == 0 ? 0 : 100;
    workload_init(&workload, &setup);
    for (unsigned i = 0; i < 1000; i++, workload_next(&workload))
        ck_assert_int_eq(workload.write, _i == 0);
}
END_TEST

START_TEST(seeds_give_different_commands)
{
    struct workload one, other;
    unsigned same = 0;

    workload_init(&one, &setup);
    setup.seed = 1;
    workload_init(&other, &setup);
    for (unsigned i = 0; i < 1000; i++, workload_next(&one), workload_next(&other))
        same += one.position == other.position;
    ck_assert_uint_lt(same, 100);
}
END_TEST

START_TEST(pattern_tells_place_seed_and_damage)
{
    uint64_t buffer[512];
    unsigned char *bytes = (unsigned char *)buffer;

    pattern_fill(buffer, sizeof(buffer), 4096, 7);
    ck_assert(pattern_holds(buffer, sizeof(buffer), 4096, 7));
    ck_assert(pattern_holds(buffer + 64, 512, 4096 + 512, 7));
    ck_assert(!pattern_holds(buffer, sizeof(buffer), 8192, 7));
    ck_assert(!pattern_holds(buffer, sizeof(buffer), 4096, 8));
    bytes[4095] ^= 1;
    ck_assert(!pattern_holds(buffer, sizeof(buffer), 4096, 7));
    pattern_spoil(buffer, sizeof(buffer));
    ck_assert(!pattern_holds(buffer, 512, 4096, 7));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("perf workload");
    TCase *tests = tcase_create("workload");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_loop_test(tests, random_covers_the_range_evenly_in_the_asked_mix, 0, 4);
    tcase_add_test(tests, sequential_goes_around_from_where_it_starts);
    tcase_add_loop_test(tests, pure_loads_are_pure, 0, 2);
    tcase_add_test(tests, seeds_give_different_commands);
    tcase_add_test(tests, pattern_tells_place_seed_and_damage);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
