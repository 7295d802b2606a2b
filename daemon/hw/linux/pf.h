/* SPDX-License-Identifier: BSD-3-Clause */
/* Questions to the physical function that jobs on VFs have. In helper processes only. */
#ifndef HOMI_DAEMON_HW_LINUX_PF_H
#define HOMI_DAEMON_HW_LINUX_PF_H

#include "daemon/hw/linux/sysfs.h"

/* The secondary controller that VF `index` is. false: the device has no such list, so its resources are
 * fixed. */
bool pf_secondary(const struct sysfs_controller *controller, unsigned index,
                  struct hw_secondary *ret_secondary);

#endif
