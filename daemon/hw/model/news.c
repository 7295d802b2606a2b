/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/hw/model/news.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/helper/process.h"
#include "daemon/helper/wire.h"
#include "daemon/hw/linux/backend.h"
#include "daemon/hw/model/jobs.h"

enum { CONNECT_SECONDS = 1 }; /* between attempts */

struct model_news_reader {
    struct linux_backend *backend;
    char *path;
    uint64_t digest, seen;
    int socket; /* -1: not connected */
    struct event *readable, *again;
    bool lost; /* the process ended, and its devices with it */
    struct helper_inbox inbox;
};

static void tell(struct hw_device *device, enum hw_event event, const char *text)
{
    device->backend->listener.device_event(device->user, device, event, text);
}

static bool concerns(const struct hw_device *device, const struct model_news *news)
{
    const struct job_device *wanted = &device->selector;

    return (!*wanted->serial || strcmp(wanted->serial, news->serial) == 0) &&
           (!*wanted->address || strcmp(wanted->address, news->address) == 0);
}

static void tell_one(struct hw_device *device, const struct model_news *news)
{
    switch (news->kind) {
    case MODEL_NEWS_RESET: tell(device, HW_DEVICE_RESET, "the software SSD was reset"); break;
    case MODEL_NEWS_GONE:
        device->address[0] = '\0';
        tell(device, HW_DEVICE_GONE, "the software SSD was removed");
        break;
    case MODEL_NEWS_BACK: tell(device, HW_DEVICE_BACK, "the software SSD returned"); break;
    default: break;
    }
}

/* A listener may free devices, so the next one is known before it is called. */
static void tell_all(struct linux_backend *backend, const struct model_news *news)
{
    struct hw_device *next;

    for (struct hw_device *device = TAILQ_FIRST(&backend->devices); device; device = next) {
        next = TAILQ_NEXT(device, link);
        if (concerns(device, news))
            tell_one(device, news);
    }
}

/* Every device, as the process goes or comes. */
static void tell_process(struct linux_backend *backend, enum hw_event event, const char *text)
{
    struct hw_device *next;

    for (struct hw_device *device = TAILQ_FIRST(&backend->devices); device; device = next) {
        next = TAILQ_NEXT(device, link);
        if (event == HW_DEVICE_GONE)
            device->address[0] = '\0';
        tell(device, event, text);
    }
}

static void disconnect(struct model_news_reader *reader)
{
    if (reader->readable)
        event_free(reader->readable);
    reader->readable = NULL;
    if (reader->socket >= 0)
        close(reader->socket);
    reader->socket = -1;
    helper_inbox_clear(&reader->inbox);
}

static void retry_later(struct model_news_reader *reader)
{
    const struct timeval pause = {.tv_sec = CONNECT_SECONDS};

    disconnect(reader);
    event_add(reader->again, &pause);
}

/* The connection ended, and the process with it. */
static void lose(struct model_news_reader *reader)
{
    bool known = reader->seen != MODEL_NEWS_UNKNOWN;

    reader->seen = MODEL_NEWS_UNKNOWN;
    retry_later(reader);
    if (!known || reader->lost)
        return;
    reader->lost = true;
    tell_process(reader->backend, HW_DEVICE_GONE, "the software SSD's process ended");
}

static int ask(struct model_news_reader *reader)
{
    const struct job_news request = {.seen = reader->seen};
    struct helper_body body = {.job = MODEL_JOB_NEWS, .bytes = sizeof(request)};

    memcpy(body.data, &request, sizeof(request));
    return helper_send_body(reader->socket, &body, NULL, 0);
}

/* The first answer says what the process is. */
static void greet(struct model_news_reader *reader, const struct model_news *news)
{
    static const char other[] = "the software SSD that runs keeps the specification it was started with, "
                                "which is not the one asked for: end it with SIGTERM to have another";

    if (reader->lost) {
        reader->lost = false;
        tell_process(reader->backend, HW_DEVICE_BACK, "the software SSD runs again");
    }
    if (news->digest != reader->digest)
        tell_process(reader->backend, HW_FUNCTION_NOTICE, other);
}

static void take(struct model_news_reader *reader)
{
    const struct helper_body *body = &reader->inbox.body;
    struct model_news news;
    bool first = reader->seen == MODEL_NEWS_UNKNOWN;

    if (body->error || body->bytes != sizeof(news)) {
        lose(reader);
        return;
    }
    memcpy(&news, body->data, sizeof(news));
    helper_inbox_clear(&reader->inbox);
    reader->seen = news.number;
    if (first)
        greet(reader, &news);
    else
        tell_all(reader->backend, &news);
    if (ask(reader) < 0)
        lose(reader);
}

static void on_readable(evutil_socket_t fd, short events, void *user)
{
    struct model_news_reader *reader = user;
    (void)events;

    int r = helper_receive(fd, &reader->inbox);
    if (r == 1)
        take(reader);
    else if (r < 0 && r != -EAGAIN)
        lose(reader);
}

static int connect_to(struct model_news_reader *reader)
{
    int r = helper_connect(reader->path, &reader->socket);

    if (r < 0)
        return r;
    reader->readable =
        event_new(reader->backend->base, reader->socket, EV_READ | EV_PERSIST, on_readable, reader);
    if (!reader->readable || event_add(reader->readable, NULL) < 0)
        return -ENOMEM;
    return ask(reader);
}

static void on_again(evutil_socket_t fd, short events, void *user)
{
    struct model_news_reader *reader = user;
    (void)fd;
    (void)events;

    if (connect_to(reader) < 0)
        retry_later(reader);
}

int model_news_new(struct linux_backend *backend, const char *path, uint64_t digest,
                   struct model_news_reader **ret_reader)
{
    struct model_news_reader *reader = calloc(1, sizeof(*reader));
    int r = -ENOMEM;

    if (!reader)
        return r;
    reader->backend = backend;
    reader->digest = digest;
    reader->seen = MODEL_NEWS_UNKNOWN;
    reader->socket = -1;
    reader->path = strdup(path);
    reader->again = evtimer_new(backend->base, on_again, reader);
    if (reader->path && reader->again)
        r = connect_to(reader);
    if (r < 0) {
        model_news_free(reader);
        return r;
    }
    *ret_reader = reader;
    return 0;
}

void model_news_free(struct model_news_reader *reader)
{
    if (!reader)
        return;
    disconnect(reader);
    if (reader->again)
        event_free(reader->again);
    free(reader->path);
    free(reader);
}
