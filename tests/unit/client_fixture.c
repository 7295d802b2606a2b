/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/client_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/unit/open_fds.h"

#define BAR_BYTES   16384
#define CSTS_OFFSET 0x1c

struct client_fixture fixture;

static void setup(void)
{
    uint32_t ready = HOMI_NVME_CSTS_READY;

    fixture.fds_before = open_fds();
    fixture.fake = NULL;
    fixture.homi = NULL;
    fixture.bar = memfd_create("bar", MFD_CLOEXEC);
    ck_assert_int_eq(ftruncate(fixture.bar, BAR_BYTES), 0);
    ck_assert_int_eq(pwrite(fixture.bar, &ready, sizeof(ready), CSTS_OFFSET), sizeof(ready));
    snprintf(fixture.grant, sizeof(fixture.grant), GRANT_FORMAT, 1, 0);
}

static void teardown(void)
{
    homi_close(fixture.homi);
    if (fixture.fake)
        fake_homid_stop(fixture.fake);
    close(fixture.bar);
    ck_assert_uint_eq(open_fds(), fixture.fds_before);
}

void client_start(const struct fake_step *steps, size_t count)
{
    fixture.fake = fake_homid_start(steps, count);
    ck_assert_int_eq(homi_open(fake_homid_path(fixture.fake), &fixture.homi), 0);
}

void client_start_with(const char *reply)
{
    client_start(&(struct fake_step){.reply = reply}, 1);
}

/* A grant with the BAR, then what a test adds. */
struct homi_lease *client_attach(const struct fake_step *more, size_t count)
{
    struct fake_step steps[FAKE_STEPS_MAX] = {
        {.reply = fixture.grant, .fds = {dup(fixture.bar)}, .fd_count = 1}};
    struct homi_lease *lease = NULL;

    for (size_t i = 0; i < count; i++)
        steps[i + 1] = more[i];
    client_start(steps, count + 1);
    ck_assert_int_eq(homi_attach(fixture.homi, NULL, &lease), 0);
    return lease;
}

TCase *client_test_case(Suite *suite, const char *name)
{
    TCase *cases = tcase_create(name);

    tcase_add_checked_fixture(cases, setup, teardown);
    suite_add_tcase(suite, cases);
    return cases;
}

int client_run(Suite *suite)
{
    SRunner *runner = srunner_create(suite);
    int failed;

    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
