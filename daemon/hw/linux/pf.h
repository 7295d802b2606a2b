/* SPDX-License-Identifier: BSD-3-Clause */
/* Questions to the physical function that jobs on VFs have. In helper processes only. */
#ifndef HOMI_DAEMON_HW_LINUX_PF_H
#define HOMI_DAEMON_HW_LINUX_PF_H

#include "daemon/hw/linux/sysfs.h"

/* The secondary controller that VF `index` is. false: the device has no such list, so its resources are
 * fixed. */
bool pf_secondary(const struct sysfs_controller *controller, unsigned index,
                  struct hw_secondary *ret_secondary);

struct physical {
    struct sysfs_controller controller;
    int fd; /* of its character device; the caller closes it */
};

/* Opens the device's controller. Returns output->error. */
int pf_open(const struct job_device *device, struct physical *ret_physical, struct helper_output *output);
/* What libnvme returned: -1 with errno, or an NVMe status. true: it failed, and output says why. */
bool pf_refused(int r, const char *what, struct helper_output *output);

#endif
