/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/model/device.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "daemon/model/world.h"

/* A PCI domain that machines do not use, and room for 257 functions per device. */
static void format_address(unsigned number, unsigned function, char address[HW_ADDRESS_BYTES])
{
    unsigned bus = number * 2 + 1 + (function >> 8);

    snprintf(address, HW_ADDRESS_BYTES, "ffff:%02x:%02x.%x", bus & 0xff, function >> 3 & 0x1f, function & 7);
}

void device_function_address(const struct device *device, unsigned index, char address[HW_ADDRESS_BYTES])
{
    format_address(device->number, index + 1, address);
}

static int create_namespaces(struct device *device)
{
    int r = 0;

    for (size_t i = 0; i < device->spec->namespace_count && r == 0; i++) {
        const struct namespace_spec *spec = &device->spec->namespaces[i];
        r = namespace_new(spec->id, spec->backing, spec->path, spec->bytes, spec->block_shift,
                          &device->namespaces[spec->id]);
        if (r < 0)
            world_log(NULL, "%s: namespace %u: cannot have its memory or file", device->spec->serial,
                      spec->id);
    }
    return r;
}

int device_new(struct world *world, const struct device_spec *spec, unsigned number,
               struct device **ret_device)
{
    struct device *device = calloc(1, sizeof(*device));

    if (!device)
        return -ENOMEM;
    device->world = world;
    device->spec = spec;
    device->number = number;
    device->queues_free = (uint16_t)spec->queues.total;
    device->interrupts_free = (uint16_t)spec->interrupts.total;
    format_address(number, 0, device->address);
    device->functions = calloc(spec->functions, sizeof(*device->functions));
    int r = device->functions ? create_namespaces(device) : -ENOMEM;
    if (r == 0)
        r = faults_new(spec->faults, spec->fault_count, &device->faults);
    if (r < 0) {
        device_free(device);
        return r;
    }
    for (unsigned i = 0; i < spec->functions; i++) {
        struct function *function = &device->functions[i];
        function->device = device;
        function->index = i;
        function->controller_id = (uint16_t)(i + 1);
        if (spec->virtualization)
            continue;
        function->queues = (uint16_t)spec->queues.per_function;
        function->interrupts = (uint16_t)spec->interrupts.per_function;
        function->online = true;
    }
    *ret_device = device;
    return 0;
}

void device_free(struct device *device)
{
    if (!device)
        return;
    for (unsigned i = 0; device->functions && i < device->spec->functions; i++) {
        if (device->functions[i].open)
            function_close(&device->functions[i]);
    }
    for (size_t i = 0; i <= SPEC_NAMESPACE_ID_MAX; i++)
        namespace_free(device->namespaces[i]);
    faults_free(&device->faults);
    free(device->functions);
    free(device);
}

void device_detach_all(const struct function *function)
{
    for (size_t i = 0; i <= SPEC_NAMESPACE_ID_MAX; i++) {
        if (function->device->namespaces[i])
            namespace_attach(function->device->namespaces[i], device_controller_number(function), false);
    }
}

void device_lose_data(const struct device *device)
{
    for (size_t i = 0; i <= SPEC_NAMESPACE_ID_MAX; i++) {
        if (device->namespaces[i])
            namespace_zero(device->namespaces[i], 0, device->namespaces[i]->bytes);
    }
}

unsigned device_controller_number(const struct function *function)
{
    return function ? function->index + 1 : 0;
}

struct namespace *device_namespace(const struct device *device, const struct function *function, uint32_t id)
{
    struct namespace *space = id <= SPEC_NAMESPACE_ID_MAX ? device->namespaces[id] : NULL;

    return space && namespace_attached(space, device_controller_number(function)) ? space : NULL;
}
