/* SPDX-License-Identifier: BSD-3-Clause */
/* Leases that lend functions to software that knows nothing of homid, and how they are taken back. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/core_fixture.h"

static struct fixture fixture;
static struct hw_device *device;
static struct hw_function *function; /* the one that is lent */
static struct answer answer, plain;
static const char *const ssd0[] = {"ssd0"};
static const struct core_keeper nobody = {.pid = NOBODY};

static void set_up(void)
{
    fixture_init(&fixture, 1);
    fixture_start(&fixture);
    device = &fixture.fake.devices[0];
    memset(&plain, 0, sizeof(plain));
}

static void tear_down(void)
{
    check_invariants(&fixture);
    fixture_fini(&fixture);
}

static struct core_attach_request request(enum core_lease_kind kind)
{
    return (struct core_attach_request){
        .tenant = "blue", .devices = ssd0, .device_count = 1, .kind = kind, .user = BLUE};
}

static void allocate(struct core_attach_request terms)
{
    memset(&answer, 0, sizeof(answer));
    core_allocate(fixture.core, &terms, on_attach, &answer);
    fake_run(&fixture.fake);
    function = NULL;
    for (unsigned i = 0; i < FAKE_FUNCTIONS_MAX; i++) {
        if (device->functions[i].on_loan)
            function = &device->functions[i];
    }
}

static void lend(enum core_lease_kind kind)
{
    allocate(request(kind));
    check_granted(&answer);
    ck_assert_ptr_nonnull(function);
}

static void free_lease(bool force)
{
    memset(&plain, 0, sizeof(plain));
    core_free_lease(fixture.core, answer.lease, force, on_plain, &plain);
    fake_run(&fixture.fake);
}

static void check_refusal(struct core_attach_request terms, int code)
{
    allocate(terms);
    check_refused(&answer, code);
    check_clean(&fixture);
    ck_assert_uint_eq(fixture.fake.count[FAKE_LEND], 0);
}

static struct core_lease_view seen;
static char seen_reason[HW_REASON_BYTES], seen_state[16];

static void see(void *user, const struct core_lease_view *view)
{
    (void)user;
    seen = *view;
    strcpy(seen_reason, view->reason ? view->reason : "");
    strcpy(seen_state, view->state);
}

static void look(void)
{
    memset(&seen, 0, sizeof(seen));
    core_each_lease(fixture.core, see, NULL);
}

START_TEST(a_loan_is_the_users_until_it_is_freed)
{
    lend(CORE_LEASE_PASSTHROUGH);
    ck_assert(!function->open);
    ck_assert_uint_ne(function->attached, 0);
    ck_assert_int_eq(function->loan.kind, HW_LOAN_VFIO);
    ck_assert_uint_eq(function->loan.user, BLUE);
    ck_assert_str_eq(function_state(&fixture, 0, function->index), "leased");
    ck_assert_str_ne(answer.node, "");
    look();
    ck_assert_str_eq(seen.kind, "passthrough");
    ck_assert_str_eq(seen_state, "active");
    ck_assert_int_eq(seen.user, BLUE);
    ck_assert_uint_eq(seen.node_count, 1);
    ck_assert(core_converged(fixture.core));
    free_lease(false);
    check_granted(&plain);
    ck_assert(function->open);
    ck_assert_uint_eq(functions_in(&fixture, "ready"), 4);
    check_clean(&fixture);
}
END_TEST

START_TEST(who_does_not_let_go_is_named_and_waited_for)
{
    lend(CORE_LEASE_PASSTHROUGH);
    function->held = true;
    free_lease(false);
    ck_assert_uint_eq(plain.count, 0);
    ck_assert_uint_eq(function->attached, 0); /* the data is out of reach already */
    look();
    ck_assert_str_eq(seen_state, "ending");
    ck_assert_str_ne(seen_reason, "");
    ck_assert_str_eq(function_state(&fixture, 0, function->index), "draining");
    fixture_advance(&fixture, 20000);
    ck_assert_uint_eq(plain.count, 0);
    ck_assert(core_converged(fixture.core)); /* it waits for somebody, not for homid */
    function->held = false;
    fixture_advance(&fixture, 6000);
    check_granted(&plain);
    ck_assert_uint_eq(functions_in(&fixture, "ready"), 4);
    check_clean(&fixture);
}
END_TEST

START_TEST(force_and_kill_end_who_does_not_let_go)
{
    struct core_attach_request terms = request(CORE_LEASE_PASSTHROUGH);

    lend(CORE_LEASE_PASSTHROUGH);
    function->held = true;
    free_lease(true);
    check_granted(&plain);
    terms.kill = true;
    allocate(terms);
    function->held = true;
    free_lease(false);
    check_granted(&plain);
    check_clean(&fixture);
}
END_TEST

START_TEST(the_kernel_keeps_its_namespaces_while_they_are_used)
{
    lend(CORE_LEASE_KERNEL);
    ck_assert_uint_eq(function->loan.namespace_count, 2);
    function->held = true;
    free_lease(false);
    fixture_advance(&fixture, 20000);
    ck_assert_uint_ne(function->attached, 0);
    ck_assert_uint_eq(fixture.fake.count[FAKE_RECLAIM], 0);
    function->held = false;
    fixture_advance(&fixture, 6000);
    check_granted(&plain);
    check_clean(&fixture);
}
END_TEST

START_TEST(what_a_loan_is_refused_for)
{
    struct core_attach_request terms = request(CORE_LEASE_PASSTHROUGH);

    terms.user = GREEN;
    check_refusal(terms, CORE_REFUSED_USER_NOT_PERMITTED);
    terms.user = -1; /* blue has two users */
    check_refusal(terms, CORE_REFUSED_USER_NOT_PERMITTED);
    terms.user = BLUE;
    terms.keeper = nobody;
    check_refusal(terms, CORE_REFUSED_UNKNOWN_KEEPER);
    terms = (struct core_attach_request){.tenant = "grey", .kind = CORE_LEASE_PASSTHROUGH, .user = -1};
    check_refusal(terms, CORE_REFUSED_TRUST_REQUIRED);
    terms.tenant = "nobody";
    terms.kind = CORE_LEASE_KERNEL;
    check_refusal(terms, CORE_REFUSED_UNKNOWN_TENANT);
}
END_TEST

START_TEST(a_kernel_lease_needs_no_trust)
{
    allocate((struct core_attach_request){.tenant = "grey", .kind = CORE_LEASE_KERNEL, .user = -1});
    check_granted(&answer);
    ck_assert_uint_eq(function->loan.user, GREY);
    free_lease(false);
    check_clean(&fixture);
}
END_TEST

START_TEST(nobody_attaches_to_a_loan)
{
    struct core_client *client = fixture_client(&fixture, BLUE);
    struct answer joined = {0};

    lend(CORE_LEASE_PASSTHROUGH);
    attach_now(&fixture, client, (struct core_attach_request){.tenant = "blue", .lease = answer.lease},
               &joined);
    check_refused(&joined, CORE_REFUSED_LEASE_KIND);
    attach_now(&fixture, client, (struct core_attach_request){.tenant = "blue", .mode = CORE_ATTACH_JOIN},
               &joined);
    check_refused(&joined, CORE_REFUSED_UNKNOWN_LEASE);
    ck_assert_str_eq(function_state(&fixture, 0, function->index), "leased");
    free_lease(false);
    end_with(&fixture, client);
}
END_TEST

START_TEST(a_loan_that_cannot_be_made_leaves_nothing)
{
    fixture.fake.fail_kind = 1u << FAKE_LEND;
    fixture.fake.fail_kind_error = -EACCES;
    allocate(request(CORE_LEASE_PASSTHROUGH));
    check_refused(&answer, -EACCES);
    fixture.fake.fail_kind = 0;
    fixture_settle(&fixture);
    ck_assert_uint_eq(functions_in(&fixture, "ready"), 4);
    check_clean(&fixture);
}
END_TEST

START_TEST(a_loan_ends_with_its_keeper)
{
    struct core_attach_request terms = request(CORE_LEASE_PASSTHROUGH);

    terms.keeper.pid = 77;
    allocate(terms);
    check_granted(&answer);
    ck_assert_int_eq(fixture.kept, 1);
    core_keeper_ended(fixture.core, "lease-99");
    look();
    ck_assert_str_eq(seen_state, "active");
    ck_assert_int_eq(seen.keeper.pid, 77);
    core_keeper_ended(fixture.core, answer.lease);
    fake_run(&fixture.fake);
    ck_assert_int_eq(fixture.kept, 0);
    check_clean(&fixture);
}
END_TEST

START_TEST(a_loan_that_cannot_be_withdrawn_is_quarantined)
{
    lend(CORE_LEASE_KERNEL);
    fixture.fake.fail_kind = 1u << FAKE_WITHDRAW;
    fixture.fake.fail_kind_error = -EIO;
    free_lease(false);
    ck_assert_str_eq(function_state(&fixture, 0, function->index), "quarantined");
    ck_assert_uint_ne(function->attached, 0);
    fixture.fake.fail_kind = 0;
    fixture_advance(&fixture, 60000);
    ck_assert_str_eq(function_state(&fixture, 0, function->index), "quarantined");
    core_retry(fixture.core, "ssd0", answer.functions[0], on_plain, &(struct answer){0});
    fake_run(&fixture.fake);
    check_granted(&plain);
    ck_assert_uint_eq(functions_in(&fixture, "ready"), 4);
    check_clean(&fixture);
}
END_TEST

START_TEST(a_device_that_goes_takes_its_loans_along)
{
    lend(CORE_LEASE_PASSTHROUGH);
    fake_reset_device(device);
    function->on_loan = false;
    core_device_event(device->user, device, HW_DEVICE_RESET, "somebody reset it");
    fixture_settle(&fixture);
    ck_assert_uint_eq(lease_count(&fixture), 0);
    ck_assert_uint_eq(functions_in(&fixture, "ready"), 4);
    check_clean(&fixture);
}
END_TEST

static void on_stopped(void *user)
{
    *(bool *)user = true;
}

START_TEST(a_stop_does_not_wait_for_who_holds_a_loan)
{
    lend(CORE_LEASE_KERNEL);
    function->held = true;
    core_stop(fixture.core, on_stopped, &fixture.stopped);
    fake_run(&fixture.fake);
    fixture_advance(&fixture, 60000);
    ck_assert(fixture.stopped);
    ck_assert_uint_eq(fixture.fake.count[FAKE_UNBIND], 3); /* unbinding the fourth would hang */
}
END_TEST

/* It ends with a reset; whoever keeps the function holds up nobody else on the device. */
START_TEST(a_reset_ends_a_loan_and_holds_nobody_up)
{
    struct core_client *green = fixture_client(&fixture, GREEN);
    struct answer lease, recovered = {0};

    lend(CORE_LEASE_PASSTHROUGH);
    attach_now(&fixture, green, (struct core_attach_request){.devices = ssd0, .device_count = 1}, &lease);
    function->held = true;
    fake_reset_controllers(device);
    core_device_event(device->user, device, HW_DEVICE_RESET, "reset");
    core_recover(green, lease.lease, on_recover, &recovered);
    fake_run(&fixture.fake);
    fixture_advance(&fixture, 1000);
    check_granted(&recovered);
    ck_assert_uint_eq(fixture.events[CORE_EVENT_LEASE_REVOKED], 1);
    ck_assert_uint_eq(functions_in(&fixture, "leased"), 1);
    ck_assert_uint_eq(functions_in(&fixture, "ready"), 2);
    ck_assert_str_eq(function_state(&fixture, 0, function->index), "draining");
    /* Asked again and again, but not without a pause. */
    ck_assert_uint_lt(fixture.fake.count[FAKE_RECLAIM], 12);
    function->held = false;
    fixture_settle(&fixture);
    ck_assert_uint_eq(functions_in(&fixture, "ready"), 3);
    end_with(&fixture, green);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("core_loan");
    TCase *tcase = tcase_create("loan");
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, a_loan_is_the_users_until_it_is_freed);
    tcase_add_test(tcase, who_does_not_let_go_is_named_and_waited_for);
    tcase_add_test(tcase, force_and_kill_end_who_does_not_let_go);
    tcase_add_test(tcase, the_kernel_keeps_its_namespaces_while_they_are_used);
    tcase_add_test(tcase, what_a_loan_is_refused_for);
    tcase_add_test(tcase, a_kernel_lease_needs_no_trust);
    tcase_add_test(tcase, nobody_attaches_to_a_loan);
    tcase_add_test(tcase, a_loan_that_cannot_be_made_leaves_nothing);
    tcase_add_test(tcase, a_loan_ends_with_its_keeper);
    tcase_add_test(tcase, a_loan_that_cannot_be_withdrawn_is_quarantined);
    tcase_add_test(tcase, a_device_that_goes_takes_its_loans_along);
    tcase_add_test(tcase, a_stop_does_not_wait_for_who_holds_a_loan);
    tcase_add_test(tcase, a_reset_ends_a_loan_and_holds_nobody_up);
    suite_add_tcase(suite, tcase);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
