/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/keepers.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/queue.h>
#include <unistd.h>

#include "daemon/peers/identity.h"

#define CGROUPS   "/sys/fs/cgroup"
#define USERS     "user.slice" /* users' own managers have units of the same names */
#define LOOK_AT_S 5            /* a control group that is removed at once need not tell of it */

struct entry {
    LIST_ENTRY(entry) link;
    struct keepers *keepers;
    char lease[CORE_NAME_BYTES];
    char *events; /* the control group's cgroup.events; NULL: a process */
    int fd;       /* pidfd, or inotify */
    struct event *event;
};

struct keepers {
    struct event_base *base;
    keeper_ended ended;
    void *user;
    LIST_HEAD(, entry) entries;
};

int keepers_new(struct event_base *base, keeper_ended ended, void *user, struct keepers **ret_keepers)
{
    struct keepers *keepers = calloc(1, sizeof *keepers);
    if (!keepers)
        return -ENOMEM;
    *keepers = (struct keepers){.base = base, .ended = ended, .user = user};
    LIST_INIT(&keepers->entries);
    *ret_keepers = keepers;
    return 0;
}

static void entry_free(struct entry *entry)
{
    if (entry->event)
        event_free(entry->event);
    if (entry->fd >= 0)
        close(entry->fd);
    free(entry->events);
    free(entry);
}

void keepers_free(struct keepers *keepers)
{
    struct entry *entry;
    if (!keepers)
        return;
    while ((entry = LIST_FIRST(&keepers->entries))) {
        LIST_REMOVE(entry, link);
        entry_free(entry);
    }
    free(keepers);
}

/* Whether processes are in the control group; one that is gone has none. */
static bool populated(const char *events)
{
    char text[256];
    int fd = open(events, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t bytes = read(fd, text, sizeof text - 1);
    close(fd);
    text[bytes < 0 ? 0 : bytes] = '\0';
    return strstr(text, "populated 1") != NULL;
}

static void on_event(evutil_socket_t fd, short what, void *user)
{
    struct entry *entry = user;
    struct keepers *keepers = entry->keepers;
    char lease[CORE_NAME_BYTES], drained[4096];
    if (entry->events && (what & EV_READ) && read(fd, drained, sizeof drained) < 0 && errno != EAGAIN)
        return;
    if (entry->events ? populated(entry->events) : !(what & EV_READ))
        return;
    memcpy(lease, entry->lease, sizeof lease);
    LIST_REMOVE(entry, link);
    entry_free(entry);
    keepers->ended(keepers->user, lease);
}

/* The cgroup.events of the unit's control group, wherever in the tree its slice is; the caller frees it. */
static int find_unit(const char *unit, char **ret_events)
{
    char root[] = CGROUPS;
    char *const roots[] = {root, NULL};
    FTSENT *at;
    int r = -ESRCH;
    FTS *tree = fts_open(roots, FTS_PHYSICAL | FTS_NOSTAT | FTS_NOCHDIR, NULL);
    if (!tree)
        return -errno;
    while (r == -ESRCH && (at = fts_read(tree))) {
        if (at->fts_info != FTS_D)
            continue;
        if (strcmp(at->fts_name, USERS) == 0)
            fts_set(tree, at, FTS_SKIP);
        else if (at->fts_level > 0 && strcmp(at->fts_name, unit) == 0)
            r = asprintf(ret_events, "%s/cgroup.events", at->fts_path) < 0 ? -ENOMEM : 0;
    }
    fts_close(tree);
    return r;
}

static int open_process(struct entry *entry, struct core_keeper *keeper)
{
    uint64_t start_time = keeper->start_time;
    int r = start_time ? 0 : process_start_time(keeper->pid, &start_time);
    if (r == 0)
        entry->fd = r = process_again(keeper->pid, start_time);
    if (r < 0)
        return r;
    keeper->start_time = start_time;
    return 0;
}

static int open_unit(struct entry *entry, const char *unit)
{
    int r = find_unit(unit, &entry->events);
    if (r < 0)
        return r;
    entry->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (entry->fd < 0 || inotify_add_watch(entry->fd, entry->events, IN_MODIFY) < 0)
        return errno == ENOENT ? -ESRCH : -errno;
    /* Looked at once it is watched, so that no end is missed. */
    return populated(entry->events) ? 0 : -ESRCH;
}

int keepers_add(struct keepers *keepers, const char *lease, struct core_keeper *keeper)
{
    const struct timeval look = {.tv_sec = LOOK_AT_S};
    struct entry *entry = calloc(1, sizeof *entry);
    if (!entry)
        return -ENOMEM;
    entry->keepers = keepers;
    entry->fd = -1;
    snprintf(entry->lease, sizeof entry->lease, "%s", lease);
    int r = keeper->pid ? open_process(entry, keeper) : open_unit(entry, keeper->unit);
    if (r == 0) {
        entry->event = event_new(keepers->base, entry->fd, EV_READ | EV_PERSIST, on_event, entry);
        if (!entry->event || event_add(entry->event, entry->events ? &look : NULL) < 0)
            r = -ENOMEM;
    }
    if (r < 0)
        entry_free(entry);
    else
        LIST_INSERT_HEAD(&keepers->entries, entry, link);
    return r;
}

void keepers_remove(struct keepers *keepers, const char *lease)
{
    struct entry *entry;
    LIST_FOREACH (entry, &keepers->entries, link) {
        if (strcmp(entry->lease, lease) == 0) {
            LIST_REMOVE(entry, link);
            entry_free(entry);
            return;
        }
    }
}
