/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A thread that forwards the doorbells of its functions, each in turn. A function without work is put to
 * sleep after a while; with all of them asleep the thread sleeps too.
 *
 * The protocol of going to sleep, whose proof is in tests/spin/: say so in the pages' wake words, have the
 * kernel run a barrier on every processor that runs a tenant (membarrier), look once more. A tenant stores
 * its doorbell and then loads the wake word, without a barrier of its own: it sees the word, or the look sees
 * the doorbell.
 */
#ifndef HOMI_DAEMON_RELAY_WORKER_H
#define HOMI_DAEMON_RELAY_WORKER_H

#include "daemon/relay/relayed.h"

/* notice_fd is an eventfd that is written when a queue pair was ended; borrowed. */
int worker_new(int notice_fd, struct worker **ret_worker);
/* Its functions are gone already. NULL-safe. */
void worker_free(struct worker *worker);
/* RELAY_CORE_ANY: wherever the kernel puts it. 0 or a negative errno; it runs where it ran then. */
int worker_pin(struct worker *worker, uint16_t core);

/* Between these the thread touches no function. */
void worker_stop(struct worker *worker);
void worker_go(struct worker *worker);

/* While it is stopped. A function is awake when it is added; one that has changed is woken to be looked at.
 */
int worker_add(struct worker *worker, struct relayed *function);
void worker_remove(struct relayed *function);
void worker_wake(struct relayed *function);

#endif
