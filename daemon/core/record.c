/* SPDX-License-Identifier: BSD-3-Clause */
/* Writing down what outlives homid. What must be written when, and why in that order: record.h. */
#include "daemon/core/record.h"

#include <errno.h>
#include <string.h>

static const struct core_archive *archive_of(const struct core *core)
{
    return core->listener.archive;
}

static int add(struct core *core, uint16_t kind, const void *record, size_t bytes, uint32_t *ret_number)
{
    const struct core_archive *archive = archive_of(core);

    *ret_number = RECORD_NONE;
    return archive ? archive->add(archive->user, kind, record, bytes, ret_number) : 0;
}

static void set(const struct core *core, uint32_t number, const void *record, size_t bytes)
{
    const struct core_archive *archive = archive_of(core);

    if (archive && number != RECORD_NONE)
        archive->set(archive->user, number, record, bytes);
}

void record_remove(struct core *core, uint32_t *number)
{
    const struct core_archive *archive = archive_of(core);

    if (archive && *number != RECORD_NONE)
        archive->remove(archive->user, *number);
    *number = RECORD_NONE;
}

void core_caller(struct core *core, const struct core_caller *caller)
{
    core->caller = *caller;
}

void caller_begins(struct core *core)
{
    const struct core_archive *archive = archive_of(core);

    if (archive && core->caller.connection)
        archive->begun(archive->user, core->caller.connection);
}

/* ---- what a holder has ---- */

static struct record_region describe_region(const struct region *region)
{
    return (struct record_region){.iova = region->iova,
                                  .bytes = region->bytes,
                                  .id = region->id,
                                  .holder = region->holder->record,
                                  .serial = region->serial,
                                  .mapped = region->mapped | region->busy,
                                  .live = region->live,
                                  .dying = region->dying};
}

int record_region_new(struct region *region)
{
    struct lease *lease = region->holder->lease;
    struct record_region record;

    region->serial = lease->core->caller.serial;
    record = describe_region(region);
    record.mapped = (1u << lease->part_count) - 1;
    return add(lease->core, CORE_RECORD_REGION, &record, sizeof(record), &region->record);
}

void record_region(const struct region *region)
{
    const struct record_region record = describe_region(region);

    set(region->holder->core, region->record, &record, sizeof(record));
}

static struct record_queue_pair describe_pair(const struct queue_pair *pair)
{
    return (struct record_queue_pair){.submission_offset = pair->submission_offset,
                                      .completion_offset = pair->completion_offset,
                                      .holder = pair->holder->record,
                                      .region = pair->region->id,
                                      .serial = pair->serial,
                                      .entries = pair->entries,
                                      .id = pair->id,
                                      .vector = pair->vector,
                                      .part = (uint8_t)pair->function->part,
                                      .live = pair->live,
                                      .deleting = pair->deleting};
}

int record_queue_pair_new(struct queue_pair *pair)
{
    struct record_queue_pair record;

    pair->serial = pair->holder->core->caller.serial;
    record = describe_pair(pair);
    return add(pair->holder->core, CORE_RECORD_QUEUE_PAIR, &record, sizeof(record), &pair->record);
}

void record_queue_pair(const struct queue_pair *pair)
{
    const struct record_queue_pair record = describe_pair(pair);

    set(pair->holder->core, pair->record, &record, sizeof(record));
}

/* ---- holders and leases ---- */

static struct record_holder describe_holder(const struct holder *holder)
{
    struct record_holder record = {.connection = holder->client ? holder->client->connection : 0,
                                   .serial = holder->serial,
                                   .granted = holder->granted,
                                   .ending = holder->ending,
                                   .unlinked = holder->lease == NULL,
                                   .pages = (uint8_t)holder->kept};

    copy_text(record.lease, sizeof(record.lease), holder->lease_name);
    copy_text(record.tenant, sizeof(record.tenant), holder->tenant->name);
    copy_text(record.revoked, sizeof(record.revoked), holder->revoked);
    return record;
}

int record_holder_new(struct holder *holder)
{
    const struct record_holder record = describe_holder(holder);

    return add(holder->core, CORE_RECORD_HOLDER, &record, sizeof(record), &holder->record);
}

void record_holder(const struct holder *holder)
{
    const struct record_holder record = describe_holder(holder);

    set(holder->core, holder->record, &record, sizeof(record));
}

/* A lease that cannot be written down lives as long as this homid: its functions then have a lease that the
 * next one does not know, and are given back by it. */
void record_lease(struct lease *lease)
{
    struct record_lease record = {.since = lease->since,
                                  .queue_pairs = lease->queue_pairs,
                                  .connection = lease->maker.connection,
                                  .serial = lease->maker.serial,
                                  .state = (uint8_t)lease->state,
                                  .reserved = lease->reserved,
                                  .used = lease->used,
                                  .part_count = (uint8_t)lease->part_count,
                                  .user = lease->user,
                                  .keeper_pid = lease->keeper.pid,
                                  .keeper_start_time = lease->keeper.start_time,
                                  .kind = (uint8_t)lease->kind,
                                  .kill = lease->kill,
                                  .revoking = lease->revoking,
                                  .ends_at = lease->ends_at == UINT64_MAX ? 0 : lease->ends_at};

    copy_text(record.ending_reason, sizeof(record.ending_reason), lease->ending_reason);
    copy_text(record.keeper_unit, sizeof(record.keeper_unit), lease->keeper.unit);
    copy_text(record.name, sizeof(record.name), lease->name);
    copy_text(record.tenant, sizeof(record.tenant), lease->tenant->name);
    if (lease->record != RECORD_NONE)
        set(lease->core, lease->record, &record, sizeof(record));
    else
        add(lease->core, CORE_RECORD_LEASE, &record, sizeof(record), &lease->record);
}

/* ---- namespaces ---- */

/* One that cannot be written down is scrubbed once more by the next homid. */
void record_clean_space(const struct device *device, struct space *space)
{
    struct record_space record = {.id = space->info.id};

    copy_text(record.device, sizeof(record.device), device->name);
    add(device->core, CORE_RECORD_SPACE, &record, sizeof(record), &space->record);
}

/* ---- functions ---- */

static bool worth_a_record(const struct function *function)
{
    return function->handle || function->kept || function->lent || function->attachment_count ||
           function->lease || function->on_loan || function->state == FS_ADOPTING;
}

static struct record_function describe_function(const struct function *function)
{
    struct record_function record = {.iommu_group = function->iommu_group,
                                     .index = (uint16_t)function->index,
                                     .controller_id = function->controller_id,
                                     .fd_count = (uint16_t)function->kept,
                                     .part = (uint8_t)function->part,
                                     .drop = function->drop || function->wipe,
                                     .release = function->release,
                                     .lent = function->lent,
                                     .rejected = function->rejected,
                                     .secondary = function->secondary,
                                     .on_loan = function->on_loan,
                                     .suspended = function->suspended,
                                     .lost = function->lost,
                                     .exiled = function->exiled,
                                     .verdict = function->verdict,
                                     .bound = function->bound,
                                     .manages_functions = function->device->info.virtualization_management,
                                     .manages_namespaces = function->device->info.namespace_management,
                                     .attachment_count = (uint8_t)function->attachment_count};

    copy_text(record.device, sizeof(record.device), function->device->name);
    copy_text(record.name, sizeof(record.name), function->name);
    copy_text(record.tenant, sizeof(record.tenant), function->tenant ? function->tenant->name : NULL);
    copy_text(record.lease, sizeof(record.lease), function->lease ? function->lease->name : NULL);
    copy_text(record.reason, sizeof(record.reason), function->reason);
    for (size_t i = 0; i < function->attachment_count; i++) {
        record.attachments[i].id = function->attachments[i].space->info.id;
        record.attachments[i].shared = function->attachments[i].shared;
        record.attachments[i].attached = function->attachments[i].attached;
    }
    return record;
}

void record_function(struct function *function)
{
    struct core *core = function->device->core;
    struct record_function record;

    if (!archive_of(core))
        return;
    if (!worth_a_record(function)) {
        record_remove(core, &function->record);
        return;
    }
    record = describe_function(function);
    if (function->record != RECORD_NONE)
        set(core, function->record, &record, sizeof(record));
    else
        add(core, CORE_RECORD_FUNCTION, &record, sizeof(record), &function->record);
}

void record_function_opened(struct function *function)
{
    struct core *core = function->device->core;
    const struct core_archive *archive = archive_of(core);
    int fds[HW_KEPT_FDS_MAX];

    record_function(function);
    if (!archive || function->record == RECORD_NONE)
        return;
    size_t count = core->backend->kept_fds(function->handle, fds);
    if (archive->keep(archive->user, function->record, fds, count) < 0)
        return; /* it ends with this homid; the next one opens it again */
    function->kept = count;
    record_function(function);
}

static void let_go(void *user)
{
    struct function *function = user;
    struct core *core = function->device->core;

    core_enter(core);
    if (function->handle)
        core->backend->close(function->handle, function->closing, function);
    else
        function->closing(function, &(struct hw_result){0});
    core_leave(core);
}

void record_function_close(struct function *function, hw_done done)
{
    struct core *core = function->device->core;
    const struct core_archive *archive = archive_of(core);
    size_t count = function->kept;
    uint32_t number = function->record;

    if (!archive || !count) {
        core->backend->close(function->handle, done, function);
        return;
    }
    function->kept = 0;
    function->closing = done;
    record_function(function);
    archive->let_go(archive->user, number, count, let_go, function);
}
