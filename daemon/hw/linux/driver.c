/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/hw/linux/driver.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool held_by(const char *address, const char *driver)
{
    char name[64];

    return sysfs_link(address, "driver", name, sizeof(name)) == 0 && strcmp(name, driver) == 0;
}

int driver_unbind(const char *address, struct helper_output *output)
{
    int r = sysfs_write(address, "driver/unbind", address);

    if (r == -ENOENT)
        return 0;
    if (r < 0)
        helper_fail(output, r, "unbinding %s from its driver", address);
    return r;
}

int driver_bind(const char *address, const char *driver, struct helper_output *output)
{
    char path[PATH_MAX];

    snprintf(path, sizeof(path), "/sys/bus/pci/drivers/%s", driver);
    if (access(path, F_OK) < 0) {
        helper_fail(output, -ENODEV, "the kernel module %s is not loaded", driver);
        return output->error;
    }
    if (held_by(address, driver))
        return 0;
    if (driver_unbind(address, output) < 0)
        return output->error;
    int r = sysfs_write(address, "driver_override", driver);
    if (r < 0) {
        helper_fail(output, r, "driver_override of %s", address);
        return r;
    }
    r = sysfs_write_path("/sys/bus/pci/drivers_probe", address);
    if (r < 0) {
        helper_fail(output, r, "probing a driver for %s", address);
        return r;
    }
    if (!held_by(address, driver)) {
        helper_fail(output, -ENODEV, "%s did not take %s", driver, address);
        return output->error;
    }
    return 0;
}
