/* SPDX-License-Identifier: BSD-3-Clause */
/* The pool of helper processes, with jobs that answer, hang, die and hand out descriptors. */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/helper/helper.h"

enum { JOB_ECHO, JOB_FAIL, JOB_HANG, JOB_DIE, JOB_PIPE, JOB_DESCRIPTORS, JOB_CLOSED, JOB_APPEND, JOB_COUNT };

enum { HELPERS_MAX = 3, DEADLINE = 20000 };

/* ---- in the helper ---- */

static unsigned count_fds(void)
{
    DIR *directory = opendir("/proc/self/fd");
    struct dirent *entry;
    unsigned count = 0;

    while ((entry = readdir(directory)))
        count += *entry->d_name != '.';
    closedir(directory);
    return count - 1;
}

static void job_echo(const struct helper_input *input, struct helper_output *output)
{
    memcpy(output->data, input->data, input->bytes);
    output->bytes = input->bytes;
}

static void job_fail(const struct helper_input *input, struct helper_output *output)
{
    (void)input;
    output->fds[output->fd_count++] = eventfd(0, 0);
    output->nvme_status = 0x121;
    helper_fail(output, -EBUSY, "job %d", 7);
}

static void job_hang(const struct helper_input *input, struct helper_output *output)
{
    (void)input;
    (void)output;
    for (;;)
        pause();
}

static void job_die(const struct helper_input *input, struct helper_output *output)
{
    (void)input;
    (void)output;
    _exit(3);
}

/* Hands out both ends of a pipe, and an event descriptor that had to be opened for nothing. */
static void job_pipe(const struct helper_input *input, struct helper_output *output)
{
    (void)input;
    if (pipe(output->fds) < 0)
        helper_fail(output, -errno, "pipe");
    else
        output->fd_count = 2;
}

static void job_descriptors(const struct helper_input *input, struct helper_output *output)
{
    unsigned count = count_fds();

    (void)input;
    memcpy(output->data, &count, sizeof(count));
    output->bytes = sizeof(count);
}

/* Whether the last copy of the pipe's write end is here: a reader gets its end only when this one goes. */
static void job_closed(const struct helper_input *input, struct helper_output *output)
{
    uint8_t byte, last;

    close(input->fds[1]);
    last = read(input->fds[0], &byte, 1) == 0;
    memcpy(output->data, &last, 1);
    output->bytes = 1;
    /* The number is free now: the pool of the helper must not close somebody else's. */
    if (dup2(input->fds[0], input->fds[1]) < 0)
        helper_fail(output, -errno, "dup2");
}

static void job_append(const struct helper_input *input, struct helper_output *output)
{
    (void)output;
    usleep(2000);
    if (write(input->fds[0], input->data, 1) != 1)
        helper_fail(output, -errno, "write");
}

static const helper_job jobs[JOB_COUNT] = {
    [JOB_ECHO] = job_echo,     [JOB_FAIL] = job_fail,     [JOB_HANG] = job_hang,
    [JOB_DIE] = job_die,       [JOB_PIPE] = job_pipe,     [JOB_DESCRIPTORS] = job_descriptors,
    [JOB_CLOSED] = job_closed, [JOB_APPEND] = job_append,
};

/* ---- in the test ---- */

static struct event_base *base;
static struct helper_pool *pool;

struct outcome {
    unsigned calls;
    int error;
    uint16_t nvme_status;
    char reason[HELPER_REASON_BYTES];
    uint8_t data[HELPER_BYTES_MAX];
    size_t bytes;
    int fds[2];
    size_t fd_count;
};

static void on_done(void *user, struct helper_reply *reply)
{
    struct outcome *outcome = user;

    outcome->calls++;
    outcome->error = reply->error;
    outcome->nvme_status = reply->nvme_status;
    memcpy(outcome->reason, reply->reason, sizeof(outcome->reason));
    if (reply->bytes)
        memcpy(outcome->data, reply->data, reply->bytes);
    outcome->bytes = reply->bytes;
    outcome->fd_count = reply->fd_count;
    for (size_t i = 0; i < reply->fd_count && i < 2; i++) {
        outcome->fds[i] = reply->fds[i];
        reply->fds[i] = -1;
    }
}

static void set_up(void)
{
    base = event_base_new();
    ck_assert_int_eq(helper_pool_new(base, "/proc/self/exe", HELPERS_MAX, &pool), 0);
}

static void tear_down(void)
{
    helper_pool_free(pool);
    event_base_free(base);
    while (wait(NULL) > 0)
        ;
}

static void start(struct helper_lane *lane, unsigned job, const char *text, unsigned deadline,
                  struct outcome *outcome)
{
    const struct helper_request request = {.job = (uint16_t)job,
                                           .data = text,
                                           .bytes = text ? strlen(text) : 0,
                                           .deadline_milliseconds = deadline};

    ck_assert_int_eq(helper_run(pool, lane, &request, on_done, outcome), 0);
    ck_assert_uint_eq(outcome->calls, 0);
}

static void finish(const struct outcome *outcome)
{
    while (outcome->calls == 0)
        ck_assert_int_eq(event_base_loop(base, EVLOOP_ONCE), 0);
    ck_assert_uint_eq(outcome->calls, 1);
}

static void run(unsigned job, const char *text, struct outcome *outcome)
{
    *outcome = (struct outcome){0};
    start(NULL, job, text, DEADLINE, outcome);
    finish(outcome);
}

START_TEST(a_job_answers)
{
    struct outcome outcome;

    run(JOB_ECHO, "hello", &outcome);
    ck_assert_int_eq(outcome.error, 0);
    ck_assert_uint_eq(outcome.bytes, 5);
    ck_assert_mem_eq(outcome.data, "hello", 5);
}
END_TEST

START_TEST(a_job_fails_with_words)
{
    struct outcome outcome;

    run(JOB_FAIL, NULL, &outcome);
    ck_assert_int_eq(outcome.error, -EBUSY);
    ck_assert_uint_eq(outcome.nvme_status, 0x121);
    ck_assert_str_eq(outcome.reason, "job 7: Device or resource busy");
    ck_assert_uint_eq(outcome.fd_count, 0);
    run(JOB_COUNT, NULL, &outcome);
    ck_assert_int_eq(outcome.error, -ENOSYS);
}
END_TEST

START_TEST(idle_helpers_are_used_again)
{
    struct outcome outcome;

    for (unsigned i = 0; i < 20; i++)
        run(JOB_ECHO, "x", &outcome);
    ck_assert_uint_eq(helper_pool_counts(pool).idle, 1);
    ck_assert_uint_eq(helper_pool_counts(pool).busy, 0);
}
END_TEST

START_TEST(jobs_wait_when_all_helpers_work)
{
    struct outcome outcomes[12] = {{0}};

    for (unsigned i = 0; i < 12; i++)
        start(NULL, JOB_ECHO, "x", DEADLINE, &outcomes[i]);
    ck_assert_uint_eq(helper_pool_counts(pool).busy, HELPERS_MAX);
    ck_assert_uint_eq(helper_pool_counts(pool).waiting, 12 - HELPERS_MAX);
    for (unsigned i = 0; i < 12; i++) {
        finish(&outcomes[i]);
        ck_assert_int_eq(outcomes[i].error, 0);
    }
}
END_TEST

START_TEST(a_stuck_helper_is_left_behind)
{
    struct outcome stuck = {0}, outcome;

    start(NULL, JOB_HANG, NULL, 50, &stuck);
    finish(&stuck);
    ck_assert_int_eq(stuck.error, -ETIMEDOUT);
    ck_assert_ptr_nonnull(strstr(stuck.reason, "left behind"));
    ck_assert_uint_eq(helper_pool_counts(pool).abandoned, 1);
    run(JOB_ECHO, "x", &outcome);
    ck_assert_int_eq(outcome.error, 0);
    while (helper_pool_counts(pool).abandoned)
        event_base_loop(base, EVLOOP_ONCE);
    ck_assert_int_le(waitpid(-1, NULL, WNOHANG), 0);
}
END_TEST

/* Right after the deadline the process cannot have been collected yet, as if it could not be killed. */
static void on_stuck(void *user, struct helper_reply *reply)
{
    struct outcome *outcomes = user;

    ck_assert_int_eq(reply->error, -ETIMEDOUT);
    start(NULL, JOB_ECHO, "x", DEADLINE, &outcomes[1]);
    outcomes[0].calls++;
}

START_TEST(too_many_stuck_helpers_are_not_waited_for)
{
    const struct helper_request request = {.job = JOB_HANG, .deadline_milliseconds = 50};
    struct helper_pool *other = pool;
    struct outcome outcomes[2] = {{0}};

    ck_assert_int_eq(helper_pool_new(base, "/proc/self/exe", 1, &pool), 0);
    ck_assert_int_eq(helper_run(pool, NULL, &request, on_stuck, outcomes), 0);
    finish(&outcomes[0]);
    finish(&outcomes[1]);
    ck_assert_int_eq(outcomes[1].error, -EAGAIN);
    while (helper_pool_counts(pool).abandoned)
        event_base_loop(base, EVLOOP_ONCE);
    run(JOB_ECHO, "x", &outcomes[1]);
    ck_assert_int_eq(outcomes[1].error, 0);
    helper_pool_free(pool);
    pool = other;
}
END_TEST

START_TEST(a_dead_helper_fails_its_job_only)
{
    struct outcome outcome;

    run(JOB_DIE, NULL, &outcome);
    ck_assert_int_eq(outcome.error, -EPIPE);
    ck_assert_ptr_nonnull(strstr(outcome.reason, "status 3"));
    run(JOB_ECHO, "x", &outcome);
    ck_assert_int_eq(outcome.error, 0);
}
END_TEST

START_TEST(without_a_program_jobs_fail_later)
{
    struct helper_pool *working = pool;
    struct outcome outcome;

    ck_assert_int_eq(helper_pool_new(base, "/nonexistent", 2, &pool), 0);
    run(JOB_ECHO, "x", &outcome);
    ck_assert_int_eq(outcome.error, -ENOENT);
    helper_pool_free(pool);
    pool = working;
}
END_TEST

START_TEST(helpers_hold_nothing)
{
    int inherited = eventfd(0, 0);
    struct outcome outcome;
    unsigned count;

    for (unsigned i = 0; i < 3; i++) {
        run(JOB_PIPE, NULL, &outcome);
        close(outcome.fds[0]);
        close(outcome.fds[1]);
    }
    run(JOB_FAIL, NULL, &outcome);
    run(JOB_DESCRIPTORS, NULL, &outcome);
    memcpy(&count, outcome.data, sizeof(count));
    /* Standard input, output and error, and the socket. */
    ck_assert_uint_eq(count, 4);
    close(inherited);
}
END_TEST

START_TEST(descriptors_come_back)
{
    struct outcome outcome;
    char byte = 0;

    run(JOB_PIPE, NULL, &outcome);
    ck_assert_uint_eq(outcome.fd_count, 2);
    ck_assert_int_eq(write(outcome.fds[1], "y", 1), 1);
    ck_assert_int_eq(read(outcome.fds[0], &byte, 1), 1);
    ck_assert_int_eq(byte, 'y');
    /* The helper has let go of its copies: the reader sees the end. */
    close(outcome.fds[1]);
    ck_assert_int_eq(read(outcome.fds[0], &byte, 1), 0);
    close(outcome.fds[0]);
}
END_TEST

START_TEST(descriptors_given_are_gone_before_the_job_begins)
{
    struct outcome outcome = {0};
    int fds[2];

    ck_assert_int_eq(pipe(fds), 0);
    const struct helper_request request = {
        .job = JOB_CLOSED, .fds = fds, .fd_count = 2, .take_fds = true, .deadline_milliseconds = DEADLINE};
    ck_assert_int_eq(helper_run(pool, NULL, &request, on_done, &outcome), 0);
    finish(&outcome);
    ck_assert_int_eq(outcome.error, 0);
    ck_assert_uint_eq(outcome.data[0], 1);
    ck_assert_int_eq(fcntl(fds[0], F_GETFD), -1);
    ck_assert_int_eq(fcntl(fds[1], F_GETFD), -1);
}
END_TEST

START_TEST(the_loop_leaks_nothing)
{
    struct outcome outcome;
    unsigned before;

    run(JOB_ECHO, "x", &outcome);
    before = count_fds();
    for (unsigned i = 0; i < 10; i++) {
        struct outcome stuck = {0};
        run(JOB_DIE, NULL, &outcome);
        run(JOB_FAIL, NULL, &outcome);
        run(JOB_PIPE, NULL, &outcome);
        close(outcome.fds[0]);
        close(outcome.fds[1]);
        start(NULL, JOB_HANG, NULL, 10, &stuck);
        finish(&stuck);
    }
    while (helper_pool_counts(pool).abandoned)
        event_base_loop(base, EVLOOP_ONCE);
    run(JOB_ECHO, "x", &outcome);
    ck_assert_uint_eq(count_fds(), before);
}
END_TEST

START_TEST(a_lane_keeps_its_order)
{
    struct outcome outcomes[16] = {{0}};
    struct helper_lane lane = {0};
    char text[2] = "a", seen[17] = "";
    int fds[2];

    ck_assert_int_eq(pipe(fds), 0);
    for (unsigned i = 0; i < 16; i++) {
        text[0] = (char)('a' + i);
        const struct helper_request request = {.job = JOB_APPEND,
                                               .data = text,
                                               .bytes = 1,
                                               .fds = &fds[1],
                                               .fd_count = 1,
                                               .deadline_milliseconds = DEADLINE};
        ck_assert_int_eq(helper_run(pool, &lane, &request, on_done, &outcomes[i]), 0);
        ck_assert_uint_le(helper_pool_counts(pool).busy, 1);
    }
    for (unsigned i = 0; i < 16; i++)
        finish(&outcomes[i]);
    ck_assert_int_eq(read(fds[0], seen, 16), 16);
    ck_assert_str_eq(seen, "abcdefghijklmnop");
    close(fds[0]);
    close(fds[1]);
}
END_TEST

START_TEST(a_cancelled_lane_says_nothing)
{
    struct outcome first = {0}, second = {0}, other;
    struct helper_lane *lane = calloc(1, sizeof(*lane));

    start(lane, JOB_ECHO, "x", DEADLINE, &first);
    start(lane, JOB_ECHO, "y", DEADLINE, &second);
    helper_cancel(pool, lane);
    free(lane);
    ck_assert_uint_eq(helper_pool_counts(pool).waiting, 0);
    run(JOB_ECHO, "x", &other);
    while (helper_pool_counts(pool).busy)
        event_base_loop(base, EVLOOP_ONCE);
    ck_assert_uint_eq(first.calls, 0);
    ck_assert_uint_eq(second.calls, 0);
}
END_TEST

START_TEST(too_much_is_refused)
{
    static char text[HELPER_BYTES_MAX + 1];
    struct outcome outcome = {0};
    struct helper_request request = {.data = text, .bytes = sizeof(text)};
    const int bad = -1;

    ck_assert_int_eq(helper_run(pool, NULL, &request, on_done, &outcome), -EINVAL);
    request = (struct helper_request){.fds = &bad, .fd_count = HELPER_FDS_MAX + 1};
    ck_assert_int_eq(helper_run(pool, NULL, &request, on_done, &outcome), -EINVAL);
    request.fd_count = 1;
    ck_assert_int_eq(helper_run(pool, NULL, &request, on_done, &outcome), -EBADF);
}
END_TEST

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--helper") == 0)
        return helper_serve(3, jobs, JOB_COUNT);

    Suite *suite = suite_create("helper");
    TCase *tests = tcase_create("helper");
    SRunner *runner = srunner_create(suite);

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_set_timeout(tests, 30);
    tcase_add_test(tests, a_job_answers);
    tcase_add_test(tests, a_job_fails_with_words);
    tcase_add_test(tests, idle_helpers_are_used_again);
    tcase_add_test(tests, jobs_wait_when_all_helpers_work);
    tcase_add_test(tests, a_stuck_helper_is_left_behind);
    tcase_add_test(tests, too_many_stuck_helpers_are_not_waited_for);
    tcase_add_test(tests, a_dead_helper_fails_its_job_only);
    tcase_add_test(tests, without_a_program_jobs_fail_later);
    tcase_add_test(tests, helpers_hold_nothing);
    tcase_add_test(tests, descriptors_come_back);
    tcase_add_test(tests, descriptors_given_are_gone_before_the_job_begins);
    tcase_add_test(tests, the_loop_leaks_nothing);
    tcase_add_test(tests, a_lane_keeps_its_order);
    tcase_add_test(tests, a_cancelled_lane_says_nothing);
    tcase_add_test(tests, too_much_is_refused);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
