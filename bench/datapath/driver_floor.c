/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The correct floor: what a driver written for this one workload must do and no more. It builds each command
 * in registers and stores it whole, finds a slot that is still busy and an identifier that belongs to
 * nothing, and sees an error status. It trusts its buffers and lengths, and knows the batch beforehand.
 */
#include "bench/datapath/floor.h"

HOMI_INLINE uint64_t list_of(uint64_t buffer, uint32_t bytes)
{
    return bytes <= BENCH_PAGE ? 0 : BENCH_TABLE_IOVA + (buffer - BENCH_BASE) / BENCH_PAGE * 8;
}

/* The slot after the tail must be free, as one entry stays empty; the word after the last slot is never free.
 */
HOMI_INLINE uint32_t submit(struct bench_queue *queue, const uint64_t *buffers, uint32_t count,
                            uint32_t bytes, uint64_t lba)
{
    struct homi_nvme_command *sq = queue->sq;
    uint64_t *cookies = queue->cookies;
    uint64_t tail = queue->tail, last = (bytes >> BENCH_BLOCK_SHIFT) - 1;
    uint32_t put = 0;

    do {
        uint64_t buffer = buffers[put], next = tail + 1;
        struct homi_sqe sqe = {.prp1 = buffer + (BENCH_IOVA - BENCH_BASE),
                               .prp2 = list_of(buffer, bytes),
                               .cdw10_11 = lba,
                               .cdw12_13 = last};

        if (homi_unlikely(cookies[next] != HOMI_COOKIE_NONE)) {
            if (next != BENCH_ENTRIES || cookies[0] != HOMI_COOKIE_NONE)
                break;
            next = 0;
        }
        cookies[tail] = buffer;
        homi_sqe_store(&sq[tail], (HOMI_NVME_READ | (uint64_t)BENCH_NSID << 32) + (tail << 16), sqe);
        tail = next;
        lba += last + 1;
    } while (++put != count);
    queue->tail = (uint32_t)tail;
    homi_device_write_barrier();
    queue->doorbells[0] = (uint32_t)tail;
    return put;
}

/* An error status only ends the reaping: it ends the benchmark. */
HOMI_INLINE uint32_t reap(struct bench_queue *queue, uint64_t *buffers, uint32_t max)
{
    uint64_t *cookies = queue->cookies;
    uint32_t head = queue->head, count = 0;
    uint64_t expected = queue->phase;

    do {
        uint32_t room = BENCH_ENTRIES - head, left = max - count,
                 run = (left - 1 < room - 1 ? left - 1 : room - 1) + 1, end = count + run;
        const homi_cqe_word *cqe = (const homi_cqe_word *)(const void *)&queue->cq[head];

        for (; count != end; count++, cqe += 4) {
            /* As the public API has it: what is new and a success is its identifier alone. */
            uint64_t cid = __atomic_load_n(&cqe[3], __ATOMIC_RELAXED) ^ expected, cookie;

            if (homi_unlikely(cid >= BENCH_ENTRIES))
                return 0;
            cookie = cookies[cid];
            if (homi_unlikely(cookie == HOMI_COOKIE_NONE))
                return 0;
            homi_device_read_barrier();
            cookies[cid] = HOMI_COOKIE_NONE;
            buffers[count] = cookie;
        }
        head += run;
        if (homi_unlikely(head == BENCH_ENTRIES)) {
            head = 0;
            expected ^= HOMI_CQE_PHASE;
            queue->phase = (uint32_t)expected;
        }
    } while (homi_unlikely(count != max));
    queue->head = head;
    homi_device_read_barrier();
    queue->doorbells[1] = head;
    return count;
}

static bool fill(struct bench *bench)
{
    return floor_fill(bench, submit, reap);
}

HOMI_INLINE uint64_t run_sized(struct bench *bench, uint64_t turns, uint32_t bytes, uint32_t batch)
{
    return floor_run(bench, turns, bytes, batch, submit, reap);
}

BENCH_DEFINE_RUN

const struct bench_driver bench_driver_floor = {"floor", fill, run};
