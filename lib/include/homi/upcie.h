/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A bridge for users of uPCIe: makes uPCIe's queue pair and its heap of a homi queue pair and a region, so
 * that code written for uPCIe runs on a lease. homid keeps the controller and its admin queue; uPCIe's calls
 * that open a controller, create queues or allocate hugepages are not needed, and none that tears such a
 * thing down may be called on what this header filled: nvme_qpair_term(), hostmem_heap_term().
 *
 *     #define _UPCIE_WITH_NVME
 *     #include <upcie/upcie.h>
 *     #include <homi/upcie.h>
 *
 * Without uPCIe's headers this one declares nothing. See homi_bridges(7).
 */
#ifndef HOMI_UPCIE_H
#define HOMI_UPCIE_H

#include <homi/queue.h>
#include <homi/region.h>

#if defined(UPCIE_H) && defined(_UPCIE_WITH_NVME)

#ifdef __cplusplus
extern "C" {
#endif

/* uPCIe translates with one entry for each of its hugepages, which a contiguous region may call 1 GiB large.
 */
#define HOMI_UPCIE_UNIT_SHIFT 30u
#define HOMI_UPCIE_UNITS_MAX  64u

/* What uPCIe points into. It belongs to the caller, must not move, and outlives the use of qpair. */
struct homi_upcie {
    struct nvme_qpair qpair;
    struct hostmem_heap heap;
    struct hostmem_config config;
    struct nvme_request_pool requests;
    struct homi_queue *queue;
    uint64_t units[HOMI_UPCIE_UNITS_MAX];
};

static inline bool homi_upcie_queue_idle(const struct homi_queue *queue)
{
    for (uint32_t slot = 0; slot < queue->entries; slot++)
        if (queue->cookies[slot] != HOMI_COOKIE_NONE)
            return false;
    return true;
}

/*
 * To be called after nvme_qpair_sqdb_update(). What forwards the doorbells may sleep (see struct
 * homi_queue_setup); where nothing does, this is a load and no more.
 */
static inline void homi_upcie_rang(struct homi_upcie *bridge)
{
    if (homi_unlikely(*bridge->queue->wake != 0))
        homi_queue_wake(bridge->queue);
}

/*
 * Fills *ret_bridge from a queue pair and a region of the same VF. From then on the queue is uPCIe's: no call
 * of <homi/queue.h> or <homi/io.h> may use it, and the region is its heap (hostmem_dma_malloc() and the
 * like), of which 1024 pages go to its PRP lists. What lay in the region is overwritten.
 *
 * uPCIe does not look whether the queue is full: keep fewer commands in flight than entries - 1.
 *
 * Returns 0; -EBUSY while commands are in flight; -ERANGE for 65536 entries, which uPCIe cannot count; -E2BIG
 * for a region of more than 64 GiB; -ENOMEM when the region is too small for the lists. *ret_bridge is then
 * of no use.
 */
static inline int homi_upcie_fill(struct homi_upcie *ret_bridge, struct homi_queue *queue,
                                  const struct homi_region_map *region)
{
    struct homi_upcie *bridge = ret_bridge;
    uint64_t units = ((region->bytes - 1) >> HOMI_UPCIE_UNIT_SHIFT) + 1;
    struct nvme_qpair *qpair = &bridge->qpair;

    if (queue->entries > UINT16_MAX)
        return -ERANGE;
    if (units > HOMI_UPCIE_UNITS_MAX)
        return -E2BIG;
    if (!homi_upcie_queue_idle(queue))
        return -EBUSY;
    __builtin_memset(bridge, 0, sizeof(*bridge));
    bridge->queue = queue;
    bridge->config.pagesize = (int)queue->page_bytes;
    bridge->config.pagesize_shift = (int)queue->page_shift;
    bridge->config.hugepgsz = 1 << HOMI_UPCIE_UNIT_SHIFT;
    bridge->config.hugepgsz_shift = HOMI_UPCIE_UNIT_SHIFT;
    for (uint64_t i = 0; i < units; i++)
        bridge->units[i] = region->iova + (i << HOMI_UPCIE_UNIT_SHIFT);
    bridge->heap.memory.fd = -1;
    bridge->heap.memory.virt = (void *)(uintptr_t)region->base;
    bridge->heap.memory.size = region->bytes;
    bridge->heap.memory.phys = region->iova;
    bridge->heap.memory.config = &bridge->config;
    bridge->heap.memory.nphys = bridge->heap.nphys = units;
    bridge->heap.memory.phys_lut = bridge->heap.phys_lut = bridge->units;
    bridge->heap.config = &bridge->config;
    bridge->heap.freelist = (struct hostmem_heap_block *)bridge->heap.memory.virt;
    bridge->heap.freelist->size = region->bytes;
    bridge->heap.freelist->free = 1;
    bridge->heap.freelist->next = NULL;
    qpair->sq = queue->sq;
    qpair->cq = queue->cq;
    qpair->sqdb = (void *)(uintptr_t)queue->sq_doorbell;
    qpair->cqdb = (void *)(uintptr_t)queue->cq_doorbell;
    qpair->qid = queue->id;
    qpair->depth = (uint16_t)queue->entries;
    qpair->tail = qpair->tail_last_written = (uint16_t)(queue->sq_place / 8);
    qpair->head = (uint16_t)queue->cq_head;
    qpair->phase = queue->cq_expected != 0;
    qpair->rpool = &bridge->requests;
    qpair->heap = &bridge->heap;
    nvme_request_pool_init(&bridge->requests);
    return nvme_request_pool_init_prps(&bridge->requests, &bridge->heap);
}

#ifdef __cplusplus
}
#endif

#endif

#endif
