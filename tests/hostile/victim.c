/* SPDX-License-Identifier: BSD-3-Clause */
/* The neighbour: writes, reads and compares all the time, and counts what is not as it should be. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/hostile/hostile.h"

enum {
    BLOCKS = 16,
    BYTES = 64 << 10,
    AWAY_BYTES = 16 << 20, /* so that what it uses lies at addresses that are none on the attacker's VF */
};

uint64_t microseconds_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

void pause_milliseconds(unsigned milliseconds)
{
    const struct timespec time = {.tv_sec = milliseconds / 1000, .tv_nsec = milliseconds % 1000 * 1000000L};

    nanosleep(&time, NULL);
}

/* One transfer of all the memory. Returns how many commands failed. */
static unsigned transfer(struct homi_queue *queue, const struct homi_namespace *space,
                         const struct homi_region_map *region, uint8_t *data, bool write)
{
    struct homi_completion done[BLOCKS];
    struct homi_batch batch = homi_batch_begin(queue);
    unsigned failed = 0, completed = 0;

    for (unsigned i = 0; i < BLOCKS; i++) {
        uint32_t bytes = BYTES / BLOCKS;
        uint64_t lba = (uint64_t)i * bytes >> space->block_shift;
        uint8_t *at = data + (size_t)i * bytes;
        if (write)
            failed += homi_batch_write(&batch, space, region, at, bytes, lba, i) != 0;
        else
            failed += homi_batch_read(&batch, space, region, at, bytes, lba, i) != 0;
    }
    homi_batch_submit(&batch);
    while (completed + failed < BLOCKS) {
        int count = homi_queue_wait(queue, done, BLOCKS, UINT64_C(1) << 34);
        if (count <= 0)
            return BLOCKS;
        for (int i = 0; i < count; i++)
            failed += done[i].status != 0;
        completed += (unsigned)count;
    }
    return failed;
}

static void fill(uint8_t *data, uint64_t round)
{
    for (size_t i = 0; i < BYTES / sizeof(uint64_t); i++)
        ((uint64_t *)(void *)data)[i] = UINT64_C(0x9e3779b97f4a7c15) * (round + i) | 1;
}

static bool is_right(const uint8_t *data, uint64_t round)
{
    for (size_t i = 0; i < BYTES / sizeof(uint64_t); i++) {
        if (((const uint64_t *)(const void *)data)[i] != (UINT64_C(0x9e3779b97f4a7c15) * (round + i) | 1))
            return false;
    }
    return true;
}

static void work(struct shared *shared, struct homi_queue_pair *pair, const struct homi_namespace *space,
                 struct homi_memory *memory)
{
    struct homi_queue *queue = homi_queue_pair_queue(pair);
    const struct homi_region_map *region = homi_memory_region(memory);
    uint8_t *data = (uint8_t *)homi_memory_address(memory) + AWAY_BYTES;

    for (uint64_t round = 1; !shared->stop; round++) {
        uint64_t begin = microseconds_now();
        fill(data, round);
        unsigned failed = transfer(queue, space, region, data, true);
        memset(data, 0, BYTES);
        failed += transfer(queue, space, region, data, false);
        shared->errors += failed;
        shared->miscompares += failed == 0 && !is_right(data, round);
        uint64_t took = microseconds_now() - begin;
        if (took > shared->worst_microseconds)
            shared->worst_microseconds = took;
        shared->rounds++;
        /* A neighbour that leaves the processor to others: there are machines with one. */
        pause_milliseconds(1);
    }
}

static void give_up(struct homi *homi, const char *what, int r)
{
    fprintf(stderr, "the victim: %s: %s %s\n", what, homi_strerror(r), homi ? homi_error_text(homi) : "");
    _exit(4);
}

void victim_run(const struct setup *setup, struct shared *shared)
{
    const struct homi_attach_options options = {.tenant = setup->victim, .mode = HOMI_ATTACH_FRESH};
    const struct homi_queue_options queue = {.entries = DEPTH};
    struct homi *homi = NULL;
    struct homi_lease *lease = NULL;
    struct homi_memory *memory = NULL;
    struct homi_queue_pair *pair = NULL;
    int r;

    r = homi_open(setup->socket, &homi);
    if (r == 0)
        r = homi_attach(homi, &options, &lease);
    if (r == 0)
        r = homi_memory_new(lease, AWAY_BYTES + BYTES, 0, &memory);
    if (r == 0)
        r = homi_queue_pair_new(lease, &queue, &pair);
    if (r != 0)
        give_up(homi, "setting up", r);
    const struct homi_namespace *space = homi_function_namespace_by_id(lease, 0, setup->foreign_namespace);
    if (!space)
        give_up(NULL, "its namespace", 0);
    snprintf(shared->victim_lease, sizeof(shared->victim_lease), "%s", homi_lease_name(lease));
    snprintf(shared->victim_function, sizeof(shared->victim_function), "%s",
             homi_lease_function(lease, 0)->name);
    shared->victim_iova = homi_memory_region(memory)->iova + AWAY_BYTES;
    shared->victim_pair = homi_queue_pair_id(pair);
    shared->victim_ready = true;
    work(shared, pair, space, memory);
    homi_queue_pair_free(pair);
    homi_memory_free(memory);
    homi_detach(lease);
    homi_close(homi);
    _exit(0);
}
