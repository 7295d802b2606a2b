/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The data-path benchmark: what a driver costs per I/O when the device costs next to nothing.
 *
 * Each driver keeps DEPTH reads in flight on each queue. A turn submits a batch on one queue and rings its
 * doorbell, the device posts as many completions of older commands, and the driver reaps them; the cookies
 * that come back are the addresses of the next batch's buffers. All drivers do this same work on the same
 * rings; buffers are addresses, never touched.
 */
#ifndef HOMI_BENCH_DATAPATH_BENCH_H
#define HOMI_BENCH_DATAPATH_BENCH_H

#include <homi/io.h>

#include "bench/datapath/device.h"

#define BENCH_DEPTH       128u
#define BENCH_ENTRIES     192u
#define BENCH_QUEUES_MAX  16u
#define BENCH_BATCH_MAX   BENCH_DEPTH
#define BENCH_PAGE        4096u
#define BENCH_BLOCK_SHIFT 9u
#define BENCH_NSID        1u
#define BENCH_BASE        0x100000000000ull
#define BENCH_IOVA        0x4000000000ull
#define BENCH_TABLE_IOVA  0x8000000000ull

struct bench_case {
    uint32_t block_bytes;
    uint32_t batch;
    uint32_t queues;
    bool random;
};

/* One queue as all drivers share it; what a driver needs beside it is in the members after `doorbells`. */
struct bench_queue {
    volatile uint32_t doorbells[2] __attribute__((aligned(64)));
    struct homi_nvme_command *sq;
    struct homi_nvme_completion *cq;
    uint64_t *cookies;
    struct bench_device device;

    struct homi_queue homi;
    struct homi_completion completions[BENCH_BATCH_MAX];

    /* The floors' state; `ready` holds the buffers that came back last. */
    uint64_t ready[BENCH_BATCH_MAX];
    uint32_t tail;
    uint32_t head;
    uint32_t phase;
    uint32_t inflight;
};

/* What a case works on. Buffers lie at `base`, which the device sees at BENCH_IOVA; `table` is their PRP
 * table. */
struct bench {
    struct bench_case now;
    struct homi_namespace ns;
    struct homi_region_map region;
    unsigned char *base;
    void *table;
    struct bench_queue *queues;
};

/*
 * A driver. fill() puts the first DEPTH commands into each queue, a buffer's address as its cookie, and
 * leaves `batch` cookies to be submitted; run() takes `turns` turns and returns how many commands it
 * completed, 0 when one failed.
 */
struct bench_driver {
    const char *name;
    bool (*fill)(struct bench *bench);
    uint64_t (*run)(struct bench *bench, uint64_t turns);
};

extern const struct bench_driver bench_driver_none;
extern const struct bench_driver bench_driver_least;
extern const struct bench_driver bench_driver_floor;
extern const struct bench_driver bench_driver_homi;

/* Allocates the rings; bench_start() makes them ready for a case and a driver. NULL, or false, when that
 * fails. */
struct bench *bench_new(void);
void bench_free(struct bench *bench);
bool bench_start(struct bench *bench, const struct bench_case *now, const struct bench_driver *driver);

/*
 * Whether the drivers put the same commands into the rings, byte for byte: a floor that does not is none. But
 * for where their PRP lists lie: each has them where it finds them soonest.
 */
bool bench_drivers_agree(struct bench *bench, const struct bench_case *now);

#endif
