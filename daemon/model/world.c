/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/model/world.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

uint64_t world_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void world_log(const struct function *function, const char *format, ...)
{
    char text[256];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    if (function)
        fprintf(stderr, "model: %s/vf%u: %s\n", function->device->spec->serial, function->index, text);
    else
        fprintf(stderr, "model: %s\n", text);
}

void world_enter(struct world *world)
{
    __atomic_fetch_add(&world->waiting, 1, __ATOMIC_SEQ_CST);
    pthread_rwlock_wrlock(&world->lock);
}

void world_leave(struct world *world)
{
    pthread_rwlock_unlock(&world->lock);
    __atomic_fetch_sub(&world->waiting, 1, __ATOMIC_SEQ_CST);
}

/* ---- news ---- */

void world_tell(const struct device *device, enum model_news_kind kind)
{
    static const char *const texts[] = {
        [MODEL_NEWS_RESET] = "was reset", [MODEL_NEWS_GONE] = "was removed", [MODEL_NEWS_BACK] = "returned"};
    struct world *world = device->world;
    struct model_news *news = &world->news[world->news_count++ % WORLD_NEWS_KEPT];
    const uint64_t one = 1;

    *news = (struct model_news){.number = world->news_count, .digest = world->spec->digest, .kind = kind};
    strcpy(news->serial, device->spec->serial);
    strcpy(news->address, device->address);
    world_log(NULL, "%s: %s", device->spec->serial, texts[kind]);
    if (write(world->news_fd, &one, sizeof(one)) < 0)
        return; /* a counter that is full wakes all the same */
}

bool world_news(struct world *world, uint64_t seen, struct model_news *ret_news)
{
    bool any = true;

    world_enter(world);
    uint64_t count = world->news_count, oldest = count > WORLD_NEWS_KEPT ? count - WORLD_NEWS_KEPT : 0;
    if (seen == MODEL_NEWS_UNKNOWN)
        *ret_news = (struct model_news){.number = count, .digest = world->spec->digest};
    else if (seen < count)
        *ret_news = world->news[(seen < oldest ? oldest : seen) % WORLD_NEWS_KEPT];
    else
        any = false;
    world_leave(world);
    return any;
}

uint64_t world_tick(struct world *world)
{
    uint64_t next = 0;

    world_enter(world);
    for (size_t i = 0; i < world->device_count; i++) {
        struct device *device = world->devices[i];
        if (device->back_at && device->back_at <= world_now())
            device_return(device);
        if (device->back_at && (!next || device->back_at < next))
            next = device->back_at;
    }
    world_leave(world);
    return next;
}

/* ---- life ---- */

static int lock_new(struct world *world)
{
    pthread_rwlockattr_t attributes;

    pthread_rwlockattr_init(&attributes);
    /* A poller that let go shall not get the lock again before whoever waits for it. */
    pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    int r = pthread_rwlock_init(&world->lock, &attributes);
    pthread_rwlockattr_destroy(&attributes);
    return -r;
}

int world_new(const struct model_spec *spec, struct world **ret_world)
{
    struct world *world = calloc(1, sizeof(*world));

    if (!world)
        return -ENOMEM;
    world->spec = spec;
    int r = lock_new(world);
    if (r < 0) {
        free(world);
        return r;
    }
    world->news_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (world->news_fd < 0)
        r = -errno;
    for (size_t i = 0; i < spec->device_count && r == 0; i++) {
        r = device_new(world, &spec->devices[i], (unsigned)i, &world->devices[i]);
        world->device_count += r == 0;
    }
    if (r == 0)
        r = guard_install(world);
    if (r == 0)
        r = pollers_start(world);
    if (r < 0) {
        world_free(world);
        return r;
    }
    *ret_world = world;
    return 0;
}

void world_free(struct world *world)
{
    if (!world)
        return;
    pollers_stop(world);
    guard_install(NULL);
    for (size_t i = 0; i < world->device_count; i++)
        device_free(world->devices[i]);
    pollers_free(world);
    if (world->news_fd >= 0)
        close(world->news_fd);
    pthread_rwlock_destroy(&world->lock);
    free(world);
}
