/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/relay/worker.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum {
    IDLE_NANOSECONDS =
        500000, /* longer than most I/O takes, so that a tenant at depth 1 does not wait for it */
    ROUNDS_PER_LOOK = 64,
    EVENTS = 64,
    BACKSTOP_MILLISECONDS = 1000, /* makes up for tenants that do not know the wake word */
};

TAILQ_HEAD(relayed_list, relayed);

struct worker {
    pthread_t thread;
    bool started;
    pthread_mutex_t lock; /* held by whoever may touch the functions */
    atomic_bool wanted;   /* by the controlling thread */
    bool stop;
    int epoll, kick_fd, notice_fd;
    struct relayed_list lists[2]; /* by enum wakefulness */
};

/* Whose functions this thread may touch now: a signal handler has no argument that could carry it. */
static _Thread_local struct worker *running;

static uint64_t now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

/* Forwards what there is. Whether there was anything. */
static bool forward(struct worker *worker, struct relayed *function)
{
    unsigned before = function->active_count;
    bool rung = relayed_forward(function);
    const uint64_t one = 1;

    /* A counter that is full notices all the same. */
    if (function->active_count != before && write(worker->notice_fd, &one, sizeof(one)) < 0)
        return rung;
    return rung;
}

/* ---- sleeping and waking ---- */

static void set_wakefulness(struct relayed *function, enum wakefulness state)
{
    struct worker *worker = function->worker;

    if (state == function->wakefulness)
        return;
    TAILQ_REMOVE(&worker->lists[function->wakefulness], function, worked);
    function->wakefulness = state;
    TAILQ_INSERT_TAIL(&worker->lists[state], function, worked);
    relayed_say_asleep(function, state == ASLEEP);
    function->busy = true;
}

static void put_to_sleep(struct relayed *function)
{
    set_wakefulness(function, ASLEEP);
    syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0, 0);
    if (forward(function->worker, function))
        set_wakefulness(function, AWAKE);
}

/* The worker's own: what a function's tenant holds too is never read (worker_add). */
static void drain_kicks(struct worker *worker)
{
    uint64_t count;

    /* Non-blocking; how often it was written says nothing. */
    if (read(worker->kick_fd, &count, sizeof(count)) < 0)
        return;
}

static void take_events(struct worker *worker)
{
    struct epoll_event events[EVENTS];
    int count = epoll_wait(worker->epoll, events, EVENTS, 0);

    for (int i = 0; i < count; i++) {
        struct relayed *function = events[i].data.ptr;
        if (function)
            set_wakefulness(function, AWAKE);
        else
            drain_kicks(worker);
    }
}

/* Nothing is awake. Waits without taking events: what they point to may go while the lock is not held. */
static void rest(struct worker *worker)
{
    struct pollfd entry = {.fd = worker->epoll, .events = POLLIN};
    bool empty = TAILQ_EMPTY(&worker->lists[ASLEEP]);
    struct relayed *function, *next;

    pthread_mutex_unlock(&worker->lock);
    int r = poll(&entry, 1, empty ? -1 : BACKSTOP_MILLISECONDS);
    pthread_mutex_lock(&worker->lock);
    if (r > 0)
        take_events(worker);
    if (r != 0)
        return;
    for (function = TAILQ_FIRST(&worker->lists[ASLEEP]); function; function = next) {
        next = TAILQ_NEXT(function, worked);
        if (forward(worker, function))
            set_wakefulness(function, AWAKE);
    }
}

/* ---- rounds ---- */

static void look(struct worker *worker)
{
    struct relayed *function, *next;
    uint64_t time = now();
    bool busy = false;

    take_events(worker);
    for (function = TAILQ_FIRST(&worker->lists[AWAKE]); function; function = next) {
        next = TAILQ_NEXT(function, worked);
        busy = busy || function->busy;
        if (function->busy)
            function->busy_at = time;
        else if (time - function->busy_at > IDLE_NANOSECONDS)
            put_to_sleep(function);
        function->busy = false;
    }
    /* On a core of its own this returns at once. */
    if (!busy)
        sched_yield();
}

static void *run(void *user)
{
    struct worker *worker = user;
    struct relayed *function;
    unsigned round = 0;

    running = worker;
    pthread_mutex_lock(&worker->lock);
    while (!worker->stop) {
        if (TAILQ_EMPTY(&worker->lists[AWAKE]))
            rest(worker);
        TAILQ_FOREACH (function, &worker->lists[AWAKE], worked)
            forward(worker, function);
        if (++round % ROUNDS_PER_LOOK == 0)
            look(worker);
        if (atomic_load_explicit(&worker->wanted, memory_order_relaxed)) {
            pthread_mutex_unlock(&worker->lock);
            while (atomic_load(&worker->wanted))
                sched_yield();
            pthread_mutex_lock(&worker->lock);
        }
    }
    pthread_mutex_unlock(&worker->lock);
    return NULL;
}

/* ---- for the controlling thread ---- */

void worker_stop(struct worker *worker)
{
    atomic_store(&worker->wanted, true);
    pthread_mutex_lock(&worker->lock);
    atomic_store(&worker->wanted, false);
    running = worker;
}

void worker_go(struct worker *worker)
{
    const uint64_t one = 1;

    /* It may sleep on what has changed. */
    if (write(worker->kick_fd, &one, sizeof(one)) < 0 && errno != EAGAIN)
        abort();
    running = NULL;
    pthread_mutex_unlock(&worker->lock);
}

/*
 * Told of each write, however the counter stands, and so it need not be read. It must not: the tenant has the
 * same open file, can make it blocking, and can empty it between the event and the read.
 */
int worker_add(struct worker *worker, struct relayed *function)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.ptr = function};

    if (epoll_ctl(worker->epoll, EPOLL_CTL_ADD, function->wake_fd, &event) < 0)
        return -errno;
    function->worker = worker;
    function->wakefulness = AWAKE;
    function->busy = true;
    TAILQ_INSERT_TAIL(&worker->lists[AWAKE], function, worked);
    return 0;
}

void worker_remove(struct relayed *function)
{
    struct worker *worker = function->worker;

    epoll_ctl(worker->epoll, EPOLL_CTL_DEL, function->wake_fd, NULL);
    TAILQ_REMOVE(&worker->lists[function->wakefulness], function, worked);
    function->worker = NULL;
}

void worker_wake(struct relayed *function)
{
    set_wakefulness(function, AWAKE);
    function->busy = true;
}

int worker_pin(struct worker *worker, uint16_t core)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    if (core != RELAY_CORE_ANY && core >= CPU_SETSIZE)
        return -EINVAL;
    for (unsigned i = 0; i < CPU_SETSIZE; i++) {
        if (core == RELAY_CORE_ANY || core == i)
            CPU_SET(i, &set);
    }
    return -pthread_setaffinity_np(worker->thread, sizeof(set), &set);
}

/*
 * A VF whose memory was switched off, or a page that its owner punched while memory is short, makes an access
 * to it a SIGBUS. Zeroes are put there: that function or page leads nowhere from now on, the others go on.
 */
static void on_bus_error(int number, siginfo_t *info, void *context)
{
    int error = errno;
    (void)context;

    for (int i = 0; running && i < 2; i++) {
        const struct relayed *function;
        TAILQ_FOREACH (function, &running->lists[i], worked) {
            if (relayed_mend(function, info->si_addr)) {
                errno = error;
                return;
            }
        }
    }
    signal(number, SIG_DFL);
}

static int start(struct worker *worker)
{
    struct sigaction action = {.sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO | SA_NODEFER};
    struct epoll_event event = {.events = EPOLLIN};

    if (sigaction(SIGBUS, &action, NULL) < 0)
        return -errno;
    worker->epoll = epoll_create1(EPOLL_CLOEXEC);
    worker->kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (worker->epoll < 0 || worker->kick_fd < 0 ||
        epoll_ctl(worker->epoll, EPOLL_CTL_ADD, worker->kick_fd, &event) < 0)
        return -errno;
    int r = pthread_create(&worker->thread, NULL, run, worker);
    worker->started = r == 0;
    return -r;
}

int worker_new(int notice_fd, struct worker **ret_worker)
{
    struct worker *worker = calloc(1, sizeof(*worker));

    if (!worker)
        return -ENOMEM;
    worker->epoll = worker->kick_fd = -1;
    worker->notice_fd = notice_fd;
    pthread_mutex_init(&worker->lock, NULL);
    TAILQ_INIT(&worker->lists[ASLEEP]);
    TAILQ_INIT(&worker->lists[AWAKE]);
    int r = start(worker);
    if (r < 0) {
        worker_free(worker);
        return r;
    }
    *ret_worker = worker;
    return 0;
}

void worker_free(struct worker *worker)
{
    if (!worker)
        return;
    if (worker->started) {
        worker_stop(worker);
        worker->stop = true;
        worker_go(worker);
        pthread_join(worker->thread, NULL);
    }
    if (worker->epoll >= 0)
        close(worker->epoll);
    if (worker->kick_fd >= 0)
        close(worker->kick_fd);
    pthread_mutex_destroy(&worker->lock);
    free(worker);
}
