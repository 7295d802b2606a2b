/* SPDX-License-Identifier: BSD-3-Clause */
/* Sockets of leases: who holds one has that lease, whatever user it is, and nothing else. */
#include <check.h>

#include "tests/unit/blue.h"

#define OTHER_UID 12345 /* blue's; the test is a stranger */

struct reserved {
    char lease[64], path[160];
};

static int operator_fd;

static void set_up(void)
{
    start_for(OTHER_UID);
    operator_fd = dial(API_ADMIN);
}

static void tear_down(void)
{
    assert_clean();
    close(operator_fd);
    spin();
    stop();
}

static const char *ask_for(const char *parameters)
{
    char call[512];
    snprintf(
        call, sizeof call,
        "{\"method\":\"io.homi.Admin.AllocateVirtualFunctions\",\"parameters\":{\"tenant\":\"blue\",%s}}",
        parameters);
    say(operator_fd, call);
    return hear(operator_fd);
}

static struct reserved reserve(const char *parameters)
{
    struct reserved made;
    const char *reply = ask_for(parameters);
    snprintf(made.lease, sizeof made.lease, "%s", member_of(reply, "lease"));
    snprintf(made.path, sizeof made.path, "%s/lease/%s.sock", folder, made.lease);
    return made;
}

static void free_lease(const struct reserved *made)
{
    char call[256];
    snprintf(call, sizeof call,
             "{\"method\":\"io.homi.Admin.FreeLease\",\"parameters\":{\"lease\":\"%s\",\"force\":true}}",
             made->lease);
    say(operator_fd, call);
    ck_assert_str_eq(hear(operator_fd), "{}");
}

static const char *said(int fd, const char *method, const char *parameters)
{
    char call[256];
    int came;
    snprintf(call, sizeof call, "{\"method\":\"io.homi.Tenant.%s\",\"parameters\":{%s}}", method, parameters);
    say(fd, call);
    const char *reply = hear_with(fd, &came);
    if (came >= 0)
        close(came);
    return reply;
}

#define ck_assert_said(fd, method, parameters, part)                                                         \
    do {                                                                                                     \
        const char *said_ = said(fd, method, parameters);                                                    \
        ck_assert_msg(said_ &&strstr(said_, part), "\"%s\" does not say \"%s\"", said_ ? said_ : "EOF",      \
                      part);                                                                                 \
    } while (0)

static mode_t mode_of(const char *path)
{
    struct stat status;
    ck_assert_int_eq(lstat(path, &status), 0);
    return status.st_mode & 07777;
}

START_TEST(who_reaches_the_socket_has_the_lease)
{
    struct reserved made = reserve("\"namespaces\":[1],\"socket\":true");
    char lease_folder[80];
    snprintf(lease_folder, sizeof lease_folder, "%s/lease", folder);
    ck_assert_uint_eq(mode_of(lease_folder), 0700);
    ck_assert_uint_eq(mode_of(made.path), 0666);
    say(operator_fd, ADMIN("ListLeases", ""));
    ck_assert_heard(operator_fd, "lease-1.sock\",\"reserved\":true");

    int stranger = dial(API_TENANT), fd = dial_at(made.path), other = dial_at(made.path);
    ck_assert_said(stranger, "Attach", "", "TenantAmbiguous");
    ck_assert_said(fd, "ListTenants", "", "{\"tenants\":[\"blue\"]}");
    ck_assert_said(fd, "GetTenant", "", "\"tenant\":\"blue\"");
    ck_assert_said(fd, "Attach", "", "\"lease\":\"lease-1\"");
    ck_assert_said(other, "Attach", "\"lease\":\"lease-1\",\"mode\":\"join\",\"devices\":[\"ssd0\"]",
                   "\"lease\":\"lease-1\"");
    ck_assert_said(fd, "Detach", "\"lease\":\"lease-1\"", "{}");
    close(stranger);
    close(other);
    close(fd);
    spin();
    free_lease(&made);
}
END_TEST

/* The kernel shows a user of a container that has no number here as this one. */
START_TEST(no_user_is_unknown_there)
{
    struct reserved made = reserve("\"socket\":true");
    config.overflow_uid = geteuid();
    int fd = dial_at(made.path), stranger = dial(API_TENANT);
    ck_assert_said(stranger, "ListTenants", "", "CallerUnknown");
    ck_assert_said(fd, "Attach", "", "\"lease\":\"lease-1\"");
    close(stranger);
    close(fd);
    spin();
    free_lease(&made);
}
END_TEST

START_TEST(nothing_else_is_to_be_had)
{
    static const struct {
        const char *method, *parameters, *answer;
    } calls[] = {
        {"Attach", "\"lease\":\"lease-2\"", "LeaseOnly\",\"parameters\":{\"lease\":\"lease-1\"}"},
        {"Attach", "\"mode\":\"fresh\"", "LeaseOnly"},
        {"Attach", "\"namespaces\":[2]", "LeaseOnly"},
        {"Attach", "\"namespaces\":[3]", "NamespaceNotAllowed"},
        {"Attach", "\"devices\":[\"ssd1\"]", "UnknownDevice"},
        {"Attach", "\"tenant\":\"green\"", "UnknownTenant"},
        {"Attach", "\"queuePairs\":4", "NoQueuePairFree"},
        {"Detach", "\"lease\":\"lease-2\"", "UnknownLease"},
        {"Identify", "\"lease\":\"lease-2\",\"virtualFunction\":\"x\",\"cns\":1", "UnknownLease"},
        {"Attach", "\"namespaces\":[1],\"queuePairs\":3", "\"lease\":\"lease-1\""},
    };
    struct reserved one = reserve("\"namespaces\":[1],\"socket\":true");
    struct reserved two = reserve("\"namespaces\":[2],\"socket\":true");
    int fd = dial_at(one.path);
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++)
        ck_assert_said(fd, calls[i].method, calls[i].parameters, calls[i].answer);
    close(fd);
    spin();
    free_lease(&one);
    free_lease(&two);
}
END_TEST

START_TEST(its_monitor_hears_of_that_lease_only)
{
    struct reserved one = reserve("\"namespaces\":[1],\"socket\":true");
    struct reserved two = reserve("\"namespaces\":[2],\"socket\":true");
    int monitor = dial_at(one.path);
    say(monitor, "{\"method\":\"io.homi.Tenant.Monitor\",\"parameters\":{},\"more\":true}");
    ck_assert_str_eq(hear(monitor), "");
    free_lease(&two);
    ck_assert_str_eq(hear(monitor), "");
    free_lease(&one);
    ck_assert_heard(monitor, "{\"event\":{\"lease\":\"lease-1\"");
    close(monitor);
    spin();
}
END_TEST

START_TEST(it_goes_with_its_lease)
{
    struct reserved made = reserve("\"socket\":true");
    int fd = dial_at(made.path);
    ck_assert_said(fd, "Attach", "", "\"lease\":\"lease-1\"");
    free_lease(&made);
    ck_assert_int_eq(access(made.path, F_OK), -1);
    ck_assert_said(fd, "Identify", "\"lease\":\"lease-1\",\"virtualFunction\":\"x\",\"cns\":1",
                   "LeaseRevoked");
    ck_assert_said(fd, "Attach", "", "UnknownLease");
    ck_assert_said(fd, "ListTenants", "", "blue");
    close(fd);
    spin();
}
END_TEST

START_TEST(only_so_many_leases_have_one)
{
    config.limits.lease_sockets = 1;
    struct reserved made = reserve("\"namespaces\":[1],\"socket\":true");
    ck_assert_ptr_nonnull(
        strstr(ask_for("\"namespaces\":[2],\"socket\":true"),
               "QuotaExceeded\",\"parameters\":{\"quota\":\"leaseSockets\",\"limit\":1,\"used\":1}"));
    spin();
    ck_assert_uint_eq(core_totals(core).leases, 1);
    free_lease(&made);
    made = reserve("\"namespaces\":[2],\"socket\":true");
    free_lease(&made);
}
END_TEST

START_TEST(only_so_many_connect_by_one)
{
    config.limits.connections_per_lease = 2;
    config.limits.connections_per_uid = 1;
    struct reserved made = reserve("\"socket\":true");
    int fds[] = {dial_at(made.path), dial_at(made.path), dial_at(made.path), dial(API_TENANT)};
    ck_assert_said(fds[0], "ListTenants", "", "blue");
    ck_assert_said(fds[1], "ListTenants", "", "blue");
    ck_assert_said(fds[2], "ListTenants", "",
                   "QuotaExceeded\",\"parameters\":{\"quota\":\"connections\",\"limit\":2,\"used\":2}");
    ck_assert_said(fds[3], "ListTenants", "", "[]");
    for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++)
        close(fds[i]);
    spin();
    free_lease(&made);
}
END_TEST

START_TEST(a_folder_of_others_is_not_used)
{
    char path[80];
    snprintf(path, sizeof path, "%s/lease", folder);
    if (_i == 0)
        ck_assert_int_eq(mkdir(path, 0755), 0);
    else
        ck_assert_int_eq(symlink("/tmp", path), 0);
    ck_assert_ptr_nonnull(strstr(ask_for("\"socket\":true"), "\"errno\":\"EPERM\",\"operation\":\"making the "
                                                             "socket of the lease\""));
    assert_clean();
    ck_assert_int_eq(remove(path), 0);
}
END_TEST

START_TEST(what_was_left_behind_is_removed)
{
    char left[108];
    struct reserved made = reserve("\"socket\":true");
    snprintf(left, sizeof left, "%s/lease/lease-9.sock", folder);
    ck_assert_int_eq(mknod(left, S_IFREG | 0600, 0), 0);
    server_settled(server);
    ck_assert_int_eq(access(left, F_OK), -1);
    int fd = dial_at(made.path);
    ck_assert_said(fd, "Attach", "", "\"lease\":\"lease-1\"");
    close(fd);
    spin();
    free_lease(&made);
}
END_TEST

START_TEST(a_container_gets_it)
{
    char path[108], text[1024] = "";
    ck_assert_ptr_nonnull(
        strstr(ask_for("\"container\":true"), "\"containerDevice\":\"io.homi/lease=lease-1\""));
    snprintf(path, sizeof path, "%s/homi-lease-1.json", folder);
    FILE *file = fopen(path, "r");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_gt(fread(text, 1, sizeof text - 1, file), 0);
    fclose(file);
    ck_assert_ptr_nonnull(strstr(text, "lease-1.sock\",\"containerPath\":\"\\/run\\/homi\\/tenant.sock\""));
    free_lease(&(struct reserved){.lease = "lease-1"});
    ck_assert_int_eq(access(path, F_OK), -1);
}
END_TEST

START_TEST(software_of_its_own_has_none)
{
    ck_assert_ptr_nonnull(strstr(ask_for("\"kind\":\"passthrough\",\"socket\":true"),
                                 "InvalidParameter\",\"parameters\":{\"parameter\":\"socket\"}"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("lease_sockets");
    TCase *tcase = tcase_create("sockets");
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, who_reaches_the_socket_has_the_lease);
    tcase_add_test(tcase, no_user_is_unknown_there);
    tcase_add_test(tcase, nothing_else_is_to_be_had);
    tcase_add_test(tcase, its_monitor_hears_of_that_lease_only);
    tcase_add_test(tcase, it_goes_with_its_lease);
    tcase_add_test(tcase, only_so_many_leases_have_one);
    tcase_add_test(tcase, only_so_many_connect_by_one);
    tcase_add_loop_test(tcase, a_folder_of_others_is_not_used, 0, 2);
    tcase_add_test(tcase, what_was_left_behind_is_removed);
    tcase_add_test(tcase, a_container_gets_it);
    tcase_add_test(tcase, software_of_its_own_has_none);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
