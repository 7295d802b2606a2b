/* SPDX-License-Identifier: BSD-3-Clause */
/* Calls of io.homi.Admin: connecting, reporting what went wrong, and reading replies. */
#ifndef HOMI_HOMICTL_CALL_H
#define HOMI_HOMICTL_CALL_H

#include "homictl/command.h"

#define ADMIN_SOCKET       "/run/homi/admin.sock"
#define ADMIN_SOCKET_ENV   "HOMI_ADMIN_SOCKET"
#define ADMIN_METHOD(name) "io.homi.Admin." name

/*
 * One call. tried says in words what it is for ("list the leases"); parameters (NULL: none) is consumed. What
 * went wrong is reported: in words on stderr, and with --json as an object on stdout; not at all when tried
 * is NULL. What takes over a second shows that on a terminal. *ret_reply is the caller's.
 */
enum exit_status call(const struct options *options, const char *tried, const char *method,
                      struct json_object *parameters, struct json_object **ret_reply);

/* Unique, so that a call that is sent again is never carried out twice. */
struct json_object *call_request_id(void);

/* Several calls of one method on one connection: the first with parameters, then with what next() makes of
 * each reply, until that is NULL. Replies belong to call_each. */
enum exit_status call_each(const struct options *options, const char *tried, const char *method,
                           struct json_object *parameters,
                           struct json_object *(*next)(struct json_object *reply, void *user), void *user);

/* The same with more: each() sees every reply until it returns nonzero or the last one came. */
enum exit_status call_more(const struct options *options, const char *tried, const char *method,
                           struct json_object *parameters, int (*each)(struct json_object *reply, void *user),
                           void *user);

/* Prints a reply as --json does: over several lines on a terminal, else on one. */
enum exit_status call_print_json(struct json_object *reply);

/* Whether stream gets colours. */
bool call_colour(const struct options *options, FILE *stream);

/* Members of a reply: NULL, 0 and false where one is missing or null. */
const char *member_text(struct json_object *object, const char *key);
int64_t member_number(struct json_object *object, const char *key);
bool member_true(struct json_object *object, const char *key);
struct json_object *member(struct json_object *object, const char *key);

#endif
