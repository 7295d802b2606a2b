/* SPDX-License-Identifier: BSD-3-Clause */
/* What befalls a whole software SSD: reset, removal, return, the end of its process; and that it is told. */
#include <check.h>
#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "tests/conformance/rig.h"

#define SPEC(faults)                                                                                         \
    "{\"devices\":[{\"serial\":\"RIG\",\"virtualFunctions\":2,\"queues\":{\"perFunction\":5,\"total\":10},"  \
    "\"interrupts\":{\"perFunction\":4,\"total\":8},\"namespaces\":[{\"id\":1,\"bytes\":\"1M\"}],"           \
    "\"faults\":[" faults "]}]}"

enum { ALL_ONES_OFFSET = 0x1c, ENTRIES = 16 };

static const struct nvme_command flush = {.opcode = nvme_cmd_flush, .cid = 7, .nsid = 1};

static struct rig *open_rig(const char *spec)
{
    struct rig *rig = rig_new(spec);

    ck_assert_int_eq(rig_provision(rig, 2, 5, 4), 0);
    ck_assert_int_eq(rig_open(rig, 0, 1), 0);
    return rig;
}

static uint32_t status_register(const struct rig *rig)
{
    return *(volatile uint32_t *)(rig->bar + ALL_ONES_OFFSET);
}

static void give_fatal_flush(struct rig *rig)
{
    struct lane_result result;
    struct lane lane;

    ck_assert_int_eq(lane_open(rig, &lane, 1, ENTRIES, 0), 0);
    rig_forget(rig);
    lane_put(&lane, flush);
    lane_ring(&lane);
    ck_assert(!lane_reap(&lane, 50, &result));
}

START_TEST(a_reset_takes_every_function_offline)
{
    struct rig *rig = open_rig(SPEC("{\"action\":\"reset\",\"opcode\":0,\"queue\":1}"));

    give_fatal_flush(rig);
    ck_assert(rig_event(rig, HW_DEVICE_RESET));
    ck_assert_uint_eq(status_register(rig) & 2, 2);
    ck_assert_int_eq(rig_close(rig), 0);
    ck_assert_int_eq(rig_open(rig, 0, 0), -ENETDOWN);
    ck_assert_int_eq(rig_provision(rig, 2, 5, 4), 0);
    ck_assert_int_eq(rig_open(rig, 0, 0), 0);
    rig_free(rig);
}
END_TEST

START_TEST(a_removed_device_is_gone_until_it_returns)
{
    struct rig *rig = open_rig(SPEC("{\"action\":\"remove\",\"opcode\":0,\"queue\":1,\"milliseconds\":300}"));

    give_fatal_flush(rig);
    ck_assert(rig_event(rig, HW_DEVICE_GONE));
    ck_assert_uint_eq(status_register(rig), UINT32_MAX);
    rig->backend->list_secondaries(rig->device, rig_done, rig);
    ck_assert_int_eq(rig_wait(rig), -ENODEV);
    ck_assert_int_eq(rig_close(rig), 0);
    ck_assert_int_eq(rig_open(rig, 0, 0), -ENODEV);
    ck_assert(rig_event(rig, HW_DEVICE_BACK));
    ck_assert_int_eq(rig_open(rig, 0, 0), -ENODEV); /* no VF is enabled */
    ck_assert_int_eq(rig_provision(rig, 2, 5, 4), 0);
    ck_assert_uint_eq(rig->device_info.functions_enabled, 0);
    ck_assert_int_eq(rig_open(rig, 0, 0), 0);
    rig_free(rig);
}
END_TEST

START_TEST(a_step_meets_a_removal)
{
    struct rig *rig = rig_new(SPEC("{\"step\":\"bind\",\"action\":\"remove\"}"));

    ck_assert_int_eq(rig_provision(rig, 2, 5, 4), -ENODEV); /* it binds, too */
    ck_assert(rig_event(rig, HW_DEVICE_GONE));
    rig_free(rig);
}
END_TEST

START_TEST(a_step_meets_a_reset)
{
    struct rig *rig = rig_new(SPEC("{\"step\":\"open\",\"action\":\"reset\",\"count\":1}"));

    ck_assert_int_eq(rig_provision(rig, 1, 5, 4), 0);
    ck_assert_int_eq(rig_open(rig, 0, 1), -ENETDOWN);
    ck_assert(rig_event(rig, HW_DEVICE_RESET));
    ck_assert_int_eq(rig_provision(rig, 1, 5, 4), 0);
    ck_assert_int_eq(rig_open(rig, 0, 1), 0);
    rig_free(rig);
}
END_TEST

START_TEST(an_event_is_raised_by_a_command)
{
    /* A critical temperature: type 1, information 1, log page 2. */
    struct rig *rig = open_rig(SPEC("{\"action\":\"event\",\"opcode\":0,\"queue\":1,\"event\":131329}"));
    struct lane lane;

    ck_assert_int_eq(lane_open(rig, &lane, 1, ENTRIES, 0), 0);
    rig_forget(rig);
    ck_assert_uint_eq(lane_give(&lane, flush), 0);
    ck_assert(rig_event(rig, HW_FUNCTION_NOTICE));
    ck_assert_str_eq(rig->last_text, "asynchronous event: type 1, information 0x01, log page 0x02");
    rig_free(rig);
}
END_TEST

START_TEST(the_end_of_the_process_is_the_end_of_its_devices)
{
    struct rig *rig = open_rig(SPEC(""));

    rig_run(rig, 20);
    ck_assert_int_eq(kill(rig->model, SIGKILL), 0);
    ck_assert(rig_event(rig, HW_DEVICE_GONE));
    ck_assert_str_eq(rig->last_text, "the software SSD's process ended");
    rig->model = -1;
    rig_free(rig);
}
END_TEST

START_TEST(another_specification_is_named)
{
    static const struct hw_device_selector selector = {.name = "rig", .serial = "RIG"};
    struct rig *rig = open_rig(SPEC("")), other = {0};
    struct hw_device *device;

    rig_run(rig, 20);
    ck_assert_int_ne(rig->last_event, HW_FUNCTION_NOTICE); /* the one that was asked for */
    other.base = rig->base;
    rig_join(rig, &other, "{\"devices\":[{\"serial\":\"RIG\"}]}");
    ck_assert_int_eq(other.backend->device_new(other.backend, &selector, &other, &device), 0);
    ck_assert(rig_event(&other, HW_FUNCTION_NOTICE));
    ck_assert_ptr_nonnull(strstr(other.last_text, "specification"));
    hw_backend_free(other.backend);
    rig_free(rig);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("model_life");
    TCase *life = tcase_create("life");

    tcase_set_timeout(life, 30);
    tcase_add_test(life, a_reset_takes_every_function_offline);
    tcase_add_test(life, a_removed_device_is_gone_until_it_returns);
    tcase_add_test(life, a_step_meets_a_removal);
    tcase_add_test(life, a_step_meets_a_reset);
    tcase_add_test(life, an_event_is_raised_by_a_command);
    tcase_add_test(life, the_end_of_the_process_is_the_end_of_its_devices);
    tcase_add_test(life, another_specification_is_named);
    suite_add_tcase(suite, life);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
