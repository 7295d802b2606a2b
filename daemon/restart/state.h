/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What homid knows that must outlive it: small records in a memfd that the service manager keeps (fdstore.h).
 *
 * A record lies in a slot that holds two generations of it. A change writes the older one and makes it the
 * valid one with a single store, so a process that is killed at any instruction leaves the old record or the
 * new one, and a change costs the same however many records there are. Between records there is no such
 * promise: whoever writes several orders them so that every prefix makes sense (daemon/core/record.h).
 *
 * The first page says by which version it was written and which is the lowest that can read it. A memfd that
 * is damaged, or of a version that this one cannot read, is refused as a whole and left as it is: nothing in
 * it is guessed at. It is never mapped for DMA.
 *
 * Ownership: the state owns its memfd. Threads: one.
 */
#ifndef HOMI_DAEMON_RESTART_STATE_H
#define HOMI_DAEMON_RESTART_STATE_H

#include <stddef.h>
#include <stdint.h>

/* What this version writes, and the lowest version of homid that can read it. A build may raise them. */
#ifndef STATE_VERSION
#define STATE_VERSION 3u
#endif
#ifndef STATE_READABLE_BY
#define STATE_READABLE_BY 1u
#endif

#define STATE_RECORD_BYTES 992u   /* of one record at most */
#define STATE_SLOTS_MAX    32768u /* records at once */
#define STATE_NONE         UINT32_MAX

struct state;

/* Numbers that only grow; each is changed by one store. */
enum state_counter { STATE_LEASES, STATE_EVENTS, STATE_COUNTERS };

int state_new(struct state **ret_state);
/*
 * Takes over the memfd of an earlier homid. -EBADMSG: it is damaged; -EOVERFLOW: only version *ret_needed and
 * later can read it. fd is taken on success only.
 */
int state_open(int fd, struct state **ret_state, uint32_t *ret_needed);
void state_free(struct state *state); /* NULL-safe; the records stay in the memfd */
int state_fd(const struct state *state);

/* kind: not 0. 0 and *ret_slot, or -ENOSPC when there are STATE_SLOTS_MAX records or no memory for one more.
 */
int state_add(struct state *state, uint16_t kind, const void *data, size_t bytes, uint32_t *ret_slot);
void state_set(struct state *state, uint32_t slot, const void *data, size_t bytes);
const void *state_get(const struct state *state, uint32_t slot); /* until it is set or removed */
void state_remove(struct state *state, uint32_t slot);

/* Calls each for every record. It may remove the one it is called for. */
typedef void (*state_each_record)(void *user, uint32_t slot, uint16_t kind, const void *data, size_t bytes);
void state_each(struct state *state, state_each_record each, void *user);

/* Where a counter is; it may be read and stored there. */
uint64_t *state_counter(struct state *state, enum state_counter counter);

#endif
