/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/fake_device.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/fake_namespaces.h"

void fake_complain(struct fake *fake, const char *format, ...)
{
    va_list arguments;

    if (fake->complaint[0])
        return;
    va_start(arguments, format);
    vsnprintf(fake->complaint, sizeof(fake->complaint), format, arguments);
    va_end(arguments);
}

static int do_count(struct hw_device *device, unsigned count)
{
    if (count != device->info.functions_enabled && device->info.functions_enabled) {
        for (unsigned i = 0; i < FAKE_FUNCTIONS_MAX; i++) {
            struct hw_function *function = &device->functions[i];
            if (function->held || function->open)
                fake_complain(device->fake, "the number of VFs changed while VF %u was held", i);
            function->online = function->bound = false;
            if (device->info.virtualization_management)
                function->queues = function->interrupts = 0;
        }
    }
    device->info.functions_enabled = (uint16_t)count;
    return 0;
}

static int do_assign(struct hw_device *device, struct hw_function *function, enum hw_resource_kind kind,
                     unsigned count)
{
    const struct hw_resources *has = kind == HW_QUEUES ? &device->info.queues : &device->info.interrupts;
    unsigned used = count;

    for (unsigned i = 0; i < FAKE_FUNCTIONS_MAX; i++) {
        const struct hw_function *other = &device->functions[i];
        if (other != function)
            used += kind == HW_QUEUES ? other->queues : other->interrupts;
    }
    if (function->online || count > has->per_function || used > has->total)
        return -EIO;
    if (kind == HW_QUEUES)
        function->queues = (uint16_t)count;
    else
        function->interrupts = (uint16_t)count;
    return 0;
}

static int do_online(struct hw_device *device, struct hw_function *function, bool online)
{
    if (!online) {
        function->online = false;
        function->queues = function->interrupts = 0;
        return 0;
    }
    if (function->index >= device->info.functions_enabled || function->queues < 2 || function->interrupts < 1)
        return -EIO;
    function->online = true;
    return 0;
}

static int do_open(struct hw_function *function, void *listener_user)
{
    struct hw_device *device = function->device;
    bool there = function->index < device->info.functions_enabled && function->bound &&
                 (function->online || !device->info.virtualization_management) && !device->absent;

    if (function->open || function->on_loan)
        fake_complain(device->fake, "VF %u opened twice, or while it was lent", function->index);
    if (function->held)
        return -EBUSY;
    if (!there)
        return -ENODEV;
    function->open = true;
    function->opens++;
    function->adopted = function->down = false;
    function->listener_user = listener_user;
    function->attached |= device->reattach;
    return 0;
}

static int do_adopt(struct hw_function *function, void *listener_user, bool reset)
{
    if (!function->open)
        fake_complain(function->device->fake, "VF %u adopted that is not open", function->index);
    function->listener_user = listener_user;
    function->adopted = true;
    function->suspended = reset;
    return 0;
}

void fake_do_close(struct hw_function *function)
{
    function->open = function->suspended = function->wiping = false;
    memset(function->pairs, 0, sizeof(function->pairs));
    for (unsigned i = 0; i < FAKE_PAGES_MAX; i++)
        function->pages[i].function = NULL;
    memset(function->forwarded, 0, sizeof(function->forwarded));
    memset(function->unknown, 0, sizeof(function->unknown));
    function->pair_count = function->mapping_count = function->page_count = 0;
}

static int do_renew(struct hw_function *function)
{
    const struct hw_device *device = function->device;

    if (!function->suspended)
        fake_complain(device->fake, "VF %u renewed that was not suspended", function->index);
    if (function->index >= device->info.functions_enabled || device->absent ||
        (device->info.virtualization_management && !function->online))
        return -ENETDOWN;
    function->suspended = function->down = false;
    memset(function->pairs, 0, sizeof(function->pairs));
    function->pair_count = 0;
    return 0;
}

static int do_map(struct hw_function *function, uint64_t iova, uint64_t bytes)
{
    struct fake *fake = function->device->fake;
    const struct hw_iova_range *range = &function->device->range;

    if (iova < range->first || iova + bytes - 1 > range->last || iova % 4096)
        fake_complain(fake, "mapped at %#llx, outside of what may be used", (unsigned long long)iova);
    for (unsigned i = 0; i < function->mapping_count; i++) {
        const struct fake_mapping *other = &function->mappings[i];
        if (iova < other->iova + other->bytes && other->iova < iova + bytes)
            fake_complain(fake, "mapped over another region at %#llx", (unsigned long long)iova);
    }
    if (function->mapping_count == FAKE_MAPPINGS_MAX)
        return -ENOSPC;
    function->mappings[function->mapping_count++] = (struct fake_mapping){iova, bytes};
    return 0;
}

static int do_unmap(struct hw_function *function, uint64_t iova, uint64_t bytes, bool perhaps)
{
    struct fake *fake = function->device->fake;

    for (unsigned id = 0; id < FAKE_PAIRS_MAX; id++) {
        const struct hw_queue_pair *pair = &function->pairs[id];
        if (pair->id && ((pair->submission_iova >= iova && pair->submission_iova < iova + bytes) ||
                         (pair->completion_iova >= iova && pair->completion_iova < iova + bytes)))
            fake_complain(fake, "memory unmapped under live queue pair %u", id);
    }
    for (unsigned i = 0; i < function->mapping_count; i++) {
        if (function->mappings[i].iova == iova && function->mappings[i].bytes == bytes) {
            function->mappings[i] = function->mappings[--function->mapping_count];
            return 0;
        }
    }
    if (perhaps)
        return 0;
    fake_complain(fake, "unmapped what was not mapped: %#llx", (unsigned long long)iova);
    return -EINVAL;
}

/* Reset or taken offline, whether the core has heard of it or not. */
static bool dead(const struct hw_function *function)
{
    return function->down || (function->device->info.virtualization_management && !function->online);
}

static int do_create(struct hw_function *function, const struct hw_queue_pair *pair)
{
    struct fake *fake = function->device->fake;

    if (dead(function))
        return -EIO;
    if (pair->id == 0 || pair->id >= FAKE_PAIRS_MAX || function->pairs[pair->id].id)
        fake_complain(fake, "queue pair %u made twice", pair->id);
    if (!fake_is_mapped(function, pair->submission_iova) || !fake_is_mapped(function, pair->completion_iova))
        fake_complain(fake, "queue pair %u outside of mapped memory", pair->id);
    if (pair->page && pair->page->function != function)
        fake_complain(fake, "queue pair %u behind a page of doorbells that is not there", pair->id);
    for (unsigned id = 1; id < FAKE_PAIRS_MAX; id++) {
        if (pair->vector && function->pairs[id].id && function->pairs[id].vector == pair->vector)
            fake_complain(fake, "vector %u given twice", pair->vector);
    }
    if (function->unknown[pair->id])
        fake_complain(fake, "queue pair %u made while the relay forwards to its predecessor", pair->id);
    function->pairs[pair->id] = *pair;
    function->forwarded[pair->id] = pair->page != NULL;
    function->pair_count++;
    return 0;
}

static int do_delete(struct hw_function *function, unsigned id)
{
    if (function->unknown[id])
        fake_complain(function->device->fake, "queue pair %u deleted while the relay forwards to it", id);
    function->forwarded[id] = false;
    if (!function->pairs[id].id && function->adopted)
        return 0; /* as the backends have it: a queue that is not there is gone */
    if (dead(function))
        return -EIO;
    if (!function->pairs[id].id) {
        fake_complain(function->device->fake, "queue pair %u deleted that is not there", id);
        return -EIO;
    }
    function->pairs[id] = (struct hw_queue_pair){0};
    function->pair_count--;
    return 0;
}

static int do_lend(struct hw_function *function)
{
    if (function->open || function->on_loan)
        fake_complain(function->device->fake, "VF %u lent while it was open or lent", function->index);
    if (!function->bound)
        return -ENODEV; /* it went meanwhile */
    function->on_loan = true;
    return 0;
}

/* The kernel's driver cannot let go of what is in use; the user's own is asked afterwards. */
static int do_withdraw(struct hw_function *function)
{
    return function->held && !function->loan.kill && function->loan.kind == HW_LOAN_KERNEL ? -EBUSY : 0;
}

static int do_reclaim(struct hw_function *function)
{
    if (function->loan.kill)
        function->held = false;
    if (function->held)
        return -EBUSY;
    function->on_loan = false;
    return 0;
}

int fake_apply(struct fake_op *op)
{
    switch (op->kind) {
    case FAKE_PROBE: return op->device->absent ? -ENODEV : 0;
    case FAKE_COUNT: return do_count(op->device, (unsigned)op->a);
    case FAKE_ASSIGN:
        return do_assign(op->device, op->function, (enum hw_resource_kind)op->a, (unsigned)op->b);
    case FAKE_ONLINE: return do_online(op->device, op->function, op->a != 0);
    case FAKE_BIND: op->function->bound = true; return 0;
    case FAKE_UNBIND:
        if (op->function->held)
            fake_complain(op->device->fake, "VF %u unbound while it was held", op->function->index);
        op->function->bound = false;
        return 0;
    case FAKE_ATTACH: return fake_attach(op->device, op->function, (uint32_t)op->a, op->b != 0);
    case FAKE_CHANGE: return fake_change(op->device);
    case FAKE_LEND: return do_lend(op->function);
    case FAKE_WITHDRAW: return do_withdraw(op->function);
    case FAKE_RECLAIM: return do_reclaim(op->function);
    case FAKE_OPEN: return do_open(op->function, op->listener_user);
    case FAKE_ADOPT: return do_adopt(op->function, op->listener_user, op->a != 0);
    case FAKE_CLOSE: fake_do_close(op->function); return 0;
    case FAKE_RENEW: return do_renew(op->function);
    case FAKE_MAP: return do_map(op->function, op->a, op->b);
    case FAKE_UNMAP: return do_unmap(op->function, op->a, op->b, op->c != 0);
    case FAKE_CREATE: return do_create(op->function, &op->pair);
    case FAKE_DELETE: return do_delete(op->function, (unsigned)op->a);
    case FAKE_WIPE: return fake_wipe(op->function, (uint32_t)op->a, op->b, op->c);
    case FAKE_IDENTIFY_NAMESPACE:
        if (dead(op->function))
            return -EIO;
        return op->function->attached & 1u << (op->a - 1) ? 0 : -ENOENT;
    case FAKE_IDENTIFY:
    case FAKE_LOG:
    case FAKE_FEATURE: return dead(op->function) ? -EIO : 0;
    default: return 0;
    }
}
