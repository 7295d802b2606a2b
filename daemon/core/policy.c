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
    return 0;
}

static int build_rules(const struct policy *policy, const struct core_config *config, bool groups,
                       struct id_rule **ret_rules, size_t *ret_count)
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
            rules[at++] = (struct id_rule){groups ? tenant->gids[n] : tenant->uids[n], policy->tenants[i]};
    }
    qsort(rules, total, sizeof(*rules), compare_rules);
    *ret_rules = rules;
    *ret_count = total;
    return 0;
}

/* ---- building, and building anew ---- */

static bool has_tenant(const struct policy *policy, const struct tenant *tenant)
{
    for (size_t i = 0; i < policy->count; i++) {
        if (policy->tenants[i] == tenant)
            return true;
    }
    return false;
}

static bool holds_something(const struct core *core, const struct tenant *tenant)
{
    const struct core_client *client;
    const struct holder *holder;

    if (!TAILQ_EMPTY(&tenant->leases) || tenant->waiting || tenant->connections)
        return true;
    LIST_FOREACH (client, &core->clients, link) {
        TAILQ_FOREACH (holder, &client->holders, client_link) {
            if (holder->tenant == tenant)
                return true;
        }
    }
    return false;
}

static struct tenant *tenant_new(const char *name)
{
    struct tenant *tenant = calloc(1, sizeof(*tenant));

    if (!tenant)
        return NULL;
    tenant->name = name;
    TAILQ_INIT(&tenant->leases);
    return tenant;
}

static struct tenant *find_tenant(const struct core *core, const char *name)
{
    for (size_t i = 0; i < core->policy.count; i++) {
        if (strcmp(core->policy.tenants[i]->name, name) == 0)
            return core->policy.tenants[i];
    }
    return NULL;
}

/* By configured name: the object's own name may still be that of the configuration before, with the same
 * text. */
static int add_tenant(struct core *core, struct policy *policy, const char *name)
{
    struct tenant *tenant = find_tenant(core, name);

    if (!tenant)
        tenant = tenant_new(name);
    if (!tenant)
        return -ENOMEM;
    policy->tenants[policy->count++] = tenant;
    return tsearch(tenant, &policy->by_name, named_compare) ? 0 : -ENOMEM;
}

int policy_build(struct core *core, const struct core_config *config, struct policy *ret_policy)
{
    struct policy policy = {0};
    int error = 0;

    policy.tenants = calloc(config->tenant_count + core->policy.count + 1, sizeof(struct tenant *));
    if (!policy.tenants)
        return -ENOMEM;
    for (size_t i = 0; i < config->tenant_count && !error; i++)
        error = add_tenant(core, &policy, config->tenants[i].name);
    policy.configured = policy.count;
    if (!error)
        error = build_rules(&policy, config, false, &policy.users, &policy.user_count);
    if (!error)
        error = build_rules(&policy, config, true, &policy.groups, &policy.group_count);
    if (error) {
        policy_clear(core, &policy);
        return error;
    }
    *ret_policy = policy;
    return 0;
}

void policy_clear(struct core *core, struct policy *policy)
{
    bool current = policy == &core->policy;

    while (policy->by_name)
        tdelete(*(void **)policy->by_name, &policy->by_name, named_compare);
    for (size_t i = 0; i < policy->count; i++) {
        if (current || !has_tenant(&core->policy, policy->tenants[i]))
            free(policy->tenants[i]);
    }
    free(policy->tenants);
    free(policy->users);
    free(policy->groups);
    *policy = (struct policy){0};
}

/* Who is not in the new configuration keeps what it holds, and may have nothing more. */
static void remove_tenant(struct tenant *tenant)
{
    copy_text(tenant->removed_name, sizeof(tenant->removed_name), tenant->name);
    tenant->removed = (struct core_tenant_config){.name = tenant->removed_name};
    tenant->config = &tenant->removed;
    tenant->name = tenant->removed_name;
}

static void adopt(struct core *core, const struct core_config *config, struct policy *policy)
{
    struct policy before = core->policy;

    while (before.by_name)
        tdelete(*(void **)before.by_name, &before.by_name, named_compare);
    for (size_t i = 0; i < before.count; i++) {
        struct tenant *tenant = before.tenants[i];
        if (has_tenant(policy, tenant))
            continue;
        if (holds_something(core, tenant)) {
            remove_tenant(tenant);
            policy->tenants[policy->count++] = tenant;
        } else {
            free(tenant);
        }
    }
    for (size_t i = 0; i < policy->configured; i++) {
        policy->tenants[i]->config = &config->tenants[i];
        policy->tenants[i]->name = config->tenants[i].name;
    }
    free(before.tenants);
    free(before.users);
    free(before.groups);
    core->policy = *policy;
}

static bool same_devices(const struct core_config *one, const struct core_config *other)
{
    if (one->device_count != other->device_count)
        return false;
    for (size_t i = 0; i < one->device_count; i++) {
        if (strcmp(one->devices[i].name, other->devices[i].name) != 0)
            return false;
    }
    return true;
}

/* What each client may act for by the policy: in the order of the clients, to be put in place at once. */
static int judge_clients(const struct core *core, const struct policy *policy, struct tenant ***tenants,
                         size_t *counts)
{
    const struct core_client *client;
    size_t i = 0;
    int error = 0;

    LIST_FOREACH (client, &core->clients, link) {
        if (!error && !client->lease[0])
            error = policy_tenants(policy, &client->peer, &tenants[i], &counts[i]);
        i++;
    }
    return error;
}

static size_t client_count(const struct core *core)
{
    const struct core_client *client;
    size_t count = 0;

    LIST_FOREACH (client, &core->clients, link)
        count++;
    return count;
}

static void replace(struct core *core, const struct core_config *config, struct policy *policy,
                    struct tenant ***tenants, const size_t *counts)
{
    struct core_client *client;
    size_t i = 0;

    waiters_count(core, -1);
    adopt(core, config, policy);
    core->config = config;
    for (size_t n = 0; n < config->device_count; n++) {
        core->devices[n].config = &config->devices[n];
        core->devices[n].name = config->devices[n].name;
        scrub_reconfigured(&core->devices[n]);
    }
    LIST_FOREACH (client, &core->clients, link) {
        struct tenant **old = client->tenants;
        if (client->lease[0]) { /* its lease's tenant, whatever becomes of that */
            i++;
            continue;
        }
        client->tenants = tenants[i];
        client->tenant_count = counts[i];
        tenants[i++] = old;
    }
    waiters_count(core, 1);
    waiters_check(core);
}

int core_reconfigure(struct core *core, const struct core_config *config)
{
    size_t count = client_count(core);
    struct tenant ***tenants = calloc(count + 1, sizeof(struct tenant **));
    size_t *counts = calloc(count + 1, sizeof(*counts));
    struct policy policy = {0};
    int error = tenants && counts ? 0 : -ENOMEM;

    core_enter(core);
    if (!error && !same_devices(core->config, config))
        error = -EINVAL;
    if (!error)
        error = policy_build(core, config, &policy);
    if (!error) {
        error = judge_clients(core, &policy, tenants, counts);
        if (error)
            policy_clear(core, &policy);
        else
            replace(core, config, &policy, tenants, counts);
    }
    for (size_t i = 0; tenants && i < count; i++)
        free(tenants[i]);
    free(tenants);
    free(counts);
    core->changed = true;
    core_serve(core);
    core_leave(core);
    return error;
}

int policy_init(struct core *core)
{
    struct policy policy;
    int error = policy_build(core, core->config, &policy);

    if (!error)
        adopt(core, core->config, &policy);
    return error;
}

void policy_fini(struct core *core)
{
    policy_clear(core, &core->policy);
}

struct matches {
    struct tenant **tenants;
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
            struct tenant **grown = reallocarray(matches->tenants, capacity, sizeof(*grown));
            if (!grown)
                return -ENOMEM;
            matches->tenants = grown;
            matches->capacity = capacity;
        }
        matches->tenants[matches->count++] = rules[low].tenant;
    }
    return 0;
}

/* A tenant is found once for each rule that matches. */
static void keep_unique(struct matches *matches)
{
    size_t kept = 0;

    for (size_t i = 0; i < matches->count; i++) {
        bool known = false;
        for (size_t n = 0; n < kept && !known; n++)
            known = matches->tenants[n] == matches->tenants[i];
        if (!known)
            matches->tenants[kept++] = matches->tenants[i];
    }
    matches->count = kept;
}

int policy_tenants(const struct policy *policy, const struct core_peer *peer, struct tenant ***ret_tenants,
                   size_t *ret_count)
{
    struct matches matches = {0};
    int error = match(policy->users, policy->user_count, peer->uid, &matches);

    if (!error)
        error = match(policy->groups, policy->group_count, peer->gid, &matches);
    for (size_t i = 0; !error && i < peer->group_count; i++)
        error = match(policy->groups, policy->group_count, peer->groups[i], &matches);
    if (error) {
        free(matches.tenants);
        return error;
    }
    keep_unique(&matches);
    *ret_tenants = matches.tenants;
    *ret_count = matches.count;
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
    tenant = named_find(&client->core->policy.by_name, name);
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
