/* SPDX-License-Identifier: BSD-3-Clause */
/* The queue pair's slots, phases, doorbells and refusals, against a controller in the same thread. */
#include "tests/unit/inline_device.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define REGION_BYTES (4u << 20)
#define REGION_IOVA  0x7000000000ull

static struct inline_device device;
static struct homi_namespace ns;
static struct homi_region_map region;
static unsigned char *buffer;

static void start(uint32_t entries)
{
    inline_device_create(&device, entries);
    ck_assert_int_eq(homi_namespace_init(&ns, 7, 512, 1u << 20), 0);
    ck_assert_int_eq(posix_memalign((void **)&buffer, 4096, REGION_BYTES), 0);
    ck_assert_int_eq(homi_region_map_init(&region, buffer, REGION_BYTES, REGION_IOVA), 0);
}

static void stop(void)
{
    inline_device_destroy(&device);
    free(buffer);
}

static int submit_read(uint64_t lba, uint64_t cookie)
{
    return homi_queue_read(&device.queue, &ns, &region, buffer, 4096, lba, cookie);
}

START_TEST(setup_is_checked)
{
    struct homi_queue queue;
    struct homi_queue_setup bad;

    start(16);
#define REFUSED(change)                                                                                      \
    bad = device.setup;                                                                                      \
    change;                                                                                                  \
    ck_assert_int_eq(homi_queue_init(&queue, &bad), -EINVAL)
    REFUSED(bad.sq = NULL);
    REFUSED(bad.cq = NULL);
    REFUSED(bad.sq = (unsigned char *)bad.sq + 64);
    REFUSED(bad.cq = (unsigned char *)bad.cq + 16);
    REFUSED(bad.cookies = NULL);
    REFUSED(bad.sq_doorbell = NULL);
    REFUSED(bad.cq_doorbell = NULL);
    REFUSED(bad.wake = &device.wake);
    REFUSED(bad.entries = 1);
    REFUSED(bad.entries = 65537);
    REFUSED(bad.page_bytes = 2048);
    REFUSED(bad.page_bytes = 4097);
    REFUSED(bad.max_transfer_bytes = 4095);
    REFUSED(bad.lists_iova = 8);
#undef REFUSED
    stop();
}
END_TEST

START_TEST(commands_have_their_form)
{
    struct homi_nvme_command raw = {.opcode = 0xc1,
                                    .flags = 0x40,
                                    .cid = 0x5555,
                                    .nsid = 9,
                                    .cdw2 = 2,
                                    .cdw3 = 3,
                                    .mptr = 4,
                                    .prp1 = 5,
                                    .prp2 = 6,
                                    .cdw10 = 10,
                                    .cdw11 = 11,
                                    .cdw12 = 12,
                                    .cdw13 = 13,
                                    .cdw14 = 14,
                                    .cdw15 = 15};
    struct homi_nvme_command expected[10] = {
        {.opcode = 0x02, .nsid = 7, .prp1 = REGION_IOVA + 512, .cdw10 = 8, .cdw11 = 1, .cdw12 = 0},
        {.opcode = 0x01, .nsid = 7, .prp1 = REGION_IOVA, .prp2 = REGION_IOVA + 4096, .cdw10 = 9, .cdw12 = 15},
        {.opcode = 0x05, .nsid = 7, .prp1 = REGION_IOVA, .cdw10 = 10, .cdw12 = 7},
        {.opcode = 0x00, .nsid = 7},
        {.opcode = 0x08, .nsid = 7, .cdw10 = 11, .cdw12 = 65535 | 1u << 25},
        {.opcode = 0x0c, .nsid = 7, .cdw10 = 12, .cdw12 = 0},
        {.opcode = 0x09,
         .nsid = 7,
         .prp1 = REGION_IOVA + 4080,
         .prp2 = REGION_IOVA + 4096,
         .cdw10 = 255,
         .cdw11 = 4},
        {.opcode = 0x19, .nsid = 7, .prp1 = REGION_IOVA, .cdw10 = 13, .cdw12 = 1},
        {.opcode = 0x01, .nsid = 7, .prp1 = REGION_IOVA, .cdw10 = 14, .cdw12 = 1u << 30},
        raw,
    };
    struct homi_batch batch;
    void *ranges = buffer;

    start(16);
    ranges = buffer + 4080;
    batch = homi_batch_begin(&device.queue);
    ck_assert_int_eq(homi_batch_read(&batch, &ns, &region, buffer + 512, 512, 0x100000008ull, 0), 0);
    ck_assert_int_eq(homi_batch_write(&batch, &ns, &region, buffer, 8192, 9, 1), 0);
    ck_assert_int_eq(homi_batch_compare(&batch, &ns, &region, buffer, 4096, 10, 2), 0);
    ck_assert_int_eq(homi_batch_flush(&batch, &ns, 3), 0);
    ck_assert_int_eq(homi_batch_write_zeroes(&batch, &ns, 11, 65536, HOMI_NVME_DEALLOCATE_ZEROES, 4), 0);
    ck_assert_int_eq(homi_batch_verify(&batch, &ns, 12, 1, 5), 0);
    ck_assert_int_eq(homi_batch_deallocate(&batch, &ns, &region, ranges, 256, 6), 0);
    ck_assert_int_eq(homi_batch_copy(&batch, &ns, &region, (void *)buffer, 2, 13, 7), 0);
    ck_assert_int_eq(homi_batch_transfer(&batch, HOMI_NVME_WRITE, &ns, &region, buffer, 512, 14,
                                         HOMI_NVME_FORCE_UNIT_ACCESS, 8),
                     0);
    ck_assert_int_eq(homi_batch_raw(&batch, &raw, 9), 0);
    ck_assert_uint_eq(inline_device_fetch(&device), 0);
    homi_batch_submit(&batch);
    ck_assert_uint_eq(inline_device_fetch(&device), 10);
    for (uint32_t i = 0; i < 10; i++) {
        expected[i].cid = (uint16_t)i;
        ck_assert_mem_eq(&device.inflight[i], &expected[i], sizeof(expected[i]));
    }
    stop();
}
END_TEST

static const uint32_t depths[] = {2, 3, 5, 16, 1000, 65536};

START_TEST(one_entry_stays_empty)
{
    uint32_t entries = depths[_i];
    struct homi_completion completions[1];
    struct homi_batch batch;

    start(entries);
    batch = homi_batch_begin(&device.queue);
    for (uint32_t i = 0; i < entries - 1; i++)
        ck_assert_int_eq(homi_batch_flush(&batch, &ns, i), 0);
    ck_assert_int_eq(homi_batch_flush(&batch, &ns, 1), -EAGAIN);
    homi_batch_submit(&batch);
    ck_assert_int_eq(submit_read(0, 1), -EAGAIN);
    ck_assert_uint_eq(device.doorbells[0], entries - 1);
    ck_assert_uint_eq(homi_queue_depth(&device.queue), entries - 1);
    ck_assert_uint_eq(inline_device_fetch(&device), entries - 1);
    inline_device_complete(&device, 0, 0, 0);
    ck_assert_int_eq(submit_read(0, 1), -EAGAIN);
    ck_assert_uint_eq(homi_queue_reap(&device.queue, completions, 1), 1);
    ck_assert_uint_eq(completions[0].cookie, 0);
    ck_assert_int_eq(submit_read(0, 77), 0);
    ck_assert_int_eq(submit_read(0, 78), -EAGAIN);
    ck_assert_uint_eq(device.doorbells[0], 0);
    stop();
}
END_TEST

START_TEST(straggler_keeps_its_slot)
{
    struct homi_completion completions[8];
    uint32_t taken = 0;

    start(8);
    for (uint64_t i = 0; i < 3; i++)
        ck_assert_int_eq(submit_read(i, i), 0);
    inline_device_fetch(&device);
    /* Slot 1 stays busy while the others come back and are used again until the tail reaches it. */
    inline_device_complete(&device, 2, 0, 0);
    inline_device_complete(&device, 0, 0, 0);
    ck_assert_uint_eq(homi_queue_reap(&device.queue, completions, 8), 2);
    ck_assert_uint_eq(completions[0].cookie, 2);
    ck_assert_uint_eq(completions[1].cookie, 0);
    while (submit_read(100 + taken, 100 + taken) == 0) {
        ck_assert_uint_lt(++taken, 8);
        inline_device_fetch(&device);
        inline_device_complete(&device, 1, 0, 0);
        ck_assert_uint_eq(homi_queue_reap(&device.queue, completions, 8), 1);
    }
    ck_assert_uint_eq(taken, 5);
    ck_assert_uint_eq(device.doorbells[0], 0);
    inline_device_complete(&device, 0, 0, 0);
    ck_assert_uint_eq(homi_queue_reap(&device.queue, completions, 8), 1);
    ck_assert_uint_eq(completions[0].cookie, 1);
    ck_assert_int_eq(submit_read(0, 5), 0);
    stop();
}
END_TEST

START_TEST(spurious_completions_are_dropped)
{
    struct homi_completion completions[8];

    start(8);
    inline_device_post(&device, 3, 0, 0);
    ck_assert_uint_eq(homi_queue_reap(&device.queue, completions, 8), 0);
    ck_assert_uint_eq(device.doorbells[1], 1);
    ck_assert(!homi_queue_posted(&device.queue));
    ck_assert_int_eq(submit_read(0, 42), 0);
    inline_device_fetch(&device);
    inline_device_post(&device, 8, 0, 0);
    inline_device_post(&device, 0xffff, 0, 0);
    inline_device_complete(&device, 0, 0, 0);
    inline_device_post(&device, 0, 0, 0);
    ck_assert_uint_eq(homi_queue_reap(&device.queue, completions, 8), 1);
    ck_assert_uint_eq(completions[0].cookie, 42);
    ck_assert_uint_eq(homi_queue_spurious(&device.queue), 4);
    ck_assert_uint_eq(device.doorbells[1], 5);
    stop();
}
END_TEST

START_TEST(status_and_result_are_delivered)
{
    struct homi_completion completions[2];

    start(8);
    ck_assert_int_eq(submit_read(0, 1), 0);
    ck_assert_int_eq(submit_read(0, 2), 0);
    inline_device_fetch(&device);
    inline_device_complete(&device, 0, 0x6281, 0xdeadbeef);
    inline_device_complete(&device, 0, 0, 0x12345678);
    ck_assert_uint_eq(homi_queue_reap(&device.queue, completions, 2), 2);
    ck_assert_uint_eq(homi_nvme_status(completions[0].status), HOMI_NVME_UNRECOVERED_READ);
    ck_assert_uint_eq(homi_nvme_status_type(completions[0].status), HOMI_NVME_TYPE_MEDIA);
    ck_assert_uint_eq(homi_nvme_status_code(completions[0].status), 0x81);
    ck_assert(homi_nvme_status_do_not_retry(completions[0].status));
    ck_assert(homi_nvme_status_more(completions[0].status));
    ck_assert_uint_eq(completions[0].result, 0xdeadbeef);
    ck_assert_uint_eq(completions[1].status, 0);
    ck_assert_uint_eq(completions[1].result, 0x12345678);
    stop();
}
END_TEST

/* Submits up to `room` reads whose LBA is their cookie. Returns the first LBA that was not. */
static uint32_t submit_some(uint32_t first, uint32_t end, uint32_t room)
{
    struct homi_batch batch = homi_batch_begin(&device.queue);

    for (; room > 0 && first < end; room--, first++)
        if (homi_batch_read(&batch, &ns, &region, buffer, 512, first, first) != 0)
            break;
    homi_batch_submit(&batch);
    inline_device_fetch(&device);
    return first;
}

static void complete_some(uint32_t count, unsigned *random)
{
    for (; count > 0 && device.inflight_count > 0; count--) {
        uint32_t window = device.inflight_count < 64 ? device.inflight_count : 64;
        uint32_t index = (uint32_t)rand_r(random) % window;

        inline_device_complete(&device, index, 0, device.inflight[index].cdw10);
    }
}

/* Every command is delivered once, with its own cookie and result, whatever the order, over many laps of both
 * rings. */
START_TEST(random_order_over_many_laps)
{
    uint32_t entries = depths[_i], commands = entries * 3 < 20000 ? 20000 : entries * 3, done = 0,
             submitted = 0;
    unsigned char *seen = calloc(commands, 1);
    struct homi_completion completions[64];
    unsigned random = 12345 + entries;
    uint32_t wrong = 0;

    start(entries);
    while (done < commands) {
        uint32_t count;

        submitted = submit_some(submitted, commands, (uint32_t)rand_r(&random) % 60);
        complete_some((uint32_t)rand_r(&random) % 40, &random);
        count = homi_queue_reap(&device.queue, completions, (uint32_t)rand_r(&random) % 65);
        for (uint32_t i = 0; i < count; i++, done++) {
            uint64_t cookie = completions[i].cookie;

            wrong += cookie >= submitted || completions[i].result != cookie || seen[cookie]++ != 0;
        }
        ck_assert_uint_eq(wrong, 0);
    }
    ck_assert_uint_eq(homi_queue_spurious(&device.queue), 0);
    ck_assert_uint_eq(device.inflight_count, 0);
    free(seen);
    stop();
}
END_TEST

START_TEST(refusals_change_nothing)
{
    struct homi_queue before;
    struct homi_batch batch;
    uint64_t wild = (uint64_t)(uintptr_t)buffer;

    start(8);
    wild = (uint64_t)(uintptr_t)buffer;
    device.doorbells[0] = 0x5a5a;
    before = device.queue;
    batch = homi_batch_begin(&device.queue);
#define READ(address, bytes, lba, cookie)                                                                    \
    homi_batch_read(&batch, &ns, &region, (void *)(uintptr_t)(address), bytes, lba, cookie)
    ck_assert_int_eq(READ(wild - 4, 4096, 0, 1), -EFAULT);
    ck_assert_int_eq(READ(wild - 4096, 8192, 0, 1), -EFAULT);
    ck_assert_int_eq(READ(wild + REGION_BYTES - 4092, 4096, 0, 1), -EFAULT);
    ck_assert_int_eq(READ(wild + REGION_BYTES, 512, 0, 1), -EFAULT);
    ck_assert_int_eq(READ(wild + REGION_BYTES + 4, 512, 0, 1), -EFAULT);
    ck_assert_int_eq(READ(0, 512, 0, 1), -EFAULT);
    ck_assert_int_eq(READ(UINT64_MAX - 3, 512, 0, 1), -EFAULT);
    ck_assert_int_eq(READ(wild, (1u << 20) + 512, 0, 1), -E2BIG);
    ck_assert_int_eq(READ(wild, UINT32_MAX, 0, 1), -E2BIG);
    ck_assert_int_eq(READ(wild, 0, 0, 1), -EINVAL);
    ck_assert_int_eq(READ(wild, 511, 0, 1), -EINVAL);
    ck_assert_int_eq(READ(wild, 4097, 0, 1), -EINVAL);
    ck_assert_int_eq(READ(wild + 2, 512, 0, 1), -EINVAL);
    ck_assert_int_eq(READ(wild + 513, 1536, 0, 1), -EINVAL);
    ck_assert_int_eq(READ(wild + 2, 8192, 0, 1), -EINVAL);
    ck_assert_int_eq(READ(wild, 512, 0, HOMI_COOKIE_NONE), -EINVAL);
    ck_assert_int_eq(READ(wild, 1024, UINT64_MAX, 1), -ERANGE);
    ck_assert_int_eq(READ(wild, 3 * 4096, 0, 1), -ENOBUFS);
#undef READ
    ck_assert_int_eq(homi_batch_write_zeroes(&batch, &ns, 0, 0, 0, 1), -EINVAL);
    ck_assert_int_eq(homi_batch_write_zeroes(&batch, &ns, 0, 65537, 0, 1), -E2BIG);
    ck_assert_int_eq(homi_batch_verify(&batch, &ns, UINT64_MAX, 2, 1), -ERANGE);
    ck_assert_int_eq(homi_batch_deallocate(&batch, &ns, &region, (void *)buffer, 0, 1), -EINVAL);
    ck_assert_int_eq(homi_batch_deallocate(&batch, &ns, &region, (void *)buffer, 257, 1), -EINVAL);
    ck_assert_int_eq(homi_batch_deallocate(&batch, &ns, &region, (void *)(buffer + REGION_BYTES - 16), 2, 1),
                     -EFAULT);
    ck_assert_int_eq(homi_batch_copy(&batch, &ns, &region, (void *)buffer, 257, 0, 1), -EINVAL);
    ck_assert_int_eq(homi_batch_flush(&batch, &ns, HOMI_COOKIE_NONE), -EINVAL);
    homi_batch_submit(&batch);
    ck_assert_mem_eq(&device.queue, &before, sizeof(before));
    ck_assert_uint_eq(device.doorbells[0], 0x5a5a);
    for (uint32_t i = 0; i < 8; i++)
        ck_assert_uint_eq(device.setup.cookies[i], HOMI_COOKIE_NONE);
    stop();
}
END_TEST

START_TEST(largest_transfer_is_taken)
{
    start(8);
    device.setup.max_transfer_bytes = UINT32_MAX;
    ck_assert_int_eq(homi_queue_init(&device.queue, &device.setup), 0);
    ck_assert_uint_eq(device.queue.max_transfer_bytes, HOMI_TRANSFER_BYTES_MAX);
    device.setup.max_transfer_bytes = 8192;
    ck_assert_int_eq(homi_queue_init(&device.queue, &device.setup), 0);
    ck_assert_int_eq(homi_queue_write(&device.queue, &ns, &region, buffer + REGION_BYTES - 8192, 8192, 0, 1),
                     0);
    ck_assert_int_eq(homi_queue_write(&device.queue, &ns, &region, buffer, 8704, 0, 1), -E2BIG);
    stop();
}
END_TEST

START_TEST(cancelled_batch_leaves_no_trace)
{
    struct homi_batch batch;
    struct homi_completion completion;

    start(4);
    for (int lap = 0; lap < 9; lap++) {
        batch = homi_batch_begin(&device.queue);
        ck_assert_int_eq(homi_batch_flush(&batch, &ns, 1), 0);
        ck_assert_int_eq(homi_batch_flush(&batch, &ns, 2), 0);
        homi_batch_cancel(&batch);
        ck_assert_uint_eq(inline_device_fetch(&device), 0);
        ck_assert_int_eq(homi_queue_flush(&device.queue, &ns, 3), 0);
        ck_assert_uint_eq(inline_device_fetch(&device), 1);
        inline_device_complete(&device, 0, 0, 0);
        ck_assert_uint_eq(homi_queue_reap(&device.queue, &completion, 1), 1);
        ck_assert_uint_eq(completion.cookie, 3);
    }
    stop();
}
END_TEST

START_TEST(wait_ends_on_a_dead_controller)
{
    struct homi_completion completions[2];
    uint64_t cookies[8];

    start(8);
    ck_assert_int_eq(submit_read(0, 5), 0);
    ck_assert_int_eq(submit_read(0, 6), 0);
    ck_assert_int_eq(homi_queue_wait(&device.queue, completions, 2, 10000), -ETIME);
    ck_assert_int_eq(homi_queue_wait(&device.queue, completions, 0, 10000), -EINVAL);
    device.csts = HOMI_NVME_CSTS_READY | HOMI_NVME_CSTS_FATAL;
    ck_assert_int_eq(homi_queue_wait(&device.queue, completions, 2, UINT64_MAX), -EIO);
    device.csts = 0;
    ck_assert_int_eq(homi_queue_wait(&device.queue, completions, 2, UINT64_MAX), -EIO);
    device.csts = HOMI_NVME_CSTS_GONE;
    ck_assert_int_eq(homi_queue_wait(&device.queue, completions, 2, UINT64_MAX), -ENODEV);
    ck_assert_int_eq(homi_queue_wait(&device.queue, completions, 2, 1), -ENODEV);
    ck_assert_uint_eq(homi_queue_abandon(&device.queue, cookies, 1), 1);
    ck_assert_uint_eq(homi_queue_abandon(&device.queue, cookies + 1, 7), 1);
    ck_assert_uint_eq(homi_queue_abandon(&device.queue, cookies, 8), 0);
    ck_assert_uint_eq(cookies[0], 5);
    ck_assert_uint_eq(cookies[1], 6);
    stop();
}
END_TEST

START_TEST(wait_returns_what_came)
{
    struct homi_completion completions[8];

    start(8);
    for (uint64_t i = 0; i < 3; i++)
        ck_assert_int_eq(submit_read(0, i), 0);
    inline_device_fetch(&device);
    for (int i = 0; i < 3; i++)
        inline_device_complete(&device, 0, 0, 0);
    ck_assert(homi_queue_posted(&device.queue));
    ck_assert_int_eq(homi_queue_wait(&device.queue, completions, 2, 1), 2);
    ck_assert_int_eq(homi_queue_wait(&device.queue, completions, 8, 1), 1);
    stop();
}
END_TEST

static uint32_t rung[2], wakes;

static void woken(void *context)
{
    ck_assert_ptr_eq(context, &device);
    rung[0] = device.doorbells[0];
    rung[1] = device.doorbells[1];
    wakes++;
}

START_TEST(sleeping_relay_is_woken_after_the_doorbell)
{
    struct homi_completion completion;

    start(8);
    device.setup.wake = &device.wake;
    device.setup.wake_relay = woken;
    device.setup.wake_context = &device;
    ck_assert_int_eq(homi_queue_init(&device.queue, &device.setup), 0);
    wakes = 0;
    ck_assert_int_eq(submit_read(0, 1), 0);
    ck_assert_uint_eq(wakes, 0);
    device.wake = 1;
    ck_assert_int_eq(submit_read(0, 2), 0);
    ck_assert_uint_eq(wakes, 1);
    ck_assert_uint_eq(rung[0], 2);
    ck_assert_uint_eq(homi_queue_reap(&device.queue, &completion, 1), 0);
    ck_assert_uint_eq(wakes, 1);
    inline_device_fetch(&device);
    inline_device_complete(&device, 0, 0, 0);
    /* How far completions were reaped wakes nobody, until the reaper goes to sleep itself. */
    ck_assert_uint_eq(homi_queue_reap(&device.queue, &completion, 1), 1);
    ck_assert_uint_eq(device.doorbells[1], 1);
    ck_assert_uint_eq(wakes, 1);
    ck_assert(!homi_queue_posted(&device.queue));
    ck_assert_uint_eq(wakes, 2);
    ck_assert_uint_eq(rung[1], 1);
    ck_assert_uint_eq(homi_queue_wakes(&device.queue), 2);
    stop();
}
END_TEST

START_TEST(namespace_is_checked)
{
    struct homi_namespace made;

    ck_assert_int_eq(homi_namespace_init(&made, 0, 512, 1), -EINVAL);
    ck_assert_int_eq(homi_namespace_init(&made, 1, 256, 1), -EINVAL);
    ck_assert_int_eq(homi_namespace_init(&made, 1, 520, 1), -EINVAL);
    ck_assert_int_eq(homi_namespace_init(&made, 1, 1u << 17, 1), -EINVAL);
    ck_assert_int_eq(homi_namespace_init(&made, 1, 4096, 1), 0);
    ck_assert_uint_eq(made.block_shift, 12);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("queue");
    TCase *tcase = tcase_create("queue");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, setup_is_checked);
    tcase_add_test(tcase, commands_have_their_form);
    tcase_add_loop_test(tcase, one_entry_stays_empty, 0, (int)(sizeof(depths) / sizeof(depths[0])));
    tcase_add_test(tcase, straggler_keeps_its_slot);
    tcase_add_test(tcase, spurious_completions_are_dropped);
    tcase_add_test(tcase, status_and_result_are_delivered);
    tcase_add_loop_test(tcase, random_order_over_many_laps, 0, (int)(sizeof(depths) / sizeof(depths[0])));
    tcase_add_test(tcase, refusals_change_nothing);
    tcase_add_test(tcase, largest_transfer_is_taken);
    tcase_add_test(tcase, cancelled_batch_leaves_no_trace);
    tcase_add_test(tcase, wait_ends_on_a_dead_controller);
    tcase_add_test(tcase, wait_returns_what_came);
    tcase_add_test(tcase, sleeping_relay_is_woken_after_the_doorbell);
    tcase_add_test(tcase, namespace_is_checked);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
