/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/tenants/common/load.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/tenants/common/pattern.h"
#include "tests/tenants/common/ticks.h"

#define REAP_MAX       64
#define COMPLAINTS_MAX 10
#define SLEEP_MS       1000

/* A command's place: its buffer and what it does. */
struct slot {
    uint8_t *buffer;
    uint64_t block;      /* of the worker's part */
    uint64_t generation; /* written, or expected */
    bool write, check;
};

/* One for each command-sized part of the range. */
struct block {
    uint32_t generation : 31; /* 0: this process has not written it */
    uint32_t busy : 1;
};

/* A queue pair and its part of the range. */
struct worker {
    struct homi_queue_pair *pair;
    struct homi_queue *queue;
    uint64_t first, count; /* blocks of the range */
    uint64_t cursor;
    struct block *blocks;
    struct slot *slots;
    uint32_t *free_slots;
    uint32_t free_count;
    struct slot *pending; /* prepared, but the queue was full */
    uint32_t *again;      /* slots whose commands a reset took: they are sent again, as they were */
    uint32_t again_count;
    uint64_t random;
};

struct load {
    struct load_options options;
    struct homi_lease *lease;
    double progressed; /* wall clock, as of the last tick; only where the load recovers */
    bool recovering;   /* nothing has completed since */
    struct homi_memory *memory;
    struct worker *workers;
    struct pollfd *polls;
    enum load_job job;
    uint64_t generation; /* of the next LOAD_WRITE */
    uint64_t issued, commands_max;
    unsigned complaints;
    bool wrote, measured;
    struct report *report;
};

static uint64_t next_random(struct worker *worker)
{
    worker->random ^= worker->random << 13;
    worker->random ^= worker->random >> 7;
    worker->random ^= worker->random << 17;
    return worker->random;
}

static uint64_t position(const struct load *load, const struct worker *worker, const struct slot *slot)
{
    return load->options.offset + (worker->first + slot->block) * load->options.block_bytes;
}

static void expect(const struct load *load, const struct worker *worker, struct slot *slot)
{
    uint32_t own = worker->blocks[slot->block].generation;

    slot->write = false;
    slot->check = load->job != LOAD_READ;
    slot->generation = own != 0 ? own : load->options.generation;
}

/* Chooses what to do next; false when there is nothing now. */
static bool choose(struct load *load, struct worker *worker, struct slot *slot)
{
    bool pass = load->job == LOAD_WRITE || load->job == LOAD_VERIFY;

    if (load->commands_max != 0 && load->issued == load->commands_max)
        return false;
    while (load->job == LOAD_VERIFY && load->wrote && worker->cursor < worker->count &&
           worker->blocks[worker->cursor].generation == 0)
        worker->cursor++; /* a pass of writes that was cut short did not reach it */
    if (pass && worker->cursor == worker->count)
        return false;
    slot->block = pass ? worker->cursor : next_random(worker) % worker->count;
    if (worker->blocks[slot->block].busy)
        return false; /* two commands on one block would have no defined outcome */
    expect(load, worker, slot);
    if (load->job == LOAD_WRITE || (load->job == LOAD_MIXED && next_random(worker) % 2 == 0)) {
        load->wrote = slot->write = true;
        slot->generation =
            load->job == LOAD_WRITE ? load->generation : worker->blocks[slot->block].generation + 1u;
    }
    worker->cursor += pass;
    worker->blocks[slot->block].busy = load->job != LOAD_READ;
    load->issued++;
    return true;
}

/* A read that moved nothing must not find what an earlier command left in the buffer. */
static void spoil(uint8_t *buffer, size_t bytes)
{
    for (size_t at = 0; at < bytes; at += PATTERN_UNIT_BYTES)
        *(uint64_t *)(void *)(buffer + at) = 0;
}

static void prepare(const struct load *load, const struct worker *worker, struct slot *slot)
{
    uint32_t bytes = load->options.block_bytes;

    if (slot->write)
        pattern_fill(slot->buffer, bytes, position(load, worker, slot), load->options.seed, slot->generation);
    else if (slot->check)
        spoil(slot->buffer, bytes);
}

static int put(const struct load *load, const struct worker *worker, struct slot *slot,
               struct homi_batch *batch)
{
    const struct homi_namespace *namespace = load->options.namespace;
    const struct homi_region_map *region = homi_memory_region(load->memory);
    uint64_t lba = position(load, worker, slot) >> namespace->block_shift;
    uint64_t cookie = (uint64_t)(slot - worker->slots);
    uint32_t bytes = load->options.block_bytes;

    return slot->write ? homi_batch_write(batch, namespace, region, slot->buffer, bytes, lba, cookie)
                       : homi_batch_read(batch, namespace, region, slot->buffer, bytes, lba, cookie);
}

/* Fills the queue. Returns how many commands went, or what the data path says of one that it would not take.
 */
static int issue(struct load *load, struct worker *worker)
{
    int count = 0;
    struct homi_batch batch = homi_batch_begin(worker->queue);
    int r = 0;

    while (worker->pending || worker->again_count > 0 || worker->free_count > 0) {
        struct slot *slot = worker->pending;

        if (!slot && worker->again_count > 0) {
            slot = &worker->slots[worker->again[--worker->again_count]];
            prepare(load, worker, slot);
        }
        if (!slot) {
            slot = &worker->slots[worker->free_slots[worker->free_count - 1]];
            if (!choose(load, worker, slot))
                break;
            worker->free_count--;
            prepare(load, worker, slot);
        }
        r = put(load, worker, slot, &batch);
        worker->pending = r == -EAGAIN ? slot : NULL;
        if (r != 0)
            break;
        count++;
    }
    load->report->doorbell_writes += count > 0;
    homi_batch_submit(&batch);
    return r == 0 || r == -EAGAIN ? count : r;
}

static void complain(struct load *load, const struct worker *worker, const struct slot *slot, uint16_t status,
                     const struct pattern_result *result)
{
    if (load->complaints++ >= COMPLAINTS_MAX)
        return;
    if (status == 0)
        pattern_complain(result);
    else
        fprintf(stderr, "error: %s at byte %" PRIu64 ": %s (0x%03x)\n", slot->write ? "write" : "read",
                position(load, worker, slot), report_status_name(status), homi_nvme_status(status));
}

static void finish(struct load *load, struct worker *worker, const struct homi_completion *done)
{
    struct slot *slot = &worker->slots[done->cookie];
    struct pattern_result result = {.defect = PATTERN_OK};

    worker->free_slots[worker->free_count++] = (uint32_t)done->cookie;
    worker->blocks[slot->block].busy = 0;
    if (load->measured) {
        load->report->writes += slot->write;
        load->report->reads += !slot->write;
    }
    if (done->status != 0) {
        load->report->errors++;
    } else if (slot->write) {
        worker->blocks[slot->block].generation = (uint32_t)slot->generation & INT32_MAX;
    } else if (slot->check) {
        result = pattern_check(slot->buffer, load->options.block_bytes, position(load, worker, slot),
                               load->options.seed, slot->generation);
        load->report->verified += result.defect == PATTERN_OK;
        load->report->miscompares += result.defect != PATTERN_OK;
    }
    if (done->status != 0 || result.defect != PATTERN_OK)
        complain(load, worker, slot, done->status, &result);
}

static uint32_t reap(struct load *load, struct worker *worker)
{
    struct homi_completion done[REAP_MAX];
    uint32_t count = homi_queue_reap(worker->queue, done, REAP_MAX);

    load->report->doorbell_writes += count > 0;
    for (uint32_t i = 0; i < count; i++)
        finish(load, worker, &done[i]);
    return count;
}

/* Sleeps until an interrupt or about so long. */
static int sleep_for_completions(struct load *load)
{
    uint32_t count = load->options.queue_pairs;
    int r = 0;

    if (count == 1) {
        r = homi_queue_pair_wait(load->workers[0].pair, SLEEP_MS);
        return r == -ETIMEDOUT ? 0 : r;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (homi_queue_posted(load->workers[i].queue))
            return 0;
    }
    if (poll(load->polls, count, SLEEP_MS) < 0 && errno != EINTR)
        return -errno;
    for (uint32_t i = 0; i < count && (r == 0 || r == -ETIMEDOUT); i++)
        r = homi_queue_pair_wait(load->workers[i].pair, 0);
    return r == -ETIMEDOUT ? 0 : r;
}

/* Those that are to be sent again included. */
static uint32_t in_flight(const struct load *load)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < load->options.queue_pairs; i++) {
        const struct worker *worker = &load->workers[i];
        count += load->options.depth - worker->free_count - (worker->pending != NULL);
    }
    return count;
}

/* A command that was prepared but will not be sent. */
static void drop_pending(struct worker *worker)
{
    if (!worker->pending)
        return;
    worker->free_slots[worker->free_count++] = (uint32_t)(worker->pending - worker->slots);
    worker->blocks[worker->pending->block].busy = 0;
    worker->pending = NULL;
}

/* One round over the queue pairs. Returns 0 and how many commands went and came. */
static int turn(struct load *load, bool ending, uint32_t *ret_progress)
{
    uint32_t progress = 0;

    for (uint32_t i = 0; i < load->options.queue_pairs; i++) {
        struct worker *worker = &load->workers[i];
        int r;

        if (ending && worker->again_count == 0)
            drop_pending(worker);
        r = ending && worker->again_count == 0 ? 0 : issue(load, worker);
        if (r < 0)
            return r;
        progress += (uint32_t)r + reap(load, worker);
    }
    *ret_progress = progress;
    return 0;
}

/* ---- after a reset ---- */

static void on_lost(void *user, struct homi_queue_pair *pair, uint64_t cookie)
{
    struct load *load = user;

    for (uint32_t i = 0; i < load->options.queue_pairs; i++) {
        struct worker *worker = &load->workers[i];
        if (worker->pair == pair)
            worker->again[worker->again_count++] = (uint32_t)cookie;
    }
}

static int recover(struct load *load)
{
    int r;

    for (uint32_t i = 0; i < load->options.queue_pairs; i++)
        reap(load, &load->workers[i]);
    do
        r = homi_recover(load->lease, on_lost, load);
    while (r == HOMI_REFUSED_FUNCTION_RESET);
    for (uint32_t i = 0; i < load->options.queue_pairs; i++)
        load->polls[i].fd = homi_queue_pair_event_fd(load->workers[i].pair);
    load->report->recoveries++;
    load->recovering = true;
    return r;
}

static int sleep_or_recover(struct load *load)
{
    int r = sleep_for_completions(load);

    return load->options.recovers && (r == -EIO || r == -ENODEV) ? recover(load) : r;
}

/* Once a tick. */
static int look_after(struct load *load, bool progress)
{
    int r = homi_queue_health(load->workers[0].queue);
    struct homi_event event;
    double now;

    if (!load->options.recovers)
        return r;
    now = ticks_wall_seconds();
    if (progress && load->recovering) {
        load->recovering = false;
        if (now - load->progressed > load->report->outage_seconds)
            load->report->outage_seconds = now - load->progressed;
    }
    if (progress)
        load->progressed = now;
    while (r >= 0 && (r = homi_event_next(load->options.recovers, &event)) > 0)
        if (event.kind == HOMI_EVENT_FUNCTION_RESET)
            r = -EIO;
    return r == -EIO || r == -ENODEV ? recover(load) : r;
}

static int drive(struct load *load, unsigned end)
{
    unsigned progressed = ticks_now(), checked = progressed;
    bool ending = false, progressed_since = true;

    for (;;) {
        unsigned now = ticks_now();
        uint32_t progress = 0;
        int r;

        ending = ending || ticks_stopped() || (end != 0 && now >= end);
        r = turn(load, ending, &progress);
        if (r == 0 && now != checked)
            r = look_after(load, progressed_since);
        progressed_since = now != checked ? false : progressed_since || progress > 0;
        checked = now;
        if (r != 0)
            return r;
        if (progress == 0 && in_flight(load) == 0)
            return 0;
        if (progress > 0)
            progressed = now;
        else if (now - progressed > load->options.stall_seconds * TICKS_PER_SECOND)
            return -ETIMEDOUT;
        else if (load->options.interrupt && (r = sleep_or_recover(load)) != 0)
            return r;
    }
}

int load_run(struct load *load, enum load_job job, const struct load_limit *limit, bool measured,
             struct report *report)
{
    double wall = ticks_wall_seconds(), cpu = ticks_cpu_seconds();
    unsigned end = limit->seconds != 0 ? ticks_now() + limit->seconds * TICKS_PER_SECOND : 0;
    int r;

    load->job = job;
    load->measured = measured;
    load->report = report;
    load->issued = 0;
    load->commands_max = limit->commands;
    load->generation += job == LOAD_WRITE;
    for (uint32_t i = 0; i < load->options.queue_pairs; i++)
        load->workers[i].cursor = 0;
    r = drive(load, end);
    if (measured) {
        report->seconds += ticks_wall_seconds() - wall;
        report->cpu_seconds += ticks_cpu_seconds() - cpu;
    }
    report->spurious = 0;
    for (uint32_t i = 0; i < load->options.queue_pairs; i++)
        report->spurious += homi_queue_spurious(load->workers[i].queue);
    return r;
}

static int start_worker(struct load *load, struct homi_lease *lease, uint32_t index)
{
    const struct load_options *options = &load->options;
    struct homi_queue_options queue = {
        .function = options->function, .entries = options->depth + 1, .interrupt = options->interrupt};
    uint64_t blocks = options->length / options->block_bytes;
    struct worker *worker = &load->workers[index];
    uint8_t *buffers = homi_memory_address(load->memory);
    int r;

    worker->first = blocks * index / options->queue_pairs;
    worker->count = blocks * (index + 1) / options->queue_pairs - worker->first;
    worker->random = (options->seed + index + 1) * UINT64_C(0x9e3779b97f4a7c15) | 1;
    worker->blocks = calloc(worker->count, sizeof(*worker->blocks));
    worker->slots = calloc(options->depth, sizeof(*worker->slots));
    worker->free_slots = calloc(options->depth, sizeof(*worker->free_slots));
    worker->again = calloc(options->depth, sizeof(*worker->again));
    if (!worker->blocks || !worker->slots || !worker->free_slots || !worker->again)
        return -ENOMEM;
    for (uint32_t i = 0; i < options->depth; i++) {
        worker->slots[i].buffer = buffers + ((size_t)index * options->depth + i) * options->block_bytes;
        worker->free_slots[worker->free_count++] = i;
    }
    r = homi_queue_pair_new(lease, &queue, &worker->pair);
    if (r != 0)
        return r;
    worker->queue = homi_queue_pair_queue(worker->pair);
    load->polls[index] = (struct pollfd){.fd = homi_queue_pair_event_fd(worker->pair), .events = POLLIN};
    return 0;
}

int load_new(struct homi_lease *lease, const struct load_options *options, struct load **ret_load)
{
    size_t bytes = (size_t)options->queue_pairs * options->depth * options->block_bytes;
    struct load *load = calloc(1, sizeof(*load));
    int r;

    if (!load)
        return -ENOMEM;
    load->options = *options;
    load->lease = lease;
    load->generation = options->generation;
    load->workers = calloc(options->queue_pairs, sizeof(*load->workers));
    load->polls = calloc(options->queue_pairs, sizeof(*load->polls));
    r = load->workers && load->polls ? homi_memory_new(lease, bytes, options->memory_flags, &load->memory)
                                     : -ENOMEM;
    for (uint32_t i = 0; r == 0 && i < options->queue_pairs; i++)
        r = start_worker(load, lease, i);
    if (r != 0) {
        load_free(load);
        return r;
    }
    *ret_load = load;
    return 0;
}

void load_free(struct load *load)
{
    if (!load)
        return;
    for (uint32_t i = 0; load->workers && i < load->options.queue_pairs; i++) {
        homi_queue_pair_free(load->workers[i].pair);
        free(load->workers[i].blocks);
        free(load->workers[i].slots);
        free(load->workers[i].free_slots);
        free(load->workers[i].again);
    }
    homi_memory_free(load->memory);
    free(load->workers);
    free(load->polls);
    free(load);
}
