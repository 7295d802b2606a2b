/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A controller's side of one queue pair, in the test's own thread: it fetches what the doorbell announces and
 * completes commands when, and in which order, the test says. Fails the test when the host breaks the rules
 * of the queues.
 */
#ifndef HOMI_TESTS_UNIT_INLINE_DEVICE_H
#define HOMI_TESTS_UNIT_INLINE_DEVICE_H

#include <homi/io.h>

struct inline_device {
    struct homi_queue queue;
    struct homi_queue_setup setup;
    volatile uint32_t doorbells[2];
    volatile uint32_t wake;
    volatile uint32_t csts;
    struct homi_nvme_command *sq;
    struct homi_nvme_completion *cq;
    uint32_t entries;
    uint32_t sq_head;
    uint32_t cq_tail;
    uint16_t phase;
    /* Commands fetched and not completed, oldest first: a window that moves up in `fetched`. */
    struct homi_nvme_command *inflight;
    uint32_t inflight_count;
    struct homi_nvme_command *fetched;
    bool *busy;
};

/* A device and its queue, of pages of 4 KiB and transfers of up to 1 MiB; no list memory. Released by
 * _destroy. */
void inline_device_create(struct inline_device *device, uint32_t entries);
void inline_device_destroy(struct inline_device *device);

/* Fetches every command that the doorbell announces. Returns how many. */
uint32_t inline_device_fetch(struct inline_device *device);

/* Completes the inflight command at `index`. */
void inline_device_complete(struct inline_device *device, uint32_t index, uint16_t status, uint32_t result);

/* Posts a completion that the host did not ask for. */
void inline_device_post(struct inline_device *device, uint16_t cid, uint16_t status, uint32_t result);

#endif
