/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Holds the public API to recorded instructions per I/O: they are repeatable, times are not. What is recorded
 * belongs to a compiler, so that another one is measured and printed, but not judged. Usage: instructions
 * RECORD, whose lines are: compiler, driver (any: sizes known at run time only), block bytes, batch, order,
 * instructions.
 */
#include "bench/datapath/step.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How many instructions may be added before it counts as a regression. */
#define ALLOWED 3.0

#define TEXT2(x) #x
#define TEXT(x)  TEXT2(x)
#if defined(__clang__)
#define COMPILER "clang-" TEXT(__clang_major__)
#else
#define COMPILER "gcc-" TEXT(__GNUC__)
#endif
#if defined(__x86_64__)
#define TARGET COMPILER "-x86_64"
#else
#define TARGET COMPILER "-other"
#endif

static const struct bench_case cases[] = {{4096, 1, 1, false}, {4096, 4, 1, false},   {4096, 32, 1, false},
                                          {4096, 32, 1, true}, {65536, 32, 1, false}, {512, 128, 1, false}};

/* The figure recorded for a case with this compiler, or a negative number. */
static double recorded(const char *path, const struct bench_driver *driver, const struct bench_case *now)
{
    FILE *file = fopen(path, "r");
    double figure = -1, value;
    unsigned bytes, batch;
    char line[128], target[32], name[16], order[16];

    if (file == NULL) {
        perror(path);
        exit(2);
    }
    while (fgets(line, sizeof(line), file) != NULL)
        if (sscanf(line, "%31s %15s %u %u %15s %lf", target, name, &bytes, &batch, order, &value) == 6 &&
            strcmp(target, TARGET) == 0 && strcmp(name, driver->name) == 0 && bytes == now->block_bytes &&
            batch == now->batch && strcmp(order, now->random ? "random" : "fifo") == 0)
            figure = value;
    fclose(file);
    return figure;
}

static bool judge(struct bench *bench, const struct bench_driver *driver, const struct bench_case *now,
                  const char *record, unsigned *passed)
{
    double found = bench_instructions(bench, now, driver), limit = recorded(record, driver, now);
    bool agree = bench_drivers_agree(bench, now);
    bool good = agree && found > 0 && (limit < 0 || found <= limit + ALLOWED);

    printf("%s %s %s %u %u %s %.1f, recorded %.1f%s\n", good ? "ok  " : "FAIL", TARGET, driver->name,
           now->block_bytes, now->batch, now->random ? "random" : "fifo", found, limit,
           agree ? "" : "; the drivers put different commands");
    *passed += good && limit >= 0;
    return good;
}

int main(int argc, char **argv)
{
    static const struct bench_driver *const drivers[] = {&bench_driver_homi, &bench_driver_homi_any};
    struct bench *bench = bench_new();
    unsigned passed = 0, failed = 0;

    if (argc != 2 || bench == NULL) {
        fprintf(stderr, "usage: instructions RECORD\n");
        return 2;
    }
    for (size_t d = 0; d < sizeof(drivers) / sizeof(drivers[0]); d++)
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
            failed += !judge(bench, drivers[d], &cases[i], argv[1], &passed);
    bench_free(bench);
    printf("instructions: %u passed, %u failed\n", passed, failed);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
