/* SPDX-License-Identifier: BSD-3-Clause */
/* Tenants' days from socket to hardware: the server, both interfaces and the core, on a backend in memory. */
#include <check.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "tests/unit/blue.h"

#define OTHER_UID 12345

static int make_memory(size_t bytes)
{
    int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(ftruncate(fd, (off_t)bytes), 0);
    ck_assert_int_eq(fallocate(fd, 0, 0, (off_t)bytes), 0);
    ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
    return fd;
}

struct held {
    char lease[64], function[64], region[64];
};

static void attach(int fd, struct held *ret_held)
{
    int device_fd;
    say(fd, TENANT("Attach", "\"namespaces\":[1]"));
    const char *reply = hear_with(fd, &device_fd);
    snprintf(ret_held->lease, sizeof ret_held->lease, "%s", member_of(reply, "lease"));
    snprintf(ret_held->function, sizeof ret_held->function, "%s", member_of(reply, "name"));
    ck_assert_int_ge(device_fd, 0);
    close(device_fd);
}

static const char *register_memory(int fd, struct held *held, size_t bytes)
{
    char call[256];
    int memfd = make_memory(bytes);
    snprintf(call, sizeof call,
             "{\"method\":\"io.homi.Tenant.RegisterMemory\",\"parameters\":{\"lease\":\"%s\",\"source\":"
             "{\"memfd\":{\"fd\":0,\"offsetBytes\":0,\"lengthBytes\":%zu}}}}",
             held->lease, bytes);
    say_with(fd, call, &memfd, 1);
    close(memfd);
    return hear(fd);
}

static const char *create_queue_pair(int fd, const struct held *held, unsigned entries, unsigned submission,
                                     unsigned completion)
{
    char call[384];
    snprintf(call, sizeof call,
             "{\"method\":\"io.homi.Tenant.CreateQueuePair\",\"parameters\":{\"lease\":\"%s\","
             "\"virtualFunction\":\"%s\",\"entries\":%u,\"region\":%s,\"submissionOffsetBytes\":%u,"
             "\"completionOffsetBytes\":%u}}",
             held->lease, held->function, entries, held->region, submission, completion);
    say(fd, call);
    return hear(fd);
}

static void hold_all(int fd, struct held *ret_held)
{
    attach(fd, ret_held);
    snprintf(ret_held->region, sizeof ret_held->region, "%s",
             member_of(register_memory(fd, ret_held, 16384), "region"));
    ck_assert_ptr_nonnull(strstr(create_queue_pair(fd, ret_held, 64, 0, 4096), "\"queuePair\":1"));
}

START_TEST(a_tenant_comes_and_goes)
{
    struct held held;
    char call[256];
    int fd = dial(API_TENANT);
    hold_all(fd, &held);
    struct fake_totals totals = fake_totals(&fake);
    ck_assert_uint_eq(totals.pairs, 1);
    ck_assert_uint_eq(totals.mappings, 1);
    ck_assert_uint_eq(totals.attached, 1);

    int admin = dial(API_ADMIN);
    say(admin, ADMIN("ListLeases", ""));
    snprintf(call, sizeof call, "\"nodes\":[],\"reserved\":false,\"virtualFunctions\":[\"%s\"]",
             held.function);
    ck_assert_heard(admin, call);
    say(admin, ADMIN("ListQueuePairs", ""));
    ck_assert_heard(admin, "\"entries\":64,\"interrupt\":false");
    close(admin);

    snprintf(
        call, sizeof call,
        "{\"method\":\"io.homi.Tenant.UnregisterMemory\",\"parameters\":{\"lease\":\"%s\",\"region\":%s}}",
        held.lease, held.region);
    say(fd, call);
    ck_assert_heard(fd, "io.homi.Tenant.RegionBusy");
    snprintf(call, sizeof call, "{\"method\":\"io.homi.Tenant.Detach\",\"parameters\":{\"lease\":\"%s\"}}",
             held.lease);
    say(fd, call);
    ck_assert_str_eq(hear(fd), "{}");
    assert_clean();
    say(fd, call);
    ck_assert_heard(fd, "io.homi.Tenant.UnknownLease");
    close(fd);
    spin();
}
END_TEST

START_TEST(strangers_get_nothing)
{
    bool root = geteuid() == 0;
    if (!root)
        uids[0] = OTHER_UID;
    else
        ck_assert_int_eq(seteuid(OTHER_UID), 0);
    int fd = dial(API_TENANT);
    if (root)
        ck_assert_int_eq(seteuid(0), 0);
    say(fd, TENANT("ListTenants", ""));
    ck_assert_heard(fd, "\"tenants\":[]");
    say(fd, TENANT("Attach", "\"tenant\":\"blue\""));
    ck_assert_heard(fd, "io.homi.Tenant.TenantNotPermitted");
    say(fd, TENANT("Attach", ""));
    ck_assert_heard(fd, "io.homi.Tenant.TenantAmbiguous");
    say(fd, TENANT("Detach", "\"lease\":\"blue-1\""));
    ck_assert_heard(fd, "io.homi.Tenant.UnknownLease");
    assert_clean();
    close(fd);
    spin();
}
END_TEST

START_TEST(quotas_hold)
{
    struct held held;
    int fd = dial(API_TENANT);
    hold_all(fd, &held);
    ck_assert_ptr_nonnull(strstr(register_memory(fd, &held, 65536), "\"quota\":\"memoryBytes\""));
    ck_assert_ptr_nonnull(strstr(register_memory(fd, &held, 4096), "\"region\""));
    ck_assert_ptr_nonnull(strstr(register_memory(fd, &held, 4096), "\"region\""));
    ck_assert_ptr_nonnull(strstr(register_memory(fd, &held, 4096), "\"quota\":\"regions\""));
    ck_assert_ptr_nonnull(strstr(create_queue_pair(fd, &held, 1, 8192, 12288), "DepthOutOfRange"));
    ck_assert_ptr_nonnull(strstr(create_queue_pair(fd, &held, 64, 8192, 12289), "QueueOutsideRegion"));
    ck_assert_ptr_nonnull(strstr(create_queue_pair(fd, &held, 64, 16384, 8192), "QueueOutsideRegion"));
    ck_assert_uint_eq(fake_totals(&fake).pairs, 1);
    close(fd);
    assert_clean();
}
END_TEST

START_TEST(a_tenant_that_is_direct_and_not_trusted_is_refused)
{
    blue.trusted = false;
    int fd = dial(API_TENANT);
    say(fd, TENANT("Attach", ""));
    ck_assert_heard(fd, "TrustRequired\",\"parameters\":{\"tenant\":\"blue\"}");
    assert_clean();
    close(fd);
    spin();
}
END_TEST

/* A process that is cut off at every number of bytes that it may have said. */
START_TEST(a_connection_may_end_anywhere)
{
    static const char calls[] =
        TENANT("Attach", "\"namespaces\":[1]") "\0" TENANT("Attach", "\"mode\":\"fresh\"");
    unsigned before = 0;
    for (size_t length = 1; length <= sizeof calls; length += 3) {
        int fd = dial(API_TENANT);
        ck_assert_int_eq(send(fd, calls, length, MSG_NOSIGNAL), (ssize_t)length);
        for (unsigned i = 0; i < length % 5; i++) {
            event_base_loop(base, EVLOOP_NONBLOCK);
            if (i % 2)
                fake_step(&fake);
        }
        close(fd);
        assert_clean();
        if (length == 1)
            before = open_fds();
        ck_assert_uint_eq(open_fds(), before);
    }
}
END_TEST

static void live_until_killed(void)
{
    int fd = dial(API_TENANT);
    static const char call[] = TENANT("Attach", "\"namespaces\":[1]");
    if (send(fd, call, sizeof call, MSG_NOSIGNAL) > 0)
        pause();
    _exit(1);
}

START_TEST(killed_processes_give_everything_back)
{
    unsigned before = open_fds();
    for (unsigned round = 0; round < 20; round++) {
        pid_t child = fork();
        ck_assert_int_ge(child, 0);
        if (child == 0)
            live_until_killed();
        for (unsigned i = 0; i < 500 && core_totals(core).leases == 0; i++) {
            usleep(1000);
            spin();
        }
        ck_assert_uint_eq(core_totals(core).leases, 1);
        ck_assert_int_eq(kill(child, SIGKILL), 0);
        ck_assert_int_eq(waitpid(child, NULL, 0), child);
        for (unsigned i = 0; i < 500 && core_totals(core).leases > 0; i++)
            spin();
        assert_clean();
        ck_assert_uint_eq(open_fds(), before);
    }
}
END_TEST

START_TEST(an_operator_reserves_and_frees)
{
    struct held held;
    char call[256], lease[64];
    int admin = dial(API_ADMIN), monitor = dial(API_TENANT), fd = dial(API_TENANT);
    say(admin, ADMIN("AllocateVirtualFunctions", "\"tenant\":\"blue\",\"requestId\":\"1\""));
    snprintf(lease, sizeof lease, "%s", member_of(hear(admin), "lease"));
    say(monitor, "{\"method\":\"io.homi.Tenant.Monitor\",\"more\":true}");
    attach(fd, &held);
    ck_assert_str_eq(held.lease, lease);
    snprintf(call, sizeof call, "{\"method\":\"io.homi.Admin.FreeLease\",\"parameters\":{\"lease\":\"%s\"}}",
             lease);
    say(admin, call);
    ck_assert_heard(admin, "LeaseHeld");
    snprintf(call, sizeof call,
             "{\"method\":\"io.homi.Admin.FreeLease\",\"parameters\":{\"lease\":\"%s\",\"force\":true}}",
             lease);
    say(admin, call);
    ck_assert_str_eq(hear(admin), "{}");
    ck_assert_heard(monitor, "\"kind\":\"revoked\"");
    ck_assert_ptr_nonnull(strstr(register_memory(fd, &held, 4096), "Lease"));
    assert_clean();
    close(admin);
    close(monitor);
    close(fd);
    spin();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tenants");
    TCase *tcase = tcase_create("tenants");
    tcase_set_timeout(tcase, 40);
    tcase_add_checked_fixture(tcase, start, stop);
    tcase_add_test(tcase, a_tenant_comes_and_goes);
    tcase_add_test(tcase, strangers_get_nothing);
    tcase_add_test(tcase, quotas_hold);
    tcase_add_test(tcase, a_tenant_that_is_direct_and_not_trusted_is_refused);
    tcase_add_test(tcase, a_connection_may_end_anywhere);
    tcase_add_test(tcase, killed_processes_give_everything_back);
    tcase_add_test(tcase, an_operator_reserves_and_frees);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
