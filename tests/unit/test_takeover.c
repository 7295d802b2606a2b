/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * homid ends in every way, and its tenants notice nothing: homid as built, the software SSD, a service
 * manager that keeps descriptors, and tenants with libhomi. HOMI_KILLS=N kills it so often where the count
 * can be chosen.
 */
#include <check.h>
#include <errno.h>
#include <homi/homi.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/unit/supervisor.h"

enum {
    BLOCK_BYTES = 4096,
    COUNT = 32,
    FUNCTIONS = 4,
    WAIT_MILLISECONDS = 20000,
    STORE_LIMIT = 512,
    KILLS_DEFAULT = 20,
    TENANTS = 4,
};

static char model_option[] =
    "--model={\"devices\":[{\"serial\":\"E2E\",\"virtualFunctions\":4,\"queues\":{\"total\":20,"
    "\"perFunction\":5},"
    "\"interrupts\":{\"total\":20,\"perFunction\":5},\"namespaces\":["
    "{\"id\":1,\"bytes\":\"4M\"},{\"id\":2,\"bytes\":\"4M\"},{\"id\":3,\"bytes\":\"4M\"},"
    "{\"id\":4,\"bytes\":\"4M\"}]}]}";

static char directory[64], config_path[128], socket_path[128], program[512];
static struct supervisor supervisor;

/* ---- the world around ---- */

static void write_config(void)
{
    FILE *file = fopen(config_path, "w");
    static const char *const names[TENANTS] = {"blue", "green", "red", "amber"};
    static const char *const trusted[TENANTS] = {"true", "false", "true", "false"};
    static const char tenant[] =
        "%s{\"name\":\"%s\",\"trusted\":%s,\"users\":[%u],\"devices\":[\"ssd0\"],\"namespaces\":["
        "{\"device\":\"ssd0\",\"id\":%u}],\"virtualFunctionsMax\":4,\"queuePairsMax\":16,"
        "\"memoryMax\":\"64M\",\"connectionsMax\":32,\"regionsMax\":32,\"waitingMax\":8}";

    ck_assert_ptr_nonnull(file);
    fprintf(file, "{\"adminGroup\":%u,\"tenantSocket\":\"%s/tenant.sock\",\"adminSocket\":\"%s/admin.sock\",",
            (unsigned)getgid(), directory, directory);
    fprintf(file,
            "\"logLevel\":\"warning\",\"limits\":{\"connections\":64,\"adminConnections\":8},\"devices\":[{"
            "\"name\":"
            "\"ssd0\",\"serial\":\"E2E\",\"virtualFunctions\":%d,\"queuePairs\":4}],\"tenants\":[",
            FUNCTIONS);
    for (unsigned i = 0; i < TENANTS; i++)
        fprintf(file, tenant, i ? "," : "", names[i], trusted[i], (unsigned)getuid(), i + 1);
    fprintf(file, "]}\n");
    ck_assert_int_eq(fclose(file), 0);
}

static void path_of(const char *name, char *ret_path, size_t bytes)
{
    ssize_t length = readlink("/proc/self/exe", ret_path, bytes - 64);

    ck_assert_int_gt(length, 0);
    ret_path[length] = '\0';
    strcpy(strrchr(ret_path, '/'), name);
}

static void pause_microseconds(long microseconds)
{
    const struct timespec time = {.tv_sec = microseconds / 1000000, .tv_nsec = microseconds % 1000000 * 1000};

    nanosleep(&time, NULL);
}

static void set_up(void)
{
    static char option[] = "--config", *arguments[] = {program, option, config_path, model_option, NULL};

    path_of("/../homid", program, sizeof(program));
    snprintf(directory, sizeof(directory), "/tmp/homi-takeover-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    snprintf(config_path, sizeof(config_path), "%s/homid.conf", directory);
    snprintf(socket_path, sizeof(socket_path), "%s/tenant.sock", directory);
    setenv("XDG_RUNTIME_DIR", directory, 1);
    setenv("HOMI_CRASH_WITHIN", "600", 0);
    write_config();
    supervisor = supervisor_start(directory, STORE_LIMIT, arguments);
}

static struct supervised wait_ready(void)
{
    struct supervised report;

    for (unsigned i = 0; !(report = supervisor_look(&supervisor)).ready; i++) {
        ck_assert_uint_lt(i, 2000);
        pause_microseconds(5000);
    }
    return report;
}

/* With all tenants gone nothing is left of them: of each function so many descriptors, the state and two
 * sockets. */
static void check_nothing_left(void)
{
    struct supervised report = wait_ready();
    unsigned expected = 3 + FUNCTIONS * (3 + 2 + 5 + 5);

    for (unsigned i = 0; report.stored != expected && i < 1000; i++) {
        pause_microseconds(5000);
        report = supervisor_look(&supervisor);
    }
    ck_assert_uint_eq(report.stored, expected);
    ck_assert_uint_eq(report.faults, 0);
}

static void tear_down(void)
{
    char command[128];
    pid_t model = supervisor_process(directory, "homid-model");

    check_nothing_left();
    struct supervised report = supervisor_stop(&supervisor, SIGINT);
    ck_assert_msg(WIFEXITED(report.status) && WEXITSTATUS(report.status) == 0, "homid ended with 0x%x",
                  (unsigned)report.status);
    ck_assert_uint_eq(report.faults, 0);
    ck_assert_int_gt(model, 0);
    ck_assert_int_eq(kill(model, SIGTERM), 0);
    snprintf(command, sizeof(command), "rm -r %s", directory);
    ck_assert_int_eq(system(command), 0);
}

/* ---- tenants ---- */

struct tenant {
    struct homi *homi;
    struct homi_lease *lease;
    struct homi_memory *memory;
    struct homi_queue_pair *pair;
    const struct homi_namespace *space;
    uint8_t *data;
};

static void must(int r, struct homi *homi, const char *what)
{
    ck_assert_msg(r == 0, "%s: %s (%s)", what, homi_strerror(r), homi ? homi_error_text(homi) : "");
}

static struct homi *connect_at(const char *path)
{
    struct homi *homi = NULL;

    for (unsigned i = 0; homi_open(path, &homi) < 0; i++) {
        ck_assert_uint_lt(i, 2000);
        pause_microseconds(5000);
    }
    return homi;
}

static struct homi *connect_homid(void)
{
    return connect_at(socket_path);
}

static void attach_as(struct tenant *tenant, const char *name)
{
    const struct homi_attach_options options = {
        .tenant = name, .mode = HOMI_ATTACH_FRESH, .wait_milliseconds = WAIT_MILLISECONDS};

    must(homi_attach(tenant->homi, &options, &tenant->lease), tenant->homi, "attach");
}

static void set_up_io(struct tenant *tenant, uint32_t space, bool interrupt)
{
    const struct homi_queue_options options = {.entries = 16, .interrupt = interrupt};

    must(homi_memory_new(tenant->lease, COUNT * BLOCK_BYTES, 0, &tenant->memory), tenant->homi, "memory");
    must(homi_queue_pair_new(tenant->lease, &options, &tenant->pair), tenant->homi, "queue pair");
    tenant->space = homi_function_namespace_by_id(tenant->lease, 0, space);
    ck_assert_ptr_nonnull(tenant->space);
    tenant->data = homi_memory_address(tenant->memory);
}

static void tenant_open(struct tenant *tenant, const char *name, uint32_t space, bool interrupt)
{
    tenant->homi = connect_homid();
    attach_as(tenant, name);
    set_up_io(tenant, space, interrupt);
}

static void tenant_close(struct tenant *tenant)
{
    homi_queue_pair_free(tenant->pair);
    homi_memory_free(tenant->memory);
    homi_detach(tenant->lease);
    homi_close(tenant->homi);
}

/* Moves all COUNT blocks. Returns how many commands failed. */
static unsigned move(struct tenant *tenant, bool write)
{
    struct homi_queue *queue = homi_queue_pair_queue(tenant->pair);
    const struct homi_region_map *region = homi_memory_region(tenant->memory);
    struct homi_completion done[8];
    unsigned sent = 0, completed = 0, failed = 0;

    while (completed < COUNT) {
        struct homi_batch batch = homi_batch_begin(queue);
        int r = 0;
        while (sent < COUNT && r == 0) {
            uint64_t lba = (uint64_t)sent * BLOCK_BYTES >> tenant->space->block_shift;
            uint8_t *at = tenant->data + (size_t)sent * BLOCK_BYTES;
            r = write ? homi_batch_write(&batch, tenant->space, region, at, BLOCK_BYTES, lba, sent)
                      : homi_batch_read(&batch, tenant->space, region, at, BLOCK_BYTES, lba, sent);
            sent += r == 0;
        }
        homi_batch_submit(&batch);
        if (homi_queue_pair_event_fd(tenant->pair) >= 0)
            ck_assert_int_eq(homi_queue_pair_wait(tenant->pair, 10000), 0);
        int count = homi_queue_wait(queue, done, 8, UINT64_C(1) << 34);
        ck_assert_int_gt(count, 0);
        for (int i = 0; i < count; i++)
            failed += done[i].status != 0;
        completed += (unsigned)count;
    }
    return failed;
}

static void write_and_verify(struct tenant *tenant, unsigned seed)
{
    for (size_t i = 0; i < COUNT * BLOCK_BYTES; i++)
        tenant->data[i] = (uint8_t)(seed * 31 + i * 7 + i / 4093);
    ck_assert_uint_eq(move(tenant, true), 0);
    memset(tenant->data, 0, COUNT * BLOCK_BYTES);
    ck_assert_uint_eq(move(tenant, false), 0);
    unsigned different = 0;
    for (size_t i = 0; i < COUNT * BLOCK_BYTES; i++)
        different += tenant->data[i] != (uint8_t)(seed * 31 + i * 7 + i / 4093);
    ck_assert_uint_eq(different, 0);
}

/* ---- one tenant, one end ---- */

static void kill_relay(void)
{
    pid_t relay = supervisor_process(directory, "homid-relay");

    if (relay)
        kill(relay, SIGKILL);
}

/* homid ends by a signal; the relay before it, or not. */
static void goes_on_after(int number, bool interrupt, bool relayed, bool relay_too)
{
    struct tenant tenant;
    struct homi_queue_pair *second;
    struct homi_memory *memory;

    tenant_open(&tenant, relayed ? "green" : "blue", relayed ? 2 : 1, interrupt);
    ck_assert_int_eq(homi_lease_function(tenant.lease, 0)->relayed, relayed);
    write_and_verify(&tenant, 1);
    pid_t before = wait_ready().pid, relay = supervisor_process(directory, "homid-relay");
    ck_assert_int_eq(relay > 0, relayed);
    if (relay_too)
        kill_relay();
    struct supervised report = supervisor_signal(&supervisor, number);
    ck_assert_int_ne(report.pid, before);
    write_and_verify(&tenant, 2);
    must(homi_memory_new(tenant.lease, 65536, 0, &memory), tenant.homi, "more memory");
    must(homi_queue_pair_new(tenant.lease, NULL, &second), tenant.homi, "a second queue pair");
    ck_assert_uint_eq(homi_queue_pair_id(second), homi_queue_pair_id(tenant.pair) + 1);
    write_and_verify(&tenant, 3);
    if (relayed)
        ck_assert_int_eq(supervisor_process(directory, "homid-relay") == relay, !relay_too);
    homi_queue_pair_free(second);
    homi_memory_free(memory);
    tenant_close(&tenant);
}

START_TEST(a_tenant_goes_on_after_a_kill)
{
    goes_on_after(SIGKILL, false, false, false);
}
END_TEST

START_TEST(a_relayed_tenant_goes_on_after_a_kill)
{
    goes_on_after(SIGKILL, true, true, false);
}
END_TEST

START_TEST(a_relayed_tenant_goes_on_after_the_end_of_both)
{
    goes_on_after(SIGKILL, false, true, true);
}
END_TEST

START_TEST(a_tenant_goes_on_after_a_restart)
{
    goes_on_after(SIGTERM, true, false, false);
}
END_TEST

START_TEST(ready_functions_stay_as_they_are)
{
    unsigned stored = wait_ready().stored;

    for (unsigned i = 0; i < 5; i++) {
        struct supervised report = supervisor_signal(&supervisor, SIGKILL);
        ck_assert_uint_eq(report.stored, stored);
    }
    ck_assert_uint_eq(wait_ready().stored, stored);
}
END_TEST

static void operate(const char *method, const char *parameters)
{
    char path[128], *reply = NULL;

    snprintf(path, sizeof(path), "%s/admin.sock", directory);
    struct homi *homi = connect_at(path);
    must(homi_call(homi, method, parameters, &reply), homi, method);
    free(reply);
    homi_close(homi);
}

/* What was bound to the lease before stays bound to it, and whoever comes after finds it. */
START_TEST(the_socket_of_a_lease_outlives_homid)
{
    const struct homi_attach_options fresh = {.mode = HOMI_ATTACH_FRESH};
    struct tenant tenant = {0};
    struct homi_lease *lease = NULL;
    char path[128];

    wait_ready();
    operate("io.homi.Admin.AllocateVirtualFunctions", "{\"tenant\":\"green\",\"socket\":true}");
    snprintf(path, sizeof(path), "%s/lease/lease-1.sock", directory);
    tenant.homi = connect_at(path);
    must(homi_attach(tenant.homi, NULL, &tenant.lease), tenant.homi, "attach");
    set_up_io(&tenant, 2, false);
    for (unsigned i = 0; i < 2; i++) {
        supervisor_signal(&supervisor, i ? SIGTERM : SIGKILL);
        write_and_verify(&tenant, i);
        ck_assert_int_eq(homi_attach(tenant.homi, &fresh, &lease), HOMI_REFUSED_LEASE_ONLY);
        struct homi *other = connect_at(path);
        ck_assert_int_eq(homi_attach(other, &fresh, &lease), HOMI_REFUSED_LEASE_ONLY);
        must(homi_attach(other, NULL, &lease), other, "attach");
        ck_assert_str_eq(homi_lease_name(lease), "lease-1");
        homi_detach(lease);
        homi_close(other);
    }
    tenant_close(&tenant);
    operate("io.homi.Admin.FreeLease", "{\"lease\":\"lease-1\"}");
    ck_assert_int_eq(access(path, F_OK), -1);
}
END_TEST

/* ---- later versions ---- */

static void use(const char *name)
{
    char path[512];

    path_of(name, path, sizeof(path));
    supervisor_use(&supervisor, path);
}

static void makes_more(struct tenant *tenant)
{
    struct homi_queue_pair *second;

    must(homi_queue_pair_new(tenant->lease, NULL, &second), tenant->homi, "a second queue pair");
    homi_queue_pair_free(second);
}

START_TEST(an_upgrade_and_back_take_nothing)
{
    static const char *const versions[] = {"/homid-readable", "/../homid", "/homid-readable"};
    struct tenant blue, green;

    tenant_open(&blue, "blue", 1, false);
    tenant_open(&green, "green", 2, true);
    for (unsigned i = 0; i < 3; i++) {
        use(versions[i]);
        supervisor_signal(&supervisor, i ? SIGTERM : SIGKILL);
        write_and_verify(&blue, i);
        write_and_verify(&green, i);
        makes_more(&blue);
        makes_more(&green);
    }
    tenant_close(&blue);
    tenant_close(&green);
}
END_TEST

static void check_aside(unsigned stored)
{
    char path[128], *reply = NULL;

    ck_assert_uint_eq(wait_ready().stored, stored);
    snprintf(path, sizeof(path), "%s/admin.sock", directory);
    struct homi *homi = connect_at(path);
    must(homi_call(homi, "io.homi.Admin.ListDevices", NULL, &reply), homi, "list");
    ck_assert_ptr_nonnull(strstr(reply, "held as a newer homid left it: its state needs version 1000"));
    ck_assert_ptr_nonnull(strstr(reply, "quarantined"));
    free(reply);
    homi_close(homi);
}

/* Of a version that it cannot read nothing is guessed, and nothing is taken: neither leases nor doorbells. */
START_TEST(what_cannot_be_read_is_kept_aside)
{
    struct tenant blue, green;

    tenant_open(&blue, "blue", 1, true);
    tenant_open(&green, "green", 2, false);
    use("/homid-unreadable");
    supervisor_signal(&supervisor, SIGTERM);
    makes_more(&green);
    unsigned stored = wait_ready().stored;
    use("/../homid");
    for (unsigned i = 0; i < 2; i++) {
        supervisor_signal(&supervisor, i ? SIGKILL : SIGTERM);
        check_aside(stored);
        write_and_verify(&blue, i);
        write_and_verify(&green, i);
    }
    use("/homid-unreadable");
    supervisor_signal(&supervisor, SIGTERM);
    makes_more(&blue);
    makes_more(&green);
    write_and_verify(&green, 3);
    tenant_close(&blue);
    tenant_close(&green);
}
END_TEST

/* ---- four tenants, two of them relayed, and homid ends again and again ---- */

struct worker {
    pthread_t thread;
    const char *name;
    uint32_t space;
    bool interrupt;
    unsigned rounds, longest_microseconds;
};

static atomic_bool over;

static uint64_t now_microseconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* Holds what it has, and moves data; a failed command or a wrong block ends the test. */
static void *work(void *user)
{
    struct worker *worker = user;
    struct tenant tenant;

    tenant_open(&tenant, worker->name, worker->space, worker->interrupt);
    while (!atomic_load(&over))
        write_and_verify(&tenant, worker->rounds++);
    tenant_close(&tenant);
    return NULL;
}

/* Comes and goes: every call must be answered, and with success. */
static void *come_and_go(void *user)
{
    struct worker *worker = user;
    struct tenant tenant;

    while (!atomic_load(&over)) {
        uint64_t before = now_microseconds();
        char *reply = NULL;
        tenant.homi = connect_homid();
        must(homi_call(tenant.homi, "io.homi.Tenant.ListTenants", NULL, &reply), tenant.homi, "list");
        free(reply);
        attach_as(&tenant, worker->name);
        set_up_io(&tenant, worker->space, worker->interrupt);
        write_and_verify(&tenant, worker->rounds++);
        tenant_close(&tenant);
        unsigned took = (unsigned)(now_microseconds() - before);
        if (took > worker->longest_microseconds)
            worker->longest_microseconds = took;
    }
    return NULL;
}

static unsigned how_often(unsigned by_default)
{
    const char *text = getenv("HOMI_KILLS");

    return text ? (unsigned)atoi(text) : by_default;
}

static void start_workers(struct worker *workers)
{
    workers[0] = (struct worker){.name = "blue", .space = 1};
    workers[1] = (struct worker){.name = "green", .space = 2, .interrupt = true};
    workers[2] = (struct worker){.name = "red", .space = 3};
    workers[3] = (struct worker){.name = "amber", .space = 4};
    wait_ready();
    for (unsigned i = 0; i < TENANTS; i++)
        ck_assert_int_eq(pthread_create(&workers[i].thread, NULL, i < 2 ? work : come_and_go, &workers[i]),
                         0);
}

static void end_workers(struct worker *workers, unsigned ends)
{
    atomic_store(&over, true);
    for (unsigned i = 0; i < TENANTS; i++)
        ck_assert_int_eq(pthread_join(workers[i].thread, NULL), 0);
    printf(
        "homid ended %u times: %u and, relayed, %u rounds of I/O, %u and %u comings and goings, the longest "
        "%u and %u ms\n",
        ends, workers[0].rounds, workers[1].rounds, workers[2].rounds, workers[3].rounds,
        workers[2].longest_microseconds / 1000, workers[3].longest_microseconds / 1000);
    for (unsigned i = 0; i < TENANTS; i++)
        ck_assert_uint_gt(workers[i].rounds, 0);
}

/* homid alone, or with the relay, or the relay alone. */
START_TEST(kills_at_random_moments)
{
    struct worker workers[TENANTS];
    unsigned kills = how_often(KILLS_DEFAULT);
    unsigned seed = (unsigned)getpid();

    start_workers(workers);
    for (unsigned i = 0; i < kills; i++) {
        pause_microseconds(rand_r(&seed) % 150000);
        if (i % 3 == 0) {
            wait_ready(); /* each relay forwards something */
            kill_relay();
        }
        if (i % 6 != 3)
            supervisor_signal(&supervisor, i % 4 ? SIGKILL : SIGTERM);
    }
    end_workers(workers, kills);
}
END_TEST

/* Between any two writes of what outlives homid, and around all that a peer or a device sees. */
START_TEST(ends_at_its_crash_points)
{
    struct worker workers[TENANTS];
    unsigned ends = how_often(KILLS_DEFAULT), first;
    char crashing[512];

    path_of("/homid-crash", crashing, sizeof(crashing));
    start_workers(workers);
    supervisor_use(&supervisor, crashing);
    first = supervisor_signal(&supervisor, SIGKILL).starts;
    while (supervisor_look(&supervisor).starts - first < ends)
        pause_microseconds(20000);
    supervisor_use(&supervisor, program);
    supervisor_signal(&supervisor, SIGKILL);
    end_workers(workers, ends);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("takeover");
    TCase *tcase = tcase_create("one");

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, ready_functions_stay_as_they_are);
    tcase_add_test(tcase, a_tenant_goes_on_after_a_kill);
    tcase_add_test(tcase, a_tenant_goes_on_after_a_restart);
    tcase_add_test(tcase, the_socket_of_a_lease_outlives_homid);
    tcase_add_test(tcase, an_upgrade_and_back_take_nothing);
    tcase_add_test(tcase, what_cannot_be_read_is_kept_aside);
    tcase_add_test(tcase, a_relayed_tenant_goes_on_after_a_kill);
    tcase_add_test(tcase, a_relayed_tenant_goes_on_after_the_end_of_both);
    suite_add_tcase(suite, tcase);
    TCase *campaign = tcase_create("campaign");
    tcase_add_checked_fixture(campaign, set_up, tear_down);
    tcase_set_timeout(campaign, 60 + 2 * how_often(KILLS_DEFAULT));
    tcase_add_test(campaign, kills_at_random_moments);
    tcase_add_test(campaign, ends_at_its_crash_points);
    suite_add_tcase(suite, campaign);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
