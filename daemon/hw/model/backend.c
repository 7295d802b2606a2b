/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The software SSD as hardware. It answers the same jobs as the helpers of the Linux backend, only that the
 * helpers are connections to the model process; so everything above the jobs is shared.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/helper_process.h"
#include "daemon/hw/linux/backend.h"
#include "daemon/hw/model/news.h"

enum {
    CONNECTIONS_MAX = 32,
    BACKLOG = 64,
    MODEL_SOCKET = 3,
};

/* The directory of the socket, for its owner alone. */
static int make_directory(const char *path)
{
    char directory[sizeof(((struct sockaddr_un *)0)->sun_path)];
    char *slash;

    strcpy(directory, path);
    slash = strrchr(directory, '/');
    if (!slash || slash == directory)
        return 0;
    *slash = '\0';
    return mkdir(directory, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

static int listen_at(const char *path, int *ret_socket)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    if (strlen(path) >= sizeof(address.sun_path))
        return -ENAMETOOLONG;
    strcpy(address.sun_path, path);
    int r = make_directory(path);
    if (r < 0)
        return r;
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    /* What lies there answered nobody. */
    if ((unlink(path) < 0 && errno != ENOENT) || fchmod(fd, 0600) < 0 ||
        bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, BACKLOG) < 0) {
        r = -errno;
        close(fd);
        return r;
    }
    *ret_socket = fd;
    return 0;
}

/* A session of its own, so that what ends homid's terminal or process group does not end the model. */
static int start(const char *program, const char *spec, int listener)
{
    char *const arguments[] = {(char *)(uintptr_t) "homid", (char *)(uintptr_t) "--model-process",
                               (char *)(uintptr_t)spec, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, all;
    pid_t pid;

    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_init(&actions);
    int r = posix_spawnattr_setsigmask(&attributes, &none);
    if (!r)
        r = posix_spawnattr_setsigdefault(&attributes, &all);
    if (!r)
        r = posix_spawnattr_setflags(&attributes,
                                     POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    if (!r)
        r = posix_spawn_file_actions_adddup2(&actions, listener, MODEL_SOCKET);
    if (!r)
        r = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDWR, 0);
    if (!r)
        r = posix_spawn_file_actions_adddup2(&actions, STDIN_FILENO, STDOUT_FILENO);
    if (!r)
        r = posix_spawn_file_actions_addclosefrom_np(&actions, MODEL_SOCKET + 1);
    if (!r)
        r = posix_spawn(&pid, program, &actions, &attributes, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return -r;
}

/* The socket listens before the process runs, so that nobody has to wait for it. */
static int start_or_join(const char *program, const char *path, const char *spec)
{
    int fd;
    int r = helper_connect(path, &fd);

    if (r == 0) {
        close(fd);
        return 0;
    }
    if (r != -ENOENT && r != -ECONNREFUSED)
        return r;
    r = listen_at(path, &fd);
    if (r < 0)
        return r;
    r = start(program, spec, fd);
    close(fd);
    return r;
}

int hw_model_new(struct event_base *base, const char *program, const char *path, const char *spec,
                 uint64_t digest, const struct hw_listener *listener, struct hw_backend **ret_backend)
{
    struct linux_backend *backend;
    struct helper_pool *pool;

    int r = start_or_join(program, path, spec);
    if (r < 0)
        return r;
    r = helper_pool_new_connected(base, path, CONNECTIONS_MAX, &pool);
    if (r < 0)
        return r;
    r = backend_new(base, "model", pool, listener, &backend);
    if (r < 0)
        return r;
    r = model_news_new(backend, path, digest, &backend->news);
    if (r < 0) {
        hw_backend_free(&backend->interface);
        return r;
    }
    *ret_backend = &backend->interface;
    return 0;
}
