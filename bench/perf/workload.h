/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Chooses the commands of one queue pair: where, and read or write. Pure arithmetic on memory that the caller
 * owns; the same seed gives the same commands.
 */
#ifndef HOMI_BENCH_PERF_WORKLOAD_H
#define HOMI_BENCH_PERF_WORKLOAD_H

#include <stdbool.h>
#include <stdint.h>

struct workload_setup {
    uint64_t offset;      /* of the range, bytes */
    uint64_t chunks;      /* of the range, in command sizes; at least 1 */
    uint64_t first;       /* chunk at which a sequential load starts */
    uint32_t block_bytes; /* of a command */
    uint32_t read_percent;
    bool random;
    uint64_t seed;
};

/* `position` and `write` are the command to send next; the rest is internal. */
struct workload {
    uint64_t position; /* bytes from the start of the namespace */
    bool write, random;
    uint32_t block_bytes, read_percent;
    uint64_t offset, chunks, cursor, state;
};

/* Makes the first command the current one. */
void workload_init(struct workload *workload, const struct workload_setup *setup);
/* Makes the next command the current one. */
void workload_next(struct workload *workload);

#endif
