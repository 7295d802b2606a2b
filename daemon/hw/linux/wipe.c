/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Writing zeroes to a namespace, and reading them back, with an I/O queue pair of homid's own on a function
 * that nobody else uses. What the controller writes to is memory of this alone; a completion is input, and
 * one that makes no sense ends it.
 *
 * Each slot carries one range from zeroes to the comparison. Before it reads it fills its memory with
 * something else, so that a read that moved nothing is seen.
 */
#include <endian.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "daemon/hw/linux/backend.h"

enum {
    QUEUE = 1,
    ENTRIES = 32,
    SLOTS = 16,
    FLUSH_SLOT = SLOTS,
    RANGE_BYTES_MAX = 128 * 1024,
    TICK_MICROSECONDS = 500,
    SILENCE_MILLISECONDS = 30000, /* without any completion */
    POISON = 0xa5,
    OPCODE_FLUSH = 0x00, /* NVM Command Set 1.0, section 3.2 */
    OPCODE_WRITE = 0x01,
    OPCODE_READ = 0x02,
    OPCODE_WRITE_ZEROES = 0x08,
    ONCS_WRITE_ZEROES = 1 << 3, /* NVMe Base 2.0, section 5.17.2.1 */
};

enum stage { STAGE_IDLE, STAGE_ZEROING, STAGE_READING };

struct slot {
    enum stage stage;
    uint64_t first;
    uint32_t blocks;
};

struct wipe {
    struct hw_function *function;
    struct hw_namespace info;
    uint64_t next, end; /* blocks that no slot has had yet */
    uint32_t range;     /* blocks of a slot */
    bool plain;         /* the controller writes zeroes as data only */
    bool flushing, flushed;
    struct slot slots[SLOTS];
    unsigned busy; /* commands in flight */

    int memfd;
    uint8_t *memory;
    size_t bytes, page;
    uint64_t iova;
    unsigned tail, head;
    bool phase;
    struct event *tick;
    unsigned silent_microseconds;

    struct hw_result result;
    hw_done done;
    void *user;
};

void wipe_free(struct wipe *wipe)
{
    if (!wipe)
        return;
    if (wipe->tick)
        event_free(wipe->tick);
    if (wipe->memory)
        munmap(wipe->memory, wipe->bytes);
    if (wipe->memfd >= 0)
        close(wipe->memfd);
    free(wipe);
}

/* ---- memory: two pages of queues, a page of PRP entries for each slot, and the slots' data ---- */

static size_t list_at(const struct wipe *wipe, unsigned slot)
{
    return (2 + slot) * wipe->page;
}

static size_t data_at(const struct wipe *wipe, unsigned slot)
{
    return (2 + SLOTS) * wipe->page + slot * (size_t)RANGE_BYTES_MAX;
}

static int make_memory(struct wipe *wipe)
{
    wipe->bytes = data_at(wipe, SLOTS);
    wipe->memfd = memfd_create("homi-wipe", MFD_CLOEXEC);
    if (wipe->memfd < 0 || fallocate(wipe->memfd, 0, 0, (off_t)wipe->bytes) < 0)
        return -errno;
    wipe->memory = mmap(NULL, wipe->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, wipe->memfd, 0);
    if (wipe->memory == MAP_FAILED) {
        wipe->memory = NULL;
        return -errno;
    }
    for (unsigned i = 0; i < SLOTS; i++) {
        uint8_t *list = wipe->memory + list_at(wipe, i);
        for (size_t n = 1; n < RANGE_BYTES_MAX / wipe->page; n++) {
            uint64_t entry = htole64(wipe->iova + data_at(wipe, i) + n * wipe->page);
            memcpy(list + 8 * (n - 1), &entry, sizeof(entry));
        }
    }
    return 0;
}

/* ---- the end ---- */

static void on_unmapped(void *user, const struct hw_result *result)
{
    struct wipe *wipe = user;
    struct hw_result end = wipe->result.error ? wipe->result : *result;
    hw_done done = wipe->done;

    user = wipe->user;
    wipe->function->wipe = NULL;
    wipe_free(wipe);
    done(user, &end);
}

static void on_deleted(void *user, const struct hw_result *result)
{
    struct wipe *wipe = user;

    if (!wipe->result.error)
        wipe->result = *result;
    linux_unmap(wipe->function, wipe->iova, wipe->bytes, false, on_unmapped, wipe);
}

__attribute__((format(printf, 3, 4))) static void spoil(struct wipe *wipe, int error, const char *format, ...)
{
    va_list arguments;

    if (wipe->result.error)
        return;
    wipe->result.error = error;
    va_start(arguments, format);
    vsnprintf(wipe->result.reason, sizeof(wipe->result.reason), format, arguments);
    va_end(arguments);
}

static void finish(struct wipe *wipe)
{
    event_del(wipe->tick);
    linux_delete_queue_pair(wipe->function, QUEUE, on_deleted, wipe);
}

/* ---- commands ---- */

static void put32(uint8_t *command, unsigned dword, uint32_t value)
{
    value = htole32(value);
    memcpy(command + (size_t)4 * dword, &value, sizeof(value));
}

static void put64(uint8_t *command, unsigned dword, uint64_t value)
{
    put32(command, dword, (uint32_t)value);
    put32(command, dword + 1, (uint32_t)(value >> 32));
}

static uint8_t *place(struct wipe *wipe, unsigned identifier, uint8_t opcode)
{
    uint8_t *command = wipe->memory + (size_t)64 * wipe->tail;

    memset(command, 0, 64);
    put32(command, 0, opcode | identifier << 16);
    put32(command, 1, wipe->info.id);
    wipe->tail = (wipe->tail + 1) % ENTRIES;
    wipe->busy++;
    return command;
}

static void transfer(struct wipe *wipe, unsigned number, uint8_t opcode)
{
    const struct slot *slot = &wipe->slots[number];
    uint64_t data = wipe->iova + data_at(wipe, number);
    size_t bytes = (size_t)slot->blocks * wipe->info.block_bytes;
    uint8_t *command = place(wipe, number, opcode);

    put64(command, 10, slot->first);
    put32(command, 12, slot->blocks - 1);
    if (opcode == OPCODE_WRITE_ZEROES)
        return;
    put64(command, 6, data);
    if (bytes > 2 * wipe->page)
        put64(command, 8, wipe->iova + list_at(wipe, number));
    else if (bytes > wipe->page)
        put64(command, 8, data + wipe->page);
}

static void zero(struct wipe *wipe, unsigned number)
{
    wipe->slots[number].stage = STAGE_ZEROING;
    if (wipe->plain)
        memset(wipe->memory + data_at(wipe, number), 0, RANGE_BYTES_MAX);
    transfer(wipe, number, wipe->plain ? OPCODE_WRITE : OPCODE_WRITE_ZEROES);
}

static void read_back(struct wipe *wipe, unsigned number)
{
    wipe->slots[number].stage = STAGE_READING;
    memset(wipe->memory + data_at(wipe, number), POISON, RANGE_BYTES_MAX);
    transfer(wipe, number, OPCODE_READ);
}

static void compare(struct wipe *wipe, unsigned number)
{
    struct slot *slot = &wipe->slots[number];
    const uint8_t *data = wipe->memory + data_at(wipe, number);
    size_t bytes = (size_t)slot->blocks * wipe->info.block_bytes;

    slot->stage = STAGE_IDLE;
    if (data[0] || memcmp(data, data + 1, bytes - 1) != 0)
        spoil(wipe, -EILSEQ, "zeroes were written from block %llu on, and something else was read",
              (unsigned long long)slot->first);
}

static void start_ranges(struct wipe *wipe)
{
    for (unsigned i = 0; i < SLOTS && wipe->next < wipe->end; i++) {
        struct slot *slot = &wipe->slots[i];
        uint64_t left = wipe->end - wipe->next;
        if (slot->stage != STAGE_IDLE)
            continue;
        slot->first = wipe->next;
        slot->blocks = left < wipe->range ? (uint32_t)left : wipe->range;
        wipe->next += slot->blocks;
        zero(wipe, i);
    }
}

/* ---- completions ---- */

static void completed(struct wipe *wipe, unsigned identifier, uint16_t status)
{
    struct slot *slot = identifier < SLOTS ? &wipe->slots[identifier] : NULL;

    if (identifier == FLUSH_SLOT ? !wipe->flushing : !slot || slot->stage == STAGE_IDLE) {
        spoil(wipe, -EIO, "a completion of a command that was not sent: %u", identifier);
        return;
    }
    wipe->busy--;
    if (status && slot && slot->stage == STAGE_ZEROING && !wipe->plain) {
        wipe->plain = true; /* it says that it has Write Zeroes, and does not take it */
        zero(wipe, identifier);
    } else if (status) {
        wipe->result.nvme_status = status;
        spoil(wipe, -EIO, "the controller refused a command with status 0x%03x", status);
    } else if (!slot) {
        wipe->flushing = false;
        wipe->flushed = true;
    } else if (slot->stage == STAGE_ZEROING) {
        read_back(wipe, identifier);
    } else {
        compare(wipe, identifier);
    }
}

/* Whether any came. A spoilt one takes no more: what is in flight ends with the queue. */
static bool reap(struct wipe *wipe)
{
    bool any = false;

    while (!wipe->result.error) {
        const uint8_t *entry = wipe->memory + wipe->page + (size_t)16 * wipe->head;
        uint32_t last =
            le32toh(__atomic_load_n((const uint32_t *)(const void *)(entry + 12), __ATOMIC_ACQUIRE));
        if ((last >> 16 & 1) != wipe->phase)
            break;
        any = true;
        wipe->head = (wipe->head + 1) % ENTRIES;
        if (wipe->head == 0)
            wipe->phase = !wipe->phase;
        completed(wipe, last & 0xffff, (uint16_t)(last >> 17));
    }
    return any;
}

/* NULL: it goes on. */
static void look(struct wipe *wipe)
{
    const struct controller *controller = &wipe->function->controller;
    unsigned tail = wipe->tail;

    if (wipe->function->failed)
        spoil(wipe, -EIO, "%s", wipe->function->reason);
    if (reap(wipe)) {
        wipe->silent_microseconds = 0;
        controller_ring(controller, 2 * QUEUE + 1, wipe->head);
    } else if ((wipe->silent_microseconds += TICK_MICROSECONDS) >= SILENCE_MILLISECONDS * 1000u) {
        spoil(wipe, -ETIMEDOUT, "no answer to a command for %d s", SILENCE_MILLISECONDS / 1000);
    }
    if (wipe->result.error)
        return;
    start_ranges(wipe);
    if (wipe->next == wipe->end && wipe->busy == 0 && !wipe->flushed) {
        wipe->flushing = true;
        place(wipe, FLUSH_SLOT, OPCODE_FLUSH);
    }
    if (wipe->tail != tail) {
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
        controller_ring(controller, 2 * QUEUE, wipe->tail);
    }
}

static void on_tick(evutil_socket_t fd, short what, void *user)
{
    struct wipe *wipe = user;

    (void)fd, (void)what;
    look(wipe);
    if (wipe->result.error || wipe->flushed)
        finish(wipe);
}

/* ---- the beginning ---- */

static void on_created(void *user, const struct hw_result *result)
{
    static const struct timeval period = {.tv_usec = TICK_MICROSECONDS};
    struct wipe *wipe = user;

    if (result->error) {
        wipe->result = *result;
        finish(wipe);
        return;
    }
    event_add(wipe->tick, &period);
    event_active(wipe->tick, EV_TIMEOUT, 0);
}

static void on_mapped(void *user, const struct hw_result *result)
{
    struct wipe *wipe = user;
    const struct hw_queue_pair pair = {.id = QUEUE,
                                       .entries = ENTRIES,
                                       .submission_iova = wipe->iova,
                                       .completion_iova = wipe->iova + wipe->page};

    if (result->error) {
        wipe->result = *result;
        on_unmapped(wipe, result);
        return;
    }
    linux_create_queue_pair(wipe->function, &pair, on_created, wipe);
}

static int prepare(struct wipe *wipe, uint64_t first, uint32_t blocks)
{
    const struct hw_function_info *info = &wipe->function->info;
    uint32_t transfer =
        info->max_transfer_bytes < RANGE_BYTES_MAX ? info->max_transfer_bytes : RANGE_BYTES_MAX;

    wipe->range = transfer / wipe->info.block_bytes;
    wipe->page = info->page_bytes;
    wipe->next = first;
    wipe->end = first + blocks;
    wipe->phase = true;
    wipe->plain = !(info->optional_commands & ONCS_WRITE_ZEROES);
    wipe->iova = (info->iova_ranges[0].first + wipe->page - 1) / wipe->page * wipe->page;
    if (!wipe->range || info->queue_entries_max < ENTRIES || !info->iova_range_count)
        return -EOPNOTSUPP;
    wipe->tick = event_new(wipe->function->backend->base, -1, EV_PERSIST, on_tick, wipe);
    return wipe->tick ? make_memory(wipe) : -ENOMEM;
}

void linux_wipe(struct hw_function *function, const struct hw_namespace *info, uint64_t first,
                uint32_t blocks, hw_done done, void *user)
{
    struct wipe *wipe = calloc(1, sizeof(*wipe));
    int r = wipe ? 0 : -ENOMEM;

    if (wipe) {
        *wipe = (struct wipe){.function = function, .info = *info, .memfd = -1, .done = done, .user = user};
        r = prepare(wipe, first, blocks);
    }
    if (r < 0) {
        wipe_free(wipe);
        command_end_later(command_new(function, done, user), r, "the controller has too little to wipe with");
        return;
    }
    function->wipe = wipe;
    linux_map(function, wipe->memfd, 0, wipe->bytes, wipe->iova, on_mapped, wipe);
}
