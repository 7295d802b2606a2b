/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/fake_namespaces.h"

#include <errno.h>
#include <stdio.h>

int fake_attach(struct hw_device *device, struct hw_function *function, uint32_t id, bool attach)
{
    unsigned bit = 1u << (id - 1);
    const struct hw_namespace *space = &device->info.namespaces[id - 1];

    if (id < 1 || id > device->info.namespace_count)
        return -EIO;
    if (!attach) {
        function->attached &= ~bit;
        return 0;
    }
    for (unsigned i = 0; i < FAKE_FUNCTIONS_MAX; i++) {
        if (&device->functions[i] != function && (device->functions[i].attached & bit) && !space->shareable)
            return -EIO;
    }
    function->attached |= bit;
    return 0;
}

/* Ids are 1 + the index, so only the last namespace can be deleted. */
int fake_change(struct hw_device *device)
{
    const struct hw_namespace_change *change = &device->change;
    struct hw_namespace *space = &device->info.namespaces[change->id ? change->id - 1 : 0];
    unsigned bit = change->id ? 1u << (change->id - 1) : 0;

    for (unsigned i = 0; i < FAKE_FUNCTIONS_MAX; i++) {
        if (device->functions[i].attached & bit)
            snprintf(device->fake->complaint, sizeof(device->fake->complaint),
                     "namespace %u changed while VF %u had it", change->id, i);
    }
    switch (change->act) {
    case HW_NAMESPACE_CREATE:
        device->info.namespaces[device->info.namespace_count] =
            (struct hw_namespace){.id = device->info.namespace_count + 1,
                                  .block_bytes = 512,
                                  .blocks = change->bytes / 512,
                                  .shareable = change->shareable};
        device->info.namespace_count++;
        break;
    case HW_NAMESPACE_DELETE: device->info.namespace_count--; break;
    case HW_NAMESPACE_FORMAT: space->block_bytes = change->block_bytes; break;
    case HW_NAMESPACE_ATTACH:
        space->controllers[0] = device->info.controller_id;
        space->controller_count = 1;
        break;
    case HW_NAMESPACE_DETACH: space->controller_count = 0; break;
    }
    return 0;
}

int fake_wipe(struct hw_function *function, uint32_t id, uint64_t first, uint64_t blocks)
{
    struct hw_device *device = function->device;
    const char *wrong = NULL;

    if (!(function->attached & 1u << (id - 1)))
        wrong = "it is not attached";
    else if (function->pair_count || function->mapping_count)
        wrong = "somebody uses the function";
    else if (first && first != device->wiped[id])
        wrong = "blocks were left out";
    else if (first + blocks > device->info.namespaces[id - 1].blocks)
        wrong = "it ends before";
    if (wrong)
        snprintf(device->fake->complaint, sizeof(device->fake->complaint), "wiping namespace %u: %s", id,
                 wrong);
    device->wiped[id] = first + blocks;
    return 0;
}
