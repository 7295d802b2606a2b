/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A Varlink service: the interfaces that one socket offers and the handlers of their methods. It answers
 * org.varlink.service itself (GetInfo, GetInterfaceDescription) and turns a bad call into the standard error,
 * so that a handler only sees parameters that fit its definition. No I/O; it works on a varlink_connection.
 * Once its interfaces are added, a service does not change.
 */
#ifndef HOMI_PROTO_SERVICE_H
#define HOMI_PROTO_SERVICE_H

#include "proto/connection.h"

struct varlink_service;

/*
 * Handles one call. The handler owns nothing of *message (fds that it wants are taken out of it) and answers
 * through varlink_connection_reply/_error on `connection`, now or later. Returns 0, or a negative errno that
 * ends the connection.
 */
typedef int (*varlink_handler)(struct varlink_connection *connection, struct varlink_message *message,
                               void *user);

struct varlink_method_entry {
    const char *name; /* within the interface */
    varlink_handler handler;
    bool
        more; /* must be called with more, else ExpectedMore is answered; others take more for a plain call */
    bool takes_fds; /* otherwise descriptors with a call are refused by InvalidParameter("fileDescriptors") */
};

/* Borrowed: must live as long as the service. */
struct varlink_service_info {
    const char *vendor, *product, *version, *url;
};

int varlink_service_new(const struct varlink_service_info *info, struct varlink_service **ret_service);
void varlink_service_free(struct varlink_service *service); /* NULL-safe */

/*
 * Adds an interface: text as in proto/interfaces.h, methods up to an entry without name (borrowed: they must
 * live as long as the service). Every method of the definition must have an entry and the other way round,
 * else -EINVAL; so it is for a definition with an error, and for an interface that was added already.
 */
int varlink_service_add(struct varlink_service *service, const char *text,
                        const struct varlink_method_entry *methods);

/*
 * Dispatches one message; user goes to the handler. Returns 0 or a negative errno that ends the connection. A
 * call with upgrade is refused by InvalidParameter("upgrade"): no method here hands its connection over.
 */
int varlink_service_dispatch(const struct varlink_service *service, struct varlink_connection *connection,
                             struct varlink_message *message, void *user);

/* The standard errors of org.varlink.service, for handlers. */
int varlink_error_invalid_parameter(struct varlink_connection *connection, const char *field);
int varlink_error_permission_denied(struct varlink_connection *connection);

/*
 * Replies resp. errors by a method or error of an added interface ("io.homi.Tenant.UnknownLease"), checked
 * against the definition: -EBADMSG (nothing queued) when it does not fit, which is a defect of the caller.
 */
int varlink_service_reply(const struct varlink_service *service, struct varlink_connection *connection,
                          const char *method, json_object *parameters, bool continues, const int *fds,
                          unsigned fd_count);
int varlink_service_error(const struct varlink_service *service, struct varlink_connection *connection,
                          const char *error, json_object *parameters);

#endif
