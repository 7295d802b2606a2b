/* SPDX-License-Identifier: BSD-3-Clause */
/* What the two interfaces answer: to good calls, to bad ones, and with every refusal of the core. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "proto/idl.h"
#include "proto/interfaces.h"
#include "tests/unit/scripted_core.h"

#define NOBODY 12345

/* ---- who may call ---- */

START_TEST(both_sockets_introduce_themselves)
{
    static const char *const names[] = {"io.homi.Tenant", "io.homi.Admin"};
    for (int kind = 0; kind < 2; kind++) {
        int fd = dial((enum api_kind)kind);
        say(fd, "{\"method\":\"org.varlink.service.GetInfo\"}");
        ck_assert_heard(fd, names[kind]);
        close(fd);
    }
    spin();
}
END_TEST

START_TEST(both_sockets_tell_their_limits)
{
    struct idl_interface *protocol;
    ck_assert_int_eq(idl_parse(interface_io_homi_protocol, &protocol, NULL), 0);
    for (int kind = 0; kind < 2; kind++) {
        int fd = dial((enum api_kind)kind);
        say(fd, "{\"method\":\"io.homi.Protocol.GetLimits\"}");
        json_object *reply = json_tokener_parse(hear(fd));
        json_object *limits = json_object_object_get(reply, "parameters");
        char *field = NULL;
        ck_assert_msg(idl_check_output(idl_find_method(protocol, "GetLimits"), limits, &field) == 0, "%s",
                      field);
        ck_assert_int_eq(json_object_get_int(json_object_object_get(limits, "messageBytes")), 65536);
        ck_assert_int_eq(json_object_get_int(json_object_object_get(limits, "fileDescriptors")), 16);
        json_object_put(reply);
        close(fd);
    }
    idl_free(protocol);
    spin();
}
END_TEST

START_TEST(operators_are_told_apart)
{
    config.admin_group_known = false;
    bool root = geteuid() == 0;
    if (root)
        ck_assert_int_eq(seteuid(NOBODY), 0);
    int fd = dial(API_ADMIN);
    if (root)
        ck_assert_int_eq(seteuid(0), 0);
    say(fd, ADMIN("GetStatus", ""));
    ck_assert_heard(fd, "org.varlink.service.PermissionDenied");
    say(fd, "{\"method\":\"org.varlink.service.GetInfo\"}");
    ck_assert_heard(fd, "io.homi.Admin");
    say(fd, "{\"method\":\"io.homi.Protocol.GetLimits\"}");
    ck_assert_heard(fd, "messageBytes");
    close(fd);

    config.admin_group_known = true;
    if (root)
        ck_assert_int_eq(seteuid(NOBODY), 0);
    fd = dial(API_ADMIN);
    if (root)
        ck_assert_int_eq(seteuid(0), 0);
    say(fd, ADMIN("GetStatus", ""));
    ck_assert_heard(fd, "it is broken");
    close(fd);
    spin();
}
END_TEST

START_TEST(every_list_fits_its_definition)
{
    static const char *const calls[] = {
        ADMIN("GetStatus", ""),     ADMIN("ListDevices", ""),    ADMIN("ListVirtualFunctions", ""),
        ADMIN("ListLeases", ""),    ADMIN("ListQueuePairs", ""), ADMIN("ListTenants", ""),
        ADMIN("ListNamespaces", "")};
    int fd = dial(API_ADMIN);
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        say(fd, calls[i]);
        ck_assert_heard(fd, "{\"parameters\":{\"");
    }
    close(fd);
    fd = dial(API_TENANT);
    say(fd, TENANT("ListTenants", ""));
    ck_assert_heard(fd, "{\"parameters\":{\"tenants\":[\"blue\"]}}");
    say(fd, TENANT("GetTenant", ""));
    ck_assert_heard(fd, "{\"quota\":\"virtualFunctions\",\"limit\":2,\"used\":1}");
    say(fd, TENANT("GetTenant", "\"tenant\":\"red\""));
    ck_assert_heard(fd, "{\"error\":\"io.homi.Tenant.UnknownTenant\",\"parameters\":{\"tenant\":\"red\"}}");
    core.tenants = 2;
    say(fd, TENANT("GetTenant", ""));
    ck_assert_heard(fd, "TenantAmbiguous\",\"parameters\":{\"tenants\":[\"blue\",\"green\"]}");
    core.tenants = 0;
    say(fd, TENANT("GetTenant", "\"tenant\":\"blue\""));
    ck_assert_heard(fd, "TenantNotPermitted");
    close(fd);
    spin();
}
END_TEST

START_TEST(a_list_too_long_for_a_message_wants_more)
{
    int fd = dial(API_ADMIN);
    core.functions = 1000;
    say(fd, ADMIN("ListVirtualFunctions", ""));
    ck_assert_heard(fd, "{\"error\":\"org.varlink.service.ExpectedMore\"}");
    core.functions = 100;
    say(fd, ADMIN("ListVirtualFunctions", ""));
    ck_assert_heard(fd, "\"index\":99");
    close(fd);
    spin();
}
END_TEST

#define ADMIN_MORE(name) "{\"method\":\"io.homi.Admin." name "\",\"parameters\":{},\"more\":true}"

/* Reads replies until one does not continue; how many came, and how many entries of functions in order. */
static unsigned hear_parts(int fd, unsigned *ret_entries)
{
    unsigned parts = 0, entries = 0;
    bool continues = true;
    while (continues) {
        const char *reply = hear(fd);
        char index[32];
        ck_assert_uint_lt(strlen(reply), VARLINK_MESSAGE_BYTES_MAX);
        for (const char *at = reply; (at = strstr(at, "\"index\":")); at++) {
            snprintf(index, sizeof index, "\"index\":%u,", entries++);
            ck_assert_msg(strncmp(at, index, strlen(index)) == 0, "%.20s instead of %s", at, index);
        }
        continues = strstr(reply, "\"continues\":true") != NULL;
        parts++;
    }
    *ret_entries = entries;
    return parts;
}

START_TEST(a_list_comes_in_parts)
{
    static const unsigned counts[][2] = {{0, 1}, {1, 1}, {64, 1}, {65, 2}, {128, 2}, {1024, 16}};
    unsigned entries;
    int fd = dial(API_ADMIN);
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        core.functions = counts[i][0];
        say(fd, ADMIN_MORE("ListVirtualFunctions"));
        ck_assert_uint_eq(hear_parts(fd, &entries), counts[i][1]);
        ck_assert_uint_eq(entries, counts[i][0]);
    }
    /* The next call is taken only after the last part. */
    say(fd, ADMIN_MORE("ListVirtualFunctions"));
    say(fd, ADMIN("GetStatus", ""));
    ck_assert_uint_eq(hear_parts(fd, &entries), 16);
    ck_assert_heard(fd, "\"version\"");
    close(fd);
    spin();
}
END_TEST

START_TEST(parts_shrink_until_they_fit)
{
    unsigned entries;
    int fd = dial(API_ADMIN);
    core.functions = 100;
    memset(core.reason, 1, sizeof core.reason - 1); /* six bytes each, as JSON */
    say(fd, ADMIN_MORE("ListVirtualFunctions"));
    ck_assert_uint_gt(hear_parts(fd, &entries), 2);
    ck_assert_uint_eq(entries, 100);
    close(fd);
    spin();
}
END_TEST

START_TEST(a_list_may_be_left_in_the_middle)
{
    int fd = dial(API_ADMIN);
    core.functions = 20000;
    say(fd, ADMIN_MORE("ListVirtualFunctions"));
    ck_assert_uint_gt(strlen(hear(fd)), 0);
    close(fd);
    spin();
    ck_assert_uint_eq(server_connections(server), 0);
}
END_TEST

START_TEST(problems_are_told_as_far_as_they_fit)
{
    int fd = dial(API_ADMIN);
    core.functions = 1024;
    core.state = "quarantined";
    memset(core.reason, 'r', 100);
    say(fd, ADMIN("GetStatus", ""));
    /* One is the device's. */
    ck_assert_heard(fd, "\"961 more: see ListVirtualFunctions\"]");
    close(fd);
    spin();
}
END_TEST

/* ---- answers ---- */

START_TEST(an_answer_is_given_again_with_its_descriptor)
{
    static const char call[] = TENANT("Attach", "\"requestId\":\"a\"");
    int pipe_fds[2], came, again;
    ck_assert_int_eq(pipe2(pipe_fds, O_CLOEXEC), 0);
    core.device_fd = pipe_fds[1];
    int fd = dial(API_TENANT);
    say(fd, call);
    char *first = strdup(hear_with(fd, &came));
    ck_assert_ptr_nonnull(strstr(first, "\"deviceFd\":0"));
    ck_assert_ptr_nonnull(strstr(first, "\"delegation\":\"direct\""));
    say(fd, call);
    ck_assert_str_eq(hear_with(fd, &again), first);
    ck_assert_uint_eq(core.asked, 1);
    ck_assert_int_ge(came, 0);
    ck_assert_int_ge(again, 0);
    ck_assert_int_eq(write(again, "x", 1), 1);
    say(fd, TENANT("Detach", "\"lease\":\"l1\",\"requestId\":\"a\""));
    ck_assert_heard(fd, "InvalidParameter\",\"parameters\":{\"parameter\":\"requestId\"}");
    ck_assert_uint_eq(core.asked, 1);

    /* Once the lease ended, nothing of it is left open here, and the answer is not given again. */
    close(came);
    close(again);
    close(pipe_fds[1]);
    core.device_fd = -1;
    server_event(server, &(struct core_event){.kind = CORE_EVENT_LEASE_ENDED, .lease = "l1"});
    char byte;
    ck_assert_int_eq(read(pipe_fds[0], &byte, 1), 1);
    ck_assert_int_eq(read(pipe_fds[0], &byte, 1), 0);
    say(fd, call);
    ck_assert_heard(fd, "\"lease\":\"l1\"");
    ck_assert_uint_eq(core.asked, 2);
    free(first);
    close(pipe_fds[0]);
    close(fd);
    spin();
}
END_TEST

START_TEST(a_call_may_be_answered_later)
{
    core.later = true;
    int fd = dial(API_TENANT);
    say(fd, TENANT("Attach", ""));
    say(fd, TENANT("Detach", "\"lease\":\"l1\""));
    ck_assert_str_eq(hear(fd), "");
    ck_assert_uint_eq(core.asked, 1);
    grant(core.attach_done, core.done_user);
    ck_assert_heard(fd, "\"lease\":\"l1\"");
    ck_assert_str_eq(hear(fd), "{}");
    ck_assert_uint_eq(core.asked, 2);
    close(fd);
    spin();
}
END_TEST

/* After homid found nothing more to read, and so looks for calls still. */
START_TEST(a_call_that_comes_early_waits)
{
    core.later = true;
    int fd = dial(API_TENANT);
    say(fd, TENANT("Attach", ""));
    spin();
    say(fd, TENANT("Detach", "\"lease\":\"l1\""));
    ck_assert_str_eq(hear(fd), "");
    ck_assert_uint_eq(core.asked, 1);
    grant(core.attach_done, core.done_user);
    ck_assert_heard(fd, "\"lease\":\"l1\"");
    ck_assert_str_eq(hear(fd), "{}");
    ck_assert_uint_eq(core.asked, 2);

    say(fd, TENANT("Attach", ""));
    spin();
    say(fd, TENANT("Detach", "\"lease\":\"l1\""));
    spin();
    close(fd);
    spin();
    ck_assert_uint_eq(core.given_back, 1);
    ck_assert_uint_eq(server_connections(server), 0);
}
END_TEST

START_TEST(hanging_up_gives_back_what_is_under_way)
{
    core.later = true;
    int fd = dial(API_TENANT);
    say(fd, TENANT("Attach", ""));
    spin();
    ck_assert_uint_eq(core.clients, 1);
    close(fd);
    spin();
    ck_assert_uint_eq(core.given_back, 1);
    ck_assert_uint_eq(server_connections(server), 0);

    /* An operator's call goes on without him. */
    fd = dial(API_ADMIN);
    say(fd, ADMIN("AllocateVirtualFunctions", "\"tenant\":\"blue\""));
    spin();
    close(fd);
    spin();
    ck_assert_uint_eq(server_connections(server), 0);
    grant(core.attach_done, core.done_user);
}
END_TEST

START_TEST(queue_pairs_and_data_are_answered)
{
    int pipe_fds[2], came;
    ck_assert_int_eq(pipe2(pipe_fds, O_CLOEXEC), 0);
    core.device_fd = pipe_fds[0];
    int fd = dial(API_TENANT);
    say(fd, TENANT("CreateQueuePair",
                   "\"lease\":\"l1\",\"virtualFunction\":\"v\",\"entries\":8,\"region\":5,"
                   "\"submissionOffsetBytes\":0,\"completionOffsetBytes\":4096,\"interrupt\":true"));
    ck_assert_ptr_nonnull(strstr(hear_with(fd, &came), "\"eventFd\":0"));
    ck_assert_int_ge(came, 0);
    close(came);
    say(fd, TENANT("Identify", "\"lease\":\"l1\",\"virtualFunction\":\"v\",\"cns\":1"));
    ck_assert_heard(fd, "{\"parameters\":{\"data\":\"TWFueQAAAA");
    say(fd, TENANT("GetLogPage", "\"lease\":\"l1\",\"virtualFunction\":\"v\",\"page\":2,\"lengthBytes\":4"));
    ck_assert_heard(fd, "{\"parameters\":{\"data\":\"TWFueQ==\"}}");
    say(fd, TENANT("GetFeature", "\"lease\":\"l1\",\"virtualFunction\":\"v\",\"feature\":7"));
    ck_assert_heard(fd, "{\"parameters\":{\"value\":42}}");
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    close(fd);
    spin();
}
END_TEST

/* ---- refusals ---- */

#define ERROR(name, parameters) "{\"error\":\"io.homi.Tenant." name "\",\"parameters\":{" parameters "}}"

static const struct {
    struct core_error error;
    const char *said;
} refusals[] = {
    {{.code = CORE_REFUSED_TENANT_NOT_PERMITTED, .name = "n"},
     ERROR("TenantNotPermitted", "\"tenant\":\"n\"")},
    {{.code = CORE_REFUSED_TENANT_AMBIGUOUS}, ERROR("TenantAmbiguous", "\"tenants\":[\"blue\"]")},
    {{.code = CORE_REFUSED_UNKNOWN_TENANT, .name = "n"}, ERROR("UnknownTenant", "\"tenant\":\"n\"")},
    {{.code = CORE_REFUSED_UNKNOWN_DEVICE, .name = "n"}, ERROR("UnknownDevice", "\"device\":\"n\"")},
    {{.code = CORE_REFUSED_UNKNOWN_LEASE, .name = "n"}, ERROR("UnknownLease", "\"lease\":\"n\"")},
    {{.code = CORE_REFUSED_UNKNOWN_FUNCTION, .name = "n"},
     ERROR("UnknownVirtualFunction", "\"virtualFunction\":\"n\"")},
    {{.code = CORE_REFUSED_UNKNOWN_REGION, .value = 3}, ERROR("UnknownRegion", "\"region\":3")},
    {{.code = CORE_REFUSED_UNKNOWN_QUEUE_PAIR, .value = 3}, ERROR("UnknownQueuePair", "\"queuePair\":3")},
    {{.code = CORE_REFUSED_NAMESPACE_NOT_ALLOWED, .name = "n", .value = 3},
     ERROR("NamespaceNotAllowed", "\"device\":\"n\",\"namespace\":3")},
    {{.code = CORE_REFUSED_NAMESPACE_BUSY, .name = "n", .value = 3, .text = "t"},
     ERROR("NamespaceBusy", "\"device\":\"n\",\"namespace\":3,\"holder\":\"t\"")},
    {{.code = CORE_REFUSED_QUOTA, .quota = CORE_QUOTA_QUEUE_PAIRS, .limit = 4, .value = 3},
     ERROR("QuotaExceeded", "\"quota\":\"queuePairs\",\"limit\":4,\"used\":3")},
    {{.code = CORE_REFUSED_TRUST_REQUIRED, .name = "n"}, ERROR("TrustRequired", "\"tenant\":\"n\"")},
    {{.code = CORE_REFUSED_NO_FUNCTION_FREE, .name = "n"},
     ERROR("NoVirtualFunctionFree", "\"device\":\"n\"")},
    {{.code = CORE_REFUSED_WAIT_EXPIRED, .name = "n", .value = 3},
     ERROR("WaitExpired", "\"device\":\"n\",\"waitMilliseconds\":3")},
    {{.code = CORE_REFUSED_DEVICE_UNAVAILABLE, .name = "n", .text = "t"},
     ERROR("DeviceUnavailable", "\"device\":\"n\",\"reason\":\"t\"")},
    {{.code = CORE_REFUSED_GROUP_NOT_VIABLE, .name = "n", .value = 3},
     ERROR("GroupNotViable", "\"virtualFunction\":\"n\",\"group\":3")},
    {{.code = CORE_REFUSED_FUNCTION_FAILED, .name = "n", .text = "t"},
     ERROR("FunctionFailed", "\"virtualFunction\":\"n\",\"reason\":\"t\"")},
    {{.code = CORE_REFUSED_FUNCTION_RESET, .name = "n", .text = "t"},
     ERROR("FunctionReset", "\"virtualFunction\":\"n\",\"reason\":\"t\"")},
    {{.code = CORE_REFUSED_NO_QUEUE_PAIR_FREE, .name = "n", .limit = 4},
     ERROR("NoQueuePairFree", "\"virtualFunction\":\"n\",\"limit\":4")},
    {{.code = CORE_REFUSED_NO_INTERRUPT_FREE, .name = "n", .limit = 4},
     ERROR("NoInterruptFree", "\"virtualFunction\":\"n\",\"limit\":4")},
    {{.code = CORE_REFUSED_DEPTH, .value = 3, .minimum = 2, .limit = 4},
     ERROR("DepthOutOfRange", "\"entries\":3,\"minimum\":2,\"maximum\":4")},
    {{.code = CORE_REFUSED_QUEUE_OUTSIDE_REGION, .name = "n"},
     ERROR("QueueOutsideRegion", "\"field\":\"n\"")},
    {{.code = CORE_REFUSED_REGION_BUSY, .value = 3, .limit = 4},
     ERROR("RegionBusy", "\"region\":3,\"queuePairs\":4")},
    {{.code = CORE_REFUSED_VALUE, .name = "n", .minimum = 2, .limit = 4},
     ERROR("ValueOutOfRange", "\"field\":\"n\",\"minimum\":2,\"maximum\":4")},
    {{.code = CORE_REFUSED_COMMAND_NOT_PERMITTED, .name = "n"},
     ERROR("CommandNotPermitted", "\"field\":\"n\"")},
    {{.code = CORE_REFUSED_COMMAND_FAILED, .value = 3}, ERROR("CommandFailed", "\"status\":3")},
    {{.code = CORE_REFUSED_LEASE_REVOKED, .name = "n", .text = "t"},
     ERROR("LeaseRevoked", "\"lease\":\"n\",\"reason\":\"t\"")},
    {{.code = CORE_REFUSED_LEASE_KIND, .name = "n", .text = "kernel"},
     ERROR("LeaseKindMismatch", "\"lease\":\"n\",\"kind\":\"kernel\"")},
    {{.code = CORE_REFUSED_LEASE_ONLY, .name = "n"}, ERROR("LeaseOnly", "\"lease\":\"n\"")},
    {{.code = -EIO, .text = "t"}, ERROR("SystemError", "\"errno\":\"EIO\",\"operation\":\"t\"")},
};

START_TEST(refusals_have_names)
{
    core.error = refusals[_i].error;
    int fd = dial(API_TENANT);
    say(fd, TENANT("Attach", ""));
    ck_assert_str_eq(hear(fd), refusals[_i].said);
    close(fd);
    spin();
}
END_TEST

START_TEST(operators_refusals_have_names)
{
    int fd = dial(API_ADMIN);
    core.error = (struct core_error){.code = CORE_REFUSED_LEASE_HELD, .name = "n", .value = 3};
    say(fd, ADMIN("FreeLease", "\"lease\":\"n\""));
    ck_assert_heard(fd, "io.homi.Admin.LeaseHeld\",\"parameters\":{\"lease\":\"n\",\"holders\":3}");
    core.error = (struct core_error){.code = CORE_REFUSED_NOT_QUARANTINED, .name = "n"};
    say(fd, ADMIN("Retry", "\"device\":\"n\""));
    ck_assert_heard(fd, "io.homi.Admin.NotQuarantined\",\"parameters\":{\"device\":\"n\"}");
    core.error = (struct core_error){.code = CORE_REFUSED_USER_NOT_PERMITTED, .name = "n", .value = 7};
    say(fd, ADMIN("AllocateVirtualFunctions", "\"tenant\":\"n\""));
    ck_assert_heard(fd, "io.homi.Admin.UserNotPermitted\",\"parameters\":{\"tenant\":\"n\",\"user\":7}");
    core.error = (struct core_error){.code = CORE_REFUSED_UNKNOWN_KEEPER, .name = "n"};
    say(fd, ADMIN("AllocateVirtualFunctions", "\"tenant\":\"n\""));
    ck_assert_heard(fd, "io.homi.Admin.UnknownKeeper\",\"parameters\":{\"keeper\":\"n\"}");
    core.error = (struct core_error){.code = CORE_REFUSED_UNKNOWN_LEASE, .name = "n"};
    say(fd, ADMIN("RevokeLease", "\"lease\":\"n\",\"graceSeconds\":86400,\"kill\":true"));
    ck_assert_heard(fd, "io.homi.Admin.UnknownLease\",\"parameters\":{\"lease\":\"n\"}");
    ck_assert_uint_eq(core.revocation.grace_seconds, 86400);
    ck_assert(core.revocation.kill);
    ck_assert_int_eq(core.revocation.pid, getpid());
    say(fd, ADMIN("RevokeLease", "\"lease\":\"n\",\"graceSeconds\":86401"));
    ck_assert_heard(fd, "\"field\":\"graceSeconds\",\"minimum\":0,\"maximum\":86400}");
    say(fd, ADMIN("AllocateVirtualFunctions", "\"tenant\":\"n\",\"expiresSeconds\":0"));
    ck_assert_heard(fd, "\"field\":\"expiresSeconds\",\"minimum\":1,\"maximum\":315360000}");
    close(fd);
    spin();
}
END_TEST

/* Calls that must not reach the core, and what is said about them. */
static const struct {
    const char *call, *said;
} bad[] = {
    {TENANT("Attach", "\"queuePairs\":0"), "ValueOutOfRange\",\"parameters\":{\"field\":\"queuePairs\""},
    {TENANT("Attach", "\"queuePairs\":-1"), "\"minimum\":1,\"maximum\":65535"},
    {TENANT("Attach", "\"queuePairs\":4294967297"), "\"field\":\"queuePairs\""},
    {TENANT("Attach", "\"waitMilliseconds\":60001"), "\"field\":\"waitMilliseconds\""},
    {TENANT("Attach", "\"namespaces\":[0]"), "\"field\":\"namespaces\""},
    {TENANT("Attach", "\"namespaces\":[4294967295]"), "\"field\":\"namespaces\""},
    {TENANT("Attach", "\"devices\":[\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\"]"), "\"field\":\"devices\""},
    {TENANT("Attach", "\"mode\":\"soon\""), "InvalidParameter\",\"parameters\":{\"parameter\":\"mode\"}"},
    {TENANT("Attach", "\"requestId\":\"\""), "{\"parameter\":\"requestId\"}"},
    {TENANT("Attach", "\"nonsense\":1"), "{\"parameter\":\"nonsense\"}"},
    {TENANT("Detach", ""), "{\"parameter\":\"lease\"}"},
    {TENANT("Detach", "\"lease\":3"), "{\"parameter\":\"lease\"}"},
    {TENANT("Nothing", ""), "org.varlink.service.MethodNotFound"},
    {TENANT("Monitor", ""), "org.varlink.service.ExpectedMore"},
    {TENANT("GetLogPage", "\"lease\":\"l\",\"virtualFunction\":\"v\",\"page\":2,\"lengthBytes\":6"),
     "\"field\":\"lengthBytes\",\"minimum\":4,\"maximum\":4096"},
    {TENANT("RegisterMemory", "\"lease\":\"l\",\"source\":{}"), "{\"parameter\":\"source\"}"},
    {TENANT("RegisterMemory",
            "\"lease\":\"l\",\"source\":{\"memfd\":{\"fd\":0,\"offsetBytes\":0,\"lengthBytes\":4096}}"),
     "FileDescriptorCount\",\"parameters\":{\"expected\":1,\"received\":0}"},
};

START_TEST(bad_calls_change_nothing)
{
    int fd = dial(API_TENANT);
    say(fd, bad[_i].call);
    ck_assert_heard(fd, bad[_i].said);
    ck_assert_uint_eq(core.asked, 0);
    say(fd, TENANT("ListTenants", ""));
    ck_assert_heard(fd, "blue");
    close(fd);
    spin();
}
END_TEST

#define ALLOCATE(parameters) ADMIN("AllocateVirtualFunctions", "\"tenant\":\"n\"," parameters)

static const struct {
    const char *call, *said;
} bad_loans[] = {
    {ALLOCATE("\"kind\":\"usb\""), "{\"parameter\":\"kind\"}"},
    {ALLOCATE("\"user\":-1"), "\"field\":\"user\",\"minimum\":0,\"maximum\":4294967294"},
    {ALLOCATE("\"user\":4294967295"), "\"field\":\"user\""},
    {ALLOCATE("\"keeper\":{}"), "{\"parameter\":\"keeper\"}"},
    {ALLOCATE("\"keeper\":{\"pid\":0}"), "{\"parameter\":\"keeper\"}"},
    {ALLOCATE("\"keeper\":{\"pid\":4294967296}"), "{\"parameter\":\"keeper\"}"},
    {ALLOCATE("\"keeper\":{\"pid\":1,\"unit\":\"a.service\"}"), "{\"parameter\":\"keeper\"}"},
    {ALLOCATE("\"keeper\":{\"unit\":\"\"}"), "{\"parameter\":\"keeper\"}"},
    {ALLOCATE("\"keeper\":{\"unit\":\"../a.service\"}"), "{\"parameter\":\"keeper\"}"},
    {ALLOCATE("\"keeper\":{\"unit\":"
              "\"a-name-that-is-longer-than-any-unit-that-homid-can-remember-64-bytes.service\"}"),
     "{\"parameter\":\"keeper\"}"},
};

START_TEST(bad_loans_change_nothing)
{
    int fd = dial(API_ADMIN);
    say(fd, bad_loans[_i].call);
    ck_assert_heard(fd, bad_loans[_i].said);
    ck_assert_uint_eq(core.asked, 0);
    close(fd);
    spin();
}
END_TEST

/* ---- memory ---- */

static int make_memory(unsigned seals, bool populated)
{
    int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(ftruncate(fd, 16384), 0);
    if (populated)
        ck_assert_int_eq(fallocate(fd, 0, 0, 16384), 0);
    ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, seals), 0);
    return fd;
}

static const struct {
    int64_t fd, offset, bytes;
    const char *said;
    unsigned seals;
    bool hollow;
} memory[] = {
    {0, 4096, 8192, "{\"region\":5,\"iova\":65536}", F_SEAL_SHRINK, false},
    {0, 0, 16384, "{\"region\":5,\"iova\":65536}", F_SEAL_SHRINK | F_SEAL_GROW, false},
    {0, 0, 16384, "notSealedAgainstShrinking", 0, false},
    {0, 0, 16384, "writeSealed", F_SEAL_SHRINK | F_SEAL_WRITE, false},
    {0, 0, 16384, "notPopulated", F_SEAL_SHRINK, true},
    {0, 4096, 16384, "beyondEnd", F_SEAL_SHRINK, false},
    {0, 9223372036854771712, 4096, "beyondEnd", F_SEAL_SHRINK, false},
    {0, 4096, 9223372036854771712, "beyondEnd", F_SEAL_SHRINK, false},
    {0, 0, 4095, "misaligned", F_SEAL_SHRINK, false},
    {0, 512, 4096, "misaligned", F_SEAL_SHRINK, false},
    {0, 0, 0, "empty", F_SEAL_SHRINK, false},
    {0, -4096, 4096, "\"field\":\"source.memfd.offsetBytes\"", F_SEAL_SHRINK, false},
    {0, 0, -4096, "\"field\":\"source.memfd.lengthBytes\"", F_SEAL_SHRINK, false},
    {1, 0, 4096, "\"field\":\"source.memfd.fd\"", F_SEAL_SHRINK, false},
};

static void register_memory(int fd, int64_t index, int64_t offset, int64_t bytes, const int *fds,
                            unsigned count)
{
    char call[256];
    snprintf(call, sizeof call,
             "{\"method\":\"io.homi.Tenant.RegisterMemory\",\"parameters\":{\"lease\":\"l1\",\"source\":"
             "{\"memfd\":{\"fd\":%jd,\"offsetBytes\":%jd,\"lengthBytes\":%jd}}}}",
             (intmax_t)index, (intmax_t)offset, (intmax_t)bytes);
    say_with(fd, call, fds, count);
}

START_TEST(memory_is_looked_at)
{
    int memfd = make_memory(memory[_i].seals, !memory[_i].hollow), fd = dial(API_TENANT);
    register_memory(fd, memory[_i].fd, memory[_i].offset, memory[_i].bytes, &memfd, 1);
    ck_assert_heard(fd, memory[_i].said);
    bool granted = strstr(memory[_i].said, "iova") != NULL;
    ck_assert_uint_eq(core.asked, granted ? 1 : 0);
    if (granted) {
        ck_assert_uint_eq(core.offset, (uint64_t)memory[_i].offset);
        ck_assert_uint_eq(core.bytes, (uint64_t)memory[_i].bytes);
        ck_assert_uint_eq(core.page, 4096);
    }
    close(memfd);
    close(fd);
    spin();
}
END_TEST

START_TEST(what_is_no_memfd_is_refused)
{
    int fd = dial(API_TENANT), null = open("/dev/null", O_RDWR | O_CLOEXEC);
    int memfd = make_memory(F_SEAL_SHRINK, true), read_only;
    char path[32];
    register_memory(fd, 0, 0, 4096, &null, 1);
    ck_assert_heard(fd, "notMemfd");
    snprintf(path, sizeof path, "/proc/self/fd/%d", memfd);
    read_only = open(path, O_RDONLY | O_CLOEXEC);
    register_memory(fd, 0, 0, 4096, &read_only, 1);
    ck_assert_heard(fd, "writeSealed");
    register_memory(fd, 0, 0, 4096, (const int[]){memfd, null}, 2);
    ck_assert_heard(fd, "{\"expected\":1,\"received\":2}");
    say_with(fd, TENANT("ListTenants", ""), &memfd, 1);
    ck_assert_heard(fd, "{\"parameter\":\"fileDescriptors\"}");
    ck_assert_uint_eq(core.asked, 0);
    close(null);
    close(memfd);
    close(read_only);
    close(fd);
    spin();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("server");
    TCase *tcase = tcase_create("calls");
    tcase_add_checked_fixture(tcase, start, stop);
    tcase_add_test(tcase, both_sockets_introduce_themselves);
    tcase_add_test(tcase, both_sockets_tell_their_limits);
    tcase_add_test(tcase, operators_are_told_apart);
    tcase_add_test(tcase, every_list_fits_its_definition);
    tcase_add_test(tcase, a_list_too_long_for_a_message_wants_more);
    tcase_add_test(tcase, a_list_comes_in_parts);
    tcase_add_test(tcase, parts_shrink_until_they_fit);
    tcase_add_test(tcase, a_list_may_be_left_in_the_middle);
    tcase_add_test(tcase, problems_are_told_as_far_as_they_fit);
    tcase_add_test(tcase, an_answer_is_given_again_with_its_descriptor);
    tcase_add_test(tcase, a_call_may_be_answered_later);
    tcase_add_test(tcase, a_call_that_comes_early_waits);
    tcase_add_test(tcase, hanging_up_gives_back_what_is_under_way);
    tcase_add_test(tcase, queue_pairs_and_data_are_answered);
    tcase_add_loop_test(tcase, refusals_have_names, 0, sizeof refusals / sizeof refusals[0]);
    tcase_add_test(tcase, operators_refusals_have_names);
    tcase_add_loop_test(tcase, bad_calls_change_nothing, 0, sizeof bad / sizeof bad[0]);
    tcase_add_loop_test(tcase, bad_loans_change_nothing, 0, sizeof bad_loans / sizeof bad_loans[0]);
    tcase_add_loop_test(tcase, memory_is_looked_at, 0, sizeof memory / sizeof memory[0]);
    tcase_add_test(tcase, what_is_no_memfd_is_refused);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
