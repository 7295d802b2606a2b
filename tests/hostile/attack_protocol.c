/* SPDX-License-Identifier: BSD-3-Clause */
/* Connections, messages and descriptors: floods, halves, and what is never read. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/hostile/hostile.h"

#define LIST "{\"method\":\"io.homi.Tenant.ListTenants\"}"

enum { MANY = 400, ANSWER = 5000, CALLS_AHEAD = 100 };

static void raise_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static int connection_flood(struct attacker *attacker)
{
    static int sockets[MANY];
    unsigned served = 0, refused = 0, ended = 0;

    raise_limit();
    for (unsigned i = 0; i < MANY; i++) {
        sockets[i] = raw_connect(attacker->setup->socket);
        if (sockets[i] < 0)
            return got("nothing: connecting: %s", strerror(-sockets[i]));
    }
    for (unsigned i = 0; i < MANY; i++) {
        int r = raw_call(sockets[i], LIST, NULL, 0, attacker->reply);
        if (r != 1)
            ended++;
        else if (strstr(attacker->reply, "QuotaExceeded"))
            refused++;
        else
            served++;
    }
    for (unsigned i = 0; i < MANY; i++)
        close(sockets[i]);
    if (served > attacker->setup->connections_per_uid || refused == 0)
        return got("%u connections were served, %u refused, %u ended", served, refused, ended);
    pause_milliseconds(100);
    return serves(attacker) ? 0 : got("nobody is served any more");
}

/* As many as are allowed, each in the middle of a message, for ever; one that is whole must be served. */
static int half_messages(struct attacker *attacker)
{
    int sockets[16];

    for (unsigned i = 0; i < 16; i++) {
        sockets[i] = raw_connect(attacker->setup->socket);
        (void)raw_send(sockets[i], LIST, 5 + i, NULL, 0);
    }
    bool served = serves(attacker);
    for (unsigned i = 0; i < 16; i++)
        close(sockets[i]);
    return served ? 0 : got("half messages kept homid from whole ones");
}

static int endless_message(struct attacker *attacker)
{
    static char piece[64 << 10];
    int socket = raw_connect(attacker->setup->socket);

    memset(piece, ' ', sizeof(piece));
    for (unsigned i = 0; i < 64; i++) {
        if (raw_send(socket, piece, sizeof(piece), NULL, 0) < 0) {
            close(socket);
            return serves(attacker) ? 0 : got("nobody is served any more");
        }
    }
    return got("4 MiB without an end were taken");
}

/* Calls without reading an answer: as much as fits into the sockets, and no memory beside. */
static int never_read(struct attacker *attacker)
{
    int socket = raw_connect(attacker->setup->socket);
    unsigned sent = 0;

    if (fcntl(socket, F_SETFL, O_NONBLOCK) < 0)
        return got("nothing");
    for (unsigned full = 0; full < 200;) {
        ssize_t n = raw_send(socket, LIST, sizeof(LIST), NULL, 0);
        if (n < 0 && n != -EAGAIN)
            break;
        sent += n > 0;
        full += n < 0;
        if (n < 0)
            pause_milliseconds(1);
    }
    bool served = serves(attacker);
    close(socket);
    return served ? 0 : got("nobody is served after %u unread answers", sent);
}

/* Which of them are refused is homid's affair. */
static int monitor_flood(struct attacker *attacker)
{
    static const char monitor[] = "{\"method\":\"io.homi.Tenant.Monitor\",\"more\":true}";
    unsigned count = attacker->setup->monitors + 8, refused = 0;
    uint64_t end = microseconds_now() + ANSWER * UINT64_C(1000);
    int sockets[128];

    for (unsigned i = 0; i < count; i++) {
        sockets[i] = raw_connect(attacker->setup->socket);
        (void)raw_send(sockets[i], monitor, sizeof(monitor), NULL, 0);
    }
    while (refused < 8 && microseconds_now() < end) {
        for (unsigned i = 0; i < count; i++)
            refused += raw_receive(sockets[i], attacker->reply, 1) == 1 &&
                       strstr(attacker->reply, "\"error\"") != NULL;
    }
    for (unsigned i = 0; i < count; i++)
        close(sockets[i]);
    return refused >= 8 ? 0 : got("%u of %u monitors were refused", refused, count);
}

/* More calls at once than may wait: each is answered, once, or the connection ends. */
static int calls_ahead(struct attacker *attacker)
{
    static char many[CALLS_AHEAD * sizeof(LIST)];
    int socket = raw_connect(attacker->setup->socket), r;
    unsigned answers = 0;

    for (unsigned i = 0; i < CALLS_AHEAD; i++)
        memcpy(many + i * sizeof(LIST), LIST, sizeof(LIST));
    if (raw_send(socket, many, sizeof(many), NULL, 0) < 0)
        return got("nothing");
    while ((r = raw_receive(socket, attacker->reply, answers < CALLS_AHEAD ? ANSWER : 100)) == 1)
        answers++;
    close(socket);
    if (answers > CALLS_AHEAD || (answers < CALLS_AHEAD && r != 0))
        return got("%u answers to %u calls", answers, CALLS_AHEAD);
    return serves(attacker) ? 0 : got("nobody is served any more");
}

/* ---- descriptors ---- */

static int descriptors_nobody_asked_for(struct attacker *attacker)
{
    int fds[8], socket = raw_connect(attacker->setup->socket);

    for (unsigned i = 0; i < 8; i++)
        fds[i] = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (unsigned i = 0; i < 50; i++) {
        if (raw_call(socket, LIST, fds, 8, attacker->reply) != 1)
            break;
        if (!strstr(attacker->reply, "fileDescriptors"))
            return got("descriptors with a call that takes none");
    }
    close(socket);
    return 0;
}

/* More than a message may bring, and then some in the middle of one: they must be closed, all of them. */
static int descriptors_too_many(struct attacker *attacker)
{
    static const char list[] = LIST;
    int fds[RAW_FDS_MAX];

    for (unsigned i = 0; i < RAW_FDS_MAX; i++)
        fds[i] = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (unsigned i = 0; i < 40; i++) {
        int socket = raw_connect(attacker->setup->socket);
        (void)raw_send(socket, LIST, 10, NULL, 0);
        (void)raw_send(socket, &list[10], sizeof(list) - 10, fds, i % 2 ? 1 : RAW_FDS_MAX);
        int r = raw_receive(socket, attacker->reply, ANSWER);
        close(socket);
        if (r == 1 && !strstr(attacker->reply, "\"error\""))
            return got("descriptors in the middle of a message were taken");
    }
    return 0;
}

/* Held by messages that never end, on many connections: each may hold a few, and all of them are bounded. */
static int descriptors_held(struct attacker *attacker)
{
    int fds[8], sockets[32];

    for (unsigned i = 0; i < 8; i++)
        fds[i] = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (unsigned i = 0; i < 32; i++) {
        sockets[i] = raw_connect(attacker->setup->socket);
        (void)raw_send(sockets[i], LIST, 10, fds, 8);
    }
    bool served = serves(attacker);
    for (unsigned i = 0; i < 32; i++)
        close(sockets[i]);
    return served ? 0 : got("held descriptors kept homid from others");
}

/* Sockets in flight inside each other, and homid's connection inside itself. */
static int descriptor_loops(struct attacker *attacker)
{
    for (unsigned i = 0; i < 30; i++) {
        int socket = raw_connect(attacker->setup->socket), pair[2];
        if (socket < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
            return got("nothing");
        const int loop[] = {pair[0], pair[1], socket};
        (void)raw_send(pair[0], "x", 1, loop, 3);
        (void)raw_send(socket, LIST, 10, loop, 3);
        close(pair[0]);
        close(pair[1]);
        close(socket);
    }
    return serves(attacker) ? 0 : got("nobody is served any more");
}

/* ---- whose call is it ---- */

/* An answer kept for one connection's request id is nobody else's. */
static int anothers_request_id(struct attacker *attacker)
{
    struct attacker other = {.setup = attacker->setup, .shared = attacker->shared};
    char *reply = NULL, parameters[256];
    int r = 0;

    attacker_connect(&other);
    for (unsigned id = 1; id < 8 && r == 0; id++) {
        snprintf(parameters, sizeof(parameters), "{\"lease\":\"%s\",\"region\":1,\"requestId\":\"%u\"}",
                 homi_lease_name(attacker->lease), id);
        if (homi_call(other.homi, "io.homi.Tenant.UnregisterMemory", parameters, &reply) == 0)
            r = got("another connection's answer came for its request id");
        free(reply);
        reply = NULL;
    }
    homi_close(other.homi);
    return r;
}

static int admin_calls(struct attacker *attacker)
{
    static const char status[] = "{\"method\":\"io.homi.Admin.GetStatus\"}";
    int socket = raw_connect(attacker->setup->socket);

    if (raw_call(socket, status, NULL, 0, attacker->reply) != 1 ||
        !strstr(attacker->reply, "InterfaceNotFound"))
        return got("the operator's interface on the tenants' socket");
    close(socket);
    socket = raw_connect(attacker->setup->admin_socket);
    if (socket < 0)
        return 0; /* the file system said no */
    int r = raw_call(socket, status, NULL, 0, attacker->reply);
    close(socket);
    return r != 1 || strstr(attacker->reply, "PermissionDenied") ? 0 : got("the operator's socket");
}

/* The programs that try one wrong call after the other; each of their lines is a refusal that was right. */
static int run_program(struct attacker *attacker, const char *name, char *const *arguments)
{
    char path[512];
    int status;
    pid_t pid;

    snprintf(path, sizeof(path), "%s/%s", attacker->setup->programs, name);
    pid = fork();
    if (pid == 0) {
        int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
        if (dup2(null, STDOUT_FILENO) < 0)
            _exit(127);
        execv(path, arguments);
        _exit(127);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return got("nothing: %s cannot be run", name);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0
                                                         : got("%s ended with 0x%x", name, (unsigned)status);
}

static int wrong_parameters(struct attacker *attacker)
{
    char *const arguments[] = {(char *)"tenant-refusals",
                               (char *)"--socket",
                               (char *)(uintptr_t)attacker->setup->socket,
                               (char *)"--tenant",
                               (char *)(uintptr_t)attacker->setup->attacker,
                               (char *)"--foreign-lease",
                               attacker->shared->victim_lease,
                               NULL};

    return run_program(attacker, "tenant-refusals", arguments);
}

static int wrong_messages(struct attacker *attacker)
{
    char *const arguments[] = {(char *)"proto-abuse",
                               (char *)"--socket",
                               (char *)(uintptr_t)attacker->setup->socket,
                               (char *)"--slow-ms",
                               (char *)"20",
                               (char *)"--connections",
                               (char *)"24",
                               NULL};

    return run_program(attacker, "proto-abuse", arguments);
}

const struct attack protocol_attacks[] = {
    {"connection-flood", connection_flood, false},
    {"message-halves", half_messages, false},
    {"message-endless", endless_message, false},
    {"message-never-read", never_read, false},
    {"message-calls-ahead", calls_ahead, false},
    {"message-wrong", wrong_messages, false},
    {"call-wrong", wrong_parameters, false},
    {"call-anothers-request-id", anothers_request_id, false},
    {"call-admin", admin_calls, true},
    {"monitor-flood", monitor_flood, false},
    {"descriptors-not-asked-for", descriptors_nobody_asked_for, false},
    {"descriptors-too-many", descriptors_too_many, false},
    {"descriptors-held", descriptors_held, false},
    {"descriptors-in-loops", descriptor_loops, false},
    {NULL, NULL, false},
};
