/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Looks at a memfd before homid maps it: nothing that the tenant can still do to the file may take pages away
 * from under the mapping, and pinning must not charge homid for pages that the tenant never touched.
 */
#ifndef HOMI_DAEMON_API_MEMORY_SOURCE_H
#define HOMI_DAEMON_API_MEMORY_SOURCE_H

#include <stdint.h>

/* One to one with io.homi.Tenant's MemoryDefect. */
enum memory_defect {
    MEMORY_NOT_MEMFD = 1,
    MEMORY_NOT_SEALED, /* against shrinking */
    MEMORY_WRITE_SEALED,
    MEMORY_NOT_POPULATED,
    MEMORY_BEYOND_END,
    MEMORY_MISALIGNED,
    MEMORY_EMPTY,
};

/* Returns 0 and the size of the file's pages, a positive enum memory_defect, or a negative errno. */
int memory_source_check(int memfd, uint64_t offset, uint64_t bytes, uint64_t *ret_page_bytes);

const char *memory_defect_name(enum memory_defect defect); /* as in the interface definition */

#endif
