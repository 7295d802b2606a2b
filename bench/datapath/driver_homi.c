/* SPDX-License-Identifier: BSD-3-Clause */
/* The public inline API, used as a tenant would: every refusal is looked at. */
#include "bench/datapath/bench.h"

static bool fill(struct bench *bench)
{
    for (uint32_t q = 0; q < bench->now.queues; q++) {
        struct bench_queue *queue = &bench->queues[q];
        struct homi_queue_setup setup = {
            .sq = queue->sq,
            .cq = queue->cq,
            .sq_doorbell = &queue->doorbells[0],
            .cq_doorbell = &queue->doorbells[1],
            .cookies = queue->cookies,
            .entries = BENCH_ENTRIES,
            .page_bytes = BENCH_PAGE,
            .max_transfer_bytes = 1u << 20,
        };
        struct homi_batch batch;
        uint32_t bytes = bench->now.block_bytes;

        if (homi_queue_init(&queue->homi, &setup) != 0)
            return false;
        batch = homi_batch_begin(&queue->homi);
        for (uint32_t i = 0; i < BENCH_DEPTH; i++) {
            unsigned char *buffer = bench->base + (size_t)i * bytes;

            if (homi_batch_read(&batch, &bench->ns, &bench->region, buffer, bytes,
                                (uint64_t)i * (bytes >> BENCH_BLOCK_SHIFT), (uintptr_t)buffer) != 0)
                return false;
        }
        homi_batch_submit(&batch);
        bench_device_complete(&queue->device, bench->now.batch);
        if (homi_queue_reap(&queue->homi, queue->completions, bench->now.batch) != bench->now.batch)
            return false;
    }
    return true;
}

HOMI_INLINE uint64_t run_sized(struct bench *bench, uint64_t turns, uint32_t bytes, uint32_t size)
{
    /* Copies that nothing else can change let the compiler keep what follows from them across the loop. */
    const struct homi_namespace ns = bench->ns;
    const struct homi_region_map region = bench->region;
    uint64_t lba = 0, done = 0;
    struct bench_queue *queue = bench->queues, *end = queue + bench->now.queues;

    for (uint64_t turn = 0; turn < turns; turn++) {
        struct homi_batch batch = homi_batch_begin(&queue->homi);

        for (uint32_t i = 0; i < size; i++) {
            uint64_t buffer = queue->completions[i].cookie;

            if (homi_batch_read(&batch, &ns, &region, (void *)(uintptr_t)buffer, bytes, lba, buffer) != 0)
                return 0;
            lba += bytes >> BENCH_BLOCK_SHIFT;
        }
        homi_batch_submit(&batch);
        bench_device_complete(&queue->device, size);
        done += homi_queue_reap(&queue->homi, queue->completions, size);
        if (++queue == end)
            queue = bench->queues;
    }
    return done;
}

BENCH_DEFINE_RUN

static uint64_t run_any(struct bench *bench, uint64_t turns)
{
    return run_sized(bench, turns, bench->now.block_bytes, bench->now.batch);
}

const struct bench_driver bench_driver_homi = {"homi", fill, run};
const struct bench_driver bench_driver_homi_any = {"any", fill, run_any};
