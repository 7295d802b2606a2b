/* SPDX-License-Identifier: BSD-3-Clause */
/* A memory region: pages of a memfd that homid mapped for the lease's functions, and their place in this
 * process. */
#ifndef HOMI_LIB_REGION_H
#define HOMI_LIB_REGION_H

#include "lib/lease.h"

struct region {
    struct homi_lease *lease;
    int64_t id;
    uint8_t *address;
    size_t bytes;
    uint64_t iova;
};

/* Makes a memfd of `bytes` (rounded up to pages), populates, seals and registers it. flags: HOMI_MEMORY_*. */
int region_new(struct homi_lease *lease, size_t bytes, unsigned flags, struct region **ret_region);

/* Registers a part of the caller's memfd. fd is borrowed. */
int region_import(struct homi_lease *lease, int fd, uint64_t offset, size_t bytes,
                  struct region **ret_region);

void region_free(struct region *region); /* NULL-safe */

#endif
