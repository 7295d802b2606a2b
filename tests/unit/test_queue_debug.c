/* SPDX-License-Identifier: BSD-3-Clause */
/* A debug build of the hot path stops at each misuse that a release build leaves to the caller. */
#define HOMI_DEBUG
#include "tests/unit/inline_device.h"

#include <check.h>
#include <signal.h>
#include <stdlib.h>

static struct inline_device device;
static struct homi_namespace ns;

static void start(void)
{
    inline_device_create(&device, 8);
    ck_assert_int_eq(homi_namespace_init(&ns, 1, 512, 1000), 0);
}

START_TEST(two_batches_at_once)
{
    start();
    (void)homi_batch_begin(&device.queue);
    (void)homi_batch_begin(&device.queue);
}
END_TEST

START_TEST(batch_used_after_submit)
{
    struct homi_batch batch;

    start();
    batch = homi_batch_begin(&device.queue);
    homi_batch_submit(&batch);
    (void)homi_batch_flush(&batch, &ns, 1);
}
END_TEST

START_TEST(batch_submitted_twice)
{
    struct homi_batch batch;

    start();
    batch = homi_batch_begin(&device.queue);
    homi_batch_submit(&batch);
    homi_batch_submit(&batch);
}
END_TEST

START_TEST(batch_cancelled_after_submit)
{
    struct homi_batch batch;

    start();
    batch = homi_batch_begin(&device.queue);
    homi_batch_submit(&batch);
    homi_batch_cancel(&batch);
}
END_TEST

START_TEST(queue_not_initialised)
{
    struct homi_queue queue = {0};

    (void)homi_batch_begin(&queue);
}
END_TEST

START_TEST(reap_of_a_queue_not_initialised)
{
    struct homi_queue queue = {0};
    struct homi_completion completion;

    (void)homi_queue_reap(&queue, &completion, 1);
}
END_TEST

START_TEST(reap_without_room)
{
    start();
    (void)homi_queue_reap(&device.queue, NULL, 1);
}
END_TEST

START_TEST(control_overlaps_the_block_count)
{
    struct homi_region_map region;
    struct homi_batch batch;

    start();
    ck_assert_int_eq(homi_region_map_init(&region, device.sq, 4096, 4096), 0);
    batch = homi_batch_begin(&device.queue);
    (void)homi_batch_transfer(&batch, HOMI_NVME_READ, &ns, &region, device.sq, 512, 0, 1, 1);
}
END_TEST

START_TEST(busy_tail)
{
    start();
    device.setup.cookies[0] = 1;
    (void)homi_queue_flush(&device.queue, &ns, 1);
}
END_TEST

START_TEST(good_use_passes)
{
    struct homi_completion completion;

    start();
    for (uint64_t i = 0; i < 100; i++) {
        ck_assert_int_eq(homi_queue_flush(&device.queue, &ns, i), 0);
        inline_device_fetch(&device);
        inline_device_complete(&device, 0, 0, 0);
        ck_assert_uint_eq(homi_queue_reap(&device.queue, &completion, 1), 1);
        ck_assert_uint_eq(completion.cookie, i);
    }
    inline_device_destroy(&device);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("queue_debug");
    TCase *tcase = tcase_create("queue_debug");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(tcase, good_use_passes);
    tcase_add_test_raise_signal(tcase, two_batches_at_once, SIGABRT);
    tcase_add_test_raise_signal(tcase, batch_used_after_submit, SIGABRT);
    tcase_add_test_raise_signal(tcase, batch_submitted_twice, SIGABRT);
    tcase_add_test_raise_signal(tcase, batch_cancelled_after_submit, SIGABRT);
    tcase_add_test_raise_signal(tcase, queue_not_initialised, SIGABRT);
    tcase_add_test_raise_signal(tcase, reap_of_a_queue_not_initialised, SIGABRT);
    tcase_add_test_raise_signal(tcase, reap_without_room, SIGABRT);
    tcase_add_test_raise_signal(tcase, control_overlaps_the_block_count, SIGABRT);
    tcase_add_test_raise_signal(tcase, busy_tail, SIGABRT);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
