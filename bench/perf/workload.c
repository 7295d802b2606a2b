/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench/perf/workload.h"

/* The generator of Marsaglia (xorshift64): a few instructions, and never 0. */
static uint64_t next_random(struct workload *workload)
{
    workload->state ^= workload->state << 13;
    workload->state ^= workload->state >> 7;
    workload->state ^= workload->state << 17;
    return workload->state;
}

/* A number below `limit` without a division: the high half of a product. */
static uint64_t below(uint64_t random, uint64_t limit)
{
    return (uint64_t)(((unsigned __int128)random * limit) >> 64);
}

static void choose(struct workload *workload)
{
    uint64_t chunk = workload->random ? below(next_random(workload), workload->chunks) : workload->cursor;

    workload->position = workload->offset + chunk * workload->block_bytes;
    if (workload->read_percent == 100)
        workload->write = false;
    else if (workload->read_percent == 0)
        workload->write = true;
    else
        workload->write = below(next_random(workload), 100) >= workload->read_percent;
}

void workload_init(struct workload *workload, const struct workload_setup *setup)
{
    *workload = (struct workload){
        .random = setup->random,
        .block_bytes = setup->block_bytes,
        .read_percent = setup->read_percent,
        .offset = setup->offset,
        .chunks = setup->chunks,
        .cursor = setup->first,
        .state = (setup->seed + 1) * UINT64_C(0x9e3779b97f4a7c15) | 1,
    };
    for (unsigned i = 0; i < 8; i++)
        next_random(workload); /* the first numbers of small seeds resemble each other */
    choose(workload);
}

void workload_next(struct workload *workload)
{
    if (++workload->cursor == workload->chunks)
        workload->cursor = 0;
    choose(workload);
}
