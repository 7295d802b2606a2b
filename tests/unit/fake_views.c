/* SPDX-License-Identifier: BSD-3-Clause */
/* What the fake backend's operations are called, and what it holds. */
#include <string.h>

#include "tests/unit/fake_backend.h"

static const char *const names[FAKE_OPERATIONS] = {
    "probe",    "list",   "count",   "assign",   "online",  "bind",   "unbind",
    "attach",   "change", "lend",    "withdraw", "reclaim", "open",   "close",
    "examine",  "renew",  "map",     "unmap",    "create",  "delete", "identify namespace",
    "identify", "log",    "feature", "adopt",    "wipe"};

const char *fake_operation_name(enum fake_operation operation)
{
    return operation < FAKE_OPERATIONS ? names[operation] : "none";
}

struct fake_totals fake_totals(const struct fake *fake)
{
    struct fake_totals totals = {0};

    for (unsigned i = 0; i < FAKE_DEVICES_MAX; i++) {
        for (unsigned n = 0; n < FAKE_FUNCTIONS_MAX; n++) {
            const struct hw_function *function = &fake->devices[i].functions[n];
            totals.attached += (unsigned)__builtin_popcount(function->attached);
            totals.pairs += function->pair_count;
            totals.mappings += function->mapping_count;
            totals.pages += function->page_count;
            totals.open += function->open;
        }
    }
    return totals;
}

void fake_list_namespaces(const struct hw_function *function, uint8_t *data)
{
    unsigned at = 0;

    memset(data, 0, HW_DATA_BYTES);
    for (unsigned id = 1; id <= FAKE_NAMESPACES_MAX; id++) {
        if (!(function->attached & 1u << (id - 1)))
            continue;
        data[at] = (uint8_t)id;
        at += 4;
    }
}

struct hw_function_info fake_function_info(const struct hw_function *function)
{
    const struct hw_device *device = function->device;
    bool managed = device->info.virtualization_management;

    return (struct hw_function_info){
        .controller_id = (uint16_t)(function->index + 1),
        .queue_pairs = managed ? (uint16_t)(function->queues - 1) : device->function_pairs,
        .interrupts = managed ? (uint16_t)(function->interrupts - 1) : device->function_interrupts,
        .queue_entries_max = 1024,
        .doorbell_stride = 4,
        .page_bytes = 4096,
        .max_transfer_bytes = 128 * 1024,
        .bar_bytes = 16384,
        .iova_range_count = 1,
        .iova_ranges = {device->range},
    };
}

unsigned fake_list_secondaries(const struct hw_device *device, struct hw_secondary *list)
{
    for (unsigned i = 0; i < device->info.functions_total; i++) {
        const struct hw_function *function = &device->functions[i];
        list[i] = (struct hw_secondary){(uint16_t)(i + 1), (uint16_t)(i + 1), function->queues,
                                        function->interrupts, function->online};
    }
    return device->info.functions_total;
}

bool fake_is_mapped(const struct hw_function *function, uint64_t iova)
{
    for (unsigned i = 0; i < function->mapping_count; i++) {
        if (iova >= function->mappings[i].iova &&
            iova < function->mappings[i].iova + function->mappings[i].bytes)
            return true;
    }
    return false;
}

void fake_reset_device(struct hw_device *device)
{
    fake_reset_controllers(device);
    device->info.functions_enabled = 0;
    for (unsigned i = 0; i < FAKE_FUNCTIONS_MAX; i++)
        device->functions[i].online = device->functions[i].bound = false;
}

void fake_reset_controllers(struct hw_device *device)
{
    for (unsigned i = 0; i < FAKE_FUNCTIONS_MAX; i++) {
        struct hw_function *function = &device->functions[i];
        memset(function->pairs, 0, sizeof(function->pairs));
        function->pair_count = 0;
        function->down = true;
        if (!device->info.virtualization_management)
            continue;
        function->online = false;
        function->queues = function->interrupts = 0;
    }
}
