/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * homid ends at random moments, also between any two writes of what outlives it, and another core goes on,
 * within random sequences of events: processes that come, attach, register, create, delete and die, an
 * operator, faults and resets, hardware that answers in any order. After each event the invariants hold; when
 * all processes are gone nothing is left of them. Each seed is a test of its own; HOMI_SEED=N runs that one
 * alone, HOMI_SEEDS=N many.
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/core_fixture.h"

#define CLIENTS       8
#define SLOTS         6
#define EVENTS        6000
#define DEFAULT_SEEDS 3

struct process {
    struct core_client *client;
    uid_t uid;
    struct answer lease, regions[SLOTS], pairs[SLOTS], other[SLOTS];
    bool attaching, asked[SLOTS], pair_asked[SLOTS], other_asked[SLOTS];
    unsigned pair_region[SLOTS];
};

struct world {
    struct fixture fixture;
    struct process processes[CLIENTS];
    struct answer operator_answer, reservation;
    bool operator_busy, reserving;
    bool untold[FIXTURE_DEVICES]; /* it was reset, and nobody has said so */
    uint64_t random;
    unsigned deaths;
};

static struct world world;

/* xorshift64*: the same sequence for a seed on every machine. */
static unsigned draw(unsigned below)
{
    world.random ^= world.random >> 12;
    world.random ^= world.random << 25;
    world.random ^= world.random >> 27;
    return (unsigned)((world.random * UINT64_C(2685821657736338717)) >> 33) % below;
}

static struct process *any_process(void)
{
    return &world.processes[draw(CLIENTS)];
}

static bool has_lease(const struct process *process)
{
    return process->client && process->attaching && process->lease.count && !process->lease.error.code;
}

/* ---- what processes do ---- */

static void come(void)
{
    static const uid_t uids[] = {BLUE, GREEN, BOTH, BLUE, GREEN, GREY};
    struct process *process = any_process();

    if (process->client)
        return;
    memset(process, 0, sizeof(*process));
    process->uid = uids[draw(6)];
    process->client =
        fixture_client_at(&world.fixture, process->uid, (uint32_t)(process - world.processes) + 1);
}

static void go(void)
{
    struct process *process = any_process();
    struct core_client *client = process->client;

    process->client = NULL;
    core_client_gone(client);
}

static void do_attach(void)
{
    static const char *const names[] = {"ssd0", "ssd1"};
    static const char *const tenants[] = {NULL, "blue", "green"};
    struct process *process = any_process();
    struct core_attach_request request = {.mode = (enum core_attach_mode)draw(3), .devices = &names[draw(2)]};
    uint32_t namespaces[] = {draw(3) + 1};

    if (!process->client || process->attaching)
        return;
    request.tenant = tenants[draw(3)];
    request.device_count = draw(3);
    if (request.device_count == 2)
        request.devices = names;
    request.namespaces_given = draw(2);
    request.namespaces = namespaces;
    request.namespace_count = draw(2);
    request.wait_milliseconds = draw(2) * 500;
    request.queue_pairs = draw(5);
    if (world.reservation.lease[0] && draw(3) == 0)
        request.lease = world.reservation.lease;
    process->attaching = true;
    memset(&process->lease, 0, sizeof(process->lease));
    core_attach(process->client, &request, on_attach, &process->lease);
}

static void do_detach(void)
{
    struct process *process = any_process();

    if (!process->client || !process->attaching || !process->lease.count)
        return;
    if (process->lease.error.code) {
        process->attaching = false;
        return;
    }
    for (unsigned i = 0; i < SLOTS; i++) {
        if (process->other_asked[i] && !process->other[i].count)
            return;
    }
    process->other_asked[0] = true;
    memset(&process->other[0], 0, sizeof(process->other[0]));
    core_detach(process->client, process->lease.lease, on_plain, &process->other[0]);
    process->attaching = false;
}

static void do_register(void)
{
    struct process *process = any_process();
    unsigned slot = draw(SLOTS);

    if (!has_lease(process) || (process->asked[slot] && !process->regions[slot].count))
        return;
    process->asked[slot] = true;
    register_memory(process->client, &process->lease, (uint64_t)(draw(64) + 1) * 65536,
                    &process->regions[slot]);
}

static void do_unregister(void)
{
    struct process *process = any_process();
    unsigned slot = draw(SLOTS), at = draw(SLOTS);

    if (!has_lease(process) || (process->other_asked[at] && !process->other[at].count))
        return;
    process->other_asked[at] = true;
    memset(&process->other[at], 0, sizeof(process->other[at]));
    core_unregister_memory(process->client, process->lease.lease, process->regions[slot].region, on_plain,
                           &process->other[at]);
}

static void do_create(void)
{
    struct process *process = any_process();
    unsigned slot = draw(SLOTS), region = draw(SLOTS);

    if (!has_lease(process) || (process->pair_asked[slot] && !process->pairs[slot].count))
        return;
    process->pair_asked[slot] = true;
    create_pair(process->client, &process->lease, &process->regions[region], draw(4), draw(2),
                &process->pairs[slot]);
}

static void do_delete(void)
{
    struct process *process = any_process();
    unsigned slot = draw(SLOTS), at = draw(SLOTS);

    if (!has_lease(process) || (process->other_asked[at] && !process->other[at].count))
        return;
    process->other_asked[at] = true;
    memset(&process->other[at], 0, sizeof(process->other[at]));
    core_delete_queue_pair(process->client, process->lease.lease, process->lease.functions[0],
                           process->pairs[slot].queue, on_plain, &process->other[at]);
}

static void do_command(void)
{
    struct process *process = any_process();
    unsigned at = draw(SLOTS);

    if (!has_lease(process) || (process->other_asked[at] && !process->other[at].count))
        return;
    process->other_asked[at] = true;
    memset(&process->other[at], 0, sizeof(process->other[at]));
    core_identify(process->client, process->lease.lease, process->lease.functions[0], draw(9), draw(4),
                  on_data, &process->other[at]);
}

static void do_recover(void)
{
    struct process *process = any_process();
    unsigned at = draw(SLOTS);

    if (!has_lease(process) || (process->other_asked[at] && !process->other[at].count))
        return;
    process->other_asked[at] = true;
    memset(&process->other[at], 0, sizeof(process->other[at]));
    core_recover(process->client, process->lease.lease, on_recover, &process->other[at]);
}

/* ---- what the operator does ---- */

static void do_allocate(void)
{
    static const char *const tenants[] = {"blue", "green", "grey", "nobody"};
    struct core_attach_request request = {.tenant = tenants[draw(4)]};

    if (world.reserving && !world.reservation.count)
        return;
    world.reserving = true;
    memset(&world.reservation, 0, sizeof(world.reservation));
    core_allocate(world.fixture.core, &request, on_attach, &world.reservation);
}

static void do_free(void)
{
    if ((world.operator_busy && !world.operator_answer.count) || !world.reservation.lease[0])
        return;
    world.operator_busy = true;
    memset(&world.operator_answer, 0, sizeof(world.operator_answer));
    core_free_lease(world.fixture.core, world.reservation.lease, draw(2), on_plain, &world.operator_answer);
}

static void do_retry(void)
{
    if (world.operator_busy && !world.operator_answer.count)
        return;
    world.operator_busy = true;
    memset(&world.operator_answer, 0, sizeof(world.operator_answer));
    core_retry(world.fixture.core, draw(2) ? "ssd0" : "ssd1", NULL, on_plain, &world.operator_answer);
}

/* ---- what the hardware does ---- */

static struct hw_function *any_function(void)
{
    return &world.fixture.fake.devices[draw(FIXTURE_DEVICES)].functions[draw(4)];
}

static void hardware_answers(void)
{
    struct fake *fake = &world.fixture.fake;

    if (world.fixture.keeper.let_go_count && draw(2)) {
        fixture_let_go(&world.fixture);
        return;
    }
    if (fake->pending)
        fake_step_nth(fake, draw(fake->pending));
}

static void hardware_errs(void)
{
    static const int errors[] = {-EIO, -ETIMEDOUT, -EBUSY, -ENODEV, -ENOMEM};
    struct fake *fake = &world.fixture.fake;

    if (fake->pending && draw(4) == 0)
        fake_step_with(fake, draw(fake->pending), errors[draw(5)]);
}

static void function_fails(void)
{
    struct hw_function *function = any_function();

    if (function->open && function->listener_user && draw(8) == 0)
        core_function_event(function->listener_user, function,
                            draw(2) ? HW_FUNCTION_FAILED : HW_FUNCTION_WANTED, "random");
}

static void namespace_changes(void)
{
    struct hw_function *function = any_function();

    if (function->open && function->listener_user)
        core_function_event(function->listener_user, function, HW_NAMESPACE_CHANGED, "random");
}

/* A process keeps the descriptor of its function, or lets it go. */
static void descriptor_kept(void)
{
    struct hw_function *function = any_function();

    function->held = !function->held && draw(4) == 0;
}

static void device_resets(void)
{
    unsigned index = draw(FIXTURE_DEVICES);
    struct hw_device *device = &world.fixture.fake.devices[index];

    if (draw(4))
        return;
    if (draw(4))
        fake_reset_controllers(device);
    else
        fake_reset_device(device);
    world.untold[index] = draw(4) == 0;
    if (!world.untold[index])
        core_device_event(device->user, device, HW_DEVICE_RESET, NULL);
}

static void device_leaves_or_returns(void)
{
    struct hw_device *device = &world.fixture.fake.devices[draw(FIXTURE_DEVICES)];

    if (device->absent) {
        device->absent = false;
        core_device_event(device->user, device, HW_DEVICE_BACK, NULL);
    } else if (draw(32) == 0) {
        fake_reset_device(device);
        device->absent = true;
        core_device_event(device->user, device, HW_DEVICE_GONE, NULL);
    }
}

static void time_passes(void)
{
    struct fixture *fixture = &world.fixture;

    fixture->now += draw(200);
    if (fixture->timer_at > fixture->now)
        return;
    fixture->timer_at = UINT64_MAX;
    core_tick(fixture->core);
}

/* ---- homid dies, and another one goes on ---- */

static bool by_chance(void)
{
    return draw(2);
}

/* What it asked has been answered; who waits for an answer is another test's business. */
static bool is_quiet(const struct process *process)
{
    bool quiet = process->client && (!process->attaching || process->lease.count);

    for (unsigned i = 0; i < SLOTS; i++) {
        quiet = quiet && (!process->asked[i] || process->regions[i].count);
        quiet = quiet && (!process->pair_asked[i] || process->pairs[i].count);
        quiet = quiet && (!process->other_asked[i] || process->other[i].count);
    }
    return quiet;
}

static void next_homid(const struct process *before)
{
    fixture_die(&world.fixture, by_chance);
    memcpy(world.processes, before, sizeof(world.processes));
    for (unsigned i = 0; i < CLIENTS; i++) {
        struct process *process = &world.processes[i];
        process->client =
            is_quiet(process) && draw(8) ? fixture_client_at(&world.fixture, process->uid, i + 1) : NULL;
    }
    if (world.reserving && !world.reservation.count)
        world.reserving = false;
    if (world.operator_busy && !world.operator_answer.count)
        world.operator_busy = false;
    fixture_restore(&world.fixture);
    world.deaths++;
}

static void homid_dies(void)
{
    static struct process before[CLIENTS];

    if (world.fixture.keeper.die_at)
        return;
    memcpy(before, world.processes, sizeof(before));
    next_homid(before);
}

static void let_something_happen(void);

/* The same within an act: the first writes of it count, nothing else does. */
static void homid_dies_within(void)
{
    static struct process before[CLIENTS];

    if (world.fixture.keeper.die_at)
        return;
    world.fixture.keeper.writes = 0;
    world.fixture.keeper.die_at = 1 + draw(12);
    for (unsigned i = 0; i < 50 && !world.fixture.fake.dead; i++) {
        memcpy(before, world.processes, sizeof(before));
        let_something_happen();
    }
    if (world.fixture.fake.dead)
        next_homid(before);
    world.fixture.keeper.die_at = 0;
}

/* ---- the test ---- */

static void let_something_happen(void)
{
    static const struct {
        unsigned weight;
        void (*act)(void);
    } acts[] = {
        {300, hardware_answers},
        {8, hardware_errs},
        {30, come},
        {12, go},
        {40, do_attach},
        {12, do_detach},
        {40, do_register},
        {15, do_unregister},
        {40, do_create},
        {15, do_delete},
        {10, do_command},
        {8, do_recover},
        {5, do_allocate},
        {5, do_free},
        {5, do_retry},
        {4, function_fails},
        {2, namespace_changes},
        {4, descriptor_kept},
        {3, device_resets},
        {3, device_leaves_or_returns},
        {30, time_passes},
        {2, homid_dies},
        {3, homid_dies_within},
    };
    unsigned total = 0, at;

    for (unsigned i = 0; i < sizeof(acts) / sizeof(acts[0]); i++)
        total += acts[i].weight;
    at = draw(total);
    for (unsigned i = 0; i < sizeof(acts) / sizeof(acts[0]); i++) {
        if (at < acts[i].weight) {
            acts[i].act();
            return;
        }
        at -= acts[i].weight;
    }
}

static void answered_once(const struct answer *answer)
{
    ck_assert_uint_le(answer->count, 1);
}

static void check_answers(void)
{
    for (unsigned i = 0; i < CLIENTS; i++) {
        const struct process *process = &world.processes[i];
        answered_once(&process->lease);
        for (unsigned n = 0; n < SLOTS; n++) {
            answered_once(&process->regions[n]);
            answered_once(&process->pairs[n]);
            answered_once(&process->other[n]);
        }
    }
    answered_once(&world.operator_answer);
    answered_once(&world.reservation);
}

/* Calls of processes that still live must all be answered once the hardware has. */
static void check_all_answered(void)
{
    fixture_settle(&world.fixture);
    for (unsigned i = 0; i < CLIENTS; i++) {
        const struct process *process = &world.processes[i];
        if (!process->client)
            continue;
        ck_assert_uint_eq(process->lease.count, process->attaching || process->lease.count ? 1 : 0);
        for (unsigned n = 0; n < SLOTS; n++) {
            ck_assert_uint_eq(process->regions[n].count, process->asked[n] ? 1 : 0);
            ck_assert_uint_eq(process->pairs[n].count, process->pair_asked[n] ? 1 : 0);
            ck_assert_uint_eq(process->other[n].count, process->other_asked[n] ? 1 : 0);
        }
    }
}

static void calm_down(void)
{
    struct fixture *fixture = &world.fixture;

    for (unsigned i = 0; i < FIXTURE_DEVICES; i++) {
        struct hw_device *device = &fixture->fake.devices[i];
        for (unsigned n = 0; n < 4; n++)
            device->functions[n].held = false;
        if (device->absent) {
            device->absent = false;
            core_device_event(device->user, device, HW_DEVICE_BACK, NULL);
        }
        if (world.untold[i])
            core_device_event(device->user, device, HW_DEVICE_RESET, NULL);
    }
    check_all_answered();
    for (unsigned i = 0; i < CLIENTS; i++) {
        core_client_gone(world.processes[i].client);
        world.processes[i].client = NULL;
    }
    fixture_settle(fixture);
}

static void free_reservation(void *user, const struct core_lease_view *view)
{
    if (view->reserved)
        snprintf(user, CORE_NAME_BYTES, "%s", view->name);
}

static void free_reservations(void)
{
    char name[CORE_NAME_BYTES];

    for (;;) {
        struct answer answer = {0};
        name[0] = '\0';
        core_each_lease(world.fixture.core, free_reservation, name);
        if (!name[0])
            return;
        core_free_lease(world.fixture.core, name, true, on_plain, &answer);
        fixture_settle(&world.fixture);
        ck_assert_uint_eq(answer.count, 1);
        ck_assert_int_eq(answer.error.code, 0);
    }
}

static void retry_everything(void)
{
    static const char *const names[] = {"ssd0", "ssd1"};

    for (unsigned i = 0; i < FIXTURE_DEVICES; i++) {
        struct answer answer = {0};
        struct hw_device *device = &world.fixture.fake.devices[i];
        /* A device that was missed for a moment is looked at again when it is announced. */
        core_device_event(device->user, device, HW_DEVICE_BACK, NULL);
        fixture_settle(&world.fixture);
        core_retry(world.fixture.core, names[i], NULL, on_plain, &answer);
        fixture_settle(&world.fixture);
    }
}

static void on_stopped(void *user)
{
    ((struct world *)user)->fixture.stopped = true;
}

static void run_seed(uint64_t seed)
{
    memset(&world, 0, sizeof(world));
    world.random = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    fixture_init(&world.fixture, FIXTURE_DEVICES);
    world.fixture.tenants[0].namespaces[0].scrub = true;
    world.fixture.keeps = true;
    fixture_new(&world.fixture);
    core_start(world.fixture.core);
    for (unsigned event = 0; event < EVENTS; event++) {
        let_something_happen();
        check_invariants(&world.fixture);
        if (event % 64 == 0)
            check_answers();
    }
    calm_down();
    free_reservations();
    check_clean(&world.fixture);
    retry_everything();
    check_clean(&world.fixture);
    ck_assert_uint_eq(functions_in(&world.fixture, "ready"), 8);
    ck_assert_uint_eq(fake_totals(&world.fixture.fake).attached, 0);
    core_stop(world.fixture.core, on_stopped, &world);
    fixture_settle(&world.fixture);
    ck_assert(world.fixture.stopped);
    check_invariants(&world.fixture);
    fixture_fini(&world.fixture);
}

static int first_seed = 1;

START_TEST(random_events)
{
    run_seed((uint64_t)_i);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("core takeover");
    TCase *tcase = tcase_create("seeds");
    const char *one = getenv("HOMI_SEED"), *many = getenv("HOMI_SEEDS");
    int count = one ? 1 : many ? atoi(many) : DEFAULT_SEEDS;

    if (one)
        first_seed = atoi(one);
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, random_events, first_seed, first_seed + count);
    suite_add_tcase(suite, tcase);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
