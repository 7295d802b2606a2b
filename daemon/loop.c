/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/loop.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>
#include <systemd/sd-daemon.h>
#include <time.h>

static const int signals[] = {SIGTERM, SIGINT, SIGHUP};
#define SIGNAL_COUNT (sizeof signals / sizeof signals[0])

struct loop {
    struct loop_listener listener;
    struct event_base *base;
    struct event *timer, *changed, *watchdog;
    struct event *signals[SIGNAL_COUNT];
};

static void on_timer(evutil_socket_t fd, short what, void *user)
{
    (void)fd, (void)what;
    struct loop *loop = user;
    loop->listener.tick(loop->listener.user);
}

static void on_changed(evutil_socket_t fd, short what, void *user)
{
    (void)fd, (void)what;
    struct loop *loop = user;
    loop->listener.changed(loop->listener.user);
}

static void on_signal(evutil_socket_t number, short what, void *user)
{
    (void)what;
    struct loop *loop = user;
    loop->listener.signal(loop->listener.user, (int)number);
}

static void on_watchdog(evutil_socket_t fd, short what, void *user)
{
    (void)fd, (void)what, (void)user;
    sd_notify(0, "WATCHDOG=1");
}

static int add_watchdog(struct loop *loop)
{
    uint64_t period;
    if (sd_watchdog_enabled(0, &period) <= 0)
        return 0;
    period /= 2;
    struct timeval interval = {.tv_sec = (time_t)(period / 1000000),
                               .tv_usec = (suseconds_t)(period % 1000000)};
    loop->watchdog = event_new(loop->base, -1, EV_PERSIST, on_watchdog, loop);
    return loop->watchdog && event_add(loop->watchdog, &interval) == 0 ? 0 : -ENOMEM;
}

static int add_signals(struct loop *loop)
{
    for (size_t i = 0; i < SIGNAL_COUNT; i++) {
        loop->signals[i] = evsignal_new(loop->base, signals[i], on_signal, loop);
        if (!loop->signals[i] || event_add(loop->signals[i], NULL) < 0)
            return -ENOMEM;
    }
    return signal(SIGPIPE, SIG_IGN) == SIG_ERR ? -errno : 0;
}

int loop_new(const struct loop_listener *listener, struct loop **ret_loop)
{
    struct loop *loop = calloc(1, sizeof *loop);
    int r = -ENOMEM;
    if (!loop)
        return r;
    loop->listener = *listener;
    loop->base = event_base_new();
    if (loop->base) {
        loop->timer = evtimer_new(loop->base, on_timer, loop);
        loop->changed = event_new(loop->base, -1, 0, on_changed, loop);
    }
    if (loop->timer && loop->changed)
        r = add_signals(loop);
    if (r == 0)
        r = add_watchdog(loop);
    if (r < 0) {
        loop_free(loop);
        return r;
    }
    *ret_loop = loop;
    return 0;
}

static void free_event(struct event *event)
{
    if (event)
        event_free(event);
}

void loop_free(struct loop *loop)
{
    if (!loop)
        return;
    free_event(loop->timer);
    free_event(loop->changed);
    free_event(loop->watchdog);
    for (size_t i = 0; i < SIGNAL_COUNT; i++)
        free_event(loop->signals[i]);
    if (loop->base)
        event_base_free(loop->base);
    free(loop);
}

struct event_base *loop_base(struct loop *loop)
{
    return loop->base;
}

int loop_run(struct loop *loop)
{
    return event_base_loop(loop->base, EVLOOP_NO_EXIT_ON_EMPTY) < 0 ? -EIO : 0;
}

void loop_stop(struct loop *loop)
{
    event_base_loopbreak(loop->base);
}

uint64_t loop_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void loop_timer(struct loop *loop, uint64_t at)
{
    uint64_t now = loop_now(), left = at > now ? at - now : 0;
    if (at == UINT64_MAX) {
        event_del(loop->timer);
        return;
    }
    struct timeval delay = {.tv_sec = (time_t)(left / 1000), .tv_usec = (suseconds_t)(left % 1000 * 1000)};
    event_add(loop->timer, &delay);
}

void loop_changed(struct loop *loop)
{
    event_active(loop->changed, EV_TIMEOUT, 1);
}
