/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/stop.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <syslog.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-login.h>
#include <unistd.h>

#include "daemon/log.h"

#define MANAGER         "org.freedesktop.systemd1"
#define MANAGER_PRIVATE "unix:path=/run/systemd/private" /* where it answers root while there is no bus */

static int open_private(sd_bus **ret_bus)
{
    sd_bus *bus = NULL;
    int r = sd_bus_new(&bus);
    if (r >= 0)
        r = sd_bus_set_address(bus, MANAGER_PRIVATE);
    if (r >= 0)
        r = sd_bus_start(bus);
    if (r < 0) {
        sd_bus_unref(bus);
        return r;
    }
    *ret_bus = bus;
    return 0;
}

/* The type of the job that the unit has: "stop", "restart", ... 1 and the type, 0: it has none. */
static int job_type(sd_bus *bus, const char *unit, char **ret_type)
{
    char *unit_path = NULL, *job_path = NULL;
    sd_bus_message *reply = NULL;
    const char *path;
    uint32_t id = 0;
    int r = sd_bus_path_encode("/org/freedesktop/systemd1/unit", unit, &unit_path);
    if (r >= 0)
        r = sd_bus_get_property(bus, MANAGER, unit_path, MANAGER ".Unit", "Job", NULL, &reply, "(uo)");
    if (r >= 0)
        r = sd_bus_message_read(reply, "(uo)", &id, &path);
    if (r >= 0 && id != 0) {
        job_path = strdup(path);
        r = job_path ? sd_bus_get_property_string(bus, MANAGER, job_path, MANAGER ".Job", "JobType", NULL,
                                                  ret_type)
                     : -ENOMEM;
    }
    sd_bus_message_unref(reply);
    free(job_path);
    free(unit_path);
    return r < 0 ? r : id != 0;
}

/* Whether the unit is being stopped for good. */
static int is_stopping(bool *ret_stopping)
{
    char *unit = NULL, *type = NULL;
    sd_bus *bus = NULL;
    int r = sd_pid_get_unit(0, &unit);
    if (r >= 0)
        r = sd_bus_open_system(&bus) < 0 ? open_private(&bus) : 0;
    if (r >= 0)
        r = job_type(bus, unit, &type);
    if (r >= 0)
        *ret_stopping = r > 0 && strcmp(type, "stop") == 0;
    sd_bus_flush_close_unref(bus);
    free(type);
    free(unit);
    return r < 0 ? r : 0;
}

static int end(pid_t pid)
{
    int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (pidfd < 0)
        return errno == ESRCH ? 0 : -errno;
    int r = syscall(SYS_pidfd_send_signal, pidfd, SIGINT, NULL, 0) < 0 && errno != ESRCH ? -errno : 0;
    /* The unit's TimeoutStopSec bounds it. */
    struct pollfd entry = {.fd = pidfd, .events = POLLIN};
    while (r == 0 && poll(&entry, 1, -1) < 0)
        r = errno == EINTR ? 0 : -errno;
    close(pidfd);
    return r;
}

int stop_main(void)
{
    const struct log log = log_open(LOG_NOTICE);
    const char *text = getenv("MAINPID");
    int pid = text ? atoi(text) : 0;
    bool stopping = false;
    if (pid <= 0) {
        log_write(&log, LOG_ERR, NULL, "--stop is for homid.service: there is no $MAINPID");
        return EXIT_FAILURE;
    }
    int r = is_stopping(&stopping);
    if (r < 0)
        log_write(&log, LOG_ERR, NULL,
                  "cannot learn whether homid is stopped or restarted, leaving everything: %s", strerror(-r));
    else if (stopping)
        r = end(pid);
    return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
