/* SPDX-License-Identifier: BSD-3-Clause */
/* The device alone, to be taken off every driver's time. */
#include "bench/datapath/bench.h"

static bool fill(struct bench *bench)
{
    for (uint32_t q = 0; q < bench->now.queues; q++)
        bench_device_complete(&bench->queues[q].device, bench->now.batch);
    return true;
}

static uint64_t run(struct bench *bench, uint64_t turns)
{
    uint32_t q = 0;

    for (uint64_t turn = 0; turn < turns; turn++) {
        bench_device_complete(&bench->queues[q].device, bench->now.batch);
        if (++q == bench->now.queues)
            q = 0;
    }
    return turns * bench->now.batch;
}

const struct bench_driver bench_driver_none = {"none", fill, run};
