/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An NVMe queue pair: slots, batches of submissions, doorbells, completions. <homi/io.h> puts the commands on
 * top.
 *
 *     struct homi_batch batch = homi_batch_begin(queue);
 *     while (more && homi_batch_read(&batch, namespace, region, buffer, 4096, lba, cookie) == 0)
 *         ...;
 *     homi_batch_submit(&batch);
 *     count = homi_queue_reap(queue, completions, 32);
 *
 * A queue pair is used by one thread at a time. No call here enters the kernel, takes a lock, allocates or
 * reads a clock; the exception is a relay that sleeps and is woken (see struct homi_queue_setup).
 *
 * How it stays right without bookkeeping: a command's identifier is its slot, and each slot keeps the
 * caller's cookie until the command completes. The slot at the tail is always free; a command is taken only
 * when the slot after it is free too. Completions come in any order, so a slot may stay busy long after its
 * neighbours (a straggler); that single test covers it, and the full queue as well, since a slot that
 * completed was fetched (Base 2.0, section 3.3.1).
 *
 * With HOMI_DEBUG defined every precondition is checked, and a misuse is named on standard error before
 * abort().
 */
#ifndef HOMI_QUEUE_H
#define HOMI_QUEUE_H

#include <homi/nvme.h>
#include <homi/region.h>

#ifdef HOMI_DEBUG
#include <stdio.h>
#include <stdlib.h>
#define HOMI_REQUIRE(condition, misuse)                                                                      \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            fprintf(stderr, "homi: %s: %s\n", __func__, misuse);                                             \
            abort();                                                                                         \
        }                                                                                                    \
    } while (0)
#else
#define HOMI_REQUIRE(condition, misuse) ((void)0)
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* The one value that no command may have as its cookie: it marks a free slot. */
#define HOMI_COOKIE_NONE UINT64_MAX

/* The phase tag in dword 3 of a completion queue entry (Base 2.0, section 3.3.3.2). */
#define HOMI_CQE_PHASE 0x10000u

/* CAP.MQES is 16 bits wide and counts from zero (Base 2.0, section 3.1.3.1). */
#define HOMI_QUEUE_ENTRIES_MIN 2u
#define HOMI_QUEUE_ENTRIES_MAX 65536u

/* Largest transfer of one command, whatever the controller allows: NLB's range with the smallest blocks. */
#define HOMI_TRANSFER_BYTES_MAX (HOMI_NVME_BLOCKS_MAX * 512u)

/* A completed command: the cookie it was given, its status field (0: success, see homi_nvme_status()), and
 * dword 0. */
struct homi_completion {
    uint64_t cookie;
    uint32_t result;
    uint16_t status;
    uint16_t reserved;
};

static_assert(sizeof(struct homi_completion) == HOMI_NVME_CQE_BYTES, "completions are walked like entries");

/*
 * A queue pair. The layout is public only because the hot path is inline: it is internal, and changes without
 * notice. It holds no lock and no pointer to code but wake_relay, so that an accelerator may work on it. Do
 * not move or copy it once initialised. First what submission touches, then what reaping touches, then what
 * is cold.
 */
struct homi_queue {
    unsigned char *sq;
    uint64_t *cookies;
    volatile uint32_t *sq_doorbell;
    const volatile uint32_t *wake;
    uint64_t sq_place;
    uint64_t entries;
    uint32_t max_transfer_bytes;
    uint32_t page_bytes;
    uint32_t always_awake;
    uint32_t reserved;

    unsigned char *cq __attribute__((aligned(64)));
    volatile uint32_t *cq_doorbell;
    uint64_t cq_expected;
    uint32_t cq_head;
    uint32_t reserved_cq;
    uint64_t spurious;

    unsigned char *lists;
    uint64_t lists_iova;
    uint32_t page_shift;
    uint32_t list_stride_bytes;
    const volatile uint32_t *csts;
    void (*wake_relay)(void *context);
    void *wake_context;
    uint64_t wakes;
    uint16_t id;
    uint16_t open_batches;
};

/*
 * What a queue pair is made of. All memory belongs to the caller and outlives the queue.
 *
 * - sq, cq: 64 B and 16 B times `entries`, page-aligned, device-visible; homi_queue_init() clears the CQ.
 * - sq_doorbell, cq_doorbell: in the VF's mapped BAR (direct) or in a page that a relay forwards (relayed).
 * - wake: a word that a relay sets before it sleeps, NULL for direct; wake_relay(wake_context) is called
 *   while it is not 0, after the submission queue's doorbell was stored (it may make a system call). The
 *   process must have registered for MEMBARRIER_CMD_GLOBAL_EXPEDITED, which lets the load of the word go
 *   without a fence.
 * - csts: the controller's status register, or a copy of it that homid keeps; NULL when neither can be had.
 * - cookies: `entries` + 1 words of the process's own memory, not device-visible. The last one never looks
 *   free, so that the test for a busy slot finds the end of the ring too.
 * - lists: homi_queue_lists_bytes() bytes, page-aligned, device-visible at lists_iova: PRP lists built on the
 *   fly. NULL when every transfer of more than two pages has a prebuilt table (homi_region_map_prebuild()).
 * - entries: 2 to CAP.MQES + 1; one stays empty. Need not be a power of two.
 * - page_bytes: the controller's page size (CC.MPS), a power of two of at least 4096.
 * - max_transfer_bytes: MDTS in bytes; more than HOMI_TRANSFER_BYTES_MAX counts as that.
 */
struct homi_queue_setup {
    void *sq;
    void *cq;
    volatile uint32_t *sq_doorbell;
    volatile uint32_t *cq_doorbell;
    const volatile uint32_t *wake;
    void (*wake_relay)(void *context);
    void *wake_context;
    const volatile uint32_t *csts;
    uint64_t *cookies;
    void *lists;
    uint64_t lists_iova;
    uint32_t entries;
    uint32_t page_bytes;
    uint32_t max_transfer_bytes;
    uint16_t id;
};

/* Bytes of one slot's PRP list: a power of two below a page, so that it crosses none, or whole chained pages.
 */
static inline uint32_t homi_queue_list_stride(uint32_t max_transfer_bytes, uint32_t page_bytes)
{
    uint32_t per_page = page_bytes / 8, stride = 8, entries;

    if (max_transfer_bytes > HOMI_TRANSFER_BYTES_MAX)
        max_transfer_bytes = HOMI_TRANSFER_BYTES_MAX;
    entries = (max_transfer_bytes + page_bytes - 1) / page_bytes;
    if (entries > per_page)
        return (entries + per_page - 3) / (per_page - 1) * page_bytes;
    while (stride < entries * 8)
        stride *= 2;
    return stride;
}

/* Bytes of `lists` for a queue (see struct homi_queue_setup); a multiple of page_bytes. */
static inline uint64_t homi_queue_lists_bytes(uint32_t entries, uint32_t max_transfer_bytes,
                                              uint32_t page_bytes)
{
    uint64_t bytes = (uint64_t)entries * homi_queue_list_stride(max_transfer_bytes, page_bytes);

    return (bytes + page_bytes - 1) / page_bytes * page_bytes;
}

/* Whether a setup can become a queue. */
HOMI_COLD bool homi_queue_setup_valid(const struct homi_queue_setup *setup)
{
    uint64_t page = setup->page_bytes;

    if (setup->sq == NULL || setup->cq == NULL || setup->cookies == NULL || setup->sq_doorbell == NULL ||
        setup->cq_doorbell == NULL || (setup->wake != NULL && setup->wake_relay == NULL))
        return false;
    if (setup->lists != NULL && setup->lists_iova == 0)
        return false;
    if (setup->entries < HOMI_QUEUE_ENTRIES_MIN || setup->entries > HOMI_QUEUE_ENTRIES_MAX)
        return false;
    if (page < 4096 || (page & (page - 1)) != 0 || setup->max_transfer_bytes < page)
        return false;
    return (((uint64_t)(uintptr_t)setup->sq | (uint64_t)(uintptr_t)setup->cq |
             (uint64_t)(uintptr_t)setup->lists | setup->lists_iova) &
            (page - 1)) == 0;
}

/*
 * Makes an empty queue of a setup. Call it before the first command and after or before the controller learns
 * of the queues. Returns 0, or -EINVAL when a field is out of range, misaligned or missing; *queue is
 * untouched then.
 */
static inline int homi_queue_init(struct homi_queue *queue, const struct homi_queue_setup *setup)
{
    if (!homi_queue_setup_valid(setup))
        return -EINVAL;
    __builtin_memset(queue, 0, sizeof(*queue));
    __builtin_memset(setup->cq, 0, (size_t)setup->entries * HOMI_NVME_CQE_BYTES);
    for (uint32_t i = 0; i < setup->entries; i++)
        setup->cookies[i] = HOMI_COOKIE_NONE;
    setup->cookies[setup->entries] = 0;
    queue->sq = (unsigned char *)setup->sq;
    queue->cq = (unsigned char *)setup->cq;
    queue->cookies = setup->cookies;
    queue->sq_doorbell = setup->sq_doorbell;
    queue->cq_doorbell = setup->cq_doorbell;
    queue->wake = setup->wake != NULL ? setup->wake : &queue->always_awake;
    queue->wake_relay = setup->wake_relay;
    queue->wake_context = setup->wake_context;
    queue->csts = setup->csts;
    queue->lists = (unsigned char *)setup->lists;
    queue->lists_iova = setup->lists_iova;
    queue->entries = setup->entries;
    queue->page_bytes = setup->page_bytes;
    queue->page_shift = (uint32_t)__builtin_ctz(setup->page_bytes);
    queue->max_transfer_bytes = setup->max_transfer_bytes < HOMI_TRANSFER_BYTES_MAX
                                    ? setup->max_transfer_bytes
                                    : HOMI_TRANSFER_BYTES_MAX;
    queue->list_stride_bytes = homi_queue_list_stride(setup->max_transfer_bytes, setup->page_bytes);
    queue->cq_expected = HOMI_CQE_PHASE;
    queue->id = setup->id;
    return 0;
}

/*
 * Ordering against the device. On x86-64 stores reach memory in order, also before an uncached doorbell, and
 * loads are not passed by later loads or stores, so the compiler alone is held. arm64 needs the outer
 * shareable barriers.
 */
HOMI_INLINE void homi_device_write_barrier(void)
{
#if defined(__aarch64__)
    __asm__ volatile("dmb oshst" ::: "memory");
#elif defined(__x86_64__)
    __asm__ volatile("" ::: "memory");
#else
    __sync_synchronize();
#endif
}

HOMI_INLINE void homi_device_read_barrier(void)
{
#if defined(__aarch64__)
    __asm__ volatile("dmb oshld" ::: "memory");
#elif defined(__x86_64__)
    __asm__ volatile("" ::: "memory");
#else
    __sync_synchronize();
#endif
}

HOMI_INLINE void homi_cpu_relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

HOMI_COLD void homi_queue_wake(struct homi_queue *queue)
{
    queue->wakes++;
    queue->wake_relay(queue->wake_context);
}

/*
 * Rings the submission queue's doorbell, then looks whether the relay sleeps. The relay sets the word, has
 * the kernel run a barrier on every CPU (membarrier), and looks at the doorbells again: one side sees the
 * other, whatever this CPU still holds back.
 *
 * The completion queue's doorbell is stored without a look. Its value only makes room, and a relay that went
 * to sleep left room enough for all that it has forwarded: it read the head after the last tail, the commands
 * that the tail stands for are fewer than the entries past that head, and no further tail gets by without
 * waking it; it then forwards the head first (proven in tests/spin/). Who sleeps until an interrupt comes
 * asks homi_queue_posted() first, which does look: a controller may hold back an interrupt until the head
 * shows that the last one was served.
 */
HOMI_INLINE void homi_queue_ring(struct homi_queue *queue, uint32_t tail)
{
    *queue->sq_doorbell = tail;
    if (homi_unlikely(*queue->wake != 0))
        homi_queue_wake(queue);
}

/* An open batch. Lives in registers: declare it, do not keep it. Internal but for being passed to the calls
 * below. */
struct homi_batch {
    struct homi_queue *queue;
    unsigned char *sq;
    uint64_t *cookies;
    uint64_t tail;
    uint32_t max_transfer_bytes;
    uint32_t page_bytes;
};

/*
 * Opens a batch. At most one batch of a queue is open at a time; homi_batch_submit() or homi_batch_cancel()
 * ends it. Completions may be reaped meanwhile.
 */
HOMI_INLINE struct homi_batch homi_batch_begin(struct homi_queue *queue)
{
    struct homi_batch batch;

#ifdef HOMI_DEBUG
    HOMI_REQUIRE(queue != NULL && queue->entries != 0, "the queue is not initialised");
    HOMI_REQUIRE(queue->open_batches++ == 0,
                 "a batch of this queue is open already, or another thread uses it");
#endif
    batch.queue = queue;
    batch.sq = queue->sq;
    batch.cookies = queue->cookies;
    batch.max_transfer_bytes = queue->max_transfer_bytes;
    batch.page_bytes = queue->page_bytes;
    batch.tail = queue->sq_place;
    return batch;
}

/* The command that is being put at the tail, without its identifier: quadwords 0 and 3 to 7 of the SQE, the
 * rest 0. */
struct homi_sqe {
    uint64_t opcode_nsid;
    uint64_t prp1;
    uint64_t prp2;
    uint64_t cdw10_11;
    uint64_t cdw12_13;
    uint64_t cdw14_15;
};

typedef uint64_t homi_sqe_word __attribute__((may_alias));

/*
 * Stores a command from registers straight into its slot. Putting one together in narrow fields and copying
 * it stalls on store forwarding, which costs more than everything else here. On x86-64 what is a constant or
 * has one as its half goes in vectors of 16 B; the rest would have to be moved into vector registers and
 * shuffled together first, and with one store of 64 B or two of 32 B (AVX-512, AVX2) that took longer than
 * the stores that it saves: 2.9 to 3.5 ns per read at 32 commands per doorbell against 2.5 to 2.6 on Zen 4.
 */
HOMI_INLINE void homi_sqe_store(void *slot, uint64_t q0, struct homi_sqe sqe)
{
    homi_sqe_word *words = (homi_sqe_word *)slot;
#if defined(__x86_64__) && !defined(__CUDACC__)
    typedef uint64_t pair __attribute__((vector_size(16), aligned(8), may_alias));
    pair zero = {0, 0}, last = {sqe.cdw12_13, sqe.cdw14_15};

    *(pair *)(void *)&words[1] = zero;
    *(pair *)(void *)&words[6] = last;
#else
    words[1] = 0;
    words[2] = 0;
    words[6] = sqe.cdw12_13;
    words[7] = sqe.cdw14_15;
#endif
    words[0] = q0;
    words[3] = sqe.prp1;
    words[4] = sqe.prp2;
    words[5] = sqe.cdw10_11;
}

/* The slot at the tail. */
HOMI_INLINE uint32_t homi_batch_slot(const struct homi_batch *batch)
{
    return (uint32_t)(batch->tail / 8);
}

HOMI_INLINE uint64_t *homi_batch_cookie(const struct homi_batch *batch, uint64_t place)
{
    return (uint64_t *)(void *)((unsigned char *)batch->cookies + place);
}

/*
 * Puts a command into the slot at the tail. Internal.
 * Returns 0, -EAGAIN when the queue is full (or the next slot's command has not completed), -EINVAL for the
 * one cookie that is no cookie; nothing has changed then.
 */
HOMI_INLINE int homi_batch_put(struct homi_batch *batch, struct homi_sqe sqe, uint64_t cookie)
{
    uint64_t tail = batch->tail, next = tail + 8;

    if (homi_unlikely(*homi_batch_cookie(batch, next) != HOMI_COOKIE_NONE)) {
        if (next != batch->queue->entries * 8 || batch->cookies[0] != HOMI_COOKIE_NONE)
            return -EAGAIN;
        next = 0;
    }
    if (homi_unlikely(cookie == HOMI_COOKIE_NONE))
        return -EINVAL;
    HOMI_REQUIRE(batch->queue->open_batches == 1, "the batch was submitted or cancelled already");
    HOMI_REQUIRE(*homi_batch_cookie(batch, tail) == HOMI_COOKIE_NONE,
                 "the slot at the tail is busy: the queue is corrupt");
    *homi_batch_cookie(batch, tail) = cookie;
    homi_sqe_store(batch->sq + tail * 8, sqe.opcode_nsid + (tail << 13), sqe);
    batch->tail = next;
    return 0;
}

/*
 * Hands the batch's commands to the controller with one doorbell; the batch is over. An empty batch rings
 * nothing.
 */
HOMI_INLINE void homi_batch_submit(struct homi_batch *batch)
{
    struct homi_queue *queue = batch->queue;

#ifdef HOMI_DEBUG
    HOMI_REQUIRE(queue->open_batches-- == 1, "the batch was submitted or cancelled already");
#endif
    if (homi_unlikely(batch->tail == queue->sq_place))
        return;
    queue->sq_place = batch->tail;
    homi_device_write_barrier();
    homi_queue_ring(queue, homi_batch_slot(batch));
}

/* Drops the batch's commands; the controller never learns of them, and their cookies do not come back. */
static inline void homi_batch_cancel(struct homi_batch *batch)
{
    struct homi_queue *queue = batch->queue;

#ifdef HOMI_DEBUG
    HOMI_REQUIRE(queue->open_batches-- == 1, "the batch was submitted or cancelled already");
#endif
    for (uint64_t slot = queue->sq_place / 8; slot != batch->tail / 8;
         slot = slot + 1 == queue->entries ? 0 : slot + 1)
        queue->cookies[slot] = HOMI_COOKIE_NONE;
    batch->tail = queue->sq_place;
}

typedef uint32_t homi_cqe_word __attribute__((may_alias));

/* The entry at a place of the completion queue. Internal. */
HOMI_INLINE homi_cqe_word *homi_queue_cqe(const struct homi_queue *queue, uint32_t head)
{
    return (homi_cqe_word *)(void *)(queue->cq + (size_t)head * HOMI_NVME_CQE_BYTES);
}

/* Moves the head of the completion queue from `head` by `count` entries, at most to the end of the ring.
 * Internal. */
HOMI_INLINE uint32_t homi_queue_advance(struct homi_queue *queue, uint32_t head, uint32_t count)
{
    head += count;
    if (homi_unlikely(head == queue->entries)) {
        head = 0;
        queue->cq_expected ^= HOMI_CQE_PHASE;
    }
    queue->cq_head = head;
    return head;
}

/*
 * The rest of homi_queue_reap() when it stops after `count` completions: at an entry that is not posted yet,
 * at the end of the ring, or at one that is not plainly a success with the identifier of a command in flight.
 */
HOMI_OUTLINE uint32_t homi_queue_reap_rest(struct homi_queue *queue, struct homi_completion *completions,
                                           uint32_t count, uint32_t max)
{
    uint32_t start = queue->cq_head, head = homi_queue_advance(queue, start, count);

    while (count != max) {
        const homi_cqe_word *cqe = homi_queue_cqe(queue, head);
        uint64_t word = __atomic_load_n(&cqe[3], __ATOMIC_RELAXED) ^ queue->cq_expected, cid = word & 0xffffu;

        if ((word & HOMI_CQE_PHASE) != 0)
            break;
        homi_device_read_barrier();
        if (cid >= queue->entries || queue->cookies[cid] == HOMI_COOKIE_NONE) {
            queue->spurious++;
        } else {
            struct homi_completion *completion = &completions[count++];

            completion->cookie = queue->cookies[cid];
            completion->result = cqe[0];
            completion->status = (uint16_t)(word >> 17);
            completion->reserved = 0;
            queue->cookies[cid] = HOMI_COOKIE_NONE;
        }
        head = homi_queue_advance(queue, head, 1);
    }
    if (head != start) {
        homi_device_read_barrier();
        *queue->cq_doorbell = head;
    }
    return count;
}

/*
 * Takes up to `max` completions into `completions`, in the order in which the controller posted them, and
 * rings the completion queue's doorbell once. Returns how many there were; does not wait. An entry whose
 * identifier is out of range or belongs to no command in flight is counted (homi_queue_spurious()), consumed
 * and never delivered.
 *
 * Dword 3 of an entry holds the identifier below the phase tag and the status. With the expected phase taken
 * off it, an entry that is new and a success is just its identifier: one comparison with the size of the
 * queue tells that, and that the identifier is in range.
 */
HOMI_INLINE uint32_t homi_queue_reap(struct homi_queue *queue, struct homi_completion *completions,
                                     uint32_t max)
{
    uint64_t *cookies = queue->cookies;
    uint64_t expected = queue->cq_expected, entries = queue->entries;
    uint32_t head = queue->cq_head, last = (uint32_t)entries - head - 1, run;
    const unsigned char *cq = (const unsigned char *)homi_queue_cqe(queue, head);
    size_t place = 0;

    HOMI_REQUIRE(entries != 0, "the queue is not initialised");
    HOMI_REQUIRE(completions != NULL || max == 0, "there is no room for completions");
    if (homi_unlikely(max == 0))
        return 0;
    /* Written so that the compiler sees at least one, and just one when max is 1. */
    run = (max - 1 < last ? max - 1 : last) + 1;
    do {
        /* Both arrays have elements of one size, so that one register walks both. */
        const homi_cqe_word *cqe = (const homi_cqe_word *)(const void *)(cq + place);
        struct homi_completion *completion =
            (struct homi_completion *)(void *)((unsigned char *)completions + place);
        uint64_t word = __atomic_load_n(&cqe[3], __ATOMIC_RELAXED) ^ expected;
        uint64_t cookie, result;

        if (homi_unlikely(word >= entries))
            goto rest;
        cookie = cookies[word];
        if (homi_unlikely(cookie == HOMI_COOKIE_NONE))
            goto rest;
        cookies[word] = HOMI_COOKIE_NONE;
        completion->cookie = cookie;
        homi_device_read_barrier();
        result = cqe[0];
        __builtin_memcpy(&completion->result, &result, sizeof(result));
        place += HOMI_NVME_CQE_BYTES;
    } while (place != (size_t)run * HOMI_NVME_CQE_BYTES);
    if (homi_unlikely(run != max))
        goto rest;
    homi_device_read_barrier();
    *queue->cq_doorbell = homi_queue_advance(queue, head, run);
    return run;
rest:
    return homi_queue_reap_rest(queue, completions, (uint32_t)(place / HOMI_NVME_CQE_BYTES), max);
}

/*
 * Whether a completion has been posted that is not reaped yet: to be asked before going to sleep, since it
 * also has a sleeping relay forward how far completions have been reaped (see homi_queue_ring()).
 */
HOMI_INLINE bool homi_queue_posted(struct homi_queue *queue)
{
    const homi_cqe_word *cqe = homi_queue_cqe(queue, queue->cq_head);

    if (homi_unlikely(*queue->wake != 0))
        homi_queue_wake(queue);
    return ((__atomic_load_n(&cqe[3], __ATOMIC_ACQUIRE) ^ queue->cq_expected) & HOMI_CQE_PHASE) == 0;
}

/* Entries of the completion queue that answered no command: 0 on a sound controller. */
static inline uint64_t homi_queue_spurious(const struct homi_queue *queue)
{
    return queue->spurious;
}

/* How often a sleeping relay had to be woken. */
static inline uint64_t homi_queue_wakes(const struct homi_queue *queue)
{
    return queue->wakes;
}

/* Commands that a queue can have in flight: one entry stays empty. */
static inline uint32_t homi_queue_depth(const struct homi_queue *queue)
{
    return (uint32_t)queue->entries - 1;
}

/* 0 while the controller lives (as far as can be told), -ENODEV when it left the bus, -EIO when it reports a
 * fatal error. */
static inline int homi_queue_health(const struct homi_queue *queue)
{
    uint32_t status = queue->csts != NULL ? *queue->csts : HOMI_NVME_CSTS_READY;

    if (status == HOMI_NVME_CSTS_GONE)
        return -ENODEV;
    return (status & HOMI_NVME_CSTS_FATAL) != 0 || (status & HOMI_NVME_CSTS_READY) == 0 ? -EIO : 0;
}

/* The health is a read over PCIe, and is asked for once in so many polls. */
#define HOMI_POLLS_PER_HEALTH 4096u

/*
 * Polls for at least one completion, at most `polls` times. Returns how many there were (1 to max), -ETIME
 * when the bound was reached, -EINVAL when max is 0, and -EIO or -ENODEV when the controller is dead: then
 * the commands in flight will not complete; homi_queue_abandon() gives their cookies back.
 */
static inline int homi_queue_wait(struct homi_queue *queue, struct homi_completion *completions, uint32_t max,
                                  uint64_t polls)
{
    if (max == 0)
        return -EINVAL;
    if (max > HOMI_QUEUE_ENTRIES_MAX)
        max = HOMI_QUEUE_ENTRIES_MAX;
    for (uint64_t poll = 1; poll <= polls; poll++) {
        uint32_t count = homi_queue_reap(queue, completions, max);

        if (count != 0)
            return (int)count;
        if (poll % HOMI_POLLS_PER_HEALTH == 0 || poll == polls) {
            int health = homi_queue_health(queue);

            if (health < 0)
                return health;
        }
        homi_cpu_relax();
    }
    return -ETIME;
}

/*
 * Takes up to `max` cookies of commands in flight out of a queue that the controller no longer serves
 * (deleted, or dead), in slot order, and frees their slots. Returns how many; call again until it returns 0.
 */
static inline uint32_t homi_queue_abandon(struct homi_queue *queue, uint64_t *cookies, uint32_t max)
{
    uint32_t count = 0;

    for (uint32_t slot = 0; slot < queue->entries && count < max; slot++) {
        if (queue->cookies[slot] == HOMI_COOKIE_NONE)
            continue;
        cookies[count++] = queue->cookies[slot];
        queue->cookies[slot] = HOMI_COOKIE_NONE;
    }
    return count;
}

#ifdef __cplusplus
}
#endif

#endif
