/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/hw/linux/holders.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { END_MILLISECONDS = 5000 }; /* of a killed process: its memory may be large */

static bool is_vfio_device(int directory, const char *name)
{
    char target[64];
    ssize_t bytes = readlinkat(directory, name, target, sizeof(target) - 1);

    if (bytes < 0)
        return false;
    target[bytes] = '\0';
    return strcmp(target, "anon_inode:[vfio-device]") == 0;
}

static bool process_owned_by(pid_t pid, uid_t user)
{
    char path[32];
    struct stat status;

    snprintf(path, sizeof(path), "/proc/%d", (int)pid);
    return stat(path, &status) == 0 && status.st_uid == user;
}

static bool process_holds(pid_t pid, const struct holder_search *search)
{
    bool devices = search->vfio_device && process_owned_by(pid, search->user), found = false;
    char path[32];
    struct dirent *entry;
    struct stat status;

    snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
    DIR *directory = opendir(path);
    while (directory && !found && (entry = readdir(directory))) {
        if (*entry->d_name == '.')
            continue;
        if (fstatat(dirfd(directory), entry->d_name, &status, 0) == 0 &&
            (S_ISCHR(status.st_mode) || S_ISBLK(status.st_mode)))
            found = status.st_rdev == search->node;
        else
            found = devices && is_vfio_device(dirfd(directory), entry->d_name);
    }
    if (directory)
        closedir(directory);
    return found;
}

/* The next process after *walk that holds it; 0: no more. */
static pid_t next_holder(DIR *processes, const struct holder_search *search)
{
    struct dirent *entry;

    while (processes && (entry = readdir(processes))) {
        char *end;
        long pid = strtol(entry->d_name, &end, 10);
        if (*end || pid <= 1 || pid > INT_MAX || pid == getpid())
            continue;
        if (process_holds((pid_t)pid, search))
            return (pid_t)pid;
    }
    return 0;
}

static size_t read_process_file(pid_t pid, const char *name, char *text, size_t size)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t bytes = fd < 0 ? -1 : read(fd, text, size - 1);
    if (fd >= 0)
        close(fd);
    text[bytes < 0 ? 0 : bytes] = '\0';
    text[strcspn(text, "\n")] = '\0';
    return strlen(text);
}

/* The innermost systemd unit of its control group; empty: none. */
static void read_unit(pid_t pid, char *unit, size_t size)
{
    char group[512], *context, *found = NULL;

    read_process_file(pid, "cgroup", group, sizeof(group));
    for (char *part = strtok_r(group, "/", &context); part; part = strtok_r(NULL, "/", &context)) {
        const char *suffix = strrchr(part, '.');
        if (suffix && (!strcmp(suffix, ".service") || !strcmp(suffix, ".scope")))
            found = part;
    }
    snprintf(unit, size, "%s", found ? found : "");
}

/* For how long it has run: field 22 of its stat is its start in clock ticks since boot (proc(5)). */
static long age_seconds(pid_t pid)
{
    char text[512];
    struct timespec now;
    unsigned long long start = 0;

    read_process_file(pid, "stat", text, sizeof(text));
    const char *at = strrchr(text, ')'); /* the name before it may hold anything */
    for (int field = 2; at && field < 22; field++) {
        at = strchr(at, ' ');
        at = at ? at + 1 : NULL;
    }
    if (at)
        start = strtoull(at, NULL, 10);
    clock_gettime(CLOCK_BOOTTIME, &now);
    return now.tv_sec - (long)(start / (unsigned long long)sysconf(_SC_CLK_TCK));
}

bool holders_name(const struct holder_search *search, char ret_text[HOLDER_TEXT_BYTES])
{
    char command[17], unit[32];
    DIR *processes = opendir("/proc");
    pid_t pid = next_holder(processes, search);

    if (pid) {
        read_process_file(pid, "comm", command, sizeof(command));
        read_unit(pid, unit, sizeof(unit));
        snprintf(ret_text, HOLDER_TEXT_BYTES, "process %d (%s)%s%s, since %ld s", (int)pid, command,
                 *unit ? " of unit " : "", unit, age_seconds(pid));
    }
    if (processes)
        closedir(processes);
    return pid != 0;
}

/* A pid may be another process's by now, so it is judged again once it is pinned down. */
static void kill_holder(pid_t pid, const struct holder_search *search)
{
    int fd = pidfd_open(pid, 0);

    if (fd < 0)
        return;
    if (process_owned_by(pid, search->user) && process_holds(pid, search) &&
        pidfd_send_signal(fd, SIGKILL, NULL, 0) == 0) {
        struct pollfd end = {.fd = fd, .events = POLLIN};
        poll(&end, 1, END_MILLISECONDS);
    }
    close(fd);
}

void holders_kill(const struct holder_search *search)
{
    DIR *processes = opendir("/proc");
    pid_t pid;

    while ((pid = next_holder(processes, search)))
        kill_holder(pid, search);
    if (processes)
        closedir(processes);
}
