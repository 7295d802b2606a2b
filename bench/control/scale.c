/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * homid with four software SSDs of 256 VFs: a thousand tenants' processes, 4,096 queue pairs. How long
 * attaching takes while they stand, what one client can do, what each lease costs, what homid does when
 * nobody wants anything, and how fast it takes everything back when a thousand processes are killed at once.
 * Usage: scale [--json FILE] [--tenants N] [--cycles N]
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <homi/homi.h>
#include <homi/queue.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench/control/figures.h"
#include "bench/control/rig.h"
#include "bench/control/wire.h"

enum {
    DEVICES = 4,
    FUNCTIONS = 256,
    PAIRS = 4,       /* queue pairs of each VF */
    STANDING = 1000, /* leases that stand while others come and go */
    TENANTS_MAX = DEVICES * FUNCTIONS,
    GROWTH_SAMPLES = 100, /* of the first and of the last attaches */
    BLOCK_BYTES = 4096,
    MEMORY_BYTES = 2 << 20,
    IDLE_SECONDS = 5,
    WAIT_MILLISECONDS = 30000,
    CYCLES_MAX = 100000,
};

/* What a tenant's process found, in memory that it shares with the benchmark. */
struct record {
    double attach_us;
    int error;
};

struct bench {
    struct rig rig;
    struct record *records;
    pid_t tenants[TENANTS_MAX];
    unsigned tenant_count, target, cycles;
    int admin;
    FILE *json;
    bool missed;
};

/* ---- one client's doings ---- */

static double microseconds_since(uint64_t begin)
{
    return (double)(wire_now() - begin) / 1e3;
}

static int attach(struct homi *homi, struct homi_lease **ret_lease)
{
    const struct homi_attach_options options = {.mode = HOMI_ATTACH_FRESH,
                                                .wait_milliseconds = WAIT_MILLISECONDS};
    int r = homi_attach(homi, &options, ret_lease);

    if (r > 0)
        fprintf(stderr, "scale: %s\n", homi_error_text(homi));
    return r > 0 ? -EACCES : r;
}

static int read_once(struct homi_lease *lease, struct homi_memory *memory, struct homi_queue_pair *pair)
{
    struct homi_queue *queue = homi_queue_pair_queue(pair);
    const struct homi_namespace *space = homi_function_namespace_by_id(lease, 0, 1);
    struct homi_completion completion;

    if (!space)
        return -ENODEV;
    int r = homi_queue_read(queue, space, homi_memory_region(memory), homi_memory_address(memory),
                            BLOCK_BYTES, 0, 1);
    if (r < 0)
        return r;
    /* Asleep: a client that spins on one of few CPUs only keeps the software SSD from running there. */
    r = homi_queue_pair_wait(pair, WAIT_MILLISECONDS);
    if (r < 0)
        return r;
    int count = (int)homi_queue_reap(queue, &completion, 1);
    return count != 1 || completion.status != 0 ? -EIO : 0;
}

struct cycle {
    double first_us, all_us; /* to the first completion, to the end of detaching */
};

/* fd: memory that is there already, or -1 for fresh pages. */
static int run_cycle(struct homi *homi, int fd, struct cycle *ret)
{
    uint64_t begin = wire_now();
    struct homi_lease *lease = NULL;
    struct homi_memory *memory = NULL;
    struct homi_queue_pair *pair = NULL;
    const struct homi_queue_options options = {.entries = 64, .interrupt = true};
    int r = attach(homi, &lease);

    if (r == 0)
        r = fd >= 0 ? homi_memory_import(lease, fd, 0, MEMORY_BYTES, &memory)
                    : homi_memory_new(lease, MEMORY_BYTES, 0, &memory);
    if (r == 0)
        r = homi_queue_pair_new(lease, &options, &pair);
    if (r == 0)
        r = read_once(lease, memory, pair);
    ret->first_us = microseconds_since(begin);
    homi_detach(lease);
    ret->all_us = microseconds_since(begin);
    return r;
}

/* ---- tenants' processes ---- */

static int be_tenant(struct bench *bench, struct record *record)
{
    struct homi *homi = NULL;
    struct homi_lease *lease = NULL;
    struct homi_memory *memory = NULL;
    struct homi_queue_pair *pairs[PAIRS] = {NULL};
    const struct homi_queue_options options = {.entries = 64, .interrupt = true};
    int r = homi_open(bench->rig.tenant_socket, &homi);
    uint64_t begin = wire_now();

    if (r == 0)
        r = attach(homi, &lease);
    record->attach_us = microseconds_since(begin);
    if (r == 0)
        r = homi_memory_new(lease, BLOCK_BYTES, 0, &memory);
    for (unsigned i = 0; i < PAIRS && r == 0; i++)
        r = homi_queue_pair_new(lease, &options, &pairs[i]);
    return r == 0 ? read_once(lease, memory, pairs[0]) : r;
}

/* Starts one more, which does its part and then holds what it has. */
static int add_tenant(struct bench *bench)
{
    struct record *record = &bench->records[bench->tenant_count];
    int done[2];
    char byte;

    if (pipe(done) < 0)
        return -errno;
    pid_t pid = fork();
    if (pid == 0) {
        close(done[0]);
        record->error = be_tenant(bench, record);
        close(done[1]);
        for (;;)
            pause();
    }
    close(done[1]);
    if (pid > 0) {
        bench->tenants[bench->tenant_count++] = pid;
        if (read(done[0], &byte, 1) < 0)
            record->error = -errno;
    }
    close(done[0]);
    return pid < 0 ? -ECHILD : record->error;
}

static int add_tenants(struct bench *bench, unsigned target)
{
    int r = 0;

    while (bench->tenant_count < target && r == 0)
        r = add_tenant(bench);
    return r;
}

/* ---- what homid says ---- */

static long long status_member(struct bench *bench, const char *member, double *ret_us)
{
    static const char request[] = "{\"method\":\"io.homi.Admin.GetStatus\"}";
    static char reply[WIRE_REPLY_BYTES_MAX];
    uint64_t begin = wire_now();
    long long sum = 0, one;

    if (wire_call(bench->admin, request, sizeof(request), reply, NULL) < 0)
        return -1;
    if (ret_us)
        *ret_us = microseconds_since(begin);
    for (const char *at = reply; (at = strstr(at, member)); at++) {
        if (sscanf(at + strlen(member), "%lld", &one) == 1)
            sum += one;
    }
    return sum;
}

#define LEASES "\"leases\":"
#define READY  "\"functionsReady\":"

static void sleep_microseconds(long microseconds)
{
    const struct timespec time = {.tv_sec = microseconds / 1000000, .tv_nsec = microseconds % 1000000 * 1000};

    nanosleep(&time, NULL);
}

/* Until a number of the status is as wanted: milliseconds since begin, and the slowest answer. */
static double wait_status(struct bench *bench, const char *member, long long wanted, uint64_t begin,
                          double *slowest_us)
{
    double us = 0;

    while (status_member(bench, member, &us) != wanted) {
        if (us > *slowest_us)
            *slowest_us = us;
        if (microseconds_since(begin) > 60e6)
            return -1;
        sleep_microseconds(1000);
    }
    return microseconds_since(begin) / 1e3;
}

/* ---- telling ---- */

enum direction { AT_MOST, AT_LEAST, NO_TARGET };

static void tell(struct bench *bench, const char *name, const char *unit, double value,
                 enum direction direction, double target)
{
    bool met = direction == NO_TARGET || (direction == AT_MOST ? value <= target : value >= target);
    static const char *const words[] = {"at most", "at least", ""};
    char aim[64] = "";

    bench->missed = bench->missed || !met;
    if (direction != NO_TARGET)
        snprintf(aim, sizeof(aim), "%s %g: %s", words[direction], target, met ? "met" : "missed");
    printf("%-58s %12.2f %-18s %s\n", name, value, unit, aim);
    fflush(stdout);
    if (!bench->json)
        return;
    fprintf(bench->json, "%s\n  {\"name\": \"%s\", \"unit\": \"%s\", \"value\": %.3f",
            ftell(bench->json) > 20 ? "," : "", name, unit, value);
    if (direction != NO_TARGET)
        fprintf(bench->json, ", \"%s\": %g, \"verdict\": \"%s\"", direction == AT_MOST ? "most" : "least",
                target, met ? "met" : "missed");
    fprintf(bench->json, "}");
}

/* ---- phases ---- */

struct series {
    double first[CYCLES_MAX], all[CYCLES_MAX];
    unsigned count;
    double seconds;
};

static int run_cycles(struct bench *bench, int fd, unsigned count, struct series *series)
{
    struct homi *homi = NULL;
    struct cycle cycle;
    int r = homi_open(bench->rig.tenant_socket, &homi);
    uint64_t begin = wire_now();

    for (series->count = 0; series->count < count && r == 0; series->count++) {
        r = run_cycle(homi, fd, &cycle);
        series->first[series->count] = cycle.first_us;
        series->all[series->count] = cycle.all_us;
    }
    series->seconds = microseconds_since(begin) / 1e6;
    homi_close(homi);
    return r;
}

static int make_memory(int *ret_fd)
{
    int fd = memfd_create("bench", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (fd < 0 || ftruncate(fd, MEMORY_BYTES) < 0 || fallocate(fd, 0, 0, MEMORY_BYTES) < 0 ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) < 0)
        return -errno;
    *ret_fd = fd;
    return 0;
}

static int measure_rates(struct bench *bench, int fd)
{
    static struct series series;
    uint64_t cpu = rig_cpu_nanoseconds(bench->rig.homid);
    int r = run_cycles(bench, fd, bench->cycles, &series);

    if (r < 0)
        return r;
    tell(bench, "homid CPU for a cycle", "us",
         (double)(rig_cpu_nanoseconds(bench->rig.homid) - cpu) / 1e3 / bench->cycles, NO_TARGET, 0);
    tell(bench, "cycles of one client, 2 MiB of reused memory", "per second", bench->cycles / series.seconds,
         AT_LEAST, 2000);
    tell(bench, "attach to first completion, nobody else, p50", "us",
         figures_median(series.first, series.count), NO_TARGET, 0);
    r = run_cycles(bench, -1, bench->cycles / 4, &series);
    if (r == 0)
        tell(bench, "cycles of one client, 2 MiB of fresh pages of 4 KiB", "per second",
             series.count / series.seconds, AT_LEAST, 500);
    return r;
}

static void tell_growth(struct bench *bench)
{
    double times[TENANTS_MAX];
    unsigned count = bench->tenant_count, samples = count < GROWTH_SAMPLES ? count : GROWTH_SAMPLES;

    for (unsigned i = 0; i < samples; i++)
        times[i] = bench->records[i].attach_us;
    double first = figures_median(times, samples);
    for (unsigned i = 0; i < samples; i++)
        times[i] = bench->records[count - samples + i].attach_us;
    double last = figures_median(times, samples);
    for (unsigned i = 0; i < count; i++)
        times[i] = bench->records[i].attach_us;
    tell(bench, "attach of a new process, p50", "us", figures_percentile(times, count, 50), NO_TARGET, 0);
    tell(bench, "attach of a new process, p99", "us", figures_percentile(times, count, 99), NO_TARGET, 0);
    tell(bench, "the last 100 attaches beside the first 100, medians", "times", first > 0 ? last / first : 0,
         AT_MOST, 2);
}

static int measure_standing(struct bench *bench, int fd)
{
    static struct series series;
    unsigned standing = bench->target < STANDING ? bench->target : STANDING;
    uint64_t before = rig_memory_bytes(bench->rig.homid);
    int r = add_tenants(bench, standing);

    if (r < 0)
        return r;
    double bytes = ((double)rig_memory_bytes(bench->rig.homid) - (double)before) / standing;
    tell(bench, "homid's memory for a lease with 4 queue pairs, connection", "B", bytes, AT_MOST, 16384);
    sleep_microseconds(1000000);
    uint64_t cpu = rig_cpu_nanoseconds(bench->rig.homid), begin = wire_now();
    sleep_microseconds(IDLE_SECONDS * 1000000L);
    tell(bench, "homid's CPU with idle leases", "ms per second",
         (double)(rig_cpu_nanoseconds(bench->rig.homid) - cpu) / (microseconds_since(begin) * 1e3) * 1e3,
         AT_MOST, 1);
    r = run_cycles(bench, fd, bench->cycles / 4, &series);
    if (r < 0)
        return r;
    tell(bench, "attach to first completion, leases standing, p50", "us",
         figures_percentile(series.first, series.count, 50), NO_TARGET, 0);
    tell(bench, "attach to first completion, leases standing, p99", "us",
         figures_percentile(series.first, series.count, 99), AT_MOST, 2000);
    tell(bench, "cycles of one client, leases standing", "per second", series.count / series.seconds,
         NO_TARGET, 0);
    r = add_tenants(bench, bench->target);
    if (r == 0)
        tell_growth(bench);
    return r;
}

static unsigned count_text(const char *bytes, size_t length, const char *text)
{
    unsigned count = 0;

    for (const char *at = bytes; (at = memmem(at, length - (size_t)(at - bytes), text, strlen(text))); at++)
        count++;
    return count;
}

/* Asks for the queue pairs in parts, of which one read may bring several. */
static int measure_lists(struct bench *bench)
{
    static const char request[] = "{\"method\":\"io.homi.Admin.ListQueuePairs\",\"more\":true}";
    static char reply[WIRE_REPLY_BYTES_MAX];
    unsigned entries = 0, ended = 0;
    uint64_t begin = wire_now();
    int r = wire_send(bench->admin, request, sizeof(request));

    while (r == 0 && ended == 0) {
        ssize_t length = wire_receive(bench->admin, reply, NULL);
        r = length < 0 ? (int)length : 0;
        if (r < 0)
            break;
        entries += count_text(reply, (size_t)length, "\"virtualFunction\":");
        ended = count_text(reply, (size_t)length, "]}}") > 0;
    }
    tell(bench, "queue pairs that ListQueuePairs lists", "", entries, AT_LEAST, bench->tenant_count * PAIRS);
    tell(bench, "the whole of that list", "ms", microseconds_since(begin) / 1e3, NO_TARGET, 0);
    return r;
}

static int measure_reclaim(struct bench *bench)
{
    double slowest = 0, unused = 0;
    unsigned victims = bench->tenant_count < STANDING ? bench->tenant_count : STANDING;
    uint64_t cpu = rig_cpu_nanoseconds(bench->rig.homid), begin = wire_now();

    for (unsigned i = 0; i < victims; i++)
        kill(bench->tenants[i], SIGKILL);
    double killed = microseconds_since(begin) / 1e3;
    double reclaimed = wait_status(bench, LEASES, bench->tenant_count - victims, begin, &slowest);
    double ready = wait_status(bench, READY, TENANTS_MAX - (bench->tenant_count - victims), begin, &unused);
    tell(bench, "killing the processes", "ms", killed, NO_TARGET, 0);
    tell(bench, "until all they had is given back", "ms", reclaimed, AT_MOST, 500);
    tell(bench, "until all their VFs are ready again", "ms", ready, NO_TARGET, 0);
    tell(bench, "homid's CPU for one of them, until ready", "us",
         (double)(rig_cpu_nanoseconds(bench->rig.homid) - cpu) / 1e3 / victims, NO_TARGET, 0);
    tell(bench, "the slowest status meanwhile", "ms", slowest / 1e3, AT_MOST, 50);
    return reclaimed < 0 || ready < 0 ? -ETIMEDOUT : 0;
}

static int run(struct bench *bench)
{
    int fd = -1, r = make_memory(&fd);

    bench->admin = wire_connect(bench->rig.admin_socket);
    if (bench->admin < 0)
        r = bench->admin;
    if (bench->json)
        fprintf(bench->json, "{\"figures\": [");
    tell(bench, "homid's memory for a VF that is ready", "B",
         (double)rig_memory_bytes(bench->rig.homid) / TENANTS_MAX, NO_TARGET, 0);
    if (r == 0)
        r = measure_rates(bench, fd);
    if (r == 0)
        r = measure_standing(bench, fd);
    if (r == 0)
        r = measure_lists(bench);
    if (r == 0)
        r = measure_reclaim(bench);
    if (bench->json)
        fprintf(bench->json, "\n]}\n");
    if (fd >= 0)
        close(fd);
    return r;
}

static void end_tenants(struct bench *bench)
{
    for (unsigned i = 0; i < bench->tenant_count; i++)
        kill(bench->tenants[i], SIGKILL);
    for (unsigned i = 0; i < bench->tenant_count; i++)
        waitpid(bench->tenants[i], NULL, 0);
}

static bool parse(int argc, char **argv, struct bench *bench, const char **ret_json)
{
    static const struct option known[] = {{"json", required_argument, NULL, 'j'},
                                          {"tenants", required_argument, NULL, 't'},
                                          {"cycles", required_argument, NULL, 'c'},
                                          {0}};
    int letter;

    while ((letter = getopt_long(argc, argv, "", known, NULL)) != -1) {
        switch (letter) {
        case 'j': *ret_json = optarg; break;
        case 't': bench->target = (unsigned)strtoul(optarg, NULL, 10); break;
        case 'c': bench->cycles = (unsigned)strtoul(optarg, NULL, 10); break;
        default: return false;
        }
    }
    return optind == argc && bench->target >= 1 && bench->target <= TENANTS_MAX && bench->cycles >= 8 &&
           bench->cycles <= CYCLES_MAX;
}

int main(int argc, char **argv)
{
    const struct rig_options options = {
        .devices = DEVICES, .functions = FUNCTIONS, .queue_pairs = PAIRS, .connections = 2 * TENANTS_MAX};
    struct bench bench = {.target = TENANTS_MAX, .cycles = 2000, .admin = -1};
    const char *json = NULL;

    if (!parse(argc, argv, &bench, &json)) {
        fprintf(stderr, "usage: scale [--json FILE] [--tenants 1..%d] [--cycles 8..%d]\n", TENANTS_MAX,
                CYCLES_MAX);
        return 2;
    }
    bench.records = mmap(NULL, TENANTS_MAX * sizeof(*bench.records), PROT_READ | PROT_WRITE,
                         MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    bench.json = json ? fopen(json, "w") : NULL;
    if (bench.records == MAP_FAILED || (json && !bench.json)) {
        perror("scale");
        return 1;
    }
    uint64_t begin = wire_now();
    int r = rig_start(&options, &bench.rig);
    if (r == 0) {
        printf("4 SSDs of 256 VFs with 4 queue pairs each: ready after %.1f s\n",
               microseconds_since(begin) / 1e6);
        r = run(&bench);
    }
    if (r < 0)
        fprintf(stderr, "scale: %s\n", strerror(-r));
    end_tenants(&bench);
    if (bench.admin >= 0)
        close(bench.admin);
    if (bench.json && fclose(bench.json) != 0)
        r = -EIO;
    rig_stop(&bench.rig);
    return r < 0 ? 1 : bench.missed ? 3 : 0;
}
