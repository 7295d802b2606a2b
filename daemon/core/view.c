/* SPDX-License-Identifier: BSD-3-Clause */
/* Views: what is, for status and lists. Nothing here changes anything. */
#include <stdlib.h>

#include "daemon/core/internal.h"

static const struct hw_verdict *verdict_of(const struct function *function)
{
    return function->verdict.reason[0] ? &function->verdict : NULL;
}

/* What is known to be bad comes before what is not known. */
static const struct hw_verdict *worse(const struct hw_verdict *one, const struct hw_verdict *other)
{
    static const int rank[] = {[HW_TRUSTED_ONLY] = 0, [HW_CONFINEMENT_UNKNOWN] = 1, [HW_CONFINED] = 2};

    if (!one || !other)
        return one ? one : other;
    return rank[other->confinement] < rank[one->confinement] ? other : one;
}

static void device_view(const struct device *device, struct core_device_view *view)
{
    *view = (struct core_device_view){
        .config = device->config,
        .info = device->probed ? &device->info : NULL,
        .state = device_state(device),
        .reason = device_reason(device),
        .functions_ready = device->in_state[FS_READY],
        .functions_leased = device->leased,
    };
    for (unsigned i = 0; i < device->config->functions; i++)
        view->verdict = worse(view->verdict, verdict_of(&device->functions[i]));
}

void core_each_device(struct core *core, void (*each)(void *user, const struct core_device_view *view),
                      void *user)
{
    for (size_t i = 0; i < core->config->device_count; i++) {
        struct core_device_view view;
        device_view(&core->devices[i], &view);
        each(user, &view);
    }
}

static struct core_function_view function_view(const struct function *function)
{
    return (struct core_function_view){
        .name = function->name,
        .device = function->device->name,
        .state = function_shown(function, function->state),
        .reason = function->reason[0] ? function->reason : NULL,
        .lease = function->lease ? function->lease->name : NULL,
        .tenant = function->lease ? function->lease->tenant->name : NULL,
        .index = function->index,
        .controller_id = function->controller_id,
        .iommu_group = function->iommu_group,
        .queue_pairs = function->queue_pairs,
        .queue_pairs_used = function->pair_count,
        .interrupts = function->interrupts,
        .verdict = verdict_of(function),
    };
}

void core_each_function(struct core *core, void (*each)(void *user, const struct core_function_view *view),
                        void *user)
{
    for (size_t i = 0; i < core->config->device_count; i++) {
        const struct device *device = &core->devices[i];
        for (unsigned n = 0; n < device->config->functions; n++) {
            struct core_function_view view = function_view(&device->functions[n]);
            each(user, &view);
        }
    }
}

static size_t lease_namespaces(const struct lease *lease, uint32_t *ids, size_t capacity)
{
    size_t count = 0;

    for (unsigned part = 0; part < lease->part_count; part++) {
        const struct function *function = lease->parts[part];
        for (size_t i = 0; function && i < function->attachment_count && count < capacity; i++) {
            uint32_t id = function->attachments[i].space->info.id;
            bool known = false;
            for (size_t n = 0; n < count; n++)
                known = known || ids[n] == id;
            if (!known)
                ids[count++] = id;
        }
    }
    return count;
}

static const char *lease_state_name(enum lease_state state)
{
    switch (state) {
    case LEASE_GRANTING: return "granting";
    case LEASE_ACTIVE: return "active";
    case LEASE_CYCLING: return "cleaning";
    case LEASE_ENDING: return "ending";
    }
    return "ending";
}

static void lease_view(struct core *core, const struct lease *lease, struct core_holder_view *holders,
                       void (*each)(void *user, const struct core_lease_view *view), void *user)
{
    uint32_t namespaces[PARTS_MAX * CORE_LEASE_NAMESPACES_MAX];
    const char *functions[PARTS_MAX], *nodes[PARTS_MAX * HW_NODES_MAX];
    const struct holder *holder;
    struct core_lease_view view = {
        .name = lease->name,
        .tenant = lease->tenant->name,
        .kind = lease_kind_name(lease->kind),
        .state = lease_state_name(lease->state),
        .user = lease->kind == CORE_LEASE_QUEUES ? -1 : (int64_t)lease->user,
        .keeper = lease->keeper,
        .nodes = nodes,
        .reserved = lease->reserved,
        .functions = functions,
        .namespaces = namespaces,
        .holders = holders,
        .age_milliseconds = core_now(core) - lease->since,
        .ends_in_milliseconds = -1,
    };

    for (unsigned part = 0; part < lease->part_count; part++) {
        const struct function *function = lease->parts[part];
        if (!function)
            continue;
        functions[view.function_count++] = function->name;
        for (unsigned i = 0; function->nodes && i < function->nodes->count; i++)
            nodes[view.node_count++] = function->nodes->paths[i];
        if (lease->state == LEASE_ENDING && function->reason[0])
            view.reason = function->reason;
        view.queue_pairs += lease_queue_pairs(lease, function);
        view.queue_pairs_used += function->pair_count;
    }
    if (lease->ends_at != UINT64_MAX)
        view.ends_in_milliseconds =
            lease->ends_at > core_now(core) ? (int64_t)(lease->ends_at - core_now(core)) : 0;
    view.namespace_count = lease_namespaces(lease, namespaces, sizeof(namespaces) / sizeof(namespaces[0]));
    TAILQ_FOREACH (holder, &lease->holders, lease_link) {
        view.memory_bytes += holder->memory_bytes;
        if (!holder->client)
            continue;
        holders[view.holder_count++] = (struct core_holder_view){
            .pid = holder->client->pid,
            .uid = holder->client->uid,
            .queue_pairs = holder->pair_count,
            .regions = holder->region_count,
            .memory_bytes = holder->memory_bytes,
        };
    }
    each(user, &view);
}

void core_each_lease(struct core *core, void (*each)(void *user, const struct core_lease_view *view),
                     void *user)
{
    const struct lease *lease;
    const struct holder *holder;
    struct core_holder_view *holders;
    size_t most = 1;

    TAILQ_FOREACH (lease, &core->leases, link) {
        size_t count = 0;
        TAILQ_FOREACH (holder, &lease->holders, lease_link)
            count++;
        if (count > most)
            most = count;
    }
    holders = calloc(most, sizeof(*holders));
    if (!holders)
        return;
    TAILQ_FOREACH (lease, &core->leases, link)
        lease_view(core, lease, holders, each, user);
    free(holders);
}

/* Whoever rings its doorbells itself is seen by nobody. */
static void count_commands(const struct holder *holder, const struct queue_pair *pair,
                           struct core_queue_view *view)
{
    const struct hw_page *page = holder->pages[pair->function->part];
    struct hw_page_queue queue;

    if (!page)
        return;
    holder->core->backend->page_queue(page, pair->id, &queue);
    view->counted = true;
    view->commands = queue.commands;
}

void core_each_queue(struct core *core, void (*each)(void *user, const struct core_queue_view *view),
                     void *user)
{
    const struct lease *lease;
    const struct holder *holder;
    const struct queue_pair *pair;

    TAILQ_FOREACH (lease, &core->leases, link) {
        TAILQ_FOREACH (holder, &lease->holders, lease_link) {
            LIST_FOREACH (pair, &holder->pairs, holder_link) {
                struct core_queue_view view = {
                    .function = pair->function->name,
                    .lease = lease->name,
                    .tenant = lease->tenant->name,
                    .id = pair->id,
                    .pid = holder->client ? holder->client->pid : 0,
                    .entries = pair->entries,
                    .interrupt = pair->vector != 0,
                };
                count_commands(holder, pair, &view);
                each(user, &view);
            }
        }
    }
}

void core_each_tenant(struct core *core, void (*each)(void *user, const struct core_tenant_view *view),
                      void *user)
{
    for (size_t i = 0; i < core->policy.count; i++) {
        const struct tenant *tenant = core->policy.tenants[i];
        struct core_tenant_view view = {
            .config = tenant->config,
            .functions = tenant->functions,
            .queue_pairs = tenant->queue_pairs,
            .connections = tenant->connections,
            .regions = tenant->regions,
            .waiting = tenant->waiting,
            .memory_bytes = tenant->memory_bytes,
        };
        each(user, &view);
    }
}

void core_each_namespace(struct core *core, void (*each)(void *user, const struct core_namespace_view *view),
                         void *user)
{
    for (size_t i = 0; i < core->config->device_count; i++) {
        const struct device *device = &core->devices[i];
        for (unsigned n = 0; n < device->space_count; n++) {
            const struct space *space = device->spaces[n];
            const struct attachment *claim = LIST_FIRST(&space->claims);
            const struct function *function = claim ? claim->function : NULL;
            char scrub[HW_REASON_BYTES];
            if (space->soiled)
                scrub_describe(space, scrub, sizeof(scrub));
            struct core_namespace_view view = {
                .device = device->name,
                .info = &space->info,
                .holder = function && function->tenant ? function->tenant->name
                          : space->host                ? "host"
                          : space->soiled              ? "scrub"
                                                       : NULL,
                .lease = function && function->lease ? function->lease->name : NULL,
                .scrub = space->soiled ? scrub : NULL,
            };
            each(user, &view);
        }
    }
}

struct core_totals core_totals(const struct core *core)
{
    return (struct core_totals){
        .leases = core->lease_count,
        .queue_pairs = core->queue_pair_count,
        .connections = core->connection_count,
        .memory_bytes = core->memory_bytes,
    };
}
