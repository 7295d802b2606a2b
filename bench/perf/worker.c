/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench/perf/worker.h"

#include <errno.h>
#include <sched.h>
#include <time.h>

#include "bench/perf/pattern.h"

#define REAP_MAX  64
#define SLEEP_MS  100
#define UNCHECKED UINT64_MAX

/* Only this thread writes: no locked instruction is needed. */
static void count(atomic_uint_fast64_t *counter, uint64_t more)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + more,
                          memory_order_relaxed);
}

static uint64_t now_nanoseconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void prepare(struct load_queue *load, uint32_t slot, unsigned char *buffer)
{
    const struct workload *next = &load->workload;

    load->positions[slot] = next->write ? UNCHECKED : next->position;
    if (next->write)
        pattern_fill(buffer, next->block_bytes, next->position, load->seed);
    else
        pattern_spoil(buffer, next->block_bytes);
}

static int put(struct load_queue *load, struct homi_batch *batch, uint32_t slot)
{
    const struct workload *next = &load->workload;
    unsigned char *buffer = load->buffers + (size_t)slot * next->block_bytes;
    uint64_t lba = next->position >> load->namespace->block_shift;

    if (load->positions)
        prepare(load, slot, buffer);
    return next->write
               ? homi_batch_write(batch, load->namespace, load->region, buffer, next->block_bytes, lba, slot)
               : homi_batch_read(batch, load->namespace, load->region, buffer, next->block_bytes, lba, slot);
}

/* Sends a batch when there is one. Returns how many went, or a negative errno. */
static int send_batch(struct worker *worker, struct load_queue *load)
{
    uint32_t wanted = load->left < load->batch ? (uint32_t)load->left : load->batch, sent = 0, writes = 0;
    struct homi_batch batch;
    uint64_t now;
    int r = 0;

    if (wanted == 0 || load->free_count < wanted)
        return 0;
    now = load->sent_at ? now_nanoseconds() : 0;
    wanted = load->left < load->free_count ? (uint32_t)load->left : load->free_count;
    batch = homi_batch_begin(load->queue);
    while (sent < wanted) {
        uint32_t slot = load->free_slots[load->free_count - 1];

        r = put(load, &batch, slot);
        if (r != 0)
            break;
        if (load->sent_at)
            load->sent_at[slot] = now;
        writes += load->workload.write;
        load->free_count--;
        sent++;
        workload_next(&load->workload);
    }
    homi_batch_submit(&batch);
    load->left -= sent;
    count(&worker->counters.writes, writes);
    count(&worker->counters.reads, sent - writes);
    count(&worker->counters.doorbell_writes, sent > 0);
    return r == 0 || r == -EAGAIN ? (int)sent : r;
}

/* A command that failed, or whose data is to be looked at. */
static void examine(struct worker *worker, struct load_queue *load, const struct homi_completion *completion)
{
    uint64_t slot = completion->cookie;
    uint32_t bytes = load->workload.block_bytes;

    if (completion->status != 0) {
        if (atomic_load_explicit(&worker->counters.errors, memory_order_relaxed) == 0)
            worker->first_error = homi_nvme_status(completion->status);
        count(&worker->counters.errors, 1);
    } else if (load->positions[slot] != UNCHECKED) {
        bool holds = pattern_holds(load->buffers + slot * bytes, bytes, load->positions[slot], load->seed);
        count(&worker->counters.miscompares, !holds);
    }
}

static uint32_t reap(struct worker *worker, struct load_queue *load)
{
    struct homi_completion completions[REAP_MAX];
    uint32_t found = homi_queue_reap(load->queue, completions, REAP_MAX);
    uint64_t now;

    if (found == 0)
        return 0;
    now = load->sent_at ? now_nanoseconds() : 0;
    for (uint32_t i = 0; i < found; i++) {
        uint32_t slot = (uint32_t)completions[i].cookie;

        if (load->sent_at)
            histogram_add(worker->latencies, now - load->sent_at[slot]);
        if (load->positions || completions[i].status != 0)
            examine(worker, load, &completions[i]);
        load->free_slots[load->free_count++] = slot;
    }
    count(&worker->counters.doorbell_writes, 1);
    return found;
}

/* One round over the queue pairs. Returns how many commands went and came, or a negative errno. */
static int turn(struct worker *worker, bool ending)
{
    int progress = 0;

    for (size_t i = 0; i < worker->queue_count; i++) {
        int sent = ending ? 0 : send_batch(worker, worker->queues[i]);

        if (sent < 0)
            return sent;
        progress += sent + (int)reap(worker, worker->queues[i]);
    }
    return progress;
}

static bool idle(const struct worker *worker)
{
    for (size_t i = 0; i < worker->queue_count; i++)
        if (worker->queues[i]->free_count < worker->queues[i]->depth)
            return false;
    return true;
}

/* Nothing came: looks after the controller at each tick. Returns 0 or a negative errno. */
static int wait_for_progress(struct worker *worker, unsigned *looked, unsigned progressed)
{
    unsigned now = atomic_load_explicit(&worker->pace->ticks, memory_order_relaxed);
    int r = 0;

    if (now != *looked)
        r = homi_queue_health(worker->queues[0]->queue);
    *looked = now;
    if (r == 0 && now - progressed > STALL_SECONDS * TICKS_PER_SECOND)
        r = -ETIMEDOUT;
    if (r == 0 && worker->interrupt) {
        r = homi_queue_pair_wait(worker->queues[0]->pair, SLEEP_MS);
        return r == -ETIMEDOUT ? 0 : r;
    }
    homi_cpu_relax();
    return r;
}

static int drive(struct worker *worker)
{
    unsigned looked = atomic_load(&worker->pace->ticks), progressed = looked;

    for (;;) {
        bool ending = atomic_load_explicit(&worker->pace->stop, memory_order_relaxed);
        int r = turn(worker, ending);

        if (r < 0)
            return r;
        if (r > 0) {
            progressed = atomic_load_explicit(&worker->pace->ticks, memory_order_relaxed);
            continue;
        }
        if (idle(worker))
            return 0;
        r = wait_for_progress(worker, &looked, progressed);
        if (r < 0)
            return r;
    }
}

void *worker_run(void *argument)
{
    struct worker *worker = argument;
    cpu_set_t set;

    if (worker->cpu >= 0) {
        CPU_ZERO(&set);
        CPU_SET((unsigned)worker->cpu, &set);
        worker->result = -pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
    }
    if (worker->result == 0)
        worker->result = drive(worker);
    worker->finished_at = now_nanoseconds();
    atomic_store(&worker->done, true);
    return NULL;
}
