/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/model/process.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include "daemon/helper/wire.h"
#include "daemon/model/control.h"
#include "daemon/model/jobs.h"

struct service {
    struct event_base *base;
    struct world *world;
    struct control *control;
    struct event *listening, *terminate, *interrupt;
    struct event *news, *tick; /* of the world's */
    LIST_HEAD(, connection) connections;
};

/* One at a time: a client that wants jobs done at once opens several connections. */
struct connection {
    LIST_ENTRY(connection) link;
    struct service *service;
    int socket;
    struct event *readable, *later;
    bool answering; /* an answer is still due */
    bool waiting;   /* for news */
    uint64_t seen;
    struct helper_inbox inbox;
    struct helper_output output;
    struct helper_body answer;
};

static void connection_free(struct connection *connection)
{
    LIST_REMOVE(connection, link);
    for (size_t i = 0; connection->answering && i < connection->output.fd_count; i++)
        close(connection->output.fds[i]);
    helper_inbox_clear(&connection->inbox);
    if (connection->readable)
        event_free(connection->readable);
    if (connection->later)
        event_free(connection->later);
    close(connection->socket);
    free(connection);
}

static void answer(struct connection *connection)
{
    connection->answering = false;
    helper_inbox_clear(&connection->inbox);
    if (helper_reply(connection->socket, &connection->output, &connection->answer) < 0)
        connection_free(connection);
}

static void on_later(evutil_socket_t fd, short events, void *user)
{
    (void)fd;
    (void)events;
    answer(user);
}

/* Answers a connection that waits for news, when there is any. */
static void answer_news(struct connection *connection)
{
    struct model_news news;

    if (!world_news(connection->service->world, connection->seen, &news))
        return;
    memcpy(connection->answer.data, &news, sizeof(news));
    connection->output.bytes = sizeof(news);
    connection->waiting = false;
    answer(connection);
}

static void wait_for_news(struct connection *connection)
{
    struct job_news request;

    memcpy(&request, connection->inbox.body.data, sizeof(request));
    connection->output = (struct helper_output){.data = connection->answer.data};
    connection->answering = connection->waiting = true;
    connection->seen = request.seen;
    answer_news(connection);
}

static void on_tick(evutil_socket_t fd, short events, void *user)
{
    struct service *service = user;
    uint64_t next = world_tick(service->world), now = world_now();
    (void)fd;
    (void)events;

    if (!next)
        return;
    uint64_t rest = next > now ? next - now : 0;
    const struct timeval pause = {.tv_sec = (time_t)(rest / 1000),
                                  .tv_usec = (suseconds_t)(rest % 1000 * 1000)};
    event_add(service->tick, &pause);
}

static void on_news(evutil_socket_t fd, short events, void *user)
{
    struct service *service = user;
    struct connection *connection, *next;
    uint64_t count;

    if (read(fd, &count, sizeof(count)) < 0)
        return;
    for (connection = LIST_FIRST(&service->connections); connection; connection = next) {
        next = LIST_NEXT(connection, link);
        if (connection->waiting)
            answer_news(connection);
    }
    on_tick(-1, events, service);
}

static pid_t peer_of(const struct connection *connection)
{
    struct ucred credentials = {0};
    socklen_t bytes = sizeof(credentials);

    return getsockopt(connection->socket, SOL_SOCKET, SO_PEERCRED, &credentials, &bytes) < 0
               ? 0
               : credentials.pid;
}

/* What another process sent and was not read yet is never done. */
static void end_others(struct connection *connection)
{
    struct connection *other = LIST_FIRST(&connection->service->connections), *next;
    pid_t pid = peer_of(connection);

    for (; other; other = next) {
        next = LIST_NEXT(other, link);
        if (peer_of(other) != pid)
            connection_free(other);
    }
}

static void carry_out(struct connection *connection)
{
    const struct helper_input input = {.data = connection->inbox.body.data,
                                       .bytes = connection->inbox.body.bytes,
                                       .fds = connection->inbox.fds,
                                       .fd_count = connection->inbox.fd_count};

    connection->output = (struct helper_output){.data = connection->answer.data};
    connection->answering = true;
    uint64_t later =
        model_job(connection->service->world, connection->inbox.body.job, &input, &connection->output);
    if (later == JOB_TAKES_OVER)
        end_others(connection);
    if (later == 0 || later == JOB_TAKES_OVER) {
        answer(connection);
    } else if (later != JOB_NEVER) {
        const struct timeval delay = {.tv_sec = (time_t)(later / 1000),
                                      .tv_usec = (suseconds_t)(later % 1000 * 1000)};
        event_add(connection->later, &delay);
    }
}

static void on_readable(evutil_socket_t fd, short events, void *user)
{
    struct connection *connection = user;
    (void)fd;
    (void)events;

    /* While an answer is due there is nothing to be read but the end. */
    if (connection->answering) {
        connection_free(connection);
        return;
    }
    int r = helper_receive(connection->socket, &connection->inbox);
    if (r == 1 && connection->inbox.body.job == MODEL_JOB_NEWS &&
        connection->inbox.body.bytes == sizeof(struct job_news))
        wait_for_news(connection);
    else if (r == 1)
        carry_out(connection);
    else if (r < 0 && r != -EAGAIN)
        connection_free(connection);
}

static void on_listening(evutil_socket_t fd, short events, void *user)
{
    struct service *service = user;
    int socket = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    (void)events;

    if (socket < 0)
        return;
    struct connection *connection = calloc(1, sizeof(*connection));
    if (!connection) {
        close(socket);
        return;
    }
    connection->service = service;
    connection->socket = socket;
    LIST_INSERT_HEAD(&service->connections, connection, link);
    connection->readable = event_new(service->base, socket, EV_READ | EV_PERSIST, on_readable, connection);
    connection->later = evtimer_new(service->base, on_later, connection);
    if (!connection->readable || !connection->later || event_add(connection->readable, NULL) < 0)
        connection_free(connection);
}

static void on_signal(evutil_socket_t number, short events, void *user)
{
    struct service *service = user;
    (void)number;
    (void)events;

    event_base_loopbreak(service->base);
}

static int service_start(struct service *service, int listener)
{
    service->base = event_base_new();
    if (!service->base)
        return -ENOMEM;
    service->listening = event_new(service->base, listener, EV_READ | EV_PERSIST, on_listening, service);
    service->terminate = evsignal_new(service->base, SIGTERM, on_signal, service);
    service->interrupt = evsignal_new(service->base, SIGINT, on_signal, service);
    service->news = event_new(service->base, service->world->news_fd, EV_READ | EV_PERSIST, on_news, service);
    service->tick = evtimer_new(service->base, on_tick, service);
    if (!service->listening || !service->terminate || !service->interrupt || !service->news ||
        !service->tick || event_add(service->listening, NULL) < 0 ||
        event_add(service->terminate, NULL) < 0 || event_add(service->interrupt, NULL) < 0 ||
        event_add(service->news, NULL) < 0)
        return -ENOMEM;
    return control_new(service->base, service->world, listener, &service->control);
}

static void service_end(struct service *service)
{
    struct event *const events[] = {service->listening, service->terminate, service->interrupt, service->news,
                                    service->tick};

    while (!LIST_EMPTY(&service->connections))
        connection_free(LIST_FIRST(&service->connections));
    for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
        if (events[i])
            event_free(events[i]);
    }
    control_free(service->control);
    world_free(service->world);
    if (service->base)
        event_base_free(service->base);
}

/* Every open function takes half a dozen descriptors, and one per vector. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

int model_main(int listener, const char *text)
{
    struct service service = {0};
    struct model_spec *spec = NULL;
    struct spec_error error;

    if (spec_parse(text, &spec, &error) < 0) {
        fprintf(stderr, "homid: model: %s\n", error.text);
        return EX_CONFIG;
    }
    signal(SIGPIPE, SIG_IGN);
    raise_descriptor_limit();
    LIST_INIT(&service.connections);
    int r = world_new(spec, &service.world);
    if (r == 0)
        r = service_start(&service, listener);
    if (r == 0)
        r = event_base_loop(service.base, EVLOOP_NO_EXIT_ON_EMPTY) < 0 ? -EIO : 0;
    if (r < 0)
        fprintf(stderr, "homid: model: %s\n", strerror(-r));
    service_end(&service);
    spec_free(spec);
    return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
