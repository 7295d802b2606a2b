/* SPDX-License-Identifier: BSD-3-Clause */
/* The reply to Attach: checks all of it before anything of it is used. */
#ifndef HOMI_LIB_GRANT_H
#define HOMI_LIB_GRANT_H

#include "lib/lease.h"

/*
 * Fills the lease's name and functions, and moves the descriptors of the reply there. Maps nothing. Returns
 * 0, -ENOMEM, or -EPROTO for a reply that makes no sense; what was filled until then is the lease's to free.
 */
int grant_read(struct homi_lease *lease, struct varlink_message *reply);

#endif
