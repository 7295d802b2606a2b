/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A thread that drives some of the queue pairs. In its steady state it makes no system call (unless it sleeps
 * for interrupts), reads no clock (unless latencies are asked for), takes no lock and allocates nothing; the
 * time comes from the main thread's ticks.
 */
#ifndef HOMI_BENCH_PERF_WORKER_H
#define HOMI_BENCH_PERF_WORKER_H

#include <homi/homi.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "bench/perf/histogram.h"
#include "bench/perf/workload.h"

#define TICKS_PER_SECOND 10
#define STALL_SECONDS    30

/* What the main thread tells all workers. */
struct pace {
    atomic_uint ticks;
    atomic_bool stop;
};

/* Written by one worker, read by anyone. */
struct counters {
    atomic_uint_fast64_t reads, writes, errors, miscompares, doorbell_writes;
};

/* A queue pair and its commands. Made by the main thread, used by one worker, freed by the main thread. */
struct load_queue {
    struct homi_queue_pair *pair;
    struct homi_queue *queue;
    const struct homi_namespace *namespace;
    const struct homi_region_map *region;
    unsigned char *buffers; /* depth times block_bytes */
    struct workload workload;
    uint64_t left; /* commands to send yet */
    uint32_t *free_slots;
    uint32_t free_count, depth, batch;
    uint64_t *sent_at;   /* per slot, nanoseconds; NULL: latencies are not asked for */
    uint64_t *positions; /* per slot; UINT64_MAX: nothing to check. NULL: no verification */
    uint64_t seed;
} __attribute__((aligned(64)));

struct worker {
    pthread_t thread;
    struct pace *pace;
    struct load_queue **queues;
    size_t queue_count;
    int cpu;                     /* -1: anywhere */
    bool interrupt;              /* there is just one queue then */
    struct histogram *latencies; /* NULL: not asked for */
    struct counters counters;
    atomic_bool done;
    uint64_t finished_at; /* CLOCK_MONOTONIC, nanoseconds */
    uint16_t first_error; /* NVMe status of the first command that failed */
    int result;           /* 0 or why the worker gave up: -ETIMEDOUT, -EIO, -ENODEV, ... */
};

/* The thread's function; its argument is a struct worker. */
void *worker_run(void *worker);

#endif
