/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench/perf/run.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "bench/perf/worker.h"

struct run {
    const struct perf_options *options;
    struct load_queue *queues;
    struct load_queue **order; /* by worker: those of one worker stand together */
    size_t queue_count;
    struct homi_memory **memories;
    size_t memory_count;
    struct worker *workers;
    size_t worker_count;
    struct pace pace;
    struct histogram latencies;
    uint32_t functions;
};

static double clock_seconds(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int bad(const char *what)
{
    fprintf(stderr, "homi-perf: %s\n", what);
    return -EINVAL;
}

/* The namespace, and the range's chunks on it. */
static int choose_range(const struct perf_options *o, const struct homi_lease *lease, size_t function,
                        const struct homi_namespace **ret_namespace, uint64_t *ret_chunks)
{
    const struct homi_function_info *info = homi_lease_function(lease, function);
    const struct homi_namespace *ns = o->namespace_id != 0
                                          ? homi_function_namespace_by_id(lease, function, o->namespace_id)
                                          : homi_function_namespace(lease, function, 0);
    uint64_t bytes, length;

    if (!ns)
        return bad(o->namespace_id != 0 ? "a VF of the lease does not have the --namespace"
                                        : "a VF of the lease has no namespace");
    bytes = ns->blocks << ns->block_shift;
    if (o->block_bytes % ns->block_bytes != 0)
        return bad("--block-size is not a multiple of the namespace's block");
    if (o->block_bytes > info->max_transfer_bytes)
        return bad("--block-size is more than the controller moves in one command");
    if (o->depth + 1 > info->queue_entries_max)
        return bad("--depth is more than the controller's queues hold");
    if (o->offset % ns->block_bytes != 0 || o->offset >= bytes)
        return bad("--offset is outside the namespace or not a multiple of its block");
    length = o->length != 0 ? o->length : bytes - o->offset;
    if (length > bytes - o->offset)
        return bad("--length ends beyond the namespace");
    if (length < o->block_bytes)
        return bad("the range is smaller than --block-size");
    *ret_namespace = ns;
    *ret_chunks = length / o->block_bytes;
    return 0;
}

static int make_queue(struct run *run, struct homi_lease *lease, size_t function, struct homi_memory *memory,
                      uint32_t index, struct load_queue *load)
{
    const struct perf_options *o = run->options;
    const struct homi_queue_options options = {
        .function = function, .entries = o->depth + 1, .interrupt = o->interrupt};
    struct workload_setup setup = {.offset = o->offset,
                                   .block_bytes = o->block_bytes,
                                   .read_percent = o->read_percent,
                                   .random = perf_options_random(o),
                                   .seed = o->seed + (uint64_t)(load - run->queues)};
    int r = choose_range(o, lease, function, &load->namespace, &setup.chunks);

    if (r != 0)
        return r;
    setup.first = setup.chunks / o->queue_pairs * index;
    workload_init(&load->workload, &setup);
    load->depth = load->free_count = o->depth;
    load->batch = o->batch;
    load->seed = o->seed;
    load->region = homi_memory_region(memory);
    load->buffers = (unsigned char *)homi_memory_address(memory) + (size_t)index * o->depth * o->block_bytes;
    load->free_slots = calloc(o->depth, sizeof(*load->free_slots));
    load->sent_at = o->latency ? calloc(o->depth, sizeof(*load->sent_at)) : NULL;
    load->positions = o->verify ? calloc(o->depth, sizeof(*load->positions)) : NULL;
    if (!load->free_slots || (o->latency && !load->sent_at) || (o->verify && !load->positions))
        return -ENOMEM;
    for (uint32_t i = 0; i < o->depth; i++)
        load->free_slots[i] = i;
    r = homi_queue_pair_new(lease, &options, &load->pair);
    if (r == 0)
        load->queue = homi_queue_pair_queue(load->pair);
    return r;
}

/* Memory and queue pairs of every VF of a lease. */
static int load_lease(struct run *run, struct homi_lease *lease, size_t *made)
{
    const struct perf_options *o = run->options;
    size_t bytes = (size_t)o->queue_pairs * o->depth * o->block_bytes;
    int r = 0;

    for (size_t f = 0; r == 0 && f < homi_lease_function_count(lease); f++) {
        struct homi_memory **memory = &run->memories[run->memory_count];

        r = homi_memory_new(lease, bytes, o->hugepages ? HOMI_MEMORY_HUGEPAGES : 0, memory);
        if (r != 0)
            return r;
        run->memory_count++;
        for (uint32_t i = 0; r == 0 && i < o->queue_pairs; i++)
            r = make_queue(run, lease, f, *memory, i, &run->queues[(*made)++]);
    }
    return r;
}

/* Queue pair i belongs to worker i modulo their number; the commands are spread over the queue pairs. */
/* Pinning fails in a thread, where nobody would be told which. */
static int check_cpus(const struct perf_options *options)
{
    cpu_set_t set;

    if (sched_getaffinity(0, sizeof(set), &set) < 0)
        return -errno;
    for (size_t i = 0; i < options->cpu_count; i++) {
        if (!CPU_ISSET(options->cpus[i], &set)) {
            fprintf(stderr, "homi-perf: --cpus: this process may not run on CPU %u\n",
                    (unsigned)options->cpus[i]);
            return -EINVAL;
        }
    }
    return 0;
}

static int make_workers(struct run *run)
{
    const struct perf_options *o = run->options;
    size_t at = 0;

    if (o->interrupt && o->threads != 0 && o->threads < run->queue_count)
        return bad("--interrupt needs a thread for each queue pair: leave --threads out");
    run->worker_count = o->threads != 0 ? o->threads : o->interrupt ? run->queue_count : 1;
    if (run->worker_count > run->queue_count)
        return bad("--threads is more than there are queue pairs");
    run->workers = calloc(run->worker_count, sizeof(*run->workers));
    run->order = calloc(run->queue_count, sizeof(struct load_queue *));
    if (!run->workers || !run->order)
        return -ENOMEM;
    for (size_t w = 0; w < run->worker_count; w++) {
        struct worker *worker = &run->workers[w];

        worker->pace = &run->pace;
        worker->interrupt = o->interrupt;
        worker->cpu = o->cpu_count > 0 ? (int)o->cpus[w % o->cpu_count] : -1;
        worker->queues = &run->order[at];
        for (size_t i = w; i < run->queue_count; i += run->worker_count)
            run->order[at++] = &run->queues[i];
        worker->queue_count = (size_t)(&run->order[at] - worker->queues);
        worker->latencies = o->latency ? calloc(1, sizeof(*worker->latencies)) : NULL;
        if (o->latency && !worker->latencies)
            return -ENOMEM;
    }
    for (size_t i = 0; i < run->queue_count; i++)
        run->queues[i].left =
            o->ios != 0 ? o->ios / run->queue_count + (i < o->ios % run->queue_count) : UINT64_MAX;
    return 0;
}

int run_new(const struct perf_options *options, struct homi_lease *const *leases, size_t lease_count,
            struct run **ret_run)
{
    struct run *run = calloc(1, sizeof(*run));
    size_t made = 0;
    int r = 0;

    if (!run)
        return -ENOMEM;
    run->options = options;
    for (size_t i = 0; i < lease_count; i++)
        run->functions += (uint32_t)homi_lease_function_count(leases[i]);
    run->queue_count = (size_t)run->functions * options->queue_pairs;
    run->memories = calloc(run->functions, sizeof(struct homi_memory *));
    run->queues = aligned_alloc(64, run->queue_count * sizeof(*run->queues));
    if (run->queues)
        for (size_t i = 0; i < run->queue_count; i++)
            run->queues[i] = (struct load_queue){.pair = NULL};
    if (!run->memories || !run->queues)
        r = -ENOMEM;
    for (size_t i = 0; r == 0 && i < lease_count; i++)
        r = load_lease(run, leases[i], &made);
    if (r == 0)
        r = check_cpus(options);
    if (r == 0)
        r = make_workers(run);
    if (r != 0) {
        run_free(run);
        return r;
    }
    *ret_run = run;
    return 0;
}

void run_free(struct run *run)
{
    if (!run)
        return;
    for (size_t i = 0; run->queues && i < run->queue_count; i++) {
        homi_queue_pair_free(run->queues[i].pair);
        free(run->queues[i].free_slots);
        free(run->queues[i].sent_at);
        free(run->queues[i].positions);
    }
    for (size_t i = 0; i < run->memory_count; i++)
        homi_memory_free(run->memories[i]);
    for (size_t i = 0; run->workers && i < run->worker_count; i++)
        free(run->workers[i].latencies);
    free(run->queues);
    free(run->memories);
    free(run->order);
    free(run->workers);
    free(run);
}

static uint64_t total(const struct run *run, uint64_t *ret_errors)
{
    uint64_t ios = 0;

    *ret_errors = 0;
    for (size_t i = 0; i < run->worker_count; i++) {
        ios += run->workers[i].counters.reads + run->workers[i].counters.writes;
        *ret_errors += run->workers[i].counters.errors;
    }
    return ios;
}

static bool all_done(const struct run *run)
{
    for (size_t i = 0; i < run->worker_count; i++)
        if (!run->workers[i].done)
            return false;
    return true;
}

/* Counts the ticks until every worker is done; signals and the end of the time stop them. */
static void keep_time(struct run *run, const sigset_t *signals, double started)
{
    const struct timespec tick = {.tv_nsec = 1000000000 / TICKS_PER_SECOND};
    bool terminal = isatty(STDERR_FILENO);
    uint64_t before = 0;
    double shown = started;

    while (!all_done(run)) {
        int signal = sigtimedwait(signals, NULL, &tick);
        double now = clock_seconds(CLOCK_MONOTONIC);

        run->pace.ticks++;
        if (signal > 0 || (run->options->seconds != 0 && now - started >= (double)run->options->seconds))
            run->pace.stop = true;
        if (terminal && now - shown >= 1) {
            uint64_t errors, ios = total(run, &errors);

            report_live(run->options, now - started, (double)(ios - before) / (now - shown), errors);
            before = ios;
            shown = now;
        }
    }
    if (terminal && shown > started)
        report_live_end();
}

static int collect(struct run *run, struct report *report)
{
    int result = 0;

    for (size_t i = 0; i < run->worker_count; i++) {
        struct worker *worker = &run->workers[i];

        report->reads += worker->counters.reads;
        report->writes += worker->counters.writes;
        report->errors += worker->counters.errors;
        report->miscompares += worker->counters.miscompares;
        report->doorbell_writes += worker->counters.doorbell_writes;
        if (report->first_error == 0)
            report->first_error = worker->first_error;
        if (result == 0)
            result = worker->result;
        if (worker->latencies)
            histogram_merge(&run->latencies, worker->latencies);
    }
    for (size_t i = 0; i < run->queue_count; i++)
        report->spurious += homi_queue_spurious(run->queues[i].queue);
    return result;
}

int run_go(struct run *run, struct report *report)
{
    double cpu = clock_seconds(CLOCK_PROCESS_CPUTIME_ID), started;
    sigset_t signals;
    size_t threads = 0;
    int r = 0, result;

    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    started = clock_seconds(CLOCK_MONOTONIC);
    for (; r == 0 && threads < run->worker_count; threads += r == 0)
        r = -pthread_create(&run->workers[threads].thread, NULL, worker_run, &run->workers[threads]);
    for (size_t i = threads; i < run->worker_count; i++)
        run->workers[i].done = true;
    if (r != 0)
        run->pace.stop = true;
    keep_time(run, &signals, started);
    for (size_t i = 0; i < threads; i++)
        pthread_join(run->workers[i].thread, NULL);
    *report = (struct report){
        .options = run->options,
        .queue_pairs = (uint32_t)run->queue_count,
        .threads = (uint32_t)run->worker_count,
        .functions = run->functions,
        .batch = run->options->batch,
        .cpu_seconds = clock_seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu,
        .latencies = run->options->latency ? &run->latencies : NULL,
    };
    for (size_t i = 0; i < threads; i++) {
        double seconds = (double)run->workers[i].finished_at / 1e9 - started;

        report->seconds = seconds > report->seconds ? seconds : report->seconds;
    }
    result = collect(run, report);
    return r != 0 ? r : result;
}
