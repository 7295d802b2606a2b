/* SPDX-License-Identifier: BSD-3-Clause */
/* What a model specification may say: every refusal names the key and the rule. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/model/spec.h"

#define DEVICE(more)    "{\"devices\":[{\"serial\":\"A\"" more "}]}"
#define NAMESPACE(more) DEVICE(",\"namespaces\":[{" more "}]")
#define FAULT(more)     DEVICE(",\"faults\":[{" more "}]")

static const struct {
    const char *text, *error;
} refused[] = {
    {"{", "no JSON"},
    {"[1]", "error opening file"},
    {" [1]", "must be an object"},
    {"{}", "devices: must have 1 to 16 elements"},
    {"{\"devices\":[]}", "devices: must have 1 to 16 elements"},
    {"{\"devices\":7}", "devices: must be a list"},
    {"{\"devices\":[7]}", "devices[0]: must be an object"},
    {"{\"devices\":[{}]}", "devices[0].serial: is missing"},
    {"{\"devices\":[{\"serial\":\"A\"},{\"serial\":\"A\"}]}", "devices[1].serial: is taken"},
    {"{\"pollers\":0,\"devices\":[{\"serial\":\"A\"}]}", "pollers: must be 1 to 64"},
    {"{\"polers\":1,\"devices\":[{\"serial\":\"A\"}]}", "polers: unknown key"},
    {"{\"devices\":[{\"serial\":\"123456789012345678901\"}]}", "serial: must be a text of 1 to 20"},
    {DEVICE(",\"virtualFunctions\":0"), "devices[0].virtualFunctions: must be 1 to 256"},
    {DEVICE(",\"virtualFunctions\":257"), "devices[0].virtualFunctions: must be 1 to 256"},
    {DEVICE(",\"virtualFunctions\":\"x\""), "devices[0].virtualFunctions: must be a number"},
    {DEVICE(",\"virtualizationManagement\":1"), "virtualizationManagement: must be true or false"},
    {DEVICE(",\"queues\":3"), "devices[0].queues: must be an object"},
    {DEVICE(",\"queues\":{\"perFunction\":1}"), "devices[0].queues.perFunction: must be 2 to 65535"},
    {DEVICE(",\"queues\":{\"perFunction\":9,\"total\":8}"), "perFunction: must not be more than total"},
    {DEVICE(",\"queues\":{\"perFunction\":9,\"granularity\":2}"), "granularity: must divide perFunction"},
    {DEVICE(",\"queues\":{\"granularity\":0}"), "granularity: must be 1 to 256"},
    {DEVICE(",\"queues\":{\"each\":9}"), "devices[0].queues.each: unknown key"},
    {DEVICE(",\"queueEntriesMax\":1"), "queueEntriesMax: must be 2 to 65536"},
    {DEVICE(",\"maxTransferBytes\":\"3M\""), "maxTransferBytes: must be 4096 to 2097152"},
    {DEVICE(",\"maxTransferBytes\":12288"), "maxTransferBytes: must be a power of two"},
    {DEVICE(",\"doorbellStrideBytes\":12"), "doorbellStrideBytes: must be a power of two"},
    {NAMESPACE("\"bytes\":4096"), "devices[0].namespaces[0].id: is missing"},
    {NAMESPACE("\"id\":1"), "namespaces[0].bytes: is missing"},
    {NAMESPACE("\"id\":257,\"bytes\":4096"), "id: must be 1 to 256"},
    {NAMESPACE("\"id\":1,\"bytes\":5000"), "bytes: must be a multiple of 4096"},
    {NAMESPACE("\"id\":1,\"bytes\":4096,\"blockBytes\":1024"), "blockBytes: must be 512 or 4096"},
    {NAMESPACE("\"id\":1,\"bytes\":4096,\"backing\":\"tape\""), "backing: \"tape\" is none of its values"},
    {NAMESPACE("\"id\":1,\"bytes\":4096,\"backing\":\"file\""), "path: is missing"},
    {NAMESPACE("\"id\":1,\"bytes\":4096,\"path\":\"/x\""), "path: goes with backing \"file\" only"},
    {NAMESPACE("\"id\":1,\"bytes\":4096},{\"id\":1,\"bytes\":4096"), "namespaces[1].id: is taken"},
    {FAULT("\"action\":\"explode\""), "faults[0].action: \"explode\" is none of its values"},
    {FAULT("\"action\":\"delay\""), "faults[0].milliseconds: is missing"},
    {FAULT("\"step\":\"open\",\"action\":\"drop\""), "action: \"drop\" is none of its values"},
    {FAULT("\"step\":\"open\",\"action\":\"fail\",\"opcode\":1"), "step: takes neither queue nor opcode"},
    {FAULT("\"action\":\"fail\",\"status\":4096"), "status: must be 1 to 2047"},
};

START_TEST(nonsense_is_refused)
{
    struct model_spec *spec = NULL;
    struct spec_error error = {{0}};

    ck_assert_int_eq(spec_parse(refused[_i].text, &spec, &error), -EINVAL);
    ck_assert_msg(strstr(error.text, refused[_i].error) != NULL, "%s: \"%s\"", refused[_i].text, error.text);
    ck_assert_ptr_null(spec);
}
END_TEST

START_TEST(defaults_make_an_ssd)
{
    struct model_spec *spec;
    struct spec_error error;

    ck_assert_int_eq(spec_parse("", &spec, &error), 0);
    ck_assert_uint_eq(spec->device_count, 1);
    ck_assert_str_eq(spec->devices[0].serial, "HOMI-MODEL-0");
    ck_assert_uint_eq(spec->devices[0].functions, 8);
    ck_assert_uint_eq(spec->devices[0].queues.total, 72);
    ck_assert_uint_eq(spec->devices[0].namespace_count, 5);
    ck_assert_int_eq(spec->devices[0].namespaces[4].backing, BACKING_NULL);
    spec_free(spec);
}
END_TEST

START_TEST(everything_can_be_said)
{
    struct model_spec *spec;
    struct spec_error error;
    const char *text =
        "{\"pollers\":2,\"devices\":[{\"serial\":\"S\",\"model\":\"M\",\"virtualFunctions\":256,"
        "\"virtualizationManagement\":false,\"virtualFunctionsRefuse\":false,"
        "\"queues\":{\"perFunction\":4,\"total\":512,\"granularity\":2},"
        "\"interrupts\":{\"perFunction\":2},\"queueEntriesMax\":65536,"
        "\"maxTransferBytes\":\"1M\",\"doorbellStrideBytes\":64,\"timeoutMilliseconds\":2000,"
        "\"namespaces\":[{\"id\":256,\"bytes\":\"1G\",\"blockBytes\":4096}],"
        "\"faults\":[{\"opcode\":2,\"queue\":1,\"virtualFunction\":3,\"action\":\"fail\","
        "\"status\":641,\"after\":5,\"count\":2}]}]}";

    ck_assert_msg(spec_parse(text, &spec, &error) == 0, "%s", error.text);
    const struct device_spec *device = &spec->devices[0];
    ck_assert_uint_eq(spec->pollers, 2);
    ck_assert(!device->virtualization && !device->vf_refuses);
    ck_assert_uint_eq(device->queues.total, 512);
    ck_assert_uint_eq(device->queues.granularity, 2);
    ck_assert_uint_eq(device->interrupts.total, 512);
    ck_assert_uint_eq(device->max_transfer_bytes, 1 << 20);
    ck_assert_uint_eq(device->doorbell_stride_shift, 4);
    ck_assert_uint_eq(device->timeout_halves, 4);
    ck_assert_uint_eq(device->namespaces[0].block_shift, 12);
    ck_assert_int_eq(device->faults[0].action, FAULT_FAIL);
    ck_assert_uint_eq(device->faults[0].status, 641);
    ck_assert_uint_eq(device->faults[0].after, 5);
    spec_free(spec);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("model_spec");
    TCase *tcase = tcase_create("spec");

    tcase_add_loop_test(tcase, nonsense_is_refused, 0, sizeof(refused) / sizeof(refused[0]));
    tcase_add_test(tcase, defaults_make_an_ssd);
    tcase_add_test(tcase, everything_can_be_said);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
