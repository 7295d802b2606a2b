/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/supervisor.h"

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define STORE_MAX 4096
#define FDS_AT    8192 /* where the child keeps descriptors on their way to 3, 4, ... */

enum request { LOOK, SIGNAL, USE, STOP };

struct order {
    enum request request;
    int number;
    char program[256];
};

struct stored {
    int fd;
    char name[64];
};

static struct {
    int notify, control, signals;
    unsigned limit;
    char address[108], program[256];
    char *const *arguments;
    struct stored store[STORE_MAX];
    unsigned stored;
    struct supervised report;
    bool waiting, stopping;
} self;

static void start(void)
{
    char text[32], *names = NULL;
    size_t bytes = 0;

    self.report.ready = false;
    self.report.starts++;
    self.report.pid = fork();
    if (self.report.pid != 0)
        return;
    FILE *list = open_memstream(&names, &bytes);
    for (unsigned i = 0; i < self.stored; i++) {
        if (fcntl(self.store[i].fd, F_DUPFD, FDS_AT + (int)i) != FDS_AT + (int)i)
            _exit(126);
        fprintf(list, "%s%s", i ? ":" : "", self.store[i].name);
    }
    fclose(list);
    for (unsigned i = 0; i < self.stored; i++)
        dup2(FDS_AT + (int)i, 3 + (int)i);
    close_range(3 + self.stored, ~0u, 0);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setenv("NOTIFY_SOCKET", self.address, 1);
    snprintf(text, sizeof(text), "%u", self.limit);
    setenv("FDSTORE", text, 1);
    if (self.stored) {
        snprintf(text, sizeof(text), "%u", self.stored);
        setenv("LISTEN_FDS", text, 1);
        setenv("LISTEN_FDNAMES", names, 1);
        snprintf(text, sizeof(text), "%d", (int)getpid());
        setenv("LISTEN_PID", text, 1);
    }
    execv(self.program, self.arguments);
    _exit(127);
}

static void drop(unsigned index)
{
    close(self.store[index].fd);
    self.store[index] = self.store[--self.stored];
}

static const char *value_of(const char *message, const char *key)
{
    static char value[64];
    const char *at = message;
    size_t length = strlen(key);

    for (; at; at = strchr(at, '\n'), at = at ? at + 1 : NULL) {
        if (strncmp(at, key, length) == 0 && at[length] == '=') {
            snprintf(value, sizeof(value), "%.*s", (int)strcspn(at + length + 1, "\n"), at + length + 1);
            return value;
        }
    }
    return NULL;
}

static void put(const char *message, int fd)
{
    const char *polled = value_of(message, "FDPOLL");
    bool right = polled && strcmp(polled, "0") == 0;
    const char *name = value_of(message, "FDNAME");

    right = right && fd >= 0 && name && !strchr(name, ':') && self.stored < self.limit;
    for (unsigned i = 0; right && i < self.stored; i++)
        right = strcmp(self.store[i].name, name) != 0;
    if (!right) {
        self.report.faults++;
        if (fd >= 0)
            close(fd);
        return;
    }
    snprintf(self.store[self.stored].name, sizeof(self.store[0].name), "%s", name);
    self.store[self.stored++].fd = fd;
}

static void act(const char *message, int fd)
{
    if (value_of(message, "FDSTORE")) {
        put(message, fd);
        return;
    }
    if (value_of(message, "FDSTOREREMOVE")) {
        const char *name = value_of(message, "FDNAME");
        for (unsigned i = self.stored; name && i > 0; i--) {
            if (strcmp(self.store[i - 1].name, name) == 0)
                drop(i - 1);
        }
    }
    if (value_of(message, "READY"))
        self.report.ready = true;
    if (fd >= 0)
        close(fd); /* of a barrier, too */
}

static bool read_message(void)
{
    char message[1024], control[CMSG_SPACE(8 * sizeof(int))];
    struct iovec iov = {.iov_base = message, .iov_len = sizeof(message) - 1};
    struct msghdr header = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
    ssize_t n = recvmsg(self.notify, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    int fd = -1;

    if (n < 0)
        return false;
    message[n] = '\0';
    struct cmsghdr *c = CMSG_FIRSTHDR(&header);
    if (c && c->cmsg_type == SCM_RIGHTS)
        memcpy(&fd, CMSG_DATA(c), sizeof(fd));
    act(message, fd);
    return true;
}

static void reply(void)
{
    self.report.stored = self.stored;
    if (write(self.control, &self.report, sizeof(self.report)) != sizeof(self.report))
        _exit(1);
}

static void on_child(void)
{
    struct signalfd_siginfo info;
    int status;
    pid_t pid;

    if (read(self.signals, &info, sizeof(info)) < 0)
        return;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (pid != self.report.pid)
            continue;
        while (read_message())
            ;
        self.report.status = status;
        self.report.pid = 0;
        if (self.stopping) {
            while (self.stored)
                drop(0);
        } else {
            start();
        }
        if (self.waiting)
            reply();
        self.waiting = false;
    }
}

static void on_order(void)
{
    struct order order;

    if (read(self.control, &order, sizeof(order)) != sizeof(order)) {
        if (self.report.pid > 0)
            kill(self.report.pid, SIGKILL);
        _exit(0);
    }
    if (order.request == USE)
        snprintf(self.program, sizeof(self.program), "%s", order.program);
    if (order.request == LOOK || order.request == USE) {
        reply();
        return;
    }
    self.stopping = order.request == STOP;
    self.waiting = true;
    if (self.report.pid > 0 && order.number)
        kill(self.report.pid, order.number);
}

static void serve(void)
{
    sigset_t child;

    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child, NULL);
    self.signals = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    start();
    struct pollfd fds[] = {{.fd = self.notify, .events = POLLIN},
                           {.fd = self.signals, .events = POLLIN},
                           {.fd = self.control, .events = POLLIN}};
    for (;;) {
        poll(fds, 3, -1);
        while (read_message())
            ;
        if (fds[1].revents)
            on_child();
        if (fds[2].revents)
            on_order();
    }
}

struct supervisor supervisor_start(const char *directory, unsigned limit, char *const arguments[])
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct supervisor supervisor;
    int pair[2];

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    supervisor.control = pair[0];
    supervisor.pid = fork();
    ck_assert_int_ge(supervisor.pid, 0);
    if (supervisor.pid > 0) {
        close(pair[1]);
        return supervisor;
    }
    close(pair[0]);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    self.control = pair[1];
    self.limit = limit;
    self.arguments = arguments;
    snprintf(self.program, sizeof(self.program), "%s", arguments[0]);
    snprintf(self.address, sizeof(self.address), "%s/notify", directory);
    strcpy(address.sun_path, self.address);
    self.notify = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    unlink(self.address);
    if (bind(self.notify, (struct sockaddr *)&address, sizeof(address)) < 0)
        _exit(1);
    serve();
    _exit(0);
}

static struct supervised order(struct supervisor *supervisor, const struct order *what)
{
    struct supervised report;

    ck_assert_int_eq(write(supervisor->control, what, sizeof(*what)), sizeof(*what));
    ck_assert_int_eq(read(supervisor->control, &report, sizeof(report)), sizeof(report));
    return report;
}

struct supervised supervisor_look(struct supervisor *supervisor)
{
    return order(supervisor, &(struct order){.request = LOOK});
}

struct supervised supervisor_signal(struct supervisor *supervisor, int number)
{
    return order(supervisor, &(struct order){.request = SIGNAL, .number = number});
}

void supervisor_use(struct supervisor *supervisor, const char *program)
{
    struct order use = {.request = USE};

    snprintf(use.program, sizeof(use.program), "%s", program);
    order(supervisor, &use);
}

struct supervised supervisor_stop(struct supervisor *supervisor, int number)
{
    struct supervised report = order(supervisor, &(struct order){.request = STOP, .number = number});

    close(supervisor->control);
    waitpid(supervisor->pid, NULL, 0);
    return report;
}

static bool has_environment(int pid, const char *wanted)
{
    char path[64], text[8192];

    snprintf(path, sizeof(path), "/proc/%d/environ", pid);
    FILE *file = fopen(path, "r");
    if (!file)
        return false;
    size_t count = fread(text, 1, sizeof(text), file);
    fclose(file);
    return memmem(text, count, wanted, strlen(wanted) + 1) != NULL;
}

pid_t supervisor_process(const char *directory, const char *which)
{
    DIR *processes = opendir("/proc");
    struct dirent *entry;
    char wanted[128];
    pid_t found = 0;

    snprintf(wanted, sizeof(wanted), "XDG_RUNTIME_DIR=%s", directory);
    while (!found && (entry = readdir(processes))) {
        char path[300], name[32] = "";
        int pid = atoi(entry->d_name);
        snprintf(path, sizeof(path), "/proc/%d/comm", pid);
        FILE *file = pid > 0 ? fopen(path, "r") : NULL;
        if (!file)
            continue;
        if (fgets(name, sizeof(name), file) && strcmp(strtok(name, "\n"), which) == 0 &&
            has_environment(pid, wanted))
            found = pid;
        fclose(file);
    }
    closedir(processes);
    return found;
}
