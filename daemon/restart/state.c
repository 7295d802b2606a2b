/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/restart/state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/crash.h"

#define MAGIC        UINT64_C(0x3145544154534948)
#define HEADER_BYTES 4096u
#define CHUNK_SLOTS  128u /* by which the file grows */

/* The layout of every version. Each member is changed by one store. */
struct header {
    uint64_t magic;
    uint64_t
        versions; /* that of the writer in the upper half, the lowest that can read it in the lower one */
    uint64_t record_bytes;
    uint64_t counters[16];
};
_Static_assert(STATE_COUNTERS <= 16, "the header's counters");

#define VERSIONS ((uint64_t)STATE_VERSION << 32 | STATE_READABLE_BY)

/* generation is written last, and 0 while the rest is being written. kind 0: the slot is free. */
struct copy {
    uint64_t generation;
    uint32_t checksum; /* of everything else in the copy that counts */
    uint32_t bytes;
    uint16_t kind;
    uint8_t reserved[14];
    uint8_t data[STATE_RECORD_BYTES];
};
_Static_assert(sizeof(struct copy) == 1024, "the layout of version 1");

struct slot {
    struct copy copies[2];
};

struct state {
    int fd;
    struct header *header;
    struct slot *slots;
    uint32_t slot_count; /* that the file has room for */
    uint32_t *free_slots, free_count;
};

#define MAPPED_BYTES (HEADER_BYTES + (size_t)STATE_SLOTS_MAX * sizeof(struct slot))

/* ---- checksums: FNV-1a by words; it guards against damage, not against anybody's intent ---- */

static uint32_t mix(uint32_t sum, const void *data, size_t bytes)
{
    const uint8_t *at = data;

    for (size_t i = 0; i < bytes; i++)
        sum = (sum ^ at[i]) * 16777619u;
    return sum;
}

static uint32_t copy_sum(const struct copy *copy, uint64_t generation)
{
    uint32_t sum = mix(2166136261u, &generation, sizeof(generation));

    sum = mix(sum, &copy->bytes, sizeof(copy->bytes));
    sum = mix(sum, &copy->kind, sizeof(copy->kind));
    return mix(sum, copy->data, copy->bytes);
}

/* ---- slots ---- */

/* The copy that counts; NULL: the slot was never used. */
static struct copy *current(struct slot *slot)
{
    struct copy *newer = &slot->copies[slot->copies[1].generation > slot->copies[0].generation];

    return newer->generation ? newer : NULL;
}

static void write_slot(struct state *state, uint32_t index, uint16_t kind, const void *data, size_t bytes)
{
    struct slot *slot = &state->slots[index];
    struct copy *old = current(slot), *copy = &slot->copies[old == &slot->copies[0]];
    uint64_t generation = old ? old->generation + 1 : 1;

    crash_here();
    __atomic_store_n(&copy->generation, 0, __ATOMIC_SEQ_CST);
    copy->kind = kind;
    copy->bytes = (uint32_t)bytes;
    if (bytes)
        memcpy(copy->data, data, bytes);
    copy->checksum = copy_sum(copy, generation);
    crash_here();
    __atomic_store_n(&copy->generation, generation, __ATOMIC_SEQ_CST);
    crash_here();
}

static bool is_sound(const struct copy *copy)
{
    return copy->generation == 0 ||
           (copy->bytes <= STATE_RECORD_BYTES && copy->checksum == copy_sum(copy, copy->generation));
}

static int grow(struct state *state)
{
    uint32_t count = state->slot_count + CHUNK_SLOTS;
    off_t from = (off_t)(HEADER_BYTES + (size_t)state->slot_count * sizeof(struct slot));
    uint32_t *list;

    if (count > STATE_SLOTS_MAX)
        return -ENOSPC;
    /* Allocated at once, so that a later change cannot fail for want of memory. */
    if (fallocate(state->fd, 0, from, (off_t)(CHUNK_SLOTS * sizeof(struct slot))) < 0)
        return -ENOSPC;
    list = realloc(state->free_slots, count * sizeof(*list));
    if (!list)
        return -ENOSPC;
    state->free_slots = list;
    for (uint32_t i = count; i > state->slot_count; i--)
        list[state->free_count++] = i - 1;
    state->slot_count = count;
    return 0;
}

int state_add(struct state *state, uint16_t kind, const void *data, size_t bytes, uint32_t *ret_slot)
{
    int r = state->free_count ? 0 : grow(state);

    if (r < 0)
        return r;
    uint32_t slot = state->free_slots[--state->free_count];
    write_slot(state, slot, kind, data, bytes);
    *ret_slot = slot;
    return 0;
}

void state_set(struct state *state, uint32_t slot, const void *data, size_t bytes)
{
    write_slot(state, slot, current(&state->slots[slot])->kind, data, bytes);
}

const void *state_get(const struct state *state, uint32_t slot)
{
    return current(&state->slots[slot])->data;
}

void state_remove(struct state *state, uint32_t slot)
{
    write_slot(state, slot, 0, NULL, 0);
    state->free_slots[state->free_count++] = slot;
}

void state_each(struct state *state, state_each_record each, void *user)
{
    for (uint32_t i = 0; i < state->slot_count; i++) {
        const struct copy *copy = current(&state->slots[i]);
        if (copy && copy->kind)
            each(user, i, copy->kind, copy->data, copy->bytes);
    }
}

uint64_t *state_counter(struct state *state, enum state_counter counter)
{
    return &state->header->counters[counter];
}

/* ---- life ---- */

static int map(int fd, struct state **ret_state)
{
    struct state *state = calloc(1, sizeof(*state));

    if (!state)
        return -ENOMEM;
    /* The whole of what it may grow to: slots stay where they are. */
    void *view = mmap(NULL, MAPPED_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (view == MAP_FAILED) {
        free(state);
        return -errno;
    }
    state->fd = fd;
    state->header = view;
    state->slots = (struct slot *)(void *)((uint8_t *)view + HEADER_BYTES);
    *ret_state = state;
    return 0;
}

int state_new(struct state **ret_state)
{
    struct state *state;
    int fd = memfd_create("homi-state", MFD_CLOEXEC);

    if (fd < 0)
        return -errno;
    int r = fallocate(fd, 0, 0, HEADER_BYTES) < 0 ? -errno : map(fd, &state);
    if (r < 0) {
        close(fd);
        return r;
    }
    state->header->versions = VERSIONS;
    state->header->record_bytes = STATE_RECORD_BYTES;
    state->header->magic = MAGIC;
    *ret_state = state;
    return 0;
}

static int check_header(const struct header *header, uint32_t *ret_needed)
{
    uint32_t readable_by = (uint32_t)header->versions;

    if (header->magic != MAGIC || readable_by == 0 || readable_by > header->versions >> 32)
        return -EBADMSG;
    if (readable_by > STATE_VERSION) {
        *ret_needed = readable_by;
        return -EOVERFLOW;
    }
    return header->record_bytes == STATE_RECORD_BYTES ? 0 : -EBADMSG;
}

static int check_slots(struct state *state)
{
    uint32_t *list = calloc(state->slot_count ? state->slot_count : 1, sizeof(*list));

    if (!list)
        return -ENOMEM;
    state->free_slots = list;
    for (uint32_t i = state->slot_count; i > 0; i--) {
        struct slot *slot = &state->slots[i - 1];
        const struct copy *copy = current(slot);
        if (!is_sound(&slot->copies[0]) || !is_sound(&slot->copies[1]))
            return -EBADMSG;
        if (!copy || !copy->kind)
            list[state->free_count++] = i - 1;
    }
    return 0;
}

int state_open(int fd, struct state **ret_state, uint32_t *ret_needed)
{
    struct state *state;
    struct stat status;

    if (fstat(fd, &status) < 0)
        return -errno;
    if (status.st_size < (off_t)HEADER_BYTES || (size_t)status.st_size > MAPPED_BYTES)
        return -EBADMSG;
    int r = map(fd, &state);
    if (r < 0)
        return r;
    state->slot_count = (uint32_t)(((size_t)status.st_size - HEADER_BYTES) / sizeof(struct slot));
    r = check_header(state->header, ret_needed);
    if (r == 0)
        r = check_slots(state);
    if (r < 0) {
        state->fd = -1;
        state_free(state);
        return r;
    }
    /* This version writes the records from now on. */
    __atomic_store_n(&state->header->versions, VERSIONS, __ATOMIC_SEQ_CST);
    *ret_state = state;
    return 0;
}

void state_free(struct state *state)
{
    if (!state)
        return;
    munmap(state->header, MAPPED_BYTES);
    if (state->fd >= 0)
        close(state->fd);
    free(state->free_slots);
    free(state);
}

int state_fd(const struct state *state)
{
    return state->fd;
}
