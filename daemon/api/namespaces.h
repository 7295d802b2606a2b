/* SPDX-License-Identifier: BSD-3-Clause */
/* The methods of io.homi.Admin that change namespaces. user of the handlers: struct api_session. */
#ifndef HOMI_DAEMON_API_NAMESPACES_H
#define HOMI_DAEMON_API_NAMESPACES_H

#include "daemon/api/session.h"

int namespaces_create(struct varlink_connection *connection, struct varlink_message *message, void *user);
int namespaces_delete(struct varlink_connection *connection, struct varlink_message *message, void *user);
int namespaces_format(struct varlink_connection *connection, struct varlink_message *message, void *user);
int namespaces_attach(struct varlink_connection *connection, struct varlink_message *message, void *user);
int namespaces_detach(struct varlink_connection *connection, struct varlink_message *message, void *user);

#endif
