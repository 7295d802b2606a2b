/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/model/control.h"

#include <errno.h>
#include <event2/event.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/model/control_methods.h"
#include "daemon/model/world.h"
#include "proto/interfaces.h"
#include "proto/protocol.h"
#include "proto/transport.h"

enum { PEERS_MAX = 16, BACKLOG = 16, WRITE_SECONDS = 10 };

struct control {
    struct event_base *base;
    struct world *world;
    struct varlink_service *service;
    struct event *listening;
    int socket;
    char path[sizeof(((struct sockaddr_un *)0)->sun_path)]; /* empty: not bound */
    LIST_HEAD(, peer) peers;
    unsigned peer_count;
};

struct peer {
    LIST_ENTRY(peer) link;
    struct control *control;
    struct varlink_connection *connection;
    int socket;
    struct event *event;
    bool ending; /* once what is queued is out */
};

static void peer_free(struct peer *peer)
{
    LIST_REMOVE(peer, link);
    peer->control->peer_count--;
    if (peer->event)
        event_free(peer->event);
    varlink_connection_free(peer->connection);
    close(peer->socket);
    free(peer);
}

/* Answers every call that is there. Nothing here takes time, so that each is answered before the next. */
static int serve(struct peer *peer)
{
    struct varlink_message message;
    int r;

    while ((r = varlink_connection_next(peer->connection, &message)) == 1) {
        r = varlink_service_dispatch(peer->control->service, peer->connection, &message,
                                     peer->control->world);
        varlink_message_clear(&message);
        if (r < 0)
            return r;
    }
    peer->ending = peer->ending || r == -EPROTO;
    return r == -EPROTO ? 0 : r;
}

static void on_peer(evutil_socket_t fd, short what, void *user)
{
    static const struct timeval patience = {.tv_sec = WRITE_SECONDS};
    struct peer *peer = user;
    int r = what & EV_TIMEOUT ? -ETIMEDOUT : 0;

    if (r == 0 && what & EV_READ) {
        r = varlink_transport_receive(fd, peer->connection);
        peer->ending = r == 0 || r == -EPROTO;
        r = r == -EAGAIN || r == -EPROTO || r >= 0 ? serve(peer) : r;
    }
    if (r == 0)
        r = varlink_transport_send(fd, peer->connection);
    if (r < 0 || (r == 1 && peer->ending)) {
        peer_free(peer);
        return;
    }
    /* What is not read holds up further calls. */
    event_del(peer->event);
    if (event_assign(peer->event, peer->control->base, fd, r == 1 ? EV_READ : EV_WRITE, on_peer, peer) < 0 ||
        event_add(peer->event, r == 1 ? NULL : &patience) < 0)
        peer_free(peer);
}

static void on_listening(evutil_socket_t fd, short what, void *user)
{
    struct control *control = user;
    int socket = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    (void)what;

    if (socket < 0)
        return;
    struct peer *peer = control->peer_count < PEERS_MAX ? calloc(1, sizeof(*peer)) : NULL;
    if (!peer) {
        close(socket);
        return;
    }
    peer->control = control;
    peer->socket = socket;
    LIST_INSERT_HEAD(&control->peers, peer, link);
    control->peer_count++;
    peer->event = event_new(control->base, socket, EV_READ, on_peer, peer);
    if (!peer->event || varlink_connection_new(VARLINK_SERVER, &peer->connection) < 0 ||
        event_add(peer->event, NULL) < 0)
        peer_free(peer);
}

/* ".sock" becomes "-control.sock". */
static int find_path(int listener, char *path, size_t size)
{
    struct sockaddr_un address = {0};
    socklen_t length = sizeof(address) - 1;

    if (getsockname(listener, (struct sockaddr *)&address, &length) < 0)
        return -errno;
    size_t stem = strlen(address.sun_path), suffix = strlen(".sock");
    if (stem < suffix || strcmp(address.sun_path + stem - suffix, ".sock") != 0)
        return -EINVAL;
    int bytes = snprintf(path, size, "%.*s-control.sock", (int)(stem - suffix), address.sun_path);
    return bytes < 0 || (size_t)bytes >= size ? -ENAMETOOLONG : 0;
}

/* Whoever holds the model's own socket is the only model there, so what lies at the path is a dead one's. */
static int start_listening(struct control *control, int listener)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int r = find_path(listener, address.sun_path, sizeof(address.sun_path));

    if (r < 0)
        return r;
    control->socket = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (control->socket < 0 || (unlink(address.sun_path) < 0 && errno != ENOENT) ||
        fchmod(control->socket, 0600) < 0 ||
        bind(control->socket, (struct sockaddr *)&address, sizeof(address)) < 0)
        return -errno;
    strcpy(control->path, address.sun_path);
    if (listen(control->socket, BACKLOG) < 0)
        return -errno;
    control->listening =
        event_new(control->base, control->socket, EV_READ | EV_PERSIST, on_listening, control);
    return control->listening && event_add(control->listening, NULL) == 0 ? 0 : -ENOMEM;
}

int control_new(struct event_base *base, struct world *world, int listener, struct control **ret_control)
{
    static const struct varlink_service_info info = {
        .vendor = "HOMI", .product = "homid", .version = HOMI_VERSION, .url = "man:homi-model(7)"};
    struct control *control = calloc(1, sizeof(*control));

    if (!control)
        return -ENOMEM;
    control->base = base;
    control->world = world;
    control->socket = -1;
    LIST_INIT(&control->peers);
    int r = varlink_service_new(&info, &control->service);
    if (r == 0)
        r = protocol_add(control->service);
    if (r == 0)
        r = varlink_service_add(control->service, interface_io_homi_model, control_methods);
    if (r == 0)
        r = start_listening(control, listener);
    if (r < 0) {
        control_free(control);
        return r;
    }
    *ret_control = control;
    return 0;
}

void control_free(struct control *control)
{
    if (!control)
        return;
    while (!LIST_EMPTY(&control->peers))
        peer_free(LIST_FIRST(&control->peers));
    if (control->listening)
        event_free(control->listening);
    if (control->socket >= 0)
        close(control->socket);
    if (*control->path)
        unlink(control->path);
    varlink_service_free(control->service);
    free(control);
}
