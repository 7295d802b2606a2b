/* SPDX-License-Identifier: BSD-3-Clause */
/* The event loop: the core's timer, signals, and the watchdog of systemd. One thread decides everything. */
#ifndef HOMI_DAEMON_LOOP_H
#define HOMI_DAEMON_LOOP_H

#include <stdint.h>

struct event_base;
struct loop;

struct loop_listener {
    void (*tick)(void *user);               /* the time set by loop_timer has come */
    void (*signal)(void *user, int number); /* SIGTERM, SIGINT or SIGHUP */
    void (*changed)(void *user); /* once for any number of loop_changed calls since the last time */
    void *user;
};

/* Also ignores SIGPIPE, which ends a daemon whose peer went away. Returns 0 or a negative errno. */
int loop_new(const struct loop_listener *listener, struct loop **ret_loop);
void loop_free(struct loop *loop); /* NULL-safe; after everything that uses its base */
struct event_base *loop_base(struct loop *loop);

int loop_run(struct loop *loop); /* until loop_stop; 0 or -EIO */
void loop_stop(struct loop *loop);

uint64_t loop_now(void); /* CLOCK_MONOTONIC in milliseconds */
/* Asks for one tick at this time, and no other; UINT64_MAX: none. */
void loop_timer(struct loop *loop, uint64_t at);
void loop_changed(struct loop *loop);

#endif
