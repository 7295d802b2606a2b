/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The control path beside a raw epoll echo: round trips, calls with descriptors, 16 clients' processes,
 * connection set-up, and memory of idle connections. Client and servers run on one CPU, since a wake-up
 * across CPUs of a virtual machine costs more than all the software between. Rounds of homid and of the echo
 * alternate; what is told are medians over the rounds, ratios too. Usage: control [--json FILE] [--rounds N]
 * [--calls N]
 */
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/control/echo.h"
#include "bench/control/figures.h"
#include "bench/control/rig.h"
#include "bench/control/wire.h"

enum {
    ROUNDS_MAX = 99,
    CLIENTS = 16,
    CONNECTIONS = 512, /* of the measurement of set-up, for each round */
    IDLE_FIRST = 500,  /* connections before memory is looked at, and after */
    IDLE_LAST = 3500,
    IDLE_LIMIT = 4096,
};

struct bench {
    struct rig rig;
    pid_t echo;
    char echo_socket[96], lease[64];
    unsigned rounds, calls;
    double *times; /* of a round's calls, us */
    FILE *json;
    bool missed;
};

/* One way to be asked, of homid and of the echo. */
struct subject {
    const char *socket;
    pid_t pid;
    int fd; /* connected, where the case wants one connection */
    unsigned descriptors;
    size_t (*request)(struct bench *bench, char *buffer); /* its bytes */
};

struct measurement {
    double p50, p99, rate, cpu; /* us, us, calls per second, us of the server's CPU time for a call */
};

/* ---- requests ---- */

static size_t echo_plain(struct bench *bench, char *buffer)
{
    (void)bench;
    memset(buffer, 'q', ECHO_REQUEST_BYTES);
    return ECHO_REQUEST_BYTES;
}

static size_t echo_with_fds(struct bench *bench, char *buffer)
{
    (void)bench;
    memset(buffer, ECHO_WITH_FDS, ECHO_REQUEST_BYTES);
    return ECHO_REQUEST_BYTES;
}

static size_t homid_query(struct bench *bench, char *buffer)
{
    static const char text[] =
        "{\"method\":\"io.homi.Tenant.GetTenant\",\"parameters\":{\"tenant\":\"bench\"}}";

    (void)bench;
    memcpy(buffer, text, sizeof(text));
    return sizeof(text);
}

/* Attaching to a lease that the process holds already: all of the call but the device. */
static size_t homid_attach(struct bench *bench, char *buffer)
{
    static unsigned number;

    return 1 + (size_t)snprintf(buffer, ECHO_REQUEST_BYTES,
                                "{\"method\":\"io.homi.Tenant.Attach\",\"parameters\":{\"lease\":\"%s\","
                                "\"mode\":\"join\",\"requestId\":\"r%08u\"}}",
                                bench->lease, number++);
}

/* ---- measuring ---- */

static int call_once(struct bench *bench, const struct subject *subject, int fd)
{
    static char request[ECHO_REQUEST_BYTES], reply[WIRE_REPLY_BYTES_MAX];
    unsigned fds;
    size_t bytes = subject->request(bench, request);
    ssize_t length = wire_call(fd, request, bytes, reply, &fds);

    if (length < 0)
        return (int)length;
    if (fds == subject->descriptors && strncmp(reply, "{\"error\"", 8) != 0)
        return 0;
    fprintf(stderr, "control: %u descriptors and %.200s\n", fds, reply);
    return -EPROTO;
}

static int one_by_one(struct bench *bench, const struct subject *subject, struct measurement *ret)
{
    uint64_t cpu = rig_cpu_nanoseconds(subject->pid), begin = wire_now();

    for (unsigned i = 0; i < bench->calls; i++) {
        uint64_t before = wire_now();
        int r = call_once(bench, subject, subject->fd);
        if (r < 0)
            return r;
        bench->times[i] = (double)(wire_now() - before) / 1e3;
    }
    ret->rate = bench->calls / ((double)(wire_now() - begin) / 1e9);
    ret->cpu = (double)(rig_cpu_nanoseconds(subject->pid) - cpu) / 1e3 / bench->calls;
    ret->p50 = figures_percentile(bench->times, bench->calls, 50);
    ret->p99 = figures_percentile(bench->times, bench->calls, 99);
    return 0;
}

/* Connects, asks once, and closes. */
static int set_up(struct bench *bench, const struct subject *subject, struct measurement *ret)
{
    uint64_t cpu = rig_cpu_nanoseconds(subject->pid), begin = wire_now();

    for (unsigned i = 0; i < CONNECTIONS; i++) {
        uint64_t before = wire_now();
        int fd = wire_connect(subject->socket);
        int r = fd < 0 ? fd : call_once(bench, subject, fd);
        if (fd >= 0)
            close(fd);
        if (r < 0)
            return r;
        bench->times[i] = (double)(wire_now() - before) / 1e3;
    }
    ret->rate = CONNECTIONS / ((double)(wire_now() - begin) / 1e9);
    ret->cpu = (double)(rig_cpu_nanoseconds(subject->pid) - cpu) / 1e3 / CONNECTIONS;
    ret->p50 = figures_percentile(bench->times, CONNECTIONS, 50);
    ret->p99 = figures_percentile(bench->times, CONNECTIONS, 99);
    return 0;
}

/* A client's process: connects, says so, waits for the start, and makes its calls. */
static int be_client(struct bench *bench, const struct subject *subject, int ready, int start)
{
    int fd = wire_connect(subject->socket);
    int r = fd < 0 ? fd : call_once(bench, subject, fd);
    char byte = 0;

    if (r == 0 && (write(ready, &byte, 1) != 1 || read(start, &byte, 1) != 0))
        r = -EPIPE;
    for (unsigned i = 0; i < bench->calls / CLIENTS && r == 0; i++)
        r = call_once(bench, subject, fd);
    return r;
}

static int wait_for(const pid_t clients[CLIENTS])
{
    int r = 0, status;

    for (unsigned i = 0; i < CLIENTS && clients[i] > 0; i++) {
        if (waitpid(clients[i], &status, 0) < 0 || status != 0)
            r = -ECHILD;
    }
    return r;
}

/* Processes of their own, which start together, when the pipe that they read from is closed. */
static int many_clients(struct bench *bench, const struct subject *subject, struct measurement *ret)
{
    int ready[2], start[2], r = pipe(ready) < 0 || pipe(start) < 0 ? -errno : 0;
    pid_t clients[CLIENTS] = {0};
    char bytes[CLIENTS];
    ssize_t n = 1;

    for (unsigned i = 0; i < CLIENTS && r == 0; i++) {
        clients[i] = fork();
        if (clients[i] < 0)
            r = -errno;
        if (clients[i] != 0)
            continue;
        close(ready[0]);
        close(start[1]);
        _exit(be_client(bench, subject, ready[1], start[0]) < 0);
    }
    close(ready[1]);
    for (size_t have = 0; have < CLIENTS && r == 0 && n > 0; have += (size_t)n)
        n = read(ready[0], bytes, sizeof(bytes) - have);
    uint64_t cpu = rig_cpu_nanoseconds(subject->pid), begin = wire_now();
    close(start[1]);
    int ended = wait_for(clients);
    ret->rate = bench->calls / ((double)(wire_now() - begin) / 1e9);
    ret->cpu = (double)(rig_cpu_nanoseconds(subject->pid) - cpu) / 1e3 / bench->calls;
    ret->p50 = ret->p99 = 0;
    close(start[0]);
    close(ready[0]);
    return r < 0 ? r : ended;
}

/* ---- cases ---- */

enum figure { P50, P99, RATE, CPU, FIGURES };

struct test_case {
    const char *name;
    int (*measure)(struct bench *bench, const struct subject *subject, struct measurement *ret);
    size_t (*homid)(struct bench *bench, char *buffer);
    size_t (*echo)(struct bench *bench, char *buffer);
    unsigned descriptors;
    double p50_most, p99_most, rate_least; /* targets of the ratios; 0: none */
};

static const struct test_case cases[] = {
    {"query", one_by_one, homid_query, echo_plain, 0, 2.2, 2.4, 0},
    {"call with descriptors", one_by_one, homid_attach, echo_with_fds, ECHO_FDS, 2.2, 2.4, 0},
    {"16 clients", many_clients, homid_query, echo_plain, 0, 0, 0, 0.53},
    {"connection, query, close", set_up, homid_query, echo_plain, 0, 0, 0, 0},
};

struct series {
    double values[FIGURES][ROUNDS_MAX];
};

static void note(struct series *series, unsigned round, const struct measurement *m)
{
    const double values[FIGURES] = {m->p50, m->p99, m->rate, m->cpu};

    for (unsigned i = 0; i < FIGURES; i++)
        series->values[i][round] = values[i];
}

static const char *verdict(struct bench *bench, bool met)
{
    bench->missed = bench->missed || !met;
    return met ? "met" : "missed";
}

static void tell(struct bench *bench, const struct test_case *now, const double homid[FIGURES],
                 const double echo[FIGURES], const double ratio[FIGURES])
{
    bool aims = now->p50_most > 0 || now->rate_least > 0;
    bool met = (now->p50_most == 0 || (ratio[P50] <= now->p50_most && ratio[P99] <= now->p99_most)) &&
               ratio[RATE] >= now->rate_least;
    const char *says = aims ? verdict(bench, met) : "-";

    printf("%-26s homid %6.1f %6.1f %8.0f %5.1f  echo %6.1f %6.1f %8.0f %5.1f  ratio %5.2f %5.2f %5.2f %5.2f "
           " %s\n",
           now->name, homid[P50], homid[P99], homid[RATE], homid[CPU], echo[P50], echo[P99], echo[RATE],
           echo[CPU], ratio[P50], ratio[P99], ratio[RATE], ratio[CPU], says);
    if (!bench->json)
        return;
    fprintf(
        bench->json,
        "  {\"name\": \"%s\", \"homid\": {\"p50_us\": %.2f, \"p99_us\": %.2f, \"calls_per_second\": %.0f, "
        "\"cpu_us\": %.2f}, \"echo\": {\"p50_us\": %.2f, \"p99_us\": %.2f, \"calls_per_second\": %.0f, "
        "\"cpu_us\": %.2f}, \"ratio\": {\"p50\": %.3f, \"p99\": %.3f, \"calls_per_second\": %.3f, \"cpu\": "
        "%.3f}, "
        "\"target\": {\"p50_most\": %.2f, \"p99_most\": %.2f, \"calls_per_second_least\": %.2f}, "
        "\"verdict\": \"%s\"},\n",
        now->name, homid[P50], homid[P99], homid[RATE], homid[CPU], echo[P50], echo[P99], echo[RATE],
        echo[CPU], ratio[P50], ratio[P99], ratio[RATE], ratio[CPU], now->p50_most, now->p99_most,
        now->rate_least, says);
}

static int measure_case(struct bench *bench, const struct test_case *now, int homid_fd, int echo_fd)
{
    static struct series homid, echo, ratio;
    const struct subject homid_subject = {bench->rig.tenant_socket, bench->rig.homid, homid_fd,
                                          now->descriptors, now->homid};
    const struct subject echo_subject = {bench->echo_socket, bench->echo, echo_fd, now->descriptors,
                                         now->echo};
    double medians[3][FIGURES];

    for (unsigned round = 0; round < bench->rounds; round++) {
        struct measurement ours, raw;
        int r = now->measure(bench, &echo_subject, &raw);
        if (r == 0)
            r = now->measure(bench, &homid_subject, &ours);
        if (r < 0) {
            fprintf(stderr, "control: %s: %s\n", now->name, strerror(-r));
            return r;
        }
        note(&echo, round, &raw);
        note(&homid, round, &ours);
        for (unsigned i = 0; i < FIGURES; i++)
            ratio.values[i][round] =
                echo.values[i][round] > 0 ? homid.values[i][round] / echo.values[i][round] : 0;
    }
    for (unsigned i = 0; i < FIGURES; i++) {
        medians[0][i] = figures_median(homid.values[i], bench->rounds);
        medians[1][i] = figures_median(echo.values[i], bench->rounds);
        medians[2][i] = figures_median(ratio.values[i], bench->rounds);
    }
    tell(bench, now, medians[0], medians[1], medians[2]);
    return 0;
}

/* ---- memory ---- */

static void tell_memory(struct bench *bench, const char *which, double bytes, const char *more)
{
    const char *says = verdict(bench, bytes <= 512);

    printf("%-26s %6.0f B for each %s  %s\n", "memory", bytes, which, says);
    if (bench->json)
        fprintf(bench->json,
                "  {\"name\": \"%s\", \"bytes\": %.0f, \"target\": {\"bytes_most\": 512}, \"verdict\": "
                "\"%s\"}%s\n",
                which, bytes, says, more);
}

/* A call tells that the connections before it were accepted; after one on each, homid knows who each is. */
static int measure_memory(struct bench *bench)
{
    static int fds[IDLE_LAST];
    const struct subject subject = {bench->rig.tenant_socket, bench->rig.homid, -1, 0, homid_query};
    uint64_t before = 0, connected = 0;
    unsigned open = 0;
    int r = 0;

    for (; open < IDLE_LAST && r == 0; open++) {
        if (open == IDLE_FIRST)
            before = rig_memory_bytes(bench->rig.homid);
        fds[open] = wire_connect(bench->rig.tenant_socket);
        r = fds[open] < 0 ? fds[open] : 0;
        if (r == 0 && (open % 64 == 63 || open + 1 == IDLE_LAST || open + 1 == IDLE_FIRST))
            r = call_once(bench, &subject, fds[open]);
    }
    connected = rig_memory_bytes(bench->rig.homid);
    for (unsigned i = IDLE_FIRST; i < IDLE_LAST && r == 0; i++)
        r = call_once(bench, &subject, fds[i]);
    if (r == 0) {
        double count = IDLE_LAST - IDLE_FIRST;
        uint64_t called = rig_memory_bytes(bench->rig.homid);
        tell_memory(bench, "idle connection", (double)(connected - before) / count, ",");
        tell_memory(bench, "connection after a call", (double)(called - before) / count, "");
    } else {
        fprintf(stderr, "control: idle connections: %s\n", strerror(-r));
    }
    while (open > 0)
        close(fds[--open]);
    return r;
}

/* ---- all of it ---- */

static int take_lease(struct bench *bench, int fd)
{
    static const char request[] =
        "{\"method\":\"io.homi.Tenant.Attach\",\"parameters\":{\"mode\":\"fresh\"}}";
    static char reply[WIRE_REPLY_BYTES_MAX];
    ssize_t length = wire_call(fd, request, sizeof(request), reply, NULL);

    if (length < 0)
        return (int)length;
    return sscanf(reply, "{\"parameters\":{\"lease\":\"%63[^\"]\"", bench->lease) == 1 ? 0 : -EPROTO;
}

static int run(struct bench *bench)
{
    int homid_fd = wire_connect(bench->rig.tenant_socket), echo_fd = wire_connect(bench->echo_socket);
    int r = homid_fd < 0 ? homid_fd : echo_fd < 0 ? echo_fd : take_lease(bench, homid_fd);

    if (bench->json)
        fprintf(bench->json, "{\"rounds\": %u, \"calls\": %u, \"cases\": [\n", bench->rounds, bench->calls);
    printf(
        "medians of %u rounds of %u calls: p50 us, p99 us, calls/s, us of the server's CPU time for a call\n",
        bench->rounds, bench->calls);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]) && r == 0; i++)
        r = measure_case(bench, &cases[i], homid_fd, echo_fd);
    if (r == 0)
        r = measure_memory(bench);
    if (bench->json)
        fprintf(bench->json, "]}\n");
    if (homid_fd >= 0)
        close(homid_fd);
    if (echo_fd >= 0)
        close(echo_fd);
    return r;
}

static bool parse(int argc, char **argv, struct bench *bench, const char **ret_json)
{
    static const struct option known[] = {{"json", required_argument, NULL, 'j'},
                                          {"rounds", required_argument, NULL, 'r'},
                                          {"calls", required_argument, NULL, 'c'},
                                          {0}};
    int letter;

    while ((letter = getopt_long(argc, argv, "", known, NULL)) != -1) {
        switch (letter) {
        case 'j': *ret_json = optarg; break;
        case 'r': bench->rounds = (unsigned)strtoul(optarg, NULL, 10); break;
        case 'c': bench->calls = (unsigned)strtoul(optarg, NULL, 10); break;
        default: return false;
        }
    }
    return optind == argc && bench->rounds >= 1 && bench->rounds <= ROUNDS_MAX && bench->calls >= 100;
}

int main(int argc, char **argv)
{
    const struct rig_options options = {
        .devices = 1, .functions = 4, .queue_pairs = 3, .connections = IDLE_LIMIT};
    struct rlimit descriptors;
    struct bench bench = {.rounds = 15, .calls = 4000};
    const char *json = NULL;

    if (!parse(argc, argv, &bench, &json)) {
        fprintf(stderr, "usage: control [--json FILE] [--rounds 1..%d] [--calls N]\n", ROUNDS_MAX);
        return 2;
    }
    if (getrlimit(RLIMIT_NOFILE, &descriptors) == 0) {
        descriptors.rlim_cur = descriptors.rlim_max;
        setrlimit(RLIMIT_NOFILE, &descriptors);
    }
    int r = rig_pin(0);
    if (r == 0)
        r = rig_start(&options, &bench.rig);
    if (r == 0) {
        snprintf(bench.echo_socket, sizeof(bench.echo_socket), "%s/echo.sock", bench.rig.directory);
        bench.echo = echo_start(bench.echo_socket);
        r = bench.echo < 0 ? bench.echo : 0;
    }
    bench.times = calloc(bench.calls > CONNECTIONS ? bench.calls : CONNECTIONS, sizeof(*bench.times));
    bench.json = json ? fopen(json, "w") : NULL;
    if (r == 0 && (!bench.times || (json && !bench.json)))
        r = -errno;
    if (r == 0)
        r = run(&bench);
    else
        fprintf(stderr, "control: %s\n", strerror(-r));
    if (bench.json && fclose(bench.json) != 0)
        r = -EIO;
    echo_stop(bench.echo);
    unlink(bench.echo_socket);
    rig_stop(&bench.rig);
    free(bench.times);
    return r < 0 ? 1 : bench.missed ? 3 : 0;
}
