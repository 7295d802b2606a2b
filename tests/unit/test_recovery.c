/* SPDX-License-Identifier: BSD-3-Clause */
/* homi_recover(): which queue pairs are made anew, what becomes of their commands, and replies not believed.
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "tests/unit/client_fixture.h"

#define NONE_LEFT "{\"parameters\":{\"queuePairs\":[]}}"
#define ONE_LEFT  "{\"parameters\":{\"queuePairs\":[{\"virtualFunction\":\"0000:01:00.1\",\"queuePair\":1}]}}"
#define RESET                                                                                                \
    "{\"error\":\"" TENANT "FunctionReset\",\"parameters\":{\"virtualFunction\":\"v\",\"reason\":\"r\"}}"
#define REVOKED                                                                                              \
    "{\"error\":\"" TENANT "LeaseRevoked\",\"parameters\":{\"lease\":\"blue-1\",\"reason\":\"r\"}}"

static struct homi_namespace namespace = {.id = 2};
static uint64_t cookies[8];
static unsigned lost_count;

static void on_lost(void *user, struct homi_queue_pair *pair, uint64_t cookie)
{
    ck_assert_ptr_eq(user, &fixture);
    ck_assert_ptr_nonnull(pair);
    ck_assert_uint_lt(lost_count, 8);
    cookies[lost_count++] = cookie;
}

static struct homi_queue_pair *new_pair(struct homi_lease *lease)
{
    const struct homi_queue_options options = {.entries = 8};
    struct homi_queue_pair *pair = NULL;

    ck_assert_int_eq(homi_queue_pair_new(lease, &options, &pair), 0);
    return pair;
}

START_TEST(a_pair_is_made_anew_in_the_same_memory)
{
    struct fake_step steps[] = {
        {.reply = REGION}, {.reply = PAIR}, {.reply = NONE_LEFT}, {.reply = PAIR_TWO}};
    struct homi_lease *lease = client_attach(steps, 4);
    struct homi_queue_pair *pair = new_pair(lease);
    struct homi_queue *queue = homi_queue_pair_queue(pair);
    const char *asked = strstr(fake_homid_heard(fixture.fake), "\"entries\"");
    unsigned char *sq = queue->sq;
    uint32_t doorbell;

    for (uint64_t cookie = 40; cookie < 43; cookie++)
        ck_assert_int_eq(homi_queue_flush(queue, &namespace, cookie), 0);
    ck_assert_int_eq(homi_recover(lease, on_lost, &fixture), 0);
    ck_assert_uint_eq(lost_count, 3);
    ck_assert_uint_eq(cookies[0] + cookies[1] + cookies[2], 40 + 41 + 42);
    ck_assert_uint_eq(homi_queue_pair_id(pair), 2);
    ck_assert_ptr_eq(queue->sq, sq);
    /* What was asked for the first time is asked again, but for the request's number. */
    const char *again = strstr(asked + 1, "\"entries\"");
    ck_assert_ptr_nonnull(again);
    ck_assert_int_eq(strncmp(asked, again, strcspn(asked, "\n")), 0);
    ck_assert_int_eq(homi_queue_flush(queue, &namespace, 50), 0);
    ck_assert_int_eq(pread(fixture.bar, &doorbell, sizeof(doorbell), 4112), sizeof(doorbell));
    ck_assert_uint_eq(doorbell, 1);
}
END_TEST

START_TEST(a_pair_that_is_there_is_left_alone)
{
    struct fake_step steps[] = {{.reply = REGION}, {.reply = PAIR}, {.reply = ONE_LEFT}};
    struct homi_lease *lease = client_attach(steps, 3);
    struct homi_queue_pair *pair = new_pair(lease);

    ck_assert_int_eq(homi_queue_flush(homi_queue_pair_queue(pair), &namespace, 40), 0);
    ck_assert_int_eq(homi_recover(lease, on_lost, &fixture), 0);
    ck_assert_uint_eq(lost_count, 0);
    ck_assert_uint_eq(homi_queue_pair_id(pair), 1);
}
END_TEST

/* A pair made since the reset has the id of one that it took: the older one is meant to be gone. */
START_TEST(an_id_that_was_given_again)
{
    struct fake_step steps[] = {
        {.reply = REGION}, {.reply = PAIR}, {.reply = PAIR}, {.reply = ONE_LEFT}, {.reply = PAIR_TWO}};
    struct homi_lease *lease = client_attach(steps, 5);
    struct homi_queue_pair *older = new_pair(lease), *newer = new_pair(lease);

    ck_assert_int_eq(homi_recover(lease, NULL, NULL), 0);
    ck_assert_uint_eq(homi_queue_pair_id(newer), 1);
    ck_assert_uint_eq(homi_queue_pair_id(older), 2);
}
END_TEST

START_TEST(a_second_reset_in_between)
{
    struct fake_step steps[] = {{.reply = REGION}, {.reply = PAIR},      {.reply = NONE_LEFT},
                                {.reply = RESET},  {.reply = NONE_LEFT}, {.reply = PAIR_TWO}};
    struct homi_lease *lease = client_attach(steps, 6);
    struct homi_queue_pair *pair = new_pair(lease);

    ck_assert_int_eq(homi_queue_flush(homi_queue_pair_queue(pair), &namespace, 40), 0);
    ck_assert_int_eq(homi_recover(lease, on_lost, &fixture), HOMI_REFUSED_FUNCTION_RESET);
    ck_assert_int_eq(homi_recover(lease, on_lost, &fixture), 0);
    ck_assert_uint_eq(lost_count, 1);
    ck_assert_uint_eq(homi_queue_pair_id(pair), 2);
}
END_TEST

START_TEST(functions_that_do_not_come_back)
{
    struct fake_step steps[] = {{.reply = REGION}, {.reply = PAIR}, {.reply = REVOKED}};
    struct homi_lease *lease = client_attach(steps, 3);

    new_pair(lease);
    ck_assert_int_eq(homi_recover(lease, on_lost, &fixture), HOMI_REFUSED_LEASE_REVOKED);
    ck_assert_uint_eq(lost_count, 0);
}
END_TEST

/* Freed while it is gone, it is not deleted under the id that another one may have by now. */
START_TEST(a_pair_that_is_gone_is_freed_here_alone)
{
    struct fake_step steps[] = {{.reply = REGION}, {.reply = PAIR}, {.reply = NONE_LEFT}, {.reply = RESET}};
    struct homi_lease *lease = client_attach(steps, 4);
    struct homi_queue_pair *pair = new_pair(lease);

    ck_assert_int_eq(homi_recover(lease, NULL, NULL), HOMI_REFUSED_FUNCTION_RESET);
    homi_queue_pair_free(pair);
    ck_assert_ptr_null(strstr(fake_homid_heard(fixture.fake), "DeleteQueuePair"));
}
END_TEST

START_TEST(an_interrupt_pair_has_its_eventfd_anew)
{
    static const char with_event[] =
        "{\"parameters\":{\"queuePair\":1,\"submissionDoorbellOffsetBytes\":4104,"
        "\"completionDoorbellOffsetBytes\":4108,\"eventFd\":0}}";
    struct fake_step steps[] = {{.reply = REGION},
                                {.reply = with_event, .fds = {eventfd(0, EFD_NONBLOCK)}, .fd_count = 1},
                                {.reply = NONE_LEFT},
                                {.reply = with_event, .fds = {eventfd(1, EFD_NONBLOCK)}, .fd_count = 1}};
    struct homi_lease *lease = client_attach(steps, 4);
    const struct homi_queue_options options = {.entries = 8, .interrupt = true};
    struct homi_queue_pair *pair = NULL;
    uint64_t count;

    ck_assert_int_eq(homi_queue_pair_new(lease, &options, &pair), 0);
    ck_assert_int_eq(read(homi_queue_pair_event_fd(pair), &count, sizeof(count)), -1);
    ck_assert_int_eq(homi_recover(lease, NULL, NULL), 0);
    ck_assert_int_eq(read(homi_queue_pair_event_fd(pair), &count, sizeof(count)), sizeof(count));
}
END_TEST

static const char *const bad_replies[] = {
    "{}",
    "{\"parameters\":{\"queuePairs\":7}}",
    "{\"parameters\":{\"queuePairs\":[7]}}",
    "{\"parameters\":{\"queuePairs\":[{\"queuePair\":1}]}}",
    "{\"parameters\":{\"queuePairs\":[{\"virtualFunction\":\"v\",\"queuePair\":0}]}}",
    "{\"parameters\":{\"queuePairs\":[{\"virtualFunction\":\"v\",\"queuePair\":65536}]}}",
};

START_TEST(a_list_that_makes_no_sense_is_a_breach)
{
    struct fake_step steps[] = {{.reply = REGION}, {.reply = PAIR}, {.reply = bad_replies[_i]}};
    struct homi_lease *lease = client_attach(steps, 3);

    new_pair(lease);
    ck_assert_int_eq(homi_recover(lease, NULL, NULL), -EPROTO);
    ck_assert_int_eq(homi_recover(lease, NULL, NULL), -ENOTCONN);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("recovery");
    TCase *cases = client_test_case(suite, "recovery");

    tcase_add_test(cases, a_pair_is_made_anew_in_the_same_memory);
    tcase_add_test(cases, a_pair_that_is_there_is_left_alone);
    tcase_add_test(cases, an_id_that_was_given_again);
    tcase_add_test(cases, a_second_reset_in_between);
    tcase_add_test(cases, functions_that_do_not_come_back);
    tcase_add_test(cases, a_pair_that_is_gone_is_freed_here_alone);
    tcase_add_test(cases, an_interrupt_pair_has_its_eventfd_anew);
    tcase_add_loop_test(cases, a_list_that_makes_no_sense_is_a_breach, 0, COUNT(bad_replies));
    return client_run(suite);
}
