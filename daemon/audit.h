/* SPDX-License-Identifier: BSD-3-Clause */
/* What happened, in the log: every grant, refusal, revocation and change of state, with who it concerns. The
 * message ids are those of systemd/homi.catalog. */
#ifndef HOMI_DAEMON_AUDIT_H
#define HOMI_DAEMON_AUDIT_H

#include "daemon/core/core.h"
#include "daemon/log.h"

void audit_event(const struct log *log, const struct core_event *event);

#endif
