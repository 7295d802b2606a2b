/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Going on from what an earlier homid wrote down. Objects are made as they were; then everything is woken,
 * and the same code that would have gone on in that homid goes on here. What fits nothing is given back.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/core/record.h"

/* A record of a newer version may be longer; an older one's lacks members, which are 0 then. */
static void read_record(void *ret_record, size_t size, const void *data, size_t bytes)
{
    memset(ret_record, 0, size);
    memcpy(ret_record, data, bytes < size ? bytes : size);
}

static void forget(struct core *core, uint32_t number)
{
    record_remove(core, &number);
}

void core_restore_begin(struct core *core, uint64_t lease_number)
{
    core_enter(core);
    core->restoring = true;
    core->lease_number = (unsigned)lease_number;
    core->caller = (struct core_caller){0};
}

/* ---- functions ---- */

static struct space *known_space(struct device *device, uint32_t id)
{
    struct space *space = device_space(device, id);

    if (space || device->space_count == HW_NAMESPACES_MAX)
        return space;
    /* The probe that follows says what it is; until then it is known by the claim on it. */
    space = calloc(1, sizeof(*space));
    if (space) {
        space->record = RECORD_NONE;
        space->soiled = scrub_wanted(device, id);
        space->info.id = id;
        device->spaces[device->space_count++] = space;
    }
    return space;
}

static void restore_attachments(struct function *function, const struct record_function *record)
{
    size_t count = record->attachment_count;

    if (count > CORE_LEASE_NAMESPACES_MAX)
        count = CORE_LEASE_NAMESPACES_MAX;
    if (count == 0)
        return;
    function->attachments = calloc(count, sizeof(*function->attachments));
    for (size_t i = 0; function->attachments && i < count; i++) {
        struct space *space = known_space(function->device, record->attachments[i].id);
        struct attachment *attachment = &function->attachments[function->attachment_count];
        if (!space)
            continue;
        attachment->function = function;
        attachment->space = space;
        attachment->shared = record->attachments[i].shared;
        attachment->attached = record->attachments[i].attached;
        LIST_INSERT_HEAD(&space->claims, attachment, claim);
        function->attachment_count++;
    }
}

static bool take_descriptors(struct function *function, uint32_t number, size_t count)
{
    const struct core_archive *archive = function->device->core->listener.archive;

    if (count == 0 || count > HW_KEPT_FDS_MAX)
        return false;
    function->fds = malloc(count * sizeof(int));
    if (function->fds && archive->take(archive->user, number, function->fds, count)) {
        function->kept = count;
        return true;
    }
    free(function->fds);
    function->fds = NULL;
    return false;
}

/* Nothing is left of it but that it was open: it is brought up like any other. */
static void close_restored(struct function *function)
{
    function->restoring = function->bound = function->drop = function->release = function->rejected = false;
    function->suspended = function->lost = function->exiled = false;
    function->lease_name[0] = '\0';
    function_attachments_free(function);
    record_function(function);
}

static void restore_function(struct core *core, uint32_t number, const struct record_function *record)
{
    struct device *device = named_find(&core->devices_by_name, record->device);
    struct function *function;

    if (!device || record->index >= device->config->functions) {
        forget(core, number);
        return;
    }
    function = &device->functions[record->index];
    function->record = number;
    function->restoring = true;
    function->bound = record->bound;
    function->verdict = record->verdict;
    device->info.virtualization_management = record->manages_functions;
    device->info.namespace_management = record->manages_namespaces;
    function->queue_pairs = device->config->queue_pairs;
    function->iommu_group = record->iommu_group;
    function->controller_id = record->controller_id;
    function->part = record->part;
    function->drop = record->drop;
    function->release = record->release;
    function->lent = record->lent;
    function->rejected = record->rejected;
    function->secondary = record->secondary;
    copy_text(function->name, sizeof(function->name), record->name);
    copy_text(function->reason, sizeof(function->reason), record->reason);
    copy_text(function->lease_name, sizeof(function->lease_name), record->lease);
    function->tenant = record->tenant[0] ? named_find(&core->policy.by_name, record->tenant) : NULL;
    restore_attachments(function, record);
    function->on_loan = record->on_loan;
    function->suspended = record->suspended;
    function->lost = record->lost;
    function->exiled = record->exiled;
    if (take_descriptors(function, number, record->fd_count))
        function_restore(function, FS_ADOPTING);
    else if (function->on_loan)
        function_restore(function, FS_LENDING);
    else if (function->bound && (function->attachment_count || function->lease_name[0] || function->lent))
        function_restore(function, FS_REOPENING);
    else
        close_restored(function);
    /* One that was closed meanwhile cannot be opened before it is provisioned. */
    if (function->suspended && function->state != FS_ADOPTING) {
        function->suspended = false;
        function->lost = true;
    }
}

/* ---- leases ---- */

static void take_parts(struct lease *lease)
{
    struct core *core = lease->core;

    for (size_t i = 0; i < core->config->device_count; i++) {
        struct device *device = &core->devices[i];
        for (unsigned n = 0; n < device->config->functions; n++) {
            struct function *function = &device->functions[n];
            if (strcmp(function->lease_name, lease->name) != 0 || function->part >= lease->part_count)
                continue;
            lease->parts[function->part] = function;
            function->lease = lease;
        }
    }
}

static void restore_lease(struct core *core, uint32_t number, const struct record_lease *record)
{
    struct tenant *tenant = named_find(&core->policy.by_name, record->tenant);
    struct lease *lease = tenant ? lease_make(core, tenant, record->name) : NULL;

    if (!lease) {
        forget(core, number);
        return;
    }
    lease->record = number;
    lease->since = record->since;
    lease->queue_pairs = record->queue_pairs;
    lease->maker = (struct core_caller){.connection = record->connection, .serial = record->serial};
    lease->state = record->state <= LEASE_ENDING ? (enum lease_state)record->state : LEASE_ENDING;
    lease->reserved = record->reserved;
    lease->used = record->used;
    lease->kind = record->kind <= CORE_LEASE_KERNEL ? (enum core_lease_kind)record->kind : CORE_LEASE_QUEUES;
    lease->user = record->user;
    lease->kill = record->kill;
    lease->keeper.pid = record->keeper_pid;
    lease->keeper.start_time = record->keeper_start_time;
    copy_text(lease->keeper.unit, sizeof(lease->keeper.unit), record->keeper_unit);
    lease->part_count = record->part_count <= PARTS_MAX ? record->part_count : PARTS_MAX;
    take_parts(lease);
    lease->revoking = record->revoking;
    copy_text(lease->ending_reason, sizeof(lease->ending_reason), record->ending_reason);
    if (lease->state != LEASE_ENDING) {
        tenant->functions += lease->part_count;
        if (record->ends_at)
            lease_ends_at(lease, record->ends_at);
    }
    lease_wake(lease);
}

/* ---- holders ---- */

static struct core_client *find_client(struct core *core, uint32_t connection)
{
    struct core_client *client;

    LIST_FOREACH (client, &core->clients, link) {
        if (connection && client->connection == connection)
            return client;
    }
    return NULL;
}

static struct holder *make_holder(struct core *core, const struct record_holder *record)
{
    struct lease *lease = lease_find(core, record->lease);
    struct tenant *tenant = named_find(&core->policy.by_name, record->tenant);
    struct core_client *client = find_client(core, record->connection);

    if (!record->unlinked && lease)
        return holder_make(lease, client);
    /* Only the name is left, for a process that is to hear why. */
    return client && tenant ? holder_remember(client, tenant, record->lease) : NULL;
}

static void restore_holder(struct core *core, uint32_t number, const struct record_holder *record)
{
    struct holder *holder = make_holder(core, record);

    if (!holder) {
        forget(core, number);
        return;
    }
    holder->record = number;
    holder->serial = record->serial;
    holder->granted = record->granted;
    if (holder->granted && holder->lease)
        holder->lease->used = true; /* recorded after that it was granted */
    holder->ending = record->ending;
    if (record->revoked[0])
        holder->revoked = strdup(record->revoked);
    else if (!holder->lease)
        holder->revoked = strdup("it ended while homid was restarted");
    pages_restore(holder, number, record->pages);
    if (holder->lease && holder->granted && !holder->fds && !holder->revoked &&
        (record->pages || !holder->tenant->config->direct)) {
        holder->revoked = strdup(record->pages ? "its doorbells were lost when homid was restarted"
                                               : "homid was restarted, and its tenant is to be relayed now");
        holder->ending = true;
    }
    if (!holder->client)
        holder->ending = true;
    holder_wake(holder);
}

static struct holder *find_holder(struct core *core, uint32_t number)
{
    struct lease *lease;
    struct holder *holder;

    TAILQ_FOREACH (lease, &core->leases, link) {
        TAILQ_FOREACH (holder, &lease->holders, lease_link) {
            if (holder->record == number)
                return holder;
        }
    }
    return NULL;
}

static bool is_adopted(const struct lease *lease, unsigned part)
{
    return part < lease->part_count && lease->parts[part] && lease->parts[part]->state == FS_ADOPTING;
}

static void restore_region(struct core *core, uint32_t number, const struct record_region *record)
{
    struct holder *holder = find_holder(core, record->holder);
    struct region *region = NULL;

    if (holder && !region_find(holder->lease, record->id))
        region = region_make(holder, record->id, record->bytes, record->iova);
    if (!region) {
        forget(core, number);
        return;
    }
    region->record = number;
    region->serial = record->serial;
    region->live = record->live;
    region->dying = record->dying;
    for (unsigned part = 0; part < holder->lease->part_count; part++) {
        region->mappings[part] = (struct mapping){region, part};
        if (!(record->mapped >> part & 1) || !is_adopted(holder->lease, part))
            continue;
        region->mapped |= 1u << part;
        holder->lease->parts[part]->mapping_count++;
    }
    region->undo = !record->live || record->dying;
    core->undo_count += region->undo;
    holder_wake(holder);
}

static void restore_pair(struct core *core, uint32_t number, const struct record_queue_pair *record)
{
    struct holder *holder = find_holder(core, record->holder);
    struct region *region = holder ? region_find(holder->lease, record->region) : NULL;
    struct function *function =
        region && is_adopted(holder->lease, record->part) ? holder->lease->parts[record->part] : NULL;
    struct queue_pair *pair = NULL;

    if (function && record->id >= 1 && record->id <= function->device->config->queue_pairs &&
        record->vector < HW_INTERRUPTS_MAX && !function->pairs[record->id])
        pair = queue_pair_make(holder, function, region, record->id, record->vector);
    if (!pair) {
        /* Whatever of it is on the device goes when the function is closed. */
        if (function)
            function->drop = true;
        forget(core, number);
        return;
    }
    pair->record = number;
    pair->serial = record->serial;
    pair->entries = record->entries;
    pair->submission_offset = record->submission_offset;
    pair->completion_offset = record->completion_offset;
    pair->live = true;
    pair->undo = !record->live || record->deleting;
    core->undo_count += pair->undo;
    holder_wake(holder);
}

static void restore_space(struct core *core, uint32_t number, const struct record_space *record)
{
    struct device *device = named_find(&core->devices_by_name, record->device);
    struct space *space = device && scrub_wanted(device, record->id) ? known_space(device, record->id) : NULL;

    if (!space) {
        forget(core, number);
        return;
    }
    space->record = number;
    space->soiled = false;
}

void core_restore_record(struct core *core, uint32_t number, uint16_t kind, const void *data, size_t bytes)
{
    union {
        struct record_function function;
        struct record_lease lease;
        struct record_holder holder;
        struct record_region region;
        struct record_queue_pair pair;
        struct record_space space;
    } record;

    read_record(&record, sizeof(record), data, bytes);
    switch (kind) {
    case CORE_RECORD_FUNCTION: restore_function(core, number, &record.function); break;
    case CORE_RECORD_LEASE: restore_lease(core, number, &record.lease); break;
    case CORE_RECORD_HOLDER: restore_holder(core, number, &record.holder); break;
    case CORE_RECORD_REGION: restore_region(core, number, &record.region); break;
    case CORE_RECORD_QUEUE_PAIR: restore_pair(core, number, &record.pair); break;
    case CORE_RECORD_SPACE: restore_space(core, number, &record.space); break;
    default: break;
    }
}

/* ---- what does not fit together ---- */

static bool is_whole(const struct lease *lease)
{
    for (unsigned part = 0; part < lease->part_count; part++) {
        if (!lease->parts[part])
            return false;
    }
    return lease->part_count > 0;
}

static void settle_lease(struct lease *lease)
{
    if (lease->state == LEASE_ENDING) {
        lease_revoke_holders(lease, "it ended while homid was restarted");
        for (unsigned part = 0; part < lease->part_count; part++) {
            if (lease->parts[part])
                function_release(lease->parts[part]);
        }
        return;
    }
    if (lease->keeper.pid || lease->keeper.unit[0]) {
        const struct core_listener *listener = &lease->core->listener;
        lease->kept = listener->keep(listener->user, lease->name, &lease->keeper) == 0;
        if (!lease->kept) {
            lease_revoke(lease, NULL, "its process or unit ended while homid was restarted", false);
            return;
        }
    }
    if (!is_whole(lease)) {
        lease_revoke(lease, NULL, "homid ended while it was made", false);
        return;
    }
    for (unsigned part = 0; part < lease->part_count; part++) {
        if (lease->state == LEASE_CYCLING)
            function_recycle(lease->parts[part]);
        /* It was being closed, or could not be kept: whoever held it has lost it. */
        if (lease->state == LEASE_ACTIVE && lease->parts[part]->state != FS_ADOPTING &&
            !lease->parts[part]->on_loan) {
            lease_revoke(lease, lease->parts[part], "a virtual function of it was closed", true);
            return;
        }
    }
}

static void settle_function(struct function *function)
{
    if (function->record != RECORD_NONE && !function->lease &&
        (function->lease_name[0] || function->attachment_count))
        function_release(function);
    function->lease_name[0] = '\0';
}

void core_restore_end(struct core *core)
{
    struct lease *lease, *next;
    struct core_client *client;

    LIST_FOREACH (client, &core->clients, link)
        client_find_lease(client);
    for (lease = TAILQ_FIRST(&core->leases); lease; lease = next) {
        next = TAILQ_NEXT(lease, link);
        settle_lease(lease);
    }
    for (size_t i = 0; i < core->config->device_count; i++) {
        for (unsigned n = 0; n < core->config->devices[i].functions; n++)
            settle_function(&core->devices[i].functions[n]);
    }
    core_leave(core);
}

bool core_restoring(const struct core *core)
{
    if (core->undo_count > 0)
        return true;
    for (size_t i = 0; core->restoring && i < core->config->device_count; i++) {
        for (unsigned n = 0; n < core->config->devices[i].functions; n++) {
            if (core->devices[i].functions[n].restoring)
                return true;
        }
    }
    return false;
}
