/* SPDX-License-Identifier: BSD-3-Clause */
/* Leases, memory and queue pairs of libhomi, with what homid grants in and out of reason. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/client_fixture.h"
#include "tests/unit/open_fds.h"

/* ---- lease ---- */

START_TEST(attach_sends_what_was_asked)
{
    const char *devices[] = {"ssd0", "ssd1"};
    uint32_t namespaces[] = {2, 5};
    struct homi_attach_options options = {
        .tenant = "blue",
        .lease = "blue-1",
        .mode = HOMI_ATTACH_JOIN,
        .devices = devices,
        .device_count = 2,
        .namespaces = namespaces,
        .namespace_count = 2,
        .queue_pairs = 3,
        .wait_milliseconds = 1500,
    };
    struct homi_lease *lease = NULL;

    client_start_with("{\"error\":\"" TENANT "UnknownLease\",\"parameters\":{\"lease\":\"blue-1\"}}");
    ck_assert_int_eq(homi_attach(fixture.homi, &options, &lease), HOMI_REFUSED_UNKNOWN_LEASE);
    ck_assert_str_eq(fake_homid_heard(fixture.fake),
                     "{\"method\":\"" TENANT
                     "Attach\",\"parameters\":{\"requestId\":\"1\",\"tenant\":\"blue\","
                     "\"lease\":\"blue-1\",\"mode\":\"join\",\"devices\":[\"ssd0\",\"ssd1\"],"
                     "\"namespaces\":[2,5],\"queuePairs\":3,\"waitMilliseconds\":1500}}\n");
    options.mode = (enum homi_attach_mode)3;
    ck_assert_int_eq(homi_attach(fixture.homi, &options, &lease), -EINVAL);
}
END_TEST

START_TEST(a_lease_tells_what_was_granted)
{
    struct homi_lease *lease = client_attach(NULL, 0);
    const struct homi_function_info *info = homi_lease_function(lease, 0);

    ck_assert_uint_eq(homi_lease_function_count(lease), 1);
    ck_assert_ptr_null(homi_lease_function(lease, 1));
    ck_assert_str_eq(info->name, "0000:01:00.1");
    ck_assert_str_eq(info->device, "ssd0");
    ck_assert_uint_eq(info->max_transfer_bytes, 524288);
    ck_assert_uint_eq(info->queue_entries_max, 2048);
    ck_assert(info->volatile_write_cache && !info->relayed);
    ck_assert_uint_eq(homi_function_namespace(lease, 0, 0)->id, 2);
    ck_assert_uint_eq(homi_function_namespace_by_id(lease, 0, 2)->blocks, 131072);
    ck_assert_uint_eq(homi_function_namespace_by_id(lease, 0, 2)->block_shift, 9);
    ck_assert_ptr_null(homi_function_namespace_by_id(lease, 0, 3));
    ck_assert_ptr_null(homi_function_namespace(lease, 0, 1));
    ck_assert_ptr_null(homi_function_namespace(lease, 1, 0));
    homi_detach(lease);
    ck_assert_ptr_nonnull(strstr(fake_homid_heard(fixture.fake),
                                 "Detach\",\"parameters\":{\"requestId\":\"2\",\"lease\":\"blue-1\"}}"));
    /* Only the connection, its other end, the listener and the BAR itself are left open. */
    ck_assert_uint_eq(open_fds(), fixture.fds_before + 4);
}
END_TEST

/* Replaces a part of the good grant. */
static const struct {
    const char *part, *instead;
} bad_grants[] = {
    {"\"lease\":\"blue-1\",", ""},
    {"\"lease\":\"blue-1\"", "\"lease\":\"\""},
    {"\"lease\":\"blue-1\"", "\"lease\":\"a\\u0000b\""},
    {"\"deviceFd\":0", "\"deviceFd\":1"},
    {"\"deviceFd\":0", "\"deviceFd\":-1"},
    {"\"deviceFd\":0,", ""},
    {"\"delegation\":\"direct\"", "\"delegation\":\"relayed\""},
    {"\"delegation\":\"direct\"", "\"delegation\":\"telepathy\""},
    {"\"barOffsetBytes\":0", "\"barOffsetBytes\":512"},
    {"\"barOffsetBytes\":0", "\"barOffsetBytes\":9223372036854775807"},
    {"\"barBytes\":16384", "\"barBytes\":4096"},
    {"\"barBytes\":16384", "\"barBytes\":1099511627776"},
    {"\"doorbellStrideBytes\":4", "\"doorbellStrideBytes\":5"},
    {"\"pageBytes\":4096", "\"pageBytes\":3000"},
    {"\"pageBytes\":4096", "\"pageBytes\":0"},
    {"\"maxTransferBytes\":524288", "\"maxTransferBytes\":0"},
    {"\"queueEntriesMax\":2048", "\"queueEntriesMax\":1"},
    {"\"queueEntriesMax\":2048", "\"queueEntriesMax\":65537"},
    {"\"queueEntriesMax\":2048", "\"queueEntriesMax\":\"2048\""},
    {"\"queuePairs\":3", "\"queuePairs\":3.5"},
    {"\"volatileWriteCache\":true", "\"volatileWriteCache\":1"},
    {"\"id\":2", "\"id\":0"},
    {"\"id\":2", "\"id\":4294967295"},
    {"\"blockBytes\":512", "\"blockBytes\":1000"},
    {"\"blocks\":131072", "\"blocks\":9223372036854775807"},
    {"[" NAMESPACE "]", "[17]"},
    {"[" NAMESPACE "]", "null"},
};

START_TEST(a_grant_that_makes_no_sense_is_a_breach)
{
    char *at = strstr(fixture.grant, bad_grants[_i].part), rest[sizeof(fixture.grant)];
    struct fake_step step = {.reply = fixture.grant, .fd_count = 1};
    struct homi_lease *lease = NULL;

    ck_assert_ptr_nonnull(at);
    strcpy(rest, at + strlen(bad_grants[_i].part));
    strcpy(at, bad_grants[_i].instead);
    strcat(fixture.grant, rest);
    step.fds[0] = dup(fixture.bar);
    client_start(&step, 1);
    ck_assert_int_eq(homi_attach(fixture.homi, NULL, &lease), -EPROTO);
    ck_assert_ptr_null(lease);
    ck_assert_int_eq(homi_attach(fixture.homi, NULL, &lease), -ENOTCONN);
}
END_TEST

START_TEST(a_grant_with_a_wrong_number_of_descriptors_is_a_breach)
{
    static const unsigned counts[] = {0, 2, 8, 9};
    struct fake_step step = {.reply = fixture.grant, .fd_count = counts[_i]};
    struct homi_lease *lease = NULL;

    for (unsigned i = 0; i < step.fd_count; i++)
        step.fds[i] = dup(fixture.bar);
    client_start(&step, 1);
    ck_assert_int_eq(homi_attach(fixture.homi, NULL, &lease), -EPROTO);
    ck_assert_ptr_null(lease);
}
END_TEST

START_TEST(two_functions_do_not_share_a_descriptor)
{
    char reply[4096];
    struct fake_step step = {.reply = reply, .fds = {dup(fixture.bar), dup(fixture.bar)}, .fd_count = 2};
    struct homi_lease *lease = NULL;

    snprintf(reply, sizeof(reply),
             "{\"parameters\":{\"lease\":\"a\",\"virtualFunctions\":[" FUNCTION_FORMAT "," FUNCTION_FORMAT
             "]}}",
             1, 0, 2, 0);
    client_start(&step, 1);
    ck_assert_int_eq(homi_attach(fixture.homi, NULL, &lease), -EPROTO);
}
END_TEST

START_TEST(a_refusal_with_descriptors_is_a_breach)
{
    struct fake_step step = {
        .reply = "{\"error\":\"" TENANT "WaitExpired\"}", .fds = {dup(fixture.bar)}, .fd_count = 1};
    struct homi_lease *lease = NULL;

    client_start(&step, 1);
    ck_assert_int_eq(homi_attach(fixture.homi, NULL, &lease), -EPROTO);
}
END_TEST

START_TEST(a_lease_whose_doorbells_cannot_be_mapped_is_given_back)
{
    struct fake_step step = {.reply = fixture.grant, .fd_count = 1};
    struct homi_lease *lease = NULL;

    step.fds[0] = open("/dev/null", O_WRONLY | O_CLOEXEC);
    client_start(&step, 1);
    ck_assert_int_lt(homi_attach(fixture.homi, NULL, &lease), 0);
    ck_assert_ptr_null(lease);
    ck_assert_ptr_nonnull(strstr(fake_homid_heard(fixture.fake), TENANT "Detach"));
}
END_TEST

/* ---- memory ---- */

START_TEST(memory_is_sealed_populated_and_mapped)
{
    struct fake_step regions[] = {{.reply = REGION},
                                  {.reply = "{\"parameters\":{\"region\":8,\"iova\":8192}}"}};
    struct homi_lease *lease = client_attach(regions, 2);
    struct homi_memory *memory = NULL;
    struct stat status;
    uint8_t *bytes;
    int fd;

    ck_assert_int_eq(homi_memory_new(lease, 100000, 0, &memory), 0);
    /* The memory goes first, then the pool with its PRP table. */
    ck_assert_ptr_nonnull(strstr(fake_homid_heard(fixture.fake), "\"lengthBytes\":102400}"));
    fd = fake_homid_take_fd(fixture.fake);
    ck_assert_int_eq(fcntl(fd, F_GET_SEALS), F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
    ck_assert_int_eq(fstat(fd, &status), 0);
    ck_assert_int_ge(status.st_blocks * 512, status.st_size);
    close(fd);
    ck_assert_uint_eq(homi_memory_bytes(memory), 102400);
    bytes = homi_memory_address(memory);
    for (size_t i = 0; i < 102400; i++)
        ck_assert_uint_eq(bytes[i], 0);
    ck_assert_uint_eq(homi_memory_region(memory)->iova, 1048576);
    ck_assert_uint_eq(homi_memory_region(memory)->base, (uintptr_t)bytes);
    ck_assert_uint_eq(homi_memory_region(memory)->prp_iova, 8192);
    ck_assert_uint_gt(homi_memory_region(memory)->prp_reach_pages, 0);
    homi_memory_free(memory);
    ck_assert_ptr_nonnull(strstr(fake_homid_heard(fixture.fake),
                                 "UnregisterMemory\",\"parameters\":{\"requestId\":\"4\","
                                 "\"lease\":\"blue-1\",\"region\":7}"));
}
END_TEST

START_TEST(memory_of_the_caller_is_mapped_where_it_says)
{
    struct fake_step regions[] = {{.reply = REGION},
                                  {.reply = "{\"parameters\":{\"region\":8,\"iova\":8192}}"}};
    struct homi_lease *lease = client_attach(regions, 2);
    struct homi_memory *memory = NULL;
    int fd = memfd_create("own", MFD_CLOEXEC);

    ck_assert_int_eq(ftruncate(fd, 16384), 0);
    ck_assert_int_eq(pwrite(fd, "here", 4, 8192), 4);
    ck_assert_int_eq(homi_memory_import(lease, fd, 8192, 8192, &memory), 0);
    ck_assert_mem_eq(homi_memory_address(memory), "here", 4);
    ck_assert_ptr_nonnull(strstr(fake_homid_heard(fixture.fake),
                                 "{\"memfd\":{\"fd\":0,\"offsetBytes\":8192,\"lengthBytes\":8192}}"));
    homi_memory_free(memory);
    memory = NULL;
    ck_assert_int_eq(homi_memory_import(lease, fd, 0, 0, &memory), -EINVAL);
    ck_assert_int_eq(homi_memory_import(lease, fd, UINT64_MAX - 4095, 8192, &memory), -EINVAL);
    ck_assert_int_eq(homi_memory_import(lease, fd, 100, 4096, &memory), -EINVAL);
    close(fd);
    ck_assert_int_eq(homi_memory_import(lease, -1, 0, 4096, &memory), -EBADF);
    ck_assert_int_eq(homi_memory_new(lease, 4096, 2, &memory), -EINVAL);
    ck_assert_int_eq(homi_memory_new(lease, SIZE_MAX, 0, &memory), -EINVAL);
    ck_assert_ptr_null(memory);
}
END_TEST

START_TEST(memory_refused_leaves_nothing)
{
    struct fake_step refusal = {.reply =
                                    "{\"error\":\"" TENANT "QuotaExceeded\","
                                    "\"parameters\":{\"quota\":\"memoryBytes\",\"limit\":1,\"used\":1}}"};
    struct fake_step steps[] = {refusal, {.reply = REGION}, refusal};
    struct homi_lease *lease = client_attach(steps, 3);
    struct homi_memory *memory = NULL;

    ck_assert_int_eq(homi_memory_new(lease, 4096, 0, &memory), HOMI_REFUSED_QUOTA);
    /* Granted, but not the pool for its table: the region goes back. */
    ck_assert_int_eq(homi_memory_new(lease, 4096, 0, &memory), HOMI_REFUSED_QUOTA);
    ck_assert_ptr_null(memory);
    ck_assert_ptr_nonnull(strstr(fake_homid_heard(fixture.fake), "UnregisterMemory"));
}
END_TEST

static const char *const bad_regions[] = {
    "{}",
    "{\"parameters\":{\"region\":7}}",
    "{\"parameters\":{\"region\":-1,\"iova\":4096}}",
    "{\"parameters\":{\"region\":7,\"iova\":100}}",
    "{\"parameters\":{\"region\":7,\"iova\":-4096}}",
    "{\"parameters\":{\"region\":7,\"iova\":9223372036854771712}}",
};

START_TEST(a_region_that_makes_no_sense_is_a_breach)
{
    struct homi_lease *lease = client_attach(&(struct fake_step){.reply = bad_regions[_i]}, 1);
    struct homi_memory *memory = NULL;

    ck_assert_int_eq(homi_memory_new(lease, 8192, 0, &memory), -EPROTO);
    ck_assert_int_eq(homi_memory_new(lease, 8192, 0, &memory), -ENOTCONN);
    ck_assert_ptr_null(memory);
}
END_TEST

static struct homi_queue_pair *queue_pair(bool interrupt, int event_fd)
{
    struct fake_step steps[] = {
        {.reply = REGION},
        {.reply = interrupt ? "{\"parameters\":{\"queuePair\":1,\"submissionDoorbellOffsetBytes\":4104,"
                              "\"completionDoorbellOffsetBytes\":4108,\"eventFd\":0}}"
                            : PAIR,
         .fds = {event_fd},
         .fd_count = interrupt},
    };
    struct homi_queue_options options = {.entries = 8, .interrupt = interrupt};
    struct homi_queue_pair *pair = NULL;
    struct homi_lease *lease = client_attach(steps, 2);

    ck_assert_int_eq(homi_queue_pair_new(lease, &options, &pair), 0);
    return pair;
}

/* Posts the completion of the n-th command of a queue of 8 entries, as the controller would. */
static void post(const struct homi_queue *queue, unsigned n)
{
    struct homi_nvme_completion *entry = (struct homi_nvme_completion *)(void *)queue->cq + n % 8;

    entry->cid = (uint16_t)(n % 8);
    __atomic_store_n(&entry->status, (uint16_t)(1 - n / 8 % 2), __ATOMIC_RELEASE);
}

/* ---- queue pairs ---- */

START_TEST(a_queue_pair_rings_where_homid_said)
{
    struct homi_queue_pair *pair = queue_pair(false, -1);
    struct homi_queue *queue = homi_queue_pair_queue(pair);
    struct homi_namespace namespace = {.id = 2};
    struct homi_completion done;
    uint32_t doorbells[2];

    ck_assert_uint_eq(homi_queue_pair_id(pair), 1);
    ck_assert_int_eq(homi_queue_pair_event_fd(pair), -ENOTSUP);
    ck_assert_int_eq(homi_queue_pair_wait(pair, 0), -ENOTSUP);
    ck_assert_ptr_nonnull(strstr(fake_homid_heard(fixture.fake),
                                 "\"virtualFunction\":\"0000:01:00.1\",\"entries\":8,\"region\":7,"
                                 "\"submissionOffsetBytes\":0,\"completionOffsetBytes\":4096}"));
    ck_assert_int_eq(homi_queue_flush(queue, &namespace, 99), 0);
    post(queue, 0);
    ck_assert_uint_eq(homi_queue_reap(queue, &done, 1), 1);
    ck_assert_uint_eq(done.cookie, 99);
    ck_assert_int_eq(pread(fixture.bar, doorbells, sizeof(doorbells), 4104), sizeof(doorbells));
    ck_assert_uint_eq(doorbells[0], 1);
    ck_assert_uint_eq(doorbells[1], 1);
    homi_queue_pair_free(pair);
    ck_assert_ptr_nonnull(strstr(fake_homid_heard(fixture.fake), "DeleteQueuePair"));
}
END_TEST

START_TEST(queue_pairs_share_one_region)
{
    struct fake_step steps[] = {
        {.reply = REGION}, {.reply = PAIR}, {.reply = PAIR_TWO}, {.reply = "{}"}, {.reply = PAIR}};
    struct homi_lease *lease = client_attach(steps, 5);
    struct homi_queue_pair *first = NULL, *second = NULL;
    const char *heard = fake_homid_heard(fixture.fake);

    ck_assert_int_eq(homi_queue_pair_new(lease, NULL, &first), 0);
    ck_assert_int_eq(homi_queue_pair_new(lease, NULL, &second), 0);
    ck_assert_ptr_nonnull(strstr(heard, "\"entries\":256,\"region\":7,\"submissionOffsetBytes\":20480,"));
    /* The pages of a deleted pair serve again. */
    homi_queue_pair_free(first);
    heard += strlen(heard);
    ck_assert_int_eq(homi_queue_pair_new(lease, NULL, &first), 0);
    ck_assert_ptr_nonnull(strstr(heard, "\"region\":7,\"submissionOffsetBytes\":0,"));
    heard = strstr(fake_homid_heard(fixture.fake), "RegisterMemory");
    ck_assert_ptr_null(strstr(heard + 1, "RegisterMemory"));
}
END_TEST

START_TEST(pages_of_a_pair_that_homid_did_not_delete_stay_out_of_use)
{
    struct fake_step steps[] = {
        {.reply = REGION},
        {.reply = PAIR},
        {.reply = "{\"error\":\"" TENANT "FunctionFailed\",\"parameters\":{}}"},
        {.reply = PAIR},
    };
    struct homi_lease *lease = client_attach(steps, 4);
    struct homi_queue_pair *pair = NULL;

    ck_assert_int_eq(homi_queue_pair_new(lease, NULL, &pair), 0);
    homi_queue_pair_free(pair);
    ck_assert_int_eq(homi_queue_pair_new(lease, NULL, &pair), 0);
    ck_assert_ptr_nonnull(strstr(fake_homid_heard(fixture.fake), "\"submissionOffsetBytes\":20480,"));
}
END_TEST

START_TEST(pages_of_a_pair_that_a_reset_took_serve_again)
{
    struct fake_step steps[] = {
        {.reply = REGION},
        {.reply = PAIR},
        {.reply = "{\"error\":\"" TENANT "FunctionReset\",\"parameters\":{}}"},
        {.reply = PAIR},
    };
    struct homi_lease *lease = client_attach(steps, 4);
    struct homi_queue_pair *pair = NULL;

    ck_assert_int_eq(homi_queue_pair_new(lease, NULL, &pair), 0);
    homi_queue_pair_free(pair);
    ck_assert_int_eq(homi_queue_pair_new(lease, NULL, &pair), 0);
    ck_assert_ptr_null(strstr(fake_homid_heard(fixture.fake), "\"submissionOffsetBytes\":20480,"));
}
END_TEST

START_TEST(a_queue_pair_refused_leaves_nothing)
{
    struct fake_step steps[] = {
        {.reply = REGION},
        {.reply = "{\"error\":\"" TENANT "DepthOutOfRange\","
                  "\"parameters\":{\"entries\":5000,\"minimum\":2,\"maximum\":2048}}"},
        {.reply = PAIR},
    };
    struct homi_queue_options options = {.entries = 5000};
    struct homi_lease *lease = client_attach(steps, 3);
    struct homi_queue_pair *pair = NULL;

    ck_assert_int_eq(homi_queue_pair_new(lease, &options, &pair), HOMI_REFUSED_DEPTH);
    options = (struct homi_queue_options){.function = 1};
    ck_assert_int_eq(homi_queue_pair_new(lease, &options, &pair), -EINVAL);
    ck_assert_ptr_null(pair);
    options = (struct homi_queue_options){.entries = 8};
    ck_assert_int_eq(homi_queue_pair_new(lease, &options, &pair), 0);
    ck_assert_ptr_nonnull(
        strstr(fake_homid_heard(fixture.fake), "\"entries\":8,\"region\":7,\"submissionOffsetBytes\":0,"));
}
END_TEST

#define PAIR_FORMAT                                                                                          \
    "{\"parameters\":{\"queuePair\":%s,\"submissionDoorbellOffsetBytes\":%s,"                                \
    "\"completionDoorbellOffsetBytes\":%s%s}}"

static const struct {
    const char *id, *submission, *completion, *event;
    unsigned fds;
} bad_pairs[] = {
    {"0", "4104", "4108", "", 0},
    {"65536", "4104", "4108", "", 0},
    {"1", "4105", "4108", "", 0},
    {"1", "28", "4108", "", 0}, /* a register */
    {"1", "4104", "16384", "", 0},
    {"1", "4104", "16382", "", 0},
    {"1", "4104", "4104", "", 0},
    {"1", "4104", "-4", "", 0},
    {"1", "4104", "4108", ",\"eventFd\":0", 1}, /* was not asked for */
};

START_TEST(a_queue_pair_that_makes_no_sense_is_a_breach)
{
    char reply[512];
    struct fake_step steps[] = {{.reply = REGION}, {.reply = reply, .fd_count = bad_pairs[_i].fds}};
    struct homi_lease *lease;
    struct homi_queue_pair *pair = NULL;

    if (steps[1].fd_count > 0)
        steps[1].fds[0] = eventfd(0, EFD_CLOEXEC);
    snprintf(reply, sizeof(reply), PAIR_FORMAT, bad_pairs[_i].id, bad_pairs[_i].submission,
             bad_pairs[_i].completion, bad_pairs[_i].event);
    lease = client_attach(steps, 2);
    ck_assert_int_eq(homi_queue_pair_new(lease, NULL, &pair), -EPROTO);
    ck_assert_ptr_null(pair);
}
END_TEST

START_TEST(an_interrupt_without_descriptor_is_a_breach)
{
    struct fake_step steps[] = {{.reply = REGION}, {.reply = PAIR}};
    struct homi_lease *lease = client_attach(steps, 2);
    struct homi_queue_options options = {.interrupt = true};
    struct homi_queue_pair *pair = NULL;

    ck_assert_int_eq(homi_queue_pair_new(lease, &options, &pair), -EPROTO);
}
END_TEST

/* ---- waiting ---- */

static void notify(int event_fd)
{
    uint64_t one = 1;

    ck_assert_int_eq(write(event_fd, &one, sizeof(one)), sizeof(one));
}

START_TEST(a_wait_ends_at_its_time)
{
    struct homi_queue_pair *pair = queue_pair(true, eventfd(0, EFD_CLOEXEC));

    ck_assert_int_eq(homi_queue_pair_wait(pair, 0), -ETIMEDOUT);
    /* A notice without a completion is no completion, and is taken away. */
    notify(homi_queue_pair_event_fd(pair));
    ck_assert_int_eq(homi_queue_pair_wait(pair, 0), -ETIMEDOUT);
    notify(homi_queue_pair_event_fd(pair));
    ck_assert_int_eq(homi_queue_pair_wait(pair, 50), -ETIMEDOUT);
    post(homi_queue_pair_queue(pair), 0);
    ck_assert_int_eq(homi_queue_pair_wait(pair, 0), 0);
    ck_assert_int_eq(homi_queue_pair_wait(pair, -1), 0);
}
END_TEST

struct device {
    struct homi_queue *queue;
    int event_fd;
    pthread_t thread;
};

/* Completes each command when its doorbell rings: the entry, then the notice. */
static void *complete_commands(void *user)
{
    struct device *device = user;

    for (unsigned n = 0; n < 2000; n++) {
        uint32_t tail = n % 8;

        while (tail == n % 8)
            ck_assert_int_eq(pread(fixture.bar, &tail, sizeof(tail), 4104), sizeof(tail));
        post(device->queue, n);
        notify(device->event_fd);
    }
    return NULL;
}

START_TEST(no_notice_is_lost)
{
    struct homi_queue_pair *pair = queue_pair(true, eventfd(0, EFD_CLOEXEC));
    struct device device = {.queue = homi_queue_pair_queue(pair), .event_fd = homi_queue_pair_event_fd(pair)};
    struct homi_namespace namespace = {.id = 2};
    struct homi_completion done;

    ck_assert_int_eq(pthread_create(&device.thread, NULL, complete_commands, &device), 0);
    for (unsigned i = 0; i < 2000; i++) {
        ck_assert_int_eq(homi_queue_flush(device.queue, &namespace, i), 0);
        ck_assert_int_eq(homi_queue_pair_wait(pair, -1), 0);
        ck_assert_uint_eq(homi_queue_reap(device.queue, &done, 1), 1);
        ck_assert_uint_eq(done.cookie, i);
    }
    pthread_join(device.thread, NULL);
}
END_TEST

START_TEST(a_dead_controller_ends_the_wait)
{
    static const struct {
        uint32_t status;
        int error;
    } ends[] = {
        {HOMI_NVME_CSTS_READY | HOMI_NVME_CSTS_FATAL, -EIO}, {0, -EIO}, {HOMI_NVME_CSTS_GONE, -ENODEV}};
    struct homi_queue_pair *pair = queue_pair(true, eventfd(0, EFD_CLOEXEC));

    ck_assert_int_eq(pwrite(fixture.bar, &ends[_i].status, 4, 0x1c), 4);
    ck_assert_int_eq(homi_queue_pair_wait(pair, -1), ends[_i].error);
}
END_TEST

static void add_lease_tests(Suite *suite)
{
    TCase *cases = client_test_case(suite, "lease");

    tcase_add_test(cases, attach_sends_what_was_asked);
    tcase_add_test(cases, a_lease_tells_what_was_granted);
    tcase_add_loop_test(cases, a_grant_that_makes_no_sense_is_a_breach, 0, COUNT(bad_grants));
    tcase_add_loop_test(cases, a_grant_with_a_wrong_number_of_descriptors_is_a_breach, 0, 4);
    tcase_add_test(cases, two_functions_do_not_share_a_descriptor);
    tcase_add_test(cases, a_refusal_with_descriptors_is_a_breach);
    tcase_add_test(cases, a_lease_whose_doorbells_cannot_be_mapped_is_given_back);
    tcase_add_test(cases, memory_is_sealed_populated_and_mapped);
    tcase_add_test(cases, memory_of_the_caller_is_mapped_where_it_says);
    tcase_add_test(cases, memory_refused_leaves_nothing);
    tcase_add_loop_test(cases, a_region_that_makes_no_sense_is_a_breach, 0, COUNT(bad_regions));
}

static void add_queue_tests(Suite *suite)
{
    TCase *cases = client_test_case(suite, "queue pair");

    tcase_add_test(cases, a_queue_pair_rings_where_homid_said);
    tcase_add_test(cases, queue_pairs_share_one_region);
    tcase_add_test(cases, pages_of_a_pair_that_homid_did_not_delete_stay_out_of_use);
    tcase_add_test(cases, pages_of_a_pair_that_a_reset_took_serve_again);
    tcase_add_test(cases, a_queue_pair_refused_leaves_nothing);
    tcase_add_loop_test(cases, a_queue_pair_that_makes_no_sense_is_a_breach, 0, COUNT(bad_pairs));
    tcase_add_test(cases, an_interrupt_without_descriptor_is_a_breach);
    tcase_add_test(cases, a_wait_ends_at_its_time);
    tcase_add_test(cases, no_notice_is_lost);
    tcase_add_loop_test(cases, a_dead_controller_ends_the_wait, 0, 3);
}

int main(void)
{
    Suite *suite = suite_create("lease");

    add_lease_tests(suite);
    add_queue_tests(suite);
    return client_run(suite);
}
