/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/hw/companion.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/helper/process.h"

enum {
    BACKLOG = 64,
    COMPANION_SOCKET = 3,
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

/* A session of its own, so that what ends homid's terminal or process group does not end it. */
static int start(const char *program, char *const arguments[], int listener)
{
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
        r = posix_spawn_file_actions_adddup2(&actions, listener, COMPANION_SOCKET);
    if (!r)
        r = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDWR, 0);
    if (!r)
        r = posix_spawn_file_actions_adddup2(&actions, STDIN_FILENO, STDOUT_FILENO);
    if (!r)
        r = posix_spawn_file_actions_addclosefrom_np(&actions, COMPANION_SOCKET + 1);
    if (!r)
        r = posix_spawn(&pid, program, &actions, &attributes, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return -r;
}

int companion_connect(const char *program, const char *path, char *const arguments[], int *ret_socket)
{
    int listener = -1;
    int r = helper_connect(path, ret_socket);

    if (r != -ENOENT && r != -ECONNREFUSED)
        return r;
    r = listen_at(path, &listener);
    if (r < 0)
        return r;
    r = start(program, arguments, listener);
    close(listener);
    return r < 0 ? r : helper_connect(path, ret_socket);
}
