/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/core_reference.h"

#include <check.h>
#include <string.h>

/* ---- what was granted, given back and lost ---- */

void reference_came(struct reference *reference, unsigned process, pid_t pid)
{
    reference->processes[process] = (struct reference_process){.pid = pid};
}

void reference_asks(struct reference *reference, unsigned process)
{
    reference->processes[process].asks = true;
}

void reference_refused(struct reference *reference, unsigned process)
{
    reference->processes[process].asks = false;
}

void reference_granted(struct reference *reference, unsigned process, const struct answer *lease)
{
    struct reference_process *self = &reference->processes[process];

    require(!self->holds, "a process that holds %s was granted %s", self->lease, lease->lease);
    self->holds = true;
    self->asks = false;
    self->leases++;
    self->region_count = self->pair_count = 0;
    memcpy(self->lease, lease->lease, sizeof(self->lease));
    memcpy(self->functions, lease->functions, sizeof(self->functions));
    self->function_count = lease->function_count;
}

void reference_left(struct reference *reference, unsigned process)
{
    reference->processes[process].holds = false;
}

/* The process, where it was granted something under the lease that it has; a grant under another is none. */
static struct reference_process *holder(struct reference *reference, unsigned process, unsigned leases)
{
    struct reference_process *self = &reference->processes[process];

    require(self->holds && self->leases == leases, "granted under a lease that is over");
    return self;
}

static bool is_over(const struct reference *reference, unsigned process, unsigned leases)
{
    return !reference->processes[process].holds || reference->processes[process].leases != leases;
}

static bool apart(const struct reference_region *region, uint64_t iova, uint64_t bytes)
{
    return region->iova + region->bytes <= iova || iova + bytes <= region->iova;
}

void reference_registered(struct reference *reference, unsigned process, unsigned leases, uint32_t id,
                          uint64_t iova, uint64_t bytes)
{
    struct reference_process *self = holder(reference, process, leases);

    for (unsigned i = 0; i < REFERENCE_PROCESSES; i++) {
        const struct reference_process *other = &reference->processes[i];
        for (unsigned n = 0; other->holds && n < other->region_count; n++) {
            if (strcmp(other->lease, self->lease) != 0)
                continue;
            require(other->regions[n].id != id, "two regions of %s have the id %u", self->lease, id);
            require(apart(&other->regions[n], iova, bytes), "two regions of %s overlap", self->lease);
        }
    }
    require(self->region_count < REFERENCE_THINGS, "more regions than a quota allows");
    self->regions[self->region_count++] = (struct reference_region){id, iova, bytes};
}

void reference_unregistered(struct reference *reference, unsigned process, unsigned leases, uint32_t id)
{
    struct reference_process *self = &reference->processes[process];

    for (unsigned i = 0; !is_over(reference, process, leases) && i < self->region_count; i++) {
        if (self->regions[i].id == id) {
            self->regions[i] = self->regions[--self->region_count];
            return;
        }
    }
    require(is_over(reference, process, leases), "region %u was given back that nobody had", id);
}

void reference_created(struct reference *reference, unsigned process, unsigned leases, uint16_t id)
{
    struct reference_process *self = holder(reference, process, leases);

    for (unsigned i = 0; i < REFERENCE_PROCESSES; i++) {
        const struct reference_process *other = &reference->processes[i];
        for (unsigned n = 0; other->holds && n < other->pair_count; n++)
            require(other->pairs[n] != id || strcmp(other->functions[0], self->functions[0]) != 0,
                    "two queue pairs of %s have the id %u", self->functions[0], id);
    }
    require(self->pair_count < REFERENCE_THINGS, "more queue pairs than a quota allows");
    self->pairs[self->pair_count++] = id;
}

void reference_deleted(struct reference *reference, unsigned process, unsigned leases, uint16_t id)
{
    struct reference_process *self = &reference->processes[process];

    for (unsigned i = 0; !is_over(reference, process, leases) && i < self->pair_count; i++) {
        if (self->pairs[i] == id) {
            self->pairs[i] = self->pairs[--self->pair_count];
            return;
        }
    }
    require(is_over(reference, process, leases), "queue pair %u was deleted that nobody had", id);
}

/* Its queue pairs went with the reset, and nothing else did. */
static void function_reset(struct reference *reference, const struct core_event *event)
{
    for (unsigned i = 0; i < REFERENCE_PROCESSES; i++) {
        struct reference_process *process = &reference->processes[i];
        if (process->holds && strcmp(process->lease, event->lease) == 0 &&
            strcmp(process->functions[0], event->function) == 0)
            process->pair_count = 0;
    }
}

void reference_event(struct reference *reference, const struct core_event *event)
{
    if (event->lease && event->kind == CORE_EVENT_FUNCTION_RESET)
        function_reset(reference, event);
    if (!event->lease || (event->kind != CORE_EVENT_LEASE_REVOKED && event->kind != CORE_EVENT_LEASE_ENDED))
        return;
    for (unsigned i = 0; i < REFERENCE_PROCESSES; i++) {
        if (strcmp(reference->processes[i].lease, event->lease) == 0)
            reference->processes[i].holds = false;
    }
}

/* ---- whether the core says the same ---- */

struct comparison {
    const struct reference *reference;
    struct fixture *fixture;
    unsigned holders;
    struct core_tenant_view sums[3]; /* by the fixture's tenants */
};

static uint64_t memory_of(const struct reference_process *process)
{
    uint64_t bytes = 0;

    for (unsigned i = 0; i < process->region_count; i++)
        bytes += process->regions[i].bytes;
    return bytes;
}

static void compare_holder(struct comparison *comparison, const struct core_lease_view *lease,
                           const struct core_holder_view *view)
{
    for (unsigned i = 0; i < REFERENCE_PROCESSES; i++) {
        const struct reference_process *process = &comparison->reference->processes[i];
        if (process->pid == view->pid && process->asks && !view->regions && !view->queue_pairs)
            return;
        if (!process->holds || process->pid != view->pid || strcmp(process->lease, lease->name) != 0)
            continue;
        require(view->regions == process->region_count, "process %d has %u regions, the core says %u",
                (int)view->pid, process->region_count, view->regions);
        require(view->queue_pairs == process->pair_count, "process %d has %u queue pairs, the core says %u",
                (int)view->pid, process->pair_count, view->queue_pairs);
        require(view->memory_bytes == memory_of(process), "the memory of process %d is miscounted",
                (int)view->pid);
        comparison->holders++;
        return;
    }
    ck_abort_msg("process %d has nothing of %s, the core says it has", (int)view->pid, lease->name);
}

static void compare_lease(void *user, const struct core_lease_view *view)
{
    struct comparison *comparison = user;

    for (size_t i = 0; i < view->holder_count; i++)
        compare_holder(comparison, view, &view->holders[i]);
    for (unsigned i = 0; i < 3; i++) {
        struct core_tenant_view *sum = &comparison->sums[i];
        if (strcmp(comparison->fixture->tenants[i].name, view->tenant) != 0)
            continue;
        /* One that ends may wait for whoever still has its functions open, but counts no more. */
        if (strcmp(view->state, "ending") != 0)
            sum->functions += (unsigned)view->function_count;
        for (size_t n = 0; n < view->holder_count; n++) {
            sum->regions += view->holders[n].regions;
            sum->queue_pairs += view->holders[n].queue_pairs;
            sum->memory_bytes += view->holders[n].memory_bytes;
        }
    }
}

static void compare_tenant(void *user, const struct core_tenant_view *view)
{
    struct comparison *comparison = user;
    const struct core_tenant_view *sum = comparison->sums;

    while (strcmp(comparison->fixture->tenants[sum - comparison->sums].name, view->config->name) != 0)
        sum++;
    require(view->functions == sum->functions && view->regions == sum->regions &&
                view->queue_pairs == sum->queue_pairs && view->memory_bytes == sum->memory_bytes,
            "%s has %u functions, %u regions, %u queue pairs; its account says %u, %u, %u",
            view->config->name, sum->functions, sum->regions, sum->queue_pairs, view->functions,
            view->regions, view->queue_pairs);
}

/* What the device has of a function's is what processes were told. */
static void compare_function(void *user, const struct core_function_view *view)
{
    struct comparison *comparison = user;
    unsigned device = strcmp(view->device, comparison->fixture->devices[0].name) == 0 ? 0 : 1;
    const struct hw_function *hw = &comparison->fixture->fake.devices[device].functions[view->index];
    unsigned pairs = 0, mappings = 0;

    for (unsigned i = 0; i < REFERENCE_PROCESSES; i++) {
        const struct reference_process *process = &comparison->reference->processes[i];
        for (size_t n = 0; process->holds && n < process->function_count; n++) {
            if (strcmp(process->functions[n], view->name) != 0)
                continue;
            mappings += process->region_count;
            pairs += n == 0 ? process->pair_count : 0;
        }
    }
    require(!hw->open || hw->pair_count == pairs, "%s has %u queue pairs on the device, %u were told",
            view->name, hw->pair_count, pairs);
    require(!hw->open || hw->mapping_count == mappings, "%s has %u mappings, %u were told", view->name,
            hw->mapping_count, mappings);
    require(hw->open || pairs + mappings == 0, "%s is closed, and processes were not told", view->name);
}

void reference_check(const struct reference *reference, struct fixture *fixture)
{
    struct comparison comparison = {.reference = reference, .fixture = fixture};
    unsigned holders = 0;

    core_each_lease(fixture->core, compare_lease, &comparison);
    for (unsigned i = 0; i < REFERENCE_PROCESSES; i++)
        holders += reference->processes[i].holds;
    require(comparison.holders == holders, "%u processes hold leases, the core says %u", holders,
            comparison.holders);
    core_each_tenant(fixture->core, compare_tenant, &comparison);
    core_each_function(fixture->core, compare_function, &comparison);
}
