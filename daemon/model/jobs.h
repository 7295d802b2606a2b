/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the model does for homid: the jobs of daemon/hw/linux/jobs.h, with the same structures and
 * descriptors. What is a file of VFIO there is here: the device, a memfd that is BAR 0; the container, a
 * memfd that names the IOMMU domain; the group, the eventfd that wakes the reader of the doorbells.
 */
#ifndef HOMI_DAEMON_MODEL_JOBS_H
#define HOMI_DAEMON_MODEL_JOBS_H

#include "daemon/hw/linux/jobs.h"
#include "daemon/model/world.h"

#define JOB_NEVER      UINT64_MAX
#define JOB_TAKES_OVER (UINT64_MAX - 1) /* answer at once, and end every other connection */

/* Carries a job out, under the world's lock. Returns after how many milliseconds the answer is due,
 * or one of the above. */
uint64_t model_job(struct world *world, unsigned job, const struct helper_input *input,
                   struct helper_output *output);

#endif
