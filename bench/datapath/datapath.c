/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Measures every case and prints a table, and with --json FILE the same for programs.
 * Usage: datapath [--json FILE] [--runs N] [--ios N] [--quick]
 * --quick takes 4 KiB on one queue alone.
 */
#include "bench/datapath/measure.h"
#include "bench/datapath/step.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

static const uint32_t blocks[] = {4096, 512, 65536}, batches[] = {1, 4, 16, 32, 128}, queues[] = {1, 16};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct options {
    const char *json;
    uint32_t runs;
    uint64_t ios;
    bool quick;
};

static void print_json(FILE *json, const struct bench_case *now, const struct bench_figures *figures,
                       double instructions, double floor_instructions)
{
    const char *order = now->random ? "random" : "fifo";

    fprintf(json,
            "%s\n  {\"name\": \"read-%u-b%u-%s-q%u\", \"block_bytes\": %u, \"batch\": %u, \"order\": \"%s\", "
            "\"queues\": %u, \"homi_ns\": %.3f, \"floor_ns\": %.3f, \"ratio\": %.3f, \"instructions\": %.1f, "
            "\"floor_instructions\": %.1f, \"least_ns\": %.3f, \"any_ns\": %.3f, \"device_ns\": %.3f}",
            ftell(json) > 20 ? "," : "", now->block_bytes, now->batch, order, now->queues, now->block_bytes,
            now->batch, order, now->queues, figures->homi_ns, figures->floor_ns, figures->ratio, instructions,
            floor_instructions, figures->least_ns, figures->any_ns, figures->device_ns);
}

static bool measure_case(struct bench *bench, const struct bench_case *now, const struct options *options,
                         FILE *json)
{
    struct bench_figures figures;
    double instructions, floor_instructions;

    if (!bench_drivers_agree(bench, now)) {
        fprintf(stderr, "datapath: the drivers put different commands: %u B, batch %u\n", now->block_bytes,
                now->batch);
        return false;
    }
    if (!bench_measure(bench, now, options->runs, options->ios, &figures)) {
        fprintf(stderr, "datapath: a driver lost a command: %u B, batch %u\n", now->block_bytes, now->batch);
        return false;
    }
    instructions = bench_instructions(bench, now, &bench_driver_homi);
    floor_instructions = bench_instructions(bench, now, &bench_driver_floor);
    printf("%6u %6u %5u  %-6s %7.2f %7.2f %7.2f %7.2f %7.2f %7.2f %7.1f %7.1f\n", now->block_bytes,
           now->queues, now->batch, now->random ? "random" : "fifo", figures.device_ns, figures.least_ns,
           figures.floor_ns, figures.homi_ns, figures.ratio, figures.any_ns, floor_instructions,
           instructions);
    fflush(stdout);
    if (json != NULL)
        print_json(json, now, &figures, instructions, floor_instructions);
    return true;
}

static bool measure_all(struct bench *bench, const struct options *options, FILE *json)
{
    printf(
        "ns per I/O, net of the device but for its own column; any: homi with sizes known at run time only; "
        "instructions without the device's\n");
    printf("%6s %6s %5s  %-6s %7s %7s %7s %7s %7s %7s %7s %7s\n", "bytes", "queues", "batch", "order",
           "device", "least", "floor", "homi", "ratio", "any", "floor i", "homi i");
    for (size_t b = 0; b < (options->quick ? 1 : COUNT(blocks)); b++)
        for (size_t q = 0; q < (options->quick ? 1 : COUNT(queues)); q++)
            for (int random = 0; random < 2; random++)
                for (size_t i = 0; i < COUNT(batches); i++) {
                    struct bench_case now = {blocks[b], batches[i], queues[q], random != 0};

                    if (!measure_case(bench, &now, options, json))
                        return false;
                }
    return true;
}

static bool parse(int argc, char **argv, struct options *options)
{
    static const struct option known[] = {{"json", required_argument, NULL, 'j'},
                                          {"runs", required_argument, NULL, 'r'},
                                          {"ios", required_argument, NULL, 'i'},
                                          {"quick", no_argument, NULL, 'q'},
                                          {0}};
    int letter;

    while ((letter = getopt_long(argc, argv, "", known, NULL)) != -1) {
        switch (letter) {
        case 'j': options->json = optarg; break;
        case 'r': options->runs = (uint32_t)strtoul(optarg, NULL, 10); break;
        case 'i': options->ios = strtoull(optarg, NULL, 10); break;
        case 'q': options->quick = true; break;
        default: return false;
        }
    }
    return optind == argc && options->runs >= 1 && options->runs <= BENCH_RUNS_MAX && options->ios >= 1000;
}

int main(int argc, char **argv)
{
    struct options options = {NULL, 9, 1000000, false};
    struct bench *bench = NULL;
    FILE *json = NULL;
    bool good = false;

    if (!parse(argc, argv, &options)) {
        fprintf(stderr, "usage: datapath [--json FILE] [--runs 1..%u] [--ios N] [--quick]\n", BENCH_RUNS_MAX);
        return 2;
    }
    bench = bench_new();
    if (options.json != NULL)
        json = fopen(options.json, "w");
    if (bench == NULL || (options.json != NULL && json == NULL)) {
        perror("datapath");
        goto out;
    }
    if (json != NULL)
        fprintf(json, "{\"results\": [");
    good = measure_all(bench, &options, json);
    if (json != NULL)
        fprintf(json, "\n]}\n");
out:
    if (json != NULL && fclose(json) != 0)
        good = false;
    bench_free(bench);
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
