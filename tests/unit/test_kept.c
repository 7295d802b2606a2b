/* SPDX-License-Identifier: BSD-3-Clause */
/* Taking over when the kernel does not let go of what nobody took: homid goes on without waiting for it. */
#include <check.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "daemon/restart/kept.h"
#include "tests/unit/core_fixture.h"

#define CHILD "HOMI_TEST_KEPT" /* in its environment: whether discarding ends */

enum { LEFT_FD = 3, PATIENCE_SECONDS = 20 };

/* ---- in the child, which has a descriptor handed in that no record knows ---- */

static struct fixture fixture;
static struct event_base *base;
static unsigned discarded;

static void answer(evutil_socket_t fd, short what, void *user)
{
    const struct hw_result result = {0};
    hw_done done = *(hw_done *)user;
    (void)fd, (void)what;

    done(((void **)user)[1], &result);
    free(user);
}

static void answer_later(hw_done done, void *user)
{
    const struct timeval soon = {.tv_usec = 1000};
    void **call = calloc(2, sizeof(*call));

    memcpy(call, &done, sizeof(done));
    call[1] = user;
    event_base_once(base, -1, EV_TIMEOUT, answer, call, &soon);
}

static void take_over(struct hw_backend *backend, hw_done done, void *user)
{
    (void)backend;
    answer_later(done, user);
}

static void discard(struct hw_backend *backend, const int *fds, size_t fd_count, hw_done done, void *user)
{
    (void)backend, (void)fds;
    discarded += (unsigned)fd_count;
    if (strcmp(getenv(CHILD), "ends") == 0)
        answer_later(done, user);
}

/* The service manager: it closes what comes, and with it lets barriers through. */
static void on_message(evutil_socket_t socket, short what, void *user)
{
    char bytes[256], control[CMSG_SPACE(4 * sizeof(int))];
    struct iovec iov = {.iov_base = bytes, .iov_len = sizeof(bytes)};
    struct msghdr header = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
    (void)what, (void)user;

    if (recvmsg(socket, &header, 0) < 0)
        return;
    struct cmsghdr *first = CMSG_FIRSTHDR(&header);
    if (first && first->cmsg_type == SCM_RIGHTS)
        close(*(int *)(void *)CMSG_DATA(first));
}

static void listen_as_manager(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char name[64];
    int manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    snprintf(name, sizeof(name), "@homi-test-kept-%d", (int)getpid());
    memcpy(address.sun_path + 1, name + 1, strlen(name) - 1);
    if (bind(manager, (struct sockaddr *)&address, (socklen_t)(sizeof(sa_family_t) + strlen(name))) < 0)
        exit(3);
    setenv("NOTIFY_SOCKET", name, 1);
    event_add(event_new(base, manager, EV_READ | EV_PERSIST, on_message, NULL), NULL);
}

static void on_done(void *user)
{
    (void)user;
    core_restore_end(fixture.core);
    core_start(fixture.core);
    event_base_loopbreak(base);
}

static int take_over_as_homid(void)
{
    const struct log log = log_open(LOG_ERR);
    char pid[16];
    struct kept *kept = NULL;

    base = event_base_new();
    listen_as_manager();
    snprintf(pid, sizeof(pid), "%d", (int)getpid());
    setenv("LISTEN_PID", pid, 1);
    fixture_init(&fixture, 1);
    fixture_new(&fixture);
    fixture.fake.backend.take_over = take_over;
    fixture.fake.backend.discard = discard;
    if (kept_new(base, &log, &kept) < 0)
        return 4;
    kept_restore(kept, fixture.core, &fixture.fake.backend, on_done, NULL);
    event_base_dispatch(base);
    fake_run(&fixture.fake);
    return discarded == 1 && functions_in(&fixture, "ready") == 4 ? 0 : 5;
}

/* ---- the test ---- */

static const char *const outcomes[] = {"ends", "hangs"};

START_TEST(what_nobody_took_is_not_waited_for_for_ever)
{
    int status, ends[2];

    ck_assert_int_eq(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        setenv(CHILD, outcomes[_i], 1);
        setenv("FDSTORE", "8", 1);
        setenv("LISTEN_FDS", "1", 1);
        setenv("LISTEN_FDNAMES", "f7-0", 1);
        if (ends[0] != LEFT_FD)
            dup2(ends[0], LEFT_FD);
        alarm(PATIENCE_SECONDS);
        execl("/proc/self/exe", "test_kept", NULL);
        _exit(127);
    }
    close(ends[0]);
    close(ends[1]);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "it ended with 0x%x", (unsigned)status);
}
END_TEST

START_TEST(as_homid)
{
    ck_assert_int_eq(take_over_as_homid(), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("kept");
    TCase *tcase = tcase_create("kept");

    tcase_set_timeout(tcase, 2 * PATIENCE_SECONDS);
    if (getenv(CHILD))
        tcase_add_test(tcase, as_homid);
    else
        tcase_add_loop_test(tcase, what_nobody_took_is_not_waited_for_for_ever, 0, 2);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    if (getenv(CHILD))
        srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, getenv(CHILD) ? CK_SILENT : CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
