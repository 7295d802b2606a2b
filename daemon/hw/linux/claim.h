/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One helper at a time works on a physical function, whichever homid started it. One that is stuck in the
 * kernel outlives its homid, and what it holds there would catch each helper that comes after it; so a job
 * claims the device first, and fails with the number of the process that has it. The kernel takes a claim
 * away with the end of its process. In helper processes only.
 */
#ifndef HOMI_DAEMON_HW_LINUX_CLAIM_H
#define HOMI_DAEMON_HW_LINUX_CLAIM_H

#include "daemon/hw/linux/sysfs.h"

/*
 * Claims the file, which may be written, until the job has ended; waits so long at most for one who has it.
 * -EBUSY and who it is; or another negative errno.
 */
int claim_file(const char *path, unsigned patience_milliseconds, struct helper_output *output);
/* sysfs_find, and a claim on the device. */
int claim_device(const struct job_device *device, struct sysfs_controller *ret_controller,
                 struct helper_output *output);

#endif
