/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Everything in the model process: its devices, its poller threads, and the lock between them.
 *
 * Pollers hold the lock shared while they look at doorbells and carry out I/O commands, and let it go when
 * somebody wants it alone: the control thread (jobs from homid), or a poller that found an admin command or a
 * written register.
 */
#ifndef HOMI_DAEMON_MODEL_WORLD_H
#define HOMI_DAEMON_MODEL_WORLD_H

#include <pthread.h>

#include "daemon/hw/model/jobs.h"
#include "daemon/model/device.h"

#define WORLD_NEWS_KEPT 64

struct world {
    const struct model_spec *spec;
    struct device *devices[SPEC_DEVICES_MAX];
    size_t device_count;
    void *open; /* tsearch(3) of function_key by inode */
    struct poller *pollers;
    unsigned poller_count, next_poller;
    pthread_rwlock_t lock;
    unsigned waiting; /* how many want the lock alone */

    /* What happened, the last WORLD_NEWS_KEPT of it, for whoever asks; under the lock held alone. */
    struct model_news news[WORLD_NEWS_KEPT];
    uint64_t news_count;
    int news_fd; /* an eventfd, written with each */
};

int world_new(const struct model_spec *spec, struct world **ret_world); /* starts the pollers */
void world_free(struct world *world);                                   /* NULL-safe */
void world_enter(struct world *world);                                  /* alone */
void world_leave(struct world *world);
uint64_t world_now(void); /* monotonic, milliseconds */
/* Under the lock held alone: keeps the news, and wakes who waits for them. */
void world_tell(const struct device *device, enum model_news_kind kind);
/* Takes the lock itself. Whether there is news after number `seen`: the next of it that is still kept. */
bool world_news(struct world *world, uint64_t seen, struct model_news *ret_news);
/* Takes the lock itself. Returns devices whose time has come; the time of the next, or 0. */
uint64_t world_tick(struct world *world);
/* One line for the operator, on standard error. */
void world_log(const struct function *function, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* ---- poller.c ---- */

int pollers_start(struct world *world);
void pollers_stop(struct world *world);
void pollers_free(struct world *world); /* once no function is open any more */
/* Under the lock held alone: from now on, resp. no more, a poller looks after the open function. */
int poller_add(struct world *world, struct function *function);
void poller_remove(struct function *function);
/* Has the function's poller take the lock alone. From its own thread only. */
void poller_attend(struct function *function);

/* ---- guard.c ---- */

/* From now on a page of a tenant's memory that cannot be had reads as zeroes instead of ending the process.
 */
int guard_install(struct world *world);

#endif
