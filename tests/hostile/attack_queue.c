/* SPDX-License-Identifier: BSD-3-Clause */
/* Doorbells, registers, and queues that are another's. `direct` tenants have all of BAR 0. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "lib/lease.h"
#include "tests/hostile/hostile.h"

enum { DOORBELLS = 0x1000 / 4, REGISTER_CC = 0x14 / 4, REGISTER_CSTS = 0x1c / 4, REGISTER_AQA = 0x24 / 4 };

/* Whether the attacker can still do honest work, which homid need not allow it after this. */
static void work_on(struct attacker *attacker)
{
    (void)aim(attacker, HOMI_NVME_READ, attacker->space->id, attacker->region->iova, PAGE);
}

/* The software SSD sleeps when there is nothing to do; others look by themselves. */
static void wake(const struct attacker *attacker)
{
    const uint64_t one = 1;

    if (attacker->lease->functions[0].wake_fd >= 0 &&
        write(attacker->lease->functions[0].wake_fd, &one, sizeof(one)) < 0)
        return;
}

static int doorbell_nonsense(struct attacker *attacker)
{
    static const uint32_t values[] = {UINT32_MAX, 65536, 65535, DEPTH, DEPTH + 1, 0x80000000};
    uint16_t own = homi_queue_pair_id(attacker->pair);

    for (size_t i = 0; attacker->bar && i < sizeof(values) / sizeof(values[0]); i++) {
        attacker->bar[DOORBELLS + 2 * own] = values[i];
        attacker->bar[DOORBELLS + 2 * own + 1] = values[i];
        wake(attacker);
        pause_milliseconds(5);
    }
    work_on(attacker);
    return 0;
}

/* Every doorbell word of the VF as fast as it goes. */
static int doorbell_storm(struct attacker *attacker)
{
    uint64_t end = microseconds_now() + 700000;
    uint32_t value = 0;

    while (attacker->bar && microseconds_now() < end) {
        for (unsigned queue = 1; queue < 4; queue++) {
            attacker->bar[DOORBELLS + 2 * queue] = value % DEPTH;
            attacker->bar[DOORBELLS + 2 * queue + 1] = value++ % DEPTH;
        }
        if (value % 3000 == 0)
            wake(attacker);
    }
    return 0;
}

/* homid's own doorbells, in whose memory lies nothing new: old entries are carried out again. */
static int doorbell_of_admin_queue(struct attacker *attacker)
{
    static uint8_t data[HOMI_IDENTIFY_BYTES];

    for (uint32_t i = 0; attacker->bar && i < 32; i++) {
        attacker->bar[DOORBELLS] = i;
        attacker->bar[DOORBELLS + 1] = 31 - i;
        wake(attacker);
        (void)homi_identify(attacker->lease, 0, 1, 0, data);
    }
    /* Where homid rang later than the attacker nothing came of it, and the lease stands. */
    return 0;
}

static int disable_controller(struct attacker *attacker)
{
    if (!attacker->bar)
        return 0;
    attacker->bar[REGISTER_CC] = 0;
    if (!lost_lease(attacker, 8000))
        return got("homid did not notice that the controller was disabled");
    return 0;
}

static int repoint_admin_queue(struct attacker *attacker)
{
    if (!attacker->bar)
        return 0;
    memset(attacker->bytes, 0, ATTACKER_BYTES);
    attacker->bar[REGISTER_CC] = 0;
    pause_milliseconds(20);
    attacker->bar[REGISTER_AQA] = 31 << 16 | 31;
    attacker->bar[REGISTER_AQA + 1] = (uint32_t)attacker->region->iova;
    attacker->bar[REGISTER_AQA + 2] = (uint32_t)(attacker->region->iova >> 32);
    attacker->bar[REGISTER_AQA + 3] = (uint32_t)attacker->region->iova + PAGE;
    attacker->bar[REGISTER_AQA + 4] = (uint32_t)(attacker->region->iova >> 32);
    attacker->bar[REGISTER_CC] = 1 | 6 << 16 | 4 << 20;
    if (!lost_lease(attacker, 8000))
        return got("homid went on with a controller that another had brought up");
    return 0;
}

/* Not by the status register, into which the attacker writes. */
static bool homid_ends_it(struct attacker *attacker, unsigned milliseconds)
{
    static uint8_t data[HOMI_IDENTIFY_BYTES];
    uint64_t begin = microseconds_now();

    while (homi_identify(attacker->lease, 0, 1, 0, data) == 0) {
        if (microseconds_now() - begin > milliseconds * UINT64_C(1000))
            return false;
        pause_milliseconds(20);
    }
    return true;
}

static int wild_registers(struct attacker *attacker)
{
    for (unsigned i = 0; attacker->bar && i < 16; i++) {
        attacker->bar[REGISTER_AQA + i % 5] = 0xa5a5a5a5u * (i + 1);
        attacker->bar[REGISTER_CSTS] = UINT32_MAX;
    }
    if (attacker->bar && !homid_ends_it(attacker, 8000))
        return got("homid did not notice that the admin queue's addresses were overwritten");
    return 0;
}

static int shrink_bar(struct attacker *attacker)
{
    int fd = attacker->lease->functions[0].device_fd;

    if (fd >= 0 && ftruncate(fd, 0) == 0)
        return got("the BAR could be cut off under whoever maps it");
    return 0;
}

/* ---- what is another's, by its name or number ---- */

static int foreign_lease(struct attacker *attacker)
{
    const char *lease = attacker->shared->victim_lease, *function = attacker->shared->victim_function;

    return expect(attacker, "Detach", "UnknownLease", "{\"lease\":\"%s\"}", lease) ||
           expect(attacker, "UnregisterMemory", "UnknownLease", "{\"lease\":\"%s\",\"region\":1}", lease) ||
           expect(attacker, "DeleteQueuePair", "UnknownLease",
                  "{\"lease\":\"%s\",\"virtualFunction\":\"%s\",\"queuePair\":1}", lease, function) ||
           expect(attacker, "CreateQueuePair", "UnknownLease",
                  "{\"lease\":\"%s\",\"virtualFunction\":\"%s\",\"entries\":8,\"region\":1,"
                  "\"submissionOffsetBytes\":0,\"completionOffsetBytes\":4096}",
                  lease, function) ||
           expect(attacker, "Identify", "UnknownLease",
                  "{\"lease\":\"%s\",\"virtualFunction\":\"%s\",\"cns\":1}", lease, function) ||
           expect(attacker, "Attach", "UnknownLease", "{\"tenant\":\"%s\",\"lease\":\"%s\"}",
                  attacker->setup->attacker, lease);
}

static int foreign_function(struct attacker *attacker)
{
    return expect(attacker, "Identify", "UnknownVirtualFunction",
                  "{\"lease\":\"%s\",\"virtualFunction\":\"%s\",\"cns\":1}", homi_lease_name(attacker->lease),
                  attacker->shared->victim_function);
}

static int foreign_namespace_asked(struct attacker *attacker)
{
    return expect(attacker, "Attach", "NamespaceNotAllowed",
                  "{\"tenant\":\"%s\",\"mode\":\"fresh\",\"namespaces\":[%u]}", attacker->setup->attacker,
                  attacker->setup->foreign_namespace);
}

/* A sibling: another process (here: connection) of the same tenant, on the same lease. */
static int siblings_queue(struct attacker *attacker)
{
    struct attacker sibling = {.setup = attacker->setup, .shared = attacker->shared};
    const struct homi_attach_options join = {.tenant = attacker->setup->attacker, .mode = HOMI_ATTACH_JOIN};

    attacker_connect(&sibling);
    if (homi_attach(sibling.homi, &join, &sibling.lease) != 0)
        return got("nothing: a sibling cannot join");
    int r = expect(&sibling, "DeleteQueuePair", "UnknownQueuePair",
                   "{\"lease\":\"%s\",\"virtualFunction\":\"%s\",\"queuePair\":%u}",
                   homi_lease_name(sibling.lease), homi_lease_function(sibling.lease, 0)->name,
                   (unsigned)homi_queue_pair_id(attacker->pair));
    if (r == 0)
        r = expect(&sibling, "CreateQueuePair", "UnknownRegion",
                   "{\"lease\":\"%s\",\"virtualFunction\":\"%s\",\"entries\":8,\"region\":1,"
                   "\"submissionOffsetBytes\":0,\"completionOffsetBytes\":4096}",
                   homi_lease_name(sibling.lease), homi_lease_function(sibling.lease, 0)->name);
    if (r == 0 && homi_queue_health(attacker->queue) != 0)
        r = got("its sibling's queue died");
    homi_close(sibling.homi);
    return r;
}

static int queue_flood(struct attacker *attacker)
{
    const struct homi_queue_options options = {.entries = 8};
    struct homi_queue_pair *pairs[64];
    unsigned count = 0;
    int r = 0;

    while (count < 64 && (r = homi_queue_pair_new(attacker->lease, &options, &pairs[count])) == 0)
        count++;
    if (r <= 0 || count >= attacker->setup->queue_pairs)
        return got("%u queue pairs more (%s)", count, homi_strerror(r));
    return 0;
}

/* Makes and deletes one as often as it goes, while the victim does its work. */
static int queue_churn(struct attacker *attacker)
{
    const struct homi_queue_options options = {.entries = 8};
    uint64_t end = microseconds_now() + 700000;

    while (microseconds_now() < end) {
        struct homi_queue_pair *pair;
        int r = homi_queue_pair_new(attacker->lease, &options, &pair);
        if (r < 0)
            return got("its connection ended: %s", homi_strerror(r));
        if (r == 0)
            homi_queue_pair_free(pair);
    }
    return 0;
}

const struct attack queue_attacks[] = {
    {"doorbell-nonsense", doorbell_nonsense, false},
    {"doorbell-storm", doorbell_storm, false},
    {"doorbell-of-admin-queue", doorbell_of_admin_queue, false},
    {"register-disable", disable_controller, false},
    {"register-repoint-admin-queue", repoint_admin_queue, false},
    {"register-wild", wild_registers, false},
    {"bar-shrink", shrink_bar, false},
    {"foreign-lease", foreign_lease, false},
    {"foreign-function", foreign_function, false},
    {"foreign-namespace-asked", foreign_namespace_asked, false},
    {"foreign-queue-of-sibling", siblings_queue, false},
    {"queue-flood", queue_flood, false},
    {"queue-churn", queue_churn, false},
    {NULL, NULL, false},
};
