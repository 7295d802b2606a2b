/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The correct floor: what a driver written for this one workload must do and no more. It builds each command
 * in registers and stores it whole, finds a slot that is still busy and an identifier that belongs to
 * nothing, and sees an error status. It trusts its buffers and lengths, and knows the batch beforehand.
 */
#include "bench/datapath/floor.h"

static inline uint64_t list_of(uint64_t buffer, uint32_t bytes)
{
    return bytes <= BENCH_PAGE ? 0 : BENCH_TABLE_IOVA + (buffer - BENCH_BASE) / BENCH_PAGE * 8;
}

static inline uint32_t submit(struct bench_queue *queue, const uint64_t *buffers, uint32_t count,
                              uint32_t bytes, uint64_t lba)
{
    struct homi_nvme_command *sq = queue->sq;
    uint64_t *cookies = queue->cookies;
    uint32_t put = 0, tail = queue->tail;
    uint64_t opcode_nsid = HOMI_NVME_READ | (uint64_t)BENCH_NSID << 32;
    uint64_t last = (bytes >> BENCH_BLOCK_SHIFT) - 1;

    if (queue->inflight + count > BENCH_ENTRIES - 1)
        return 0;
    while (put < count) {
        uint32_t room = BENCH_ENTRIES - tail, end = count - put < room ? count : put + room;

        for (; put < end; put++, tail++) {
            uint64_t buffer = buffers[put];
            struct homi_sqe sqe = {.prp1 = buffer + (BENCH_IOVA - BENCH_BASE),
                                   .prp2 = list_of(buffer, bytes),
                                   .cdw10_11 = lba,
                                   .cdw12_13 = last};

            if (homi_unlikely(cookies[tail] != HOMI_COOKIE_NONE))
                goto out;
            cookies[tail] = buffer;
            homi_sqe_store(&sq[tail], opcode_nsid | (uint64_t)tail << 16, sqe);
            lba += last + 1;
        }
        if (tail == BENCH_ENTRIES)
            tail = 0;
    }
out:
    queue->tail = tail;
    queue->inflight += put;
    homi_device_write_barrier();
    queue->doorbells[0] = tail;
    return put;
}

/* An error status only ends the reaping: it ends the benchmark. */
static inline uint32_t reap(struct bench_queue *queue, uint64_t *buffers, uint32_t max)
{
    uint64_t *cookies = queue->cookies, *next = buffers, *end = buffers + max;
    uint32_t head = queue->head;
    uint64_t expected = queue->phase != 0 ? HOMI_CQE_PHASE : 0;

    while (next != end) {
        size_t room = BENCH_ENTRIES - head, left = (size_t)(end - next);
        const homi_cqe_word *cqe = (const homi_cqe_word *)(const void *)&queue->cq[head];
        uint64_t *run_end = next + (left < room ? left : room), *start = next;

        for (; next != run_end; next++, cqe += 4) {
            /* As the public API has it: what is new and a success is its identifier alone. */
            uint64_t cid = __atomic_load_n(&cqe[3], __ATOMIC_RELAXED) ^ expected, cookie;

            if (homi_unlikely(cid >= BENCH_ENTRIES))
                break;
            cookie = cookies[cid];
            if (homi_unlikely(cookie == HOMI_COOKIE_NONE))
                break;
            homi_device_read_barrier();
            cookies[cid] = HOMI_COOKIE_NONE;
            *next = cookie;
        }
        head += (uint32_t)(next - start);
        if (next != run_end)
            break;
        if (head == BENCH_ENTRIES) {
            head = 0;
            expected ^= HOMI_CQE_PHASE;
        }
    }
    queue->head = head;
    queue->phase = expected != 0;
    queue->inflight -= (uint32_t)(next - buffers);
    homi_device_read_barrier();
    queue->doorbells[1] = head;
    return (uint32_t)(next - buffers);
}

static bool fill(struct bench *bench)
{
    return floor_fill(bench, submit, reap);
}

static uint64_t run(struct bench *bench, uint64_t turns)
{
    return floor_run(bench, turns, submit, reap);
}

const struct bench_driver bench_driver_floor = {"floor", fill, run};
