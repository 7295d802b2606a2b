/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/peers/server.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/api/container_device.h"
#include "daemon/api/events.h"
#include "daemon/api/metrics.h"
#include "daemon/loop.h"
#include "daemon/peers/identity.h"
#include "daemon/peers/lease_sockets.h"
#include "daemon/peers/peer.h"
#include "daemon/peers/peer_kept.h"
#include "daemon/restart/fdstore.h"
#include "daemon/restart/state.h"

#define ACCEPT_BURST 16 /* connections taken before others get their turn */

struct server {
    struct server_options options;
    struct api_context api;
    struct peer_shared shared;
    struct event *listeners[2], *deaths, *resume;
    struct peer_list peers, refused;
    TAILQ_HEAD(, peer_account) accounts; /* of tenants, while they have connections */
    struct peer_account operators;       /* no limit for each user */
    struct lease_sockets *lease_sockets;
    unsigned connections[2], refused_count;
    bool paused, stopped;
};

/* ---- accounts ---- */

/* lease: by whose socket it connected; empty: by the one of the kind. */
static struct peer_account *account_of(struct server *server, int kind, uid_t uid, const char *lease)
{
    struct peer_account *account;
    if (kind == API_ADMIN)
        return &server->operators;
    TAILQ_FOREACH (account, &server->accounts, entry) {
        if (strcmp(account->lease, lease) == 0 && (*lease || account->uid == uid))
            return account;
    }
    account = calloc(1, sizeof *account);
    if (account) {
        account->uid = uid;
        snprintf(account->lease, sizeof account->lease, "%s", lease);
        TAILQ_INSERT_TAIL(&server->accounts, account, entry);
    }
    return account;
}

static void release_account(struct server *server, struct peer_account *account)
{
    if (account->connections == 0 && account != &server->operators) {
        TAILQ_REMOVE(&server->accounts, account, entry);
        free(account);
    }
}

/* ---- accepting ---- */

static void set_accepting(struct server *server, bool accepting)
{
    for (int kind = 0; kind < 2; kind++) {
        if (accepting)
            event_add(server->listeners[kind], NULL);
        else
            event_del(server->listeners[kind]);
    }
    lease_sockets_accept(server->lease_sockets, accepting);
    server->paused = !accepting;
}

static void pause_accepting(struct server *server, int error)
{
    static const struct timeval delay = {.tv_sec = SERVER_PAUSE_SECONDS};
    log_write(server->options.log, LOG_WARNING, NULL, "not accepting connections for now: %s",
              strerror(error));
    set_accepting(server, false);
    event_add(server->resume, &delay);
}

static void on_resume(evutil_socket_t fd, short what, void *user)
{
    (void)fd, (void)what;
    struct server *server = user;
    if (!server->stopped && !server->shared.holding)
        set_accepting(server, true);
}

static void on_ended(void *user, struct peer_account *account, uint8_t kind)
{
    struct server *server = user;
    if (account) {
        server->connections[kind]--;
        account->connections--;
        release_account(server, account);
    } else {
        server->refused_count--;
    }
    if (server->paused && !server->stopped && !server->shared.holding) {
        event_del(server->resume);
        set_accepting(server, true);
    }
}

static bool is_operator(const struct config *config, int fd, const struct core_peer *peer)
{
    gid_t *groups = NULL;
    size_t count = 0;
    if (peer->uid == 0)
        return true;
    if (!config->admin_group_known || peer_groups(fd, &groups, &count) < 0)
        return false;
    bool member = peer->gid == config->admin_group;
    for (size_t i = 0; !member && i < count; i++)
        member = groups[i] == config->admin_group;
    free(groups);
    return member;
}

/* The limit that one more connection would break, or 0. */
static unsigned broken_limit(const struct server *server, int kind, const struct peer_account *account)
{
    const struct config_limits *limits = &server->options.config->limits;
    unsigned all = kind == API_TENANT ? limits->connections : limits->admin_connections;
    unsigned each = account->lease[0] ? limits->connections_per_lease : limits->connections_per_uid;
    if (server->connections[kind] >= all)
        return all;
    return kind == API_TENANT && account->connections >= each ? each : 0;
}

/* limit 0: nobody knows who it is. */
static int admit_refused(struct server *server, int fd, int kind, unsigned limit,
                         const struct core_peer *credentials)
{
    const struct log_fields fields = {.pid = credentials->pid, .uid = credentials->uid};
    if (limit)
        log_write(server->options.log, LOG_NOTICE, &fields,
                  "connection of pid %d, uid %u refused: there are %u, which is the limit",
                  (int)credentials->pid, (unsigned)credentials->uid, limit);
    else
        log_write(server->options.log, LOG_NOTICE, &fields,
                  "connection of pid %d, uid %u refused: its %s has no number in the namespaces of homid",
                  (int)credentials->pid, (unsigned)credentials->uid,
                  peer_unknown(credentials, credentials->uid));
    if (server->refused_count == SERVER_REFUSED_MAX)
        peer_end(TAILQ_FIRST(&server->refused), NULL);
    int r =
        peer_new(&server->shared, &server->refused, fd, (enum api_kind)kind, NULL, limit, credentials, false);
    if (r == 0)
        server->refused_count++;
    return r;
}

/* By a lease's socket it does not matter which user it is, only that its end can be watched. */
static bool is_unknown(const struct server *server, const struct core_peer *credentials, const char *lease)
{
    uid_t overflow = server->options.config->overflow_uid;
    return peer_unknown(credentials, *lease ? (uid_t)-1 : overflow) != NULL;
}

static int admit(struct server *server, int fd, int kind, const char *lease)
{
    struct core_peer credentials;
    int r = peer_credentials(fd, &credentials);
    struct peer_account *account = NULL;
    if (r == 0 && is_unknown(server, &credentials, lease))
        return admit_refused(server, fd, kind, 0, &credentials);
    if (r == 0)
        account = account_of(server, kind, credentials.uid, lease);
    if (!account) {
        close(fd);
        return r < 0 ? r : -ENOMEM;
    }
    unsigned limit = broken_limit(server, kind, account);
    if (limit > 0) {
        r = admit_refused(server, fd, kind, limit, &credentials);
    } else {
        bool operator= kind == API_ADMIN && is_operator(server->options.config, fd, &credentials);
        r = peer_new(&server->shared, &server->peers, fd, (enum api_kind)kind, account, 0,
                     &credentials, operator);
        if (r == 0) {
            account->connections++;
            server->connections[kind]++;
        }
    }
    release_account(server, account);
    return r;
}

static bool is_shortage(int error)
{
    return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

static void accept_from(struct server *server, int listener, int kind, const char *lease)
{
    for (unsigned i = 0; i < ACCEPT_BURST && !server->paused; i++) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        int error = fd < 0 ? errno : -admit(server, fd, kind, lease);
        if (is_shortage(error))
            pause_accepting(server, error);
        else if (fd < 0)
            break;
        else if (error && error != ESRCH)
            log_write(server->options.log, LOG_WARNING, NULL, "connection not served: %s", strerror(error));
    }
}

static void on_connection(evutil_socket_t listener, short what, void *user)
{
    (void)what;
    struct server *server = user;
    accept_from(server, listener, listener == server->options.listeners[API_ADMIN] ? API_ADMIN : API_TENANT,
                "");
}

static void on_lease_connection(void *user, int listener, const char *lease)
{
    accept_from(user, listener, API_TENANT, lease);
}

/* One at a time, since ending one peer may end what another event of the same batch is about. */
static void on_deaths(evutil_socket_t fd, short what, void *user)
{
    (void)what, (void)user;
    struct epoll_event event;
    while (epoll_wait(fd, &event, 1, 0) == 1)
        peer_end(event.data.ptr, NULL);
}

/* ---- taking over ---- */

void server_call_begun(struct server *server, uint32_t connection)
{
    struct peer *peer;
    TAILQ_FOREACH (peer, &server->peers, entry) {
        if (peer_connection(peer) == connection) {
            peer_call_begun(peer);
            return;
        }
    }
}

struct left_behind {
    uint32_t slot;
    struct peer_record record;
};

struct restoring {
    struct left_behind *list;
    size_t count, room;
};

static void note(void *user, uint32_t slot, uint16_t kind, const void *data, size_t bytes)
{
    struct restoring *restoring = user;
    if (kind != PEER_RECORD)
        return;
    if (restoring->count == restoring->room) {
        size_t room = restoring->room ? 2 * restoring->room : 64;
        struct left_behind *list = realloc(restoring->list, room * sizeof *list);
        if (!list)
            return;
        restoring->list = list;
        restoring->room = room;
    }
    struct left_behind *entry = &restoring->list[restoring->count++];
    *entry = (struct left_behind){.slot = slot};
    memcpy(&entry->record, data, bytes < sizeof entry->record ? bytes : sizeof entry->record);
    entry->record.lease[sizeof entry->record.lease - 1] = '\0';
}

/* Who asked first goes first. */
static int by_age(const void *a, const void *b)
{
    const struct left_behind *x = a, *y = b;
    return (x->record.began > y->record.began) - (x->record.began < y->record.began);
}

static int restore_peer(struct server *server, int fd, const struct left_behind *left)
{
    struct core_peer credentials;
    const struct peer_record *record = &left->record;
    int r = peer_credentials(fd, &credentials);
    struct peer_account *account = NULL;
    if (r == 0)
        account = account_of(server, record->kind, credentials.uid, record->lease);
    if (!account) {
        close(fd);
        return r < 0 ? r : -ENOMEM;
    }
    bool operator= record->kind == API_ADMIN && is_operator(server->options.config, fd, &credentials);
    r = peer_restore(&server->shared, &server->peers, fd, left->slot, record, account,
                     &credentials, operator);
    if (r == 0) {
        account->connections++;
        server->connections[record->kind]++;
    }
    release_account(server, account);
    return r;
}

static void restore(struct server *server, const struct left_behind *left)
{
    char name[FDSTORE_NAME_MAX + 1];
    peer_name(left->slot, name);
    int fd = fdstore_take(server->shared.store, name);
    int r = fd < 0 ? fd : left->record.kind > API_ADMIN ? -EPROTO : 0;
    const struct log_fields fields = {.pid = left->record.pid};
    if (r == 0 && left->record.unsure) {
        log_write(server->options.log, LOG_NOTICE, &fields,
                  "connection of pid %d closed: homid ended while it was answered, and it does not number "
                  "its calls",
                  (int)left->record.pid);
        r = -ESTALE;
    }
    if (r == 0)
        r = restore_peer(server, fd, left);
    else if (fd >= 0)
        close(fd);
    if (r < 0) {
        fdstore_remove(server->shared.store, name);
        state_remove(server->shared.state, left->slot);
    }
}

void server_restore(struct server *server)
{
    struct restoring restoring = {0};
    server->shared.holding = true;
    set_accepting(server, false);
    if (!server->shared.state)
        return;
    lease_sockets_restore(server->lease_sockets);
    state_each(server->shared.state, note, &restoring);
    if (restoring.count)
        qsort(restoring.list, restoring.count, sizeof *restoring.list, by_age);
    for (size_t i = 0; i < restoring.count; i++)
        restore(server, &restoring.list[i]);
    free(restoring.list);
}

void server_resume(struct server *server)
{
    struct peer *peer, *next;
    if (!server->shared.holding || server->stopped)
        return;
    server->shared.holding = false;
    set_accepting(server, true);
    for (peer = TAILQ_FIRST(&server->peers); peer; peer = next) {
        next = TAILQ_NEXT(peer, entry);
        peer_resume(peer);
    }
}

/* ---- life ---- */

static int make_events(struct server *server)
{
    struct event_base *base = server->options.base;
    server->shared.deaths = epoll_create1(EPOLL_CLOEXEC);
    if (server->shared.deaths < 0)
        return -errno;
    server->deaths = event_new(base, server->shared.deaths, EV_READ | EV_PERSIST, on_deaths, server);
    server->resume = evtimer_new(base, on_resume, server);
    if (!server->deaths || !server->resume || event_add(server->deaths, NULL) < 0)
        return -ENOMEM;
    for (int kind = 0; kind < 2; kind++) {
        server->listeners[kind] =
            event_new(base, server->options.listeners[kind], EV_READ | EV_PERSIST, on_connection, server);
        if (!server->listeners[kind] || event_add(server->listeners[kind], NULL) < 0)
            return -ENOMEM;
    }
    return 0;
}

static int add_lease_socket(void *user, const char *lease, const char **ret_path)
{
    struct server *server = user;
    return lease_sockets_add(server->lease_sockets, lease, ret_path);
}

static const char *lease_socket_path(void *user, const char *lease)
{
    const struct server *server = user;
    return lease_sockets_path(server->lease_sockets, lease);
}

/* What the API asks of the server. */
static int make_api(struct server *server)
{
    const struct server_options *options = &server->options;
    const struct lease_sockets_options lease_options = {
        .base = options->base,
        .log = options->log,
        .tenant_socket = options->config->tenant_socket,
        .limit = &options->config->limits.lease_sockets,
        .state = options->state,
        .store = options->store,
        .readable = on_lease_connection,
        .user = server,
    };
    server->api.core = options->core;
    server->api.config = &options->config->core;
    server->api.container_directory = options->config->container_directory;
    server->api.container_library = options->config->container_library;
    server->api.lease_sockets_max = &options->config->limits.lease_sockets;
    server->api.add_lease_socket = add_lease_socket;
    server->api.lease_socket_path = lease_socket_path;
    server->api.user = server;
    server->api.started = loop_now();
    int r = lease_sockets_new(&lease_options, &server->lease_sockets);
    return r < 0 ? r : api_context_init(&server->api);
}

int server_new(const struct server_options *options, struct server **ret_server)
{
    struct server *server = calloc(1, sizeof *server);
    if (!server)
        return -ENOMEM;
    server->options = *options;
    TAILQ_INIT(&server->peers);
    TAILQ_INIT(&server->refused);
    TAILQ_INIT(&server->accounts);
    server->shared = (struct peer_shared){
        .base = options->base,
        .log = options->log,
        .api = &server->api,
        .ended = on_ended,
        .user = server,
        .deaths = -1,
        .state = options->state,
        .store = options->store,
    };
    int r = make_api(server);
    if (r == 0)
        r = metrics_new(&server->api.metrics);
    if (r == 0)
        r = events_new(options->config->limits.monitors, options->config->limits.monitors_per_uid,
                       options->state ? state_counter(options->state, STATE_EVENTS) : NULL,
                       server->api.metrics, &server->api.events);
    if (r == 0)
        r = make_events(server);
    if (r < 0) {
        server_free(server);
        return r;
    }
    *ret_server = server;
    return 0;
}

void server_reconfigure(struct server *server, const struct config *config)
{
    server->options.config = config;
    server->api.config = &config->core;
    server->api.container_directory = config->container_directory;
    server->api.container_library = config->container_library;
    server->api.lease_sockets_max = &config->limits.lease_sockets;
    lease_sockets_limit(server->lease_sockets, &config->limits.lease_sockets);
}

void server_stop(struct server *server)
{
    server->stopped = true;
    for (int kind = 0; kind < 2; kind++) {
        if (server->listeners[kind])
            event_del(server->listeners[kind]);
    }
    if (server->lease_sockets)
        lease_sockets_accept(server->lease_sockets, false);
    while (!TAILQ_EMPTY(&server->peers))
        peer_end(TAILQ_FIRST(&server->peers), NULL);
    while (!TAILQ_EMPTY(&server->refused))
        peer_end(TAILQ_FIRST(&server->refused), NULL);
}

static void free_event(struct event *event)
{
    if (event)
        event_free(event);
}

void server_free(struct server *server)
{
    if (!server)
        return;
    server_stop(server);
    free_event(server->listeners[0]);
    free_event(server->listeners[1]);
    free_event(server->deaths);
    free_event(server->resume);
    if (server->shared.deaths >= 0)
        close(server->shared.deaths);
    lease_sockets_free(server->lease_sockets);
    events_free(server->api.events);
    metrics_free(server->api.metrics);
    api_context_clear(&server->api);
    free(server);
}

void server_settled(struct server *server)
{
    container_device_clear(server->api.container_directory, server->api.core);
    lease_sockets_settle(server->lease_sockets, server->api.core);
}

void server_expel(struct api_session *session, bool kill)
{
    peer_expel((struct peer *)session, kill); /* its first member */
}

void server_event(struct server *server, const struct core_event *event)
{
    if (event->lease && event->kind == CORE_EVENT_LEASE_ENDED) {
        container_device_remove(server->api.container_directory, event->lease);
        lease_sockets_remove(server->lease_sockets, event->lease);
    }
    if (event->lease &&
        (event->kind == CORE_EVENT_LEASE_ENDED || event->kind == CORE_EVENT_LEASE_REVOKED ||
         event->kind == CORE_EVENT_FUNCTION_RESET || event->kind == CORE_EVENT_FUNCTION_FAILED))
        api_forget_lease(&server->api, event->lease);
    events_publish(server->api.events, event);
}

void server_step(struct server *server, const char *operation, bool failed, uint64_t milliseconds)
{
    metrics_step(server->api.metrics, operation, failed, milliseconds);
}

unsigned server_connections(const struct server *server)
{
    return server->connections[API_TENANT] + server->connections[API_ADMIN];
}
