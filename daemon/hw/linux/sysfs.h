/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sysfs as the jobs need it: attributes of PCI devices, the links between functions and drivers, and how to
 * find an SSD. Everything here may block in the kernel, so it is called in helper processes only.
 */
#ifndef HOMI_DAEMON_HW_LINUX_SYSFS_H
#define HOMI_DAEMON_HW_LINUX_SYSFS_H

#include <limits.h>
#include <stddef.h>

#include "daemon/hw/linux/jobs.h"

/* Attributes of /sys/bus/pci/devices/ADDRESS. 0 or a negative errno. */
int sysfs_read(const char *address, const char *attribute, char *ret_text, size_t size); /* trimmed */
int sysfs_read_number(const char *address, const char *attribute, unsigned long *ret_value);
int sysfs_write(const char *address, const char *attribute, const char *text);
/* The last component of what a link points to: "vfio-pci" for driver, an address for virtfn0. -ENOENT: no
 * link. */
int sysfs_link(const char *address, const char *link, char *ret_name, size_t size);
int sysfs_write_path(const char *path, const char *text);

/* A physical function that the kernel's nvme driver holds. */
struct sysfs_controller {
    char address[HW_ADDRESS_BYTES];
    char name[32]; /* "nvme0" */
};

/* -ENODEV: there is none. output gets the reason. */
int sysfs_find(const struct job_device *device, struct sysfs_controller *ret_controller,
               struct helper_output *output);
/* Address of VF `index`; -ENODEV with the reason: it does not exist. */
int sysfs_function(const char *physical, unsigned index, char *ret_address, struct helper_output *output);

#endif
