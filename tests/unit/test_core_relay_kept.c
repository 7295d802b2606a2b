/* SPDX-License-Identifier: BSD-3-Clause */
/* Relayed processes under the next homid: their pages of doorbells and queue pairs go on, or are lost for a
 * reason. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/core_fixture.h"

enum { FIRST = 1, SECOND, THIRD, FOURTH }; /* connections */

static struct fixture fixture;
static struct hw_function *function;
static struct core_client *client;
static struct answer lease, region, pair, other;

static void join_green(struct core_client *process, const char *name, struct answer *ret_answer)
{
    static const char *const devices[] = {"ssd0"};

    attach(process,
           (struct core_attach_request){
               .lease = name, .mode = CORE_ATTACH_FRESH, .devices = devices, .device_count = 1},
           ret_answer);
    fixture_run(&fixture);
}

static void create(unsigned slot, struct answer *ret_answer)
{
    memset(ret_answer, 0, sizeof(*ret_answer));
    create_pair(client, &lease, &region, slot, false, ret_answer);
}

static void set_up(void)
{
    fixture_init(&fixture, 1);
    fixture.keeps = true;
    fixture_new(&fixture);
    core_start(fixture.core);
    fixture_run(&fixture);
    client = fixture_client_at(&fixture, GREEN, FIRST);
    join_green(client, NULL, &lease);
    check_granted(&lease);
    ck_assert(lease.relayed);
    register_memory(client, &lease, 1 << 20, &region);
    fixture_run(&fixture);
    create(0, &pair);
    fixture_run(&fixture);
    ck_assert_int_eq(pair.error.code, 0);
    function = &fixture.fake.devices[0].functions[0];
    ck_assert(function->forwarded[pair.queue]);
}

static void tear_down(void)
{
    check_invariants(&fixture);
    core_client_gone(client);
    fixture_settle(&fixture);
    check_clean(&fixture);
    ck_assert_uint_eq(functions_in(&fixture, "ready"), 4);
    ck_assert_uint_eq(fixture_records(&fixture, CORE_RECORD_HOLDER), 0);
    fixture_fini(&fixture);
}

static bool never(void)
{
    return false;
}

static bool always(void)
{
    return true;
}

static void next_homid(bool (*happens)(void))
{
    fixture_die(&fixture, happens);
    client = fixture_client_at(&fixture, GREEN, FIRST);
    fixture_restore(&fixture);
    fixture_run(&fixture);
}

static void see_count(void *user, const struct core_queue_view *view)
{
    (void)user;
    ck_assert(view->counted);
    ck_assert_uint_eq(view->commands, 1000u * view->id);
}

START_TEST(its_commands_are_counted)
{
    core_each_queue(fixture.core, see_count, NULL);
}
END_TEST

START_TEST(its_doorbells_are_forwarded_all_the_time)
{
    int page = lease.page_fd;

    for (unsigned i = 0; i < 3; i++) {
        next_homid(never);
        ck_assert(fixture.fake.settled);
        ck_assert(function->forwarded[pair.queue]);
        ck_assert_ptr_nonnull(function->pairs[pair.queue].page);
        ck_assert_uint_eq(fake_totals(&fixture.fake).pages, 1);
        ck_assert_uint_eq(lease_count(&fixture), 1);
    }
    join_green(client, lease.lease, &other);
    check_granted(&other);
    ck_assert_int_eq(other.page_fd, page);
    ck_assert_uint_eq(fixture.fake.discarded, 0);
    create(1, &other);
    fixture_run(&fixture);
    ck_assert_int_eq(other.error.code, 0);
    ck_assert_ptr_eq(function->pairs[other.queue].page, function->pairs[pair.queue].page);
}
END_TEST

START_TEST(nothing_is_dropped_before_all_is_taken_over)
{
    fixture_die(&fixture, never);
    client = fixture_client_at(&fixture, GREEN, FIRST);
    fixture_restore(&fixture);
    ck_assert(!fixture.fake.settled);
    ck_assert(function->forwarded[pair.queue]);
    fixture_run(&fixture);
    ck_assert(fixture.fake.settled);
}
END_TEST

/* The relay may have it or not: it lets go before the queue pair is deleted, which fake_backend.c checks. */
static void made_half(bool (*happens)(void))
{
    create(1, &other);
    next_homid(happens);
    ck_assert_uint_eq(fake_totals(&fixture.fake).pairs, 1);
    ck_assert(!function->forwarded[2]);
    create(1, &other);
    fixture_run(&fixture);
    ck_assert_uint_eq(other.queue, 2);
    ck_assert(function->forwarded[2]);
}

START_TEST(a_queue_pair_that_was_being_made_is_undone)
{
    made_half(_i ? always : never);
}
END_TEST

START_TEST(a_queue_pair_that_was_being_deleted_is_gone)
{
    core_delete_queue_pair(client, lease.lease, lease.functions[0], pair.queue, on_plain, &other);
    next_homid(never);
    ck_assert_uint_eq(fake_totals(&fixture.fake).pairs, 0);
    ck_assert(!function->forwarded[pair.queue]);
    ck_assert_uint_eq(fake_totals(&fixture.fake).pages, 1);
}
END_TEST

START_TEST(a_process_that_ended_meanwhile_leaves_nothing)
{
    fixture_die(&fixture, never);
    client = NULL;
    fixture_restore(&fixture);
    fixture_run(&fixture);
    ck_assert_uint_eq(lease_count(&fixture), 0);
    ck_assert_uint_eq(fake_totals(&fixture.fake).pages, 0);
}
END_TEST

/* ---- what is lost ---- */

static void check_lost(const char *reason)
{
    struct answer answer = {0};

    ck_assert_uint_eq(fake_totals(&fixture.fake).pairs, 0);
    ck_assert_uint_eq(fake_totals(&fixture.fake).pages, 0);
    create_pair(client, &lease, &region, 1, false, &answer);
    fixture_run(&fixture);
    check_refused(&answer, CORE_REFUSED_LEASE_REVOKED);
    ck_assert_str_eq(answer.error.text, reason);
}

static void lose_page(void)
{
    for (unsigned i = 0; i < FIXTURE_RECORDS; i++) {
        if (fixture.keeper.records[i].kind == CORE_RECORD_HOLDER)
            fixture.keeper.records[i].kept = 0;
    }
}

START_TEST(a_page_that_was_not_kept_costs_the_lease)
{
    fixture_die(&fixture, never);
    lose_page();
    client = fixture_client_at(&fixture, GREEN, FIRST);
    fixture_restore(&fixture);
    fixture_run(&fixture);
    check_lost("its doorbells were lost when homid was restarted");
}
END_TEST

START_TEST(a_page_that_makes_no_sense_costs_the_lease)
{
    fixture.fake.fail_page = -EPROTO;
    next_homid(never);
    check_lost("its doorbells could not be taken over when homid was restarted");
}
END_TEST

START_TEST(who_was_direct_and_is_not_trusted_any_more_loses_its_lease)
{
    core_client_gone(client);
    fixture_settle(&fixture);
    fixture.tenants[1].direct = fixture.tenants[1].trusted = true;
    client = fixture_client_at(&fixture, GREEN, FIRST);
    join_green(client, NULL, &lease);
    check_granted(&lease);
    ck_assert(!lease.relayed);
    fixture.tenants[1].direct = fixture.tenants[1].trusted = false;
    next_homid(never);
    check_lost("homid was restarted, and its tenant is to be relayed now");
}
END_TEST

START_TEST(who_was_relayed_and_is_trusted_now_goes_on)
{
    fixture.tenants[1].direct = fixture.tenants[1].trusted = true;
    next_homid(never);
    ck_assert(function->forwarded[pair.queue]);
    join_green(client, lease.lease, &other);
    check_granted(&other);
    ck_assert(other.relayed);
}
END_TEST

START_TEST(pages_of_a_function_that_cannot_be_taken_over_are_closed)
{
    fixture_die(&fixture, never);
    client = fixture_client_at(&fixture, GREEN, FIRST);
    fixture_restore(&fixture);
    ck_assert_int_eq(fake_kind(&fixture.fake, 0), FAKE_ADOPT); /* of the first function */
    fake_step_with(&fixture.fake, 0, -EPROTO);
    fixture_settle(&fixture);
    ck_assert_uint_eq(fixture.fake.discarded, 1);
    check_lost("taking the function over: adopt fails");
    /* Its namespace could not be detached before the device was looked at. */
    core_retry(fixture.core, "ssd0", NULL, on_plain, &other);
    fixture_settle(&fixture);
}
END_TEST

/* ---- how many there may be ---- */

START_TEST(no_more_processes_than_queue_pairs)
{
    struct core_client *more[3];

    for (unsigned i = 0; i < 3; i++) {
        more[i] = fixture_client_at(&fixture, GREEN, SECOND + i);
        join_green(more[i], lease.lease, &other);
        if (i < 2)
            check_granted(&other);
    }
    check_refused(&other, CORE_REFUSED_NO_QUEUE_PAIR_FREE);
    ck_assert_int_eq(other.error.limit, 3);
    ck_assert_uint_eq(fake_totals(&fixture.fake).pages, 3);
    /* Who takes any lease gets one of its own. */
    attach(more[2], (struct core_attach_request){.mode = CORE_ATTACH_ANY}, &other);
    fixture_run(&fixture);
    check_granted(&other);
    ck_assert_str_ne(other.lease, lease.lease);
    core_client_gone(more[0]);
    fixture_run(&fixture);
    join_green(more[2], lease.lease, &other);
    check_granted(&other);
    core_client_gone(more[1]);
    core_client_gone(more[2]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("core relay kept");
    TCase *tcase = tcase_create("relayed");

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, its_commands_are_counted);
    tcase_add_test(tcase, its_doorbells_are_forwarded_all_the_time);
    tcase_add_test(tcase, nothing_is_dropped_before_all_is_taken_over);
    tcase_add_loop_test(tcase, a_queue_pair_that_was_being_made_is_undone, 0, 2);
    tcase_add_test(tcase, a_queue_pair_that_was_being_deleted_is_gone);
    tcase_add_test(tcase, a_process_that_ended_meanwhile_leaves_nothing);
    tcase_add_test(tcase, a_page_that_was_not_kept_costs_the_lease);
    tcase_add_test(tcase, a_page_that_makes_no_sense_costs_the_lease);
    tcase_add_test(tcase, who_was_direct_and_is_not_trusted_any_more_loses_its_lease);
    tcase_add_test(tcase, who_was_relayed_and_is_trusted_now_goes_on);
    tcase_add_test(tcase, pages_of_a_function_that_cannot_be_taken_over_are_closed);
    tcase_add_test(tcase, no_more_processes_than_queue_pairs);
    suite_add_tcase(suite, tcase);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
