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

#include "daemon/model/device.h"

struct world {
    const struct model_spec *spec;
    struct device *devices[SPEC_DEVICES_MAX];
    size_t device_count;
    struct poller *pollers;
    unsigned poller_count, next_poller;
    pthread_rwlock_t lock;
    unsigned waiting; /* how many want the lock alone */
};

int world_new(const struct model_spec *spec, struct world **ret_world); /* starts the pollers */
void world_free(struct world *world);                                   /* NULL-safe */
void world_enter(struct world *world);                                  /* alone */
void world_leave(struct world *world);
uint64_t world_now(void); /* monotonic, milliseconds */
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

/* ---- guard.c ---- */

/* From now on a page of a tenant's memory that cannot be had reads as zeroes instead of ending the process.
 */
int guard_install(struct world *world);

#endif
