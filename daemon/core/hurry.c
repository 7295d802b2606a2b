/* SPDX-License-Identifier: BSD-3-Clause */
/* The end of stopping, also without time: every controller that is left is taken offline then, whatever else
 * is under way on it. */
#include "daemon/core/internal.h"

void device_stop_done(void *user, const struct hw_result *result)
{
    struct device *device = user;
    struct core *core = device->core;

    (void)result; /* there is nobody left to act on it; the backend reports what hangs */
    core_enter(core);
    device_turn_over(device);
    device_stopped(device);
    core_leave(core);
}

static void offline_done(void *user, const struct hw_result *result)
{
    struct device *device = user;
    struct core *core = device->core;

    (void)result; /* there is nobody left to act on it */
    core_enter(core);
    device_turn_over(device);
    core_leave(core);
}

void device_hurry(struct device *device)
{
    if (device->phase == DP_STOPPED)
        return;
    while (device->present && device->taken_offline < device->config->functions) {
        const struct function *function = &device->functions[device->taken_offline++];
        if (!function->secondary || function->state == FS_ABSENT)
            continue;
        device->busy = true;
        device->core->backend->set_online(device->handle, function->controller_id, false, offline_done,
                                          device);
        return;
    }
    device_stopped(device);
}

void core_stop_now(struct core *core)
{
    core_enter(core);
    core->hurrying = true;
    for (size_t i = 0; i < core->config->device_count; i++)
        device_wake(&core->devices[i]);
    core_leave(core);
}
