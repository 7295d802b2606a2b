/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The fault sweep: a scripted day of three tenants' processes is run once to count its hardware operations;
 * then again for each of them and each kind of mishap, with the mishap at that operation. Whatever happened,
 * nothing may be left of the processes, every VF is ready or quarantined with a reason, an operator's retry
 * brings every one back, and the stop ends with the device as it was found.
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/core_fixture.h"

enum mishap {
    NONE,
    ERROR,
    REFUSED,
    TIME_OUT,
    BUSY,
    NO_DEVICE,
    KILL_FIRST,
    KILL_SECOND,
    KILL_THIRD,
    KILL_ALL,
    FUNCTION_FAILS,
    FUNCTION_WANTED,
    DEVICE_RESET,
    FUNCTIONS_RESET,
    DEVICE_GONE,
    MISHAPS,
};

static const char *const mishap_names[MISHAPS] = {
    "nothing",
    "an error",
    "a refusal by the controller",
    "a time-out",
    "busy",
    "no device",
    "death of the first",
    "death of the second",
    "death of the third",
    "death of all",
    "a failed function",
    "the kernel wants the function",
    "a reset of the device",
    "a reset that takes the functions",
    "removal of the device",
};

struct day {
    struct fixture fixture;
    struct core_client *clients[3];
    enum mishap mishap;
    unsigned at;
    bool happened, gone;
};

static void kill_client(struct day *day, unsigned who)
{
    struct core_client *client = day->clients[who];

    day->clients[who] = NULL;
    core_client_gone(client);
}

static void fail_functions(struct day *day, enum hw_event event)
{
    for (unsigned i = 0; i < 4; i++) {
        struct hw_function *function = &day->fixture.fake.devices[0].functions[i];
        if (function->open)
            core_function_event(function->listener_user, function, event, "the test says so");
    }
}

static void happen(struct day *day)
{
    struct hw_device *device = &day->fixture.fake.devices[0];

    day->happened = true;
    switch (day->mishap) {
    case KILL_FIRST:
    case KILL_SECOND:
    case KILL_THIRD: kill_client(day, day->mishap - KILL_FIRST); break;
    case KILL_ALL:
        for (unsigned i = 0; i < 3; i++)
            kill_client(day, i);
        break;
    case FUNCTION_FAILS: fail_functions(day, HW_FUNCTION_FAILED); break;
    case FUNCTION_WANTED: fail_functions(day, HW_FUNCTION_WANTED); break;
    case DEVICE_RESET:
        fake_reset_controllers(device);
        core_device_event(device->user, device, HW_DEVICE_RESET, NULL);
        break;
    case FUNCTIONS_RESET:
        fake_reset_device(device);
        core_device_event(device->user, device, HW_DEVICE_RESET, NULL);
        break;
    case DEVICE_GONE:
        fake_reset_device(device);
        device->absent = day->gone = true;
        core_device_event(device->user, device, HW_DEVICE_GONE, NULL);
        break;
    default: break;
    }
}

/* Runs hardware and clock until nothing is left to do; the mishap comes just before its operation ends. */
static void run(struct day *day)
{
    struct fixture *fixture = &day->fixture;

    do {
        while (fixture->fake.pending) {
            if (day->at && fixture->fake.ended + 1 == day->at && !day->happened)
                happen(day);
            fake_step(&fixture->fake);
            check_invariants(fixture);
        }
        if (fixture->timer_at > fixture->now + 60000)
            break;
        fixture->now = fixture->timer_at > fixture->now ? fixture->timer_at : fixture->now;
        fixture->timer_at = UINT64_MAX;
        core_tick(fixture->core);
    } while (true);
}

/* Parts of the day: what each does needs its client alive and what came before granted; otherwise it is left
 * out. */

static void work_a_while(struct day *day, unsigned who, const struct answer *lease, bool finish)
{
    struct answer region, pair, second, data;
    bool pair_there, second_there;

    if (!day->clients[who] || lease->error.code || !lease->count)
        return;
    register_memory(day->clients[who], lease, 1 << 20, &region);
    run(day);
    if (!day->clients[who] || region.error.code)
        return;
    create_pair(day->clients[who], lease, &region, 0, true, &pair);
    create_pair(day->clients[who], lease, &region, 1, false, &second);
    memset(&data, 0, sizeof(data));
    core_identify(day->clients[who], lease->lease, lease->functions[0], 1, 0, on_data, &data);
    run(day);
    pair_there = pair.count && !pair.error.code;
    second_there = second.count && !second.error.code;
    if (!finish || !day->clients[who])
        return;
    if (pair_there)
        core_delete_queue_pair(day->clients[who], lease->lease, lease->functions[0], pair.queue, on_plain,
                               &pair);
    run(day);
    if (!day->clients[who])
        return;
    if (second_there)
        core_delete_queue_pair(day->clients[who], lease->lease, lease->functions[0], second.queue, on_plain,
                               &second);
    core_unregister_memory(day->clients[who], lease->lease, region.region, on_plain, &region);
    run(day);
}

static void leave(struct day *day, unsigned who, const struct answer *lease)
{
    static struct answer detached;

    if (day->clients[who] && lease->count && !lease->error.code)
        core_detach(day->clients[who], lease->lease, on_plain, &detached);
    run(day);
}

static void morning(struct day *day, struct answer *first, struct answer *second)
{
    const char *devices[] = {"ssd0"};
    struct core_attach_request fresh = {.mode = CORE_ATTACH_FRESH, .devices = devices, .device_count = 1};

    /* What was seen of the device is not believed any more. */
    day->fixture.now += 2000;
    memset(first, 0, sizeof(*first));
    memset(second, 0, sizeof(*second));
    if (day->clients[0])
        attach(day->clients[0], fresh, first);
    if (day->clients[1])
        attach(day->clients[1], (struct core_attach_request){.mode = CORE_ATTACH_ANY}, second);
    run(day);
    work_a_while(day, 0, first, false);
    work_a_while(day, 1, second, true);
    leave(day, 1, second);
}

static void afternoon(struct day *day, struct answer *reservation, struct answer *third)
{
    struct core_attach_request request = {.tenant = "green"};

    day->fixture.now += 2000;
    memset(reservation, 0, sizeof(*reservation));
    memset(third, 0, sizeof(*third));
    core_allocate(day->fixture.core, &request, on_attach, reservation);
    run(day);
    if (!reservation->count || reservation->error.code)
        return;
    request.lease = reservation->lease;
    if (day->clients[2])
        attach(day->clients[2], request, third);
    run(day);
    work_a_while(day, 2, third, true);
    leave(day, 2, third);
    core_free_lease(day->fixture.core, reservation->lease, true, on_plain, reservation);
    run(day);
}

static void evening(struct day *day)
{
    for (unsigned i = 0; i < 3; i++)
        kill_client(day, i);
    run(day);
}

/* What was one mishap must not outlast an operator's retry. */
static void night(struct day *day)
{
    struct fixture *fixture = &day->fixture;
    struct hw_device *device = &fixture->fake.devices[0];
    struct answer retried = {0};

    if (!day->gone) {
        check_clean(fixture);
    } else {
        ck_assert_str_eq(device_state_of(fixture, 0), "absent");
        device->absent = false;
        core_device_event(device->user, device, HW_DEVICE_BACK, NULL);
        run(day);
        check_clean(fixture);
    }
    if (device_state_of(fixture, 0)[0] == 'a')
        core_device_event(device->user, device, HW_DEVICE_BACK, NULL);
    core_retry(fixture->core, "ssd0", NULL, on_plain, &retried);
    run(day);
    check_clean(fixture);
    ck_assert_uint_eq(functions_in(fixture, "ready"), 4);
    ck_assert_uint_eq(fake_totals(&fixture->fake).attached, 0);
}

static void on_stopped(void *user)
{
    ((struct day *)user)->fixture.stopped = true;
}

static void bedtime(struct day *day)
{
    core_stop(day->fixture.core, on_stopped, day);
    run(day);
    ck_assert(day->fixture.stopped);
    ck_assert_uint_eq(fake_totals(&day->fixture.fake).open, 0);
    ck_assert_uint_eq(day->fixture.fake.devices[0].info.functions_enabled, 0);
    check_invariants(&day->fixture);
}

static unsigned run_day(enum mishap mishap, unsigned at)
{
    static const int errors[] = {
        [ERROR] = -EIO, [REFUSED] = -EIO, [TIME_OUT] = -ETIMEDOUT, [BUSY] = -EBUSY, [NO_DEVICE] = -ENODEV};
    static struct day day;
    struct answer first, second, third, reservation;
    unsigned total;

    memset(&day, 0, sizeof(day));
    fixture_init(&day.fixture, 1);
    day.mishap = mishap;
    day.at = mishap > NO_DEVICE ? at : 0;
    if (mishap >= ERROR && mishap <= NO_DEVICE) {
        day.fixture.fake.fail_at = at;
        day.fixture.fake.fail_error = errors[mishap];
        day.fixture.fake.fail_status = mishap == REFUSED ? 0x0c : 0;
    }
    fixture_new(&day.fixture);
    for (unsigned i = 0; i < 3; i++)
        day.clients[i] = fixture_client(&day.fixture, i < 2 ? BLUE : GREEN);
    core_start(day.fixture.core);
    run(&day);
    morning(&day, &first, &second);
    afternoon(&day, &reservation, &third);
    evening(&day);
    total = day.fixture.fake.total;
    night(&day);
    bedtime(&day);
    fixture_fini(&day.fixture);
    return total;
}

START_TEST(mishap_at_every_operation)
{
    enum mishap mishap = (enum mishap)_i;
    unsigned total = run_day(NONE, 0);

    ck_assert_uint_gt(total, 60);
    for (unsigned at = 1; at <= total; at++) {
        if (getenv("HOMI_SWEEP_TRACE"))
            fprintf(stderr, "%s at operation %u\n", mishap_names[mishap], at);
        run_day(mishap, at);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("core fault sweep");
    TCase *tcase = tcase_create("sweep");

    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, mishap_at_every_operation, NONE, MISHAPS);
    suite_add_tcase(suite, tcase);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
