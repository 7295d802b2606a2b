/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The admin queue against a controller whose memory somebody else writes. Input: one byte says what happens
 * next, and the bytes behind it with what. Whatever it is: each command ends once, the doorbells stay in
 * range, a queue that failed takes nothing, and Identify data is checked before it is believed.
 */
#include <endian.h>
#include <errno.h>
#include <libnvme.h>
#include <string.h>

#include "daemon/hw/admin_queue.h"
#include "daemon/hw/identify.h"
#include "tests/fuzz/fuzz.h"

enum { COMMANDS = 256, PAGE = 4096, ENTRY = 16 };

static _Alignas(PAGE) uint8_t submission[ADMIN_SUBMISSION_BYTES];
static _Alignas(PAGE) uint8_t written[ADMIN_WRITTEN_BYTES];
static _Alignas(8) uint8_t ring[ADMIN_RING_BYTES];

struct target {
    struct admin_queue *queue;
    unsigned tail, produced, phase; /* as an honest controller has them */
    unsigned submitted, failures;
    uint8_t ended[COMMANDS]; /* by command: how often its callback came, or 1 when it was forgotten */
};

static struct target target;

static void ring_submission(void *user, uint16_t tail)
{
    fuzz_require(user == &target && tail < ADMIN_ENTRIES);
    target.tail = tail;
}

static void ring_completion(void *user, uint16_t head)
{
    fuzz_require(user == &target && head < ADMIN_ENTRIES);
}

static void on_event(void *user, uint32_t value)
{
    (void)user, (void)value;
    admin_queue_post_events(target.queue, ADMIN_EVENTS_MAX);
}

static void on_failed(void *user, const char *reason)
{
    (void)user;
    fuzz_require(reason[0] != '\0' && target.failures++ == 0);
}

static void judge(const uint8_t *data)
{
    struct hw_namespace space;
    struct nvme_id_ctrl controller;
    struct nvme_id_ns identity;
    char serial[sizeof(controller.sn) + 1];

    memcpy(&identity, data, sizeof(identity));
    if (identify_namespace_parse(&identity, 1, &space) == 0)
        fuzz_require(space.block_bytes >= 512 && space.block_bytes <= 65536 && space.blocks > 0 &&
                     space.blocks <= UINT64_MAX / space.block_bytes);
    memcpy(&controller, data, sizeof(controller));
    identify_text(controller.sn, sizeof(controller.sn), serial);
    for (const char *at = serial; *at; at++)
        fuzz_require(*at >= ' ' && *at <= '~');
}

static void on_done(void *user, const struct admin_completion *completion)
{
    uint8_t *ended = user;

    fuzz_require(++*ended == 1);
    fuzz_require(completion->error <= 0);
    if (completion->data)
        judge(completion->data);
}

static void submit(struct fuzz_input *input)
{
    uint8_t kind = fuzz_byte(input);
    const struct admin_command command = {.opcode = kind, .namespace_id = 1, .data = kind & 1};

    if (target.submitted == COMMANDS)
        return;
    uint8_t *ended = &target.ended[target.submitted];
    int r = admin_queue_submit(target.queue, &command, on_done, ended);
    fuzz_require(r == 0 || target.failures);
    target.submitted += r == 0;
}

/* A completion as an honest controller posts it, of the command in that place of the queue. */
static void answer(struct fuzz_input *input)
{
    unsigned place = fuzz_byte(input) % ADMIN_ENTRIES, status = fuzz_byte(input);
    uint16_t cid;
    uint8_t *entry = written + target.produced * ENTRY;

    memcpy(&cid, submission + place * 64 + 2, sizeof(cid));
    uint32_t tail = le16toh(cid) | target.phase << 16 | status << 17;
    memset(entry, 0, ENTRY);
    uint32_t value = htole32(fuzz_byte(input)), wire = htole32(tail);
    memcpy(entry, &value, sizeof(value));
    memcpy(entry + 12, &wire, sizeof(wire));
    target.produced = (target.produced + 1) % ADMIN_ENTRIES;
    target.phase ^= target.produced == 0;
}

/* Whoever can write the memory writes what and where it likes. */
static void scribble(struct fuzz_input *input)
{
    unsigned at = fuzz_u32(input) % (sizeof(written) - 32), count = fuzz_byte(input) % 32;

    fuzz_take(input, written + at, count);
}

static void forget(struct fuzz_input *input)
{
    unsigned number = fuzz_byte(input);

    if (number >= target.submitted)
        return;
    admin_queue_forget(target.queue, &target.ended[number]);
    if (target.ended[number] == 0)
        target.ended[number] = 1; /* and must never be told */
}

static void step(struct fuzz_input *input)
{
    switch (fuzz_byte(input) % 6) {
    case 0: submit(input); break;
    case 1: answer(input); break;
    case 2: scribble(input); break;
    case 3: admin_queue_process(target.queue); break;
    case 4: forget(input); break;
    default: admin_queue_post_events(target.queue, ADMIN_EVENTS_MAX); break;
    }
}

int fuzz_one(const uint8_t *data, size_t bytes)
{
    const struct admin_memory memory = {.submission = submission,
                                        .written = written,
                                        .ring = ring,
                                        .submission_iova = 0x10000,
                                        .written_iova = 0x20000};
    const struct admin_listener listener = {ring_submission, ring_completion, on_event, on_failed, &target};
    struct fuzz_input input = {data, bytes};

    target = (struct target){.phase = 1};
    fuzz_require(admin_queue_new(&memory, &listener, &target.queue) == 0);
    while (input.left > 0)
        step(&input);
    admin_queue_process(target.queue);
    admin_queue_fail(target.queue, -EIO);
    for (unsigned i = 0; i < target.submitted; i++)
        fuzz_require(target.ended[i] == 1);
    fuzz_require(admin_queue_pending(target.queue) == 0);
    admin_queue_free(target.queue);
    return 0;
}
