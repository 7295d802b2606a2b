/* SPDX-License-Identifier: BSD-3-Clause */
/* The work blocks in a system call, so a thread of its own shows the time. */
#include "homictl/progress.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

struct progress {
    const char *doing;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t stopped;
    bool stop, shown;
};

static void *show(void *user)
{
    struct progress *progress = user;
    struct timespec next;
    unsigned seconds = 0;

    clock_gettime(CLOCK_REALTIME, &next);
    pthread_mutex_lock(&progress->lock);
    while (!progress->stop) {
        next.tv_sec++;
        while (!progress->stop && !pthread_cond_timedwait(&progress->stopped, &progress->lock, &next))
            ;
        if (progress->stop)
            break;
        fprintf(stderr, "\rwaiting to %.60s ... %u s", progress->doing, ++seconds);
        progress->shown = true;
    }
    pthread_mutex_unlock(&progress->lock);
    return NULL;
}

struct progress *progress_start(const char *doing)
{
    struct progress *progress = isatty(STDERR_FILENO) ? calloc(1, sizeof(*progress)) : NULL;

    if (!progress)
        return NULL;
    progress->doing = doing;
    pthread_mutex_init(&progress->lock, NULL);
    pthread_cond_init(&progress->stopped, NULL);
    if (pthread_create(&progress->thread, NULL, show, progress) == 0)
        return progress;
    free(progress);
    return NULL;
}

void progress_stop(struct progress *progress)
{
    if (!progress)
        return;
    pthread_mutex_lock(&progress->lock);
    progress->stop = true;
    pthread_cond_signal(&progress->stopped);
    pthread_mutex_unlock(&progress->lock);
    pthread_join(progress->thread, NULL);
    if (progress->shown)
        fprintf(stderr, "\r\033[K");
    pthread_cond_destroy(&progress->stopped);
    pthread_mutex_destroy(&progress->lock);
    free(progress);
}
