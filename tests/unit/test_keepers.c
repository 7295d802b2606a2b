/* SPDX-License-Identifier: BSD-3-Clause */
/* What leases end with. Units need a control group hierarchy that this test may not have: the guest's case
 * has one. */
#include <check.h>
#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/keepers.h"
#include "tests/unit/open_fds.h"

static struct event_base *base;
static struct keepers *keepers;
static char ended[CORE_NAME_BYTES];
static unsigned count;

static void on_ended(void *user, const char *lease)
{
    ck_assert_ptr_eq(user, &count);
    strcpy(ended, lease);
    keepers_remove(keepers, lease); /* as the core does when the lease is over */
    count++;
}

static void set_up(void)
{
    count = 0;
    ended[0] = '\0';
    base = event_base_new();
    ck_assert_int_eq(keepers_new(base, on_ended, &count, &keepers), 0);
}

static void tear_down(void)
{
    keepers_free(keepers);
    event_base_free(base);
}

static pid_t start(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        pause();
        _exit(0);
    }
    return pid;
}

static void end(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

START_TEST(a_process_that_ends_is_told_once)
{
    pid_t first = start(), second = start();
    ck_assert_int_eq(keepers_add(keepers, "lease-1", &(struct core_keeper){.pid = first}), 0);
    ck_assert_int_eq(keepers_add(keepers, "lease-2", &(struct core_keeper){.pid = second}), 0);
    event_base_loop(base, EVLOOP_NONBLOCK);
    ck_assert_uint_eq(count, 0);
    end(second);
    event_base_loop(base, EVLOOP_ONCE);
    event_base_loop(base, EVLOOP_NONBLOCK);
    ck_assert_uint_eq(count, 1);
    ck_assert_str_eq(ended, "lease-2");
    end(first);
}
END_TEST

START_TEST(what_is_forgotten_is_not_told)
{
    unsigned before = open_fds();
    pid_t pid = start();
    ck_assert_int_eq(keepers_add(keepers, "lease-1", &(struct core_keeper){.pid = pid}), 0);
    keepers_remove(keepers, "lease-1");
    keepers_remove(keepers, "lease-1");
    end(pid);
    event_base_loop(base, EVLOOP_NONBLOCK);
    ck_assert_uint_eq(count, 0);
    ck_assert_uint_eq(open_fds(), before);
}
END_TEST

START_TEST(what_is_not_there_is_no_keeper)
{
    unsigned before = open_fds();
    pid_t pid = start();
    end(pid);
    ck_assert_int_eq(keepers_add(keepers, "lease-1", &(struct core_keeper){.pid = pid}), -ESRCH);
    ck_assert_int_eq(keepers_add(keepers, "lease-1", &(struct core_keeper){.unit = "no-such-unit.service"}),
                     -ESRCH);
    ck_assert_uint_eq(open_fds(), before);
}
END_TEST

START_TEST(a_number_that_was_used_again_is_another_process)
{
    struct core_keeper keeper = {.pid = getpid()};
    ck_assert_int_eq(keepers_add(keepers, "lease-1", &keeper), 0);
    ck_assert_uint_ne(keeper.start_time, 0);
    keepers_remove(keepers, "lease-1");
    ck_assert_int_eq(keepers_add(keepers, "lease-1", &keeper), 0); /* a homid that took over finds it again */
    keepers_remove(keepers, "lease-1");
    unsigned before = open_fds();
    keeper.start_time--;
    ck_assert_int_eq(keepers_add(keepers, "lease-1", &keeper), -ESRCH);
    ck_assert_uint_eq(open_fds(), before);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("keepers");
    TCase *tcase = tcase_create("keepers");
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, a_process_that_ends_is_told_once);
    tcase_add_test(tcase, what_is_forgotten_is_not_told);
    tcase_add_test(tcase, what_is_not_there_is_no_keeper);
    tcase_add_test(tcase, a_number_that_was_used_again_is_another_process);
    suite_add_tcase(suite, tcase);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
