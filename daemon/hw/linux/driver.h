/* SPDX-License-Identifier: BSD-3-Clause */
/* Which driver of the kernel holds a PCI function. May block in the kernel: in helper processes only. */
#ifndef HOMI_DAEMON_HW_LINUX_DRIVER_H
#define HOMI_DAEMON_HW_LINUX_DRIVER_H

#include "daemon/hw/linux/sysfs.h"

#define DRIVER_VFIO "vfio-pci"
#define DRIVER_NVME "nvme"

/* Takes the function from whatever holds it and gives it to `driver`, unless that has it. 0 or output->error.
 */
int driver_bind(const char *address, const char *driver, struct helper_output *output);
/* From its driver, if it has one. 0 or output->error. */
int driver_unbind(const char *address, struct helper_output *output);

#endif
