/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/relay/relayed.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define BAR_DOORBELLS 0x1000u /* NVMe over PCIe Transport 1.0, section 3.1.2 */
#define STRIDE_MIN    4u
#define ENTRIES_MAX   65536u

/* ---- functions ---- */

/* The doorbells of queue pairs 0 to pairs, and what their reader says of its sleep. */
static uint64_t bar_needed(const struct relay_message *message)
{
    uint64_t bytes = 2 * (message->target.pairs + UINT64_C(1)) * message->target.doorbell_stride;

    if (message->target.reader_wake_offset >= BAR_DOORBELLS + bytes)
        bytes = message->target.reader_wake_offset - BAR_DOORBELLS + sizeof(uint32_t);
    return doorbells_whole_pages(bytes);
}

static bool makes_sense(const struct relay_message *message, size_t fd_count)
{
    uint32_t stride = message->target.doorbell_stride;
    uint64_t wake = message->target.reader_wake_offset;
    size_t expected = wake ? RELAY_FD_READER + 1 : RELAY_FD_READER;

    return fd_count == expected && message->target.pairs > 0 && stride >= STRIDE_MIN && stride % 4 == 0 &&
           message->target.bar_offset % DOORBELLS_PAGE_BYTES == 0 && wake % 4 == 0 && wake < UINT32_MAX &&
           (wake == 0 || wake >= BAR_DOORBELLS);
}

static int map(int fd, uint64_t offset, uint64_t bytes, uint8_t **ret_view)
{
    void *view = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)offset);

    if (view == MAP_FAILED)
        return -errno;
    *ret_view = view;
    return 0;
}

static int identify(struct relayed *function, const int *fds)
{
    struct stat device, ledger;

    if (fstat(fds[RELAY_FD_DEVICE], &device) < 0 || fstat(fds[RELAY_FD_LEDGER], &ledger) < 0)
        return -errno;
    function->device_number = device.st_dev;
    function->inode = device.st_ino;
    function->ledger_inode = ledger.st_ino;
    return 0;
}

/* The mapping keeps the device open from here on; its descriptor, which could do far more, goes. */
static int map_all(struct relayed *function, const struct relay_message *message, const int *fds)
{
    function->bar_bytes = bar_needed(message);
    function->ledger_bytes = doorbells_ledger_bytes(function->pairs);
    int r = map(fds[RELAY_FD_DEVICE], message->target.bar_offset + BAR_DOORBELLS, function->bar_bytes,
                &function->bar);
    if (r == 0)
        r = map(fds[RELAY_FD_LEDGER], 0, function->ledger_bytes, &function->ledger);
    if (r == 0 && message->target.reader_wake_offset)
        function->reader_asleep =
            (volatile uint32_t *)(function->bar + message->target.reader_wake_offset - BAR_DOORBELLS);
    return r;
}

static int fill(struct relayed *function, const struct relay_message *message, const int *fds,
                size_t fd_count)
{
    if (!makes_sense(message, fd_count))
        return -EINVAL;
    memcpy(function->address, message->function, sizeof(function->address));
    function->stride = message->target.doorbell_stride;
    function->pairs = message->target.pairs;
    function->queues = calloc(function->pairs + 1u, sizeof(*function->queues));
    function->active = calloc(function->pairs + 1u, sizeof(*function->active));
    if (!function->queues || !function->active)
        return -ENOMEM;
    int r = identify(function, fds);
    return r < 0 ? r : map_all(function, message, fds);
}

int relayed_new(const struct relay_message *message, int *fds, size_t fd_count, struct relayed **ret_function)
{
    struct relayed *function = calloc(1, sizeof(*function));
    int r = function ? 0 : -ENOMEM;

    if (r == 0) {
        LIST_INIT(&function->pages);
        function->wake_fd = function->reader_fd = -1;
        r = fill(function, message, fds, fd_count);
    }
    for (size_t i = 0; i < fd_count; i++) {
        if (r == 0 && i == RELAY_FD_WAKE)
            function->wake_fd = fds[i];
        else if (r == 0 && i == RELAY_FD_READER)
            function->reader_fd = fds[i];
        else
            close(fds[i]);
    }
    if (r < 0) {
        relayed_free(function);
        return r;
    }
    *ret_function = function;
    return 0;
}

void relayed_free(struct relayed *function)
{
    if (!function)
        return;
    while (!LIST_EMPTY(&function->pages))
        relayed_drop_page(function, LIST_FIRST(&function->pages));
    if (function->bar)
        munmap(function->bar, function->bar_bytes);
    if (function->ledger)
        munmap(function->ledger, function->ledger_bytes);
    if (function->wake_fd >= 0)
        close(function->wake_fd);
    if (function->reader_fd >= 0)
        close(function->reader_fd);
    free(function->queues);
    free(function->active);
    free(function);
}

bool relayed_same(const struct relayed *function, const struct relay_message *message, const int *fds,
                  size_t fd_count)
{
    struct relayed other;

    return makes_sense(message, fd_count) && identify(&other, fds) == 0 &&
           other.device_number == function->device_number && other.inode == function->inode &&
           other.ledger_inode == function->ledger_inode && message->target.pairs == function->pairs &&
           message->target.doorbell_stride == function->stride;
}

/* ---- pages ---- */

struct page *relayed_page(const struct relayed *function, uint64_t key)
{
    struct page *page;

    LIST_FOREACH (page, &function->pages, link) {
        if (page->key == key)
            return page;
    }
    return NULL;
}

static volatile uint32_t *wake_word(const struct page *page)
{
    return (volatile uint32_t *)(page->view + DOORBELLS_WAKE_OFFSET);
}

int relayed_add_page(struct relayed *function, uint64_t key, int memfd)
{
    struct page *page = relayed_page(function, key);

    if (page) {
        page->named = true;
        return 0;
    }
    page = calloc(1, sizeof(*page));
    if (!page)
        return -ENOMEM;
    page->key = key;
    page->named = true;
    page->bytes = doorbells_page_bytes(function->pairs);
    int r = map(memfd, 0, page->bytes, &page->view);
    if (r < 0) {
        free(page);
        return r;
    }
    *wake_word(page) = function->wakefulness == ASLEEP;
    LIST_INSERT_HEAD(&function->pages, page, link);
    return 0;
}

void relayed_drop_page(struct relayed *function, struct page *page)
{
    for (uint16_t id = 1; id <= function->pairs && id; id++) {
        if (function->queues[id].page == page)
            relayed_drop_queue(function, id);
    }
    LIST_REMOVE(page, link);
    munmap(page->view, page->bytes);
    free(page);
}

/* ---- queue pairs ---- */

static void deactivate(struct relayed *function, uint16_t id)
{
    for (unsigned i = 0; i < function->active_count; i++) {
        if (function->active[i] == id)
            function->active[i--] = function->active[--function->active_count];
    }
}

int relayed_add_queue(struct relayed *function, uint64_t key, uint16_t id, uint32_t entries)
{
    struct page *page = relayed_page(function, key);

    if (!page)
        return -ENOENT;
    if (id == 0 || id > function->pairs || entries < 2 || entries > ENTRIES_MAX)
        return -EINVAL;
    struct queue *queue = &function->queues[id];
    if (queue->page && queue->page != page)
        return -EBUSY;
    if (queue->page && queue->entries == entries) {
        queue->named = true;
        return 0;
    }
    relayed_drop_queue(function, id);
    *queue = (struct queue){
        .page = page,
        .line = (struct doorbells_line *)(void *)(page->view + (size_t)id * DOORBELLS_LINE_BYTES),
        .ledger = (struct doorbells_ledger *)(void *)function->ledger + id,
        .submission = (volatile uint32_t *)(function->bar + 2 * (size_t)id * function->stride),
        .completion = (volatile uint32_t *)(function->bar + (2 * (size_t)id + 1) * function->stride),
        .entries = entries,
        .named = true,
    };
    queue->last_submission = queue->ledger->submission;
    queue->last_completion = queue->ledger->completion;
    if (queue->ledger->ended == DOORBELLS_SOUND)
        function->active[function->active_count++] = id;
    return 0;
}

void relayed_drop_queue(struct relayed *function, uint16_t id)
{
    if (id == 0 || id > function->pairs)
        return;
    deactivate(function, id);
    function->queues[id].page = NULL;
}

bool relayed_ended(const struct relayed *function, uint16_t id)
{
    const struct queue *queue = &function->queues[id];

    return queue->page && queue->named && !queue->told &&
           __atomic_load_n(&queue->ledger->ended, __ATOMIC_ACQUIRE) != DOORBELLS_SOUND;
}

/* ---- what a new homid does not name any more ---- */

void relayed_forget_names(struct relayed *function)
{
    struct page *page;

    function->named = false;
    for (unsigned id = 1; id <= function->pairs; id++)
        function->queues[id].named = function->queues[id].told = false;
    LIST_FOREACH (page, &function->pages, link)
        page->named = false;
}

void relayed_drop_unnamed(struct relayed *function)
{
    struct page *page = LIST_FIRST(&function->pages), *next;

    for (unsigned id = 1; id <= function->pairs; id++) {
        if (function->queues[id].page && !function->queues[id].named)
            relayed_drop_queue(function, (uint16_t)id);
    }
    for (; page; page = next) {
        next = LIST_NEXT(page, link);
        if (!page->named)
            relayed_drop_page(function, page);
    }
}

/* ---- forwarding ---- */

void relayed_say_asleep(struct relayed *function, bool asleep)
{
    struct page *page;

    LIST_FOREACH (page, &function->pages, link)
        *wake_word(page) = asleep;
}

/* Its owner wrote what cannot be: the queue pair ends, and homid learns why from the ledger. */
static void end_queue(struct relayed *function, uint16_t id, enum doorbells_defect defect, uint32_t value)
{
    struct queue *queue = &function->queues[id];

    queue->ledger->value = value;
    __atomic_store_n(&queue->ledger->ended, defect, __ATOMIC_RELEASE);
    deactivate(function, id);
}

/*
 * The doorbell first and the ledger after it: a relay that dies in between leaves its successor to write the
 * same value once more, where the other order would lose a command for ever.
 */
static void ring(volatile uint32_t *doorbell, volatile uint32_t *ledger, uint32_t *last, uint32_t value)
{
#if defined(__aarch64__)
    __asm__ volatile("dmb oshst" ::: "memory");
#endif
    *doorbell = htole32(value);
    *ledger = value;
    *last = value;
}

static bool forward_queue(struct relayed *function, uint16_t id)
{
    struct queue *queue = &function->queues[id];
    /* What the tenant stored before its doorbell is there when the doorbell is seen. */
    uint32_t head = le32toh(__atomic_load_n(&queue->line->completion, __ATOMIC_ACQUIRE));
    uint32_t tail = le32toh(__atomic_load_n(&queue->line->submission, __ATOMIC_ACQUIRE));
    bool rung = false;

    if (head != queue->last_completion) {
        if (head >= queue->entries) {
            end_queue(function, id, DOORBELLS_COMPLETION_RANGE, head);
            return true;
        }
        ring(queue->completion, &queue->ledger->completion, &queue->last_completion, head);
        rung = true;
    }
    if (tail != queue->last_submission) {
        if (tail >= queue->entries) {
            end_queue(function, id, DOORBELLS_SUBMISSION_RANGE, tail);
            return true;
        }
        uint32_t commands = (tail + queue->entries - queue->last_submission) % queue->entries;
        ring(queue->submission, &queue->ledger->submission, &queue->last_submission, tail);
        __atomic_store_n(&queue->ledger->commands, queue->ledger->commands + commands, __ATOMIC_RELAXED);
        rung = true;
    }
    return rung;
}

bool relayed_forward(struct relayed *function)
{
    const uint64_t one = 1;
    bool rung = false;

    for (unsigned i = function->active_count; i-- > 0;)
        rung = forward_queue(function, function->active[i]) || rung;
    /* As a tenant does it that rings for itself: see homi_queue_ring. A full counter wakes all the same. */
    if (rung && function->reader_asleep && *function->reader_asleep &&
        write(function->reader_fd, &one, sizeof(one)) < 0 && errno != EAGAIN)
        function->reader_asleep = NULL;
    function->busy = function->busy || rung;
    return rung;
}

/* ---- accesses that fail ---- */

static bool mend(uint8_t *view, uint64_t bytes, const void *address)
{
    uintptr_t at = (uintptr_t)address, first = (uintptr_t)view;

    if (!view || at < first || at - first >= bytes)
        return false;
    return mmap((void *)(at & ~(uintptr_t)(DOORBELLS_PAGE_BYTES - 1)), DOORBELLS_PAGE_BYTES,
                PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED;
}

bool relayed_mend(const struct relayed *function, const void *address)
{
    const struct page *page;

    if (mend(function->bar, function->bar_bytes, address))
        return true;
    LIST_FOREACH (page, &function->pages, link) {
        if (mend(page->view, page->bytes, address))
            return true;
    }
    return false;
}
