/* SPDX-License-Identifier: BSD-3-Clause */
/* What a process gets within a lease: memory, queue pairs, admin commands; their limits, and views of them.
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/core_fixture.h"

static struct fixture fixture;
static struct hw_device *device;
static struct core_client *client;
static struct answer lease, region, pair, other;

static void attach_to(unsigned device_count)
{
    static const char *const devices[] = {"ssd0", "ssd1"};

    attach(client,
           (struct core_attach_request){
               .mode = CORE_ATTACH_FRESH, .devices = devices, .device_count = device_count},
           &lease);
    fake_run(&fixture.fake);
    ck_assert_int_eq(lease.error.code, 0);
}

static void set_up(void)
{
    fixture_init(&fixture, 2);
    fixture_start(&fixture);
    device = &fixture.fake.devices[0];
    client = fixture_client(&fixture, BLUE);
    attach_to(1);
    register_memory(client, &lease, 1 << 20, &region);
    fake_run(&fixture.fake);
    ck_assert_int_eq(region.error.code, 0);
}

static void tear_down(void)
{
    check_invariants(&fixture);
    core_client_gone(client);
    fixture_settle(&fixture);
    check_clean(&fixture);
    ck_assert_uint_eq(functions_in(&fixture, "ready"), 8);
    fixture_fini(&fixture);
}

static void check(const struct answer *answer, int code)
{
    ck_assert_uint_eq(answer->count, 1);
    ck_assert_int_eq(answer->error.code, code);
}

/* ---- memory ---- */

static void register_now(uint64_t offset, uint64_t bytes, uint64_t page_bytes, int code)
{
    memset(&other, 0, sizeof(other));
    core_register_memory(client, lease.lease, 7, offset, bytes, page_bytes, on_region, &other);
    fake_run(&fixture.fake);
    check(&other, code);
}

START_TEST(memory_that_is_refused)
{
    register_now(0, 0, 4096, CORE_REFUSED_VALUE);
    ck_assert_str_eq(other.error.name, "lengthBytes");
    register_now(0, 4097, 4096, CORE_REFUSED_VALUE);
    register_now(0, UINT64_MAX - 4095, 4096, CORE_REFUSED_VALUE);
    register_now(100, 4096, 4096, CORE_REFUSED_VALUE);
    ck_assert_str_eq(other.error.name, "offsetBytes");
    register_now(4096, 2 << 20, 2 << 20, CORE_REFUSED_VALUE);
    register_now(INT64_MAX - 4095, 8192, 4096, CORE_REFUSED_VALUE);
    register_now(0, 64 << 20, 4096, CORE_REFUSED_QUOTA);
    ck_assert_int_eq(other.error.quota, CORE_QUOTA_MEMORY_BYTES);
    ck_assert_int_eq(other.error.value, 1 << 20);
    ck_assert_int_eq(other.error.limit, 64 << 20);
    memset(&other, 0, sizeof(other));
    core_register_memory(client, "lease-77", 7, 0, 4096, 4096, on_region, &other);
    check(&other, CORE_REFUSED_UNKNOWN_LEASE);
    ck_assert_uint_eq(fake_totals(&fixture.fake).mappings, 1);
}
END_TEST

START_TEST(the_quota_of_regions)
{
    for (unsigned i = 1; i < 16; i++)
        register_now(0, 4096, 4096, 0);
    register_now(0, 4096, 4096, CORE_REFUSED_QUOTA);
    ck_assert_int_eq(other.error.quota, CORE_QUOTA_REGIONS);
}
END_TEST

START_TEST(addresses_are_aligned_and_used_again)
{
    uint64_t first;

    register_now(0, 4 << 20, 4096, 0);
    ck_assert_uint_eq(other.iova % (2 << 20), 0);
    first = other.iova;
    memset(&pair, 0, sizeof(pair));
    core_unregister_memory(client, lease.lease, other.region, on_plain, &pair);
    fake_run(&fixture.fake);
    check(&pair, 0);
    register_now(0, 2 << 20, 2 << 20, 0);
    ck_assert_uint_eq(other.iova, first);
}
END_TEST

START_TEST(addresses_run_out)
{
    /* The first MiB is taken: what is left is one page short. */
    uint64_t iova = region.iova;

    core_client_gone(client);
    fixture_settle(&fixture);
    for (unsigned i = 0; i < 2; i++) {
        struct hw_device *each = &fixture.fake.devices[i];
        each->range = (struct hw_iova_range){iova, iova + (2 << 20) - 4097};
        fake_reset_device(each);
        core_device_event(each->user, each, HW_DEVICE_RESET, NULL);
    }
    fixture_settle(&fixture);
    client = fixture_client(&fixture, BLUE);
    attach_to(1);
    register_now(0, 1 << 20, 4096, 0);
    register_now(0, 1 << 20, 4096, -ENOSPC);
    register_now(0, (1 << 20) - 4096, 4096, 0);
    register_now(0, 4096, 4096, -ENOSPC);
}
END_TEST

START_TEST(one_address_on_all_devices)
{
    core_client_gone(client);
    fixture_settle(&fixture);
    fixture.fake.devices[1].range = (struct hw_iova_range){0x40000000, 0x4fffffff};
    fake_reset_device(&fixture.fake.devices[1]);
    core_device_event(fixture.fake.devices[1].user, &fixture.fake.devices[1], HW_DEVICE_RESET, NULL);
    fixture_settle(&fixture);
    client = fixture_client(&fixture, BLUE);
    attach_to(2);
    register_now(0, 65536, 4096, 0);
    ck_assert_uint_eq(other.iova, 0x40000000);
    ck_assert_uint_eq(fake_totals(&fixture.fake).mappings, 2);
}
END_TEST

START_TEST(mapping_fails_on_one_of_two)
{
    core_client_gone(client);
    fixture_settle(&fixture);
    client = fixture_client(&fixture, BLUE);
    attach_to(2);
    memset(&other, 0, sizeof(other));
    core_register_memory(client, lease.lease, 7, 0, 65536, 4096, on_region, &other);
    fake_step_with(&fixture.fake, 1, -ENOMEM);
    ck_assert_uint_eq(other.count, 0);
    fake_run(&fixture.fake);
    check(&other, -ENOMEM);
    ck_assert_uint_eq(fake_totals(&fixture.fake).mappings, 0);
    ck_assert_uint_eq(core_totals(fixture.core).memory_bytes, 0);
}
END_TEST

START_TEST(memory_that_is_not_the_callers)
{
    struct core_client *second = fixture_client(&fixture, BLUE);
    struct answer joined;

    attach(second, (struct core_attach_request){.lease = lease.lease}, &joined);
    ck_assert_int_eq(joined.error.code, 0);
    memset(&other, 0, sizeof(other));
    core_unregister_memory(second, lease.lease, region.region, on_plain, &other);
    check(&other, CORE_REFUSED_UNKNOWN_REGION);
    create_pair(second, &lease, &region, 0, false, &pair);
    check(&pair, CORE_REFUSED_UNKNOWN_REGION);
    memset(&other, 0, sizeof(other));
    core_unregister_memory(client, lease.lease, INT64_C(1) << 40, on_plain, &other);
    check(&other, CORE_REFUSED_UNKNOWN_REGION);
    core_client_gone(second);
}
END_TEST

START_TEST(memory_under_a_queue_is_busy)
{
    create_pair(client, &lease, &region, 0, false, &pair);
    fake_run(&fixture.fake);
    memset(&other, 0, sizeof(other));
    core_unregister_memory(client, lease.lease, region.region, on_plain, &other);
    check(&other, CORE_REFUSED_REGION_BUSY);
    ck_assert_int_eq(other.error.limit, 1);
    ck_assert_int_eq(other.error.value, region.region);
}
END_TEST

/* ---- queue pairs ---- */

START_TEST(doorbells_and_interrupts)
{
    create_pair(client, &lease, &region, 0, false, &pair);
    fake_run(&fixture.fake);
    check(&pair, 0);
    ck_assert_uint_eq(pair.queue, 1);
    ck_assert_uint_eq(pair.submission_doorbell, 0x1008);
    ck_assert_uint_eq(pair.completion_doorbell, 0x100c);
    ck_assert_int_eq(pair.event_fd, -1);
    create_pair(client, &lease, &region, 1, true, &pair);
    fake_run(&fixture.fake);
    check(&pair, 0);
    ck_assert_int_eq(pair.event_fd, 201);
    create_pair(client, &lease, &region, 2, true, &other);
    check(&other, CORE_REFUSED_NO_INTERRUPT_FREE);
    ck_assert_int_eq(other.error.limit, 1);
    memset(&other, 0, sizeof(other));
    core_delete_queue_pair(client, lease.lease, lease.functions[0], pair.queue, on_plain, &other);
    fake_run(&fixture.fake);
    check(&other, 0);
    create_pair(client, &lease, &region, 2, true, &other);
    fake_run(&fixture.fake);
    check(&other, 0);
    ck_assert_uint_eq(other.queue, 2);
}
END_TEST

static void create_now(int64_t entries, int64_t submission, int64_t completion, int code)
{
    struct core_queue_request request = {
        .lease = lease.lease,
        .function = lease.functions[0],
        .entries = entries,
        .region = region.region,
        .submission_offset = submission,
        .completion_offset = completion,
    };

    memset(&other, 0, sizeof(other));
    core_create_queue_pair(client, &request, on_queue, &other);
    fake_run(&fixture.fake);
    check(&other, code);
}

START_TEST(depth_out_of_range)
{
    static const int64_t wrong[] = {INT64_MIN, -1, 0, 1, 1025, INT64_MAX};

    for (unsigned i = 0; i < 6; i++) {
        create_now(wrong[i], 0, 131072, CORE_REFUSED_DEPTH);
        ck_assert_int_eq(other.error.value, wrong[i]);
        ck_assert_int_eq(other.error.minimum, 2);
        ck_assert_int_eq(other.error.limit, 1024);
    }
    create_now(2, 0, 4096, 0);
    create_now(1024, 8192, 131072, 0);
    create_now(3, 262144, 266240, 0);
}
END_TEST

START_TEST(queues_outside_of_their_region)
{
    static const struct {
        int64_t submission, completion;
        const char *field;
    } cases[] = {
        {-4096, 0, "submissionOffsetBytes"},
        {1, 65536, "submissionOffsetBytes"},
        {512, 65536, "submissionOffsetBytes"},
        {(1 << 20) - 4096, 0, "submissionOffsetBytes"},
        {INT64_MAX - 4095, 0, "submissionOffsetBytes"},
        {0, 1 << 20, "completionOffsetBytes"},
        {0, -4096, "completionOffsetBytes"},
        {0, 65537, "completionOffsetBytes"},
        {0, 4096, "completionOffsetBytes"},
        {0, 0, "completionOffsetBytes"},
    };

    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        create_now(128, cases[i].submission, cases[i].completion, CORE_REFUSED_QUEUE_OUTSIDE_REGION);
        ck_assert_str_eq(other.error.name, cases[i].field);
    }
    create_now(128, 65536, 131072, 0);
    create_now(128, 65536 - 4096, 0, CORE_REFUSED_QUEUE_OUTSIDE_REGION);
    create_now(128, 0, 131072, CORE_REFUSED_QUEUE_OUTSIDE_REGION);
    create_now(128, 131072, 0, CORE_REFUSED_QUEUE_OUTSIDE_REGION);
    ck_assert_uint_eq(fake_totals(&fixture.fake).pairs, 1);
    create_now(64, (1 << 20) - 4096, (1 << 20) - 8192, 0);
}
END_TEST

START_TEST(queue_pairs_run_out)
{
    for (unsigned i = 0; i < 3; i++) {
        create_pair(client, &lease, &region, i, false, &pair);
        fake_run(&fixture.fake);
        check(&pair, 0);
    }
    create_pair(client, &lease, &region, 3, false, &pair);
    check(&pair, CORE_REFUSED_NO_QUEUE_PAIR_FREE);
    ck_assert_int_eq(pair.error.limit, 3);
}
END_TEST

START_TEST(the_quota_of_queue_pairs)
{
    fixture.tenants[0].queue_pairs_max = 1;
    create_pair(client, &lease, &region, 0, false, &pair);
    create_pair(client, &lease, &region, 1, false, &other);
    check(&other, CORE_REFUSED_QUOTA);
    ck_assert_int_eq(other.error.quota, CORE_QUOTA_QUEUE_PAIRS);
    fake_run(&fixture.fake);
    check(&pair, 0);
}
END_TEST

/* Deleting makes room for another, but not for more in a second. */
START_TEST(queue_pairs_created_too_fast)
{
    fixture.tenants[0].queue_pairs_per_second = 2;
    fixture.now += 5000; /* saves up no more than a second's */
    for (unsigned i = 0; i < 2; i++) {
        create_pair(client, &lease, &region, i, false, &pair);
        fake_run(&fixture.fake);
        check(&pair, 0);
    }
    create_pair(client, &lease, &region, 2, false, &other);
    check(&other, CORE_REFUSED_QUOTA);
    ck_assert_int_eq(other.error.quota, CORE_QUOTA_QUEUE_PAIRS_PER_SECOND);
    ck_assert_int_eq(other.error.limit, 2);
    fixture.now += 499;
    other = (struct answer){0};
    create_pair(client, &lease, &region, 2, false, &other);
    check(&other, CORE_REFUSED_QUOTA);
    fixture.now += 1;
    create_pair(client, &lease, &region, 2, false, &pair);
    fake_run(&fixture.fake);
    check(&pair, 0);
}
END_TEST

START_TEST(a_creation_that_the_controller_refuses_costs_nothing)
{
    fixture.fake.fail_kind = 1u << FAKE_CREATE;
    fixture.fake.fail_kind_error = -EIO;
    fixture.fake.fail_status = 0x101;
    create_pair(client, &lease, &region, 0, true, &pair);
    fake_run(&fixture.fake);
    check(&pair, CORE_REFUSED_COMMAND_FAILED);
    ck_assert_int_eq(pair.error.value, 0x101);
    fixture.fake.fail_kind = 0;
    create_pair(client, &lease, &region, 0, true, &pair);
    fake_run(&fixture.fake);
    check(&pair, 0);
    ck_assert_uint_eq(pair.queue, 1);
}
END_TEST

START_TEST(a_creation_that_hangs_resets_the_function)
{
    fixture.fake.fail_kind = 1u << FAKE_CREATE;
    fixture.fake.fail_kind_error = -ETIMEDOUT;
    create_pair(client, &lease, &region, 0, true, &pair);
    fixture_settle(&fixture);
    check(&pair, -ETIMEDOUT);
    ck_assert_uint_eq(fixture.events[CORE_EVENT_LEASE_REVOKED], 1);
    ck_assert_uint_eq(fixture.fake.count[FAKE_UNMAP], 0);
    ck_assert_uint_eq(device->functions[0].opens, 2);
}
END_TEST

START_TEST(queue_pairs_that_are_not_there)
{
    static const int64_t ids[] = {INT64_MIN, -1, 0, 2, 3, 4, 65537, INT64_MAX};

    create_pair(client, &lease, &region, 0, false, &pair);
    memset(&other, 0, sizeof(other));
    core_delete_queue_pair(client, lease.lease, lease.functions[0], 1, on_plain, &other);
    check(&other, CORE_REFUSED_UNKNOWN_QUEUE_PAIR);
    fake_run(&fixture.fake);
    for (unsigned i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        memset(&other, 0, sizeof(other));
        core_delete_queue_pair(client, lease.lease, lease.functions[0], ids[i], on_plain, &other);
        check(&other, CORE_REFUSED_UNKNOWN_QUEUE_PAIR);
        ck_assert_int_eq(other.error.value, ids[i]);
    }
    memset(&other, 0, sizeof(other));
    core_delete_queue_pair(client, lease.lease, "0000:01:00.2", 1, on_plain, &other);
    check(&other, CORE_REFUSED_UNKNOWN_FUNCTION);
}
END_TEST

START_TEST(another_process_of_the_lease_may_not_delete_it)
{
    struct core_client *second = fixture_client(&fixture, BLUE);

    create_pair(client, &lease, &region, 0, false, &pair);
    fake_run(&fixture.fake);
    attach(second, (struct core_attach_request){.lease = lease.lease}, &other);
    memset(&other, 0, sizeof(other));
    core_delete_queue_pair(second, lease.lease, lease.functions[0], pair.queue, on_plain, &other);
    check(&other, CORE_REFUSED_UNKNOWN_QUEUE_PAIR);
    core_client_gone(second);
    fixture_settle(&fixture);
    ck_assert_uint_eq(fake_totals(&fixture.fake).pairs, 1);
}
END_TEST

START_TEST(death_with_everything_under_way)
{
    create_pair(client, &lease, &region, 0, false, &pair);
    create_pair(client, &lease, &region, 1, true, &other);
    fake_step(&fixture.fake);
    core_delete_queue_pair(client, lease.lease, lease.functions[0], 1, on_plain, &other);
    core_client_gone(client);
    client = NULL;
    fixture_settle(&fixture);
    ck_assert_uint_eq(other.count, 0);
    check_clean(&fixture);
    ck_assert_uint_ge(fixture.fake.count[FAKE_DELETE], 2);
}
END_TEST

/* ---- admin commands ---- */

START_TEST(what_may_be_identified)
{
    static const struct {
        int64_t cns, id;
        int code;
        const char *name;
    } cases[] = {
        {0, 1, 0, ""},
        {0, 3, 0, ""},
        {1, 0, 0, ""},
        {2, 0, 0, ""},
        {3, 1, 0, ""},
        {5, 3, 0, ""},
        {6, 0, 0, ""},
        {8, 1, 0, ""},
        {0, 2, CORE_REFUSED_COMMAND_NOT_PERMITTED, "namespace"},
        {0, 0, CORE_REFUSED_COMMAND_NOT_PERMITTED, "namespace"},
        {0, UINT32_MAX, CORE_REFUSED_COMMAND_NOT_PERMITTED, "namespace"},
        {1, 1, CORE_REFUSED_COMMAND_NOT_PERMITTED, "namespace"},
        {0x10, 0, CORE_REFUSED_COMMAND_NOT_PERMITTED, "cns"},
        {0x12, 1, CORE_REFUSED_COMMAND_NOT_PERMITTED, "cns"},
        {0x15, 0, CORE_REFUSED_COMMAND_NOT_PERMITTED, "cns"},
        {-1, 0, CORE_REFUSED_VALUE, "cns"},
        {256, 0, CORE_REFUSED_VALUE, "cns"},
        {0, -1, CORE_REFUSED_VALUE, "namespace"},
        {0, INT64_C(1) << 32 | 1, CORE_REFUSED_VALUE, "namespace"},
    };

    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        memset(&other, 0, sizeof(other));
        core_identify(client, lease.lease, lease.functions[0], cases[i].cns, cases[i].id, on_data, &other);
        fake_run(&fixture.fake);
        check(&other, cases[i].code);
        ck_assert_str_eq(other.error.name, cases[i].name);
    }
}
END_TEST

START_TEST(which_log_pages)
{
    static const struct {
        int64_t page, id, bytes;
        int code;
    } cases[] = {
        {1, 0, 64, 0},
        {2, UINT32_MAX, 512, 0},
        {5, 0, 4096, 0},
        {2, 1, 4, 0},
        {2, 2, 4, CORE_REFUSED_COMMAND_NOT_PERMITTED},
        {3, 0, 64, CORE_REFUSED_COMMAND_NOT_PERMITTED},
        {4, 0, 64, CORE_REFUSED_COMMAND_NOT_PERMITTED},
        {1, 0, 0, CORE_REFUSED_VALUE},
        {1, 0, 6, CORE_REFUSED_VALUE},
        {1, 0, 4100, CORE_REFUSED_VALUE},
        {257, 0, 64, CORE_REFUSED_VALUE},
    };

    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        memset(&other, 0, sizeof(other));
        core_get_log_page(client, lease.lease, lease.functions[0], cases[i].page, cases[i].id, cases[i].bytes,
                          on_data, &other);
        fake_run(&fixture.fake);
        check(&other, cases[i].code);
        ck_assert_uint_eq(other.first_byte, cases[i].code ? 0 : 0x5a);
    }
}
END_TEST

START_TEST(which_features)
{
    for (int64_t feature = -1; feature <= 256; feature++) {
        bool harmless = feature >= 1 && feature <= 0x0b && feature != 3;
        bool value = feature >= 0 && feature <= 255;
        memset(&other, 0, sizeof(other));
        core_get_feature(client, lease.lease, lease.functions[0], feature, on_data, &other);
        fake_run(&fixture.fake);
        check(&other, harmless ? 0 : value ? CORE_REFUSED_COMMAND_NOT_PERMITTED : CORE_REFUSED_VALUE);
        ck_assert_uint_eq(other.value, harmless ? 7 : 0);
    }
}
END_TEST

START_TEST(a_command_that_fails)
{
    fixture.fake.fail_kind = 1u << FAKE_LOG;
    fixture.fake.fail_kind_error = -EIO;
    fixture.fake.fail_status = 0x109;
    memset(&other, 0, sizeof(other));
    core_get_log_page(client, lease.lease, lease.functions[0], 2, 0, 512, on_data, &other);
    fake_run(&fixture.fake);
    check(&other, CORE_REFUSED_COMMAND_FAILED);
    ck_assert_int_eq(other.error.value, 0x109);
}
END_TEST

/* ---- views ---- */

static void see_lease(void *user, const struct core_lease_view *view)
{
    ++*(unsigned *)user;
    ck_assert_str_eq(view->tenant, "blue");
    ck_assert(!view->reserved);
    ck_assert_uint_eq(view->function_count, 1);
    ck_assert_str_eq(view->functions[0], "0000:01:00.1");
    ck_assert_uint_eq(view->namespace_count, 2);
    ck_assert_uint_eq(view->queue_pairs, 3);
    ck_assert_uint_eq(view->queue_pairs_used, 1);
    ck_assert_uint_eq(view->memory_bytes, 1 << 20);
    ck_assert_uint_eq(view->holder_count, 1);
    ck_assert_int_eq(view->holders[0].pid, BLUE + 1);
    ck_assert_uint_eq(view->holders[0].uid, BLUE);
    ck_assert_uint_eq(view->holders[0].queue_pairs, 1);
    ck_assert_uint_eq(view->holders[0].regions, 1);
}

static void see_queue(void *user, const struct core_queue_view *view)
{
    ++*(unsigned *)user;
    ck_assert_str_eq(view->function, "0000:01:00.1");
    ck_assert_str_eq(view->lease, lease.lease);
    ck_assert_uint_eq(view->id, 1);
    ck_assert_uint_eq(view->entries, 64);
    ck_assert(view->interrupt);
    ck_assert(!view->counted); /* it is direct */
    ck_assert_int_eq(view->pid, BLUE + 1);
}

static void see_namespace(void *user, const struct core_namespace_view *view)
{
    unsigned *seen = user;

    if (strcmp(view->device, "ssd0") != 0)
        return;
    seen[view->info->id] = view->holder ? (strcmp(view->holder, "blue") == 0 ? 1 : 2) : 0;
    if (seen[view->info->id])
        ck_assert_str_eq(view->lease, lease.lease);
}

START_TEST(views)
{
    unsigned leases = 0, queues = 0, holders[4] = {9, 9, 9, 9};

    create_pair(client, &lease, &region, 0, true, &pair);
    fake_run(&fixture.fake);
    core_each_lease(fixture.core, see_lease, &leases);
    core_each_queue(fixture.core, see_queue, &queues);
    core_each_namespace(fixture.core, see_namespace, holders);
    ck_assert_uint_eq(leases, 1);
    ck_assert_uint_eq(queues, 1);
    ck_assert_uint_eq(holders[1], 1);
    ck_assert_uint_eq(holders[2], 0);
    ck_assert_uint_eq(holders[3], 1);
    ck_assert_uint_eq(core_totals(fixture.core).queue_pairs, 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("core resources");
    TCase *tcase = tcase_create("resources");

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, memory_that_is_refused);
    tcase_add_test(tcase, the_quota_of_regions);
    tcase_add_test(tcase, addresses_are_aligned_and_used_again);
    tcase_add_test(tcase, addresses_run_out);
    tcase_add_test(tcase, one_address_on_all_devices);
    tcase_add_test(tcase, mapping_fails_on_one_of_two);
    tcase_add_test(tcase, memory_that_is_not_the_callers);
    tcase_add_test(tcase, memory_under_a_queue_is_busy);
    tcase_add_test(tcase, doorbells_and_interrupts);
    tcase_add_test(tcase, depth_out_of_range);
    tcase_add_test(tcase, queues_outside_of_their_region);
    tcase_add_test(tcase, queue_pairs_run_out);
    tcase_add_test(tcase, the_quota_of_queue_pairs);
    tcase_add_test(tcase, queue_pairs_created_too_fast);
    tcase_add_test(tcase, a_creation_that_the_controller_refuses_costs_nothing);
    tcase_add_test(tcase, a_creation_that_hangs_resets_the_function);
    tcase_add_test(tcase, queue_pairs_that_are_not_there);
    tcase_add_test(tcase, another_process_of_the_lease_may_not_delete_it);
    tcase_add_test(tcase, death_with_everything_under_way);
    tcase_add_test(tcase, what_may_be_identified);
    tcase_add_test(tcase, which_log_pages);
    tcase_add_test(tcase, which_features);
    tcase_add_test(tcase, a_command_that_fails);
    tcase_add_test(tcase, views);
    suite_add_tcase(suite, tcase);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
