/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/restart/kept.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STATE_NAME      "state"
#define DISCARDED_ONCE  64 /* descriptors that one helper closes */
#define DISCARD_SECONDS 1  /* they are waited for, for so long at most */

struct kept {
    struct event_base *base;
    const struct log *log;
    struct fdstore *store;
    struct state *state;
    struct core_archive archive;
    char aside[HW_REASON_BYTES];
    void (*begun)(void *user, uint32_t connection);
    void *begun_user;
    struct core *core;
    struct hw_backend *backend;
    void (*done)(void *user);
    void *done_user;
    unsigned steps, discards; /* that are under way before done is called; the latter for so long at most */
    bool impatient;
    int left[DISCARDED_ONCE];
    size_t left_count;
};

static void function_name(uint32_t number, size_t index, char *ret_name)
{
    snprintf(ret_name, FDSTORE_NAME_MAX + 1, "f%u-%u", (unsigned)number, (unsigned)index & 0xff);
}

/* ---- the core's archive ---- */

static int on_add(void *user, uint16_t kind, const void *record, size_t bytes, uint32_t *ret_number)
{
    struct kept *kept = user;
    return state_add(kept->state, kind, record, bytes, ret_number);
}

static void on_set(void *user, uint32_t number, const void *record, size_t bytes)
{
    struct kept *kept = user;
    state_set(kept->state, number, record, bytes);
}

static void on_remove(void *user, uint32_t number)
{
    struct kept *kept = user;
    state_remove(kept->state, number);
}

static int on_keep(void *user, uint32_t number, const int *fds, size_t count)
{
    struct kept *kept = user;
    char name[FDSTORE_NAME_MAX + 1];
    int r = 0;
    for (size_t i = 0; i < count && r == 0; i++) {
        function_name(number, i, name);
        r = fdstore_put(kept->store, fds[i], name);
    }
    return r;
}

static bool on_take(void *user, uint32_t number, int *ret_fds, size_t count)
{
    struct kept *kept = user;
    char name[FDSTORE_NAME_MAX + 1];
    size_t taken = 0;
    for (; taken < count; taken++) {
        function_name(number, taken, name);
        ret_fds[taken] = fdstore_take(kept->store, name);
        if (ret_fds[taken] < 0)
            break;
    }
    if (taken == count)
        return true;
    /* The others belong to nobody: they are let go with whatever else does. */
    while (taken-- > 0) {
        function_name(number, taken, name);
        fdstore_untake(kept->store, name, ret_fds[taken]);
    }
    return false;
}

struct letting_go {
    void (*done)(void *user);
    void *user;
};

static void on_gone(void *user)
{
    struct letting_go going = *(struct letting_go *)user;
    free(user);
    going.done(going.user);
}

static void on_let_go(void *user, uint32_t number, size_t count, void (*done)(void *), void *done_user)
{
    struct kept *kept = user;
    char name[FDSTORE_NAME_MAX + 1];
    struct letting_go *going = malloc(sizeof *going);
    for (size_t i = 0; i < count; i++) {
        function_name(number, i, name);
        fdstore_remove(kept->store, name);
    }
    if (!going)
        abort(); /* nobody could tell when the function may be closed */
    *going = (struct letting_go){done, done_user};
    if (fdstore_barrier(kept->store, on_gone, going) < 0)
        abort();
}

static void on_begun(void *user, uint32_t connection)
{
    struct kept *kept = user;
    if (kept->begun)
        kept->begun(kept->begun_user, connection);
}

static void on_lease_numbered(void *user, uint64_t number)
{
    struct kept *kept = user;
    __atomic_store_n(state_counter(kept->state, STATE_LEASES), number, __ATOMIC_SEQ_CST);
}

/* ---- life ---- */

static void keep_aside(struct kept *kept, int error, uint32_t needed)
{
    if (error == -EOVERFLOW)
        snprintf(kept->aside, sizeof kept->aside,
                 "held as a newer homid left it: its state needs version %u, this homid reads version %u",
                 (unsigned)needed, STATE_VERSION);
    else
        snprintf(kept->aside, sizeof kept->aside, "held as an earlier homid left it: its state is damaged");
    log_write(kept->log, LOG_ERR, NULL,
              "the state of an earlier homid cannot be read and is kept aside, no device is used: %s",
              kept->aside);
}

static int open_state(struct kept *kept)
{
    uint32_t needed = 0;
    int fd = fdstore_take(kept->store, STATE_NAME);
    int r = fd >= 0 ? state_open(fd, &kept->state, &needed) : state_new(&kept->state);
    if (r == -EOVERFLOW || r == -EBADMSG) {
        keep_aside(kept, r, needed);
        close(fd);
        return 0;
    }
    if (r == 0 && fd < 0)
        r = fdstore_put(kept->store, state_fd(kept->state), STATE_NAME);
    return r;
}

int kept_new(struct event_base *base, const struct log *log, struct kept **ret_kept)
{
    struct kept *kept = calloc(1, sizeof *kept);
    if (!kept)
        return -ENOMEM;
    kept->base = base;
    kept->log = log;
    kept->archive = (struct core_archive){
        .add = on_add,
        .set = on_set,
        .remove = on_remove,
        .keep = on_keep,
        .take = on_take,
        .let_go = on_let_go,
        .begun = on_begun,
        .lease_numbered = on_lease_numbered,
        .user = kept,
    };
    int r = fdstore_new(base, &kept->store);
    if (r == 0 && fdstore_limit(kept->store))
        r = open_state(kept);
    if (r < 0) {
        kept_free(kept);
        return r;
    }
    *ret_kept = kept;
    return 0;
}

void kept_free(struct kept *kept)
{
    if (!kept)
        return;
    for (size_t i = 0; i < kept->left_count; i++)
        close(kept->left[i]);
    state_free(kept->state);
    fdstore_free(kept->store);
    free(kept);
}

struct fdstore *kept_store(struct kept *kept)
{
    return kept->store;
}

struct state *kept_state(struct kept *kept)
{
    return kept->state;
}

const struct core_archive *kept_archive(const struct kept *kept)
{
    return kept->state ? &kept->archive : NULL;
}

const char *kept_aside(const struct kept *kept)
{
    return kept->aside[0] ? kept->aside : NULL;
}

void kept_on_begun(struct kept *kept, void (*begun)(void *user, uint32_t connection), void *user)
{
    kept->begun = begun;
    kept->begun_user = user;
}

void kept_end(struct kept *kept)
{
    if (kept->state)
        fdstore_remove(kept->store, STATE_NAME);
}

unsigned kept_needed(const struct core_config *config)
{
    unsigned needed = 3; /* the state and the listening sockets */
    for (size_t i = 0; i < config->device_count; i++) {
        const struct core_device_config *device = &config->devices[i];
        unsigned vectors = device->interrupts ? device->interrupts : device->queue_pairs;
        if (vectors >= HW_INTERRUPTS_MAX)
            vectors = HW_INTERRUPTS_MAX - 1;
        /* As many pages of doorbells as queue pairs: see pages_full. */
        needed +=
            device->functions * (HW_KEPT_FDS_MAX - HW_INTERRUPTS_MAX + vectors + 1 + device->queue_pairs);
    }
    return needed;
}

/* ---- restoring ---- */

static void look(struct kept *kept)
{
    void (*done)(void *user) = kept->done;
    if (!done || kept->steps || (kept->discards && !kept->impatient))
        return;
    kept->done = NULL;
    done(kept->done_user);
}

static void tell(const struct kept *kept, const struct hw_result *result)
{
    if (result->error)
        log_write(kept->log, LOG_WARNING, NULL, "taking over from an earlier homid: %s", result->reason);
}

static void on_taken_over(void *user, const struct hw_result *result)
{
    struct kept *kept = user;
    tell(kept, result);
    kept->steps--;
    look(kept);
}

static void on_discarded(void *user, const struct hw_result *result)
{
    struct kept *kept = user;
    tell(kept, result);
    kept->discards--;
    look(kept);
}

/* A close that the kernel does not come back from concerns one function, whose opening will tell. */
static void on_impatient(evutil_socket_t fd, short what, void *user)
{
    struct kept *kept = user;
    (void)fd, (void)what;
    kept->impatient = true;
    look(kept);
}

/* Nobody but this homid holds them any more: the last close happens in a helper. */
static void on_removed(void *user)
{
    struct kept *kept = user;
    size_t count = kept->left_count;
    const char *name;
    kept->left_count = 0;
    if (count) {
        kept->discards++;
        kept->backend->discard(kept->backend, kept->left, count, on_discarded, kept);
    }
    while (kept->left_count < DISCARDED_ONCE && (name = fdstore_left(kept->store))) {
        int fd = fdstore_take(kept->store, name);
        fdstore_remove(kept->store, name);
        kept->left[kept->left_count++] = fd;
    }
    if (kept->left_count && fdstore_barrier(kept->store, on_removed, kept) == 0)
        return;
    kept->steps--;
    look(kept);
}

struct each {
    struct kept *kept;
    uint16_t kind;
};

static void restore_one(void *user, uint32_t slot, uint16_t kind, const void *data, size_t bytes)
{
    const struct each *each = user;
    if (kind == each->kind)
        core_restore_record(each->kept->core, slot, kind, data, bytes);
}

void kept_restore(struct kept *kept, struct core *core, struct hw_backend *backend, void (*done)(void *user),
                  void *user)
{
    static const struct timeval patience = {.tv_sec = DISCARD_SECONDS};
    kept->core = core;
    kept->backend = backend;
    kept->done = done;
    kept->done_user = user;
    core_restore_begin(core, kept->state ? *state_counter(kept->state, STATE_LEASES) : 0);
    struct each each = {.kept = kept};
    for (each.kind = 1; kept->state && each.kind < CORE_RECORD_KINDS; each.kind++)
        state_each(kept->state, restore_one, &each);
    kept->steps = kept->aside[0] ? 1 : 2;
    backend->take_over(backend, on_taken_over, kept);
    if (!kept->aside[0])
        on_removed(kept);
    if (event_base_once(kept->base, -1, EV_TIMEOUT, on_impatient, kept, &patience) < 0)
        kept->impatient = true;
}
