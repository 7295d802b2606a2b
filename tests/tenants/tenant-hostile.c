/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A tenant that attacks with its device's DMA. It destroys data on its own namespace. Exit status: 0 when the
 * attack had no effect that this process can see, 1 when it had, 2 for a wrong command line, 3 when homid
 * refused, 4 when the machine failed. The result is one line of JSON.
 */
#include <errno.h>
#include <homi/homi.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/tenants/common/options.h"
#include "tests/tenants/common/report.h"
#include "tests/tenants/common/ticks.h"

static const char usage[] = "Usage: tenant-hostile [OPTION]... ATTACK\n"
                            "  prp-outside          reads and writes whose data pointers lie outside the "
                            "tenant's memory: own memory must be\n"
                            "                       untouched; what others see is for their own checks\n"
                            "  forge-admin          reads a block full of forged Namespace Attachment "
                            "commands over every address where the\n"
                            "                       admin submission queue may lie, while homid issues "
                            "Identify; then looks whether the\n"
                            "                       foreign namespace is there\n"
                            "  --socket PATH        homid's socket\n"
                            "  --tenant NAME        act for this tenant\n"
                            "  --namespace ID       its namespace that serves for it [the first]\n"
                            "  --foreign-namespace ID  forge-admin: another's namespace [3]\n"
                            "  --iova-from N        first address to aim at\n"
                            "  --iova-to N          behind the last; without these: the first 16 MiB, 8 MiB "
                            "around the tenant's own regions,\n"
                            "                       and for prp-outside some far ones\n"
                            "  --seconds N          how long [10]\n";

#define DEPTH         32
#define PAGE          4096
#define GUARD_BYTES   (1 << 20)
#define LOW_BYTES     (UINT64_C(16) << 20)
#define AROUND_BYTES  (UINT64_C(8) << 20)
#define STALL_SECONDS 10

/* libhomi's pool of small registered memory begins with the PRP table of the first memory. */
#define POOL_BYTES (256 << 10)

/* Namespace Attachment (NVMe Base 2.0, section 5.20). */
#define OPCODE_NAMESPACE_ATTACHMENT 0x15

/* Identify: controller data, and the ids of the attached namespaces (NVMe Base 2.0, section 5.17). */
#define CNS_CONTROLLER        0x01
#define CNS_ACTIVE_NAMESPACES 0x02

struct range {
    uint64_t from, to;
};

/* Where homid puts the admin submission queue: at the start of the last MiB that the IOMMU can address. */
#define ADMIN_PAGE(bits)                                                                                     \
    {                                                                                                        \
        (UINT64_C(1) << (bits)) - (1 << 20), (UINT64_C(1) << (bits)) - (1 << 20) + PAGE                      \
    }
static const struct range admin_pages[] = {ADMIN_PAGE(39), ADMIN_PAGE(48), ADMIN_PAGE(57)};
#define ADMIN_PAGES (sizeof(admin_pages) / sizeof(admin_pages[0]))

struct attacker {
    struct homi *homi;
    struct homi_lease *lease;
    struct homi_memory *memory;
    struct homi_queue_pair *pair;
    struct homi_queue *queue;
    const struct homi_namespace *namespace;
    const struct homi_region_map *region;
    struct range ranges[4];
    size_t range_count;
    uint64_t attempts, succeeded, failed;
    uint32_t in_flight;
    /* of the thread that keeps homid busy */
    pthread_t thread;
    atomic_bool enough;
    uint64_t identified, not_identified;
    int last_error;
};

struct options {
    const char *socket, *tenant;
    uint32_t namespace_id, foreign_namespace, seconds;
    uint64_t iova_from, iova_to;
};

static int failed(const struct attacker *a, const char *what, int error)
{
    if (error > 0)
        fprintf(stderr, "refused: %s: %s: %s\n", what, homi_error_name(a->homi), homi_error_text(a->homi));
    else
        fprintf(stderr, "failed: %s: %s\n", what, homi_strerror(error));
    return error > 0 ? 3 : 4;
}

static int set_up(struct attacker *a, const struct options *o)
{
    struct homi_attach_options attach = {.tenant = o->tenant};
    struct homi_queue_options queue = {.entries = DEPTH + 1};
    int r;

    r = homi_open(o->socket, &a->homi);
    if (r == 0)
        r = homi_attach(a->homi, &attach, &a->lease);
    if (r == 0)
        r = homi_memory_new(a->lease, GUARD_BYTES, 0, &a->memory);
    if (r == 0)
        r = homi_queue_pair_new(a->lease, &queue, &a->pair);
    if (r != 0)
        return r;
    a->queue = homi_queue_pair_queue(a->pair);
    a->region = homi_memory_region(a->memory);
    a->namespace = o->namespace_id != 0 ? homi_function_namespace_by_id(a->lease, 0, o->namespace_id)
                                        : homi_function_namespace(a->lease, 0, 0);
    options_require(a->namespace != NULL, "--namespace that the lease has");
    return 0;
}

static void add_range(struct attacker *a, uint64_t from, uint64_t to)
{
    a->ranges[a->range_count++] = (struct range){from, to};
}

static void choose_ranges(struct attacker *a, const struct options *o, bool far)
{
    uint64_t own = a->region->iova, pool = a->region->prp_iova;
    uint64_t first = own < pool ? own : pool, last = own < pool ? pool : own;

    if (o->iova_to != 0) {
        add_range(a, o->iova_from, o->iova_to);
        return;
    }
    add_range(a, 0, LOW_BYTES);
    add_range(a, first > AROUND_BYTES ? first - AROUND_BYTES : 0, first + AROUND_BYTES);
    add_range(a, last > AROUND_BYTES ? last - AROUND_BYTES : 0, last + AROUND_BYTES);
    if (far)
        add_range(a, UINT64_C(1) << 38, (UINT64_C(1) << 38) + (1 << 20));
}

/* Whether a page belongs to what the attacker itself uses: its memory, or the pool with its PRP table and
 * queues. */
static bool own_page(const struct attacker *a, uint64_t iova)
{
    uint64_t pool = a->region->prp_iova;

    return (iova >= a->region->iova && iova < a->region->iova + a->region->bytes) ||
           (iova >= pool && iova < pool + POOL_BYTES);
}

static void reap(struct attacker *a)
{
    struct homi_completion done[DEPTH];
    uint32_t count = homi_queue_reap(a->queue, done, DEPTH);

    for (uint32_t i = 0; i < count; i++) {
        a->succeeded += done[i].status == 0;
        a->failed += done[i].status != 0;
    }
    a->in_flight -= count;
}

/* Waits until at most so many commands are in flight. Returns 0, -ETIMEDOUT, or the controller's death. */
static int drain(struct attacker *a, uint32_t left)
{
    unsigned since = ticks_now(), seen = since;
    uint32_t before = a->in_flight;

    while (a->in_flight > left) {
        reap(a);
        if (ticks_now() != seen) {
            int r = homi_queue_health(a->queue);
            if (r < 0)
                return r;
            seen = ticks_now();
        }
        if (a->in_flight != before)
            since = ticks_now();
        if (ticks_now() - since > STALL_SECONDS * TICKS_PER_SECOND)
            return -ETIMEDOUT;
        before = a->in_flight;
    }
    return 0;
}

/* One page between the namespace's first blocks and a device address, whatever lies there. */
static int aim(struct attacker *a, uint8_t opcode, uint32_t namespace_id, uint64_t iova)
{
    struct homi_nvme_command command = {
        .opcode = opcode, .nsid = namespace_id, .prp1 = iova, .cdw12 = PAGE / a->namespace->block_bytes - 1};
    struct homi_batch batch;
    int r = drain(a, DEPTH - 1);

    if (r < 0)
        return r;
    batch = homi_batch_begin(a->queue);
    r = homi_batch_raw(&batch, &command, iova);
    homi_batch_submit(&batch);
    if (r == 0) {
        a->in_flight++;
        a->attempts++;
    }
    return r == -EAGAIN ? 0 : r;
}

/* Aims at all pages of some ranges once. */
static int sweep(struct attacker *a, const struct range *ranges, size_t count, uint8_t opcode)
{
    for (size_t i = 0; i < count; i++) {
        for (uint64_t iova = ranges[i].from & ~(uint64_t)(PAGE - 1); iova < ranges[i].to; iova += PAGE) {
            int r = own_page(a, iova) || ticks_stopped() ? 0 : aim(a, opcode, a->namespace->id, iova);
            if (r < 0)
                return r;
        }
    }
    return 0;
}

/* Writes the page at `buffer` to the namespace's first blocks, by the rules. */
static int write_first_page(struct attacker *a, const void *buffer)
{
    int r = homi_queue_write(a->queue, a->namespace, a->region, buffer, PAGE, 0, 1);

    if (r == 0) {
        a->in_flight++;
        r = drain(a, 0);
    }
    return r < 0 ? r : a->failed > 0 ? -EIO : 0;
}

/* ---- prp-outside ---- */

static int prp_outside(struct attacker *a, const struct options *o)
{
    uint8_t *guard = homi_memory_address(a->memory);
    unsigned end = ticks_now() + o->seconds * TICKS_PER_SECOND;
    size_t changed = 0;
    int r;

    choose_ranges(a, o, true);
    memset(guard, 0xee, PAGE);
    r = write_first_page(a, guard);
    if (r < 0)
        return failed(a, "writing by the rules", r);
    memset(guard, 0x11, GUARD_BYTES);
    do {
        r = sweep(a, a->ranges, a->range_count, HOMI_NVME_READ); /* the device writes there */
        if (r == 0)
            r = sweep(a, a->ranges, a->range_count, HOMI_NVME_WRITE); /* the device reads there */
    } while (r == 0 && ticks_now() < end && !ticks_stopped());
    if (r == 0)
        r = drain(a, 0);
    for (size_t i = 0; i < GUARD_BYTES; i++)
        changed += guard[i] != 0x11;
    printf("{\"attack\":\"prp-outside\",\"attempts\":%" PRIu64 ",\"succeeded\":%" PRIu64
           ",\"failed\":%" PRIu64 ",\"noCompletion\":%" PRIu32
           ",\"controller\":\"%s\",\"ownBytesChanged\":%zu}\n",
           a->attempts, a->succeeded, a->failed, a->in_flight, r < 0 ? homi_strerror(r) : "alive", changed);
    return changed > 0;
}

/* ---- forge-admin ---- */

/* Keeps the admin queue moving, so that whatever lies in its ring is executed. */
static void *keep_homid_busy(void *user)
{
    static uint8_t data[HOMI_IDENTIFY_BYTES];
    struct attacker *a = user;

    while (!atomic_load(&a->enough)) {
        int r = homi_identify(a->lease, 0, CNS_CONTROLLER, 0, data);

        a->identified += r == 0;
        a->not_identified += r != 0;
        if (r != 0)
            a->last_error = r;
        if (r < 0)
            break; /* the connection is over: the lease was taken away */
    }
    return NULL;
}

/* A page of attachments of the foreign namespace to the attacker's own controller. */
static void forge(struct attacker *a, uint32_t foreign, uint8_t *page, uint16_t *controller_list)
{
    struct homi_nvme_command *commands = (struct homi_nvme_command *)(void *)page;
    uint64_t list_iova =
        a->region->iova + (uint64_t)((uint8_t *)controller_list - (uint8_t *)a->region->base);

    controller_list[0] = 1;
    controller_list[1] = homi_lease_function(a->lease, 0)->controller_id;
    for (uint16_t i = 0; i < PAGE / sizeof(*commands); i++)
        commands[i] = (struct homi_nvme_command){.opcode = OPCODE_NAMESPACE_ATTACHMENT,
                                                 .cid = (uint16_t)(0xf000 + i),
                                                 .nsid = foreign,
                                                 .prp1 = list_iova};
}

static bool foreign_listed(struct attacker *a, uint32_t foreign, bool *ret_known)
{
    static uint32_t ids[HOMI_IDENTIFY_BYTES / sizeof(uint32_t)];
    bool listed = false;

    *ret_known = homi_identify(a->lease, 0, CNS_ACTIVE_NAMESPACES, 0, ids) == 0;
    for (size_t i = 0; *ret_known && i < sizeof(ids) / sizeof(ids[0]); i++)
        listed = listed || ids[i] == foreign;
    return listed;
}

/* The status of reading the foreign namespace; its data would come to the guard. A negative errno: no answer.
 */
static int read_foreign(struct attacker *a, uint32_t foreign)
{
    struct homi_completion done;
    int r = drain(a, 0);

    if (r == 0)
        r = aim(a, HOMI_NVME_READ, foreign, a->region->iova);
    if (r == 0)
        r = homi_queue_wait(a->queue, &done, 1, UINT64_C(50000000));
    if (r < 0)
        return r;
    a->in_flight = 0;
    return homi_nvme_status(done.status);
}

static int forge_admin(struct attacker *a, const struct options *o)
{
    uint8_t *guard = homi_memory_address(a->memory);
    unsigned end = ticks_now() + o->seconds * TICKS_PER_SECOND;
    bool listed, known;
    int r, status;

    choose_ranges(a, o, false);
    forge(a, o->foreign_namespace, guard, (uint16_t *)(void *)(guard + PAGE));
    r = write_first_page(a, guard);
    if (r < 0)
        return failed(a, "writing by the rules", r);
    r = pthread_create(&a->thread, NULL, keep_homid_busy, a);
    if (r != 0)
        return failed(a, "starting a thread", -r);
    do
        r = sweep(a, o->iova_to != 0 ? a->ranges : admin_pages,
                  o->iova_to != 0 ? a->range_count : ADMIN_PAGES, HOMI_NVME_READ);
    while (r == 0 && ticks_now() < end && !ticks_stopped());
    if (r == 0)
        r = sweep(a, a->ranges, a->range_count, HOMI_NVME_READ);
    if (r == 0)
        r = drain(a, 0);
    atomic_store(&a->enough, true);
    pthread_join(a->thread, NULL);
    listed = foreign_listed(a, o->foreign_namespace, &known);
    status = read_foreign(a, o->foreign_namespace);
    printf("{\"attack\":\"forge-admin\",\"attempts\":%" PRIu64 ",\"succeeded\":%" PRIu64
           ",\"failed\":%" PRIu64 ",\"identified\":%" PRIu64 ",\"notIdentified\":%" PRIu64
           ",\"lastError\":\"%s\",\"controller\":\"%s\",\"foreignListed\":%s,\"foreignRead\":\"%s\"}\n",
           a->attempts, a->succeeded, a->failed, a->identified, a->not_identified,
           a->last_error != 0 ? homi_strerror(a->last_error) : "", r < 0 ? homi_strerror(r) : "alive",
           known ? (listed ? "true" : "false") : "null",
           status < 0 ? "no answer" : report_status_name((uint16_t)status));
    return listed || status == 0;
}

int main(int argc, char **argv)
{
    struct options o = {.foreign_namespace = 3, .seconds = 10};
    const struct option_spec specs[] = {
        {"socket", OPTION_TEXT, &o.socket, 0, 0, NULL},
        {"tenant", OPTION_TEXT, &o.tenant, 0, 0, NULL},
        {"namespace", OPTION_U32, &o.namespace_id, 1, 0, NULL},
        {"foreign-namespace", OPTION_U32, &o.foreign_namespace, 1, 0, NULL},
        {"iova-from", OPTION_U64, &o.iova_from, 0, 0, NULL},
        {"iova-to", OPTION_U64, &o.iova_to, 1, 0, NULL},
        {"seconds", OPTION_U32, &o.seconds, 1, 3600, NULL},
        {NULL, OPTION_FLAG, NULL, 0, 0, NULL},
    };
    struct attacker a = {.attempts = 0};
    int index = options_parse(argc, argv, specs, usage);
    const char *attack = index == argc - 1 ? argv[index] : "";
    int r, status;

    options_require(strcmp(attack, "prp-outside") == 0 || strcmp(attack, "forge-admin") == 0, "one ATTACK");
    r = set_up(&a, &o);
    if (r != 0) {
        status = failed(&a, "setting up", r);
    } else {
        ticks_start(false);
        status = attack[0] == 'p' ? prp_outside(&a, &o) : forge_admin(&a, &o);
    }
    homi_close(a.homi);
    return status;
}
