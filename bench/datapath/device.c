/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench/datapath/device.h"

#include <stdlib.h>

#define RUN 64u

void bench_device_complete(struct bench_device *device, uint32_t count)
{
    while (count > 0) {
        uint32_t room = device->lap_end - device->position, run = count < room ? count : room;
        const uint16_t *order = device->order + device->position;
        uint64_t *cqe = (uint64_t *)(void *)(device->cq + (device->position % device->entries));

        for (uint32_t i = 0; i < run; i++) {
            cqe[2 * i] = 0;
            cqe[2 * i + 1] = (uint64_t)order[i] << 32 | (uint64_t)device->phase << 48;
        }
        count -= run;
        device->position += run;
        if (device->position == device->lap_end) {
            if (device->position == BENCH_ORDER_LAPS * device->entries)
                device->position = 0;
            device->lap_end = device->position + device->entries;
            device->phase ^= 1;
        }
    }
}

void bench_device_order(uint16_t *order, uint32_t entries, bool random)
{
    unsigned seed = 1;

    for (uint32_t i = 0; i < BENCH_ORDER_LAPS * entries; i++)
        order[i] = (uint16_t)(i % entries);
    if (!random)
        return;
    for (uint32_t run = 0; run < BENCH_ORDER_LAPS * entries; run += RUN)
        for (uint32_t i = RUN - 1; i > 0; i--) {
            uint32_t other = (uint32_t)rand_r(&seed) % (i + 1);
            uint16_t kept = order[run + i];

            order[run + i] = order[run + other];
            order[run + other] = kept;
        }
}
