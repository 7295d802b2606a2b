/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/peers/lease_sockets.h"

#include <dirent.h>
#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/peers/sockets.h"
#include "daemon/restart/fdstore.h"
#include "daemon/restart/state.h"

#define FOLDER "lease"
#define SUFFIX ".sock"

/* As it is recorded. The layout belongs to STATE_VERSION. */
struct socket_record {
    char lease[CORE_NAME_BYTES];
};

struct lease_socket {
    LIST_ENTRY(lease_socket) link;
    struct lease_sockets *sockets;
    struct socket_record record;
    char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
    int fd;
    struct event *event;
    uint32_t slot;
};

struct lease_sockets {
    struct lease_sockets_options options;
    char folder[sizeof(((struct sockaddr_un *)0)->sun_path)];
    unsigned count;
    bool accepting;
    LIST_HEAD(, lease_socket) list;
};

int lease_sockets_new(const struct lease_sockets_options *options, struct lease_sockets **ret_sockets)
{
    struct lease_sockets *sockets = calloc(1, sizeof *sockets);
    if (!sockets)
        return -ENOMEM;
    sockets->options = *options;
    sockets->accepting = true;
    LIST_INIT(&sockets->list);
    const char *slash = strrchr(options->tenant_socket, '/');
    /* Where it does not fit, no path below it does, and making a socket says so. */
    snprintf(sockets->folder, sizeof sockets->folder, "%.*s" FOLDER,
             (int)(slash - options->tenant_socket + 1), options->tenant_socket);
    *ret_sockets = sockets;
    return 0;
}

static struct lease_socket *find(const struct lease_sockets *sockets, const char *lease)
{
    struct lease_socket *socket;
    LIST_FOREACH (socket, &sockets->list, link) {
        if (strcmp(socket->record.lease, lease) == 0)
            return socket;
    }
    return NULL;
}

static void store_name(const struct lease_socket *socket, char *ret_name)
{
    snprintf(ret_name, FDSTORE_NAME_MAX + 1, "l%u", (unsigned)socket->slot);
}

/* Everything of it, wherever it is kept. */
static void destroy(struct lease_socket *socket)
{
    struct lease_sockets *sockets = socket->sockets;
    char name[FDSTORE_NAME_MAX + 1];

    if (socket->event)
        event_free(socket->event);
    if (socket->fd >= 0)
        close(socket->fd);
    if (socket->path[0])
        unlink(socket->path);
    if (socket->slot != STATE_NONE) {
        store_name(socket, name);
        fdstore_remove(sockets->options.store, name);
        state_remove(sockets->options.state, socket->slot);
    }
    LIST_REMOVE(socket, link);
    sockets->count--;
    free(socket);
}

void lease_sockets_free(struct lease_sockets *sockets)
{
    struct lease_socket *socket;
    if (!sockets)
        return;
    while ((socket = LIST_FIRST(&sockets->list)))
        destroy(socket);
    rmdir(sockets->folder);
    free(sockets);
}

static void on_readable(evutil_socket_t fd, short what, void *user)
{
    (void)what;
    struct lease_socket *socket = user;
    const struct lease_sockets_options *options = &socket->sockets->options;
    options->readable(options->user, fd, socket->record.lease);
}

static int watch(struct lease_socket *socket)
{
    const struct lease_sockets *sockets = socket->sockets;
    socket->event = event_new(sockets->options.base, socket->fd, EV_READ | EV_PERSIST, on_readable, socket);
    if (!socket->event || (sockets->accepting && event_add(socket->event, NULL) < 0))
        return -ENOMEM;
    return 0;
}

static struct lease_socket *make(struct lease_sockets *sockets, const char *lease)
{
    struct lease_socket *socket = calloc(1, sizeof *socket);
    if (!socket)
        return NULL;
    socket->sockets = sockets;
    socket->fd = -1;
    socket->slot = STATE_NONE;
    snprintf(socket->record.lease, sizeof socket->record.lease, "%s", lease);
    LIST_INSERT_HEAD(&sockets->list, socket, link);
    sockets->count++;
    return socket;
}

static int set_path(struct lease_socket *socket)
{
    int length = snprintf(socket->path, sizeof socket->path, "%s/%s" SUFFIX, socket->sockets->folder,
                          socket->record.lease);
    return (size_t)length >= sizeof socket->path ? -ENAMETOOLONG : 0;
}

/* The folder keeps others from the sockets, so it must be what homid made, and homid's own. */
static int make_folder(const char *path)
{
    struct stat status;
    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return -errno;
    if (lstat(path, &status) < 0)
        return -errno;
    if (!S_ISDIR(status.st_mode) || status.st_uid != geteuid() || (status.st_mode & 077))
        return -EPERM;
    return 0;
}

/* Recorded first: what was made of it until homid ends is removed by the next one. */
static int open_socket(struct lease_socket *socket)
{
    const struct lease_sockets_options *options = &socket->sockets->options;
    char name[FDSTORE_NAME_MAX + 1];
    int r = set_path(socket);
    if (r == 0)
        r = make_folder(socket->sockets->folder);
    if (r == 0 && options->state)
        r = state_add(options->state, LEASE_SOCKET_RECORD, &socket->record, sizeof socket->record,
                      &socket->slot);
    if (r == 0)
        r = sockets_listen(socket->path, 0666, (gid_t)-1, &socket->fd);
    if (r == 0 && options->state) {
        store_name(socket, name);
        r = fdstore_put(options->store, socket->fd, name);
    }
    return r == 0 ? watch(socket) : r;
}

static void tell(const struct lease_socket *socket, const char *what)
{
    const struct log_fields fields = {.lease = socket->record.lease};
    log_write(socket->sockets->options.log, LOG_NOTICE, &fields, "%s %s", socket->path, what);
}

int lease_sockets_add(struct lease_sockets *sockets, const char *lease, const char **ret_path)
{
    struct lease_socket *socket = find(sockets, lease);
    if (!socket) {
        if (sockets->count >= *sockets->options.limit)
            return -EDQUOT;
        socket = make(sockets, lease);
        int r = socket ? open_socket(socket) : -ENOMEM;
        if (r < 0) {
            if (socket)
                destroy(socket);
            return r;
        }
        tell(socket, "is the socket of the lease");
    }
    *ret_path = socket->path;
    return 0;
}

const char *lease_sockets_path(const struct lease_sockets *sockets, const char *lease)
{
    const struct lease_socket *socket = find(sockets, lease);
    return socket ? socket->path : NULL;
}

void lease_sockets_remove(struct lease_sockets *sockets, const char *lease)
{
    struct lease_socket *socket = find(sockets, lease);
    if (!socket)
        return;
    tell(socket, "is removed");
    destroy(socket);
}

void lease_sockets_accept(struct lease_sockets *sockets, bool accept)
{
    struct lease_socket *socket;
    sockets->accepting = accept;
    LIST_FOREACH (socket, &sockets->list, link) {
        if (accept)
            event_add(socket->event, NULL);
        else
            event_del(socket->event);
    }
}

/* ---- taking over ---- */

static void restore(void *user, uint32_t slot, uint16_t kind, const void *data, size_t bytes)
{
    struct lease_sockets *sockets = user;
    struct socket_record record = {0};
    char name[FDSTORE_NAME_MAX + 1];
    if (kind != LEASE_SOCKET_RECORD)
        return;
    memcpy(&record, data, bytes < sizeof record ? bytes : sizeof record);
    record.lease[sizeof record.lease - 1] = '\0';
    struct lease_socket *socket = make(sockets, record.lease);
    if (!socket) {
        state_remove(sockets->options.state, slot);
        return;
    }
    socket->slot = slot;
    store_name(socket, name);
    socket->fd = fdstore_take(sockets->options.store, name);
    if (set_path(socket) < 0 || socket->fd < 0 || watch(socket) < 0)
        destroy(socket);
}

void lease_sockets_restore(struct lease_sockets *sockets)
{
    if (sockets->options.state)
        state_each(sockets->options.state, restore, sockets);
}

struct search {
    const char *lease;
    bool found;
};

static void compare(void *user, const struct core_lease_view *view)
{
    struct search *search = user;
    search->found =
        search->found || (strcmp(view->name, search->lease) == 0 && strcmp(view->state, "ending") != 0);
}

/* A name without a socket of ours behind it: what a homid left that was killed, or that nothing outlived. */
static bool is_left(const struct lease_sockets *sockets, const char *file)
{
    char lease[CORE_NAME_BYTES];
    size_t length = strlen(file);
    if (length <= strlen(SUFFIX) || strcmp(file + length - strlen(SUFFIX), SUFFIX) != 0)
        return false;
    snprintf(lease, sizeof lease, "%.*s", (int)(length - strlen(SUFFIX)), file);
    return !find(sockets, lease);
}

void lease_sockets_limit(struct lease_sockets *sockets, const unsigned *limit)
{
    sockets->options.limit = limit;
}

void lease_sockets_settle(struct lease_sockets *sockets, struct core *core)
{
    struct lease_socket *socket, *next;
    struct dirent *entry;

    for (socket = LIST_FIRST(&sockets->list); socket; socket = next) {
        struct search search = {.lease = socket->record.lease};
        next = LIST_NEXT(socket, link);
        core_each_lease(core, compare, &search);
        if (!search.found)
            destroy(socket);
    }
    DIR *files = opendir(sockets->folder);
    while (files && (entry = readdir(files))) {
        if (is_left(sockets, entry->d_name))
            unlinkat(dirfd(files), entry->d_name, 0);
    }
    if (files)
        closedir(files);
}
