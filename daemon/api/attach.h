/* SPDX-License-Identifier: BSD-3-Clause */
/* The parameters that Tenant.Attach and Admin.AllocateVirtualFunctions share. */
#ifndef HOMI_DAEMON_API_ATTACH_H
#define HOMI_DAEMON_API_ATTACH_H

#include "daemon/api/call.h"

/* A request with room for its lists; strings are borrowed from the parameters. */
struct attach_parameters {
    struct core_attach_request request;
    const char *devices[CORE_LEASE_DEVICES_MAX];
    uint32_t namespaces[CORE_LEASE_NAMESPACES_MAX];
};

/* Decodes; false when a value is out of range: then the call was answered and is gone. */
bool attach_decode(struct api_call *call, json_object *parameters, struct attach_parameters *attach);

#endif
