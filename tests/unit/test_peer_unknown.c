/* SPDX-License-Identifier: BSD-3-Clause */
/* Peers whose user or process has no number where the server runs: they could be anybody, and get nothing. */
#include <check.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "daemon/peers/identity.h"
#include "tests/unit/scripted_core.h"

#define OTHER_UID 4242
#define REFUSED(interface, unknown)                                                                          \
    "{\"error\":\"io.homi." interface ".CallerUnknown\",\"parameters\":{\"unknown\":\"" unknown "\"}}"

START_TEST(users_and_processes_without_a_number_are_told_apart)
{
    static const struct {
        struct core_peer peer;
        const char *unknown;
    } peers[] = {{{.pid = 7, .uid = 0}, NULL},
                 {{.pid = 7, .uid = 99}, "user"},
                 {{.pid = 0, .uid = 0}, "process"},
                 {{.pid = 0, .uid = 99}, "process"}};
    for (size_t i = 0; i < sizeof peers / sizeof peers[0]; i++)
        ck_assert_pstr_eq(peer_unknown(&peers[i].peer, 99), peers[i].unknown);
    ck_assert_uint_ne(overflow_uid(), 0);
    ck_assert_uint_ne(overflow_gid(), 0);
}
END_TEST

START_TEST(nobodys_user_gets_nothing)
{
    static const char *const calls[] = {TENANT("ListTenants", ""), ADMIN("ListDevices", "")};
    static const char *const refusals[] = {REFUSED("Tenant", "user"), REFUSED("Admin", "user")};
    config.overflow_uid = geteuid();
    for (int kind = 0; kind < 2; kind++) {
        int fd = dial((enum api_kind)kind);
        say(fd, calls[kind]);
        ck_assert_heard(fd, refusals[kind]);
        ck_assert_ptr_null(hear(fd));
        close(fd);
    }
    ck_assert_uint_eq(server_connections(server), 0);
    ck_assert_uint_eq(core.clients, 0);
    spin();
}
END_TEST

static int write_text(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    ssize_t written = fd < 0 ? -1 : write(fd, text, strlen(text));
    if (fd >= 0)
        close(fd);
    return written < 0 ? -1 : 0;
}

/* In new namespaces, where the only user is the caller's, as 0. Does not return. */
static void serve_within(int apart, int started)
{
    char map[32];
    unsigned uid = geteuid();
    snprintf(map, sizeof map, "0 %u 1", uid);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (unshare(CLONE_NEWUSER | apart) < 0 || write_text("/proc/self/uid_map", map) < 0)
        _exit(1);
    if (apart & CLONE_NEWPID) {
        pid_t inner = fork();
        if (inner != 0) {
            close(started);
            waitpid(inner, NULL, 0);
            _exit(0);
        }
        prctl(PR_SET_PDEATHSIG, SIGKILL);
    }
    if (event_reinit(base) < 0 || write(started, "", 1) != 1)
        _exit(1);
    event_base_dispatch(base);
    _exit(0);
}

/* What a caller outside of these namespaces hears; "": the machine does not let us make them. */
static const char *hear_from_within(int apart, uid_t caller, const char *call)
{
    static char text[512];
    int started[2];
    ssize_t bytes = 0;
    ck_assert_int_eq(pipe2(started, O_CLOEXEC), 0);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0)
        serve_within(apart, started[1]);
    close(started[1]);
    if (read(started[0], text, 1) == 1) {
        uid_t before = geteuid();
        ck_assert_int_eq(seteuid(caller), 0);
        int fd = dial(API_TENANT);
        ck_assert_int_eq(seteuid(before), 0);
        ck_assert_int_eq(send(fd, call, strlen(call) + 1, MSG_NOSIGNAL), (ssize_t)strlen(call) + 1);
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        ck_assert_int_eq(poll(&ready, 1, 20000), 1);
        bytes = read(fd, text, sizeof text - 1);
        ck_assert_int_gt(bytes, 0);
        close(fd);
    }
    text[bytes] = '\0';
    close(started[0]);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    return text;
}

START_TEST(a_user_from_another_namespace_gets_nothing)
{
    if (geteuid() != 0)
        return; /* only root can be somebody else */
    const char *heard = hear_from_within(0, OTHER_UID, TENANT("ListTenants", ""));
    ck_assert_msg(!*heard || !strcmp(heard, REFUSED("Tenant", "user")), "%s", heard);
    heard = hear_from_within(0, 0, TENANT("ListTenants", ""));
    ck_assert_msg(!*heard || strstr(heard, "blue"), "%s", heard);
}
END_TEST

START_TEST(a_process_from_another_namespace_gets_nothing)
{
    const char *heard = hear_from_within(CLONE_NEWPID, geteuid(), TENANT("ListTenants", ""));
    ck_assert_msg(!*heard || !strcmp(heard, REFUSED("Tenant", "process")), "%s", heard);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("peer_unknown");
    TCase *tcase = tcase_create("namespaces");
    tcase_set_timeout(tcase, 40);
    tcase_add_checked_fixture(tcase, start, stop);
    tcase_add_test(tcase, users_and_processes_without_a_number_are_told_apart);
    tcase_add_test(tcase, nobodys_user_gets_nothing);
    tcase_add_test(tcase, a_user_from_another_namespace_gets_nothing);
    tcase_add_test(tcase, a_process_from_another_namespace_gets_nothing);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
