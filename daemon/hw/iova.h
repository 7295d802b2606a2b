/* SPDX-License-Identifier: BSD-3-Clause */
/* Which I/O virtual addresses are homid's own and which may serve tenants. */
#ifndef HOMI_DAEMON_HW_IOVA_H
#define HOMI_DAEMON_HW_IOVA_H

#include "daemon/hw/backend.h"

/*
 * Takes `bytes` (a power of two) off the top of the highest range that has room, aligned to its size, and
 * removes what no tenant may get: addresses below 64 KiB, since a zero PRP entry reads as none, and parts of
 * pages of 4 KiB. The ranges stay sorted. -ENOSPC: no range has room; nothing was changed then.
 */
int iova_carve(struct hw_iova_range *ranges, unsigned *count, uint64_t bytes, uint64_t *ret_iova);

#endif
