/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What leases end with: processes (by pidfd) and units of systemd (by their control group). Each keeper is
 * watched until it ends, which is told once, or until it is forgotten. Runs on the event loop's thread.
 */
#ifndef HOMI_DAEMON_KEEPERS_H
#define HOMI_DAEMON_KEEPERS_H

#include "daemon/core/core.h"

struct event_base;
struct keepers;

typedef void (*keeper_ended)(void *user, const char *lease);

int keepers_new(struct event_base *base, keeper_ended ended, void *user, struct keepers **ret_keepers);
void keepers_free(struct keepers *keepers); /* NULL-safe */
/*
 * -ESRCH: there is no such process, or no such unit with a process in it; or another negative errno. A
 * process whose start time is given must be the one that began then; otherwise that is noted.
 */
int keepers_add(struct keepers *keepers, const char *lease, struct core_keeper *keeper);
void keepers_remove(struct keepers *keepers, const char *lease);

#endif
