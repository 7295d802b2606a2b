/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/inline_device.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

/* As ck_assert_msg(), but costs nothing when it holds: this runs for every command. */
static void require(bool held, const char *rule)
{
    if (!held)
        ck_abort_msg("%s", rule);
}

static void *pages(uint64_t bytes)
{
    void *memory = NULL;

    ck_assert_int_eq(posix_memalign(&memory, 4096, bytes), 0);
    memset(memory, 0xa5, bytes);
    return memory;
}

void inline_device_create(struct inline_device *device, uint32_t entries)
{
    memset(device, 0, sizeof(*device));
    device->entries = entries;
    device->phase = 1;
    device->csts = HOMI_NVME_CSTS_READY;
    device->sq = pages((uint64_t)entries * HOMI_NVME_SQE_BYTES);
    device->cq = pages((uint64_t)entries * HOMI_NVME_CQE_BYTES);
    device->fetched = calloc(2 * (size_t)entries, sizeof(*device->fetched));
    device->inflight = device->fetched;
    device->busy = calloc(entries, sizeof(*device->busy));
    device->setup = (struct homi_queue_setup){
        .sq = device->sq,
        .cq = device->cq,
        .sq_doorbell = &device->doorbells[0],
        .cq_doorbell = &device->doorbells[1],
        .csts = &device->csts,
        .cookies = calloc(entries + 1, sizeof(uint64_t)),
        .entries = entries,
        .page_bytes = 4096,
        .max_transfer_bytes = 1u << 20,
        .id = 1,
    };
    ck_assert_ptr_nonnull(device->fetched);
    ck_assert_ptr_nonnull(device->busy);
    ck_assert_ptr_nonnull(device->setup.cookies);
    ck_assert_int_eq(homi_queue_init(&device->queue, &device->setup), 0);
}

void inline_device_destroy(struct inline_device *device)
{
    free(device->sq);
    free(device->cq);
    free(device->fetched);
    free(device->busy);
    free(device->setup.cookies);
}

uint32_t inline_device_fetch(struct inline_device *device)
{
    uint32_t fetched = 0, tail = device->doorbells[0];

    require(tail < device->entries, "the doorbell is beyond the queue");
    for (; device->sq_head != tail; fetched++) {
        const struct homi_nvme_command *command = &device->sq[device->sq_head];

        require(command->cid == device->sq_head, "the command identifier is not the slot");
        require(!device->busy[command->cid], "a command identifier is in use twice");
        if (device->inflight + device->inflight_count == device->fetched + 2 * (size_t)device->entries) {
            memmove(device->fetched, device->inflight, device->inflight_count * sizeof(*device->inflight));
            device->inflight = device->fetched;
        }
        device->inflight[device->inflight_count++] = *command;
        device->busy[command->cid] = true;
        device->sq_head = (device->sq_head + 1) % device->entries;
    }
    return fetched;
}

void inline_device_post(struct inline_device *device, uint16_t cid, uint16_t status, uint32_t result)
{
    uint32_t next = (device->cq_tail + 1) % device->entries;

    require(next != device->doorbells[1], "the completion queue is full");
    device->cq[device->cq_tail] = (struct homi_nvme_completion){
        .result = result,
        .sq_head = (uint16_t)device->sq_head,
        .sq_id = 1,
        .cid = cid,
        .status = (uint16_t)(status << 1 | device->phase),
    };
    device->cq_tail = next;
    if (next == 0)
        device->phase ^= 1;
}

void inline_device_complete(struct inline_device *device, uint32_t index, uint16_t status, uint32_t result)
{
    uint16_t cid = device->inflight[index].cid;

    require(index < device->inflight_count, "the test completes what is not in flight");
    memmove(&device->inflight[1], &device->inflight[0], index * sizeof(*device->inflight));
    device->inflight++;
    device->inflight_count--;
    device->busy[cid] = false;
    inline_device_post(device, cid, status, result);
}
