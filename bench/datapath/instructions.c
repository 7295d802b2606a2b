/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Holds the public API to recorded instructions per I/O: they are repeatable, times are not. What is recorded
 * belongs to a compiler, so that another one is measured and printed, but not judged. Usage: instructions
 * RECORD, whose lines are: compiler, block bytes, batch, instructions.
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
static double recorded(const char *path, const struct bench_case *now)
{
    FILE *file = fopen(path, "r");
    double figure = -1, value;
    unsigned bytes, batch;
    char line[128], target[32], order[16];

    if (file == NULL) {
        perror(path);
        exit(2);
    }
    while (fgets(line, sizeof(line), file) != NULL)
        if (sscanf(line, "%31s %u %u %15s %lf", target, &bytes, &batch, order, &value) == 5 &&
            strcmp(target, TARGET) == 0 && bytes == now->block_bytes && batch == now->batch &&
            strcmp(order, now->random ? "random" : "fifo") == 0)
            figure = value;
    fclose(file);
    return figure;
}

int main(int argc, char **argv)
{
    struct bench *bench = bench_new();
    unsigned passed = 0, failed = 0;

    if (argc != 2 || bench == NULL) {
        fprintf(stderr, "usage: instructions RECORD\n");
        return 2;
    }
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        double found = bench_instructions(bench, &cases[i], &bench_driver_homi),
               limit = recorded(argv[1], &cases[i]);
        bool agree = bench_drivers_agree(bench, &cases[i]);
        bool good = agree && found > 0 && (limit < 0 || found <= limit + ALLOWED);

        printf("%s %s %u %u %s %.1f, recorded %.1f%s\n", good ? "ok  " : "FAIL", TARGET, cases[i].block_bytes,
               cases[i].batch, cases[i].random ? "random" : "fifo", found, limit,
               agree ? "" : "; the drivers put different commands");
        passed += good && limit >= 0;
        failed += !good;
    }
    bench_free(bench);
    printf("instructions: %u passed, %u failed\n", passed, failed);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
