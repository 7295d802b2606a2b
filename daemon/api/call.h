/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A call that the core works on. It is answered exactly once through this file, which also keeps the last
 * answer to a call with a request id and sends it again when the same id comes again.
 */
#ifndef HOMI_DAEMON_API_CALL_H
#define HOMI_DAEMON_API_CALL_H

#include "daemon/api/session.h"

#define API_REQUEST_ID_BYTES_MAX 64

struct api_call {
    struct api_session *session; /* NULL: the connection ended, and nobody waits for the answer */
    const char *method;          /* "io.homi.Tenant.Attach" */
    char *request_id;
    char lease[CORE_NAME_BYTES]; /* whose descriptors the answer carries */
    size_t data_bytes;           /* of a log page asked for */
    struct api_context *context;
    bool container;    /* the lease asked for is to be described to engines of containers */
    bool lease_socket; /* and to have a socket of its own */
    uint64_t began;    /* as in the context */
};

/*
 * Begins a call. parameters: where its requestId is, for a call that changes something; NULL for one that
 * does not. Returns 1 and the call, 0 when it was answered already (again, or refused), or a negative errno.
 */
int api_call_begin(struct api_session *session, const char *method, json_object *parameters,
                   struct api_call **ret_call);

/* Each ends the call. parameters are taken over (NULL: empty); fds are borrowed. */
void api_call_reply(struct api_call *call, json_object *parameters, const int *fds, unsigned fd_count);
void api_call_error(struct api_call *call, const char *error, json_object *parameters);
void api_call_refuse(struct api_call *call, const struct core_error *error);
/* Refuses what the core need not be asked about, and publishes that: text says what, for operators. */
void api_call_reject(struct api_call *call, const char *text, const char *error, json_object *parameters);
void api_call_invalid(struct api_call *call, const char *field);
void api_call_range(struct api_call *call, const char *field, int64_t minimum, int64_t maximum);

/* Ends a call whose connection ended. NULL-safe. */
void api_call_free(struct api_call *call);

/* core_done for calls whose answer is empty; user is the call. */
void api_call_done(void *user, const struct core_error *error);

/* Answers a call that is not worth an api_call: one that the core need not be asked for. */
int api_reply_now(struct api_session *session, const char *method, json_object *parameters);
int api_error_now(struct api_session *session, const char *error, json_object *parameters);
int api_error_too_big(struct api_session *session); /* the answer does not fit into a message */

/* Counts an answer: to a call that began then; error NULL: a reply. */
void api_measure(const struct api_session *session, const char *method, const char *error, uint64_t began);
uint64_t api_now(void); /* monotonic, microseconds */

void api_replay_free(struct api_session *session); /* the session's kept answer, if any */

#endif
