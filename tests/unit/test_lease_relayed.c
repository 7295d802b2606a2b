/* SPDX-License-Identifier: BSD-3-Clause */
/* libhomi with a function whose doorbells are relayed: a memfd in place of the device. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/unit/client_fixture.h"

#define GRANT                                                                                                \
    "{\"parameters\":{\"lease\":\"amber-1\",\"virtualFunctions\":[{\"name\":\"0000:01:00.1\","               \
    "\"device\":\"ssd0\",\"controllerId\":1,\"delegation\":\"relayed\",%s\"doorbellStrideBytes\":4,"         \
    "\"pageBytes\":4096,\"maxTransferBytes\":524288,\"queueEntriesMax\":2048,\"queuePairs\":3,"              \
    "\"interrupts\":1,\"optionalCommands\":12,\"volatileWriteCache\":true,\"namespaces\":[" NAMESPACE        \
    "]}]}}"
#define DOORBELLS                                                                                            \
    "\"doorbellFd\":0,\"barOffsetBytes\":0,\"barBytes\":4096,\"wakeOffsetBytes\":0,\"wakeFd\":1,"
#define RELAYED_PAIR                                                                                         \
    "{\"parameters\":{\"queuePair\":1,\"submissionDoorbellOffsetBytes\":64,"                                 \
    "\"completionDoorbellOffsetBytes\":68%s}}"

static int page_fd, wake_fd;
static volatile uint32_t *page;

static void set_up(void)
{
    page_fd = memfd_create("page", MFD_CLOEXEC);
    ck_assert_int_eq(ftruncate(page_fd, 4096), 0);
    page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, page_fd, 0);
    ck_assert_ptr_ne((void *)(uintptr_t)page, MAP_FAILED);
    wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    page[18] = 1; /* the queue pair's status: ready */
}

static void tear_down(void)
{
    munmap((void *)(uintptr_t)page, 4096);
    close(page_fd);
    close(wake_fd);
}

static int attach_with(const char *doorbells, unsigned fds, const char *pair, struct homi_lease **ret_lease)
{
    static char grant[2048];
    const struct fake_step steps[] = {
        {.reply = grant, .fds = {dup(page_fd), dup(wake_fd)}, .fd_count = fds},
        {.reply = REGION},
        {.reply = pair},
    };

    for (unsigned i = fds; i < 2; i++)
        close(steps[0].fds[i]);
    snprintf(grant, sizeof(grant), GRANT, doorbells);
    client_start(steps, pair ? 3 : 1);
    return homi_attach(fixture.homi, NULL, ret_lease);
}

START_TEST(the_hot_path_writes_the_page)
{
    static char reply[256];
    struct homi_lease *lease = NULL;
    struct homi_queue_pair *pair = NULL;
    uint64_t count;

    snprintf(reply, sizeof(reply), RELAYED_PAIR, ",\"statusOffsetBytes\":72");
    ck_assert_int_eq(attach_with(DOORBELLS, 2, reply, &lease), 0);
    ck_assert(homi_lease_function(lease, 0)->relayed);
    ck_assert_int_eq(homi_queue_pair_new(lease, NULL, &pair), 0);
    struct homi_queue *queue = homi_queue_pair_queue(pair);

    ck_assert_int_eq(homi_queue_flush(queue, homi_function_namespace(lease, 0, 0), 1), 0);
    ck_assert_uint_eq(page[16], 1);
    ck_assert_int_eq(read(wake_fd, &count, sizeof(count)), -1);
    page[0] = 1; /* the relay sleeps */
    ck_assert_int_eq(homi_queue_flush(queue, homi_function_namespace(lease, 0, 0), 2), 0);
    ck_assert_uint_eq(page[16], 2);
    ck_assert_int_eq(read(wake_fd, &count, sizeof(count)), sizeof(count));
    ck_assert_uint_eq(homi_queue_wakes(queue), 1);
    ck_assert_int_eq(homi_queue_health(queue), 0);
    page[18] = 3; /* homid says: failed */
    ck_assert_int_eq(homi_queue_health(queue), -EIO);
    page[18] = 0; /* homid says: gone */
    ck_assert_int_eq(homi_queue_health(queue), -EIO);
}
END_TEST

static const struct {
    const char *doorbells;
    unsigned fds;
} bad_grants[] = {
    {"\"deviceFd\":0,\"barOffsetBytes\":0,\"barBytes\":4096,\"wakeOffsetBytes\":0,\"wakeFd\":1,", 2},
    {"\"deviceFd\":0," DOORBELLS, 2},
    {"\"barOffsetBytes\":0,\"barBytes\":4096,\"wakeOffsetBytes\":0,\"wakeFd\":0,", 1},
    {"\"doorbellFd\":1,\"barOffsetBytes\":0,\"barBytes\":4096,", 1},
    {"\"doorbellFd\":0,\"barOffsetBytes\":0,\"barBytes\":4096,", 1}, /* without its wake word */
    {"\"doorbellFd\":0,\"barOffsetBytes\":0,\"barBytes\":0,\"wakeOffsetBytes\":0,\"wakeFd\":1,", 2},
    {"\"doorbellFd\":0,\"barOffsetBytes\":0,\"barBytes\":4096,\"wakeOffsetBytes\":4096,\"wakeFd\":1,", 2},
    {"\"doorbellFd\":0,\"barOffsetBytes\":0,\"barBytes\":4096,\"wakeOffsetBytes\":2,\"wakeFd\":1,", 2},
    {"\"doorbellFd\":0,\"barOffsetBytes\":0,\"barBytes\":4096,\"wakeOffsetBytes\":0,\"wakeFd\":0,", 2},
    {"\"doorbellFd\":0,\"barOffsetBytes\":1,\"barBytes\":4096,\"wakeOffsetBytes\":0,\"wakeFd\":1,", 2},
};

START_TEST(a_relayed_grant_that_makes_no_sense_is_a_breach)
{
    struct homi_lease *lease = NULL;

    ck_assert_int_eq(attach_with(bad_grants[_i].doorbells, bad_grants[_i].fds, NULL, &lease), -EPROTO);
    ck_assert_ptr_null(lease);
}
END_TEST

static const char *const bad_statuses[] = {"", ",\"statusOffsetBytes\":4096", ",\"statusOffsetBytes\":-4",
                                           ",\"statusOffsetBytes\":70"};

START_TEST(a_relayed_queue_pair_needs_its_status)
{
    static char reply[256];
    struct homi_lease *lease = NULL;
    struct homi_queue_pair *pair = NULL;

    snprintf(reply, sizeof(reply), RELAYED_PAIR, bad_statuses[_i]);
    ck_assert_int_eq(attach_with(DOORBELLS, 2, reply, &lease), 0);
    ck_assert_int_eq(homi_queue_pair_new(lease, NULL, &pair), -EPROTO);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("lease relayed");
    TCase *cases = client_test_case(suite, "relayed");

    tcase_add_checked_fixture(cases, set_up, tear_down);
    tcase_add_test(cases, the_hot_path_writes_the_page);
    tcase_add_loop_test(cases, a_relayed_grant_that_makes_no_sense_is_a_breach, 0, COUNT(bad_grants));
    tcase_add_loop_test(cases, a_relayed_queue_pair_needs_its_status, 0, COUNT(bad_statuses));
    return client_run(suite);
}
