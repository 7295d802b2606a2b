/* SPDX-License-Identifier: BSD-3-Clause */
/* The interface io.homi.Protocol, for every service of homid: the definition of the errors that a connection
 * ends with (proto/violation.h), and the method that tells the limits. */
#ifndef HOMI_PROTO_PROTOCOL_H
#define HOMI_PROTO_PROTOCOL_H

#include "proto/service.h"

/* As varlink_service_add. */
int protocol_add(struct varlink_service *service);

#endif
