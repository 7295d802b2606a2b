/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Lists that may be longer than a message. Called with `more`, a list comes in parts, each when the one
 * before it is out, so that however long it is, and however slowly it is read, no more than a part waits to
 * be sent. What comes is the state at the time of the call: the session keeps what is left of it until then.
 */
#ifndef HOMI_DAEMON_API_LIST_H
#define HOMI_DAEMON_API_LIST_H

#include "daemon/api/session.h"

#define API_LIST_PART 64 /* entries of one reply; fewer where these do not fit into a message */

/*
 * Answers with array, which is taken over, as the member `key` (a literal). more: in parts; otherwise the
 * whole list, or ExpectedMore where that does not fit. Returns 0 or a negative errno.
 */
int api_list_reply(struct api_session *session, const char *method, bool more, const char *key,
                   json_object *array);
/* Everything queued is out. Returns 1 when another part was queued, 0 when there is none, or a negative
 * errno. */
int api_list_continue(struct api_session *session);
void api_list_forget(struct api_session *session);

#endif
