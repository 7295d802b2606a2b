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
    struct homi_queue homi;
    volatile uint32_t doorbells[2] __attribute__((aligned(64)));
    struct homi_nvme_command *sq;
    struct homi_nvme_completion *cq;
    uint64_t *cookies;
    struct bench_device device;

    struct homi_completion completions[BENCH_BATCH_MAX];

    /* The floors' state; `ready` holds the buffers that came back last. */
    uint64_t ready[BENCH_BATCH_MAX];
    uint32_t tail;
    uint32_t head;
    uint32_t phase; /* HOMI_CQE_PHASE or 0 */
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
 * Defines run() from run_sized(bench, turns, bytes, batch), with the sizes of each case as constants, as a
 * program that is written for one size has them: floors and public API alike. Each is a function of its own,
 * so that the compiler's choices for one do not fall on the others.
 */
#define BENCH_SIZES(each)                                                                                    \
    each(512, 1) each(512, 4) each(512, 16) each(512, 32) each(512, 128) each(4096, 1) each(4096, 4)         \
        each(4096, 16) each(4096, 32) each(4096, 128) each(65536, 1) each(65536, 4) each(65536, 16)          \
            each(65536, 32) each(65536, 128)
#define BENCH_SIZED_FUNCTION(bytes, size)                                                                    \
    static __attribute__((noinline)) uint64_t run_##bytes##_##size(struct bench *bench, uint64_t turns)      \
    {                                                                                                        \
        return run_sized(bench, turns, bytes, size);                                                         \
    }
#define BENCH_SIZED_CALL(bytes, size)                                                                        \
    if (bench->now.block_bytes == (bytes) && bench->now.batch == (size))                                     \
        return run_##bytes##_##size(bench, turns);
#define BENCH_DEFINE_RUN                                                                                     \
    BENCH_SIZES(BENCH_SIZED_FUNCTION)                                                                        \
    static uint64_t run(struct bench *bench, uint64_t turns)                                                 \
    {                                                                                                        \
        BENCH_SIZES(BENCH_SIZED_CALL)                                                                        \
        return 0;                                                                                            \
    }

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
/* The same, with sizes that only the running program knows. */
extern const struct bench_driver bench_driver_homi_any;

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
