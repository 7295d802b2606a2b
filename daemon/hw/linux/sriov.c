/* SPDX-License-Identifier: BSD-3-Clause */
/* The jobs on VFs as PCI devices: how many there are, and which driver holds them. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/hw/linux/claim.h"
#include "daemon/hw/linux/driver.h"

static int write_count(const char *address, unsigned count, struct helper_output *output)
{
    char text[16];

    snprintf(text, sizeof(text), "%u", count);
    int r = sysfs_write(address, "sriov_numvfs", text);
    if (r < 0)
        helper_fail(output, r, "writing %u to sriov_numvfs of %s", count, address);
    return r;
}

void job_function_count(const struct helper_input *input, struct helper_output *output)
{
    const struct job_device *device = input->data;
    struct sysfs_controller controller;
    unsigned long enabled;
    int r;

    if (claim_device(device, &controller, output) < 0)
        return;
    r = sysfs_write(controller.address, "sriov_drivers_autoprobe", "0");
    if (r < 0) {
        helper_fail(output, r, "turning sriov_drivers_autoprobe of %s off", controller.address);
        return;
    }
    r = sysfs_read_number(controller.address, "sriov_numvfs", &enabled);
    if (r < 0) {
        helper_fail(output, r, "reading sriov_numvfs of %s", controller.address);
        return;
    }
    if (enabled == device->count)
        return;
    if (enabled != 0 && write_count(controller.address, 0, output) < 0)
        return;
    if (device->count != 0 && write_count(controller.address, device->count, output) < 0)
        return;
    if (sysfs_read_number(controller.address, "sriov_numvfs", &enabled) < 0 || enabled != device->count)
        helper_fail(output, -EIO, "sriov_numvfs of %s does not read back as %u", controller.address,
                    device->count);
}

/* A group that holds anything else cannot be given to one tenant alone. */
static int describe_group(const char *address, struct hw_function_place *place, struct helper_output *output)
{
    char path[PATH_MAX], name[32];
    struct dirent *entry;
    unsigned members = 0;

    int r = sysfs_link(address, "iommu_group", name, sizeof(name));
    if (r < 0) {
        helper_fail(output, -ENOTSUP, "%s is in no IOMMU group: the machine has no IOMMU, or it is off",
                    address);
        return output->error;
    }
    snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/iommu_group/devices", address);
    DIR *directory = opendir(path);
    if (!directory) {
        r = -errno;
        helper_fail(output, r, "reading the IOMMU group of %s", address);
        return r;
    }
    while ((entry = readdir(directory)))
        members += *entry->d_name != '.';
    closedir(directory);
    place->iommu_group = atoi(name);
    place->viable = members == 1;
    return 0;
}

void job_bind(const struct helper_input *input, struct helper_output *output)
{
    const struct job_device *device = input->data;
    struct sysfs_controller controller;
    struct hw_function_place *place = output->data;

    *place = (struct hw_function_place){0};
    if (claim_device(device, &controller, output) < 0 ||
        sysfs_function(controller.address, device->index, place->address, output) < 0 ||
        describe_group(place->address, place, output) < 0)
        return;
    if (driver_bind(place->address, DRIVER_VFIO, output) < 0)
        return;
    output->bytes = sizeof(*place);
}

void job_unbind(const struct helper_input *input, struct helper_output *output)
{
    const struct job_device *device = input->data;
    struct sysfs_controller controller;
    char address[HW_ADDRESS_BYTES];

    if (claim_device(device, &controller, output) < 0 ||
        sysfs_function(controller.address, device->index, address, output) < 0 ||
        driver_unbind(address, output) < 0)
        return;
    int r = sysfs_write(address, "driver_override", "\n");
    if (r < 0)
        helper_fail(output, r, "clearing driver_override of %s", address);
}
