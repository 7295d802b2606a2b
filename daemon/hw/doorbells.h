/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The page of doorbells that a process writes instead of its VF's BAR when it is relayed, and the ledger in
 * which the relay keeps what it forwarded. Three programs share them: the tenant (the page alone), homid,
 * which makes both and clears a line before its queue pair exists, and the relay. Values are little-endian,
 * as in the BAR.
 *
 * A page is a memfd of the process's own, sealed against another size: a line for each queue pair by its id,
 * and in line 0 the wake word. The ledger is a memfd for each function that no tenant ever sees; it outlives
 * the relay, so that the next one goes on where the last one ended.
 */
#ifndef HOMI_DAEMON_HW_DOORBELLS_H
#define HOMI_DAEMON_HW_DOORBELLS_H

#include <stdint.h>

#define DOORBELLS_LINE_BYTES  64u /* a cache line, so that two threads of a tenant do not share one */
#define DOORBELLS_WAKE_OFFSET 0u  /* a 32-bit word that is not 0 while the relay sleeps */
#define DOORBELLS_PAGE_BYTES  4096u

struct doorbells_line {
    uint32_t submission; /* tail */
    uint32_t completion; /* head */
    uint32_t status;     /* as CSTS (NVMe Base 2.0, section 3.1.3.6): homid's word on this queue pair */
};

struct doorbells_ledger {
    uint32_t submission, completion; /* as last written to the controller's doorbells */
    uint32_t ended;                  /* an enum doorbells_defect: nothing is forwarded any more */
    uint32_t value;                  /* that ended it */
    uint64_t commands;               /* that the tails written so far stand for */
};

enum doorbells_defect {
    DOORBELLS_SOUND,
    DOORBELLS_SUBMISSION_RANGE, /* a tail that is not below the number of entries */
    DOORBELLS_COMPLETION_RANGE, /* a head that is not */
};

static inline uint64_t doorbells_whole_pages(uint64_t bytes)
{
    return (bytes + DOORBELLS_PAGE_BYTES - 1) / DOORBELLS_PAGE_BYTES * DOORBELLS_PAGE_BYTES;
}

/* For queue pairs 1 to `pairs`. */
static inline uint64_t doorbells_page_bytes(unsigned pairs)
{
    return doorbells_whole_pages((pairs + UINT64_C(1)) * DOORBELLS_LINE_BYTES);
}

static inline uint64_t doorbells_ledger_bytes(unsigned pairs)
{
    return doorbells_whole_pages((pairs + UINT64_C(1)) * sizeof(struct doorbells_ledger));
}

#endif
