/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/peers/peer_kept.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/crash.h"
#include "daemon/loop.h"
#include "daemon/peers/identity.h"
#include "daemon/restart/fdstore.h"
#include "daemon/restart/state.h"
#include "proto/transport.h"

static const struct peer_record *record_of(const struct peer *peer)
{
    return state_get(peer->shared->state, peer->slot);
}

static void save(struct peer *peer, const struct peer_record *record)
{
    state_set(peer->shared->state, peer->slot, record, sizeof *record);
}

void peer_keep(struct peer *peer)
{
    struct peer_shared *shared = peer->shared;
    struct peer_record record = {.pid = peer->session.pid, .kind = peer->session.kind, .answered = 1};
    char name[FDSTORE_NAME_MAX + 1];

    if (peer->account)
        memcpy(record.lease, peer->account->lease, sizeof record.lease);
    if (!shared->state || !peer->account || process_start_time(record.pid, &record.start_time) < 0 ||
        state_add(shared->state, PEER_RECORD, &record, sizeof record, &peer->slot) < 0)
        return;
    peer_name(peer->slot, name);
    if (fdstore_put(shared->store, peer->fd, name) < 0) {
        state_remove(shared->state, peer->slot);
        peer->slot = STATE_NONE;
    }
}

void peer_name(uint32_t slot, char *ret_name)
{
    snprintf(ret_name, FDSTORE_NAME_MAX + 1, "c%u", (unsigned)slot);
}

void peer_forget(struct peer *peer)
{
    char name[FDSTORE_NAME_MAX + 1];

    if (peer->slot == STATE_NONE)
        return;
    peer_name(peer->slot, name);
    fdstore_remove(peer->shared->store, name);
    state_remove(peer->shared->state, peer->slot);
    peer->slot = STATE_NONE;
}

uint32_t peer_connection(const struct peer *peer)
{
    return peer->slot == STATE_NONE ? 0 : peer->slot + 1;
}

/* ---- calls ---- */

/* What the peer will know the answer by; empty: nothing but its place. */
static void identify_call(const struct peer *peer, const char *request_id, char *ret_text, size_t bytes)
{
    if (peer->call_id > 0)
        snprintf(ret_text, bytes, "#%lld", (long long)peer->call_id);
    else
        snprintf(ret_text, bytes, "%s", request_id ? request_id : "");
}

int peer_begins(struct api_session *session, const char *request_id)
{
    struct peer *peer = (struct peer *)session; /* its first member */
    struct peer_record record;

    if (peer->slot == STATE_NONE) {
        core_caller(session->context->core, &(struct core_caller){0});
        return 0;
    }
    char request[sizeof record.request];
    record = *record_of(peer);
    identify_call(peer, request_id, request, sizeof request);
    bool same = peer->restored && strcmp(request, record.request) == 0;
    /* Answered before, and the answer is not kept: neither can it be repeated nor carried out again. */
    if (same && record.answered && request[0])
        return -ESTALE;
    same = same && !record.answered;
    session->waited_milliseconds = same ? (uint32_t)(loop_now() - record.began) : 0;
    if (!same) {
        record.serial++;
        record.answered = record.begun = 0;
        record.began = loop_now();
        memcpy(record.request, request, sizeof request);
        save(peer, &record);
    }
    peer->changes = true;
    const struct core_caller caller = {.connection = peer_connection(peer),
                                       .serial = record.serial,
                                       .resumed = same,
                                       .begun = same && record.begun};
    core_caller(session->context->core, &caller);
    return 0;
}

void peer_call_begun(struct peer *peer)
{
    struct peer_record record = *record_of(peer);

    record.begun = 1;
    save(peer, &record);
}

void peer_unsure(struct peer *peer)
{
    if (peer->slot == STATE_NONE || record_of(peer)->unsure)
        return;
    struct peer_record record = *record_of(peer);
    record.unsure = 1;
    save(peer, &record);
}

int peer_settle(struct peer *peer)
{
    int r = 0;

    crash_here();
    if (peer->left > 0)
        r = varlink_transport_take(peer->fd, peer->left);
    crash_here();
    peer->left = 0;
    peer->partial = peer->restored = false;
    if (r == 0 && peer->slot != STATE_NONE && (peer->changes || record_of(peer)->unsure)) {
        struct peer_record record = *record_of(peer);
        record.answered = 1;
        record.unsure = 0;
        save(peer, &record);
    }
    peer->changes = false;
    return r;
}
