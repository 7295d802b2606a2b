/* SPDX-License-Identifier: BSD-3-Clause */
/* Leases that end against their holders' will, at a time: revoked by the operator, or expired. */
#include <inttypes.h>
#include <stdio.h>

#include "daemon/core/internal.h"

static bool holds_another(const struct core_client *client, const struct lease *lease)
{
    const struct holder *holder;

    TAILQ_FOREACH (holder, &client->holders, client_link) {
        if (holder->lease && holder->lease != lease && holder->lease->state != LEASE_ENDING &&
            !holder->ending)
            return true;
    }
    return false;
}

/* Who holds nothing else has no use for its connection any more, and learns of it at once. */
static void expel_holders(struct lease *lease)
{
    struct holder *holder;

    TAILQ_FOREACH (holder, &lease->holders, lease_link) {
        struct core_client *client = holder->client;
        if (!client || holder->ending || (!lease->kill && holds_another(client, lease)))
            continue;
        client->expelled = lease->core->expelling = true;
        client->kill = client->kill || lease->kill;
    }
}

void clients_expel(struct core *core)
{
    struct core_client *client;

    if (!core->expelling)
        return;
    core->expelling = false;
    do {
        LIST_FOREACH (client, &core->clients, link) {
            if (client->expelled)
                break;
        }
        if (!client)
            break;
        client->expelled = false;
        if (core->listener.expel)
            core->listener.expel(core->listener.user, client->user, client->kill);
    } while (true);
}

void lease_ends_at(struct lease *lease, uint64_t at)
{
    uint64_t notice = lease->revoking || at < lease->since + EXPIRY_NOTICE_MS ? 0 : EXPIRY_NOTICE_MS;

    lease->ends_at = at;
    timer_arm(lease->core, &lease->ending, at - notice);
}

static void announce(struct lease *lease, pid_t pid, uid_t uid)
{
    uint64_t now = core_now(lease->core), left = lease->ends_at > now ? lease->ends_at - now : 0;
    char text[HW_REASON_BYTES];

    lease->revoking = true;
    record_lease(lease);
    snprintf(text, sizeof(text), "%.100s: it is taken away in %" PRIu64 " s", lease->ending_reason,
             (left + 999) / 1000);
    event_tell(lease->core, &(struct core_event){.kind = CORE_EVENT_LEASE_REVOKING,
                                                 .lease = lease->name,
                                                 .tenant = lease->tenant->name,
                                                 .pid = pid,
                                                 .uid = uid,
                                                 .text = text});
}

static void take_away(struct lease *lease)
{
    char reason[HW_REASON_BYTES];

    copy_text(reason, sizeof(reason), lease->ending_reason);
    expel_holders(lease);
    lease_revoke(lease, NULL, reason, false);
}

void lease_ending_fire(struct timer *timer)
{
    struct lease *lease = container_of(timer, struct lease, ending);

    if (core_now(lease->core) >= lease->ends_at) {
        take_away(lease);
        return;
    }
    announce(lease, 0, 0);
    lease_ends_at(lease, lease->ends_at);
}

void lease_revoke_in(struct lease *lease, const struct core_revocation *revocation)
{
    uint64_t at = core_now(lease->core) + revocation->grace_seconds * UINT64_C(1000);

    lease->ends_at = at < lease->ends_at ? at : lease->ends_at;
    lease->kill = lease->kill || revocation->kill;
    copy_text(lease->ending_reason, sizeof(lease->ending_reason), "revoked by the operator");
    announce(lease, revocation->pid, revocation->uid);
    if (revocation->grace_seconds)
        lease_ends_at(lease, lease->ends_at);
    else
        take_away(lease);
}

void lease_set_expiry(struct lease *lease, uint32_t seconds)
{
    uint32_t most = lease->tenant->config->lease_seconds_max;
    if (most && (!seconds || seconds > most))
        seconds = most;
    if (!seconds)
        return;
    copy_text(lease->ending_reason, sizeof(lease->ending_reason), "it has expired");
    lease_ends_at(lease, lease->since + seconds * UINT64_C(1000));
}
