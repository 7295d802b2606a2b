/* SPDX-License-Identifier: BSD-3-Clause */
#include "lib/client.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/members.h"
#include "lib/refusal.h"
#include "proto/json.h"
#include "proto/transport.h"

#define CONNECTS_MAX 16 /* for a call that a connection ended without a word */

static int connect_to(const char *path, int *ret_socket)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd, r;

    if (strlen(path) >= sizeof(address.sun_path))
        return -ENAMETOOLONG;
    strcpy(address.sun_path, path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    do
        r = connect(fd, (struct sockaddr *)&address, sizeof(address));
    while (r < 0 && errno == EINTR);
    /* Not blocking only from here on: a full backlog shall be waited for. */
    if (r < 0 || fcntl(fd, F_SETFL, O_NONBLOCK) < 0) {
        r = -errno;
        close(fd);
        return r;
    }
    *ret_socket = fd;
    return 0;
}

/* The calls are numbered, so that an answer that a restarted homid gives again is told apart. */
static int start_connection(struct homi *homi)
{
    int r = varlink_connection_new(VARLINK_CLIENT, &homi->connection);

    if (r < 0)
        return r;
    varlink_connection_number_calls(homi->connection);
    return connect_to(homi->path, &homi->socket);
}

int homi_open(const char *socket_path, struct homi **ret_homi)
{
    struct homi *homi;
    int r;

    if (!socket_path)
        socket_path = secure_getenv("HOMI_TENANT_SOCKET");
    if (!socket_path || socket_path[0] == '\0')
        socket_path = HOMI_TENANT_SOCKET;
    homi = calloc(1, sizeof(*homi));
    if (!homi)
        return -ENOMEM;
    homi->socket = -1;
    homi->path = strdup(socket_path);
    r = homi->path ? start_connection(homi) : -ENOMEM;
    if (r < 0) {
        homi_close(homi);
        return r;
    }
    *ret_homi = homi;
    return 0;
}

static void end_connection(struct homi *homi)
{
    if (homi->socket >= 0)
        close(homi->socket);
    homi->socket = -1;
}

void homi_close(struct homi *homi)
{
    if (!homi)
        return;
    while (homi->leases)
        homi_detach(homi->leases);
    homi_close(homi->monitor);
    end_connection(homi);
    varlink_connection_free(homi->connection);
    free(homi->path);
    free(homi);
}

int client_breach(struct homi *homi)
{
    end_connection(homi);
    return -EPROTO;
}

json_object *client_request(struct homi *homi)
{
    json_object *parameters = json_object_new_object();
    char id[24];

    if (!parameters)
        return NULL;
    snprintf(id, sizeof(id), "%llu", (unsigned long long)++homi->next_request);
    if (member_add_string(parameters, "requestId", id))
        return parameters;
    json_object_put(parameters);
    return NULL;
}

static int wait_for(int fd, short events)
{
    struct pollfd entry = {.fd = fd, .events = events};
    int r;

    do
        r = poll(&entry, 1, -1);
    while (r < 0 && errno == EINTR);
    return r < 0 ? -errno : 0;
}

/* The connection takes descriptors over, but those of the caller stay the caller's. */
static int duplicate(const int *fds, unsigned count, int *ret_copies)
{
    for (unsigned i = 0; i < count; i++) {
        ret_copies[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 0);
        if (ret_copies[i] >= 0)
            continue;
        int error = -errno;
        while (i-- > 0)
            close(ret_copies[i]);
        return error;
    }
    return 0;
}

int client_send(struct homi *homi, const char *method, json_object *parameters, bool more, const int *fds,
                unsigned fd_count)
{
    int copies[VARLINK_FDS_MAX] = {0};
    int r;

    homi->error_name[0] = homi->error_text[0] = '\0';
    if (homi->socket < 0)
        return -ENOTCONN;
    if (fd_count > VARLINK_FDS_MAX)
        return -EMFILE;
    r = duplicate(fds, fd_count, copies);
    if (r < 0)
        return r;
    r = varlink_connection_call(homi->connection, method, parameters, more, copies, fd_count);
    if (r < 0) {
        for (unsigned i = 0; i < fd_count; i++)
            close(copies[i]);
        return r;
    }
    while ((r = varlink_transport_send(homi->socket, homi->connection)) == 0) {
        r = wait_for(homi->socket, POLLOUT);
        if (r < 0)
            break;
    }
    if (r < 0)
        end_connection(homi);
    return r == -EPIPE ? -ECONNRESET : r < 0 ? r : 0;
}

int client_receive(struct homi *homi, bool wait, struct varlink_message *ret_reply)
{
    int r;

    if (homi->socket < 0)
        return -ENOTCONN;
    while ((r = varlink_connection_next(homi->connection, ret_reply)) == 0) {
        r = varlink_transport_receive(homi->socket, homi->connection);
        homi->answered = homi->answered || r > 0;
        if (r == 0)
            r = -ECONNRESET;
        if (r == -EAGAIN) {
            if (!wait)
                return 0;
            r = wait_for(homi->socket, POLLIN);
        }
        if (r < 0)
            break;
    }
    if (r < 0)
        end_connection(homi);
    return r;
}

int client_refused(struct homi *homi, const struct varlink_message *reply)
{
    snprintf(homi->error_name, sizeof(homi->error_name), "%s", reply->error);
    refusal_describe(reply->error, reply->parameters, homi->error_text, sizeof(homi->error_text));
    return refusal_by_name(reply->error);
}

static int connect_again(struct homi *homi)
{
    varlink_connection_free(homi->connection);
    homi->connection = NULL;
    return start_connection(homi);
}

int client_exchange(struct homi *homi, const char *method, json_object *parameters, const int *fds,
                    unsigned fd_count, struct varlink_message *ret_reply)
{
    int r;

    for (unsigned i = 0;; i++) {
        r = client_send(homi, method, parameters, false, fds, fd_count);
        if (r == 0)
            r = client_receive(homi, true, ret_reply);
        if (r != -ECONNRESET || homi->answered || i == CONNECTS_MAX || connect_again(homi) < 0)
            break;
    }
    return r;
}

int client_call(struct homi *homi, const char *method, json_object *parameters, const int *fds,
                unsigned fd_count, unsigned fds_max, struct varlink_message *ret_reply)
{
    struct varlink_message reply;
    int r;

    r = client_exchange(homi, method, parameters, fds, fd_count, &reply);
    if (r < 0)
        return r;
    if (reply.fd_count > (reply.error ? 0 : fds_max))
        r = client_breach(homi);
    else
        r = reply.error ? client_refused(homi, &reply) : 0;
    if (r == 0)
        *ret_reply = reply;
    else
        varlink_message_clear(&reply);
    return r;
}

int client_command(struct homi *homi, const char *method, json_object *parameters)
{
    struct varlink_message reply;
    int r;

    r = client_call(homi, method, parameters, NULL, 0, 0, &reply);
    if (r == 0)
        varlink_message_clear(&reply);
    return r;
}

const char *homi_error_name(const struct homi *homi)
{
    return homi->error_name;
}

const char *homi_error_text(const struct homi *homi)
{
    return homi->error_text;
}

const char *homi_strerror(int error)
{
    const char *text = error > 0 ? refusal_text(error) : strerrordesc_np(-error);

    return text ? text : "unknown error";
}
