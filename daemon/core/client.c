/* SPDX-License-Identifier: BSD-3-Clause */
/* Connected processes: who they may act for, and what becomes of their part when they go. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/core/internal.h"

void client_find_lease(struct core_client *client)
{
    const struct lease *lease = client->lease[0] ? lease_find(client->core, client->lease) : NULL;

    if (!lease || client->tenant_count)
        return;
    client->tenants[0] = lease->tenant;
    client->tenant_count = 1;
}

/* Who the process is does not matter to one that came by a lease's socket. */
static int bind_to_lease(struct core_client *client, const char *lease)
{
    copy_text(client->lease, sizeof(client->lease), lease);
    client->tenants = calloc(1, sizeof(struct tenant *));
    if (!client->tenants)
        return -ENOMEM;
    client_find_lease(client);
    return 0;
}

/* Kept, so that another configuration can judge it again. */
static int copy_peer(struct core_client *client, const struct core_peer *peer)
{
    client->groups = calloc(peer->group_count + 1, sizeof(*client->groups));
    if (!client->groups)
        return -ENOMEM;
    if (peer->group_count)
        memcpy(client->groups, peer->groups, peer->group_count * sizeof(*client->groups));
    client->peer = *peer;
    client->peer.groups = client->groups;
    client->peer.lease = NULL;
    return 0;
}

int core_client_new(struct core *core, const struct core_peer *peer, void *user,
                    struct core_client **ret_client)
{
    struct core_client *client = calloc(1, sizeof(*client));
    int error;

    if (!client)
        return -ENOMEM;
    client->core = core;
    client->user = user;
    client->pid = peer->pid;
    client->uid = peer->uid;
    client->connection = peer->connection;
    TAILQ_INIT(&client->holders);
    TAILQ_INIT(&client->waiters);
    error = copy_peer(client, peer);
    if (!error)
        error = peer->lease
                    ? bind_to_lease(client, peer->lease)
                    : policy_tenants(&core->policy, &client->peer, &client->tenants, &client->tenant_count);
    if (error) {
        free(client->groups);
        free(client);
        return error;
    }
    LIST_INSERT_HEAD(&core->clients, client, link);
    *ret_client = client;
    return 0;
}

void client_free(struct core_client *client)
{
    struct holder *holder;

    /* Of leases that were taken from it only the names are left. */
    while ((holder = TAILQ_FIRST(&client->holders)))
        holder_free(holder);
    LIST_REMOVE(client, link);
    free(client->tenants);
    free(client->groups);
    free(client);
}

void core_client_gone(struct core_client *client)
{
    struct core *core;
    struct waiter *waiter;
    struct holder *holder;
    struct call *call;

    if (!client)
        return;
    core = client->core;
    core_enter(core);
    while ((waiter = TAILQ_FIRST(&client->waiters)))
        waiter_drop(waiter);
    while ((call = LIST_FIRST(&client->calls)))
        call_drop(call);
    while ((holder = TAILQ_FIRST(&client->holders))) {
        TAILQ_REMOVE(&client->holders, holder, client_link);
        if (holder->lease)
            quota_connection_removed(client, holder->tenant);
        holder->client = NULL;
        holder_end(holder);
    }
    client_free(client);
    core_leave(core);
}

void *core_client_user(const struct core_client *client)
{
    return client->user;
}

void core_client_tenants(struct core_client *client, void (*each)(void *user, const char *name), void *user)
{
    for (size_t i = 0; i < client->tenant_count; i++)
        each(user, client->tenants[i]->name);
}

bool core_client_concerned(const struct core_client *client, const struct core_event *event)
{
    const struct tenant *tenant =
        event->tenant ? named_find(&client->core->policy.by_name, event->tenant) : NULL;

    if (client->lease[0] && (!event->lease || strcmp(event->lease, client->lease) != 0))
        return false;
    return tenant && policy_acts_for(client, tenant);
}
