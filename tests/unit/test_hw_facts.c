/* SPDX-License-Identifier: BSD-3-Clause */
/* Which addresses are homid's own, and what Identify and kernel events are taken for. */
#include <check.h>
#include <endian.h>
#include <errno.h>
#include <libnvme.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/hw/identify.h"
#include "daemon/hw/iova.h"
#include "daemon/hw/linux/uevents.h"

#define MIB (UINT64_C(1) << 20)

START_TEST(the_area_comes_off_the_top)
{
    struct hw_iova_range ranges[] = {{0xfef00000, 0x7fffffffff}, {0, 0xfedfffff}};
    unsigned count = 2;
    uint64_t iova;

    ck_assert_int_eq(iova_carve(ranges, &count, MIB, &iova), 0);
    ck_assert_uint_eq(iova, 0x7ffff00000);
    ck_assert_uint_eq(count, 2);
    ck_assert_uint_eq(ranges[0].first, 0x10000);
    ck_assert_uint_eq(ranges[0].last, 0xfedfffff);
    ck_assert_uint_eq(ranges[1].first, 0xfef00000);
    ck_assert_uint_eq(ranges[1].last, 0x7fffefffff);
}
END_TEST

START_TEST(the_whole_address_space_is_a_range)
{
    struct hw_iova_range ranges[] = {{0, UINT64_MAX}};
    unsigned count = 1;
    uint64_t iova;

    ck_assert_int_eq(iova_carve(ranges, &count, MIB, &iova), 0);
    ck_assert_uint_eq(iova, UINT64_MAX - MIB + 1);
    ck_assert_uint_eq(ranges[0].last, iova - 1);
}
END_TEST

START_TEST(a_range_that_is_used_up_disappears)
{
    struct hw_iova_range ranges[] = {{MIB, 2 * MIB - 1}, {4 * MIB, 5 * MIB - 1}};
    unsigned count = 2;
    uint64_t iova;

    ck_assert_int_eq(iova_carve(ranges, &count, MIB, &iova), 0);
    ck_assert_uint_eq(iova, 4 * MIB);
    ck_assert_uint_eq(count, 1);
    ck_assert_uint_eq(ranges[0].first, MIB);
    ck_assert_uint_eq(ranges[0].last, 2 * MIB - 1);
}
END_TEST

START_TEST(a_range_too_small_is_passed_over)
{
    struct hw_iova_range ranges[] = {{MIB, 4 * MIB - 1}, {8 * MIB + 4096, 9 * MIB + 4095}};
    unsigned count = 2;
    uint64_t iova;

    ck_assert_int_eq(iova_carve(ranges, &count, MIB, &iova), 0);
    ck_assert_uint_eq(iova, 3 * MIB);
    ck_assert_uint_eq(count, 2);
    ck_assert_uint_eq(ranges[0].last, 3 * MIB - 1);
    ck_assert_uint_eq(ranges[1].first, 8 * MIB + 4096);
}
END_TEST

START_TEST(parts_of_pages_and_low_addresses_go)
{
    struct hw_iova_range ranges[] = {{0, 0xffff}, {0x20001, 0x22ffe}, {0x40000, 0x40ffe}, {MIB, 4 * MIB - 1}};
    unsigned count = 4;
    uint64_t iova;

    ck_assert_int_eq(iova_carve(ranges, &count, MIB, &iova), 0);
    ck_assert_uint_eq(count, 2);
    ck_assert_uint_eq(ranges[0].first, 0x21000);
    ck_assert_uint_eq(ranges[0].last, 0x21fff);
}
END_TEST

START_TEST(without_room_nothing_changes)
{
    struct hw_iova_range ranges[] = {{0x20001, 0x30000}};
    unsigned count = 1;
    uint64_t iova = 5;

    ck_assert_int_eq(iova_carve(ranges, &count, MIB, &iova), -ENOSPC);
    ck_assert_uint_eq(iova, 5);
    ck_assert_uint_eq(count, 1);
    ck_assert_uint_eq(ranges[0].first, 0x20001);
    ck_assert_uint_eq(ranges[0].last, 0x30000);
    count = 0;
    ck_assert_int_eq(iova_carve(ranges, &count, MIB, &iova), -ENOSPC);
}
END_TEST

static struct nvme_id_ns namespace_data(uint64_t blocks, uint8_t flbas, unsigned format, uint8_t shift)
{
    struct nvme_id_ns data;

    memset(&data, 0, sizeof(data));
    data.nsze = htole64(blocks);
    data.flbas = flbas;
    data.lbaf[format].ds = shift;
    return data;
}

START_TEST(a_namespace_is_parsed)
{
    struct nvme_id_ns data = namespace_data(1000, 0x23, 19, 12);
    struct hw_namespace space;

    data.nmic = 1;
    ck_assert_int_eq(identify_namespace_parse(&data, 7, &space), 0);
    ck_assert_uint_eq(space.id, 7);
    ck_assert_uint_eq(space.blocks, 1000);
    ck_assert_uint_eq(space.block_bytes, 4096);
    ck_assert(space.shareable);
}
END_TEST

START_TEST(an_inactive_namespace_is_none)
{
    struct nvme_id_ns data = namespace_data(0, 0, 0, 9);
    struct hw_namespace space;

    ck_assert_int_eq(identify_namespace_parse(&data, 1, &space), -ENOENT);
}
END_TEST

START_TEST(nonsense_is_refused)
{
    struct nvme_id_ns small = namespace_data(1, 0, 0, 8), large = namespace_data(1, 0, 0, 255),
                      endless = namespace_data(UINT64_MAX, 0, 0, 9);
    struct hw_namespace space;

    ck_assert_int_eq(identify_namespace_parse(&small, 1, &space), -EIO);
    ck_assert_int_eq(identify_namespace_parse(&large, 1, &space), -EIO);
    ck_assert_int_eq(identify_namespace_parse(&endless, 1, &space), -EIO);
}
END_TEST

START_TEST(text_is_trimmed_and_made_printable)
{
    char text[9];

    identify_text("AB\n\xff    ", 8, text);
    ck_assert_str_eq(text, "AB??");
    identify_text("        ", 8, text);
    ck_assert_str_eq(text, "");
    identify_text("12345678", 8, text);
    ck_assert_str_eq(text, "12345678");
}
END_TEST

#define UEVENT(text) text, sizeof(text)

START_TEST(kernel_events_are_told_apart)
{
    char name[8] = "";

    ck_assert_int_eq(
        uevent_parse(UEVENT("change@/x\0ACTION=change\0DEVPATH=/devices/x/nvme/nvme3\0SUBSYSTEM=nvme\0"
                            "NVME_EVENT=connected"),
                     name, sizeof(name)),
        UEVENT_CONTROLLER_READY);
    ck_assert_str_eq(name, "nvme3");
    ck_assert_int_eq(
        uevent_parse(UEVENT("remove@/x\0ACTION=remove\0DEVPATH=/devices/x/nvme/nvme4\0SUBSYSTEM=nvme"), name,
                     sizeof(name)),
        UEVENT_CONTROLLER_GONE);
    ck_assert_str_eq(name, "nvme4");
}
END_TEST

START_TEST(other_events_change_nothing)
{
    char name[8] = "same";

    ck_assert_int_eq(uevent_parse(UEVENT("add@/x\0ACTION=add\0DEVPATH=/devices/x/nvme/nvme4\0SUBSYSTEM=nvme"),
                                  name, sizeof(name)),
                     UEVENT_OTHER);
    ck_assert_int_eq(uevent_parse(UEVENT("remove@/x\0ACTION=remove\0DEVPATH=/devices/x/nvme4\0SUBSYSTEM=pci"),
                                  name, sizeof(name)),
                     UEVENT_OTHER);
    ck_assert_int_eq(
        uevent_parse(UEVENT("remove@/x\0ACTION=remove\0DEVPATH=/a/much-too-long\0SUBSYSTEM=nvme"), name,
                     sizeof(name)),
        UEVENT_OTHER);
    ck_assert_int_eq(uevent_parse(UEVENT("remove@/x\0ACTION=remove\0SUBSYSTEM=nvme"), name, sizeof(name)),
                     UEVENT_OTHER);
    ck_assert_int_eq(uevent_parse("ACTION=remove", 13, name, sizeof(name)), UEVENT_OTHER);
    ck_assert_int_eq(uevent_parse("", 0, name, sizeof(name)), UEVENT_OTHER);
    ck_assert_str_eq(name, "same");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("hardware facts");
    TCase *tests = tcase_create("hardware facts");
    SRunner *runner = srunner_create(suite);

    tcase_add_test(tests, the_area_comes_off_the_top);
    tcase_add_test(tests, the_whole_address_space_is_a_range);
    tcase_add_test(tests, a_range_that_is_used_up_disappears);
    tcase_add_test(tests, a_range_too_small_is_passed_over);
    tcase_add_test(tests, parts_of_pages_and_low_addresses_go);
    tcase_add_test(tests, without_room_nothing_changes);
    tcase_add_test(tests, a_namespace_is_parsed);
    tcase_add_test(tests, an_inactive_namespace_is_none);
    tcase_add_test(tests, nonsense_is_refused);
    tcase_add_test(tests, text_is_trimmed_and_made_printable);
    tcase_add_test(tests, kernel_events_are_told_apart);
    tcase_add_test(tests, other_events_change_nothing);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
