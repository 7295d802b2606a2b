/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/helper/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { HELPER_SOCKET = 3 };

/* Standard error stays, for the journal; everything else is closed. */
static int prepare(posix_spawn_file_actions_t *actions, posix_spawnattr_t *attributes, int socket)
{
    sigset_t none, all;
    int r;

    sigemptyset(&none);
    sigfillset(&all);
    r = posix_spawnattr_setsigmask(attributes, &none);
    if (!r)
        r = posix_spawnattr_setsigdefault(attributes, &all);
    if (!r)
        r = posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    if (!r)
        r = posix_spawn_file_actions_adddup2(actions, socket, HELPER_SOCKET);
    if (!r)
        r = posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDWR, 0);
    if (!r)
        r = posix_spawn_file_actions_adddup2(actions, STDIN_FILENO, STDOUT_FILENO);
    if (!r)
        r = posix_spawn_file_actions_addclosefrom_np(actions, HELPER_SOCKET + 1);
    return r;
}

static int spawn(const char *program, int socket, pid_t *ret_pid)
{
    char *const arguments[] = {(char *)program, (char *)"--helper", NULL};
    char *const environment[] = {NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int r;

    r = posix_spawn_file_actions_init(&actions);
    if (r)
        return -r;
    r = posix_spawnattr_init(&attributes);
    if (r)
        goto out_actions;
    r = prepare(&actions, &attributes, socket);
    if (!r)
        r = posix_spawn(ret_pid, program, &actions, &attributes, arguments, environment);
    posix_spawnattr_destroy(&attributes);
out_actions:
    posix_spawn_file_actions_destroy(&actions);
    return -r;
}

int helper_spawn(const char *program, pid_t *ret_pid, int *ret_pidfd, int *ret_socket)
{
    int sockets[2], pidfd, r;
    pid_t pid = -1;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) < 0)
        return -errno;
    if (fcntl(sockets[0], F_SETFL, O_NONBLOCK) < 0) {
        r = -errno;
        goto fail;
    }
    r = spawn(program, sockets[1], &pid);
    if (r < 0)
        goto fail;
    pidfd = pidfd_open(pid, 0);
    if (pidfd < 0) {
        r = -errno;
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        goto fail;
    }
    close(sockets[1]);
    *ret_pid = pid;
    *ret_pidfd = pidfd;
    *ret_socket = sockets[0];
    return 0;
fail:
    close(sockets[0]);
    close(sockets[1]);
    return r;
}

int helper_connect(const char *path, int *ret_socket)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int r = 0;

    if (strlen(path) >= sizeof(address.sun_path))
        return -ENAMETOOLONG;
    strcpy(address.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
        r = -errno;
    if (r < 0)
        close(fd);
    else
        *ret_socket = fd;
    return r;
}
