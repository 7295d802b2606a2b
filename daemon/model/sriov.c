/* SPDX-License-Identifier: BSD-3-Clause */
/* VFs come and go by NumVFs; Virtualization Management gives them resources (NVMe Base 2.0, section 8.26). */
#include <errno.h>

#include "daemon/model/device.h"
#include "daemon/model/rules.h"
#include "daemon/model/world.h"

enum {
    ACTION_OFFLINE = 7,
    ACTION_ASSIGN = 8,
    ACTION_ONLINE = 9,
    QUEUES_MIN = 2, /* the admin queue and one for I/O */
    ALL_ACTION_BITS = 0xf,
};

bool function_usable(const struct function *function)
{
    return function->online && function->index < function->device->functions_enabled;
}

void function_take_offline(struct function *function, const char *reason)
{
    struct device *device = function->device;

    if (function->open && function->enabled && rule(RULE_OFFLINE_FATAL))
        controller_fail(function, reason);
    if (!device->spec->virtualization)
        return;
    function->online = false;
    if (!rule(RULE_OFFLINE_FREES))
        return;
    device->queues_free = (uint16_t)(device->queues_free + function->queues);
    device->interrupts_free = (uint16_t)(device->interrupts_free + function->interrupts);
    function->queues = function->interrupts = 0;
}

int device_set_functions(struct device *device, unsigned count)
{
    if (count > device->spec->functions)
        return rule(RULE_FUNCTIONS_TOTAL) ? -ERANGE : 0;
    if (count == device->functions_enabled)
        return 0;
    if (count != 0 && device->functions_enabled != 0)
        return -EBUSY;
    for (unsigned i = count; i < device->functions_enabled; i++)
        function_take_offline(&device->functions[i], "VF Enable was cleared");
    device->functions_enabled = count;
    return 0;
}

static uint16_t assign(struct device *device, struct function *function, unsigned kind, uint32_t count)
{
    const struct resources_spec *spec = kind ? &device->spec->interrupts : &device->spec->queues;
    uint16_t *has = kind ? &function->interrupts : &function->queues;
    uint16_t *pool = kind ? &device->interrupts_free : &device->queues_free;

    if (function->online && rule(RULE_ASSIGN_ONLINE))
        return SPECIFIC(INVALID_SEC_CTRL_STATE);
    if (!rule(RULE_ASSIGN))
        return 0;
    if ((count > spec->per_function && rule(kind ? RULE_ASSIGN_INTERRUPTS : RULE_ASSIGN_QUEUES)) ||
        count % spec->granularity || count > (uint32_t)*pool + *has)
        return SPECIFIC(INVALID_CTRL_RESOURCES);
    *pool = (uint16_t)(*pool + *has - count);
    *has = (uint16_t)count;
    return 0;
}

static uint16_t bring_online(struct function *function)
{
    if (function->online)
        return rule(RULE_ONLINE_TWICE) ? 0 : SPECIFIC(INVALID_SEC_CTRL_STATE);
    if (function->index >= function->device->functions_enabled ||
        (function->queues < QUEUES_MIN && rule(RULE_ONLINE_QUEUES)) ||
        (function->interrupts == 0 && rule(RULE_ONLINE_INTERRUPTS)))
        return SPECIFIC(INVALID_SEC_CTRL_STATE);
    function->online = true;
    return 0;
}

uint16_t virtualization_management(struct admin_call *call)
{
    uint32_t dword10 = le32toh(call->command->dword10), count = le32toh(call->command->dword11) & 0xffff;
    unsigned action = dword10 & ALL_ACTION_BITS, kind = dword10 >> 8 & 7, id = dword10 >> 16;
    struct device *device = call->device;
    uint16_t status;

    if (action != ACTION_OFFLINE && action != ACTION_ASSIGN && action != ACTION_ONLINE)
        return GENERIC(INVALID_FIELD);
    if (id == 0 || id > device->spec->functions)
        return rule(RULE_CONTROLLER_ID) ? SPECIFIC(INVALID_CTRL_ID) : 0;
    struct function *function = &device->functions[id - 1];
    if (action == ACTION_OFFLINE && !function->online && !rule(RULE_OFFLINE_TWICE))
        return SPECIFIC(INVALID_SEC_CTRL_STATE);
    switch (action) {
    case ACTION_OFFLINE: function_take_offline(function, "taken offline"); return 0;
    case ACTION_ONLINE: return bring_online(function);
    default: break;
    }
    if (kind > 1)
        return SPECIFIC(INVALID_RESOURCE_ID);
    status = assign(device, function, kind, count);
    if (status == 0)
        call->value = count;
    return status;
}
