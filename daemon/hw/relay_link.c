/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The connection to the relay: found or started, told what shall be, and told again after it or its
 * predecessor was lost. What was sent is marked; whatever is not marked is sent as the socket takes it.
 */
#include <errno.h>
#include <event2/event.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "daemon/crash.h"
#include "daemon/helper/process.h"
#include "daemon/hw/companion.h"
#include "daemon/hw/relay_internal.h"

enum {
    RETRY_MILLISECONDS = 20, /* the first time, then twice as long each time */
    RETRY_MILLISECONDS_MAX = 1000,
    LOOK_MILLISECONDS = 500,     /* between looks for removals that take too long */
    ANSWER_MILLISECONDS = 10000, /* it answers within microseconds, unless it is stuck or stopped */
};

struct relay_link {
    struct event_base *base;
    char *program, *path;
    struct hw_relay_config config;
    int socket, pidfd;
    struct event *readable, *writable, *dead, *retry, *look;
    unsigned retry_milliseconds;
    uint64_t number; /* of the last request */
    uint64_t hello;  /* its number */
    bool greeted, synced, lost;
    bool settled; /* what is not there now does not come from an earlier homid any more */
    struct relay_port_list ports;
    struct relay_removal_list removals;
};

static void reconnect(struct relay_link *link);

struct relay_port_list *relay_link_ports(struct relay_link *link)
{
    return &link->ports;
}

struct relay_removal_list *relay_link_removals(struct relay_link *link)
{
    return &link->removals;
}

static uint64_t now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / 1000000;
}

static void after(struct event *timer, unsigned milliseconds)
{
    const struct timeval delay = {.tv_sec = milliseconds / 1000, .tv_usec = milliseconds % 1000 * 1000};

    event_add(timer, &delay);
}

static void tell(const struct relay_link *link, bool well, const char *text)
{
    if (link->config.told)
        link->config.told(link->config.user, well, text);
}

/* ---- what it lets go of ---- */

static void complete(struct relay_link *link, struct relay_removal *removal, int error)
{
    relay_done done = removal->done;
    void *user = removal->user;

    TAILQ_REMOVE(&link->removals, removal, link);
    free(removal);
    if (done)
        done(user, error);
}

/* There is no relay: nobody touches anything. Callbacks may add and cancel. */
static void complete_all(struct relay_link *link)
{
    while (!TAILQ_EMPTY(&link->removals))
        complete(link, TAILQ_FIRST(&link->removals), 0);
}

static bool nobody_there(const struct relay_link *link)
{
    return link->socket < 0 && link->pidfd < 0 && !evtimer_pending(link->retry, NULL);
}

void relay_link_remove(struct relay_link *link, struct relay_port *port, const struct relay_message *message,
                       relay_done done, void *user)
{
    struct relay_removal *removal;

    if (nobody_there(link)) {
        if (done)
            done(user, 0);
        return;
    }
    removal = calloc(1, sizeof(*removal));
    if (!removal)
        abort(); /* as the backend's own bookkeeping: there would be no answer */
    *removal = (struct relay_removal){.port = port,
                                      .message = *message,
                                      .deadline = now() + ANSWER_MILLISECONDS,
                                      .done = done,
                                      .user = user};
    TAILQ_INSERT_TAIL(&link->removals, removal, link);
    if (!evtimer_pending(link->look, NULL))
        after(link->look, LOOK_MILLISECONDS);
    relay_link_pump(link);
}

static void on_look(evutil_socket_t fd, short events, void *user)
{
    struct relay_link *link = user;
    struct relay_removal *removal = TAILQ_FIRST(&link->removals);
    (void)fd;
    (void)events;

    /* The oldest is first, and the relay answers in order. */
    if (removal && removal->deadline <= now()) {
        bool kill = link->pidfd >= 0 && !removal->killed;
        if (kill && pidfd_send_signal(link->pidfd, SIGKILL, NULL, 0) == 0) {
            tell(link, false, "the doorbell relay does not answer and was killed");
            removal->killed = true;
            removal->deadline = now() + ANSWER_MILLISECONDS;
        } else {
            complete(link, removal, -ETIMEDOUT);
        }
    }
    if (!TAILQ_EMPTY(&link->removals))
        after(link->look, LOOK_MILLISECONDS);
}

/* ---- what it shall have ---- */

/* Whether it went; a socket that takes no more now is tried again when it does. */
static bool put(struct relay_link *link, struct relay_message *message, const int *fds, size_t fd_count)
{
    message->version = RELAY_VERSION;
    message->number = ++link->number;
    crash_here();
    int r = relay_send(link->socket, message, fds, fd_count);
    crash_here();
    if (r == -EAGAIN)
        event_add(link->writable, NULL);
    else if (r < 0)
        reconnect(link);
    return r == 0;
}

static bool put_port(struct relay_link *link, struct relay_port *port)
{
    const struct relay_target *target = &port->target;
    const int fds[] = {[RELAY_FD_DEVICE] = target->device_fd,
                       [RELAY_FD_LEDGER] = target->ledger->fd,
                       [RELAY_FD_WAKE] = target->ledger->wake_fd,
                       [RELAY_FD_READER] = target->reader_fd};
    struct relay_message message = {.kind = RELAY_FUNCTION,
                                    .target = {.bar_offset = target->bar_offset,
                                               .reader_wake_offset = target->reader_wake_offset,
                                               .doorbell_stride = target->doorbell_stride,
                                               .pairs = target->pairs}};
    memcpy(message.function, target->address, sizeof(message.function));
    return put(link, &message, fds, target->reader_wake_offset ? 4 : 3);
}

static bool put_page(struct relay_link *link, const struct hw_page *page)
{
    struct relay_message message = {.kind = RELAY_PAGE, .page.key = page->key};

    memcpy(message.function, page->port->target.address, sizeof(message.function));
    return put(link, &message, &page->fd, 1);
}

static bool put_queue(struct relay_link *link, const struct relay_port *port, uint16_t id)
{
    const struct relay_queue *queue = &port->queues[id];
    struct relay_message message = {.kind = RELAY_QUEUE,
                                    .queue = {.page = queue->page->key, .entries = queue->entries, .id = id}};

    memcpy(message.function, port->target.address, sizeof(message.function));
    return put(link, &message, NULL, 0);
}

/* The marks say what stands on the relay's side. They are all taken away with the connection. */
static bool pump_port(struct relay_link *link, struct relay_port *port)
{
    struct hw_page *page;

    if (port->suspended)
        return true;
    if (!port->sent && !(port->sent = put_port(link, port)))
        return false;
    LIST_FOREACH (page, &port->pages, link) {
        if (!page->sent && !(page->sent = put_page(link, page)))
            return false;
    }
    for (unsigned id = 1; id <= port->target.pairs; id++) {
        struct relay_queue *queue = &port->queues[id];
        if (queue->page && !queue->doubtful && !queue->sent &&
            !(queue->sent = put_queue(link, port, (uint16_t)id)))
            return false;
    }
    return true;
}

void relay_link_pump(struct relay_link *link)
{
    struct relay_message synced = {.kind = RELAY_SYNCED};
    struct relay_removal *removal;
    struct relay_port *port;

    if (link->socket < 0 && !evtimer_pending(link->retry, NULL))
        reconnect(link);
    if (!link->greeted)
        return;
    TAILQ_FOREACH (removal, &link->removals, link) {
        if (!removal->sent && !(removal->sent = put(link, &removal->message, NULL, 0)))
            return;
    }
    TAILQ_FOREACH (port, &link->ports, link) {
        if (!pump_port(link, port))
            return;
    }
    if (link->settled && !link->synced)
        link->synced = put(link, &synced, NULL, 0);
}

void relay_link_settled(struct relay_link *link)
{
    link->settled = true;
    if (link->socket >= 0)
        relay_link_pump(link);
}

/* ---- the connection ---- */

static void unmark(struct relay_link *link)
{
    struct relay_removal *removal;
    struct relay_port *port;
    struct hw_page *page;

    TAILQ_FOREACH (removal, &link->removals, link)
        removal->sent = false;
    TAILQ_FOREACH (port, &link->ports, link) {
        port->sent = false;
        LIST_FOREACH (page, &port->pages, link)
            page->sent = false;
        for (unsigned id = 1; id <= port->target.pairs; id++)
            port->queues[id].sent = false;
    }
    link->greeted = link->synced = false;
}

static void forget_process(struct relay_link *link)
{
    if (link->pidfd < 0)
        return;
    /* Where systemd started it, it is no child and this does nothing. */
    waitid(P_PIDFD, (id_t)link->pidfd, NULL, WEXITED | WNOHANG);
    event_del(link->dead);
    close(link->pidfd);
    link->pidfd = -1;
}

static bool is_dead(const struct relay_link *link)
{
    struct pollfd entry = {.fd = link->pidfd, .events = POLLIN};

    return link->pidfd >= 0 && poll(&entry, 1, 0) > 0;
}

static void disconnect(struct relay_link *link)
{
    if (link->socket >= 0) {
        event_del(link->readable);
        event_del(link->writable);
        close(link->socket);
        link->socket = -1;
    }
    unmark(link);
}

/* The connection is of no use any more: another one, soon. */
static void reconnect(struct relay_link *link)
{
    disconnect(link);
    if (evtimer_pending(link->retry, NULL))
        return;
    after(link->retry, link->retry_milliseconds);
    if (link->retry_milliseconds < RETRY_MILLISECONDS_MAX)
        link->retry_milliseconds *= 2;
}

static void on_dead(evutil_socket_t fd, short events, void *user)
{
    struct relay_link *link = user;
    (void)fd;
    (void)events;

    forget_process(link);
    disconnect(link);
    if (!TAILQ_EMPTY(&link->ports)) {
        link->lost = true;
        tell(link, false, "the doorbell relay ended; it is started again");
        reconnect(link);
    }
    /* Its mappings ended with it, so what waits for that has it. */
    complete_all(link);
}

static void watch_process(struct relay_link *link, int pidfd)
{
    forget_process(link);
    link->pidfd = pidfd;
    event_assign(link->dead, link->base, pidfd, EV_READ, on_dead, link);
    event_add(link->dead, NULL);
}

static void on_greeted(struct relay_link *link, const struct relay_message *message)
{
    char text[128];

    if (message->error == -EPROTONOSUPPORT) {
        struct relay_message end = {.kind = RELAY_END};
        tell(link, false, "the doorbell relay is of another version and is replaced");
        put(link, &end, NULL, 0);
        return;
    }
    if (message->error) {
        snprintf(text, sizeof(text), "the doorbell relay cannot run on the cores configured: %s",
                 strerror(-message->error));
        tell(link, false, text);
    }
    link->greeted = true;
    link->retry_milliseconds = RETRY_MILLISECONDS;
    if (link->lost)
        tell(link, true, "the doorbell relay forwards again");
    link->lost = false;
    relay_link_pump(link);
}

static void on_done(struct relay_link *link, const struct relay_message *message)
{
    struct relay_removal *removal;
    char text[128];

    if (message->number == link->hello) {
        on_greeted(link, message);
        return;
    }
    TAILQ_FOREACH (removal, &link->removals, link) {
        if (removal->sent && removal->message.number == message->number) {
            complete(link, removal, message->error);
            return;
        }
    }
    if (message->error) {
        snprintf(text, sizeof(text), "the doorbell relay refuses what it is told: %s",
                 strerror(-message->error));
        tell(link, false, text);
    }
}

static void on_ended(struct relay_link *link, const struct relay_message *message)
{
    bool submission = message->ended.defect == DOORBELLS_SUBMISSION_RANGE;
    struct relay_port *port;
    char reason[HW_REASON_BYTES];

    TAILQ_FOREACH (port, &link->ports, link) {
        if (strcmp(port->target.address, message->function) == 0)
            break;
    }
    uint16_t id = message->ended.id;
    if (!port || id > port->target.pairs || !port->queues[id].page ||
        port->queues[id].page->key != message->ended.page)
        return; /* it was taken away meanwhile */
    snprintf(reason, sizeof(reason),
             "queue pair %u: %u was written to its %s doorbell, and it has %u entries", id,
             message->ended.value, submission ? "submission" : "completion", port->queues[id].entries);
    relay_queue_fail(port, id);
    port->ended(port->user, id, reason);
}

static void on_readable(evutil_socket_t fd, short events, void *user)
{
    struct relay_link *link = user;
    struct relay_message message;
    int fds[RELAY_FDS_MAX];
    size_t fd_count;
    (void)fd;
    (void)events;

    int r = relay_receive(link->socket, &message, fds, &fd_count);
    if (r == -EAGAIN)
        return;
    if (r < 0) {
        if (is_dead(link))
            on_dead(-1, 0, link);
        else
            reconnect(link);
        return;
    }
    bool hello = message.kind == RELAY_DONE && message.number == link->hello;
    for (size_t i = 0; i < fd_count; i++) {
        if (hello && i == 0)
            watch_process(link, fds[0]);
        else
            close(fds[i]);
    }
    if (message.kind == RELAY_DONE)
        on_done(link, &message);
    else if (message.kind == RELAY_ENDED)
        on_ended(link, &message);
}

static void on_writable(evutil_socket_t fd, short events, void *user)
{
    (void)fd;
    (void)events;
    relay_link_pump(user);
}

static void greet(struct relay_link *link)
{
    struct relay_message hello = {.kind = RELAY_HELLO, .hello = {.core_count = 1, .cores = {RELAY_CORE_ANY}}};

    if (link->config.core_count) {
        hello.hello.core_count = (uint16_t)link->config.core_count;
        memcpy(hello.hello.cores, link->config.cores, sizeof(hello.hello.cores));
    }
    event_assign(link->readable, link->base, link->socket, EV_READ | EV_PERSIST, on_readable, link);
    event_assign(link->writable, link->base, link->socket, EV_WRITE, on_writable, link);
    event_add(link->readable, NULL);
    link->hello = link->number + 1;
    put(link, &hello, NULL, 0);
}

/* One that listens is joined; one is started only when there is something for it to do. */
static void connect_to(struct relay_link *link)
{
    char *const arguments[] = {(char *)(uintptr_t) "homid", (char *)(uintptr_t) "--relay", NULL};
    bool needed = !TAILQ_EMPTY(&link->ports);
    char text[128];
    int r;

    if (needed)
        r = companion_connect(link->program, link->path, arguments, &link->socket);
    else
        r = helper_connect(link->path, &link->socket);
    if (r == 0) {
        greet(link);
        return;
    }
    link->socket = -1;
    if (needed) {
        snprintf(text, sizeof(text), "the doorbell relay cannot be reached: %s", strerror(-r));
        if (!link->lost)
            tell(link, false, text);
        link->lost = true;
        reconnect(link);
    } else if (r == -ENOENT || r == -ECONNREFUSED) {
        forget_process(link);
        complete_all(link);
    } else if (!TAILQ_EMPTY(&link->removals)) {
        reconnect(link);
    }
}

static void on_retry(evutil_socket_t fd, short events, void *user)
{
    struct relay_link *link = user;
    (void)fd;
    (void)events;

    if (link->socket < 0)
        connect_to(link);
}

/* ---- life ---- */

int relay_link_new(struct event_base *base, const struct hw_relay_config *config,
                   struct relay_link **ret_link)
{
    struct relay_link *link = calloc(1, sizeof(*link));

    if (!link)
        return -ENOMEM;
    link->base = base;
    link->config = *config;
    link->socket = link->pidfd = -1;
    link->retry_milliseconds = RETRY_MILLISECONDS;
    TAILQ_INIT(&link->ports);
    TAILQ_INIT(&link->removals);
    link->program = strdup(config->program);
    link->path = strdup(config->path);
    link->readable = event_new(base, -1, 0, on_readable, link);
    link->writable = event_new(base, -1, 0, on_writable, link);
    link->dead = event_new(base, -1, 0, on_dead, link);
    link->retry = evtimer_new(base, on_retry, link);
    link->look = evtimer_new(base, on_look, link);
    if (!link->program || !link->path || !link->readable || !link->writable || !link->dead || !link->retry ||
        !link->look) {
        relay_link_free(link);
        return -ENOMEM;
    }
    connect_to(link);
    *ret_link = link;
    return 0;
}

void relay_link_free(struct relay_link *link)
{
    if (!link)
        return;
    struct event *const events[] = {link->readable, link->writable, link->dead, link->retry, link->look};
    while (!TAILQ_EMPTY(&link->removals)) {
        struct relay_removal *removal = TAILQ_FIRST(&link->removals);
        TAILQ_REMOVE(&link->removals, removal, link);
        free(removal);
    }
    if (link->socket >= 0)
        close(link->socket);
    if (link->pidfd >= 0)
        close(link->pidfd);
    for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
        if (events[i])
            event_free(events[i]);
    }
    free(link->program);
    free(link->path);
    free(link);
}
