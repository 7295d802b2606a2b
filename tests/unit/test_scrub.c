/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One namespace, two tenants, one after the other: what the first wrote the second never reads, however the
 * first ended, and when homid ended while it scrubbed. homid as built, the software SSD, a service manager
 * that keeps descriptors, tenants with libhomi. HOMI_ROUNDS=N changes owners so often.
 */
#include <check.h>
#include <homi/homi.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/unit/supervisor.h"

enum { TRANSFER = 64 * 1024, COUNT = 64, ROUNDS_DEFAULT = 12, WAIT_MILLISECONDS = 30000, STORE_LIMIT = 512 };

static char model_option[] =
    "--model={\"devices\":[{\"serial\":\"E2E\",\"virtualFunctions\":2,\"namespaces\":["
    "{\"id\":1,\"bytes\":\"4M\"}]}]}";
static char directory[64], config_path[128], socket_path[128], program[512];
static struct supervisor supervisor;

struct tenant {
    struct homi *homi;
    struct homi_lease *lease;
    struct homi_memory *memory;
    struct homi_queue_pair *pair;
    uint8_t *data;
};

static void pause_milliseconds(long milliseconds)
{
    const struct timespec time = {.tv_sec = milliseconds / 1000, .tv_nsec = milliseconds % 1000 * 1000000};
    nanosleep(&time, NULL);
}

static void write_config(void)
{
    static const char tenant[] =
        "{\"name\":\"%s\",\"trusted\":true,\"users\":[%u],\"devices\":[\"ssd0\"],\"namespaces\":["
        "{\"device\":\"ssd0\",\"id\":1,\"scrub\":\"writeZeroes\"}]}";
    FILE *file = fopen(config_path, "w");
    ck_assert_ptr_nonnull(file);
    fprintf(file, "{\"adminGroup\":%u,\"tenantSocket\":\"%s/tenant.sock\",\"adminSocket\":\"%s/admin.sock\",",
            (unsigned)getgid(), directory, directory);
    fprintf(file, "\"logLevel\":\"warning\",\"limits\":{\"connections\":64},\"devices\":[{\"name\":\"ssd0\","
                  "\"serial\":\"E2E\",\"virtualFunctions\":2,\"queuePairs\":2}],\"tenants\":[");
    fprintf(file, tenant, "blue", (unsigned)getuid());
    fprintf(file, ",");
    fprintf(file, tenant, "green", (unsigned)getuid());
    fprintf(file, "]}\n");
    ck_assert_int_eq(fclose(file), 0);
}

static void set_up(void)
{
    static char option[] = "--config", *arguments[] = {program, option, config_path, model_option, NULL};
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 64);
    ck_assert_int_gt(length, 0);
    program[length] = '\0';
    strcpy(strrchr(program, '/'), "/../homid");
    strcpy(directory, "/tmp/homi-scrub-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    snprintf(config_path, sizeof config_path, "%s/homid.conf", directory);
    snprintf(socket_path, sizeof socket_path, "%s/tenant.sock", directory);
    setenv("XDG_RUNTIME_DIR", directory, 1);
    write_config();
    supervisor = supervisor_start(directory, STORE_LIMIT, arguments);
}

static void tear_down(void)
{
    char command[128];
    pid_t model = supervisor_process(directory, "homid-model");
    struct supervised report = supervisor_stop(&supervisor, SIGINT);
    ck_assert_msg(WIFEXITED(report.status) && WEXITSTATUS(report.status) == 0, "homid ended with 0x%x",
                  (unsigned)report.status);
    ck_assert_int_gt(model, 0);
    ck_assert_int_eq(kill(model, SIGTERM), 0);
    snprintf(command, sizeof command, "rm -r %s", directory);
    ck_assert_int_eq(system(command), 0);
}

static bool must(int r, struct homi *homi, const char *what)
{
    if (r != 0)
        fprintf(stderr, "%s: %s (%s)\n", what, homi_strerror(r), homi ? homi_error_text(homi) : "");
    return r == 0;
}

static bool tenant_open(struct tenant *tenant, const char *name)
{
    const struct homi_attach_options options = {
        .tenant = name, .mode = HOMI_ATTACH_FRESH, .wait_milliseconds = WAIT_MILLISECONDS};
    const struct homi_queue_options queue = {.entries = 16};
    *tenant = (struct tenant){0};
    for (unsigned i = 0; homi_open(socket_path, &tenant->homi) < 0 && i < 4000; i++)
        pause_milliseconds(5);
    if (!tenant->homi || !must(homi_attach(tenant->homi, &options, &tenant->lease), tenant->homi, "attach") ||
        !must(homi_memory_new(tenant->lease, (size_t)COUNT * TRANSFER, 0, &tenant->memory), tenant->homi,
              "memory") ||
        !must(homi_queue_pair_new(tenant->lease, &queue, &tenant->pair), tenant->homi, "queue pair"))
        return false;
    tenant->data = homi_memory_address(tenant->memory);
    return true;
}

static void tenant_close(struct tenant *tenant)
{
    homi_queue_pair_free(tenant->pair);
    homi_memory_free(tenant->memory);
    homi_detach(tenant->lease);
    homi_close(tenant->homi);
}

/* All of the namespace. Returns how many commands failed. */
static unsigned move(struct tenant *tenant, bool write)
{
    struct homi_queue *queue = homi_queue_pair_queue(tenant->pair);
    const struct homi_region_map *region = homi_memory_region(tenant->memory);
    const struct homi_namespace *space = homi_function_namespace_by_id(tenant->lease, 0, 1);
    struct homi_completion done[8];
    unsigned sent = 0, completed = 0, failed = 0;

    while (space && completed < COUNT) {
        struct homi_batch batch = homi_batch_begin(queue);
        int r = 0;
        while (sent < COUNT && r == 0) {
            uint64_t lba = (uint64_t)sent * TRANSFER >> space->block_shift;
            uint8_t *at = tenant->data + (size_t)sent * TRANSFER;
            r = write ? homi_batch_write(&batch, space, region, at, TRANSFER, lba, sent)
                      : homi_batch_read(&batch, space, region, at, TRANSFER, lba, sent);
            sent += r == 0;
        }
        homi_batch_submit(&batch);
        int count = homi_queue_wait(queue, done, 8, UINT64_C(1) << 34);
        if (count <= 0)
            return COUNT;
        for (int i = 0; i < count; i++)
            failed += done[i].status != 0;
        completed += (unsigned)count;
    }
    return space ? failed : COUNT;
}

/* 0: it read nothing but zeroes, and left its own data everywhere. */
static int live(const char *name, uint8_t mark, bool until_killed, int ready)
{
    struct tenant tenant;
    unsigned left = 0;
    if (!tenant_open(&tenant, name))
        return 2;
    memset(tenant.data, 0xff, (size_t)COUNT * TRANSFER);
    if (move(&tenant, false) != 0)
        return 3;
    for (size_t i = 0; i < (size_t)COUNT * TRANSFER; i++)
        left += tenant.data[i] != 0;
    if (left)
        return 4;
    memset(tenant.data, mark, (size_t)COUNT * TRANSFER);
    if (move(&tenant, true) != 0)
        return 5;
    if (write(ready, "", 1) != 1)
        return 6;
    while (until_killed)
        move(&tenant, true);
    tenant_close(&tenant);
    return 0;
}

/* A process of the tenant: comes, looks, leaves its mark, and goes or is killed while it writes. */
static void round_of(const char *name, uint8_t mark, bool killed)
{
    int ready[2], status;
    char byte;
    ck_assert_int_eq(pipe(ready), 0);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(ready[0]);
        _exit(live(name, mark, killed, ready[1]));
    }
    close(ready[1]);
    bool well = read(ready[0], &byte, 1) == 1;
    close(ready[0]);
    if (killed && well)
        kill(child, SIGKILL);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_msg(killed && well ? WIFSIGNALED(status) : WIFEXITED(status) && WEXITSTATUS(status) == 0,
                  "%s: %s", name, WEXITSTATUS(status) == 4 ? "read what another left" : "it failed");
}

START_TEST(nobody_reads_what_another_left)
{
    const char *text = getenv("HOMI_ROUNDS");
    unsigned rounds = text ? (unsigned)atoi(text) : ROUNDS_DEFAULT;
    for (unsigned i = 0; i < rounds; i++) {
        round_of(i % 2 ? "green" : "blue", (uint8_t)(0x11 + i), i % 3 == 1);
        if (i % 4 == 2) { /* in the middle of scrubbing, more or less */
            pause_milliseconds(i % 7);
            supervisor_signal(&supervisor, SIGKILL);
        }
    }
    /* Another tenant than the one before, which may come again before its own lease has ended. */
    struct tenant last;
    ck_assert(tenant_open(&last, rounds % 2 ? "green" : "blue"));
    ck_assert_uint_eq(move(&last, false), 0);
    ck_assert_uint_eq(last.data[0], 0);
    ck_assert_int_eq(memcmp(last.data, last.data + 1, (size_t)COUNT * TRANSFER - 1), 0);
    tenant_close(&last);
}
END_TEST

int main(void)
{
    const char *text = getenv("HOMI_ROUNDS");
    Suite *suite = suite_create("scrub");
    TCase *tcase = tcase_create("owners");
    tcase_set_timeout(tcase, 60 + (text ? 5 * atoi(text) : 0));
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, nobody_reads_what_another_left);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
