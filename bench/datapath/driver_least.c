/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The least floor: the least that works when nothing goes wrong. Commands stay in their slots and only what
 * differs is written; phases are looked at for a run of completions together; nothing is checked.
 */
#include "bench/datapath/floor.h"

HOMI_INLINE uint32_t submit(struct bench_queue *queue, const uint64_t *buffers, uint32_t count,
                            uint32_t bytes, uint64_t lba)
{
    homi_sqe_word *sq = (homi_sqe_word *)(void *)queue->sq;
    uint64_t *cookies = queue->cookies;
    uint32_t put = 0, tail = queue->tail;

    while (put < count) {
        uint32_t room = BENCH_ENTRIES - tail, end = count - put < room ? count : put + room;

        for (; put < end; put++, tail++) {
            homi_sqe_word *command = sq + tail * 8ull;

            cookies[tail] = buffers[put];
            command[3] = buffers[put] + (BENCH_IOVA - BENCH_BASE);
            if (bytes > BENCH_PAGE)
                command[4] = BENCH_TABLE_IOVA + (buffers[put] - BENCH_BASE) / BENCH_PAGE * 8;
            command[5] = lba;
            lba += bytes >> BENCH_BLOCK_SHIFT;
        }
        if (tail == BENCH_ENTRIES)
            tail = 0;
    }
    queue->tail = tail;
    homi_device_write_barrier();
    queue->doorbells[0] = tail;
    return put;
}

HOMI_INLINE uint32_t reap(struct bench_queue *queue, uint64_t *buffers, uint32_t max)
{
    const uint64_t *cookies = queue->cookies;
    uint32_t count = 0, head = queue->head;
    uint16_t phase = queue->phase != 0;

    while (count < max) {
        uint32_t room = BENCH_ENTRIES - head, run = max - count < room ? max - count : room;
        const struct homi_nvme_completion *cqe = &queue->cq[head];
        uint16_t wrong = 0;

        for (uint32_t i = 0; i < run; i++)
            wrong |= cqe[i].status ^ phase;
        if (wrong != 0)
            break;
        homi_device_read_barrier();
        for (uint32_t i = 0; i < run; i++)
            buffers[count + i] = cookies[cqe[i].cid];
        count += run;
        head += run;
        if (head == BENCH_ENTRIES) {
            head = 0;
            phase ^= 1;
        }
    }
    queue->head = head;
    queue->phase = phase;
    queue->doorbells[1] = head;
    return count;
}

static bool fill(struct bench *bench)
{
    for (uint32_t q = 0; q < bench->now.queues; q++)
        for (uint32_t i = 0; i < BENCH_ENTRIES; i++)
            bench->queues[q].sq[i] = (struct homi_nvme_command){
                .opcode = HOMI_NVME_READ,
                .nsid = BENCH_NSID,
                .cid = (uint16_t)i,
                .cdw12 = (bench->now.block_bytes >> BENCH_BLOCK_SHIFT) - 1,
            };
    return floor_fill(bench, submit, reap);
}

HOMI_INLINE uint64_t run_sized(struct bench *bench, uint64_t turns, uint32_t bytes, uint32_t batch)
{
    return floor_run(bench, turns, bytes, batch, submit, reap);
}

BENCH_DEFINE_RUN

const struct bench_driver bench_driver_least = {"least", fill, run};
