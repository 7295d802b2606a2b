/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The state that a homid before this one left behind, damaged in any way: taken as it is or refused as a
 * whole, and never read beyond its end. Input: a byte that says how much of the header is as it should be,
 * then the memfd from its start on, zeroes behind the input.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "daemon/restart/state.h"
#include "tests/fuzz/fuzz.h"

enum { HEADER = 4096, SLOT = 2048, SLOTS = 4, GOOD_HEADER = 1 };

static void count(void *user, uint32_t slot, uint16_t kind, const void *data, size_t bytes)
{
    unsigned *records = user;
    static uint8_t copy[STATE_RECORD_BYTES];

    fuzz_require(slot < SLOTS && kind != 0 && bytes <= sizeof(copy));
    memcpy(copy, data, bytes);
    ++*records;
}

/* What a new state begins with, so that what lies behind it is looked at. */
static void copy_header(int file)
{
    uint8_t header[HEADER];
    struct state *state = NULL;

    fuzz_require(state_new(&state) == 0);
    fuzz_require(pread(state_fd(state), header, sizeof(header), 0) == (ssize_t)sizeof(header));
    state_free(state);
    fuzz_require(pwrite(file, header, sizeof(header), 0) == (ssize_t)sizeof(header));
}

/* It goes on as any other: records can be added, changed and removed. */
static void work_on(struct state *state)
{
    unsigned before = 0, after = 0;
    uint32_t slot;

    state_each(state, count, &before);
    fuzz_require(before <= SLOTS);
    if (before == SLOTS)
        return;
    fuzz_require(state_add(state, 1, "one", 3, &slot) == 0 && memcmp(state_get(state, slot), "one", 3) == 0);
    state_set(state, slot, "other", 5);
    fuzz_require(memcmp(state_get(state, slot), "other", 5) == 0);
    state_remove(state, slot);
    state_each(state, count, &after);
    fuzz_require(after == before);
}

int fuzz_one(const uint8_t *data, size_t bytes)
{
    struct state *state = NULL;
    uint32_t needed = 0;
    int file = memfd_create("fuzz-state", MFD_CLOEXEC);

    fuzz_require(file >= 0 && ftruncate(file, HEADER + SLOTS * SLOT) == 0);
    if (bytes > 1)
        fuzz_require(pwrite(file, data + 1, bytes - 1, data[0] & GOOD_HEADER ? HEADER : 0) >= 0);
    if (bytes > 0 && data[0] & GOOD_HEADER)
        copy_header(file);
    /* As long as it was said to be, whatever came. */
    fuzz_require(ftruncate(file, HEADER + SLOTS * SLOT) == 0);
    int r = state_open(file, &state, &needed);
    fuzz_require(r == 0 || r == -EBADMSG || r == -EOVERFLOW);
    fuzz_require((r == 0) == (state != NULL) && (r == -EOVERFLOW) == (needed != 0));
    if (state)
        work_on(state);
    state_free(state);
    if (r < 0)
        close(file);
    return 0;
}
