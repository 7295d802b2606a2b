/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What happened, for those who called Monitor on either socket. The last EVENTS_KEPT events are kept for
 * operators who come later. A monitor that does not read what it asked for is dropped, never waited for.
 */
#ifndef HOMI_DAEMON_API_EVENTS_H
#define HOMI_DAEMON_API_EVENTS_H

#include "daemon/api/session.h"

#define EVENTS_KEPT 256

/*
 * monitors_max: at once on each of the two sockets; per_uid: of these, by one user of the tenants'. sequence:
 * where the number of the newest event is kept, for the next homid; NULL: it begins with 1. metrics count
 * what is published, and outlive the events.
 */
int events_new(unsigned monitors_max, unsigned per_uid, uint64_t *sequence, struct metrics *metrics,
               struct events **ret_events);
void events_free(struct events *events); /* NULL-safe; after the last session */

void events_publish(struct events *events, const struct core_event *event);

/* Answers a Monitor call; since: 0 for only what is to come. Returns 0 or a negative errno. */
int events_monitor(struct events *events, struct api_session *session, int64_t since);
void events_forget(struct api_session *session); /* ends its Monitor call, if any */

/* Publishes that a call of the session was refused before the core saw it. */
void events_refused(struct api_session *session, const char *text);

#endif
