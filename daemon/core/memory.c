/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory regions: mapped on every function of the lease at one address, unmapped when no queue lies in them.
 */
#include <errno.h>
#include <search.h>
#include <stdlib.h>

#include "daemon/core/internal.h"

/* An IOMMU maps 2 MiB with one entry where address and memory are aligned to it. */
#define LARGE_PAGE_BYTES (UINT64_C(2) << 20)

static int region_compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

struct region *region_find(const struct lease *lease, int64_t id)
{
    uint32_t key = (uint32_t)id;
    void *found = id == (int64_t)key ? tfind(&key, &lease->regions, region_compare) : NULL;

    return found ? *(struct region **)found : NULL;
}

/* ---- accounts ---- */

static void count(struct region *region, bool add)
{
    struct holder *holder = region->holder;
    uint64_t bytes = add ? region->bytes : -region->bytes;
    unsigned one = add ? 1 : -1u;

    holder->region_count += one;
    holder->memory_bytes += bytes;
    holder->tenant->regions += one;
    holder->tenant->memory_bytes += bytes;
    holder->core->memory_bytes += bytes;
}

/* Its process is leaving, so that it will never be used. */
static struct core_error taken_back(const struct holder *holder)
{
    struct core_error error = error_refusal(CORE_REFUSED_LEASE_REVOKED, holder->lease_name);

    copy_text(error.text, sizeof(error.text), holder->revoked);
    return error;
}

void region_discard(struct region *region)
{
    struct holder *holder = region->holder;
    struct call *call = region->call;

    /* Given back on one function while it was still being mapped on another. */
    if (call && !region->live && !region->error.code)
        region->error = taken_back(holder);
    if (region->live)
        event_holder(holder, NULL, CORE_EVENT_MEMORY_RELEASED, "memory released");
    record_remove(holder->core, &region->record);
    holder->core->undo_count -= region->undo;
    count(region, false);
    tdelete(region, &holder->lease->regions, region_compare);
    LIST_REMOVE(region, holder_link);
    LIST_REMOVE(region, iova_link);
    holder_wake(holder);
    if (call)
        call_refuse(call, &region->error);
    free(region);
}

/* ---- unmapping ---- */

static void unmap_done(void *user, const struct hw_result *result)
{
    struct mapping *mapping = user;
    struct region *region = mapping->region;
    struct function *function = region->holder->lease->parts[mapping->part];
    struct core *core = region->holder->core;

    core_enter(core);
    region->busy &= ~(1u << mapping->part);
    function->pending--;
    if (result->error) {
        /* What is mapped now is unknown; closing the function settles it. */
        function_fail(function, result->reason[0] ? result->reason : "memory could not be unmapped");
    } else {
        region->mapped &= ~(1u << mapping->part);
        function->mapping_count--;
    }
    function_wake(function);
    region_reclaim(region);
    core_leave(core);
}

void region_reclaim(struct region *region)
{
    struct lease *lease = region->holder->lease;
    struct hw_backend *backend = lease->core->backend;

    if (!LIST_EMPTY(&region->pairs))
        return;
    if (!region->dying) {
        region->dying = true;
        record_region(region);
    }
    for (unsigned part = 0; part < lease->part_count; part++) {
        struct function *function = lease->parts[part];
        unsigned bit = 1u << part;
        if (!(region->mapped & bit) || (region->busy & bit) || function->failed || !function->handle)
            continue;
        region->busy |= bit;
        function->pending++;
        backend->unmap(function->handle, region->iova, region->bytes, region->undo, unmap_done,
                       &region->mappings[part]);
    }
    if (!region->mapped && !region->busy)
        region_discard(region);
}

void region_forget_part(struct region *region, unsigned part)
{
    unsigned bit = 1u << part;

    if (!(region->mapped & bit))
        return;
    region->mapped &= ~bit;
    record_region(region);
    region->holder->lease->parts[part]->mapping_count--;
    holder_wake(region->holder);
    if (region->dying)
        region_reclaim(region);
}

/* ---- mapping ---- */

static void answer_registered(const struct region *region, struct call *call)
{
    call->result.region.id = region->id;
    call->result.region.iova = region->iova;
    call_finish(call);
}

static void mapped_everywhere(struct region *region)
{
    struct holder *holder = region->holder;
    struct call *call = region->call;

    if (holder->ending && !region->error.code)
        region->error = taken_back(holder);
    if (region->error.code) {
        region_reclaim(region);
        return;
    }
    region->live = true;
    record_region(region);
    region->call = NULL;
    answer_registered(region, call);
    event_holder(holder, NULL, CORE_EVENT_MEMORY_REGISTERED, "memory registered");
}

static void map_done(void *user, const struct hw_result *result)
{
    struct mapping *mapping = user;
    struct region *region = mapping->region;
    struct function *function = region->holder->lease->parts[mapping->part];
    struct core *core = region->holder->core;
    unsigned bit = 1u << mapping->part;

    core_enter(core);
    region->busy &= ~bit;
    function->pending--;
    if (!result->error) {
        region->mapped |= bit;
    } else {
        region->error = error_result(result, "mapping memory");
        if (result->error == -ETIMEDOUT) {
            /* It may still come to be mapped, so it counts as mapped until the function is closed. */
            region->mapped |= bit;
            function_fail(function, region->error.text);
        } else {
            function->mapping_count--;
        }
    }
    function_wake(function);
    if (!region->busy)
        mapped_everywhere(region);
    core_leave(core);
}

/* The region that this very call made when an earlier homid carried it out. */
static struct region *registered_before(const struct holder *holder)
{
    struct region *region;

    LIST_FOREACH (region, &holder->regions, holder_link) {
        if (holder->core->caller.resumed && region->serial == holder->core->caller.serial && region->live &&
            !region->dying)
            return region;
    }
    return NULL;
}

static uint64_t alignment_of(const struct lease *lease, uint64_t page_bytes, uint64_t bytes)
{
    uint64_t alignment =
        bytes >= LARGE_PAGE_BYTES && page_bytes < LARGE_PAGE_BYTES ? LARGE_PAGE_BYTES : page_bytes;

    for (unsigned i = 0; i < lease->part_count; i++) {
        if (lease->parts[i]->info.page_bytes > alignment)
            alignment = lease->parts[i]->info.page_bytes;
    }
    return alignment;
}

struct region *region_make(struct holder *holder, uint32_t id, uint64_t bytes, uint64_t iova)
{
    struct lease *lease = holder->lease;
    struct region *region = calloc(1, sizeof(*region) + lease->part_count * sizeof(region->mappings[0]));

    if (!region)
        return NULL;
    region->id = id;
    region->record = RECORD_NONE;
    if (!tsearch(region, &lease->regions, region_compare)) {
        free(region);
        return NULL;
    }
    if (id > lease->region_id)
        lease->region_id = id;
    region->holder = holder;
    region->bytes = bytes;
    region->iova = iova;
    LIST_INSERT_HEAD(&holder->regions, region, holder_link);
    iova_insert(lease, region);
    count(region, true);
    return region;
}

static struct region *region_new(struct holder *holder, uint64_t bytes, uint64_t iova)
{
    struct lease *lease = holder->lease;
    uint32_t id = lease->region_id;
    struct region *region;

    do
        id++;
    while (id == 0 || region_find(lease, id));
    region = region_make(holder, id, bytes, iova);
    if (region && record_region_new(region) < 0) {
        region_discard(region);
        return NULL;
    }
    return region;
}

static void map_everywhere(struct region *region, int memfd, uint64_t offset)
{
    struct lease *lease = region->holder->lease;

    for (unsigned part = 0; part < lease->part_count; part++) {
        struct function *function = lease->parts[part];
        region->mappings[part] = (struct mapping){region, part};
        region->busy |= 1u << part;
        function->pending++;
        function->mapping_count++;
        lease->core->backend->map(function->handle, memfd, offset, region->bytes, region->iova, map_done,
                                  &region->mappings[part]);
    }
}

static bool check_range(uint64_t offset, uint64_t bytes, uint64_t page_bytes, struct core_error *error)
{
    if (page_bytes < PAGE_BYTES_MIN || (page_bytes & (page_bytes - 1))) {
        *error = error_errno(-EINVAL, "page size of the memory");
        return false;
    }
    if (bytes == 0 || bytes > CORE_REGION_BYTES_MAX || bytes % page_bytes) {
        *error = error_refusal(CORE_REFUSED_VALUE, "lengthBytes");
        error->minimum = (int64_t)page_bytes;
        error->limit = (int64_t)CORE_REGION_BYTES_MAX;
        return false;
    }
    if (offset % page_bytes || offset > INT64_MAX - bytes) {
        *error = error_refusal(CORE_REFUSED_VALUE, "offsetBytes");
        error->limit = (int64_t)(INT64_MAX - bytes);
        return false;
    }
    return true;
}

static int reserve(struct holder *holder, uint64_t offset, uint64_t bytes, uint64_t page_bytes,
                   struct region **ret_region, struct core_error *error)
{
    uint64_t iova;

    for (unsigned part = 0; part < holder->lease->part_count; part++) {
        const struct function *function = holder->lease->parts[part];
        /* A reset does not concern what is mapped. */
        if (!(function->suspended && function->handle) && !holder_function(holder, function->name, error))
            return error->code;
    }
    if (!check_range(offset, bytes, page_bytes, error) ||
        quota_exceeded(holder->tenant, CORE_QUOTA_REGIONS, 1, error) ||
        quota_exceeded(holder->tenant, CORE_QUOTA_MEMORY_BYTES, bytes, error))
        return error->code;
    /* Large alignment only saves IOMMU entries, so a lease without room for it does without. */
    if (iova_find(holder->lease, bytes, alignment_of(holder->lease, page_bytes, bytes), &iova) &&
        iova_find(holder->lease, bytes, alignment_of(holder->lease, page_bytes, 0), &iova)) {
        *error = error_errno(-ENOSPC, "finding an I/O virtual address for the memory");
        return error->code;
    }
    *ret_region = region_new(holder, bytes, iova);
    if (!*ret_region)
        *error = error_no_memory;
    return error->code;
}

void core_register_memory(struct core_client *client, const char *lease, int memfd, uint64_t offset,
                          uint64_t bytes, uint64_t page_bytes, core_region_done done, void *user)
{
    struct core *core = client->core;
    struct core_error error = {0};
    struct region *region = NULL;
    struct holder *holder;
    struct call *call;

    core_enter(core);
    call = call_new(core, client, CALL_REGION, user);
    if (!call) {
        done(user, &error_no_memory, 0, 0);
        core_leave(core);
        return;
    }
    call->done.region = done;
    holder = holder_find(client, lease, &error);
    region = holder ? registered_before(holder) : NULL;
    if (region) {
        answer_registered(region, call);
    } else if (!holder || reserve(holder, offset, bytes, page_bytes, &region, &error)) {
        call_refuse(call, &error);
    } else {
        region->call = call;
        map_everywhere(region, memfd, offset);
    }
    core_leave(core);
}

/* An earlier homid began it: whether that is all there is to it. */
static bool resume_unregister(struct region *region, struct call *call)
{
    if (region && (!region->dying || region->call))
        return false;
    if (region)
        region->call = call;
    else
        call_finish(call);
    return true;
}

void core_unregister_memory(struct core_client *client, const char *lease, int64_t id, core_done done,
                            void *user)
{
    struct core *core = client->core;
    struct core_error error = {0};
    struct region *region = NULL;
    struct holder *holder;
    struct call *call;

    core_enter(core);
    call = call_new(core, client, CALL_PLAIN, user);
    if (!call) {
        done(user, &error_no_memory);
        core_leave(core);
        return;
    }
    call->done.plain = done;
    holder = holder_find(client, lease, &error);
    if (holder) {
        region = region_find(holder->lease, id);
        if (core->caller.begun && resume_unregister(region, call)) {
            core_leave(core);
            return;
        }
        if (!region || region->holder != holder || !region->live || region->dying) {
            error = error_refusal(CORE_REFUSED_UNKNOWN_REGION, NULL);
            error.value = id;
        } else if (region->pair_count) {
            error = error_refusal(CORE_REFUSED_REGION_BUSY, NULL);
            error.value = id;
            error.limit = region->pair_count;
        }
    }
    if (error.code) {
        call_refuse(call, &error);
    } else {
        caller_begins(core);
        region->call = call;
        region_reclaim(region);
    }
    core_leave(core);
}
