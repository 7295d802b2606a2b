/* SPDX-License-Identifier: BSD-3-Clause */
/* Reset of the physical function, surprise removal, and return. */
#include <string.h>

#include "daemon/model/device.h"
#include "daemon/model/world.h"

void device_reset(struct device *device)
{
    for (unsigned i = 0; i < device->spec->functions; i++)
        function_take_offline(&device->functions[i], "the physical function was reset");
    world_tell(device, MODEL_NEWS_RESET);
}

void device_remove(struct device *device, uint64_t milliseconds)
{
    if (device->absent)
        return;
    for (unsigned i = 0; i < device->spec->functions; i++) {
        struct function *function = &device->functions[i];
        function_take_offline(function, "the device was removed");
        if (function->open)
            controller_vanish(function);
    }
    device->functions_enabled = 0;
    device->absent = true;
    device->back_at = milliseconds ? world_now() + milliseconds : 0;
    world_tell(device, MODEL_NEWS_GONE);
}

void device_return(struct device *device)
{
    if (!device->absent)
        return;
    device->absent = false;
    device->back_at = 0;
    world_tell(device, MODEL_NEWS_BACK);
}

void device_want(struct function *function, enum device_act act, uint64_t milliseconds)
{
    struct device *device = function->device;

    if (act == DEVICE_ACT_REMOVE)
        __atomic_store_n(&device->absent_for, milliseconds, __ATOMIC_RELAXED);
    __atomic_fetch_or(&device->wanted, act, __ATOMIC_RELEASE);
    poller_attend(function);
}

void device_act(struct device *device)
{
    unsigned wanted = __atomic_exchange_n(&device->wanted, 0, __ATOMIC_ACQUIRE);

    if (wanted & DEVICE_ACT_RESET && !device->absent)
        device_reset(device);
    if (wanted & DEVICE_ACT_REMOVE)
        device_remove(device, __atomic_load_n(&device->absent_for, __ATOMIC_RELAXED));
}

bool fault_is_lethal(struct function *function, const struct fault_spec *fault)
{
    switch (fault->action) {
    case FAULT_FATAL: controller_fail(function, "made so by a fault"); return true;
    case FAULT_RESET: device_want(function, DEVICE_ACT_RESET, 0); return true;
    case FAULT_REMOVE: device_want(function, DEVICE_ACT_REMOVE, fault->milliseconds); return true;
    default: return false;
    }
}
