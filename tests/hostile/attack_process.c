/* SPDX-License-Identifier: BSD-3-Clause */
/* Processes: who dies when, who holds what, and who claims to be whom. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/hostile/hostile.h"

#define LIST "{\"method\":\"io.homi.Tenant.ListTenants\"}"

/* A child that does something and is killed so many milliseconds later. */
static void killed_while(struct attacker *attacker, void (*act)(struct attacker *), unsigned milliseconds)
{
    pid_t pid = fork();

    if (pid == 0) {
        struct attacker own = {
            .setup = attacker->setup, .shared = attacker->shared, .tenant = attacker->tenant};
        attacker_connect(&own);
        act(&own);
        for (;;)
            pause();
    }
    pause_milliseconds(milliseconds);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static void attach_without_waiting(struct attacker *own)
{
    char text[256];
    int socket = raw_connect(own->setup->socket);

    snprintf(text, sizeof(text),
             "{\"method\":\"io.homi.Tenant.Attach\",\"parameters\":{\"tenant\":\"%s\",\"mode\":\"fresh\","
             "\"waitMilliseconds\":60000}}",
             own->setup->attacker);
    (void)raw_send(socket, text, strlen(text) + 1, NULL, 0);
}

static void full_of_io(struct attacker *own)
{
    const struct homi_nvme_command command = {.opcode = HOMI_NVME_READ, .nsid = 0, .prp1 = 0, .cdw12 = 0};

    attacker_attach(own);
    for (;;) {
        struct homi_completion done[DEPTH];
        struct homi_batch batch = homi_batch_begin(own->queue);
        struct homi_nvme_command read = command;
        read.nsid = own->space->id;
        read.prp1 = own->region->iova;
        while (homi_batch_raw(&batch, &read, 1) == 0)
            continue;
        homi_batch_submit(&batch);
        (void)homi_queue_reap(own->queue, done, DEPTH);
    }
}

static void in_the_middle_of_making(struct attacker *own)
{
    const struct homi_queue_options options = {.entries = 8};
    struct homi_memory *memory;
    struct homi_queue_pair *pair;

    attacker_attach(own);
    for (;;) {
        if (homi_memory_new(own->lease, 1 << 20, 0, &memory) == 0)
            homi_memory_free(memory);
        if (homi_queue_pair_new(own->lease, &options, &pair) == 0)
            homi_queue_pair_free(pair);
    }
}

static int death_while_attaching(struct attacker *attacker)
{
    for (unsigned i = 0; i < 10; i++)
        killed_while(attacker, attach_without_waiting, i);
    return 0;
}

static int death_under_io(struct attacker *attacker)
{
    for (unsigned i = 0; i < 3; i++)
        killed_while(attacker, full_of_io, 150 + 60 * i);
    return 0;
}

static int death_while_making(struct attacker *attacker)
{
    for (unsigned i = 0; i < 4; i++)
        killed_while(attacker, in_the_middle_of_making, 100 + 57 * i);
    return 0;
}

/* The parent attaches and dies; what the child inherited must not keep a lease, nor speak for the dead. */
static int inherited(struct attacker *attacker)
{
    int ready[2], socket = raw_connect(attacker->setup->socket);
    char byte;

    if (raw_call(socket, LIST, NULL, 0, attacker->reply) != 1 || pipe2(ready, O_CLOEXEC) < 0)
        return got("nothing");
    close(socket);
    pid_t parent = fork();
    if (parent == 0) {
        int own = raw_connect(attacker->setup->socket);
        (void)raw_call(own, LIST, NULL, 0, attacker->reply);
        pid_t heir = fork();
        if (heir == 0) {
            close(ready[0]);
            while (getppid() == parent)
                pause_milliseconds(5);
            pause_milliseconds(200);
            int r = raw_call(own, LIST, NULL, 0, attacker->reply);
            byte = r == 1 ? 'y' : 'n';
            _exit(write(ready[1], &byte, 1) == 1 ? 0 : 1);
        }
        (void)heir;
        _exit(0);
    }
    waitpid(parent, NULL, 0);
    close(ready[1]);
    if (read(ready[0], &byte, 1) != 1)
        return got("nothing: the child died");
    close(ready[0]);
    /* getppid in the child may have changed before it looked; the parent is dead in any case. */
    return byte == 'n' ? 0 : got("a child spoke on its dead parent's connection");
}

/* A connection that its maker sent to another process and then left behind. */
static int handed_on(struct attacker *attacker)
{
    int pair[2], status;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return got("nothing");
    pid_t maker = fork();
    if (maker == 0) {
        int socket = raw_connect(attacker->setup->socket);
        (void)raw_call(socket, LIST, NULL, 0, attacker->reply);
        _exit(raw_send(pair[1], "x", 1, &socket, 1) == 1 ? 0 : 1);
    }
    waitpid(maker, &status, 0);
    pause_milliseconds(200);
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control;
    char byte;
    struct iovec iov = {.iov_base = &byte, .iov_len = 1};
    struct msghdr header = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof(control)};
    int socket;
    if (recvmsg(pair[0], &header, MSG_CMSG_CLOEXEC) != 1 || !CMSG_FIRSTHDR(&header))
        return got("nothing");
    memcpy(&socket, CMSG_DATA(CMSG_FIRSTHDR(&header)), sizeof(socket));
    int r = raw_call(socket, LIST, NULL, 0, attacker->reply);
    close(socket);
    close(pair[0]);
    close(pair[1]);
    return r == 1 ? got("a dead process's connection still serves another") : 0;
}

/* Waits for VFs that it can never get, as often as it may, and never takes the answer. */
static int wait_for_ever(struct attacker *attacker)
{
    char text[256];
    int sockets[24];
    unsigned refused = 0;

    snprintf(text, sizeof(text),
             "{\"method\":\"io.homi.Tenant.Attach\",\"parameters\":{\"tenant\":\"%s\",\"mode\":\"fresh\","
             "\"waitMilliseconds\":60000}}",
             attacker->setup->attacker);
    for (unsigned i = 0; i < 24; i++) {
        sockets[i] = raw_connect(attacker->setup->socket);
        (void)raw_send(sockets[i], text, strlen(text) + 1, NULL, 0);
    }
    for (unsigned i = 0; i < 24; i++) {
        refused += raw_receive(sockets[i], attacker->reply, 50) == 1 &&
                   strstr(attacker->reply, "QuotaExceeded") != NULL;
    }
    for (unsigned i = 0; i < 24; i++)
        close(sockets[i]);
    return refused > 0 ? 0 : got("24 calls wait for a VF");
}

static int foreign_tenant(struct attacker *attacker)
{
    return expect(attacker, "Attach", "TenantNotPermitted", "{\"tenant\":\"%s\"}", attacker->setup->victim);
}

/* Root of its own user namespace is still nobody to homid. */
static int user_namespace(struct attacker *attacker)
{
    char map[64];
    uid_t uid = getuid();

    if (unshare(CLONE_NEWUSER) < 0)
        return 0; /* the kernel does not let users do that */
    snprintf(map, sizeof(map), "0 %u 1", (unsigned)uid);
    int file = open("/proc/self/uid_map", O_WRONLY | O_CLOEXEC);
    if (file >= 0 && write(file, map, strlen(map)) < 0)
        fprintf(stderr, "  no map: %s\n", strerror(errno));
    if (file >= 0)
        close(file);
    attacker_connect(attacker);
    return foreign_tenant(attacker);
}

static int look_into_homid(struct attacker *attacker)
{
    static const char *const files[] = {"mem", "fd/3", "environ", "maps"};
    char path[64];
    int pid = attacker->shared->homid;

    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        snprintf(path, sizeof(path), "/proc/%d/%s", pid, files[i]);
        int file = open(path, O_RDWR | O_CLOEXEC);
        if (file < 0)
            file = open(path, O_RDONLY | O_CLOEXEC);
        if (file >= 0)
            return got("%s is open", path);
    }
    if (ptrace(PTRACE_ATTACH, pid, NULL, NULL) == 0)
        return got("homid is being traced");
    return kill(pid, SIGTERM) < 0 ? 0 : got("homid was told to stop");
}

const struct attack process_attacks[] = {
    {"death-while-attaching", death_while_attaching, false},
    {"death-under-io", death_under_io, false},
    {"death-while-making", death_while_making, false},
    {"process-inherited-connection", inherited, false},
    {"process-connection-handed-on", handed_on, false},
    {"process-wait-for-ever", wait_for_ever, false},
    {"process-foreign-tenant", foreign_tenant, true},
    {"process-user-namespace", user_namespace, true},
    {"process-look-into-homid", look_into_homid, true},
    {NULL, NULL, false},
};
