/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench/datapath/bench.h"

#include <stdlib.h>
#include <string.h>

#define BUFFERS_MAX_BYTES (BENCH_DEPTH * (1ull << 20))

/* Both orders for rings of BENCH_ENTRIES: first come first served, and random. */
static uint16_t orders[2][BENCH_ORDER_LAPS * BENCH_ENTRIES];

static void *pages(size_t bytes)
{
    void *memory = aligned_alloc(BENCH_PAGE, (bytes + BENCH_PAGE - 1) / BENCH_PAGE * BENCH_PAGE);

    if (memory != NULL)
        memset(memory, 0, bytes);
    return memory;
}

struct bench *bench_new(void)
{
    struct bench *bench = pages(sizeof(*bench));
    bool complete;

    if (bench == NULL)
        return NULL;
    bench->queues = pages(BENCH_QUEUES_MAX * sizeof(*bench->queues));
    bench->table = pages(homi_region_prp_table_bytes(BUFFERS_MAX_BYTES, BENCH_PAGE));
    complete = bench->queues != NULL && bench->table != NULL;
    for (uint32_t q = 0; complete && q < BENCH_QUEUES_MAX; q++) {
        struct bench_queue *queue = &bench->queues[q];

        queue->sq = pages(BENCH_ENTRIES * sizeof(*queue->sq));
        queue->cq = pages(BENCH_ENTRIES * sizeof(*queue->cq));
        queue->cookies = pages((BENCH_ENTRIES + 1) * sizeof(*queue->cookies));
        complete = queue->sq != NULL && queue->cq != NULL && queue->cookies != NULL;
    }
    if (!complete) {
        bench_free(bench);
        return NULL;
    }
    bench_device_order(orders[0], BENCH_ENTRIES, false);
    bench_device_order(orders[1], BENCH_ENTRIES, true);
    return bench;
}

void bench_free(struct bench *bench)
{
    if (bench == NULL)
        return;
    for (uint32_t q = 0; bench->queues != NULL && q < BENCH_QUEUES_MAX; q++) {
        free(bench->queues[q].sq);
        free(bench->queues[q].cq);
        free(bench->queues[q].cookies);
    }
    free(bench->queues);
    free(bench->table);
    free(bench);
}

bool bench_start(struct bench *bench, const struct bench_case *now, const struct bench_driver *driver)
{
    bench->now = *now;
    /* Nothing reads or writes a buffer, so its addresses need no memory behind them. */
    bench->base = (unsigned char *)(uintptr_t)BENCH_BASE;
    if (homi_namespace_init(&bench->ns, BENCH_NSID, 1u << BENCH_BLOCK_SHIFT, UINT64_MAX) != 0 ||
        homi_region_map_init(&bench->region, bench->base, (uint64_t)BENCH_DEPTH * now->block_bytes,
                             BENCH_IOVA) != 0 ||
        homi_region_map_prebuild(&bench->region, BENCH_PAGE, bench->table, BENCH_TABLE_IOVA) != 0)
        return false;
    for (uint32_t q = 0; q < now->queues; q++) {
        struct bench_queue *queue = &bench->queues[q];

        memset(queue->sq, 0, BENCH_ENTRIES * sizeof(*queue->sq));
        memset(queue->cq, 0, BENCH_ENTRIES * sizeof(*queue->cq));
        queue->device = (struct bench_device){
            .cq = queue->cq,
            .order = orders[now->random],
            .entries = BENCH_ENTRIES,
            .lap_end = BENCH_ENTRIES,
            .phase = 1,
        };
    }
    return driver->fill(bench);
}

/* The commands that a driver puts into the first queue, less the places of lists. */
static bool first_commands(struct bench *bench, const struct bench_case *now,
                           const struct bench_driver *driver, struct homi_nvme_command *ret_commands)
{
    if (!bench_start(bench, now, driver))
        return false;
    memcpy(ret_commands, bench->queues[0].sq, BENCH_DEPTH * sizeof(*ret_commands));
    if (now->block_bytes <= 2 * BENCH_PAGE)
        return true;
    for (uint32_t i = 0; i < BENCH_DEPTH; i++) {
        if (ret_commands[i].prp2 < BENCH_TABLE_IOVA || ret_commands[i].prp2 % 8 != 0)
            return false;
        ret_commands[i].prp2 = 0;
    }
    return true;
}

bool bench_drivers_agree(struct bench *bench, const struct bench_case *now)
{
    struct homi_nvme_command homi[BENCH_DEPTH], floor[BENCH_DEPTH], least[BENCH_DEPTH];

    return first_commands(bench, now, &bench_driver_homi, homi) &&
           first_commands(bench, now, &bench_driver_floor, floor) &&
           first_commands(bench, now, &bench_driver_least, least) && memcmp(homi, floor, sizeof(homi)) == 0 &&
           memcmp(homi, least, sizeof(homi)) == 0;
}
