/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/relay/relay.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/pidfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "daemon/relay/worker.h"

/* homid always reads; one that does not is stuck, and its successor asks again. */
#define PATIENCE_MILLISECONDS 5000

struct relay {
    int listener, connection, notice_fd;
    struct worker *workers[RELAY_CORES_MAX];
    unsigned worker_count; /* that functions are spread over */
    unsigned next_worker;
    LIST_HEAD(, relayed) functions;
    bool greeted, ending;
};

/* ---- functions ---- */

static struct relayed *find(const struct relay *relay, const char *address)
{
    struct relayed *function;

    LIST_FOREACH (function, &relay->functions, link) {
        if (strcmp(function->address, address) == 0)
            return function;
    }
    return NULL;
}

static void drop(struct relayed *function)
{
    struct worker *worker = function->worker;

    worker_stop(worker);
    worker_remove(function);
    worker_go(worker);
    LIST_REMOVE(function, link);
    relayed_free(function);
}

static int add_function(struct relay *relay, const struct relay_message *message, int *fds, size_t fd_count)
{
    struct relayed *function = find(relay, message->function);

    if (function && relayed_same(function, message, fds, fd_count)) {
        function->named = true;
        for (size_t i = 0; i < fd_count; i++)
            close(fds[i]);
        return 0;
    }
    if (function)
        drop(function);
    int r = relayed_new(message, fds, fd_count, &function);
    if (r < 0)
        return r;
    function->named = true;
    struct worker *worker = relay->workers[relay->next_worker++ % relay->worker_count];
    worker_stop(worker);
    r = worker_add(worker, function);
    worker_go(worker);
    if (r < 0) {
        relayed_free(function);
        return r;
    }
    LIST_INSERT_HEAD(&relay->functions, function, link);
    return 0;
}

/* A change of a function's pages or queue pairs. */
static int change(struct relayed *function, const struct relay_message *message, const int *fds,
                  size_t fd_count)
{
    struct page *page;

    switch (message->kind) {
    case RELAY_PAGE: return fd_count == 1 ? relayed_add_page(function, message->page.key, fds[0]) : -EINVAL;
    case RELAY_QUEUE:
        return relayed_add_queue(function, message->queue.page, message->queue.id, message->queue.entries);
    case RELAY_QUEUE_GONE: relayed_drop_queue(function, message->queue.id); return 0;
    case RELAY_PAGE_GONE:
        page = relayed_page(function, message->page.key);
        if (page)
            relayed_drop_page(function, page);
        return 0;
    default: return -EINVAL;
    }
}

static int change_function(struct relay *relay, const struct relay_message *message, const int *fds,
                           size_t fd_count)
{
    struct relayed *function = find(relay, message->function);

    if (!function) /* what is not there is as gone as what was taken away */
        return message->kind == RELAY_PAGE || message->kind == RELAY_QUEUE ? -ENOENT : 0;
    worker_stop(function->worker);
    int r = change(function, message, fds, fd_count);
    worker_wake(function);
    worker_go(function->worker);
    return r;
}

static void drop_unnamed(struct relay *relay)
{
    struct relayed *function = LIST_FIRST(&relay->functions), *next;

    for (; function; function = next) {
        next = LIST_NEXT(function, link);
        if (!function->named) {
            drop(function);
            continue;
        }
        worker_stop(function->worker);
        relayed_drop_unnamed(function);
        worker_go(function->worker);
    }
}

/* ---- homid ---- */

static void disconnect(struct relay *relay)
{
    if (relay->connection >= 0)
        close(relay->connection);
    relay->connection = -1;
    relay->greeted = false;
}

/* A homid that has ended is not answered, but what it said before counts: it is read to its end. */
static void say(struct relay *relay, const struct relay_message *message, const int *fds, size_t fd_count)
{
    struct pollfd entry = {.fd = relay->connection, .events = POLLOUT};

    while (relay->connection >= 0) {
        int r = relay_send(relay->connection, message, fds, fd_count);
        if (r == 0 || r == -EPIPE || r == -ECONNRESET)
            return;
        if (r != -EAGAIN || poll(&entry, 1, PATIENCE_MILLISECONDS) <= 0)
            disconnect(relay);
    }
}

static int set_cores(struct relay *relay, const struct relay_message *message)
{
    unsigned count = message->hello.core_count;
    int r = 0;

    if (count == 0 || count > RELAY_CORES_MAX)
        return -EINVAL;
    for (unsigned i = 0; i < count; i++) {
        if (!relay->workers[i]) {
            int made = worker_new(relay->notice_fd, &relay->workers[i]);
            if (made < 0)
                return made;
        }
        int pinned = worker_pin(relay->workers[i], message->hello.cores[i]);
        if (pinned < 0)
            r = pinned;
    }
    /* Functions that are there stay with their worker, also with one that gets no new ones. */
    relay->worker_count = count;
    return r;
}

/* A core that is not there is an error that homid tells; the thread runs all the same. */
static void greet(struct relay *relay, const struct relay_message *message)
{
    struct relay_message answer = {.kind = RELAY_DONE, .version = RELAY_VERSION, .number = message->number};
    struct relayed *function;
    int pidfd = -1;

    if (message->version == RELAY_VERSION)
        answer.error = set_cores(relay, message);
    else
        answer.error = -EPROTONOSUPPORT;
    relay->greeted = relay->worker_count > 0 && message->version == RELAY_VERSION;
    LIST_FOREACH (function, &relay->functions, link) {
        worker_stop(function->worker);
        relayed_forget_names(function);
        worker_go(function->worker);
    }
    pidfd = pidfd_open(getpid(), 0);
    say(relay, &answer, &pidfd, pidfd >= 0);
    if (pidfd >= 0)
        close(pidfd);
}

/* The descriptors are RELAY_FUNCTION's to keep; others only look at them. */
static int obey(struct relay *relay, const struct relay_message *message, int *fds, size_t fd_count)
{
    int r = 0;

    if (!relay->greeted && message->kind != RELAY_END)
        r = -EPROTO;
    else if (message->kind == RELAY_FUNCTION)
        return add_function(relay, message, fds, fd_count);
    else if (message->kind == RELAY_SYNCED)
        drop_unnamed(relay);
    else if (message->kind == RELAY_END)
        relay->ending = true;
    else if (message->kind == RELAY_FUNCTION_GONE && find(relay, message->function))
        drop(find(relay, message->function));
    else if (message->kind != RELAY_FUNCTION_GONE)
        r = change_function(relay, message, fds, fd_count);
    for (size_t i = 0; i < fd_count; i++)
        close(fds[i]);
    return r;
}

static void tell_ended(struct relay *relay)
{
    struct relayed *function;

    LIST_FOREACH (function, &relay->functions, link) {
        for (uint16_t id = 1; id <= function->pairs && id && relay->greeted; id++) {
            if (!relayed_ended(function, id))
                continue;
            struct queue *queue = &function->queues[id];
            struct relay_message message = {
                .kind = RELAY_ENDED,
                .version = RELAY_VERSION,
                .ended = {.page = queue->page->key,
                          .value = queue->ledger->value,
                          .id = id,
                          .defect = (uint16_t)queue->ledger->ended},
            };
            memcpy(message.function, function->address, sizeof(message.function));
            queue->told = true;
            say(relay, &message, NULL, 0);
        }
    }
}

static void listen_to(struct relay *relay)
{
    struct relay_message message;
    int fds[RELAY_FDS_MAX];
    size_t fd_count;

    int r = relay_receive(relay->connection, &message, fds, &fd_count);
    if (r < 0) {
        /* The latter says, once, that homid ended without having read all answers. */
        if (r != -EAGAIN && r != -ECONNRESET)
            disconnect(relay);
        return;
    }
    if (message.kind == RELAY_HELLO) {
        for (size_t i = 0; i < fd_count; i++)
            close(fds[i]);
        greet(relay, &message);
        return;
    }
    struct relay_message answer = {.kind = RELAY_DONE,
                                   .version = RELAY_VERSION,
                                   .number = message.number,
                                   .error = obey(relay, &message, fds, fd_count)};
    say(relay, &answer, NULL, 0);
    if (message.kind == RELAY_QUEUE || message.kind == RELAY_SYNCED)
        tell_ended(relay);
}

static void take_connection(struct relay *relay)
{
    int connection = accept4(relay->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (connection < 0)
        return;
    disconnect(relay);
    relay->connection = connection;
}

/* ---- life ---- */

static int serve(struct relay *relay)
{
    uint64_t count;

    do {
        struct pollfd entries[] = {{.fd = relay->listener, .events = POLLIN},
                                   {.fd = relay->notice_fd, .events = POLLIN},
                                   {.fd = relay->connection, .events = POLLIN}};
        if (poll(entries, 3, -1) < 0 && errno != EINTR)
            return -errno;
        if (entries[2].revents)
            listen_to(relay);
        if (entries[1].revents && read(relay->notice_fd, &count, sizeof(count)) == sizeof(count))
            tell_ended(relay);
        if (entries[0].revents)
            take_connection(relay);
    } while (!relay->ending && (relay->connection >= 0 || !LIST_EMPTY(&relay->functions)));
    return 0;
}

static int begin(struct relay *relay)
{
    struct rlimit limit;

    /* It is itself a tenant of the software SSD, whose poller sleeps as well. */
    if (syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, 0, 0) < 0)
        return -errno;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    signal(SIGPIPE, SIG_IGN);
    relay->notice_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return relay->notice_fd < 0 ? -errno : 0;
}

int relay_main(int listener)
{
    struct relay relay = {.listener = listener, .connection = -1, .notice_fd = -1};

    LIST_INIT(&relay.functions);
    int r = begin(&relay);
    if (r == 0)
        r = serve(&relay);
    if (r < 0)
        fprintf(stderr, "homid: relay: %s\n", strerror(-r));
    while (!LIST_EMPTY(&relay.functions))
        drop(LIST_FIRST(&relay.functions));
    for (unsigned i = 0; i < RELAY_CORES_MAX; i++)
        worker_free(relay.workers[i]);
    disconnect(&relay);
    if (relay.notice_fd >= 0)
        close(relay.notice_fd);
    return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
