/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/hw/linux/claim.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum {
    PATIENCE_MILLISECONDS = 1000, /* what a killed homid had begun is mostly done by then */
    LOOK_MILLISECONDS = 20,
};

static void pause_milliseconds(unsigned milliseconds)
{
    const struct timespec time = {.tv_sec = milliseconds / 1000, .tv_nsec = milliseconds % 1000 * 1000000L};

    nanosleep(&time, NULL);
}

int claim_file(const char *path, unsigned patience_milliseconds, struct helper_output *output)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    int r = fd < 0 ? -errno : 0;

    /* It belongs to the process, not to the descriptor, and says whose it is. */
    while (r == 0 && fcntl(fd, F_SETLK, &lock) < 0) {
        r = errno == EAGAIN || errno == EACCES ? 0 : -errno;
        if (r == 0 && patience_milliseconds < LOOK_MILLISECONDS)
            r = -EBUSY;
        if (r < 0)
            break;
        pause_milliseconds(LOOK_MILLISECONDS);
        patience_milliseconds -= LOOK_MILLISECONDS;
    }
    if (r == 0) {
        output->claim = fd;
        output->claims = true;
        return 0;
    }
    if (r == -EBUSY && fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK)
        helper_fail(output, r, "process %d, which an earlier homid started, is still at work", lock.l_pid);
    else
        helper_fail(output, r, "claiming %s", path);
    if (fd >= 0)
        close(fd);
    return r;
}

int claim_device(const struct job_device *device, struct sysfs_controller *ret_controller,
                 struct helper_output *output)
{
    char path[PATH_MAX];
    int r = sysfs_find(device, ret_controller, output);

    if (r < 0)
        return r;
    /* An attribute that no job opens otherwise: closing it would let go. */
    snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver_override", ret_controller->address);
    return claim_file(path, PATIENCE_MILLISECONDS, output);
}
