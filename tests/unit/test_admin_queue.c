/* SPDX-License-Identifier: BSD-3-Clause */
/* The admin queue driver against a controller that lives in the test and may say anything. */
#include <check.h>
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/hw/admin_queue.h"

#define SUBMISSION_IOVA UINT64_C(0x10000)
#define WRITTEN_IOVA    UINT64_C(0x20000)

enum { PAGE = 4096, IDENTIFY = 6, ASYNC_EVENT = 12 };

struct submitted {
    uint8_t opcode, flags;
    uint16_t cid;
    uint32_t nsid;
    uint64_t reserved, mptr, prp1, prp2;
    uint32_t dwords[6];
};

struct completed {
    uint32_t value, reserved;
    uint16_t head, queue_id, cid, status;
};

/* Each case runs in a process of its own, so this starts as it is written here. */
static _Alignas(PAGE) uint8_t submission[ADMIN_SUBMISSION_BYTES];
static _Alignas(PAGE) uint8_t written[ADMIN_WRITTEN_BYTES];
static _Alignas(8) uint8_t ring[ADMIN_RING_BYTES];
static struct admin_queue *queue;
static unsigned tail_doorbell, head_doorbell, taken, produced, phase = 1;
static unsigned done_count, event_count, failure_count, ring_count;
static struct admin_completion last;
static uint8_t last_data[ADMIN_DATA_BYTES];
static uint32_t last_event;
static void *last_user;

static void ring_submission(void *user, uint16_t tail)
{
    (void)user;
    ck_assert_uint_lt(tail, ADMIN_ENTRIES);
    tail_doorbell = tail;
    ring_count++;
}

static void ring_completion(void *user, uint16_t head)
{
    (void)user;
    head_doorbell = head;
}

static void on_event(void *user, uint32_t value)
{
    (void)user;
    event_count++;
    last_event = value;
}

static void on_failed(void *user, const char *reason)
{
    (void)user;
    ck_assert_str_ne(reason, "");
    failure_count++;
}

static void on_done(void *user, const struct admin_completion *completion)
{
    done_count++;
    last = *completion;
    last_user = user;
    if (completion->data)
        memcpy(last_data, completion->data, sizeof(last_data));
}

static void set_up(void)
{
    const struct admin_memory memory = {.submission = submission,
                                        .written = written,
                                        .ring = ring,
                                        .submission_iova = SUBMISSION_IOVA,
                                        .written_iova = WRITTEN_IOVA};
    const struct admin_listener listener = {ring_submission, ring_completion, on_event, on_failed, NULL};

    memset(written, 0xff, sizeof(written));
    ck_assert_int_eq(admin_queue_new(&memory, &listener, &queue), 0);
}

static void tear_down(void)
{
    admin_queue_free(queue);
}

static void submit(void *user, bool data)
{
    const struct admin_command command = {
        .opcode = IDENTIFY, .namespace_id = 3, .dword10 = 1, .dword11 = 2, .prp1 = 0x5000, .data = data};

    ck_assert_int_eq(admin_queue_submit(queue, &command, on_done, user), 0);
}

/* As the controller: takes the next entry. */
static struct submitted fetch(void)
{
    struct submitted entry;

    ck_assert_uint_ne(taken, tail_doorbell);
    memcpy(&entry, submission + taken * sizeof(entry), sizeof(entry));
    taken = (taken + 1) % ADMIN_ENTRIES;
    return entry;
}

static void post(struct completed entry)
{
    entry.status = htole16((uint16_t)(entry.status << 1 | phase));
    memcpy(written + produced * sizeof(entry), &entry, sizeof(entry));
    produced = (produced + 1) % ADMIN_ENTRIES;
    phase ^= produced == 0;
}

static void answer(struct submitted entry, uint16_t status, uint32_t value)
{
    post((struct completed){
        .value = htole32(value), .head = htole16((uint16_t)taken), .cid = entry.cid, .status = status});
}

START_TEST(a_command_and_its_answer)
{
    int mark;

    submit(&mark, true);
    struct submitted entry = fetch();
    ck_assert_uint_eq(entry.opcode, IDENTIFY);
    ck_assert_uint_eq(le32toh(entry.nsid), 3);
    ck_assert_uint_eq(le32toh(entry.dwords[0]), 1);
    ck_assert_uint_eq(le32toh(entry.dwords[1]), 2);
    ck_assert_uint_eq(entry.prp2, 0);
    uint64_t page = le64toh(entry.prp1) - WRITTEN_IOVA;
    ck_assert_uint_ge(page, PAGE);
    ck_assert_uint_le(page, sizeof(written) - PAGE);
    memset(written + page, 0x5a, PAGE);
    admin_queue_process(queue);
    ck_assert_uint_eq(done_count, 0);
    answer(entry, 0, 77);
    admin_queue_process(queue);
    ck_assert_uint_eq(done_count, 1);
    ck_assert_ptr_eq(last_user, &mark);
    ck_assert_int_eq(last.error, 0);
    ck_assert_uint_eq(last.value, 77);
    ck_assert_uint_eq(last_data[0], 0x5a);
    ck_assert_uint_eq(last_data[PAGE - 1], 0x5a);
    ck_assert_uint_eq(head_doorbell, 1);
}
END_TEST

START_TEST(a_refusal_carries_its_status)
{
    submit(NULL, false);
    struct submitted entry = fetch();
    ck_assert_uint_eq(le64toh(entry.prp1), 0x5000);
    answer(entry, 0x4000 | 0x121, 0);
    admin_queue_process(queue);
    ck_assert_int_eq(last.error, -EIO);
    ck_assert_uint_eq(last.status, 0x121);
    ck_assert_ptr_null(last.data);
}
END_TEST

START_TEST(nothing_of_the_last_command_is_left_in_its_page)
{
    submit(NULL, true);
    struct submitted entry = fetch();
    memset(written + le64toh(entry.prp1) - WRITTEN_IOVA, 0x5a, PAGE);
    answer(entry, 0, 0);
    admin_queue_process(queue);
    submit(NULL, true);
    answer(fetch(), 0, 0);
    admin_queue_process(queue);
    for (unsigned i = 0; i < PAGE; i++)
        ck_assert_uint_eq(last_data[i], 0);
}
END_TEST

START_TEST(rings_wrap_many_times)
{
    for (unsigned i = 0; i < 10 * ADMIN_ENTRIES; i++) {
        submit(NULL, i % 2);
        answer(fetch(), 0, i);
        admin_queue_process(queue);
        ck_assert_uint_eq(done_count, i + 1);
        ck_assert_uint_eq(last.value, i);
        ck_assert_uint_eq(head_doorbell, (i + 1) % ADMIN_ENTRIES);
    }
    ck_assert_uint_eq(failure_count, 0);
}
END_TEST

START_TEST(more_commands_than_slots_wait_their_turn)
{
    struct submitted entries[ADMIN_COMMANDS_MAX];
    unsigned total = 3 * ADMIN_COMMANDS_MAX;

    for (unsigned i = 0; i < total; i++)
        submit(NULL, true);
    ck_assert_uint_eq(admin_queue_pending(queue), total);
    ck_assert_uint_eq(tail_doorbell, ADMIN_COMMANDS_MAX);
    while (done_count < total) {
        unsigned count = 0;
        while (taken != tail_doorbell)
            entries[count++] = fetch();
        ck_assert_uint_eq(count, ADMIN_COMMANDS_MAX);
        /* In the reverse order: completions need not come as commands went. */
        while (count-- > 0)
            answer(entries[count], 0, 0);
        admin_queue_process(queue);
    }
    ck_assert_uint_eq(done_count, total);
    ck_assert_uint_eq(admin_queue_pending(queue), 0);
}
END_TEST

static void expect_failure(struct completed entry)
{
    submit(NULL, true);
    struct submitted command = fetch();
    if (entry.cid == 0)
        entry.cid = command.cid;
    else
        entry.cid = htole16((uint16_t)(le16toh(command.cid) ^ entry.cid));
    post(entry);
    admin_queue_process(queue);
    ck_assert_uint_eq(failure_count, 1);
    ck_assert_uint_eq(done_count, 0);
    const struct admin_command another = {.opcode = IDENTIFY};
    ck_assert_int_eq(admin_queue_submit(queue, &another, on_done, NULL), -EIO);
    admin_queue_fail(queue, -EIO);
    ck_assert_uint_eq(done_count, 1);
    ck_assert_int_eq(last.error, -EIO);
    ck_assert_uint_eq(last.status, 0);
    ck_assert_ptr_null(last.data);
}

START_TEST(a_completion_of_no_command_fails_the_queue)
{
    expect_failure((struct completed){.cid = 1});
}
END_TEST

START_TEST(a_completion_of_an_earlier_command_fails_the_queue)
{
    expect_failure((struct completed){.cid = 0x100});
}
END_TEST

START_TEST(a_completion_beyond_the_slots_fails_the_queue)
{
    expect_failure((struct completed){.cid = 0xff});
}
END_TEST

START_TEST(a_completion_of_another_queue_fails_the_queue)
{
    expect_failure((struct completed){.queue_id = htole16(1)});
}
END_TEST

START_TEST(a_head_beyond_the_queue_fails_the_queue)
{
    expect_failure((struct completed){.head = htole16(ADMIN_ENTRIES)});
}
END_TEST

START_TEST(the_same_completion_twice_fails_the_queue)
{
    submit(NULL, false);
    struct submitted entry = fetch();
    answer(entry, 0, 0);
    answer(entry, 0, 0);
    admin_queue_process(queue);
    ck_assert_uint_eq(done_count, 1);
    ck_assert_uint_eq(failure_count, 1);
}
END_TEST

START_TEST(a_forgotten_command_keeps_its_place)
{
    int mark;

    submit(&mark, true);
    struct submitted late = fetch();
    admin_queue_forget(queue, &mark);
    ck_assert_uint_eq(admin_queue_pending(queue), 0);
    submit(NULL, true);
    struct submitted entry = fetch();
    ck_assert_uint_ne(entry.cid, late.cid);
    ck_assert_uint_ne(entry.prp1, late.prp1);
    answer(late, 0, 1);
    answer(entry, 0, 2);
    admin_queue_process(queue);
    ck_assert_uint_eq(done_count, 1);
    ck_assert_uint_eq(last.value, 2);
    ck_assert_uint_eq(failure_count, 0);
}
END_TEST

START_TEST(a_forgotten_command_that_waited_is_never_sent)
{
    int mark;

    for (unsigned i = 0; i < ADMIN_COMMANDS_MAX; i++)
        submit(NULL, false);
    submit(&mark, false);
    admin_queue_forget(queue, &mark);
    for (unsigned i = 0; i < ADMIN_COMMANDS_MAX; i++)
        answer(fetch(), 0, 0);
    admin_queue_process(queue);
    ck_assert_uint_eq(done_count, ADMIN_COMMANDS_MAX);
    ck_assert_uint_eq(taken, tail_doorbell);
}
END_TEST

START_TEST(event_requests_are_kept_posted)
{
    ring_count = 0;
    admin_queue_post_events(queue, 2);
    admin_queue_post_events(queue, 2);
    ck_assert_uint_eq(ring_count, 1);
    struct submitted first = fetch(), second = fetch();
    ck_assert_uint_eq(taken, tail_doorbell);
    ck_assert_uint_eq(first.opcode, ASYNC_EVENT);
    ck_assert_uint_eq(second.opcode, ASYNC_EVENT);
    ck_assert_uint_eq(admin_queue_pending(queue), 0);
    answer(second, 0, 0x040002);
    admin_queue_process(queue);
    ck_assert_uint_eq(event_count, 1);
    ck_assert_uint_eq(last_event, 0x040002);
    admin_queue_post_events(queue, 2);
    ck_assert_uint_eq(fetch().opcode, ASYNC_EVENT);
    ck_assert_uint_eq(taken, tail_doorbell);
}
END_TEST

START_TEST(event_requests_leave_room_for_commands)
{
    admin_queue_post_events(queue, 100);
    ck_assert_uint_eq(tail_doorbell, ADMIN_EVENTS_MAX);
    for (unsigned i = 0; i < ADMIN_COMMANDS_MAX; i++)
        submit(NULL, false);
    ck_assert_uint_eq(tail_doorbell, ADMIN_EVENTS_MAX + ADMIN_COMMANDS_MAX);
}
END_TEST

static void submit_from_callback(void *user, const struct admin_completion *completion)
{
    (void)completion;
    if (done_count++ == 0)
        ck_assert_int_eq(admin_queue_submit(queue, user, submit_from_callback, user), 0);
}

START_TEST(a_callback_may_submit)
{
    struct admin_command command = {.opcode = IDENTIFY, .data = true};

    ck_assert_int_eq(admin_queue_submit(queue, &command, submit_from_callback, &command), 0);
    for (unsigned i = 0; i < 2; i++) {
        answer(fetch(), 0, 0);
        admin_queue_process(queue);
    }
    ck_assert_uint_eq(done_count, 2);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("admin queue");
    TCase *tests = tcase_create("admin queue");
    SRunner *runner = srunner_create(suite);

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, a_command_and_its_answer);
    tcase_add_test(tests, a_refusal_carries_its_status);
    tcase_add_test(tests, nothing_of_the_last_command_is_left_in_its_page);
    tcase_add_test(tests, rings_wrap_many_times);
    tcase_add_test(tests, more_commands_than_slots_wait_their_turn);
    tcase_add_test(tests, a_completion_of_no_command_fails_the_queue);
    tcase_add_test(tests, a_completion_of_an_earlier_command_fails_the_queue);
    tcase_add_test(tests, a_completion_beyond_the_slots_fails_the_queue);
    tcase_add_test(tests, a_completion_of_another_queue_fails_the_queue);
    tcase_add_test(tests, a_head_beyond_the_queue_fails_the_queue);
    tcase_add_test(tests, the_same_completion_twice_fails_the_queue);
    tcase_add_test(tests, a_forgotten_command_keeps_its_place);
    tcase_add_test(tests, a_forgotten_command_that_waited_is_never_sent);
    tcase_add_test(tests, event_requests_are_kept_posted);
    tcase_add_test(tests, event_requests_leave_room_for_commands);
    tcase_add_test(tests, a_callback_may_submit);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
