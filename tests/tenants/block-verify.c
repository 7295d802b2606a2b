/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The kernel's side of tenant-verify: writes and checks the same test data on a block device or in a file,
 * past the page cache. So what a tenant wrote can be read through the kernel and the reverse, and the
 * kernel's path can be loaded beside the tenants'. Exit status: 0 when there was neither error nor
 * miscompare, 1 when there was, 2 for a wrong command line, 4 when the machine failed.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/tenants/common/options.h"
#include "tests/tenants/common/pattern.h"
#include "tests/tenants/common/report.h"
#include "tests/tenants/common/ticks.h"

static const char usage[] =
    "Usage: block-verify [OPTION]... PATH\n"
    "  --mode MODE          write: the range in order; verify: read it and check; write-verify: both; mixed: "
    "write\n"
    "                       all, then random reads (checked) and writes, then verify all; read: random, not\n"
    "                       checked [verify]\n"
    "  --depth N            commands at once, a thread for each [1]\n"
    "  --block-bytes N      of one command [4096]\n"
    "  --offset BYTES       of the range [0]\n"
    "  --length BYTES       [to the end]; a file that is shorter grows when it is written\n"
    "  --pattern-seed N     [1]\n"
    "  --generation N       what a verification asks for [any]; write counts on from it\n"
    "  --seconds N          how long the random part of mixed and read takes\n"
    "  --json               the result as one line of JSON\n";

#define BUFFER_ALIGNMENT 4096
#define COMPLAINTS_MAX   10

enum mode { MODE_WRITE, MODE_VERIFY, MODE_WRITE_VERIFY, MODE_MIXED, MODE_READ };
static const char *const mode_names[] = {"write", "verify", "write-verify", "mixed", "read", NULL};

enum job { JOB_WRITE, JOB_VERIFY, JOB_MIXED, JOB_READ };

struct options {
    const char *path;
    int mode;
    uint32_t depth, block_bytes, seconds;
    uint64_t offset, length, seed, generation;
    bool json;
};

/* A thread and its part of the range. */
struct worker {
    const struct options *options;
    int fd;
    enum job job;
    unsigned end; /* tick at which the random jobs end */
    uint64_t first, count;
    uint32_t *generations; /* by block; 0: not written by this process */
    uint8_t *buffer;
    uint64_t random, generation;
    struct report report;
    unsigned complaints;
    pthread_t thread;
};

static uint64_t next_random(struct worker *worker)
{
    worker->random ^= worker->random << 13;
    worker->random ^= worker->random >> 7;
    worker->random ^= worker->random << 17;
    return worker->random;
}

static bool transfer(struct worker *worker, bool write, uint64_t position)
{
    size_t bytes = worker->options->block_bytes;
    ssize_t n = write ? pwrite(worker->fd, worker->buffer, bytes, (off_t)position)
                      : pread(worker->fd, worker->buffer, bytes, (off_t)position);

    if (n == (ssize_t)bytes)
        return true;
    worker->report.errors++;
    if (worker->complaints++ < COMPLAINTS_MAX)
        fprintf(stderr, "error: %s at byte %" PRIu64 ": %s\n", write ? "write" : "read", position,
                n < 0 ? strerror(errno) : "short");
    return false;
}

static void write_block(struct worker *worker, uint64_t block, uint64_t generation)
{
    const struct options *o = worker->options;
    uint64_t position = o->offset + (worker->first + block) * o->block_bytes;

    pattern_fill(worker->buffer, o->block_bytes, position, o->seed, generation);
    worker->report.writes++;
    if (transfer(worker, true, position))
        worker->generations[block] = (uint32_t)generation;
}

static void read_block(struct worker *worker, uint64_t block, bool check)
{
    const struct options *o = worker->options;
    uint64_t position = o->offset + (worker->first + block) * o->block_bytes;
    uint64_t own = worker->generations[block];
    struct pattern_result result;

    if (check)
        memset(worker->buffer, 0, o->block_bytes);
    worker->report.reads++;
    if (!transfer(worker, false, position) || !check)
        return;
    result = pattern_check(worker->buffer, o->block_bytes, position, o->seed, own != 0 ? own : o->generation);
    worker->report.verified += result.defect == PATTERN_OK;
    worker->report.miscompares += result.defect != PATTERN_OK;
    if (result.defect != PATTERN_OK && worker->complaints++ < COMPLAINTS_MAX)
        pattern_complain(&result);
}

static void random_block(struct worker *worker)
{
    uint64_t block = next_random(worker) % worker->count;

    if (worker->job == JOB_READ)
        read_block(worker, block, false);
    else if (next_random(worker) % 2 == 0)
        write_block(worker, block, worker->generations[block] + 1u);
    else
        read_block(worker, block, true);
}

static void *work(void *user)
{
    struct worker *worker = user;

    if (worker->job == JOB_MIXED || worker->job == JOB_READ) {
        while (!ticks_stopped() && ticks_now() < worker->end)
            random_block(worker);
        return NULL;
    }
    for (uint64_t block = 0; block < worker->count && !ticks_stopped(); block++) {
        if (worker->job == JOB_WRITE)
            write_block(worker, block, worker->generation);
        else
            read_block(worker, block, true);
    }
    return NULL;
}

static void failed(const char *what, int error)
{
    fprintf(stderr, "failed: %s: %s\n", what, strerror(error));
    exit(4);
}

/* Runs a job on all threads and adds up; reads, writes and time only when they are to be measured. */
static void run(struct worker *workers, const struct options *o, enum job job, bool measured,
                struct report *sum)
{
    double wall = ticks_wall_seconds(), cpu = ticks_cpu_seconds();

    for (uint32_t i = 0; i < o->depth; i++) {
        struct worker *worker = &workers[i];

        worker->job = job;
        worker->end = ticks_now() + o->seconds * TICKS_PER_SECOND;
        worker->report = (struct report){.path = "kernel"};
        int r = pthread_create(&worker->thread, NULL, work, worker);
        if (r != 0)
            failed("starting a thread", r);
    }
    for (uint32_t i = 0; i < o->depth; i++) {
        const struct report *part = &workers[i].report;

        pthread_join(workers[i].thread, NULL);
        sum->errors += part->errors;
        sum->miscompares += part->miscompares;
        sum->verified += part->verified;
        sum->reads += measured ? part->reads : 0;
        sum->writes += measured ? part->writes : 0;
    }
    if (job != JOB_READ && job != JOB_VERIFY && fsync(workers[0].fd) < 0)
        failed("fsync", errno);
    if (measured) {
        sum->seconds += ticks_wall_seconds() - wall;
        sum->cpu_seconds += ticks_cpu_seconds() - cpu;
    }
}

static void run_mode(struct worker *workers, const struct options *o, struct report *sum)
{
    switch ((enum mode)o->mode) {
    case MODE_WRITE: run(workers, o, JOB_WRITE, true, sum); break;
    case MODE_VERIFY: run(workers, o, JOB_VERIFY, true, sum); break;
    case MODE_READ: run(workers, o, JOB_READ, true, sum); break;
    case MODE_WRITE_VERIFY:
        run(workers, o, JOB_WRITE, true, sum);
        run(workers, o, JOB_VERIFY, true, sum);
        break;
    case MODE_MIXED:
        run(workers, o, JOB_WRITE, false, sum);
        run(workers, o, JOB_MIXED, true, sum);
        run(workers, o, JOB_VERIFY, false, sum);
        break;
    }
}

static int open_range(struct options *o)
{
    bool writes = o->mode != MODE_VERIFY && o->mode != MODE_READ;
    int fd = open(o->path, (writes ? O_RDWR | O_CREAT : O_RDONLY) | O_DIRECT | O_CLOEXEC, 0600);
    off_t end = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);

    if (end < 0)
        failed(o->path, errno);
    if (writes && o->length != 0 && (uint64_t)end < o->offset + o->length) {
        int r = posix_fallocate(fd, 0, (off_t)(o->offset + o->length));
        if (r != 0)
            failed(o->path, r);
        end = (off_t)(o->offset + o->length);
    }
    if (o->length == 0 && (uint64_t)end > o->offset)
        o->length = ((uint64_t)end - o->offset) / o->block_bytes * o->block_bytes;
    options_require(o->length != 0 && o->offset + o->length <= (uint64_t)end, "a range that PATH has");
    options_require(o->block_bytes % PATTERN_UNIT_BYTES == 0 && o->length % o->block_bytes == 0 &&
                        o->offset % o->block_bytes == 0,
                    "--offset and --length in whole commands of --block-bytes, these in multiples of 512");
    options_require(o->length / o->block_bytes >= o->depth, "a block for each thread");
    return fd;
}

static struct worker *new_workers(const struct options *o, int fd)
{
    struct worker *workers = calloc(o->depth, sizeof(*workers));
    uint64_t blocks = o->length / o->block_bytes;
    size_t bytes = (o->block_bytes + BUFFER_ALIGNMENT - 1) / BUFFER_ALIGNMENT * BUFFER_ALIGNMENT;

    for (uint32_t i = 0; workers && i < o->depth; i++) {
        struct worker *worker = &workers[i];

        worker->options = o;
        worker->fd = fd;
        worker->first = blocks * i / o->depth;
        worker->count = blocks * (i + 1) / o->depth - worker->first;
        worker->random = (o->seed + i + 1) * UINT64_C(0x9e3779b97f4a7c15) | 1;
        worker->generation = o->generation + 1;
        worker->generations = calloc(worker->count, sizeof(*worker->generations));
        worker->buffer = aligned_alloc(BUFFER_ALIGNMENT, bytes);
        if (!worker->generations || !worker->buffer)
            failed("memory", ENOMEM);
    }
    if (!workers)
        failed("memory", ENOMEM);
    return workers;
}

static struct options parse(int argc, char **argv)
{
    struct options o = {.mode = MODE_VERIFY, .depth = 1, .block_bytes = 4096, .seed = 1};
    const struct option_spec specs[] = {
        {"mode", OPTION_CHOICE, &o.mode, 0, 0, mode_names},
        {"depth", OPTION_U32, &o.depth, 1, 256, NULL},
        {"block-bytes", OPTION_U32, &o.block_bytes, 512, 32 << 20, NULL},
        {"offset", OPTION_U64, &o.offset, 0, INT64_MAX / 2, NULL},
        {"length", OPTION_U64, &o.length, 512, INT64_MAX / 2, NULL},
        {"pattern-seed", OPTION_U64, &o.seed, 0, 0, NULL},
        {"generation", OPTION_U64, &o.generation, 1, INT32_MAX, NULL},
        {"seconds", OPTION_U32, &o.seconds, 1, 1000000, NULL},
        {"json", OPTION_FLAG, &o.json, 0, 0, NULL},
        {NULL, OPTION_FLAG, NULL, 0, 0, NULL},
    };
    int index = options_parse(argc, argv, specs, usage);

    options_require(index == argc - 1, "one PATH");
    options_require((o.mode != MODE_MIXED && o.mode != MODE_READ) || o.seconds != 0,
                    "--seconds with this mode");
    o.path = argv[index];
    return o;
}

int main(int argc, char **argv)
{
    struct options o = parse(argc, argv);
    int fd = open_range(&o);
    struct worker *workers = new_workers(&o, fd);
    struct report sum = {.path = "kernel",
                         .function = o.path,
                         .mode = mode_names[o.mode],
                         .depth = o.depth,
                         .block_bytes = o.block_bytes};

    ticks_start(false);
    run_mode(workers, &o, &sum);
    report_print(&sum, o.json);
    for (uint32_t i = 0; i < o.depth; i++) {
        free(workers[i].generations);
        free(workers[i].buffer);
    }
    free(workers);
    close(fd);
    return sum.errors > 0 || sum.miscompares > 0;
}
