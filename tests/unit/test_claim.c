/* SPDX-License-Identifier: BSD-3-Clause */
/* One helper at a time works on a device, also when its homid is dead: claims, and their end. */
#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/helper/wire.h"
#include "daemon/hw/linux/claim.h"

static char path[] = "/tmp/homi-test-claim-XXXXXX";
static pid_t other;
static struct helper_output *output;

static void set_up(void)
{
    int fd = mkstemp(path);

    ck_assert_int_ge(fd, 0);
    close(fd);
    output = calloc(1, sizeof(*output));
}

static void tear_down(void)
{
    if (output->claims)
        close(output->claim);
    free(output);
    unlink(path);
}

/* Another process has it, until it is killed. */
static void claimed_by_another(void)
{
    int ends[2];
    char byte;

    ck_assert_int_eq(pipe(ends), 0);
    other = fork();
    if (other == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        byte = claim_file(path, 0, output) == 0;
        if (write(ends[1], &byte, 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    ck_assert_int_eq(read(ends[0], &byte, 1), 1);
    ck_assert_int_eq(byte, 1);
    close(ends[0]);
    close(ends[1]);
}

static void other_ends(void)
{
    kill(other, SIGKILL);
    waitpid(other, NULL, 0);
}

START_TEST(who_has_it_is_named)
{
    char expected[128];

    claimed_by_another();
    ck_assert_int_eq(claim_file(path, 40, output), -EBUSY);
    ck_assert_int_eq(output->error, -EBUSY);
    snprintf(expected, sizeof(expected), "process %d, which an earlier homid started, is still at work: %s",
             (int)other, strerror(EBUSY));
    ck_assert_str_eq(output->reason, expected);
    ck_assert(!output->claims);
    other_ends();
    ck_assert_int_eq(claim_file(path, 0, output), 0);
    ck_assert(output->claims);
}
END_TEST

START_TEST(who_is_about_to_end_is_waited_for)
{
    claimed_by_another();
    pid_t killer = fork();
    if (killer == 0) {
        usleep(50000);
        kill(other, SIGKILL);
        _exit(0);
    }
    ck_assert_int_eq(claim_file(path, 20000, output), 0);
    waitpid(killer, NULL, 0);
    waitpid(other, NULL, 0);
}
END_TEST

START_TEST(what_is_not_there_cannot_be_claimed)
{
    ck_assert_int_eq(claim_file("/tmp/homi-test-claim/none", 0, output), -ENOENT);
    ck_assert_ptr_nonnull(strstr(output->reason, "claiming /tmp/homi-test-claim/none"));
    ck_assert(!output->claims);
}
END_TEST

/* ---- a claim lasts as long as the job ---- */

static void job_claims(const struct helper_input *input, struct helper_output *result)
{
    (void)input;
    claim_file(path, 0, result);
}

START_TEST(it_ends_with_its_job)
{
    static const helper_job jobs[] = {job_claims};
    const struct helper_body request = {.job = 0};
    struct helper_inbox *inbox = calloc(1, sizeof(*inbox));
    int ends[2];

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    other = fork();
    if (other == 0) {
        close(ends[0]);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        _exit(helper_serve(ends[1], jobs, 1));
    }
    close(ends[1]);
    for (unsigned i = 0; i < 2; i++) {
        ck_assert_int_eq(helper_send_body(ends[0], &request, NULL, 0), 0);
        while (helper_receive(ends[0], inbox) <= 0)
            ;
        ck_assert_int_eq(inbox->body.error, 0);
        helper_inbox_clear(inbox);
        ck_assert_int_eq(claim_file(path, 0, output), 0);
        close(output->claim);
        output->claims = false;
    }
    close(ends[0]);
    waitpid(other, NULL, 0);
    free(inbox);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("claims");
    TCase *tcase = tcase_create("claims");

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, who_has_it_is_named);
    tcase_add_test(tcase, who_is_about_to_end_is_waited_for);
    tcase_add_test(tcase, what_is_not_there_cannot_be_claimed);
    tcase_add_test(tcase, it_ends_with_its_job);
    suite_add_tcase(suite, tcase);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
