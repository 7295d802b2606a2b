/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/restart/fdstore.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "daemon/crash.h"

struct barrier {
    LIST_ENTRY(barrier) link;
    struct event *event;
    int fd; /* the end that hangs up when the other one is closed */
    void (*done)(void *user);
    void *user;
};

struct handed {
    char *name;
    int fd; /* -1: taken */
};

struct fdstore {
    struct event_base *base;
    unsigned limit;
    struct handed *handed; /* by name */
    size_t handed_count;
    LIST_HEAD(, barrier) barriers;
};

static int compare(const void *a, const void *b)
{
    return strcmp(((const struct handed *)a)->name, ((const struct handed *)b)->name);
}

static int take_handed_in(struct fdstore *store)
{
    char **names = NULL;
    int count = sd_listen_fds_with_names(1, &names);

    if (count <= 0)
        return count;
    store->handed = calloc((size_t)count, sizeof(*store->handed));
    if (!store->handed)
        return -ENOMEM;
    for (int i = 0; i < count; i++)
        store->handed[i] = (struct handed){.name = names[i], .fd = SD_LISTEN_FDS_START + i};
    store->handed_count = (size_t)count;
    free(names);
    qsort(store->handed, store->handed_count, sizeof(*store->handed), compare);
    return 0;
}

static unsigned read_limit(void)
{
    const char *text = getenv("FDSTORE");
    char *end;

    if (!text || !getenv("NOTIFY_SOCKET"))
        return 0;
    unsigned long value = strtoul(text, &end, 10);
    if (*end)
        return 0;
    return value < FDSTORE_MAX ? (unsigned)value : FDSTORE_MAX;
}

int fdstore_new(struct event_base *base, struct fdstore **ret_store)
{
    struct fdstore *store = calloc(1, sizeof(*store));

    if (!store)
        return -ENOMEM;
    store->base = base;
    store->limit = read_limit();
    LIST_INIT(&store->barriers);
    int r = take_handed_in(store);
    if (r < 0) {
        fdstore_free(store);
        return r;
    }
    *ret_store = store;
    return 0;
}

static void barrier_free(struct barrier *barrier)
{
    LIST_REMOVE(barrier, link);
    if (barrier->event)
        event_free(barrier->event);
    if (barrier->fd >= 0)
        close(barrier->fd);
    free(barrier);
}

void fdstore_free(struct fdstore *store)
{
    struct barrier *barrier;

    if (!store)
        return;
    while ((barrier = LIST_FIRST(&store->barriers)))
        barrier_free(barrier);
    for (size_t i = 0; i < store->handed_count; i++) {
        if (store->handed[i].fd >= 0)
            close(store->handed[i].fd);
        free(store->handed[i].name);
    }
    free(store->handed);
    free(store);
}

unsigned fdstore_limit(const struct fdstore *store)
{
    return store ? store->limit : 0;
}

static struct handed *find(const struct fdstore *store, const char *name)
{
    const struct handed key = {.name = (char *)(uintptr_t)name};

    return store && store->handed_count
               ? bsearch(&key, store->handed, store->handed_count, sizeof(key), compare)
               : NULL;
}

int fdstore_take(struct fdstore *store, const char *name)
{
    struct handed *found = find(store, name);

    if (!found || found->fd < 0)
        return -ENOENT;
    int fd = found->fd;
    found->fd = -1;
    return fd;
}

void fdstore_untake(struct fdstore *store, const char *name, int fd)
{
    find(store, name)->fd = fd;
}

const char *fdstore_left(const struct fdstore *store)
{
    for (size_t i = 0; i < store->handed_count; i++) {
        if (store->handed[i].fd >= 0)
            return store->handed[i].name;
    }
    return NULL;
}

int fdstore_put(struct fdstore *store, int fd, const char *name)
{
    char message[64];

    if (!fdstore_limit(store))
        return 0;
    crash_here();
    snprintf(message, sizeof(message), "FDSTORE=1\nFDPOLL=0\nFDNAME=%.*s", FDSTORE_NAME_MAX, name);
    int r = sd_pid_notify_with_fds(0, 0, message, &fd, 1);
    crash_here();
    return r < 0 ? r : 0;
}

int fdstore_remove(struct fdstore *store, const char *name)
{
    char message[64];

    if (!fdstore_limit(store))
        return 0;
    crash_here();
    snprintf(message, sizeof(message), "FDSTOREREMOVE=1\nFDNAME=%.*s", FDSTORE_NAME_MAX, name);
    int r = sd_notify(0, message);
    crash_here();
    return r < 0 ? r : 0;
}

static void on_barrier(evutil_socket_t fd, short what, void *user)
{
    struct barrier *barrier = user;
    void (*done)(void *user) = barrier->done;
    (void)fd;
    (void)what;

    user = barrier->user;
    barrier_free(barrier);
    done(user);
}

/* The service manager closes the other end of a pipe when it comes to the message. */
static int send_barrier(struct barrier *barrier)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
        return -errno;
    barrier->fd = ends[0];
    int r = sd_pid_notify_with_fds(0, 0, "BARRIER=1", &ends[1], 1);
    close(ends[1]);
    return r < 0 ? r : 0;
}

int fdstore_barrier(struct fdstore *store, void (*done)(void *user), void *user)
{
    struct barrier *barrier = calloc(1, sizeof(*barrier));

    if (!barrier)
        return -ENOMEM;
    barrier->fd = -1;
    barrier->done = done;
    barrier->user = user;
    LIST_INSERT_HEAD(&store->barriers, barrier, link);
    int r = fdstore_limit(store) ? send_barrier(barrier) : 0;
    if (r == 0)
        barrier->event = event_new(store->base, barrier->fd, EV_READ, on_barrier, barrier);
    if (r == 0 && (!barrier->event || (barrier->fd >= 0 && event_add(barrier->event, NULL) < 0)))
        r = -ENOMEM;
    if (r < 0) {
        barrier_free(barrier);
        return r;
    }
    if (barrier->fd < 0)
        event_active(barrier->event, EV_TIMEOUT, 0);
    return 0;
}
