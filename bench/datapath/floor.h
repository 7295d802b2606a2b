/* SPDX-License-Identifier: BSD-3-Clause */
/* The turns of the floors, the same for both; how they submit and reap is each one's own. */
#ifndef HOMI_BENCH_DATAPATH_FLOOR_H
#define HOMI_BENCH_DATAPATH_FLOOR_H

#include "bench/datapath/bench.h"

/* Puts `count` reads of the buffers named into the queue, from `lba` on, and rings. Returns how many there
 * was room for. */
typedef uint32_t floor_submit(struct bench_queue *queue, const uint64_t *buffers, uint32_t count,
                              uint32_t bytes, uint64_t lba);
/* Takes up to `max` completions and stores their cookies. Returns how many. */
typedef uint32_t floor_reap(struct bench_queue *queue, uint64_t *buffers, uint32_t max);

HOMI_INLINE bool floor_fill(struct bench *bench, floor_submit *submit, floor_reap *reap)
{
    uint64_t buffers[BENCH_DEPTH];

    for (uint64_t i = 0; i < BENCH_DEPTH; i++)
        buffers[i] = BENCH_BASE + i * bench->now.block_bytes;
    for (uint32_t q = 0; q < bench->now.queues; q++) {
        struct bench_queue *queue = &bench->queues[q];

        for (uint32_t i = 0; i < BENCH_ENTRIES; i++)
            queue->cookies[i] = HOMI_COOKIE_NONE;
        queue->cookies[BENCH_ENTRIES] = 0;
        queue->tail = queue->head = 0;
        queue->phase = HOMI_CQE_PHASE;
        if (submit(queue, buffers, BENCH_DEPTH, bench->now.block_bytes, 0) != BENCH_DEPTH)
            return false;
        bench_device_complete(&queue->device, bench->now.batch);
        if (reap(queue, queue->ready, bench->now.batch) != bench->now.batch)
            return false;
    }
    return true;
}

HOMI_INLINE uint64_t floor_run(struct bench *bench, uint64_t turns, uint32_t bytes, uint32_t size,
                               floor_submit *submit, floor_reap *reap)
{
    uint64_t lba = 0, done = 0;
    struct bench_queue *queue = bench->queues, *end = queue + bench->now.queues;

    for (uint64_t turn = 0; turn < turns; turn++) {
        if (submit(queue, queue->ready, size, bytes, lba) != size)
            return 0;
        lba += (uint64_t)size * (bytes >> BENCH_BLOCK_SHIFT);
        bench_device_complete(&queue->device, size);
        done += reap(queue, queue->ready, size);
        if (++queue == end)
            queue = bench->queues;
    }
    return done;
}

#endif
