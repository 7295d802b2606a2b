/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Random sequences of events: processes that come, attach, register, create, delete and die, an operator,
 * faults and resets, hardware that answers in any order. After each event the invariants hold; whenever the
 * hardware rests, the core and the device agree with a reference that keeps books by the answers alone; when
 * all processes are gone nothing is left of them. Each seed is a test of its own; HOMI_SEED=N runs that one
 * alone, HOMI_SEEDS=N many.
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/core_fixture.h"
#include "tests/unit/core_reference.h"

#define CLIENTS       REFERENCE_PROCESSES
#define SLOTS         6
#define EVENTS        10000
#define REST_EVENTS   250 /* between rests, at which nothing is under way and everything is compared */
#define DEFAULT_SEEDS 50
#define FIRST_PID     5000

struct process {
    struct core_client *client;
    uid_t uid;
    struct answer lease, regions[SLOTS], pairs[SLOTS], other[SLOTS];
    bool attaching, asked[SLOTS], pair_asked[SLOTS], other_asked[SLOTS];
    unsigned leases[SLOTS], pair_leases[SLOTS], other_leases[SLOTS]; /* the reference's count when it asked */
    uint64_t bytes[SLOTS];
    uint32_t other_id[SLOTS];
};

struct world {
    struct fixture fixture;
    struct process processes[CLIENTS];
    struct answer operator_answer, reservation;
    bool operator_busy, reserving;
    uint64_t random;
    struct reference reference;
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

/* ---- what processes are answered ---- */

static unsigned number_of(const struct process *process)
{
    return (unsigned)(process - world.processes);
}

static unsigned leases_of(const struct process *process)
{
    return world.reference.processes[number_of(process)].leases;
}

/* Answers lie in their processes. */
static struct process *process_of(const void *answer)
{
    return &world.processes[(size_t)((const char *)answer - (const char *)world.processes) /
                            sizeof(struct process)];
}

static void on_attached(void *user, const struct core_error *error, const struct core_grant *grant)
{
    on_attach(user, error, grant);
    if (error->code)
        reference_refused(&world.reference, number_of(process_of(user)));
    else
        reference_granted(&world.reference, number_of(process_of(user)), user);
}

static void on_registered(void *user, const struct core_error *error, uint32_t region, uint64_t iova)
{
    const struct process *process = process_of(user);
    size_t slot = (size_t)((struct answer *)user - process->regions);

    on_region(user, error, region, iova);
    if (!error->code)
        reference_registered(&world.reference, number_of(process), process->leases[slot], region, iova,
                             process->bytes[slot]);
}

static void on_unregistered(void *user, const struct core_error *error)
{
    const struct process *process = process_of(user);
    size_t slot = (size_t)((struct answer *)user - process->other);

    on_plain(user, error);
    if (!error->code)
        reference_unregistered(&world.reference, number_of(process), process->other_leases[slot],
                               process->other_id[slot]);
}

static void on_created(void *user, const struct core_error *error, const struct core_queue_grant *queue)
{
    const struct process *process = process_of(user);
    size_t slot = (size_t)((struct answer *)user - process->pairs);

    on_queue(user, error, queue);
    if (!error->code)
        reference_created(&world.reference, number_of(process), process->pair_leases[slot], queue->id);
}

static void on_deleted(void *user, const struct core_error *error)
{
    const struct process *process = process_of(user);
    size_t slot = (size_t)((struct answer *)user - process->other);

    on_plain(user, error);
    if (!error->code)
        reference_deleted(&world.reference, number_of(process), process->other_leases[slot],
                          (uint16_t)process->other_id[slot]);
}

static void on_event(void *user, const struct core_event *event)
{
    reference_event(user, event);
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
    const struct core_peer peer = {
        .pid = FIRST_PID + (pid_t)number_of(process), .uid = process->uid, .gid = process->uid};
    require(core_client_new(world.fixture.core, &peer, NULL, &process->client) == 0, "no memory");
    reference_came(&world.reference, number_of(process), peer.pid);
}

static void go(void)
{
    struct process *process = any_process();
    struct core_client *client = process->client;

    process->client = NULL;
    reference_left(&world.reference, number_of(process));
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
    reference_asks(&world.reference, number_of(process));
    core_attach(process->client, &request, on_attached, &process->lease);
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
    /* From now on it has nothing of the lease, whatever takes its time still. */
    reference_left(&world.reference, number_of(process));
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
    process->leases[slot] = leases_of(process);
    process->bytes[slot] = (uint64_t)(draw(64) + 1) * 65536;
    memset(&process->regions[slot], 0, sizeof(process->regions[slot]));
    core_register_memory(process->client, process->lease.lease, 7, 0, process->bytes[slot], 4096,
                         on_registered, &process->regions[slot]);
}

static void do_unregister(void)
{
    struct process *process = any_process();
    unsigned slot = draw(SLOTS), at = draw(SLOTS);

    if (!has_lease(process) || (process->other_asked[at] && !process->other[at].count))
        return;
    process->other_asked[at] = true;
    process->other_leases[at] = leases_of(process);
    process->other_id[at] = process->regions[slot].region;
    memset(&process->other[at], 0, sizeof(process->other[at]));
    core_unregister_memory(process->client, process->lease.lease, process->other_id[at], on_unregistered,
                           &process->other[at]);
}

static void do_create(void)
{
    struct process *process = any_process();
    unsigned slot = draw(SLOTS), region = draw(SLOTS);

    if (!has_lease(process) || (process->pair_asked[slot] && !process->pairs[slot].count))
        return;
    process->pair_asked[slot] = true;
    process->pair_leases[slot] = leases_of(process);
    unsigned place = draw(4);
    const struct core_queue_request request = {
        .lease = process->lease.lease,
        .function = process->lease.functions[0],
        .entries = 64,
        .region = process->regions[region].region,
        .submission_offset = place * 16384,
        .completion_offset = place * 16384 + 8192,
        .interrupt = draw(2),
    };
    memset(&process->pairs[slot], 0, sizeof(process->pairs[slot]));
    core_create_queue_pair(process->client, &request, on_created, &process->pairs[slot]);
}

static void do_delete(void)
{
    struct process *process = any_process();
    unsigned slot = draw(SLOTS), at = draw(SLOTS);

    if (!has_lease(process) || (process->other_asked[at] && !process->other[at].count))
        return;
    process->other_asked[at] = true;
    process->other_leases[at] = leases_of(process);
    process->other_id[at] = process->pairs[slot].queue;
    memset(&process->other[at], 0, sizeof(process->other[at]));
    core_delete_queue_pair(process->client, process->lease.lease, process->lease.functions[0],
                           process->other_id[at], on_deleted, &process->other[at]);
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

    if (function->open && draw(8) == 0)
        core_function_event(function->listener_user, function,
                            draw(2) ? HW_FUNCTION_FAILED : HW_FUNCTION_WANTED, "random");
}

static void namespace_changes(void)
{
    struct hw_function *function = any_function();

    if (function->open)
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
    struct hw_device *device = &world.fixture.fake.devices[draw(FIXTURE_DEVICES)];

    if (draw(16))
        return;
    if (draw(2))
        fake_reset_controllers(device);
    else
        fake_reset_device(device);
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
        {5, do_allocate},
        {5, do_free},
        {5, do_retry},
        {4, function_fails},
        {2, namespace_changes},
        {4, descriptor_kept},
        {3, device_resets},
        {3, device_leaves_or_returns},
        {30, time_passes},
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
    require(answer->count <= 1, "a call was answered %u times", answer->count);
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
    }
    check_all_answered();
    for (unsigned i = 0; i < CLIENTS; i++) {
        reference_left(&world.reference, i);
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
    world.fixture.watch = on_event;
    world.fixture.watch_user = &world.reference;
    fixture_new(&world.fixture);
    core_start(world.fixture.core);
    for (unsigned event = 0; event < EVENTS; event++) {
        let_something_happen();
        check_invariants(&world.fixture);
        if (event % 64 == 0)
            check_answers();
        if (event % REST_EVENTS == REST_EVENTS - 1) {
            fake_run(&world.fixture.fake);
            reference_check(&world.reference, &world.fixture);
        }
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
    Suite *suite = suite_create("core property");
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
