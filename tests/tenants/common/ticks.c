/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/tenants/common/ticks.h"

#include <signal.h>
#include <stddef.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <time.h>

/* A signal handler has nothing but these to speak through. */
static volatile sig_atomic_t count, stop, step;

static void on_tick(int number)
{
    (void)number;
    count = count + step;
}

static void on_stop(int number)
{
    (void)number;
    stop = 1;
}

void ticks_start(bool sleeps)
{
    struct sigaction tick = {.sa_handler = on_tick, .sa_flags = SA_RESTART};
    struct sigaction end = {.sa_handler = on_stop};
    struct timeval second = {.tv_sec = 1}, tenth = {.tv_usec = 1000000 / TICKS_PER_SECOND};
    struct itimerval every = {.it_interval = sleeps ? second : tenth, .it_value = sleeps ? second : tenth};

    step = sleeps ? TICKS_PER_SECOND : 1;
    sigaction(SIGALRM, &tick, NULL);
    sigaction(SIGTERM, &end, NULL);
    sigaction(SIGINT, &end, NULL);
    setitimer(ITIMER_REAL, &every, NULL);
}

unsigned ticks_now(void)
{
    return (unsigned)count;
}

bool ticks_stopped(void)
{
    return stop != 0;
}

void ticks_wait_for_stop(void)
{
    struct itimerval never = {.it_value = {.tv_usec = 0}};
    sigset_t blocked, before;

    setitimer(ITIMER_REAL, &never, NULL);
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGTERM);
    sigaddset(&blocked, SIGINT);
    sigprocmask(SIG_BLOCK, &blocked, &before);
    while (!stop)
        sigsuspend(&before);
    sigprocmask(SIG_SETMASK, &before, NULL);
}

double ticks_wall_seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

double ticks_cpu_seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}
