/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The inline device: after a doorbell it posts completions of the oldest commands, or of older ones in random
 * order, and never looks at the commands. The order is a table made beforehand, so that either costs the
 * same.
 */
#ifndef HOMI_BENCH_DATAPATH_DEVICE_H
#define HOMI_BENCH_DATAPATH_DEVICE_H

#include <homi/nvme.h>

/* Laps of the ring before the order repeats. */
#define BENCH_ORDER_LAPS 4u

struct bench_device {
    struct homi_nvme_completion *cq;
    const uint16_t *order;
    uint32_t entries;
    uint32_t position;
    uint32_t lap_end;
    uint32_t phase;
};

/* The device's code lies in a section of its own, so that its instructions can be told from the drivers'. */
#define BENCH_DEVICE_CODE __attribute__((noinline, section("bench_device")))

/* Posts `count` completions. */
BENCH_DEVICE_CODE void bench_device_complete(struct bench_device *device, uint32_t count);

/*
 * The identifiers in the order of their completion, for BENCH_ORDER_LAPS laps of a ring of `entries`, a
 * multiple of 64. Random order permutes runs of 64 commands, so a command is overtaken by at most 63 later
 * ones.
 */
void bench_device_order(uint16_t *order, uint32_t entries, bool random);

#endif
