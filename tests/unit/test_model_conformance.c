/* SPDX-License-Identifier: BSD-3-Clause */
/* The conformance list against the software SSD; and the faults that its script can make. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/conformance/cases.h"

#define SPEC(more)                                                                                           \
    "{\"devices\":[{\"serial\":\"RIG\",\"virtualFunctions\":2,\"queues\":{\"perFunction\":5,\"total\":10},"  \
    "\"interrupts\":{\"perFunction\":4,\"total\":8},\"maxTransferBytes\":\"512K\",\"namespaces\":["          \
    "{\"id\":1,\"bytes\":\"1M\"},{\"id\":2,\"bytes\":\"1M\",\"blockBytes\":4096}]" more "}]}"

static struct rig *open_rig(const char *spec)
{
    struct rig *rig = rig_new(spec);

    ck_assert_int_eq(rig_provision(rig, 2, 5, 4), 0);
    ck_assert_int_eq(rig_open(rig, 0, 1), 0);
    return rig;
}

static struct nvme_command read_block(uint64_t block)
{
    return (struct nvme_command){.opcode = nvme_cmd_read,
                                 .cid = (uint16_t)block,
                                 .nsid = 1,
                                 .prp1 = RIG_IOVA + RIG_DATA,
                                 .dword10 = (uint32_t)block};
}

/* All cases on one rig, since each readies it for itself; what is wrong with which of them. */
static void run_list(const char *spec, unsigned not_offered_max)
{
    struct rig *rig = rig_new(spec);
    unsigned failed = 0, missing = 0;

    ck_assert_int_eq(rig_provision(rig, 2, 5, 4), 0);
    for (size_t i = 0; i < conformance_count(); i++) {
        const struct conformance_case *entry = conformance_at(i);
        const char *wrong = conformance_run(rig, entry);
        missing += wrong == not_offered;
        if (!wrong || wrong == not_offered)
            continue;
        failed++;
        fprintf(stderr, "%s (%s): %s\n", entry->name, entry->section, wrong);
    }
    ck_assert_uint_eq(failed, 0);
    ck_assert_uint_le(missing, not_offered_max);
    rig_free(rig);
}

START_TEST(behaves)
{
    ck_assert_uint_ge(conformance_count(), 150);
    run_list(SPEC(""), 0);
}
END_TEST

/* Without Virtualization Management there is none of it to be tried: the cases of the life of a controller.
 */
START_TEST(behaves_with_fixed_functions)
{
    run_list(SPEC(",\"virtualizationManagement\":false"), 16);
}
END_TEST

/* With little of everything, doorbells far apart, and VFs that take every command. */
START_TEST(behaves_when_small)
{
    run_list(SPEC(",\"doorbellStrideBytes\":256,\"queueEntriesMax\":40,\"maxTransferBytes\":8192,"
                  "\"virtualFunctionsRefuse\":false,"
                  "\"lockdown\":true"),
             5);
}
END_TEST

START_TEST(the_last_of_256_functions_works)
{
    struct rig *rig = rig_new("{\"devices\":[{\"serial\":\"RIG\",\"virtualFunctions\":256,\"queues\":{"
                              "\"perFunction\":2},\"interrupts\":{\"perFunction\":2},\"namespaces\":["
                              "{\"id\":1,\"bytes\":\"1M\"}]}]}");
    struct lane lane;

    ck_assert_int_eq(rig_provision(rig, 256, 2, 2), 0);
    ck_assert_uint_eq(rig->secondary_count, 256);
    ck_assert_int_eq(rig_open(rig, 255, 1), 0);
    ck_assert_uint_eq(rig->info.controller_id, 256);
    ck_assert_int_eq(lane_open(rig, &lane, 1, 16, 0), 0);
    ck_assert_uint_eq(lane_give(&lane, read_block(0)), 0);
    rig_free(rig);
}
END_TEST

START_TEST(every_rule_has_its_case_and_every_name_is_one)
{
    bool tested[RULE_COUNT] = {false};

    for (size_t i = 0; i < conformance_count(); i++) {
        const struct conformance_case *entry = conformance_at(i);
        tested[entry->rule] = true;
        ck_assert_int_ne(entry->rule, RULE_NONE);
        for (size_t k = 0; k < i; k++)
            ck_assert_str_ne(entry->name, conformance_at(k)->name);
    }
    struct rig emulated = {.device_info.model = "QEMU NVMe Ctrl"};
    size_t known = 0;
    for (size_t i = 0; i < conformance_count(); i++)
        known += conformance_exception(&emulated, conformance_at(i)) != NULL;
    ck_assert_uint_eq(known, conformance_exception_count());
    for (unsigned i = RULE_NONE + 1; i < RULE_COUNT; i++)
        ck_assert_msg(tested[i], "rule %u has no case", i);
}
END_TEST

START_TEST(a_command_fails_when_its_turn_comes)
{
    struct rig *rig = open_rig(SPEC(",\"faults\":[{\"action\":\"fail\",\"queue\":1,\"opcode\":2,\"after\":2,"
                                    "\"count\":1,\"status\":641}]"));
    struct lane lane;

    ck_assert_int_eq(lane_open(rig, &lane, 1, 16, 0), 0);
    ck_assert_uint_eq(lane_give(&lane, read_block(0)), 0);
    ck_assert_uint_eq(lane_give(&lane, read_block(1)), 0);
    ck_assert_uint_eq(lane_give(&lane, read_block(2)), 641);
    ck_assert_uint_eq(lane_give(&lane, read_block(3)), 0);
    rig_free(rig);
}
END_TEST

START_TEST(a_read_is_corrupted)
{
    struct rig *rig =
        open_rig(SPEC(",\"faults\":[{\"action\":\"corrupt\",\"queue\":1,\"opcode\":2,\"count\":1}]"));
    struct lane lane;

    ck_assert_int_eq(lane_open(rig, &lane, 1, 16, 0), 0);
    ck_assert_uint_eq(lane_give(&lane, read_block(0)), 0);
    ck_assert_uint_ne(rig->memory[RIG_DATA], 0);
    ck_assert_uint_eq(lane_give(&lane, read_block(0)), 0);
    ck_assert_uint_eq(rig->memory[RIG_DATA], 0);
    rig_free(rig);
}
END_TEST

START_TEST(a_write_is_corrupted)
{
    struct rig *rig =
        open_rig(SPEC(",\"faults\":[{\"action\":\"corrupt\",\"queue\":1,\"opcode\":1,\"count\":1}]"));
    struct nvme_command write = read_block(0);
    struct lane lane;

    write.opcode = nvme_cmd_write;
    ck_assert_int_eq(lane_open(rig, &lane, 1, 16, 0), 0);
    memset(rig->memory + RIG_DATA, 0x0f, 512);
    ck_assert_uint_eq(lane_give(&lane, write), 0);
    ck_assert_uint_eq(rig->memory[RIG_DATA], 0x0f); /* the tenant's own memory is as it was */
    ck_assert_uint_eq(lane_give(&lane, read_block(0)), 0);
    ck_assert_uint_eq(rig->memory[RIG_DATA], 0xf0);
    ck_assert_uint_eq(rig->memory[RIG_DATA + 1], 0x0f);
    ck_assert_uint_eq(lane_give(&lane, write), 0);
    rig_free(rig);
}
END_TEST

START_TEST(an_admin_command_is_corrupted)
{
    struct rig *rig =
        open_rig(SPEC(",\"faults\":[{\"action\":\"corrupt\",\"queue\":0,\"opcode\":10,\"count\":1}]"));

    rig->backend->get_feature(rig->function, NVME_FEAT_FID_NUM_QUEUES, rig_done, rig);
    ck_assert_int_eq(rig_wait(rig), 0);
    uint32_t first = rig->result.value;
    rig->backend->get_feature(rig->function, NVME_FEAT_FID_NUM_QUEUES, rig_done, rig);
    ck_assert_int_eq(rig_wait(rig), 0);
    ck_assert_uint_eq(first ^ rig->result.value, 1);
    rig_free(rig);
}
END_TEST

START_TEST(a_delete_is_slow)
{
    struct rig *rig = open_rig(SPEC(",\"faults\":[{\"action\":\"delay\",\"queue\":0,\"opcode\":0,"
                                    "\"milliseconds\":200,\"count\":1}]"));
    struct lane lane;

    ck_assert_int_eq(lane_open(rig, &lane, 1, 16, 0), 0);
    uint64_t before = rig_now();
    rig->backend->delete_queue_pair(rig->function, 1, rig_done, rig);
    ck_assert_int_eq(rig_wait(rig), 0);
    ck_assert_uint_ge(rig_now() - before, 190);
    rig_free(rig);
}
END_TEST

START_TEST(a_function_stays_busy)
{
    struct rig *rig =
        rig_new(SPEC(",\"faults\":[{\"step\":\"open\",\"action\":\"fail\",\"status\":16,\"count\":2}]"));

    ck_assert_int_eq(rig_provision(rig, 1, 5, 4), 0);
    ck_assert_int_eq(rig_open(rig, 0, 1), -EBUSY);
    ck_assert_int_eq(rig_open(rig, 0, 1), -EBUSY);
    ck_assert_int_eq(rig_open(rig, 0, 1), 0);
    rig_free(rig);
}
END_TEST

START_TEST(a_delayed_command_is_overtaken)
{
    struct rig *rig = open_rig(SPEC(
        ",\"faults\":[{\"action\":\"delay\",\"queue\":1,\"opcode\":2,\"milliseconds\":100,\"count\":1}]"));
    struct lane_result result;
    struct lane lane;

    ck_assert_int_eq(lane_open(rig, &lane, 1, 16, 0), 0);
    lane_put(&lane, read_block(7));
    lane_put(&lane, read_block(8));
    lane_ring(&lane);
    ck_assert(lane_reap(&lane, 5000, &result));
    ck_assert_uint_eq(result.cid, 8);
    ck_assert(!lane_reap(&lane, 20, &result));
    ck_assert(lane_reap(&lane, 5000, &result));
    ck_assert_uint_eq(result.cid, 7);
    rig_free(rig);
}
END_TEST

START_TEST(a_dropped_command_is_aborted_with_its_queue)
{
    struct rig *rig =
        open_rig(SPEC(",\"faults\":[{\"action\":\"drop\",\"queue\":1,\"opcode\":2,\"count\":1}]"));
    struct lane_result result;
    struct lane lane;

    ck_assert_int_eq(lane_open(rig, &lane, 1, 16, 0), 0);
    lane_put(&lane, read_block(7));
    lane_ring(&lane);
    ck_assert(!lane_reap(&lane, 100, &result));
    rig->backend->delete_queue_pair(rig->function, 1, rig_done, rig);
    ck_assert_int_eq(rig_wait(rig), 0);
    ck_assert(lane_reap(&lane, 100, &result));
    ck_assert_uint_eq(result.status, STATUS_ABORTED_SQ_DELETION);
    rig_free(rig);
}
END_TEST

START_TEST(a_fatal_controller_is_reported)
{
    struct rig *rig = open_rig(SPEC(",\"faults\":[{\"action\":\"fatal\",\"queue\":1,\"opcode\":2}]"));
    struct lane lane;

    ck_assert_int_eq(lane_open(rig, &lane, 1, 16, 0), 0);
    lane_put(&lane, read_block(7));
    lane_ring(&lane);
    for (unsigned i = 0; i < 3000 && rig->last_event != HW_FUNCTION_FAILED; i++)
        rig_run(rig, 1);
    ck_assert_int_eq(rig->last_event, HW_FUNCTION_FAILED);
    ck_assert_int_eq(rig_close(rig), 0);
    ck_assert_int_eq(rig_open(rig, 0, 0), 0);
    rig_free(rig);
}
END_TEST

START_TEST(a_controller_becomes_ready_late)
{
    struct rig *rig = open_rig(
        SPEC(",\"faults\":[{\"step\":\"ready\",\"action\":\"hang\",\"milliseconds\":200,\"count\":1}]"));
    struct lane lane;

    ck_assert_int_eq(lane_open(rig, &lane, 1, 16, 0), 0);
    ck_assert_uint_eq(lane_give(&lane, read_block(0)), 0);
    rig_free(rig);
}
END_TEST

START_TEST(a_controller_never_becomes_ready)
{
    struct rig *rig = rig_new(SPEC(",\"timeoutMilliseconds\":500,\"faults\":[{\"step\":\"ready\","
                                   "\"action\":\"hang\",\"count\":1}]"));

    ck_assert_int_eq(rig_provision(rig, 1, 5, 4), 0);
    ck_assert_int_eq(rig_open(rig, 0, 1), -ETIMEDOUT);
    ck_assert_int_eq(rig_open(rig, 0, 1), 0);
    rig_free(rig);
}
END_TEST

START_TEST(a_step_fails_or_takes_its_time)
{
    struct rig *rig =
        open_rig(SPEC(",\"faults\":[{\"step\":\"map\",\"action\":\"fail\",\"status\":12,\"after\":1,"
                      "\"count\":1},{\"step\":\"unmap\",\"action\":\"hang\",\"milliseconds\":100}]"));

    rig->backend->map(rig->function, rig->memfd, 0, 4096, RIG_IOVA + RIG_BYTES, rig_done, rig);
    ck_assert_int_eq(rig_wait(rig), -ENOMEM);
    rig->backend->map(rig->function, rig->memfd, 0, 4096, RIG_IOVA + RIG_BYTES, rig_done, rig);
    ck_assert_int_eq(rig_wait(rig), 0);
    rig->backend->unmap(rig->function, RIG_IOVA + RIG_BYTES, 4096, false, rig_done, rig);
    rig_run(rig, 20);
    ck_assert(!rig->done);
    ck_assert_int_eq(rig_wait(rig), 0);
    rig_free(rig);
}
END_TEST

START_TEST(an_offline_function_does_not_open)
{
    struct rig *rig = rig_new(SPEC(""));

    ck_assert_int_eq(rig_provision(rig, 1, 5, 4), 0);
    rig->backend->set_online(rig->device, 1, false, rig_done, rig);
    ck_assert_int_eq(rig_wait(rig), 0);
    ck_assert_int_eq(rig_open(rig, 0, 1), -ENETDOWN);
    rig_free(rig);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("model_conformance");
    TCase *list = tcase_create("conformance"), *faults = tcase_create("faults");

    tcase_set_timeout(list, 60);
    tcase_add_test(list, behaves);
    tcase_add_test(list, behaves_with_fixed_functions);
    tcase_add_test(list, behaves_when_small);
    tcase_add_test(list, the_last_of_256_functions_works);
    tcase_add_test(list, every_rule_has_its_case_and_every_name_is_one);
    tcase_set_timeout(faults, 30);
    tcase_add_test(faults, a_command_fails_when_its_turn_comes);
    tcase_add_test(faults, a_read_is_corrupted);
    tcase_add_test(faults, a_write_is_corrupted);
    tcase_add_test(faults, an_admin_command_is_corrupted);
    tcase_add_test(faults, a_delete_is_slow);
    tcase_add_test(faults, a_function_stays_busy);
    tcase_add_test(faults, a_delayed_command_is_overtaken);
    tcase_add_test(faults, a_dropped_command_is_aborted_with_its_queue);
    tcase_add_test(faults, a_fatal_controller_is_reported);
    tcase_add_test(faults, a_controller_becomes_ready_late);
    tcase_add_test(faults, a_controller_never_becomes_ready);
    tcase_add_test(faults, a_step_fails_or_takes_its_time);
    tcase_add_test(faults, an_offline_function_does_not_open);
    suite_add_tcase(suite, list);
    suite_add_tcase(suite, faults);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
