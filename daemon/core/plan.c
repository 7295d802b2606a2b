/* SPDX-License-Identifier: BSD-3-Clause */
/* What each VF of an SSD gets of its flexible resources, and whether the SSD has that many. */
#include <stdio.h>

#include "daemon/core/internal.h"

/* Whether `each` resources for every VF can be had; says why not. */
static bool fits(const struct device *device, const char *what, const struct hw_resources *has, uint32_t each,
                 char *reason)
{
    unsigned functions = device->config->functions;

    if (each > has->per_function) {
        snprintf(reason, HW_REASON_BYTES,
                 "%u %s resources are needed on each VF, the device gives at most %u", each, what,
                 has->per_function);
        return false;
    }
    if ((uint64_t)each * functions > has->total) {
        snprintf(reason, HW_REASON_BYTES,
                 "%u VFs with %u %s resources each need %u, the device has %u to assign", functions, each,
                 what, each * functions, has->total);
        return false;
    }
    return true;
}

/* What each VF gets: an admin queue and its interrupt come on top of what is configured. */
bool device_plan(struct device *device, char *reason)
{
    const struct core_device_config *config = device->config;
    const struct hw_device_info *info = &device->info;
    uint32_t queues = config->queue_pairs + 1, interrupts = config->interrupts + 1;

    if (config->functions > info->functions_total) {
        snprintf(reason, HW_REASON_BYTES, "%u VFs are configured, the device has %u", config->functions,
                 info->functions_total);
        return false;
    }
    if (!info->virtualization_management || config->functions == 0)
        return true;
    if (!config->interrupts) {
        uint32_t share = info->interrupts.total / config->functions;
        interrupts = queues;
        if (interrupts > info->interrupts.per_function)
            interrupts = info->interrupts.per_function;
        if (interrupts > share)
            interrupts = share;
        if (interrupts == 0)
            interrupts = 1;
    }
    if (!fits(device, "queue", &info->queues, queues < 2 ? 2 : queues, reason) ||
        !fits(device, "interrupt", &info->interrupts, interrupts, reason))
        return false;
    device->queues = (uint16_t)(queues < 2 ? 2 : queues);
    device->interrupts = (uint16_t)interrupts;
    return true;
}
