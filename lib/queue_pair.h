/* SPDX-License-Identifier: BSD-3-Clause */
/* What recovery needs of queue pairs: which one it is, and making it anew on the device in the same memory.
 */
#ifndef HOMI_LIB_QUEUE_PAIR_H
#define HOMI_LIB_QUEUE_PAIR_H

#include "lib/lease.h"

typedef void (*queue_pair_lost)(void *user, struct homi_queue_pair *pair, uint64_t cookie);

struct homi_queue_pair *queue_pair_next(const struct homi_queue_pair *pair); /* of its lease */
bool queue_pair_is(const struct homi_queue_pair *pair, const char *function, int64_t id);
/* lost: once for each command in flight, however often this is tried. 0, a refusal or a negative errno. */
int queue_pair_renew(struct homi_queue_pair *pair, queue_pair_lost lost, void *user);

#endif
