/* SPDX-License-Identifier: BSD-3-Clause */
/* What the device can be made to read and write: data pointers, PRP lists, the admin queue, other namespaces.
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

#include "tests/hostile/hostile.h"

enum {
    OPCODE_NAMESPACE_ATTACHMENT = 0x15,
    DOORBELLS = 0x1000 / 4,
    CNS_CONTROLLER = 1,
    CNS_ACTIVE_NAMESPACES = 2,
    LOG_ERRORS = 1,
    FEATURE_QUEUES = 7,
    ADMIN_WRITTEN = 64 << 10, /* into the admin area: the completion queue, then pages of data */
    CHURN = 40,
    OWN_BYTES = 4 << 20, /* around its memory, where its queues may be */
    FORGE_MICROSECONDS = 1600000,
};

/* homid's own pages: at the start of the last MiB that the IOMMU can address. */
static const uint64_t admin_areas[] = {(UINT64_C(1) << 39) - (1 << 20), (UINT64_C(1) << 48) - (1 << 20),
                                       (UINT64_C(1) << 57) - (1 << 20)};
#define ADMIN_AREAS (sizeof(admin_areas) / sizeof(admin_areas[0]))

/* Whether nothing of the attacker's memory changed but what it says. */
static bool guard_holds(const struct attacker *attacker)
{
    for (size_t i = 0; i < ATTACKER_BYTES; i++) {
        if (attacker->bytes[i] != 0x11)
            return false;
    }
    return true;
}

/* Puts a page of the attacker's choice on its namespace, for the device to write elsewhere. */
static void store(struct attacker *attacker, const void *page)
{
    memcpy(attacker->bytes, page, PAGE);
    if (aim(attacker, HOMI_NVME_WRITE, attacker->space->id, attacker->region->iova, PAGE) != 0)
        got("nothing: it cannot even write to its own namespace");
    memset(attacker->bytes, 0x11, ATTACKER_BYTES);
}

/* Reads from and writes to one device address; 0 when neither was carried out. */
static int both_ways(struct attacker *attacker, uint64_t iova)
{
    static const uint8_t marks[PAGE] = {0xee};

    store(attacker, marks);
    int read = aim(attacker, HOMI_NVME_READ, attacker->space->id, iova, PAGE);
    int wrote = aim(attacker, HOMI_NVME_WRITE, attacker->space->id, iova, PAGE);
    if (!guard_holds(attacker))
        return got("its own memory changed at another address");
    /* An emulated device may report success for what the IOMMU stopped; it counts what was changed. */
    (void)read, (void)wrote;
    return 0;
}

static int low_addresses(struct attacker *attacker)
{
    for (uint64_t iova = 0; iova < 0x10000; iova += PAGE) {
        if (both_ways(attacker, iova))
            return 1;
    }
    return 0;
}

static int interrupt_range(struct attacker *attacker)
{
    return both_ways(attacker, 0xfee00000) || both_ways(attacker, 0xfee01000);
}

static int far_addresses(struct attacker *attacker)
{
    return both_ways(attacker, UINT64_C(1) << 38) || both_ways(attacker, UINT64_MAX - (PAGE - 1));
}

/* The same numbers mean the victim's memory on the victim's VF: here they may mean the attacker's own. */
static int victims_addresses(struct attacker *attacker)
{
    uint64_t iova = attacker->shared->victim_iova;
    const struct homi_region_map *own = attacker->region;

    for (unsigned i = 0; i < 16; i++, iova += PAGE) {
        bool is_own = iova + OWN_BYTES >= own->iova && iova < own->iova + OWN_BYTES;
        if (!is_own && both_ways(attacker, iova))
            return 1;
    }
    return 0;
}

static int list_elsewhere(struct attacker *attacker)
{
    struct homi_nvme_command command = {.opcode = HOMI_NVME_READ,
                                        .nsid = attacker->space->id,
                                        .prp1 = attacker->region->iova,
                                        .prp2 = 0x7000,
                                        .cdw12 = 8 * PAGE / attacker->space->block_bytes - 1};
    struct homi_completion done;

    for (unsigned i = 0; i < 3; i++) {
        struct homi_batch batch = homi_batch_begin(attacker->queue);
        int r = homi_batch_raw(&batch, &command, 1);
        homi_batch_submit(&batch);
        if (r != 0 || homi_queue_wait(attacker->queue, &done, 1, UINT64_C(1) << 28) != 1)
            return got("its queue died of a PRP list outside its memory");
        command.prp2 = i == 0 ? attacker->region->iova + 4 : attacker->region->iova; /* misaligned; itself */
    }
    return 0;
}

/* With a list as it must be, so that nothing but MDTS stands in its way. */
static int transfer_too_long(struct attacker *attacker)
{
    uint32_t limit = homi_lease_function(attacker->lease, 0)->max_transfer_bytes, pages = limit / PAGE + 1;
    uint64_t *list = (uint64_t *)(void *)attacker->bytes;
    struct homi_nvme_command command = {.opcode = HOMI_NVME_READ,
                                        .nsid = attacker->space->id,
                                        .prp1 = attacker->region->iova + PAGE,
                                        .prp2 = attacker->region->iova,
                                        .cdw12 = pages * (PAGE / attacker->space->block_bytes) - 1};
    struct homi_completion done;

    if (pages > PAGE / sizeof(*list) || pages > 65536 / (PAGE / attacker->space->block_bytes))
        return 0; /* no command of one list page can be longer than that */
    for (uint32_t i = 0; i < pages; i++)
        list[i] = attacker->region->iova + PAGE;
    struct homi_batch batch = homi_batch_begin(attacker->queue);
    int r = homi_batch_raw(&batch, &command, 1);
    homi_batch_submit(&batch);
    if (r != 0 || homi_queue_wait(attacker->queue, &done, 1, UINT64_C(1) << 28) != 1)
        return got("no answer to a transfer over MDTS");
    return done.status != 0 ? 0 : got("a transfer over MDTS");
}

static int foreign_namespace(struct attacker *attacker)
{
    uint32_t foreign = attacker->setup->foreign_namespace;

    memset(attacker->bytes, 0x11, ATTACKER_BYTES);
    /* One block, however long it is there. */
    if (aim(attacker, HOMI_NVME_READ, foreign, attacker->region->iova, attacker->space->block_bytes) == 0)
        return got("it read the victim's namespace");
    if (aim(attacker, HOMI_NVME_WRITE, foreign, attacker->region->iova, attacker->space->block_bytes) == 0)
        return got("it wrote the victim's namespace");
    return guard_holds(attacker) ? 0 : got("data of the victim's namespace");
}

static int all_namespaces(struct attacker *attacker)
{
    uint32_t block = attacker->space->block_bytes;

    if (aim(attacker, HOMI_NVME_READ, UINT32_MAX, attacker->region->iova, block) == 0 ||
        aim(attacker, HOMI_NVME_READ, 0, attacker->region->iova, block) == 0)
        return got("it read without saying which namespace");
    return 0;
}

static int beyond_the_end(struct attacker *attacker)
{
    struct homi_nvme_command command = {.opcode = HOMI_NVME_READ,
                                        .nsid = attacker->space->id,
                                        .prp1 = attacker->region->iova,
                                        .cdw10 = UINT32_MAX,
                                        .cdw11 = UINT32_MAX};
    struct homi_completion done;
    struct homi_batch batch = homi_batch_begin(attacker->queue);
    int r = homi_batch_raw(&batch, &command, 1);

    homi_batch_submit(&batch);
    if (r != 0 || homi_queue_wait(attacker->queue, &done, 1, UINT64_C(1) << 28) != 1)
        return got("no answer to a block beyond the end");
    return done.status != 0 ? 0 : got("a block beyond the end of its namespace");
}

/* Every command of every kind that an I/O queue could take for something else. */
static int admin_opcodes_on_io_queue(struct attacker *attacker)
{
    static const uint8_t dangerous[] = {0x0d, 0x15, 0x1c, 0x80, 0x81, 0x84, 0x10, 0x11, 0x1d, 0x7c, 0xc0};

    for (size_t i = 0; i < sizeof(dangerous); i++)
        (void)aim(attacker, dangerous[i], UINT32_MAX, attacker->region->iova, PAGE);
    return foreign_namespace(attacker);
}

/* ---- the admin queue, which lies in the VF's own domain ---- */

static bool sees_foreign(struct attacker *attacker)
{
    static uint32_t ids[HOMI_IDENTIFY_BYTES / sizeof(uint32_t)];

    if (homi_identify(attacker->lease, 0, CNS_ACTIVE_NAMESPACES, 0, ids) != 0)
        return false;
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        if (ids[i] == attacker->setup->foreign_namespace)
            return true;
    }
    return false;
}

/* ---- what homid can be made to give on the VF's admin queue ---- */

static uint8_t asked_data[HOMI_IDENTIFY_BYTES];

static int ask_identify(struct attacker *attacker)
{
    return homi_identify(attacker->lease, 0, CNS_CONTROLLER, 0, asked_data);
}

static int ask_log_page(struct attacker *attacker)
{
    return homi_get_log_page(attacker->lease, 0, LOG_ERRORS, 0, 64, asked_data);
}

static int ask_feature(struct attacker *attacker)
{
    uint32_t value;

    return homi_get_feature(attacker->lease, 0, FEATURE_QUEUES, &value);
}

/* Create I/O Completion Queue, Create I/O Submission Queue, and both deletions. */
static int ask_queues(struct attacker *attacker)
{
    const struct homi_queue_options options = {.entries = 8};
    struct homi_queue_pair *pair;
    int r = homi_queue_pair_new(attacker->lease, &options, &pair);

    if (r == 0)
        homi_queue_pair_free(pair);
    return r;
}

static int (*const asking_kinds[])(struct attacker *) = {ask_identify, ask_log_page, ask_feature, ask_queues};
#define ASKING_KINDS (sizeof(asking_kinds) / sizeof(asking_kinds[0]))

struct asking {
    struct attacker *attacker;
    int (*ask)(struct attacker *);
};

/* Has homid give commands, whose entries lie in its ring for a moment. */
static void *keep_asking(void *user)
{
    const struct asking *asking = user;

    while (!asking->attacker->enough && asking->ask(asking->attacker) >= 0)
        continue;
    return NULL;
}

/* As many reads over the admin queue as fit into the attacker's own. */
static void overwrite(struct attacker *attacker)
{
    struct homi_nvme_command command = {.opcode = HOMI_NVME_READ,
                                        .nsid = attacker->space->id,
                                        .cdw12 = PAGE / attacker->space->block_bytes - 1};
    struct homi_completion done[DEPTH];
    struct homi_batch batch = homi_batch_begin(attacker->queue);

    for (unsigned i = 0; i < DEPTH; i++) {
        command.prp1 = admin_areas[i % ADMIN_AREAS];
        if (homi_batch_raw(&batch, &command, 1) != 0)
            break;
    }
    homi_batch_submit(&batch);
    (void)homi_queue_reap(attacker->queue, done, DEPTH);
}

/* A page of commands that homid never gave, on the attacker's namespace: each attaches the victim's. */
static void store_forgeries(struct attacker *attacker)
{
    static uint8_t page[PAGE];
    struct homi_nvme_command *commands = (struct homi_nvme_command *)(void *)page;
    uint16_t list[2] = {1, homi_lease_function(attacker->lease, 0)->controller_id};
    uint64_t list_iova = attacker->region->iova + ATTACKER_BYTES - PAGE;

    for (uint16_t i = 0; i < PAGE / sizeof(*commands); i++)
        commands[i] = (struct homi_nvme_command){.opcode = OPCODE_NAMESPACE_ATTACHMENT,
                                                 .cid = (uint16_t)(0xf000 + i),
                                                 .nsid = attacker->setup->foreign_namespace,
                                                 .prp1 = list_iova};
    store(attacker, page);
    memcpy(attacker->bytes + ATTACKER_BYTES - PAGE, list, sizeof(list));
}

static bool reads_foreign(struct attacker *attacker)
{
    return aim(attacker, HOMI_NVME_READ, attacker->setup->foreign_namespace, attacker->region->iova,
               attacker->space->block_bytes) == 0;
}

static bool is_ready(struct attacker *attacker)
{
    return homi_queue_health(attacker->queue) == 0;
}

/* Written over homid's own while it gives some: a race, as a tenant without the BAR must run it. */
static int forge_while(struct attacker *attacker, int (*ask)(struct attacker *), uint64_t microseconds)
{
    struct asking asking = {attacker, ask};
    struct homi_completion done[DEPTH];
    pthread_t thread;

    attacker->enough = false;
    if (pthread_create(&thread, NULL, keep_asking, &asking) != 0)
        return got("nothing: no thread");
    for (uint64_t end = microseconds_now() + microseconds; microseconds_now() < end && is_ready(attacker);)
        overwrite(attacker);
    attacker->enough = true;
    pause_milliseconds(50);
    while (homi_queue_reap(attacker->queue, done, DEPTH) > 0)
        continue;
    /* At once: homid may be waiting for a command of its own that was lost, and reset the function for it. */
    if (reads_foreign(attacker))
        return got("a forged command attached the victim's namespace");
    pthread_join(thread, NULL);
    return 0;
}

/* During every command that homid can be made to give. */
static int forge_commands(struct attacker *attacker)
{
    store_forgeries(attacker);
    for (size_t kind = 0; kind < ASKING_KINDS; kind++) {
        if (!is_ready(attacker))
            return got("nothing: the function was lost on the way");
        if (forge_while(attacker, asking_kinds[kind], FORGE_MICROSECONDS / ASKING_KINDS))
            return 1;
    }
    return sees_foreign(attacker) ? got("the victim's namespace is attached") : 0;
}

/* The same without a race, by who has the BAR: it rings homid's doorbell itself, and is faster than homid. */
static int forge_and_ring(struct attacker *attacker)
{
    store_forgeries(attacker);
    for (size_t area = 0; area < ADMIN_AREAS; area++)
        (void)aim(attacker, HOMI_NVME_READ, attacker->space->id, admin_areas[area], PAGE);
    for (uint32_t tail = 0; attacker->bar && tail < 32; tail += 8) {
        attacker->bar[DOORBELLS] = tail;
        /* Until the function is taken away. */
        for (int r = 1; r > 0;) {
            r = aim(attacker, HOMI_NVME_READ, attacker->setup->foreign_namespace, attacker->region->iova,
                    attacker->space->block_bytes);
            if (r == 0)
                return got("a forged command attached the victim's namespace");
        }
    }
    return 0;
}

/* What the device is to have completed, written by the attacker; homid must notice and take the VF away. */
static int forge_completions(struct attacker *attacker, uint32_t value, uint16_t queue, uint16_t cid,
                             int (*ask)(struct attacker *))
{
    static uint8_t page[PAGE];

    for (unsigned phase = 0; phase < 2; phase++) {
        for (size_t at = 0; at < PAGE; at += 16) {
            const uint32_t entry[4] = {value, 0, (uint32_t)queue << 16, cid | phase << 16};
            memcpy(page + at, entry, sizeof(entry));
        }
        store(attacker, page);
        for (unsigned i = 0; i < CHURN; i++) {
            for (size_t area = 0; area < ADMIN_AREAS; area++) {
                if (aim(attacker, HOMI_NVME_READ, attacker->space->id, admin_areas[area] + ADMIN_WRITTEN,
                        PAGE) < 0)
                    return 0;
            }
            if (ask(attacker) < 0)
                return 0;
        }
    }
    if (!lost_lease(attacker, 5000))
        return got("homid believed completions of commands that it never gave");
    return 0;
}

static int forge_unknown_command(struct attacker *attacker)
{
    return forge_completions(attacker, 0, 0, 0xffff, ask_identify);
}

static int forge_other_queue(struct attacker *attacker)
{
    return forge_completions(attacker, 0, 3, 0x0100, ask_identify);
}

static int forge_wild_entries(struct attacker *attacker)
{
    return forge_completions(attacker, UINT32_MAX, 0xffff, 0x7f13, ask_identify);
}

/* The answers of commands of every kind; each costs the attacker its function, and it gets another one. */
static int forge_answers_of_every_command(struct attacker *attacker)
{
    for (size_t kind = 0; kind < ASKING_KINDS; kind++) {
        if (kind > 0) {
            /* The mapping would keep the function from everybody, this attacker too. */
            if (attacker->bar)
                munmap((void *)(uintptr_t)attacker->bar, attacker->bar_bytes);
            attacker->bar = NULL;
            homi_close(attacker->homi);
            attacker->homi = NULL;
            attacker_attach(attacker);
        }
        if (forge_completions(attacker, 0, 0, 0xffff, asking_kinds[kind]))
            return 1;
    }
    return 0;
}

/* Identify data that never came from the device. Only the attacker itself can be misled by it. */
static int forge_data(struct attacker *attacker)
{
    static uint8_t data[HOMI_IDENTIFY_BYTES], page[PAGE];

    memset(page, 0xff, sizeof(page));
    store(attacker, page);
    for (unsigned i = 0; i < CHURN; i++) {
        for (size_t area = 0; area < ADMIN_AREAS; area++) {
            for (unsigned slot = 0; slot < 4; slot++)
                (void)aim(attacker, HOMI_NVME_READ, attacker->space->id,
                          admin_areas[area] + ADMIN_WRITTEN + PAGE * (1 + slot), PAGE);
        }
        for (uint8_t cns = 0; cns < 3; cns++)
            (void)homi_identify(attacker->lease, 0, cns, attacker->space->id, data);
    }
    return foreign_namespace(attacker);
}

/* The data pages hold what homid was told on behalf of this lease and nothing older. */
static int read_admin_area(struct attacker *attacker)
{
    for (size_t area = 0; area < ADMIN_AREAS; area++)
        (void)aim(attacker, HOMI_NVME_WRITE, attacker->space->id, admin_areas[area] + ADMIN_WRITTEN + PAGE,
                  PAGE);
    memset(attacker->bytes, 0, ATTACKER_BYTES);
    (void)aim(attacker, HOMI_NVME_READ, attacker->space->id, attacker->region->iova, PAGE);
    /* The serial number of Identify Controller would be of no harm; the victim's lease must not be there. */
    if (memmem(attacker->bytes, PAGE, attacker->shared->victim_lease, strlen(attacker->shared->victim_lease)))
        return got("the victim's lease in its own admin pages");
    return 0;
}

const struct attack dma_attacks[] = {
    {"dma-low-addresses", low_addresses, false},
    {"dma-interrupt-range", interrupt_range, false},
    {"dma-far-addresses", far_addresses, false},
    {"dma-victims-addresses", victims_addresses, false},
    {"dma-list-elsewhere", list_elsewhere, false},
    {"dma-transfer-too-long", transfer_too_long, false},
    {"dma-foreign-namespace", foreign_namespace, false},
    {"dma-all-namespaces", all_namespaces, false},
    {"dma-beyond-the-end", beyond_the_end, false},
    {"dma-admin-opcodes", admin_opcodes_on_io_queue, false},
    {"admin-forge-commands", forge_commands, false},
    {"admin-forge-and-ring", forge_and_ring, false},
    {"admin-forge-unknown-command", forge_unknown_command, false},
    {"admin-forge-other-queue", forge_other_queue, false},
    {"admin-forge-wild-entries", forge_wild_entries, false},
    {"admin-forge-every-answer", forge_answers_of_every_command, false},
    {"admin-forge-data", forge_data, false},
    {"admin-read-area", read_admin_area, false},
    {NULL, NULL, false},
};
