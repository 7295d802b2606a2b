/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/peers/sockets.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#define BACKLOG 128

static const char *const names[2] = {"tenant", "admin"};

/* Takes what systemd handed in under a socket's name, if that is one. */
static int take_handed_in(const struct log *log, struct fdstore *store, int kind)
{
    int fd = fdstore_take(store, names[kind]);
    if (fd < 0)
        return -1;
    if (sd_is_socket(fd, AF_UNIX, SOCK_STREAM, 1) > 0 &&
        fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) == 0)
        return fd;
    log_write(log, LOG_WARNING, NULL,
              "closing descriptor \"%s\", which systemd handed in and is no listening socket", names[kind]);
    close(fd);
    return -1;
}

/* Whether somebody answers at a path; a socket that was left behind refuses. */
static bool is_in_use(const struct sockaddr_un *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool answered =
        fd >= 0 && (connect(fd, (const struct sockaddr *)address, sizeof *address) == 0 || errno == EAGAIN);
    if (fd >= 0)
        close(fd);
    return answered;
}

static int make_folder(const char *path)
{
    char folder[sizeof((struct sockaddr_un *)0)->sun_path];
    strcpy(folder, path);
    char *slash = strrchr(folder, '/');
    if (slash == folder)
        return 0;
    *slash = '\0';
    return mkdir(folder, 0755) < 0 && errno != EEXIST ? -errno : 0;
}

int sockets_listen(const char *path, mode_t mode, gid_t group, int *ret_fd)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path)
        return -ENAMETOOLONG;
    strcpy(address.sun_path, path);
    if (is_in_use(&address))
        return -EADDRINUSE;
    struct stat status;
    if (lstat(path, &status) == 0 && S_ISSOCK(status.st_mode) && unlink(path) < 0)
        return -errno;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    int r = bind(fd, (const struct sockaddr *)&address, sizeof address);
    if (r == 0 && group != (gid_t)-1)
        r = chown(path, (uid_t)-1, group);
    if (r == 0)
        r = chmod(path, mode);
    if (r == 0)
        r = listen(fd, BACKLOG);
    if (r < 0) {
        r = -errno;
        close(fd);
        return r;
    }
    *ret_fd = fd;
    return 0;
}

static int listen_at(const char *path, int kind, const struct config *config, int *ret_fd)
{
    bool for_group = kind == 1 && config->admin_group_known && geteuid() == 0;
    int r = make_folder(path);
    return r < 0 ? r
                 : sockets_listen(path, kind == 0 ? 0666 : 0660, for_group ? config->admin_group : (gid_t)-1,
                                  ret_fd);
}

int sockets_open(const struct config *config, const struct log *log, struct fdstore *store,
                 struct sockets *ret_sockets)
{
    struct sockets sockets = {.fds = {-1, -1}, .paths = {config->tenant_socket, config->admin_socket}};
    int r = 0;
    for (int kind = 0; r == 0 && kind < 2; kind++) {
        sockets.fds[kind] = take_handed_in(log, store, kind);
        if (sockets.fds[kind] >= 0)
            continue;
        r = listen_at(sockets.paths[kind], kind, config, &sockets.fds[kind]);
        sockets.own[kind] = r == 0;
        if (r == 0)
            r = fdstore_put(store, sockets.fds[kind], names[kind]);
        if (r < 0)
            log_write(log, LOG_ERR, NULL, "cannot listen at %s: %s", sockets.paths[kind], strerror(-r));
    }
    if (r < 0) {
        sockets_close(&sockets);
        return r;
    }
    *ret_sockets = sockets;
    return 0;
}

void sockets_forget(const struct sockets *sockets, struct fdstore *store)
{
    for (int kind = 0; kind < 2; kind++) {
        if (sockets->fds[kind] >= 0)
            fdstore_remove(store, names[kind]);
    }
}

void sockets_close(struct sockets *sockets)
{
    for (int kind = 0; kind < 2; kind++) {
        if (sockets->fds[kind] < 0)
            continue;
        close(sockets->fds[kind]);
        sockets->fds[kind] = -1;
        if (sockets->own[kind])
            unlink(sockets->paths[kind]);
    }
}
