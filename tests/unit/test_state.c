/* SPDX-License-Identifier: BSD-3-Clause */
/* What outlives homid, and its limits: the records (state.h) and the descriptors (fdstore.h, kept.h). */
#include <check.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/restart/fdstore.h"
#include "daemon/restart/kept.h"
#include "daemon/restart/state.h"

enum { KIND = 3, HEADER = 4096, SLOT = 2048, VERSIONS_AT = 8, COPY_DATA = 32 };

static struct state *state;
static uint32_t needed;

static void set_up(void)
{
    ck_assert_int_eq(state_new(&state), 0);
}

static void tear_down(void)
{
    state_free(state);
}

/* The next homid's view of the same memfd, in place of this one. */
static int reopen(void)
{
    int fd = fcntl(state_fd(state), F_DUPFD_CLOEXEC, 0);
    struct state *next = NULL;
    int r = state_open(fd, &next, &needed);

    if (r < 0) {
        close(fd);
        return r;
    }
    state_free(state);
    state = next;
    return 0;
}

static void poke(off_t at, const void *bytes, size_t count)
{
    ck_assert_int_eq(pwrite(state_fd(state), bytes, count, at), (ssize_t)count);
}

static uint32_t add(const char *text)
{
    uint32_t slot;

    ck_assert_int_eq(state_add(state, KIND, text, strlen(text) + 1, &slot), 0);
    return slot;
}

static void count_one(void *user, uint32_t slot, uint16_t kind, const void *data, size_t bytes)
{
    (void)slot, (void)data, (void)bytes;
    ck_assert_uint_eq(kind, KIND);
    ++*(unsigned *)user;
}

static unsigned record_count(void)
{
    unsigned count = 0;

    state_each(state, count_one, &count);
    return count;
}

START_TEST(records_are_there_again)
{
    uint32_t first = add("first"), second = add("second"), third = add("third");

    state_set(state, second, "changed", 8);
    state_remove(state, first);
    *state_counter(state, STATE_LEASES) = 7;
    ck_assert_int_eq(reopen(), 0);
    ck_assert_uint_eq(record_count(), 2);
    ck_assert_str_eq(state_get(state, second), "changed");
    ck_assert_str_eq(state_get(state, third), "third");
    ck_assert_uint_eq(*state_counter(state, STATE_LEASES), 7);
    ck_assert_uint_eq(add("in its place"), first);
}
END_TEST

START_TEST(a_record_takes_so_many_bytes)
{
    uint8_t data[STATE_RECORD_BYTES];
    uint32_t slot;

    memset(data, 0xa5, sizeof(data));
    ck_assert_int_eq(state_add(state, KIND, data, sizeof(data), &slot), 0);
    ck_assert_int_eq(reopen(), 0);
    ck_assert_mem_eq(state_get(state, slot), data, sizeof(data));
}
END_TEST

START_TEST(so_many_records_and_no_more)
{
    uint32_t slot = 0;

    for (unsigned i = 0; i < STATE_SLOTS_MAX; i++)
        ck_assert_int_eq(state_add(state, KIND, &i, sizeof(i), &slot), 0);
    ck_assert_int_eq(state_add(state, KIND, "more", 5, &slot), -ENOSPC);
    ck_assert_int_eq(reopen(), 0);
    ck_assert_int_eq(state_add(state, KIND, "more", 5, &slot), -ENOSPC);
    ck_assert_uint_eq(record_count(), STATE_SLOTS_MAX);
    state_remove(state, 17);
    ck_assert_uint_eq(add("more"), 17);
    ck_assert_int_eq(ftruncate(state_fd(state), HEADER + (off_t)(STATE_SLOTS_MAX + 1) * SLOT), 0);
    ck_assert_int_eq(reopen(), -EBADMSG);
}
END_TEST

/* A writer that ended before the store that makes its copy the valid one. */
START_TEST(a_change_that_was_not_finished_did_not_happen)
{
    const uint64_t none = 0;
    uint32_t slot = add("old");

    state_set(state, slot, "new", 4); /* in the second copy */
    poke(HEADER + slot * SLOT + SLOT / 2, &none, sizeof(none));
    ck_assert_int_eq(reopen(), 0);
    ck_assert_str_eq(state_get(state, slot), "old");
}
END_TEST

START_TEST(damage_is_refused_and_left_alone)
{
    uint32_t slot = add("sound");
    struct stat before, after;

    ck_assert_int_eq(fstat(state_fd(state), &before), 0);
    poke(HEADER + slot * SLOT + COPY_DATA + 1 + 8, "X", 1);
    ck_assert_int_eq(reopen(), 0); /* beyond what counts */
    poke(HEADER + slot * SLOT + COPY_DATA, "X", 1);
    ck_assert_int_eq(reopen(), -EBADMSG);
    ck_assert_int_eq(fstat(state_fd(state), &after), 0);
    ck_assert_int_eq(before.st_size, after.st_size);
    ck_assert_int_eq(ftruncate(state_fd(state), HEADER - 1), 0);
    ck_assert_int_eq(reopen(), -EBADMSG);
}
END_TEST

static int reopen_of(uint32_t version, uint32_t readable_by)
{
    const uint64_t versions = (uint64_t)version << 32 | readable_by;

    poke(VERSIONS_AT, &versions, sizeof(versions));
    return reopen();
}

START_TEST(the_lowest_version_that_can_read_it_counts)
{
    uint64_t versions = 0;

    add("record");
    ck_assert_int_eq(reopen_of(STATE_VERSION + 5, STATE_VERSION + 1), -EOVERFLOW);
    ck_assert_uint_eq(needed, STATE_VERSION + 1);
    ck_assert_uint_eq(pread(state_fd(state), &versions, sizeof(versions), VERSIONS_AT), sizeof(versions));
    ck_assert_uint_eq(versions >> 32, STATE_VERSION + 5);
    ck_assert_int_eq(reopen_of(STATE_VERSION + 5, STATE_VERSION), 0);
    ck_assert_uint_eq(record_count(), 1);
    /* From now on this version writes it. */
    ck_assert_uint_eq(pread(state_fd(state), &versions, sizeof(versions), VERSIONS_AT), sizeof(versions));
    ck_assert_uint_eq(versions, (uint64_t)STATE_VERSION << 32 | STATE_READABLE_BY);
    ck_assert_int_eq(reopen_of(STATE_VERSION, STATE_VERSION + 1), -EBADMSG);
    ck_assert_int_eq(reopen_of(STATE_VERSION, 0), -EBADMSG);
}
END_TEST

/* ---- descriptors ---- */

static struct event_base *base;
static struct fdstore *store;
static int manager;
static char address[64];

static void store_set_up(void)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};

    base = event_base_new();
    snprintf(address, sizeof(address), "@homi-test-state-%d", (int)getpid());
    manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    memcpy(at.sun_path + 1, address + 1, strlen(address) - 1);
    ck_assert_int_eq(
        bind(manager, (struct sockaddr *)&at, (socklen_t)(sizeof(sa_family_t) + strlen(address))), 0);
    setenv("NOTIFY_SOCKET", address, 1);
}

static void store_tear_down(void)
{
    fdstore_free(store);
    close(manager);
    event_base_free(base);
}

static unsigned limit_of(const char *text)
{
    fdstore_free(store);
    store = NULL;
    if (text)
        setenv("FDSTORE", text, 1);
    else
        unsetenv("FDSTORE");
    ck_assert_int_eq(fdstore_new(base, &store), 0);
    return fdstore_limit(store);
}

START_TEST(the_store_takes_so_many_descriptors)
{
    char most[32];

    ck_assert_uint_eq(limit_of("8192"), 8192);
    snprintf(most, sizeof(most), "%u", FDSTORE_MAX + 1);
    ck_assert_uint_eq(limit_of(most), FDSTORE_MAX);
    ck_assert_uint_eq(limit_of("0"), 0);
    ck_assert_uint_eq(limit_of(NULL), 0);
    ck_assert_uint_eq(limit_of("12x"), 0);
    unsetenv("NOTIFY_SOCKET");
    ck_assert_uint_eq(limit_of("8192"), 0);
    ck_assert_uint_eq(fdstore_limit(NULL), 0);
    /* LISTEN_FDNAMES is one string of the environment, which execve(2) takes up to 128 KiB of. */
    ck_assert_uint_le(FDSTORE_MAX * (FDSTORE_NAME_MAX + 1) + sizeof("LISTEN_FDNAMES="), 128 * 1024);
}
END_TEST

START_TEST(names_are_so_long)
{
    char message[256];

    limit_of("8");
    ck_assert_int_eq(fdstore_put(store, manager, "f32767-137x"), 0);
    ssize_t bytes = recv(manager, message, sizeof(message) - 1, 0);
    ck_assert_int_gt(bytes, 0);
    message[bytes] = '\0';
    ck_assert_str_eq(message, "FDSTORE=1\nFDPOLL=0\nFDNAME=f32767-137x");
    /* The longest that is given: of the last record, its last descriptor. */
    ck_assert_int_le(snprintf(message, sizeof(message), "f%u-%u", STATE_SLOTS_MAX - 1, HW_KEPT_FDS_MAX - 1),
                     FDSTORE_NAME_MAX);
}
END_TEST

START_TEST(all_that_a_function_needs_is_counted)
{
    struct core_device_config devices[] = {{.functions = 4, .queue_pairs = 5},
                                           {.functions = 1, .queue_pairs = 2, .interrupts = 7}};
    const struct core_config config = {.devices = devices, .device_count = 2};

    /* Each VF: ten, the admin queue's vector and the others, and as many pages of doorbells as queue pairs.
     */
    ck_assert_uint_eq(kept_needed(&config), 3 + 4 * (10 + 1 + 5 + 5) + 1 * (10 + 1 + 7 + 2));
    devices[0].interrupts = HW_INTERRUPTS_MAX + 100;
    devices[0].functions = 1;
    ck_assert_uint_eq(kept_needed(&config), 3 + HW_KEPT_FDS_MAX + 5 + (10 + 1 + 7 + 2));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("state");
    TCase *records = tcase_create("records"), *descriptors = tcase_create("descriptors");

    tcase_add_checked_fixture(records, set_up, tear_down);
    tcase_add_test(records, records_are_there_again);
    tcase_add_test(records, a_record_takes_so_many_bytes);
    tcase_add_test(records, so_many_records_and_no_more);
    tcase_add_test(records, a_change_that_was_not_finished_did_not_happen);
    tcase_add_test(records, damage_is_refused_and_left_alone);
    tcase_add_test(records, the_lowest_version_that_can_read_it_counts);
    suite_add_tcase(suite, records);
    tcase_add_checked_fixture(descriptors, store_set_up, store_tear_down);
    tcase_add_test(descriptors, the_store_takes_so_many_descriptors);
    tcase_add_test(descriptors, names_are_so_long);
    tcase_add_test(descriptors, all_that_a_function_needs_is_counted);
    suite_add_tcase(suite, descriptors);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
