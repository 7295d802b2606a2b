/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A lease as the library sees it: the virtual functions that homid granted, each with its BAR mapped, and
 * what the process has made on them. The lease owns its regions, memories and queue pairs; each takes itself
 * out of the lease's list when it is freed.
 */
#ifndef HOMI_LIB_LEASE_H
#define HOMI_LIB_LEASE_H

#include "lib/client.h"

#define LEASE_NAME_MAX       255 /* characters of any name in a reply */
#define LEASE_FUNCTIONS_MAX  64
#define LEASE_NAMESPACES_MAX 1024

/* Places in BAR 0: the status register (NVMe Base 2.0, section 3.1.3.6), and where the registers end and the
 * doorbells begin (NVMe over PCIe Transport 1.0, section 3.1.2). */
#define LEASE_CSTS_OFFSET      0x1c
#define LEASE_DOORBELLS_OFFSET 0x1000

struct page_chunk;

struct lease_function {
    struct homi_function_info info; /* its strings are owned here */
    struct homi_namespace *namespaces;
    int device_fd;         /* or, relayed, the memfd of the process's doorbells */
    int wake_fd;           /* an eventfd to be written while the word at wake_offset is not 0; -1: none */
    volatile uint8_t *bar; /* BAR 0 from its start, or the memfd */
    uint64_t bar_offset, bar_bytes, wake_offset;
    uint32_t doorbell_stride;
};

struct homi_lease {
    struct homi *homi;
    struct homi_lease *next;
    char *name;
    struct lease_function *functions;
    size_t function_count;
    struct page_chunk *pages; /* see lib/page_pool.h */
    struct homi_memory *memories;
    struct homi_queue_pair *pairs;
    bool ending; /* homid is about to take all of it back at once */
};

/* Parameters for a call that concerns the lease and changes something, or NULL (out of memory). */
json_object *lease_request(struct homi_lease *lease);

/* The largest memory page size among the lease's controllers: what suits all of them. */
uint32_t lease_page_bytes(const struct homi_lease *lease);

#endif
