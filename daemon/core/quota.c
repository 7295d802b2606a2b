/* SPDX-License-Identifier: BSD-3-Clause */
/* What a tenant may have of each kind, and whether more would be too much. */
#include "daemon/core/internal.h"

static uint64_t limit_of(const struct tenant *tenant, enum core_quota quota)
{
    const struct core_tenant_config *config = tenant->config;

    switch (quota) {
    case CORE_QUOTA_FUNCTIONS: return config->functions_max;
    case CORE_QUOTA_QUEUE_PAIRS: return config->queue_pairs_max;
    case CORE_QUOTA_MEMORY_BYTES: return config->memory_bytes_max;
    case CORE_QUOTA_CONNECTIONS: return config->connections_max;
    case CORE_QUOTA_REGIONS: return config->regions_max;
    case CORE_QUOTA_WAITING: return config->waiting_max;
    case CORE_QUOTA_QUEUE_PAIRS_PER_SECOND: return config->queue_pairs_per_second;
    }
    return 0;
}

static uint64_t used_of(const struct tenant *tenant, enum core_quota quota)
{
    switch (quota) {
    case CORE_QUOTA_FUNCTIONS: return tenant->functions;
    case CORE_QUOTA_QUEUE_PAIRS: return tenant->queue_pairs;
    case CORE_QUOTA_MEMORY_BYTES: return tenant->memory_bytes;
    case CORE_QUOTA_CONNECTIONS: return tenant->connections;
    case CORE_QUOTA_REGIONS: return tenant->regions;
    case CORE_QUOTA_WAITING: return tenant->waiting;
    case CORE_QUOTA_QUEUE_PAIRS_PER_SECOND: return tenant->config->queue_pairs_per_second;
    }
    return 0;
}

bool quota_exceeded(const struct tenant *tenant, enum core_quota quota, uint64_t more,
                    struct core_error *error)
{
    uint64_t limit = limit_of(tenant, quota), used = used_of(tenant, quota);

    if (used <= limit && more <= limit - used)
        return false;
    *error = (struct core_error){.code = CORE_REFUSED_QUOTA, .quota = quota};
    error->limit = limit > INT64_MAX ? INT64_MAX : (int64_t)limit;
    error->value = used > INT64_MAX ? INT64_MAX : (int64_t)used;
    return true;
}

/*
 * A bucket that fills at the tenant's rate and holds a second's worth: each creation is two commands on an
 * admin queue and as many log lines, also when the queue is deleted at once.
 */
bool quota_too_fast(struct tenant *tenant, uint64_t now, struct core_error *error)
{
    uint64_t rate = tenant->config->queue_pairs_per_second, full = rate * 1000;
    uint64_t elapsed = now - tenant->creations_at;

    if (rate == 0)
        return false;
    /* A full second fills it from empty, and longer would only overflow. */
    if (elapsed >= 1000 || tenant->creations + elapsed * rate > full)
        tenant->creations = full;
    else
        tenant->creations += elapsed * rate;
    tenant->creations_at = now;
    if (tenant->creations < 1000)
        return quota_exceeded(tenant, CORE_QUOTA_QUEUE_PAIRS_PER_SECOND, 1, error);
    tenant->creations -= 1000;
    return false;
}

/* A connection counts once for a tenant, however many leases it holds or waits for. */
bool quota_client_counted(const struct core_client *client, const struct tenant *tenant)
{
    const struct holder *holder;
    const struct waiter *waiter;

    TAILQ_FOREACH (holder, &client->holders, client_link) {
        if (holder->tenant == tenant && holder->lease)
            return true;
    }
    TAILQ_FOREACH (waiter, &client->waiters, client_link) {
        if (waiter->tenant == tenant)
            return true;
    }
    return false;
}

void quota_connection_added(struct core_client *client, struct tenant *tenant)
{
    if (quota_client_counted(client, tenant))
        return;
    tenant->connections++;
    client->core->connection_count++;
}

void quota_connection_removed(struct core_client *client, struct tenant *tenant)
{
    if (!client || quota_client_counted(client, tenant))
        return;
    tenant->connections--;
    client->core->connection_count--;
}
