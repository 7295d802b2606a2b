/* SPDX-License-Identifier: BSD-3-Clause */
/* libhomi against a homid that says what it should, refuses, or says what cannot be. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include "lib/refusal.h"
#include "proto/interfaces.h"
#include "tests/unit/fake_homid.h"
#include "tests/unit/open_fds.h"
#include <homi/homi.h>

#define TENANT      "io.homi.Tenant."
#define BAR_BYTES   16384
#define CSTS_OFFSET 0x1c

#define NAMESPACE "{\"id\":2,\"blockBytes\":512,\"blocks\":131072,\"shared\":false}"
#define FUNCTION_FORMAT                                                                                      \
    "{\"name\":\"0000:01:00.%d\",\"device\":\"ssd0\",\"controllerId\":1,\"delegation\":\"direct\","          \
    "\"deviceFd\":%d,\"barOffsetBytes\":0,\"barBytes\":16384,\"doorbellStrideBytes\":4,\"pageBytes\":4096,"  \
    "\"maxTransferBytes\":524288,\"queueEntriesMax\":2048,\"queuePairs\":3,\"interrupts\":1,"                \
    "\"optionalCommands\":12,\"volatileWriteCache\":true,\"namespaces\":[" NAMESPACE "]}"
#define GRANT_FORMAT "{\"parameters\":{\"lease\":\"blue-1\",\"virtualFunctions\":[" FUNCTION_FORMAT "]}}"
#define PAIR                                                                                                 \
    "{\"parameters\":{\"queuePair\":1,\"submissionDoorbellOffsetBytes\":4104,"                               \
    "\"completionDoorbellOffsetBytes\":4108}}"
#define REGION "{\"parameters\":{\"region\":7,\"iova\":1048576}}"

static struct fake_homid *fake;
static struct homi *homi;
static unsigned fds_before;
static int bar; /* stands for the VFIO device */
static char grant[2048];

static void setup(void)
{
    uint32_t ready = HOMI_NVME_CSTS_READY;

    fds_before = open_fds();
    fake = NULL;
    homi = NULL;
    bar = memfd_create("bar", MFD_CLOEXEC);
    ck_assert_int_eq(ftruncate(bar, BAR_BYTES), 0);
    ck_assert_int_eq(pwrite(bar, &ready, sizeof(ready), CSTS_OFFSET), sizeof(ready));
    snprintf(grant, sizeof(grant), GRANT_FORMAT, 1, 0);
}

static void teardown(void)
{
    homi_close(homi);
    if (fake)
        fake_homid_stop(fake);
    close(bar);
    ck_assert_uint_eq(open_fds(), fds_before);
}

static void start(const struct fake_step *steps, size_t count)
{
    fake = fake_homid_start(steps, count);
    ck_assert_int_eq(homi_open(fake_homid_path(fake), &homi), 0);
}

static void start_with(const char *reply)
{
    start(&(struct fake_step){.reply = reply}, 1);
}

/* A grant with the BAR, then what a test adds. */
static struct homi_lease *attach(const struct fake_step *more, size_t count)
{
    struct fake_step steps[FAKE_STEPS_MAX] = {{.reply = grant, .fds = {dup(bar)}, .fd_count = 1}};
    struct homi_lease *lease = NULL;

    for (size_t i = 0; i < count; i++)
        steps[i + 1] = more[i];
    start(steps, count + 1);
    ck_assert_int_eq(homi_attach(homi, NULL, &lease), 0);
    return lease;
}

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
    struct homi_lease *lease = attach(steps, 2);

    ck_assert_int_eq(homi_queue_pair_new(lease, &options, &pair), 0);
    return pair;
}

static void post(struct homi_queue *queue, uint16_t cid)
{
    struct homi_nvme_completion *entry = (struct homi_nvme_completion *)(void *)queue->cq + queue->cq_head;

    entry->cid = cid;
    __atomic_store_n(&entry->status, (uint16_t)queue->phase, __ATOMIC_RELEASE);
}

/* ---- connection ---- */

START_TEST(open_says_why_not)
{
    char long_path[200];

    memset(long_path, 'a', sizeof(long_path));
    long_path[sizeof(long_path) - 1] = '\0';
    ck_assert_int_eq(homi_open("/nonexistent/socket", &homi), -ENOENT);
    ck_assert_int_eq(homi_open(long_path, &homi), -ENAMETOOLONG);
    setenv("HOMI_TENANT_SOCKET", "/nonexistent/either", 1);
    ck_assert_int_eq(homi_open(NULL, &homi), -ENOENT);
    ck_assert_ptr_null(homi);
}
END_TEST

START_TEST(every_error_of_the_interface_is_a_refusal_of_its_own)
{
    bool seen[HOMI_REFUSED_SYSTEM + 1] = {false};
    const char *at = interface_io_homi_tenant;
    unsigned count = 0;

    while ((at = strstr(at, "\nerror ")) != NULL) {
        char name[128];
        int length;

        at += strlen("\nerror ");
        length = (int)strcspn(at, " (");
        snprintf(name, sizeof(name), TENANT "%.*s", length, at);
        enum homi_refusal refusal = refusal_by_name(name);
        ck_assert_msg(refusal != HOMI_REFUSED_OTHER && !seen[refusal], "%s", name);
        ck_assert_ptr_nonnull(refusal_text(refusal));
        seen[refusal] = true;
        count++;
    }
    /* All but OTHER and the two that are org.varlink.service's. */
    ck_assert_uint_eq(count, HOMI_REFUSED_SYSTEM - 3);
}
END_TEST

START_TEST(a_refusal_comes_with_name_and_limit)
{
    struct homi_lease *lease = NULL;

    start_with("{\"error\":\"" TENANT "QuotaExceeded\",\"parameters\":"
               "{\"quota\":\"virtualFunctions\",\"limit\":4,\"used\":3}}");
    ck_assert_int_eq(homi_attach(homi, NULL, &lease), HOMI_REFUSED_QUOTA);
    ck_assert_str_eq(homi_error_name(homi), TENANT "QuotaExceeded");
    ck_assert_str_eq(homi_error_text(homi),
                     "over the tenant's quota (quota: virtualFunctions, limit: 4, used: 3)");
    ck_assert_ptr_null(lease);
    /* The connection goes on, and the refusal is forgotten with the next call. */
    char *reply = NULL;
    ck_assert_int_eq(homi_call(homi, TENANT "ListTenants", NULL, &reply), 0);
    ck_assert_str_eq(homi_error_name(homi), "");
    free(reply);
}
END_TEST

START_TEST(an_error_of_the_future_is_other)
{
    struct homi_lease *lease = NULL;

    start_with("{\"error\":\"" TENANT "MoonPhase\",\"parameters\":{\"phase\":[1,2]}}");
    ck_assert_int_eq(homi_attach(homi, NULL, &lease), HOMI_REFUSED_OTHER);
    ck_assert_str_eq(homi_error_text(homi), TENANT "MoonPhase (phase: [1,2])");
}
END_TEST

START_TEST(a_long_refusal_is_cut)
{
    char reply[4096], value[3000];
    struct homi_lease *lease = NULL;

    memset(value, 'x', sizeof(value));
    value[sizeof(value) - 1] = '\0';
    snprintf(reply, sizeof(reply), "{\"error\":\"a.b.C%.500s\",\"parameters\":{\"a\":\"%s\"}}", value, value);
    start_with(reply);
    ck_assert_int_eq(homi_attach(homi, NULL, &lease), HOMI_REFUSED_OTHER);
    ck_assert_uint_eq(strlen(homi_error_text(homi)), 511);
}
END_TEST

START_TEST(errors_have_words)
{
    ck_assert_str_eq(homi_strerror(-ENOENT), "No such file or directory");
    ck_assert_str_eq(homi_strerror(HOMI_REFUSED_REGION_BUSY), "queue pairs lie in the region");
    ck_assert_str_eq(homi_strerror(HOMI_REFUSED_SYSTEM + 1), "unknown error");
    ck_assert_str_eq(homi_strerror(-100000), "unknown error");
}
END_TEST

/* What ends the connection: reply, whether it is cut, and what the call returns. */
static const struct {
    const char *reply;
    bool cut;
    int error;
} breaches[] = {
    {"hello", false, -EPROTO},
    {"{\"parameters\":{}", false, -EPROTO},
    {"[]", false, -EPROTO},
    {"{\"parameters\":[]}", false, -EPROTO},
    {"{\"error\":1}", false, -EPROTO},
    {"{\"parameters\":{\"lease\":\"a\",\"lease\":\"b\"}}", false, -EPROTO},
    {"{\"parameters\":{},\"continues\":true}", false, -EPROTO},
    {"{\"parameters\":{}", true, -ECONNRESET},
    {"", true, -ECONNRESET},
};

START_TEST(a_broken_reply_ends_the_connection)
{
    struct homi_lease *lease = NULL;

    start(&(struct fake_step){.reply = breaches[_i].reply, .cut = breaches[_i].cut}, 1);
    ck_assert_int_eq(homi_attach(homi, NULL, &lease), breaches[_i].error);
    ck_assert_int_eq(homi_attach(homi, NULL, &lease), -ENOTCONN);
    ck_assert_ptr_null(lease);
}
END_TEST

START_TEST(a_call_to_a_daemon_that_left_is_an_error_not_a_signal)
{
    char *reply = NULL;

    start(&(struct fake_step){.reply = "{}", .hang_up = true}, 1);
    ck_assert_int_eq(homi_call(homi, TENANT "ListTenants", NULL, &reply), 0);
    free(reply);
    usleep(20000);
    ck_assert_int_eq(homi_call(homi, TENANT "ListTenants", NULL, &reply), -ECONNRESET);
}
END_TEST

static void on_alarm(int number)
{
    (void)number;
}

START_TEST(signals_do_not_disturb_a_call)
{
    struct sigaction action = {.sa_handler = on_alarm};
    struct itimerval often = {.it_interval = {.tv_usec = 200}, .it_value = {.tv_usec = 200}};
    struct itimerval never = {.it_value = {.tv_usec = 0}};
    struct fake_step slow = {.reply = grant, .fds = {dup(bar)}, .fd_count = 1, .bytewise = true};
    struct homi_lease *lease = NULL;

    sigaction(SIGALRM, &action, NULL);
    start(&slow, 1);
    setitimer(ITIMER_REAL, &often, NULL);
    ck_assert_int_eq(homi_attach(homi, NULL, &lease), 0);
    setitimer(ITIMER_REAL, &never, NULL);
    ck_assert_str_eq(homi_lease_name(lease), "blue-1");
}
END_TEST

/* ---- any call ---- */

START_TEST(any_call_takes_and_gives_text)
{
    char *reply = NULL;

    start_with("{\"parameters\":{\"tenants\":[\"blue\"]}}");
    ck_assert_int_eq(homi_call(homi, TENANT "ListTenants", "{\"a\":1}", &reply), 0);
    ck_assert_str_eq(reply, "{\"tenants\":[\"blue\"]}");
    ck_assert_ptr_nonnull(strstr(fake_homid_heard(fake), "\"parameters\":{\"a\":1}"));
    free(reply);
    reply = NULL;
    ck_assert_int_eq(homi_call(homi, TENANT "ListTenants", "{'a':1}", &reply), -EINVAL);
    ck_assert_int_eq(homi_call(homi, TENANT "ListTenants", "[]", &reply), -EINVAL);
    ck_assert_ptr_null(reply);
}
END_TEST

START_TEST(any_call_takes_no_descriptors)
{
    char *reply = NULL;

    start(&(struct fake_step){.reply = "{}", .fds = {dup(bar)}, .fd_count = 1}, 1);
    ck_assert_int_eq(homi_call(homi, TENANT "ListTenants", NULL, &reply), -EPROTO);
    ck_assert_ptr_null(reply);
}
END_TEST

static int count_replies(const char *reply, void *user)
{
    unsigned *left = user;

    ck_assert_str_eq(reply, "{\"n\":1}");
    return --*left == 0;
}

START_TEST(a_stream_runs_to_its_end_or_until_stopped)
{
    struct fake_step continued = {.reply = "{\"parameters\":{\"n\":1},\"continues\":true}", .goes_on = true};
    struct fake_step steps[] = {
        continued, continued, {.reply = "{\"parameters\":{\"n\":1}}"}, continued, continued};
    unsigned left = 5;

    start(steps, 5);
    ck_assert_int_eq(homi_call_more(homi, "a.b.C", NULL, count_replies, &left), 0);
    ck_assert_uint_eq(left, 2);
    left = 1;
    ck_assert_int_eq(homi_call_more(homi, "a.b.C", NULL, count_replies, &left), 0);
    ck_assert_uint_eq(left, 0);
    ck_assert_int_eq(homi_call_more(homi, "a.b.C", NULL, count_replies, &left), -ENOTCONN);
}
END_TEST

START_TEST(a_stream_may_be_refused)
{
    start_with("{\"error\":\"org.varlink.service.PermissionDenied\"}");
    ck_assert_int_eq(homi_call_more(homi, "a.b.C", NULL, count_replies, NULL), HOMI_REFUSED_PERMISSION);
}
END_TEST

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

    start_with("{\"error\":\"" TENANT "UnknownLease\",\"parameters\":{\"lease\":\"blue-1\"}}");
    ck_assert_int_eq(homi_attach(homi, &options, &lease), HOMI_REFUSED_UNKNOWN_LEASE);
    ck_assert_str_eq(fake_homid_heard(fake),
                     "{\"method\":\"" TENANT
                     "Attach\",\"parameters\":{\"requestId\":\"1\",\"tenant\":\"blue\","
                     "\"lease\":\"blue-1\",\"mode\":\"join\",\"devices\":[\"ssd0\",\"ssd1\"],"
                     "\"namespaces\":[2,5],\"queuePairs\":3,\"waitMilliseconds\":1500}}\n");
    options.mode = (enum homi_attach_mode)3;
    ck_assert_int_eq(homi_attach(homi, &options, &lease), -EINVAL);
}
END_TEST

START_TEST(a_lease_tells_what_was_granted)
{
    struct homi_lease *lease = attach(NULL, 0);
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
    ck_assert_ptr_nonnull(strstr(fake_homid_heard(fake),
                                 "Detach\",\"parameters\":{\"requestId\":\"2\",\"lease\":\"blue-1\"}}"));
    /* Only the connection, its other end, the listener and the BAR itself are left open. */
    ck_assert_uint_eq(open_fds(), fds_before + 4);
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
    char *at = strstr(grant, bad_grants[_i].part), rest[sizeof(grant)];
    struct fake_step step = {.reply = grant, .fd_count = 1};
    struct homi_lease *lease = NULL;

    ck_assert_ptr_nonnull(at);
    strcpy(rest, at + strlen(bad_grants[_i].part));
    strcpy(at, bad_grants[_i].instead);
    strcat(grant, rest);
    step.fds[0] = dup(bar);
    start(&step, 1);
    ck_assert_int_eq(homi_attach(homi, NULL, &lease), -EPROTO);
    ck_assert_ptr_null(lease);
    ck_assert_int_eq(homi_attach(homi, NULL, &lease), -ENOTCONN);
}
END_TEST

START_TEST(a_grant_with_a_wrong_number_of_descriptors_is_a_breach)
{
    static const unsigned counts[] = {0, 2, 8, 9};
    struct fake_step step = {.reply = grant, .fd_count = counts[_i]};
    struct homi_lease *lease = NULL;

    for (unsigned i = 0; i < step.fd_count; i++)
        step.fds[i] = dup(bar);
    start(&step, 1);
    ck_assert_int_eq(homi_attach(homi, NULL, &lease), -EPROTO);
    ck_assert_ptr_null(lease);
}
END_TEST

START_TEST(two_functions_do_not_share_a_descriptor)
{
    char reply[4096];
    struct fake_step step = {.reply = reply, .fds = {dup(bar), dup(bar)}, .fd_count = 2};
    struct homi_lease *lease = NULL;

    snprintf(reply, sizeof(reply),
             "{\"parameters\":{\"lease\":\"a\",\"virtualFunctions\":[" FUNCTION_FORMAT "," FUNCTION_FORMAT
             "]}}",
             1, 0, 2, 0);
    start(&step, 1);
    ck_assert_int_eq(homi_attach(homi, NULL, &lease), -EPROTO);
}
END_TEST

START_TEST(a_refusal_with_descriptors_is_a_breach)
{
    struct fake_step step = {
        .reply = "{\"error\":\"" TENANT "WaitExpired\"}", .fds = {dup(bar)}, .fd_count = 1};
    struct homi_lease *lease = NULL;

    start(&step, 1);
    ck_assert_int_eq(homi_attach(homi, NULL, &lease), -EPROTO);
}
END_TEST

START_TEST(a_lease_whose_doorbells_cannot_be_mapped_is_given_back)
{
    struct fake_step step = {.reply = grant, .fd_count = 1};
    struct homi_lease *lease = NULL;

    step.fds[0] = open("/dev/null", O_WRONLY | O_CLOEXEC);
    start(&step, 1);
    ck_assert_int_lt(homi_attach(homi, NULL, &lease), 0);
    ck_assert_ptr_null(lease);
    ck_assert_ptr_nonnull(strstr(fake_homid_heard(fake), TENANT "Detach"));
}
END_TEST

START_TEST(a_relayed_function_is_told_but_not_driven)
{
    char *at = strstr(grant, "\"direct\",\"deviceFd\":0"), rest[sizeof(grant)];
    struct homi_lease *lease = NULL;
    struct homi_queue_pair *pair = NULL;

    strcpy(rest, at + strlen("\"direct\",\"deviceFd\":0"));
    strcat(strcpy(at, "\"relayed\""), rest);
    start_with(grant);
    ck_assert_int_eq(homi_attach(homi, NULL, &lease), 0);
    ck_assert(homi_lease_function(lease, 0)->relayed);
    ck_assert_int_eq(homi_queue_pair_new(lease, NULL, &pair), -ENOTSUP);
}
END_TEST

/* ---- memory ---- */

START_TEST(memory_is_sealed_populated_and_mapped)
{
    struct fake_step regions[] = {{.reply = REGION},
                                  {.reply = "{\"parameters\":{\"region\":8,\"iova\":8192}}"}};
    struct homi_lease *lease = attach(regions, 2);
    struct homi_memory *memory = NULL;
    struct stat status;
    uint8_t *bytes;
    int fd;

    ck_assert_int_eq(homi_memory_new(lease, 100000, 0, &memory), 0);
    /* The memory goes first, then the pool with its PRP table. */
    ck_assert_ptr_nonnull(strstr(fake_homid_heard(fake), "\"lengthBytes\":102400}"));
    fd = fake_homid_take_fd(fake);
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
    ck_assert_uint_gt(homi_memory_region(memory)->prp_reach_bytes, 0);
    homi_memory_free(memory);
    ck_assert_ptr_nonnull(strstr(fake_homid_heard(fake),
                                 "UnregisterMemory\",\"parameters\":{\"requestId\":\"4\","
                                 "\"lease\":\"blue-1\",\"region\":7}"));
}
END_TEST

START_TEST(memory_of_the_caller_is_mapped_where_it_says)
{
    struct fake_step regions[] = {{.reply = REGION},
                                  {.reply = "{\"parameters\":{\"region\":8,\"iova\":8192}}"}};
    struct homi_lease *lease = attach(regions, 2);
    struct homi_memory *memory = NULL;
    int fd = memfd_create("own", MFD_CLOEXEC);

    ck_assert_int_eq(ftruncate(fd, 16384), 0);
    ck_assert_int_eq(pwrite(fd, "here", 4, 8192), 4);
    ck_assert_int_eq(homi_memory_import(lease, fd, 8192, 8192, &memory), 0);
    ck_assert_mem_eq(homi_memory_address(memory), "here", 4);
    ck_assert_ptr_nonnull(
        strstr(fake_homid_heard(fake), "{\"memfd\":{\"fd\":0,\"offsetBytes\":8192,\"lengthBytes\":8192}}"));
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
    struct homi_lease *lease = attach(steps, 3);
    struct homi_memory *memory = NULL;

    ck_assert_int_eq(homi_memory_new(lease, 4096, 0, &memory), HOMI_REFUSED_QUOTA);
    /* Granted, but not the pool for its table: the region goes back. */
    ck_assert_int_eq(homi_memory_new(lease, 4096, 0, &memory), HOMI_REFUSED_QUOTA);
    ck_assert_ptr_null(memory);
    ck_assert_ptr_nonnull(strstr(fake_homid_heard(fake), "UnregisterMemory"));
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
    struct homi_lease *lease = attach(&(struct fake_step){.reply = bad_regions[_i]}, 1);
    struct homi_memory *memory = NULL;

    ck_assert_int_eq(homi_memory_new(lease, 8192, 0, &memory), -EPROTO);
    ck_assert_int_eq(homi_memory_new(lease, 8192, 0, &memory), -ENOTCONN);
    ck_assert_ptr_null(memory);
}
END_TEST

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
    ck_assert_ptr_nonnull(strstr(fake_homid_heard(fake),
                                 "\"virtualFunction\":\"0000:01:00.1\",\"entries\":8,\"region\":7,"
                                 "\"submissionOffsetBytes\":0,\"completionOffsetBytes\":4096}"));
    ck_assert_int_eq(homi_queue_flush(queue, &namespace, 99), 0);
    post(queue, 0);
    ck_assert_uint_eq(homi_queue_reap(queue, &done, 1), 1);
    ck_assert_uint_eq(done.cookie, 99);
    ck_assert_int_eq(pread(bar, doorbells, sizeof(doorbells), 4104), sizeof(doorbells));
    ck_assert_uint_eq(doorbells[0], 1);
    ck_assert_uint_eq(doorbells[1], 1);
    homi_queue_pair_free(pair);
    ck_assert_ptr_nonnull(strstr(fake_homid_heard(fake), "DeleteQueuePair"));
}
END_TEST

START_TEST(queue_pairs_share_one_region)
{
    struct fake_step steps[] = {
        {.reply = REGION}, {.reply = PAIR}, {.reply = PAIR}, {.reply = "{}"}, {.reply = PAIR}};
    struct homi_lease *lease = attach(steps, 5);
    struct homi_queue_pair *first = NULL, *second = NULL;
    const char *heard = fake_homid_heard(fake);

    ck_assert_int_eq(homi_queue_pair_new(lease, NULL, &first), 0);
    ck_assert_int_eq(homi_queue_pair_new(lease, NULL, &second), 0);
    ck_assert_ptr_nonnull(strstr(heard, "\"entries\":256,\"region\":7,\"submissionOffsetBytes\":20480,"));
    /* The pages of a deleted pair serve again. */
    homi_queue_pair_free(first);
    heard += strlen(heard);
    ck_assert_int_eq(homi_queue_pair_new(lease, NULL, &first), 0);
    ck_assert_ptr_nonnull(strstr(heard, "\"region\":7,\"submissionOffsetBytes\":0,"));
    heard = strstr(fake_homid_heard(fake), "RegisterMemory");
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
    struct homi_lease *lease = attach(steps, 4);
    struct homi_queue_pair *pair = NULL;

    ck_assert_int_eq(homi_queue_pair_new(lease, NULL, &pair), 0);
    homi_queue_pair_free(pair);
    ck_assert_int_eq(homi_queue_pair_new(lease, NULL, &pair), 0);
    ck_assert_ptr_nonnull(strstr(fake_homid_heard(fake), "\"submissionOffsetBytes\":20480,"));
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
    struct homi_lease *lease = attach(steps, 3);
    struct homi_queue_pair *pair = NULL;

    ck_assert_int_eq(homi_queue_pair_new(lease, &options, &pair), HOMI_REFUSED_DEPTH);
    options = (struct homi_queue_options){.function = 1};
    ck_assert_int_eq(homi_queue_pair_new(lease, &options, &pair), -EINVAL);
    ck_assert_ptr_null(pair);
    options = (struct homi_queue_options){.entries = 8};
    ck_assert_int_eq(homi_queue_pair_new(lease, &options, &pair), 0);
    ck_assert_ptr_nonnull(
        strstr(fake_homid_heard(fake), "\"entries\":8,\"region\":7,\"submissionOffsetBytes\":0,"));
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
    lease = attach(steps, 2);
    ck_assert_int_eq(homi_queue_pair_new(lease, NULL, &pair), -EPROTO);
    ck_assert_ptr_null(pair);
}
END_TEST

START_TEST(an_interrupt_without_descriptor_is_a_breach)
{
    struct fake_step steps[] = {{.reply = REGION}, {.reply = PAIR}};
    struct homi_lease *lease = attach(steps, 2);
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

/* Posts completions as a device would: the entry, then the notice. */
static void *complete_commands(void *user)
{
    struct device *device = user;

    for (unsigned i = 0; i < 2000; i++) {
        while (__atomic_load_n(&device->queue->cookies[i % 8], __ATOMIC_ACQUIRE) == HOMI_COOKIE_NONE)
            sched_yield();
        struct homi_nvme_completion *entry = (struct homi_nvme_completion *)(void *)device->queue->cq + i % 8;
        entry->cid = (uint16_t)(i % 8);
        __atomic_store_n(&entry->status, (uint16_t)(1 - i / 8 % 2), __ATOMIC_RELEASE);
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

    ck_assert_int_eq(pwrite(bar, &ends[_i].status, 4, CSTS_OFFSET), 4);
    ck_assert_int_eq(homi_queue_pair_wait(pair, -1), ends[_i].error);
}
END_TEST

/* ---- what the controller says, and events ---- */

START_TEST(identify_gives_the_data)
{
    static char reply[8192];
    size_t at = (size_t)sprintf(reply, "{\"parameters\":{\"data\":\"");
    struct homi_lease *lease;
    uint8_t data[HOMI_IDENTIFY_BYTES];

    for (size_t i = 0; i < 1365; i++)
        at += (size_t)sprintf(reply + at, "/wAB");
    sprintf(reply + at, "/g==\"}}");
    lease = attach(&(struct fake_step){.reply = reply}, 1);
    ck_assert_int_eq(homi_identify(lease, 0, 1, 0, data), 0);
    ck_assert_uint_eq(data[0], 0xff);
    ck_assert_uint_eq(data[1], 0);
    ck_assert_uint_eq(data[2], 1);
    ck_assert_uint_eq(data[4095], 0xfe);
    ck_assert_int_eq(homi_identify(lease, 1, 1, 0, data), -EINVAL);
    ck_assert_int_eq(homi_get_log_page(lease, 0, 1, 0, 3, data), -EINVAL);
    ck_assert_int_eq(homi_get_log_page(lease, 0, 1, 0, 4100, data), -EINVAL);
}
END_TEST

static const char *const bad_logs[] = {
    "{\"parameters\":{\"data\":\"AAAA\"}}",           "{\"parameters\":{\"data\":\"AAAAAA=A\"}}",
    "{\"parameters\":{\"data\":\"AAAAAAA*\"}}",       "{\"parameters\":{\"data\":\"AAAAAAA=AAAA\"}}",
    "{\"parameters\":{\"data\":\"AAAAA===\"}}",       "{\"parameters\":{\"data\":12}}",
    "{\"parameters\":{\"data\":\"AAAA\\u0000AAA\"}}",
};

START_TEST(data_of_a_wrong_form_is_a_breach)
{
    struct homi_lease *lease = attach(&(struct fake_step){.reply = bad_logs[_i]}, 1);
    uint8_t data[8];

    ck_assert_int_eq(homi_get_log_page(lease, 0, 1, 0, 4, data), -EPROTO);
}
END_TEST

START_TEST(a_feature_fits_its_dword)
{
    struct fake_step steps[] = {{.reply = "{\"parameters\":{\"value\":4294967295}}"},
                                {.reply = "{\"parameters\":{\"value\":4294967296}}"}};
    struct homi_lease *lease = attach(steps, 2);
    uint32_t value = 0;

    ck_assert_int_eq(homi_get_feature(lease, 0, 7, &value), 0);
    ck_assert_uint_eq(value, UINT32_MAX);
    ck_assert_int_eq(homi_get_feature(lease, 0, 7, &value), -EPROTO);
}
END_TEST

#define EVENT(kind)                                                                                          \
    "{\"parameters\":{\"event\":{\"lease\":\"blue-1\"," kind "\"reason\":\"so\"}},\"continues\":true}"

static int next_event(struct homi_event *event)
{
    int r;

    while ((r = homi_event_next(homi, event)) == 0)
        usleep(1000);
    return r;
}

START_TEST(events_come_one_by_one)
{
    struct fake_step steps[] = {
        {.reply = EVENT("\"kind\":\"functionReset\",\"virtualFunction\":\"0000:01:00.1\","), .goes_on = true},
        {.reply = EVENT("\"kind\":\"moonrise\","), .goes_on = true}, /* of a newer homid: passed over */
        {.reply = EVENT("\"kind\":\"revoked\",\"virtualFunction\":null,"), .hang_up = true},
    };
    struct homi_event event;

    start(steps, 3);
    ck_assert_int_eq(homi_event_next(homi, &event), -EBADF);
    ck_assert_int_ge(homi_event_fd(homi), 0);
    ck_assert_int_eq(homi_event_fd(homi), homi_event_fd(homi));
    ck_assert_int_eq(next_event(&event), 1);
    ck_assert_int_eq(event.kind, HOMI_EVENT_FUNCTION_RESET);
    ck_assert_str_eq(event.lease, "blue-1");
    ck_assert_str_eq(event.function, "0000:01:00.1");
    ck_assert_str_eq(event.reason, "so");
    ck_assert_int_eq(next_event(&event), 1);
    ck_assert_int_eq(event.kind, HOMI_EVENT_REVOKED);
    ck_assert_str_eq(event.function, "");
    ck_assert_int_eq(next_event(&event), -ECONNRESET);
    ck_assert_int_eq(homi_event_fd(homi), -ENOTCONN);
}
END_TEST

static const struct {
    const char *reply;
    int error;
} bad_events[] = {
    {"{\"error\":\"org.varlink.service.PermissionDenied\"}", -EACCES},
    {"{\"parameters\":{}}", -ECONNRESET},
    {"{\"parameters\":{},\"continues\":true}", -EPROTO},
    {EVENT("\"kind\":7,"), -EPROTO},
    {EVENT("\"kind\":\"revoked\",\"virtualFunction\":1,"), -EPROTO},
    {"nonsense", -EPROTO},
};

START_TEST(a_bad_event_ends_the_stream)
{
    struct homi_event event;

    start_with(bad_events[_i].reply);
    ck_assert_int_ge(homi_event_fd(homi), 0);
    ck_assert_int_eq(next_event(&event), bad_events[_i].error);
    ck_assert_int_eq(homi_event_next(homi, &event), -ENOTCONN);
}
END_TEST

#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

static TCase *test_case(Suite *suite, const char *name)
{
    TCase *cases = tcase_create(name);

    tcase_add_checked_fixture(cases, setup, teardown);
    suite_add_tcase(suite, cases);
    return cases;
}

static void add_connection_tests(Suite *suite)
{
    TCase *cases = test_case(suite, "connection");

    tcase_add_test(cases, open_says_why_not);
    tcase_add_test(cases, every_error_of_the_interface_is_a_refusal_of_its_own);
    tcase_add_test(cases, a_refusal_comes_with_name_and_limit);
    tcase_add_test(cases, an_error_of_the_future_is_other);
    tcase_add_test(cases, a_long_refusal_is_cut);
    tcase_add_test(cases, errors_have_words);
    tcase_add_loop_test(cases, a_broken_reply_ends_the_connection, 0, COUNT(breaches));
    tcase_add_test(cases, a_call_to_a_daemon_that_left_is_an_error_not_a_signal);
    tcase_add_test(cases, signals_do_not_disturb_a_call);
    tcase_add_test(cases, any_call_takes_and_gives_text);
    tcase_add_test(cases, any_call_takes_no_descriptors);
    tcase_add_test(cases, a_stream_runs_to_its_end_or_until_stopped);
    tcase_add_test(cases, a_stream_may_be_refused);
}

static void add_lease_tests(Suite *suite)
{
    TCase *cases = test_case(suite, "lease");

    tcase_add_test(cases, attach_sends_what_was_asked);
    tcase_add_test(cases, a_lease_tells_what_was_granted);
    tcase_add_loop_test(cases, a_grant_that_makes_no_sense_is_a_breach, 0, COUNT(bad_grants));
    tcase_add_loop_test(cases, a_grant_with_a_wrong_number_of_descriptors_is_a_breach, 0, 4);
    tcase_add_test(cases, two_functions_do_not_share_a_descriptor);
    tcase_add_test(cases, a_refusal_with_descriptors_is_a_breach);
    tcase_add_test(cases, a_lease_whose_doorbells_cannot_be_mapped_is_given_back);
    tcase_add_test(cases, a_relayed_function_is_told_but_not_driven);
    tcase_add_test(cases, memory_is_sealed_populated_and_mapped);
    tcase_add_test(cases, memory_of_the_caller_is_mapped_where_it_says);
    tcase_add_test(cases, memory_refused_leaves_nothing);
    tcase_add_loop_test(cases, a_region_that_makes_no_sense_is_a_breach, 0, COUNT(bad_regions));
}

static void add_queue_tests(Suite *suite)
{
    TCase *cases = test_case(suite, "queue pair");

    tcase_add_test(cases, a_queue_pair_rings_where_homid_said);
    tcase_add_test(cases, queue_pairs_share_one_region);
    tcase_add_test(cases, pages_of_a_pair_that_homid_did_not_delete_stay_out_of_use);
    tcase_add_test(cases, a_queue_pair_refused_leaves_nothing);
    tcase_add_loop_test(cases, a_queue_pair_that_makes_no_sense_is_a_breach, 0, COUNT(bad_pairs));
    tcase_add_test(cases, an_interrupt_without_descriptor_is_a_breach);
    tcase_add_test(cases, a_wait_ends_at_its_time);
    tcase_add_test(cases, no_notice_is_lost);
    tcase_add_loop_test(cases, a_dead_controller_ends_the_wait, 0, 3);
}

static void add_controller_tests(Suite *suite)
{
    TCase *cases = test_case(suite, "controller");

    tcase_add_test(cases, identify_gives_the_data);
    tcase_add_loop_test(cases, data_of_a_wrong_form_is_a_breach, 0, COUNT(bad_logs));
    tcase_add_test(cases, a_feature_fits_its_dword);
    tcase_add_test(cases, events_come_one_by_one);
    tcase_add_loop_test(cases, a_bad_event_ends_the_stream, 0, COUNT(bad_events));
}

int main(void)
{
    Suite *suite = suite_create("client");
    SRunner *runner = srunner_create(suite);
    int failed;

    add_connection_tests(suite);
    add_lease_tests(suite);
    add_queue_tests(suite);
    add_controller_tests(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
