/* SPDX-License-Identifier: BSD-3-Clause */
/* The command line of homi-perf. Texts point into argv. */
#ifndef HOMI_BENCH_PERF_OPTIONS_H
#define HOMI_BENCH_PERF_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PERF_DEVICES_MAX   16
#define PERF_CPUS_MAX      256
#define PERF_FUNCTIONS_MAX 64
#define PERF_PAIRS_MAX     1024

enum perf_rw { PERF_READ, PERF_WRITE, PERF_RANDREAD, PERF_RANDWRITE, PERF_RW, PERF_RANDRW };
/* As on the command line, by enum perf_rw; ends with NULL. */
extern const char *const perf_rw_names[];

struct perf_options {
    const char *socket, *tenant, *lease;
    const char *devices[PERF_DEVICES_MAX];
    size_t device_count;
    enum perf_rw rw;
    uint32_t read_percent; /* by rw and --rwmixread */
    uint32_t namespace_id; /* 0: the first */
    uint32_t block_bytes, depth, batch, queue_pairs, threads, functions, wait_milliseconds;
    uint32_t cpus[PERF_CPUS_MAX];
    size_t cpu_count;
    uint64_t offset, length; /* length 0: to the end */
    uint64_t seconds, ios;   /* 0: no such limit; one of them is set */
    uint64_t seed;
    bool destroy, verify, interrupt, hugepages, latency, json;
};

enum perf_parse { PERF_PARSED, PERF_HELP, PERF_VERSION, PERF_BAD };

/* Names what is wrong on standard error when the result is PERF_BAD; *ret_options is then unspecified. */
enum perf_parse perf_options_parse(int argc, char **argv, struct perf_options *ret_options);
void perf_options_help(void);

bool perf_options_random(const struct perf_options *options);

#endif
