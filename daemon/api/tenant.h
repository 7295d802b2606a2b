/* SPDX-License-Identifier: BSD-3-Clause */
/* io.homi.Tenant: decodes calls of tenants' processes, asks the core, and answers. */
#ifndef HOMI_DAEMON_API_TENANT_H
#define HOMI_DAEMON_API_TENANT_H

#include "daemon/api/session.h"

extern const struct varlink_method_entry tenant_methods[]; /* user of the handlers: struct api_session */

#endif
