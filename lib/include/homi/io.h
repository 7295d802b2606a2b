/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * I/O commands on a batch of a queue pair: read, write, flush, compare, verify, write zeroes, dataset
 * management, copy, and raw ones. Each call puts one command into the open batch, or refuses it and changes
 * nothing:
 *
 * - -EAGAIN: the queue is full; submit, reap, come back.
 * - -EINVAL: no bytes, not a multiple of the block size, address not a multiple of 4, too many ranges, or the
 *   cookie HOMI_COOKIE_NONE.
 * - -E2BIG: more than the controller takes in one command.
 * - -EFAULT: any byte outside the region.
 * - -ERANGE: the first block is beyond HOMI_LBA_MAX; a range beyond the namespace is for the controller to
 *   refuse.
 * - -ENOBUFS: more than two pages, and neither the region has a PRP table nor the queue memory for lists.
 *
 * Buffers stay registered and untouched from the submission to the completion. "NVM" is the NVM Command Set
 * Specification 1.0, "Base" the Base Specification 2.0.
 */
#ifndef HOMI_IO_H
#define HOMI_IO_H

#include <homi/queue.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

/* The largest starting LBA: no device has so many blocks, no length can make it wrap, and one bit tells. */
#define HOMI_LBA_MAX (UINT64_MAX >> 1)

/* A namespace as the controller sees it: block_bytes is 1 << block_shift, `blocks` its size (NSZE). */
struct homi_namespace {
    uint32_t id;
    uint32_t block_shift;
    uint32_t block_bytes;
    uint32_t reserved;
    uint64_t blocks;
};

/* Fills a namespace. Returns 0, or -EINVAL: id 0, or block size not a power of two from 512 B to 64 KiB. */
static inline int homi_namespace_init(struct homi_namespace *ns, uint32_t id, uint32_t block_bytes,
                                      uint64_t blocks)
{
    if (id == 0 || block_bytes < 512 || block_bytes > 65536 || (block_bytes & (block_bytes - 1)) != 0)
        return -EINVAL;
    ns->id = id;
    ns->block_shift = (uint32_t)__builtin_ctz(block_bytes);
    ns->block_bytes = block_bytes;
    ns->reserved = 0;
    ns->blocks = blocks;
    return 0;
}

/*
 * The second data pointer for `count` pages from `iova` on: the page itself when it is one, else a list in
 * the slot's list memory (Base 4.1.1). Internal. Returns 0, which is none, when the queue has no list memory.
 */
HOMI_COLD uint64_t homi_prp_list(const struct homi_queue *queue, uint32_t slot, uint64_t iova, uint32_t count)
{
    uint64_t place = (uint64_t)slot * queue->list_stride_bytes, list = queue->lists_iova + place, next = list;
    uint64_t *entries = (uint64_t *)(void *)(queue->lists + place);
    uint32_t per_page = queue->page_bytes / 8;

    if (count == 1)
        return iova;
    if (queue->lists == NULL)
        return 0;
    while (count > per_page) {
        for (uint32_t i = 0; i < per_page - 1; i++, iova += queue->page_bytes)
            entries[i] = iova;
        next += queue->page_bytes;
        entries[per_page - 1] = next;
        entries += per_page;
        count -= per_page - 1;
    }
    for (uint32_t i = 0; i < count; i++)
        entries[i] = iova + ((uint64_t)i << queue->page_shift);
    return list;
}

/* Whether the region's table serves lists of `count` entries for this queue, wherever they start. Internal.
 */
HOMI_INLINE bool homi_prp_tabled(const struct homi_queue *queue, const struct homi_region_map *region,
                                 uint64_t count)
{
    return (count <= region->prp_reach_pages) & (region->prp_page_bytes == queue->page_bytes);
}

/* The place in the region's table of the list for a transfer that starts in page `first`. Internal. */
HOMI_INLINE uint64_t homi_prp_table_place(const struct homi_region_map *region, uint64_t first)
{
    return region->prp_iova + (first + (first & -(uint64_t)region->prp_reach_pages)) * 8;
}

/* A second data pointer, or why there is none. Small enough to be returned in registers. Internal. */
struct homi_prp2 {
    uint64_t iova;
    int error;
};

/*
 * The second data pointer of any transfer, or its refusal. Internal.
 */
HOMI_INLINE struct homi_prp2 homi_prp_second(const struct homi_queue *queue, uint32_t slot,
                                             const struct homi_region_map *region, uint64_t offset,
                                             uint32_t bytes, uint32_t unit_bytes)
{
    uint64_t first = offset >> queue->page_shift, last = (offset + bytes - 1) >> queue->page_shift;
    struct homi_prp2 prp2 = {0, 0};

    if (bytes > queue->max_transfer_bytes)
        prp2.error = -E2BIG;
    else if (bytes == 0 || (bytes & (unit_bytes - 1)) != 0)
        prp2.error = -EINVAL;
    else if (!homi_region_holds(region, offset, bytes))
        prp2.error = -EFAULT;
    else if ((offset & 3) != 0)
        prp2.error = -EINVAL;
    else if (last - first > 1 && homi_prp_tabled(queue, region, last - first))
        prp2.iova = homi_prp_table_place(region, first);
    else if (last != first) {
        prp2.iova = homi_prp_list(queue, slot, region->iova + ((first + 1) << queue->page_shift),
                                  (uint32_t)(last - first));
        prp2.error = prp2.iova == 0 ? -ENOBUFS : 0;
    }
    return prp2;
}

/* Every controller's page has at least so many bytes, and so has the largest transfer (Base 3.1.3.1). */
#define HOMI_PAGE_BYTES_MIN 4096u

/*
 * Fills the data pointers of `bytes` bytes at `address`, when that can be done at a glance, and says whether
 * it could. unit_bytes is a power of two and a multiple of 4. Internal. Two forms are: up to 4 KiB naturally
 * aligned, which lies in one page, and more than two pages whose list is in the region's table. A length that
 * the compiler knows leaves one of them.
 */
HOMI_INLINE bool homi_data_pointer(const struct homi_batch *batch, const struct homi_region_map *region,
                                   const void *address, uint32_t bytes, uint32_t unit_bytes,
                                   struct homi_sqe *sqe)
{
    bool tabled = (bytes > region->prp_from_bytes) & (bytes <= region->prp_reach_bytes) &
                  (bytes <= batch->max_transfer_bytes) & (batch->page_bytes == region->prp_page_bytes);
    uint64_t place = (uint64_t)(uintptr_t)address, offset = place - region->base;

    sqe->prp1 = region->iova + offset;
    sqe->prp2 = 0;
    if (homi_unlikely((bytes & (unit_bytes - 1)) != 0))
        return false;
    if (bytes - 1 < HOMI_PAGE_BYTES_MIN)
        return homi_likely((place & (bytes - 1)) == 0 && offset < region->whole_bytes);
    if (homi_unlikely(!tabled || (place & 3) != 0 || offset > region->bytes - bytes))
        return false;
    sqe->prp2 = homi_prp_table_place(region, offset >> region->prp_page_shift);
    return true;
}

/* A command with data pointers that are not told at a glance. Internal. */
struct homi_data_put {
    struct homi_batch batch;
    struct homi_sqe sqe;
    struct homi_region_map region;
    const void *address;
    uint64_t cookie;
    uint32_t bytes;
    uint32_t unit_bytes;
};

/*
 * Puts a command with any data pointers, or refuses it. A list that is built on the fly goes to the memory of
 * the slot at the batch's tail, which is free. Internal.
 */
HOMI_OUTLINE int homi_batch_put_any(struct homi_data_put *put)
{
    uint64_t offset = (uint64_t)(uintptr_t)put->address - put->region.base;
    struct homi_prp2 prp2 = homi_prp_second(put->batch.queue, homi_batch_slot(&put->batch), &put->region,
                                            offset, put->bytes, put->unit_bytes);

    if (prp2.error != 0)
        return prp2.error;
    put->sqe.prp2 = prp2.iova;
    return homi_batch_put(&put->batch, put->sqe, put->cookie);
}

/*
 * Puts a command that moves `bytes` bytes between `address` and the controller; the rest of it is in `sqe`.
 * Internal. What goes out of line goes there whole and as copies: the loop around then keeps next to nothing
 * across the call, and its batch, command and region in registers.
 */
HOMI_INLINE int homi_batch_put_data(struct homi_batch *batch, struct homi_sqe sqe,
                                    const struct homi_region_map *region, const void *address, uint32_t bytes,
                                    uint32_t unit_bytes, uint64_t cookie)
{
    if (homi_likely(homi_data_pointer(batch, region, address, bytes, unit_bytes, &sqe))) {
        return homi_batch_put(batch, sqe, cookie);
    } else {
        struct homi_data_put put = {*batch, sqe, *region, address, cookie, bytes, unit_bytes};
        int error = homi_batch_put_any(&put);

        batch->tail = put.batch.tail;
        return error;
    }
}

HOMI_INLINE uint64_t homi_opcode_nsid(uint32_t opcode, uint32_t nsid)
{
    return ((uint64_t)nsid << 32) + opcode;
}

/*
 * A command that moves `bytes` bytes between `address` and the blocks from `lba` on
 * (NVM 3.2.1, 3.2.4, 3.2.6). opcode is one that has this form (read, write, compare, or a vendor's); control
 * goes into bits 31:16 of dword 12 (HOMI_NVME_FORCE_UNIT_ACCESS and the like).
 */
HOMI_INLINE int homi_batch_transfer(struct homi_batch *batch, uint8_t opcode, const struct homi_namespace *ns,
                                    const struct homi_region_map *region, const void *address, uint32_t bytes,
                                    uint64_t lba, uint32_t control, uint64_t cookie)
{
    uint32_t last = (bytes >> ns->block_shift) - 1;
    struct homi_sqe sqe = {homi_opcode_nsid(opcode, ns->id), 0, 0, lba, last | control, 0};

    HOMI_REQUIRE((control & 0xffffu) == 0, "the low 16 bits of control are the block count's");
    if (homi_unlikely(lba > HOMI_LBA_MAX))
        return -ERANGE;
    return homi_batch_put_data(batch, sqe, region, address, bytes, ns->block_bytes, cookie);
}

/* Read (NVM 3.2.4). */
HOMI_INLINE int homi_batch_read(struct homi_batch *batch, const struct homi_namespace *ns,
                                const struct homi_region_map *region, void *address, uint32_t bytes,
                                uint64_t lba, uint64_t cookie)
{
    return homi_batch_transfer(batch, HOMI_NVME_READ, ns, region, address, bytes, lba, 0, cookie);
}

/* Write (NVM 3.2.6). */
HOMI_INLINE int homi_batch_write(struct homi_batch *batch, const struct homi_namespace *ns,
                                 const struct homi_region_map *region, const void *address, uint32_t bytes,
                                 uint64_t lba, uint64_t cookie)
{
    return homi_batch_transfer(batch, HOMI_NVME_WRITE, ns, region, address, bytes, lba, 0, cookie);
}

/* Compare the blocks with the buffer (NVM 3.2.1); HOMI_NVME_COMPARE_FAILURE when they differ. */
HOMI_INLINE int homi_batch_compare(struct homi_batch *batch, const struct homi_namespace *ns,
                                   const struct homi_region_map *region, const void *address, uint32_t bytes,
                                   uint64_t lba, uint64_t cookie)
{
    return homi_batch_transfer(batch, HOMI_NVME_COMPARE, ns, region, address, bytes, lba, 0, cookie);
}

/*
 * Data pointers of a scatter list in the memory of a queue's slot. Internal.
 * Returns 0, or -EINVAL, -E2BIG, -EFAULT, -ENOBUFS as above.
 */
int homi_prp_scatter(const struct homi_queue *queue, uint32_t slot, const struct homi_region_set *regions,
                     const struct iovec *vector, uint32_t count, uint32_t *ret_bytes, uint64_t ret_prp[2]);

/*
 * The transfer above with a scatter list. PRPs ask that each part but the first starts, and each but the last
 * ends, at a page boundary of the controller (Base 4.1.1): -EINVAL otherwise. Parts may lie in different
 * regions of the set. The vector may be reused at once. More than two pages need the queue's list memory,
 * prebuilt tables do not serve here.
 */
static inline int homi_batch_transferv(struct homi_batch *batch, uint8_t opcode,
                                       const struct homi_namespace *ns, const struct homi_region_set *regions,
                                       const struct iovec *vector, uint32_t count, uint64_t lba,
                                       uint32_t control, uint64_t cookie)
{
    struct homi_sqe sqe;
    uint64_t prp[2];
    uint32_t bytes, last;
    int error = homi_prp_scatter(batch->queue, homi_batch_slot(batch), regions, vector, count, &bytes, prp);

    if (error != 0)
        return error;
    if ((bytes & (ns->block_bytes - 1)) != 0)
        return -EINVAL;
    last = (bytes >> ns->block_shift) - 1;
    if (lba > HOMI_LBA_MAX)
        return -ERANGE;
    sqe.opcode_nsid = homi_opcode_nsid(opcode, ns->id);
    sqe.prp1 = prp[0];
    sqe.prp2 = prp[1];
    sqe.cdw10_11 = lba;
    sqe.cdw12_13 = last | control;
    sqe.cdw14_15 = 0;
    return homi_batch_put(batch, sqe, cookie);
}

static inline int homi_batch_readv(struct homi_batch *batch, const struct homi_namespace *ns,
                                   const struct homi_region_set *regions, const struct iovec *vector,
                                   uint32_t count, uint64_t lba, uint64_t cookie)
{
    return homi_batch_transferv(batch, HOMI_NVME_READ, ns, regions, vector, count, lba, 0, cookie);
}

static inline int homi_batch_writev(struct homi_batch *batch, const struct homi_namespace *ns,
                                    const struct homi_region_set *regions, const struct iovec *vector,
                                    uint32_t count, uint64_t lba, uint64_t cookie)
{
    return homi_batch_transferv(batch, HOMI_NVME_WRITE, ns, regions, vector, count, lba, 0, cookie);
}

/* Flush the volatile write cache (Base 7.1). */
HOMI_INLINE int homi_batch_flush(struct homi_batch *batch, const struct homi_namespace *ns, uint64_t cookie)
{
    struct homi_sqe sqe = {homi_opcode_nsid(HOMI_NVME_FLUSH, ns->id), 0, 0, 0, 0, 0};

    return homi_batch_put(batch, sqe, cookie);
}

/* A command on 1 to 65536 blocks that moves no data. Internal. */
HOMI_INLINE int homi_batch_blocks(struct homi_batch *batch, uint8_t opcode, const struct homi_namespace *ns,
                                  uint64_t lba, uint32_t blocks, uint32_t control, uint64_t cookie)
{
    struct homi_sqe sqe = {homi_opcode_nsid(opcode, ns->id), 0, 0, lba, (blocks - 1) | control, 0};

    if (homi_unlikely(blocks - 1 >= HOMI_NVME_BLOCKS_MAX))
        return blocks == 0 ? -EINVAL : -E2BIG;
    if (homi_unlikely(lba > HOMI_LBA_MAX))
        return -ERANGE;
    return homi_batch_put(batch, sqe, cookie);
}

/* Write Zeroes to 1 to 65536 blocks (NVM 3.2.8). control: 0 or HOMI_NVME_DEALLOCATE_ZEROES and the like. */
HOMI_INLINE int homi_batch_write_zeroes(struct homi_batch *batch, const struct homi_namespace *ns,
                                        uint64_t lba, uint32_t blocks, uint32_t control, uint64_t cookie)
{
    return homi_batch_blocks(batch, HOMI_NVME_WRITE_ZEROES, ns, lba, blocks, control, cookie);
}

/* Verify that 1 to 65536 blocks can be read (NVM 3.2.5). */
HOMI_INLINE int homi_batch_verify(struct homi_batch *batch, const struct homi_namespace *ns, uint64_t lba,
                                  uint32_t blocks, uint64_t cookie)
{
    return homi_batch_blocks(batch, HOMI_NVME_VERIFY, ns, lba, blocks, 0, cookie);
}

/*
 * Dataset Management on 1 to 256 ranges, which lie in the region until the command completes (NVM 3.2.3).
 * attributes: HOMI_NVME_DSM_DEALLOCATE and the like.
 */
HOMI_INLINE int homi_batch_dataset_management(struct homi_batch *batch, const struct homi_namespace *ns,
                                              const struct homi_region_map *region,
                                              const struct homi_nvme_dsm_range *ranges, uint32_t count,
                                              uint32_t attributes, uint64_t cookie)
{
    struct homi_sqe sqe = {homi_opcode_nsid(HOMI_NVME_DATASET_MANAGEMENT, ns->id),
                           0,
                           0,
                           (count - 1) | (uint64_t)attributes << 32,
                           0,
                           0};

    if (homi_unlikely(count - 1 >= HOMI_NVME_RANGES_MAX))
        return -EINVAL;
    return homi_batch_put_data(batch, sqe, region, ranges, count * (uint32_t)sizeof(*ranges), sizeof(*ranges),
                               cookie);
}

/* Deallocate 1 to 256 ranges (NVM 3.2.3). What is read there afterwards depends on DLFEAT: it is no erase. */
HOMI_INLINE int homi_batch_deallocate(struct homi_batch *batch, const struct homi_namespace *ns,
                                      const struct homi_region_map *region,
                                      const struct homi_nvme_dsm_range *ranges, uint32_t count,
                                      uint64_t cookie)
{
    return homi_batch_dataset_management(batch, ns, region, ranges, count, HOMI_NVME_DSM_DEALLOCATE, cookie);
}

/*
 * Copy 1 to 256 ranges, which lie in the region until the command completes, to the blocks from `lba` on,
 * within one namespace (NVM 3.2.2, descriptor format 0). The namespace's own limits (MSRC, MSSRL, MCL) are
 * the controller's to check.
 */
HOMI_INLINE int homi_batch_copy(struct homi_batch *batch, const struct homi_namespace *ns,
                                const struct homi_region_map *region,
                                const struct homi_nvme_copy_range *ranges, uint32_t count, uint64_t lba,
                                uint64_t cookie)
{
    struct homi_sqe sqe = {homi_opcode_nsid(HOMI_NVME_COPY, ns->id), 0, 0, lba, count - 1, 0};

    if (homi_unlikely(count - 1 >= HOMI_NVME_RANGES_MAX))
        return -EINVAL;
    return homi_batch_put_data(batch, sqe, region, ranges, count * (uint32_t)sizeof(*ranges), sizeof(*ranges),
                               cookie);
}

/*
 * A command as it stands, but for its identifier. Its data pointers and metadata pointer are not checked:
 * they are device addresses, and the IOMMU bounds them to what is registered.
 */
HOMI_INLINE int homi_batch_raw(struct homi_batch *batch, const struct homi_nvme_command *command,
                               uint64_t cookie)
{
    uint64_t tail = batch->tail;
    struct homi_sqe sqe = {command->opcode | (uint64_t)command->flags << 8 | (uint64_t)command->nsid << 32,
                           command->prp1,
                           command->prp2,
                           command->cdw10 | (uint64_t)command->cdw11 << 32,
                           command->cdw12 | (uint64_t)command->cdw13 << 32,
                           command->cdw14 | (uint64_t)command->cdw15 << 32};
    int error = homi_batch_put(batch, sqe, cookie);

    if (error == 0) {
        homi_sqe_word *words = (homi_sqe_word *)(void *)(batch->sq + tail * 8);

        words[1] = command->cdw2 | (uint64_t)command->cdw3 << 32;
        words[2] = command->mptr;
    }
    return error;
}

/*
 * One command, at once: a batch of its own. The same arguments and refusals.
 */
HOMI_INLINE int homi_queue_read(struct homi_queue *queue, const struct homi_namespace *ns,
                                const struct homi_region_map *region, void *address, uint32_t bytes,
                                uint64_t lba, uint64_t cookie)
{
    struct homi_batch batch = homi_batch_begin(queue);
    int error = homi_batch_read(&batch, ns, region, address, bytes, lba, cookie);

    homi_batch_submit(&batch);
    return error;
}

HOMI_INLINE int homi_queue_write(struct homi_queue *queue, const struct homi_namespace *ns,
                                 const struct homi_region_map *region, const void *address, uint32_t bytes,
                                 uint64_t lba, uint64_t cookie)
{
    struct homi_batch batch = homi_batch_begin(queue);
    int error = homi_batch_write(&batch, ns, region, address, bytes, lba, cookie);

    homi_batch_submit(&batch);
    return error;
}

HOMI_INLINE int homi_queue_flush(struct homi_queue *queue, const struct homi_namespace *ns, uint64_t cookie)
{
    struct homi_batch batch = homi_batch_begin(queue);
    int error = homi_batch_flush(&batch, ns, cookie);

    homi_batch_submit(&batch);
    return error;
}

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
