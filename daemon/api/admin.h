/* SPDX-License-Identifier: BSD-3-Clause */
/* io.homi.Admin: what the operator sees and may do. Who may call is judged before (daemon/api/session.c). */
#ifndef HOMI_DAEMON_API_ADMIN_H
#define HOMI_DAEMON_API_ADMIN_H

#include "daemon/api/session.h"

#define ADMIN_PROBLEMS_MAX 64 /* told by GetStatus; of others only how many */

extern const struct varlink_method_entry admin_methods[]; /* user of the handlers: struct api_session */

#endif
