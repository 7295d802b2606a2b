/* SPDX-License-Identifier: BSD-3-Clause */
/* Who may act for whom, and what each tenant may use. Looked up by sorted id, never by walking all tenants.
 */
#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/core/internal.h"

static int compare_rules(const void *a, const void *b)
{
    const struct id_rule *x = a, *y = b;

    if (x->id != y->id)
        return x->id < y->id ? -1 : 1;
    return (x->tenant > y->tenant) - (x->tenant < y->tenant);
}

static int build_rules(const struct core_config *config, bool groups, struct id_rule **ret_rules,
                       size_t *ret_count)
{
    size_t total = 0, at = 0;
    struct id_rule *rules;

    for (size_t i = 0; i < config->tenant_count; i++)
        total += groups ? config->tenants[i].gid_count : config->tenants[i].uid_count;
    rules = calloc(total ? total : 1, sizeof(*rules));
    if (!rules)
        return -ENOMEM;
    for (size_t i = 0; i < config->tenant_count; i++) {
        const struct core_tenant_config *tenant = &config->tenants[i];
        for (size_t n = 0; n < (groups ? tenant->gid_count : tenant->uid_count); n++)
            rules[at++] = (struct id_rule){groups ? tenant->gids[n] : tenant->uids[n], (unsigned)i};
    }
    qsort(rules, total, sizeof(*rules), compare_rules);
    *ret_rules = rules;
    *ret_count = total;
    return 0;
}

int policy_init(struct core *core)
{
    const struct core_config *config = core->config;
    int error;

    core->tenants = calloc(config->tenant_count ? config->tenant_count : 1, sizeof(*core->tenants));
    if (!core->tenants)
        return -ENOMEM;
    for (size_t i = 0; i < config->tenant_count; i++) {
        struct tenant *tenant = &core->tenants[i];
        tenant->config = &config->tenants[i];
        tenant->name = config->tenants[i].name;
        TAILQ_INIT(&tenant->leases);
        if (!tsearch(tenant, &core->tenants_by_name, named_compare))
            return -ENOMEM;
    }
    error = build_rules(config, false, &core->users, &core->user_count);
    return error ? error : build_rules(config, true, &core->groups, &core->group_count);
}

void policy_fini(struct core *core)
{
    while (core->tenants_by_name)
        tdelete(*(void **)core->tenants_by_name, &core->tenants_by_name, named_compare);
    free(core->tenants);
    free(core->users);
    free(core->groups);
}

struct matches {
    unsigned *tenants;
    size_t count, capacity;
};

static int match(const struct id_rule *rules, size_t count, uint32_t id, struct matches *matches)
{
    size_t low = 0, high = count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (rules[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < count && rules[low].id == id; low++) {
        if (matches->count == matches->capacity) {
            size_t capacity = matches->capacity ? 2 * matches->capacity : 4;
            unsigned *grown = reallocarray(matches->tenants, capacity, sizeof(*grown));
            if (!grown)
                return -ENOMEM;
            matches->tenants = grown;
            matches->capacity = capacity;
        }
        matches->tenants[matches->count++] = rules[low].tenant;
    }
    return 0;
}

static int compare_unsigned(const void *a, const void *b)
{
    unsigned x = *(const unsigned *)a, y = *(const unsigned *)b;

    return (x > y) - (x < y);
}

int policy_tenants(struct core *core, const struct core_peer *peer, struct tenant ***ret_tenants,
                   size_t *ret_count)
{
    struct matches matches = {0};
    struct tenant **tenants = NULL;
    size_t count = 0;
    int error = match(core->users, core->user_count, peer->uid, &matches);

    if (!error)
        error = match(core->groups, core->group_count, peer->gid, &matches);
    for (size_t i = 0; !error && i < peer->group_count; i++)
        error = match(core->groups, core->group_count, peer->groups[i], &matches);
    if (!error && matches.count) {
        qsort(matches.tenants, matches.count, sizeof(*matches.tenants), compare_unsigned);
        tenants = calloc(matches.count, sizeof(struct tenant *));
        if (!tenants)
            error = -ENOMEM;
    }
    for (size_t i = 0; !error && i < matches.count; i++) {
        if (i == 0 || matches.tenants[i] != matches.tenants[i - 1])
            tenants[count++] = &core->tenants[matches.tenants[i]];
    }
    free(matches.tenants);
    if (error)
        return error;
    *ret_tenants = tenants;
    *ret_count = count;
    return 0;
}

bool policy_acts_for(const struct core_client *client, const struct tenant *tenant)
{
    for (size_t i = 0; i < client->tenant_count; i++) {
        if (client->tenants[i] == tenant)
            return true;
    }
    return false;
}

struct tenant *policy_resolve(struct core_client *client, const char *name, struct core_error *error)
{
    struct tenant *tenant;

    if (!name) {
        if (client->tenant_count == 1)
            return client->tenants[0];
        *error = error_refusal(CORE_REFUSED_TENANT_AMBIGUOUS, NULL);
        return NULL;
    }
    tenant = named_find(&client->core->tenants_by_name, name);
    if (!tenant) {
        *error = error_refusal(CORE_REFUSED_UNKNOWN_TENANT, name);
        return NULL;
    }
    if (!policy_acts_for(client, tenant)) {
        *error = error_refusal(CORE_REFUSED_TENANT_NOT_PERMITTED, name);
        return NULL;
    }
    return tenant;
}

bool policy_device_allowed(const struct tenant *tenant, const struct device *device)
{
    for (size_t i = 0; i < tenant->config->device_count; i++) {
        if (tenant->config->devices[i] == device->index)
            return true;
    }
    return false;
}

const struct core_namespace_config *policy_namespace(const struct tenant *tenant, const struct device *device,
                                                     uint32_t id)
{
    for (size_t i = 0; i < tenant->config->namespace_count; i++) {
        const struct core_namespace_config *allowed = &tenant->config->namespaces[i];
        if (allowed->device == device->index && allowed->id == id)
            return allowed;
    }
    return NULL;
}
