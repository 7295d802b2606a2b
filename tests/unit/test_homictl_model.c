/* SPDX-License-Identifier: BSD-3-Clause */
/* `homictl model` against a software SSD that runs: faults made, listed and removed, and things done at once.
 */
#include <check.h>
#include <errno.h>
#include <homi/homi.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/conformance/rig.h"

#define SPEC                                                                                                 \
    "{\"devices\":[{\"serial\":\"RIG\",\"virtualFunctions\":2,\"queues\":{\"perFunction\":5,\"total\":10},"  \
    "\"interrupts\":{\"perFunction\":4,\"total\":8},\"namespaces\":[{\"id\":1,\"bytes\":\"1M\"}]}]}"

static struct rig *rig;
static char output[65536];

/* Runs homictl, which lies beside the folder of this program; its exit status. */
static int homictl(const char *arguments)
{
    char program[PATH_MAX], command[2 * PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", program, sizeof(program) - 1);

    ck_assert_int_gt(length, 0);
    program[length] = '\0';
    for (int i = 0; i < 2; i++)
        *strrchr(program, '/') = '\0';
    ck_assert_int_lt(
        snprintf(command, sizeof(command),
                 "{ HOMI_MODEL_SOCKET=%s/model-control.sock %s/homictl model %s; } 2>&1 </dev/null",
                 rig->directory, program, arguments),
        (int)sizeof(command));
    FILE *pipe = popen(command, "r");
    ck_assert_ptr_nonnull(pipe);
    output[fread(output, 1, sizeof(output) - 1, pipe)] = '\0';
    return WEXITSTATUS(pclose(pipe));
}

static void begin(void)
{
    rig = rig_new(SPEC);
    ck_assert_int_eq(rig_provision(rig, 2, 5, 4), 0);
    ck_assert_int_eq(rig_open(rig, 0, 1), 0);
}

static void end(void)
{
    rig_free(rig);
}

START_TEST(a_fault_is_made_listed_and_removed)
{
    const struct nvme_command flush = {.opcode = nvme_cmd_flush, .cid = 3, .nsid = 1};
    struct lane lane;

    ck_assert_int_eq(lane_open(rig, &lane, 1, 16, 0), 0);
    ck_assert_int_eq(homictl("fault RIG action=fail status=0x281 queue=1 opcode=0"), 0);
    ck_assert_str_eq(output, "1\n");
    ck_assert_uint_eq(lane_give(&lane, flush), 0x281);
    ck_assert_uint_eq(lane_give(&lane, flush), 0x281);
    ck_assert_int_eq(homictl("faults RIG --json"), 0);
    ck_assert_str_eq(output,
                     "{\"faults\":[{\"number\":1,\"rule\":{\"action\":\"fail\",\"queue\":1,\"opcode\":0,"
                     "\"status\":641},\"seen\":2,\"fired\":2}]}\n");
    ck_assert_int_eq(homictl("faults RIG"), 0);
    ck_assert_ptr_nonnull(strstr(output, "{\"action\":\"fail\",\"queue\":1,\"opcode\":0,\"status\":641}"));
    ck_assert_int_eq(homictl("clear RIG 1"), 0);
    ck_assert_uint_eq(lane_give(&lane, flush), 0);
    ck_assert_int_eq(homictl("clear RIG 1"), 1);
    ck_assert_ptr_nonnull(strstr(output, "there is no fault 1"));
}
END_TEST

START_TEST(a_wrong_rule_is_refused_with_its_key)
{
    static const char *const wrong[][2] = {
        {"fault RIG action=delay", "milliseconds: is missing"},
        {"fault RIG opcode=2", "action: is missing"},
        {"fault RIG action=drop speed=2", "speed: unknown key"},
        {"fault RIG action=drop opcode=256", "opcode: must be 0 to 255"},
        {"fault RIG step=open action=fail queue=1", "step: takes neither queue nor opcode"},
        {"fault NONE action=drop", "NONE"},
    };

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        ck_assert_int_eq(homictl(wrong[i][0]), 1);
        ck_assert_msg(strstr(output, wrong[i][1]) != NULL, "%s: %s", wrong[i][0], output);
    }
    ck_assert_int_eq(homictl("fault RIG action"), 2);
    ck_assert_int_eq(homictl("list --json"), 0);
    ck_assert_ptr_nonnull(strstr(output, "\"faults\":0,"));
}
END_TEST

START_TEST(the_number_of_faults_has_a_limit)
{
    static const char rule[] = "{\"device\":\"RIG\",\"rule\":{\"action\":\"drop\",\"opcode\":99}}";
    struct homi *homi = NULL;
    char path[128], *reply;

    snprintf(path, sizeof(path), "%s/model-control.sock", rig->directory);
    ck_assert_int_eq(homi_open(path, &homi), 0);
    for (unsigned i = 0; i < 256; i++) {
        ck_assert_int_eq(homi_call(homi, "io.homi.Model.AddFault", rule, &reply), 0);
        free(reply);
    }
    ck_assert_int_eq(homi_call(homi, "io.homi.Model.AddFault", rule, &reply), HOMI_REFUSED_OTHER);
    free(reply);
    ck_assert_ptr_nonnull(strstr(homi_error_name(homi), "TooManyFaults"));
    ck_assert_int_eq(homictl("faults RIG --json"), 0); /* all of them fit into one answer */
    homi_close(homi);
}
END_TEST

START_TEST(a_step_hangs_until_its_fault_is_over)
{
    ck_assert_int_eq(homictl("fault RIG step=probe action=hang milliseconds=200 count=1"), 0);
    ck_assert_int_eq(rig_provision(rig, 2, 0, 0), -EIO); /* probed; none is online without queues */
    ck_assert_int_eq(homictl("faults RIG --json"), 0);
    ck_assert_ptr_nonnull(strstr(output, "\"seen\":1,\"fired\":1"));
}
END_TEST

START_TEST(a_device_is_reset_removed_and_returned)
{
    ck_assert_int_eq(homictl("do RIG return"), 1);
    ck_assert_ptr_nonnull(strstr(output, "the device is there"));
    ck_assert_int_eq(homictl("do RIG reset"), 0);
    ck_assert(rig_event(rig, HW_DEVICE_RESET));
    ck_assert_int_eq(homictl("do RIG remove"), 0);
    ck_assert(rig_event(rig, HW_DEVICE_GONE));
    ck_assert_int_eq(homictl("do RIG reset"), 1);
    ck_assert_int_eq(homictl("list"), 0);
    ck_assert_ptr_nonnull(strstr(output, "no"));
    ck_assert_int_eq(homictl("do RIG return"), 0);
    ck_assert(rig_event(rig, HW_DEVICE_BACK));
    ck_assert_int_eq(homictl("do RIG remove milliseconds=50"), 0);
    rig_forget(rig);
    ck_assert(rig_event(rig, HW_DEVICE_BACK));
    ck_assert_int_eq(homictl("do RIG remove milliseconds=-1"), 1);
    ck_assert_int_eq(homictl("do RIG sing"), 1);
}
END_TEST

START_TEST(a_controller_fails_or_raises_an_event)
{
    rig_forget(rig);
    ck_assert_int_eq(homictl("do RIG event virtualFunction=0 event=0x20101"), 0);
    ck_assert(rig_event(rig, HW_FUNCTION_NOTICE));
    ck_assert_str_eq(rig->last_text, "asynchronous event: type 1, information 0x01, log page 0x02");
    ck_assert_int_eq(homictl("do RIG fatal"), 1);
    ck_assert_int_eq(homictl("do RIG fatal virtualFunction=1"), 1);
    ck_assert_ptr_nonnull(strstr(output, "not enabled"));
    ck_assert_int_eq(homictl("do RIG fatal virtualFunction=2"), 1);
    ck_assert_int_eq(homictl("do RIG fatal virtualFunction=0"), 0);
    ck_assert_uint_eq(*(volatile uint32_t *)(rig->bar + 0x1c) & 2, 2);
}
END_TEST

START_TEST(stray_accesses_are_counted)
{
    const struct nvme_command stray = {
        .opcode = nvme_cmd_read, .cid = 3, .nsid = 1, .prp1 = RIG_IOVA + RIG_BYTES};
    struct lane lane;

    ck_assert_int_eq(lane_open(rig, &lane, 1, 16, 0), 0);
    ck_assert_int_eq(homictl("list --json"), 0);
    ck_assert_ptr_nonnull(strstr(output, "\"strayAccesses\":0"));
    ck_assert_uint_eq(lane_give(&lane, stray), GENERIC(DATA_XFER_ERROR));
    ck_assert_uint_eq(lane_give(&lane, stray), GENERIC(DATA_XFER_ERROR));
    ck_assert_int_eq(homictl("list --json"), 0);
    ck_assert_ptr_nonnull(strstr(output, "\"strayAccesses\":2"));
    ck_assert_int_eq(rig_close(rig), 0); /* what was counted stays so */
    ck_assert_int_eq(homictl("list --json"), 0);
    ck_assert_ptr_nonnull(strstr(output, "\"strayAccesses\":2"));
}
END_TEST

START_TEST(without_a_software_ssd_it_says_so)
{
    ck_assert_int_eq(homictl("list --socket /nonexistent/model-control.sock"), 3);
    ck_assert_ptr_nonnull(strstr(output, "homid --model"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("homictl_model");
    TCase *model = tcase_create("model");

    tcase_set_timeout(model, 30);
    tcase_add_checked_fixture(model, begin, end);
    tcase_add_test(model, a_fault_is_made_listed_and_removed);
    tcase_add_test(model, a_wrong_rule_is_refused_with_its_key);
    tcase_add_test(model, the_number_of_faults_has_a_limit);
    tcase_add_test(model, a_step_hangs_until_its_fault_is_over);
    tcase_add_test(model, a_device_is_reset_removed_and_returned);
    tcase_add_test(model, a_controller_fails_or_raises_an_event);
    tcase_add_test(model, stray_accesses_are_counted);
    tcase_add_test(model, without_a_software_ssd_it_says_so);
    suite_add_tcase(suite, model);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
