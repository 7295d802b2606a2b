/* SPDX-License-Identifier: BSD-3-Clause */
/* The whole path without root: homid as built, the model process that it starts, and tenants with libhomi. */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <homi/homi.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    BLOCK_BYTES = 4096,
    COUNT = 64,
    FUNCTIONS = 2,
    WAIT_MILLISECONDS = 10000,
    KILLS = 20,
    RELAY_KILLS = 10,
    RESETS = 5,
    LOST_COOKIE = 777,
};

#define SSDS_MAX 8

static char spec[2048];
static unsigned ssds; /* the first of which has the namespaces */
static char directory[64], config_path[128], socket_path[128];
static pid_t homid, model;

static void write_spec(void)
{
    size_t used = (size_t)snprintf(spec, sizeof(spec),
                                   "--model={\"devices\":[{\"serial\":\"E2E0\",\"virtualFunctions\":2,"
                                   "\"namespaces\":[{\"id\":1,\"bytes\":\"4M\"},{\"id\":2,\"bytes\":\"4M\","
                                   "\"blockBytes\":4096},{\"id\":3,\"bytes\":\"1G\",\"backing\":\"null\"}],"
                                   /* Write Zeroes resets the SSD. */
                                   "\"faults\":[{\"action\":\"reset\",\"opcode\":8}]}");

    for (unsigned i = 1; i < ssds; i++)
        used += (size_t)snprintf(spec + used, sizeof(spec) - used,
                                 ",{\"serial\":\"E2E%u\",\"virtualFunctions\":2}", i);
    ck_assert_uint_lt(used + 2, sizeof(spec));
    strcpy(spec + used, "]}");
}

static void write_config(void)
{
    FILE *file = fopen(config_path, "w");
    static const char tenant[] =
        "{\"name\":\"%s\",\"trusted\":%s,\"users\":[%u],\"devices\":[%s],\"namespaces\":["
        "{\"device\":\"ssd0\",\"id\":%u}%s],\"virtualFunctionsMax\":8,\"queuePairsMax\":16,"
        "\"memoryMax\":\"64M\",\"connectionsMax\":32,\"regionsMax\":32,\"waitingMax\":8}";
    char names[96] = "\"ssd0\"";

    ck_assert_ptr_nonnull(file);
    fprintf(file, "{\"adminGroup\":%u,\"tenantSocket\":\"%s/tenant.sock\",\"adminSocket\":\"%s/admin.sock\",",
            (unsigned)getgid(), directory, directory);
    fprintf(file, "\"logLevel\":\"warning\",\"devices\":[");
    for (unsigned i = 0; i < ssds; i++)
        fprintf(file, "%s{\"name\":\"ssd%u\",\"serial\":\"E2E%u\",\"virtualFunctions\":2,\"queuePairs\":4}",
                i ? "," : "", i, i);
    for (unsigned i = 1; i < ssds; i++)
        snprintf(names + strlen(names), sizeof(names) - strlen(names), ",\"ssd%u\"", i);
    fprintf(file, "],\"tenants\":[");
    fprintf(file, tenant, "blue", "true", (unsigned)getuid(), names, 1u, ",{\"device\":\"ssd0\",\"id\":3}");
    fputc(',', file);
    fprintf(file, tenant, "green", "false", (unsigned)getuid(), "\"ssd0\"", 2u, "");
    fprintf(file, "]}\n");
    ck_assert_int_eq(fclose(file), 0);
}

static void start_homid(void)
{
    char program[512];
    ssize_t length = readlink("/proc/self/exe", program, sizeof(program) - 32);

    ck_assert_int_gt(length, 0);
    program[length] = '\0';
    strcpy(strrchr(program, '/'), "/../homid");
    homid = fork();
    ck_assert_int_ge(homid, 0);
    if (homid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        setenv("XDG_RUNTIME_DIR", directory, 1);
        execl(program, "homid", "--config", config_path, spec, (char *)NULL);
        _exit(127);
    }
}

/* A process among homid's children, by its name; 0: it is not there (any more). */
static pid_t find_child(const char *name)
{
    DIR *processes = opendir("/proc");
    struct dirent *entry;
    pid_t found = 0;

    ck_assert_ptr_nonnull(processes);
    while (!found && (entry = readdir(processes))) {
        char path[300], text[512] = "", command[64];
        int pid = atoi(entry->d_name), parent = 0;
        snprintf(path, sizeof(path), "/proc/%d/stat", pid);
        FILE *file = pid > 0 ? fopen(path, "r") : NULL;
        if (!file)
            continue;
        if (fgets(text, sizeof(text), file) && sscanf(text, "%*d (%63[^)]) %*c %d", command, &parent) == 2 &&
            parent == homid && strcmp(command, name) == 0)
            found = pid;
        fclose(file);
    }
    closedir(processes);
    return found;
}

static void pause_milliseconds(long milliseconds)
{
    const struct timespec time = {.tv_sec = milliseconds / 1000, .tv_nsec = milliseconds % 1000 * 1000000};

    nanosleep(&time, NULL);
}

/* A process that was started has its name a moment later. */
static pid_t wait_for_child(const char *name)
{
    pid_t found = 0;

    for (unsigned i = 0; i < 1000 && !found; i++) {
        found = find_child(name);
        if (!found)
            pause_milliseconds(10);
    }
    ck_assert_int_gt(found, 0);
    return found;
}

static unsigned long cpu_ticks(pid_t pid)
{
    char path[64];
    unsigned long user = 0, kernel = 0;

    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "r");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(
        fscanf(file, "%*d (%*[^)]) %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &kernel), 2);
    fclose(file);
    return user + kernel;
}

static struct homi *connect_homid(void)
{
    struct homi *homi = NULL;

    for (unsigned i = 0; homi_open(socket_path, &homi) < 0; i++) {
        ck_assert_uint_lt(i, 1000);
        pause_milliseconds(10);
    }
    return homi;
}

/* To a VF of each of the first `count` SSDs. */
static struct homi_lease *attach(struct homi *homi, const char *tenant, size_t count)
{
    static const char *const names[SSDS_MAX] = {"ssd0", "ssd1", "ssd2", "ssd3",
                                                "ssd4", "ssd5", "ssd6", "ssd7"};
    const struct homi_attach_options options = {.tenant = tenant,
                                                .mode = HOMI_ATTACH_FRESH,
                                                .devices = names,
                                                .device_count = count,
                                                .wait_milliseconds = WAIT_MILLISECONDS};
    struct homi_lease *lease = NULL;
    int r = -1;

    /* homid serves before its SSDs are ready. */
    for (unsigned i = 0; i < 1000 && r != 0; i++) {
        r = homi_attach(homi, &options, &lease);
        if (r != 0)
            pause_milliseconds(10);
    }
    ck_assert_msg(r == 0, "%s: %s", homi_strerror(r), homi_error_text(homi));
    return lease;
}

static void set_up_with(unsigned count)
{
    ssds = count;
    write_spec();
    snprintf(directory, sizeof(directory), "/tmp/homi-e2e-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    snprintf(config_path, sizeof(config_path), "%s/homid.conf", directory);
    snprintf(socket_path, sizeof(socket_path), "%s/tenant.sock", directory);
    write_config();
    start_homid();
    homi_close(connect_homid());
    model = wait_for_child("homid-model");
}

static void set_up(void)
{
    set_up_with(1);
}

static void set_up_many(void)
{
    set_up_with(SSDS_MAX);
}

static void tear_down(void)
{
    char path[160];
    int status;

    kill(homid, SIGTERM);
    ck_assert_int_eq(waitpid(homid, &status, 0), homid);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "homid ended with 0x%x", (unsigned)status);
    ck_assert_int_eq(kill(model, SIGTERM), 0);
    static const char *const files[] = {"homid.conf", "tenant.sock", "admin.sock", "homi/model.sock",
                                        "homi/relay.sock"};
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", directory, files[i]);
        unlink(path);
    }
    snprintf(path, sizeof(path), "%s/homi", directory);
    rmdir(path);
    rmdir(directory);
}

/* ---- a tenant ---- */

struct tenant {
    struct homi *homi;
    struct homi_lease *lease;
    struct homi_memory *memory;
    struct homi_queue_pair *pair;
    const struct homi_namespace *space;
    uint8_t *data;
};

static void tenant_open(struct tenant *tenant, const char *name, uint32_t space, bool interrupt)
{
    const struct homi_queue_options options = {.entries = 32, .interrupt = interrupt};

    tenant->homi = connect_homid();
    tenant->lease = attach(tenant->homi, name, 1);
    ck_assert_int_eq(homi_memory_new(tenant->lease, COUNT * BLOCK_BYTES, 0, &tenant->memory), 0);
    ck_assert_int_eq(homi_queue_pair_new(tenant->lease, &options, &tenant->pair), 0);
    tenant->space = homi_function_namespace_by_id(tenant->lease, 0, space);
    ck_assert_ptr_nonnull(tenant->space);
    tenant->data = homi_memory_address(tenant->memory);
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
            ck_assert_int_eq(homi_queue_pair_wait(tenant->pair, 5000), 0);
        int count = homi_queue_wait(queue, done, 8, UINT64_C(1) << 32);
        ck_assert_int_gt(count, 0);
        for (int i = 0; i < count; i++)
            failed += done[i].status != 0;
        completed += (unsigned)count;
    }
    return failed;
}

static void fill(struct tenant *tenant, unsigned seed)
{
    for (size_t i = 0; i < COUNT * BLOCK_BYTES; i++)
        tenant->data[i] = (uint8_t)(seed * 31 + i * 7 + i / 4093);
}

static unsigned differences(const struct tenant *tenant, unsigned seed)
{
    unsigned count = 0;

    for (size_t i = 0; i < COUNT * BLOCK_BYTES; i++)
        count += tenant->data[i] != (uint8_t)(seed * 31 + i * 7 + i / 4093);
    return count;
}

static void write_and_verify(struct tenant *tenant, unsigned seed)
{
    fill(tenant, seed);
    ck_assert_uint_eq(move(tenant, true), 0);
    memset(tenant->data, 0, COUNT * BLOCK_BYTES);
    ck_assert_uint_eq(move(tenant, false), 0);
    ck_assert_uint_eq(differences(tenant, seed), 0);
}

START_TEST(a_tenant_reads_what_it_wrote)
{
    struct tenant tenant;

    tenant_open(&tenant, "blue", 1, false);
    for (unsigned i = 0; i < 10; i++)
        write_and_verify(&tenant, i);
    ck_assert_uint_eq(homi_queue_spurious(homi_queue_pair_queue(tenant.pair)), 0);
    tenant_close(&tenant);
}
END_TEST

START_TEST(a_tenant_sleeps_until_interrupted)
{
    struct tenant tenant;

    tenant_open(&tenant, "blue", 1, true);
    write_and_verify(&tenant, 5);
    tenant_close(&tenant);
}
END_TEST

START_TEST(two_tenants_do_not_meet)
{
    struct tenant blue, green;

    tenant_open(&blue, "blue", 1, false);
    tenant_open(&green, "green", 2, false);
    fill(&blue, 1);
    fill(&green, 2);
    ck_assert_uint_eq(move(&blue, true), 0);
    ck_assert_uint_eq(move(&green, true), 0);
    for (unsigned i = 0; i < 5; i++) {
        ck_assert_uint_eq(move(&blue, false), 0);
        ck_assert_uint_eq(move(&green, false), 0);
        ck_assert_uint_eq(differences(&blue, 1), 0);
        ck_assert_uint_eq(differences(&green, 2), 0);
    }
    /* Namespace 2 is not there for blue, whatever it says. */
    const struct homi_namespace foreign = {.id = 2, .block_shift = 12, .blocks = 1024, .block_bytes = 4096};
    blue.space = &foreign;
    ck_assert_uint_eq(move(&blue, false), COUNT);
    tenant_close(&green);
    tenant_close(&blue);
}
END_TEST

/* Check tells its parent of every assertion through a file that a fork shares, and a kill leaves half a
 * message there: what this process has to say goes nowhere. */
static void leave_check(void)
{
    int nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);
    struct stat status;

    for (int fd = 3; fd < nowhere; fd++) {
        if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_nlink == 0)
            dup2(nowhere, fd);
    }
}

static void work_until_killed(int ready, bool relayed)
{
    struct tenant tenant;

    leave_check();
    tenant_open(&tenant, relayed ? "green" : "blue", relayed ? 2 : 1, false);
    if (write(ready, "", 1) != 1)
        _exit(1);
    for (;;)
        move(&tenant, false);
}

START_TEST(killed_tenants_give_everything_back)
{
    struct tenant tenants[FUNCTIONS];
    int ready[2];
    char byte;

    ck_assert_int_eq(pipe(ready), 0);
    for (unsigned i = 0; i < KILLS; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            work_until_killed(ready[1], i % 2);
        }
        ck_assert_int_eq(read(ready[0], &byte, 1), 1);
        pause_milliseconds(i % 5);
        kill(pid, SIGKILL);
        ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
    }
    close(ready[0]);
    close(ready[1]);
    tenant_open(&tenants[0], "blue", 1, false);
    tenant_open(&tenants[1], "green", 2, false);
    write_and_verify(&tenants[0], 8);
    write_and_verify(&tenants[1], 9);
    tenant_close(&tenants[1]);
    tenant_close(&tenants[0]);
}
END_TEST

/* Both tenants are this user's, so each is told of both leases. */
static void wait_for_reset(struct tenant *tenant)
{
    struct pollfd entry = {.fd = homi_event_fd(tenant->homi), .events = POLLIN};
    struct homi_event event;
    int r;

    do {
        ck_assert_int_eq(poll(&entry, 1, 10000), 1);
        r = homi_event_next(tenant->homi, &event);
        ck_assert_int_ge(r, 0);
    } while (r == 0 || event.kind != HOMI_EVENT_FUNCTION_RESET ||
             strcmp(event.lease, homi_lease_name(tenant->lease)) != 0);
}

static void on_lost(void *user, struct homi_queue_pair *pair, uint64_t cookie)
{
    (void)pair;
    ck_assert_uint_eq(cookie, LOST_COOKIE);
    ++*(unsigned *)user;
}

static void reset_the_ssd(struct tenant *tenant)
{
    struct homi_batch batch = homi_batch_begin(homi_queue_pair_queue(tenant->pair));

    ck_assert_int_eq(homi_batch_write_zeroes(&batch, tenant->space, 0, 8, 0, LOST_COOKIE), 0);
    homi_batch_submit(&batch);
}

START_TEST(leases_outlive_resets_of_the_ssd)
{
    struct tenant blue, green;
    unsigned lost = 0;

    tenant_open(&blue, "blue", 1, false);
    tenant_open(&green, "green", 2, true);
    ck_assert_int_ge(homi_event_fd(blue.homi), 0);
    ck_assert_int_ge(homi_event_fd(green.homi), 0);
    write_and_verify(&green, 9);
    for (unsigned i = 0; i < RESETS; i++) {
        write_and_verify(&blue, i);
        reset_the_ssd(&blue);
        wait_for_reset(&blue);
        wait_for_reset(&green);
        ck_assert_int_eq(homi_recover(blue.lease, on_lost, &lost), 0);
        ck_assert_uint_eq(lost, i + 1);
        ck_assert_int_eq(homi_recover(green.lease, on_lost, &lost), 0);
        ck_assert_uint_eq(lost, i + 1);
        /* On the same memory, and with what the namespaces held. */
        ck_assert_uint_eq(move(&blue, false) + move(&green, false), 0);
        ck_assert_uint_eq(differences(&blue, i) + differences(&green, 9), 0);
    }
    tenant_close(&green);
    tenant_close(&blue);
}
END_TEST

static void *recover(void *user)
{
    struct tenant *tenant = user;
    unsigned lost = 0;

    ck_assert_int_eq(homi_recover(tenant->lease, on_lost, &lost), 0);
    return NULL;
}

/* A relay that is stopped does not say that it will not touch the function again, so that is not reset. */
START_TEST(the_relay_lets_go_of_a_function_before_it_is_reset)
{
    struct timespec soon;
    struct tenant blue, green;
    pthread_t thread;

    tenant_open(&blue, "blue", 1, false);
    tenant_open(&green, "green", 2, false);
    ck_assert_int_ge(homi_event_fd(green.homi), 0);
    write_and_verify(&green, 1);
    pid_t relay = wait_for_child("homid-relay");
    kill(relay, SIGSTOP);
    reset_the_ssd(&blue);
    wait_for_reset(&green);
    ck_assert_int_eq(pthread_create(&thread, NULL, recover, &green), 0);
    clock_gettime(CLOCK_REALTIME, &soon);
    soon.tv_sec++;
    ck_assert_int_eq(pthread_timedjoin_np(thread, NULL, &soon), ETIMEDOUT);
    kill(relay, SIGCONT);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_int_eq(wait_for_child("homid-relay"), relay);
    ck_assert_uint_eq(move(&green, false), 0);
    ck_assert_uint_eq(differences(&green, 1), 0);
    write_and_verify(&green, 2);
    tenant_close(&green);
    tenant_close(&blue);
}
END_TEST

START_TEST(nothing_runs_without_work)
{
    struct tenant tenant;

    tenant_open(&tenant, "blue", 1, false);
    write_and_verify(&tenant, 1);
    pause_milliseconds(100);
    unsigned long before = cpu_ticks(model);
    pause_milliseconds(1500);
    ck_assert_uint_le(cpu_ticks(model) - before, 2); /* hundredths of a second */
    write_and_verify(&tenant, 2);
    ck_assert_uint_gt(homi_queue_wakes(homi_queue_pair_queue(tenant.pair)), 0);
    tenant_close(&tenant);
}
END_TEST

START_TEST(a_relay_runs_only_for_work)
{
    struct tenant tenant;

    tenant_open(&tenant, "green", 2, false);
    write_and_verify(&tenant, 1);
    pid_t relay = wait_for_child("homid-relay");
    pause_milliseconds(100);
    unsigned long before = cpu_ticks(relay);
    pause_milliseconds(1500);
    ck_assert_uint_le(cpu_ticks(relay) - before, 2);
    write_and_verify(&tenant, 2);
    ck_assert_uint_gt(homi_queue_wakes(homi_queue_pair_queue(tenant.pair)), 0);
    tenant_close(&tenant);
}
END_TEST

static void kill_relays(void)
{
    for (unsigned i = 0; i < RELAY_KILLS; i++) {
        kill(wait_for_child("homid-relay"), SIGKILL);
        pause_milliseconds(20 + i % 7 * 15);
    }
}

START_TEST(a_killed_relay_loses_nothing)
{
    struct tenant tenant;
    unsigned rounds = 0;
    int status;

    tenant_open(&tenant, "green", 2, false);
    pid_t killer = fork();
    if (killer == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        kill_relays();
        _exit(0);
    }
    while (waitpid(killer, &status, WNOHANG) == 0)
        write_and_verify(&tenant, rounds++);
    ck_assert_int_eq(status, 0);
    ck_assert_uint_gt(rounds, 1);
    write_and_verify(&tenant, rounds);
    ck_assert_uint_eq(homi_queue_spurious(homi_queue_pair_queue(tenant.pair)), 0);
    tenant_close(&tenant);
}
END_TEST

/* What its process writes to a doorbell ends that queue pair, says so, and ends nothing else. */
START_TEST(a_nonsense_doorbell_ends_its_queue_pair)
{
    const struct homi_queue_options options = {.entries = 32};
    struct homi_queue_pair *bad = NULL;
    struct homi_event event = {0};
    struct tenant tenant;
    int r = 0;

    tenant_open(&tenant, "green", 2, false);
    ck_assert_int_eq(homi_queue_pair_new(tenant.lease, &options, &bad), 0);
    ck_assert_int_ge(homi_event_fd(tenant.homi), 0);
    struct homi_queue *queue = homi_queue_pair_queue(bad);
    ck_assert_int_eq(homi_queue_health(queue), 0);
    homi_queue_ring(queue, 32);
    for (unsigned i = 0; i < 1000 && homi_queue_health(queue) == 0; i++)
        pause_milliseconds(10);
    ck_assert_int_eq(homi_queue_health(queue), -EIO);
    for (unsigned i = 0; i < 1000 && r == 0; i++) {
        r = homi_event_next(tenant.homi, &event);
        if (r == 0)
            pause_milliseconds(10);
    }
    ck_assert_int_eq(r, 1);
    ck_assert_int_eq(event.kind, HOMI_EVENT_QUEUE_PAIR_FAILED);
    ck_assert_ptr_nonnull(strstr(event.reason, "32 was written to its submission doorbell"));
    write_and_verify(&tenant, 1);
    homi_queue_pair_free(bad);
    tenant_close(&tenant);
}
END_TEST

START_TEST(the_model_outlives_homid)
{
    struct tenant tenant;

    tenant_open(&tenant, "blue", 1, false);
    write_and_verify(&tenant, 3);
    tenant_close(&tenant);
    kill(homid, SIGKILL);
    waitpid(homid, NULL, 0);
    unlink(socket_path);
    ck_assert_int_eq(kill(model, 0), 0);
    start_homid();
    tenant_open(&tenant, "blue", 1, false);
    ck_assert_uint_eq(move(&tenant, false), 0);
    ck_assert_uint_eq(differences(&tenant, 3), 0);
    tenant_close(&tenant);
}
END_TEST

START_TEST(a_null_namespace_moves_nothing)
{
    struct tenant tenant;

    tenant_open(&tenant, "blue", 3, false);
    fill(&tenant, 4);
    ck_assert_uint_eq(move(&tenant, false), 0);
    ck_assert_uint_eq(differences(&tenant, 4), 0);
    tenant_close(&tenant);
}
END_TEST

/* Two descriptors of each function come with the answer: its BAR, and what wakes the software SSD. */
START_TEST(a_lease_spans_as_many_software_ssds_as_it_may)
{
    struct homi *homi = connect_homid();
    struct homi_lease *lease = attach(homi, "blue", SSDS_MAX);
    struct homi_memory *memory;

    ck_assert_uint_eq(homi_lease_function_count(lease), SSDS_MAX);
    ck_assert_int_eq(homi_memory_new(lease, BLOCK_BYTES, 0, &memory), 0);
    homi_memory_free(memory);
    homi_detach(lease);
    homi_close(homi);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("model_tenants");
    TCase *tcase = tcase_create("tenants"), *many = tcase_create("many SSDs");

    tcase_add_checked_fixture(many, set_up_many, tear_down);
    tcase_set_timeout(many, 60);
    tcase_add_test(many, a_lease_spans_as_many_software_ssds_as_it_may);
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, a_tenant_reads_what_it_wrote);
    tcase_add_test(tcase, a_tenant_sleeps_until_interrupted);
    tcase_add_test(tcase, two_tenants_do_not_meet);
    tcase_add_test(tcase, killed_tenants_give_everything_back);
    tcase_add_test(tcase, leases_outlive_resets_of_the_ssd);
    tcase_add_test(tcase, the_relay_lets_go_of_a_function_before_it_is_reset);
    tcase_add_test(tcase, nothing_runs_without_work);
    tcase_add_test(tcase, a_relay_runs_only_for_work);
    tcase_add_test(tcase, a_killed_relay_loses_nothing);
    tcase_add_test(tcase, a_nonsense_doorbell_ends_its_queue_pair);
    tcase_add_test(tcase, the_model_outlives_homid);
    tcase_add_test(tcase, a_null_namespace_moves_nothing);
    suite_add_tcase(suite, tcase);
    suite_add_tcase(suite, many);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
