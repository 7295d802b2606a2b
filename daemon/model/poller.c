/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The threads that look at doorbells. A function that had nothing to do for a while is put to sleep: its wake
 * word says so, every processor is made to see it (membarrier; its clients have registered for it), and after
 * a last look the poller forgets it until its eventfd is written. With all functions asleep the thread sleeps
 * too, and a look once a second makes up for clients that do not know the wake word.
 */
#include <errno.h>
#include <linux/membarrier.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "daemon/model/rules.h"
#include "daemon/model/world.h"

enum {
    BUDGET = 64,             /* commands of a queue before the next one has its turn */
    IDLE_MICROSECONDS = 100, /* a function without work is put to sleep then */
    ROUNDS_PER_LOOK = 64,    /* between looks at the time, and for functions that were woken */
    EVENTS = 64,
    BACKSTOP_MILLISECONDS = 1000,
    TICK_MILLISECONDS = 1,
};

TAILQ_HEAD(function_list, function);

struct poller {
    struct world *world;
    pthread_t thread;
    bool started, stop;
    int epoll, stop_fd;
    struct function_list lists[3]; /* by enum function_wakefulness */
    bool attention;
    uint64_t now, looked_at; /* microseconds: about now, and when those asleep were last looked at */
};

static uint64_t microseconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void set_wakefulness(struct function *function, enum function_wakefulness state)
{
    struct poller *poller = function->poller;

    TAILQ_REMOVE(&poller->lists[function->wakefulness], function, link);
    function->wakefulness = state;
    TAILQ_INSERT_TAIL(&poller->lists[state], function, link);
    *function->wake = state != FUNCTION_AWAKE;
    function->idle_since = poller->now;
}

static bool registers_changed(const struct function *function)
{
    return le32toh(*(volatile uint32_t *)(function->bar + REGISTER_CC)) != function->configuration;
}

void poller_attend(struct function *function)
{
    function->attention = function->poller->attention = true;
}

/* Whether there was anything to do. */
static bool look(struct function *function)
{
    bool worked = false;

    if (registers_changed(function) ||
        (function->enabled && submission_pending(function, &function->submission[0]))) {
        poller_attend(function);
        return true;
    }
    for (unsigned i = 0; function->enabled && i < function->active_count; i++) {
        struct submission_queue *queue = &function->submission[function->active[i]];
        if (submission_pending(function, queue)) {
            uint64_t before = function->served;
            io_serve(function, queue, BUDGET);
            worked = worked || function->served != before;
        }
        if (!rule(RULE_QUEUES_APART))
            break;
    }
    return worked;
}

static void expire(struct function *function)
{
    if (function->deferred_count)
        completions_due(function, world_now());
    if (function->ready_at && function->ready_at <= world_now())
        poller_attend(function);
}

static void put_to_sleep(struct function *function)
{
    bool waits = function->deferred_count || function->ready_at;

    set_wakefulness(function, waits ? FUNCTION_WAITING : FUNCTION_ASLEEP);
    syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0, 0);
    if (function->enabled)
        doorbells_look(function);
    if (look(function))
        set_wakefulness(function, FUNCTION_AWAKE);
}

static void work_round(struct poller *poller, bool looking)
{
    struct function *function = TAILQ_FIRST(&poller->lists[FUNCTION_AWAKE]), *next;

    for (; function; function = next) {
        next = TAILQ_NEXT(function, link);
        if (looking)
            expire(function);
        if (looking && function->enabled)
            doorbells_look(function);
        if (look(function))
            function->idle_since = poller->now;
        else if (looking && poller->now - function->idle_since > IDLE_MICROSECONDS)
            put_to_sleep(function);
    }
}

/* What needs the lock alone: registers that were written, admin commands, controllers that become ready. */
static void attend(struct poller *poller)
{
    struct function *function;

    poller->attention = false;
    pthread_rwlock_unlock(&poller->world->lock);
    world_enter(poller->world);
    for (int state = FUNCTION_AWAKE; state <= FUNCTION_WAITING; state++) {
        TAILQ_FOREACH (function, &poller->lists[state], link) {
            if (!function->attention)
                continue;
            function->attention = false;
            controller_registers(function);
            controller_tick(function, world_now());
            if (function->enabled)
                admin_serve(function);
            device_act(function->device);
        }
    }
    world_leave(poller->world);
    pthread_rwlock_rdlock(&poller->world->lock);
}

static void woken(struct function *function)
{
    uint64_t count;

    if (!function->open)
        return;
    if (read(function->wake_fd, &count, sizeof(count)) < 0)
        return;
    if (function->wakefulness != FUNCTION_AWAKE && rule(RULE_WAKES))
        set_wakefulness(function, FUNCTION_AWAKE);
}

/* Sleeps at most so long, without the lock when it may sleep at all. */
static void wait_for_events(struct poller *poller, int milliseconds)
{
    struct epoll_event events[EVENTS];

    if (milliseconds)
        pthread_rwlock_unlock(&poller->world->lock);
    int count = epoll_wait(poller->epoll, events, EVENTS, milliseconds);
    if (milliseconds)
        pthread_rwlock_rdlock(&poller->world->lock);
    poller->now = microseconds();
    for (int i = 0; i < count; i++) {
        if (events[i].data.ptr)
            woken(events[i].data.ptr);
        else
            poller->stop = true;
    }
}

/* Nothing is awake: sleeps, and looks at what may have been missed. */
static void rest(struct poller *poller)
{
    bool waiting = !TAILQ_EMPTY(&poller->lists[FUNCTION_WAITING]);
    struct function *function, *next;

    wait_for_events(poller, waiting ? TICK_MILLISECONDS : BACKSTOP_MILLISECONDS);
    for (function = TAILQ_FIRST(&poller->lists[FUNCTION_WAITING]); function; function = next) {
        next = TAILQ_NEXT(function, link);
        expire(function);
        if (look(function))
            set_wakefulness(function, FUNCTION_AWAKE);
        else if (!function->deferred_count && !function->ready_at)
            set_wakefulness(function, FUNCTION_ASLEEP);
    }
    /* There may be a thousand, and the wake words of all but odd clients' make this needless. */
    if (waiting || !rule(RULE_WAKES) || poller->now - poller->looked_at < BACKSTOP_MILLISECONDS * 1000)
        return;
    poller->looked_at = poller->now;
    for (function = TAILQ_FIRST(&poller->lists[FUNCTION_ASLEEP]); function; function = next) {
        next = TAILQ_NEXT(function, link);
        if (look(function))
            set_wakefulness(function, FUNCTION_AWAKE);
    }
}

static void *run(void *user)
{
    struct poller *poller = user;
    struct world *world = poller->world;
    unsigned round = 0;

    pthread_rwlock_rdlock(&world->lock);
    while (!poller->stop) {
        if (TAILQ_EMPTY(&poller->lists[FUNCTION_AWAKE]))
            rest(poller);
        bool looking = ++round % ROUNDS_PER_LOOK == 0;
        if (looking)
            wait_for_events(poller, 0);
        work_round(poller, looking);
        if (poller->attention)
            attend(poller);
        if (__atomic_load_n(&world->waiting, __ATOMIC_RELAXED)) {
            pthread_rwlock_unlock(&world->lock);
            pthread_rwlock_rdlock(&world->lock);
        }
    }
    pthread_rwlock_unlock(&world->lock);
    return NULL;
}

int poller_add(struct world *world, struct function *function)
{
    struct poller *poller = &world->pollers[world->next_poller++ % world->poller_count];
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = function};

    if (epoll_ctl(poller->epoll, EPOLL_CTL_ADD, function->wake_fd, &event) < 0)
        return -errno;
    function->poller = poller;
    function->wakefulness = FUNCTION_ASLEEP;
    *function->wake = 1;
    TAILQ_INSERT_TAIL(&poller->lists[FUNCTION_ASLEEP], function, link);
    return 0;
}

void poller_remove(struct function *function)
{
    struct poller *poller = function->poller;

    if (!poller)
        return;
    epoll_ctl(poller->epoll, EPOLL_CTL_DEL, function->wake_fd, NULL);
    TAILQ_REMOVE(&poller->lists[function->wakefulness], function, link);
    function->poller = NULL;
}

static int start(struct world *world, struct poller *poller)
{
    struct epoll_event event = {.events = EPOLLIN};

    poller->world = world;
    for (int i = 0; i < 3; i++)
        TAILQ_INIT(&poller->lists[i]);
    poller->epoll = epoll_create1(EPOLL_CLOEXEC);
    poller->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (poller->epoll < 0 || poller->stop_fd < 0 ||
        epoll_ctl(poller->epoll, EPOLL_CTL_ADD, poller->stop_fd, &event) < 0)
        return -errno;
    int r = pthread_create(&poller->thread, NULL, run, poller);
    poller->started = r == 0;
    return -r;
}

int pollers_start(struct world *world)
{
    int r = 0;

    world->pollers = calloc(world->spec->pollers, sizeof(*world->pollers));
    if (!world->pollers)
        return -ENOMEM;
    for (unsigned i = 0; i < world->spec->pollers && r == 0; i++) {
        world->poller_count++;
        r = start(world, &world->pollers[i]);
    }
    return r;
}

void pollers_stop(struct world *world)
{
    const uint64_t one = 1;

    for (unsigned i = 0; i < world->poller_count; i++) {
        struct poller *poller = &world->pollers[i];
        if (poller->started && write(poller->stop_fd, &one, sizeof(one)) == sizeof(one))
            pthread_join(poller->thread, NULL);
        poller->started = false;
    }
}

void pollers_free(struct world *world)
{
    for (unsigned i = 0; i < world->poller_count; i++) {
        if (world->pollers[i].epoll >= 0)
            close(world->pollers[i].epoll);
        if (world->pollers[i].stop_fd >= 0)
            close(world->pollers[i].stop_fd);
    }
    free(world->pollers);
    world->pollers = NULL;
    world->poller_count = 0;
}
