/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/conformance/cases.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

enum {
    ENTRIES = 16,
    BLOCK = 512,
    BLOCKS = 2048, /* of namespace 1 */
    CID = 0x1234,
    LOG_CHANGED_NAMESPACES = 4,
    EVENT_MILLISECONDS = 2000,
};

#define EXPECT(condition)                                                                                    \
    do {                                                                                                     \
        if (!(condition))                                                                                    \
            return #condition;                                                                               \
    } while (0)

static struct nvme_command transfer(uint8_t opcode, uint64_t start, uint32_t blocks, uint64_t offset)
{
    return (struct nvme_command){.opcode = opcode,
                                 .cid = CID,
                                 .nsid = 1,
                                 .prp1 = RIG_IOVA + offset,
                                 .dword10 = (uint32_t)start,
                                 .dword11 = (uint32_t)(start >> 32),
                                 .dword12 = blocks - 1};
}

static void fill(struct rig *rig, uint64_t offset, size_t bytes, unsigned seed)
{
    for (size_t i = 0; i < bytes; i++)
        rig->memory[offset + i] = (uint8_t)(seed + i * 7 + i / 251);
}

/* ---- I/O commands ---- */

static const char *written_data_is_read(struct rig *rig)
{
    struct lane lane;

    EXPECT(lane_open(rig, &lane, 1, ENTRIES, 0) == 0);
    fill(rig, RIG_DATA, 4096, 3);
    EXPECT(lane_give(&lane, transfer(nvme_cmd_write, 8, 8, RIG_DATA)) == 0);
    EXPECT(lane_give(&lane, transfer(nvme_cmd_read, 8, 8, RIG_OTHER)) == 0);
    EXPECT(memcmp(rig->memory + RIG_DATA, rig->memory + RIG_OTHER, 4096) == 0);
    return NULL;
}

static const char *unwritten_blocks_are_zero(struct rig *rig)
{
    struct lane lane;

    EXPECT(lane_open(rig, &lane, 1, ENTRIES, 0) == 0);
    fill(rig, RIG_DATA, BLOCK, 1);
    EXPECT(lane_give(&lane, transfer(nvme_cmd_read, BLOCKS - 1, 1, RIG_DATA)) == 0);
    for (unsigned i = 0; i < BLOCK; i++)
        EXPECT(rig->memory[RIG_DATA + i] == 0);
    return NULL;
}

static const char *range_is_checked(struct rig *rig)
{
    static const uint8_t opcodes[] = {nvme_cmd_read, nvme_cmd_write, nvme_cmd_compare, nvme_cmd_write_zeroes,
                                      nvme_cmd_verify};
    struct lane lane;

    EXPECT(lane_open(rig, &lane, 1, ENTRIES, 0) == 0);
    for (size_t i = 0; i < sizeof(opcodes); i++) {
        EXPECT(lane_give(&lane, transfer(opcodes[i], BLOCKS, 1, RIG_DATA)) == GENERIC(LBA_RANGE));
        EXPECT(lane_give(&lane, transfer(opcodes[i], BLOCKS - 1, 2, RIG_DATA)) == GENERIC(LBA_RANGE));
        EXPECT(lane_give(&lane, transfer(opcodes[i], UINT64_MAX, 1, RIG_DATA)) == GENERIC(LBA_RANGE));
    }
    return NULL;
}

static const char *namespace_must_be_attached(struct rig *rig)
{
    static const uint32_t ids[] = {0, 2, 3, 1000000, UINT32_MAX};
    struct lane lane;

    EXPECT(lane_open(rig, &lane, 1, ENTRIES, 0) == 0);
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        struct nvme_command command = transfer(nvme_cmd_read, 0, 1, RIG_DATA);
        command.nsid = ids[i];
        EXPECT(lane_give(&lane, command) == GENERIC(INVALID_NS));
    }
    return NULL;
}

static const char *detached_namespace_is_gone(struct rig *rig)
{
    struct lane lane;

    EXPECT(lane_open(rig, &lane, 1, ENTRIES, 0) == 0);
    EXPECT(lane_give(&lane, transfer(nvme_cmd_read, 0, 1, RIG_DATA)) == 0);
    EXPECT(rig_attach(rig, 1, rig->info.controller_id, false) == 0);
    EXPECT(lane_give(&lane, transfer(nvme_cmd_read, 0, 1, RIG_DATA)) == GENERIC(INVALID_NS));
    EXPECT(rig_attach(rig, 1, rig->info.controller_id, true) == 0);
    EXPECT(lane_give(&lane, transfer(nvme_cmd_read, 0, 1, RIG_DATA)) == 0);
    return NULL;
}

static const char *unknown_opcodes_are_refused(struct rig *rig)
{
    static const uint8_t opcodes[] = {0x03, 0x06, 0x0a, 0x40, 0x7f, 0x90, 0xff};
    struct lane lane;

    EXPECT(lane_open(rig, &lane, 1, ENTRIES, 0) == 0);
    for (size_t i = 0; i < sizeof(opcodes); i++)
        EXPECT(lane_give(&lane, transfer(opcodes[i], 0, 1, RIG_DATA)) == GENERIC(INVALID_OPCODE));
    return NULL;
}

static const char *no_scatter_gather_lists_nor_fusing(struct rig *rig)
{
    struct nvme_command command = transfer(nvme_cmd_read, 0, 1, RIG_DATA);
    struct lane lane;

    EXPECT(lane_open(rig, &lane, 1, ENTRIES, 0) == 0);
    command.flags = 0x40;
    EXPECT(lane_give(&lane, command) == GENERIC(INVALID_FIELD));
    command.flags = 1;
    EXPECT(lane_give(&lane, command) == GENERIC(INVALID_FIELD));
    return NULL;
}

static const char *transfers_end_at_mdts(struct rig *rig)
{
    uint32_t blocks = rig->info.max_transfer_bytes / BLOCK;
    uint64_t *list = (uint64_t *)(void *)(rig->memory + RIG_LISTS);
    struct nvme_command command = transfer(nvme_cmd_write, 0, blocks, RIG_DATA);
    struct lane lane;

    EXPECT(lane_open(rig, &lane, 1, ENTRIES, 0) == 0);
    command.prp2 = RIG_IOVA + RIG_LISTS;
    for (unsigned i = 0; i < 511; i++)
        list[i] = RIG_IOVA + RIG_DATA + (i + 1) * UINT64_C(4096);
    EXPECT(lane_give(&lane, command) == 0);
    command.dword12 = blocks;
    EXPECT(lane_give(&lane, command) == GENERIC(INVALID_FIELD));
    return NULL;
}

static const char *flush_succeeds(struct rig *rig)
{
    struct lane lane;

    EXPECT(lane_open(rig, &lane, 1, ENTRIES, 0) == 0);
    EXPECT(lane_give(&lane, (struct nvme_command){.opcode = nvme_cmd_flush, .cid = CID, .nsid = 1}) == 0);
    return NULL;
}

static const char *write_zeroes_zeroes_exactly_its_range(struct rig *rig)
{
    struct lane lane;

    EXPECT(lane_open(rig, &lane, 1, ENTRIES, 0) == 0);
    memset(rig->memory + RIG_DATA, 0xaa, 8192);
    EXPECT(lane_give(&lane, transfer(nvme_cmd_write, 0, 8, RIG_DATA)) == 0);
    EXPECT(lane_give(&lane, transfer(nvme_cmd_write_zeroes, 1, 3, 0)) == 0);
    EXPECT(lane_give(&lane, transfer(nvme_cmd_read, 0, 8, RIG_OTHER)) == 0);
    for (unsigned i = 0; i < 8 * BLOCK; i++)
        EXPECT(rig->memory[RIG_OTHER + i] == (i / BLOCK >= 1 && i / BLOCK < 4 ? 0 : 0xaa));
    return NULL;
}

static const char *compare_tells_equal_from_different(struct rig *rig)
{
    struct lane lane;

    EXPECT(lane_open(rig, &lane, 1, ENTRIES, 0) == 0);
    fill(rig, RIG_DATA, 4096, 9);
    EXPECT(lane_give(&lane, transfer(nvme_cmd_write, 0, 8, RIG_DATA)) == 0);
    EXPECT(lane_give(&lane, transfer(nvme_cmd_compare, 0, 8, RIG_DATA)) == 0);
    rig->memory[RIG_DATA + 4095] ^= 1;
    EXPECT(lane_give(&lane, transfer(nvme_cmd_compare, 0, 8, RIG_DATA)) == MEDIA(COMPARE_FAILED));
    return NULL;
}

static const char *verify_moves_nothing(struct rig *rig)
{
    struct lane lane;

    EXPECT(lane_open(rig, &lane, 1, ENTRIES, 0) == 0);
    EXPECT(lane_give(&lane, transfer(nvme_cmd_verify, 0, 8, 1)) == 0);
    return NULL;
}

static const char *deallocated_ranges_read_zero(struct rig *rig)
{
    struct nvme_dsm_range *ranges = (struct nvme_dsm_range *)(void *)(rig->memory + RIG_DATA);
    struct nvme_command command = {.opcode = nvme_cmd_dsm,
                                   .cid = CID,
                                   .nsid = 1,
                                   .prp1 = RIG_IOVA + RIG_DATA,
                                   .dword10 = 1,
                                   .dword11 = 4};
    struct lane lane;

    EXPECT(lane_open(rig, &lane, 1, ENTRIES, 0) == 0);
    memset(rig->memory + RIG_OTHER, 0x55, 4096);
    EXPECT(lane_give(&lane, transfer(nvme_cmd_write, 0, 8, RIG_OTHER)) == 0);
    ranges[0] = (struct nvme_dsm_range){.nlb = 1, .slba = 0};
    ranges[1] = (struct nvme_dsm_range){.nlb = 2, .slba = 4};
    EXPECT(lane_give(&lane, command) == 0);
    EXPECT(lane_give(&lane, transfer(nvme_cmd_read, 0, 8, RIG_OTHER)) == 0);
    for (unsigned i = 0; i < 8; i++)
        EXPECT(rig->memory[RIG_OTHER + i * BLOCK] == (i == 0 || i == 4 || i == 5 ? 0 : 0x55));
    return NULL;
}

static const char *deallocation_is_checked_before_it_begins(struct rig *rig)
{
    struct nvme_dsm_range *ranges = (struct nvme_dsm_range *)(void *)(rig->memory + RIG_DATA);
    struct nvme_command command = {.opcode = nvme_cmd_dsm,
                                   .cid = CID,
                                   .nsid = 1,
                                   .prp1 = RIG_IOVA + RIG_DATA,
                                   .dword10 = 1,
                                   .dword11 = 4};
    struct lane lane;

    EXPECT(lane_open(rig, &lane, 1, ENTRIES, 0) == 0);
    memset(rig->memory + RIG_OTHER, 0x55, BLOCK);
    EXPECT(lane_give(&lane, transfer(nvme_cmd_write, 0, 1, RIG_OTHER)) == 0);
    ranges[0] = (struct nvme_dsm_range){.nlb = 1, .slba = 0};
    ranges[1] = (struct nvme_dsm_range){.nlb = 1, .slba = BLOCKS};
    EXPECT(lane_give(&lane, command) == GENERIC(LBA_RANGE));
    EXPECT(lane_give(&lane, transfer(nvme_cmd_read, 0, 1, RIG_OTHER)) == 0);
    EXPECT(rig->memory[RIG_OTHER] == 0x55);
    return NULL;
}

/* ---- PRP entries ---- */

static const char *data_may_begin_within_a_page(struct rig *rig)
{
    struct nvme_command command = transfer(nvme_cmd_write, 0, 8, RIG_DATA + 512);
    struct lane lane;

    EXPECT(lane_open(rig, &lane, 1, ENTRIES, 0) == 0);
    fill(rig, RIG_DATA + 512, 4096 - 512, 5);
    fill(rig, RIG_DATA + 0x8000, 512, 99);
    command.prp2 = RIG_IOVA + RIG_DATA + 0x8000;
    EXPECT(lane_give(&lane, command) == 0);
    EXPECT(lane_give(&lane, transfer(nvme_cmd_read, 0, 8, RIG_OTHER)) == 0);
    EXPECT(memcmp(rig->memory + RIG_OTHER, rig->memory + RIG_DATA + 512, 4096 - 512) == 0);
    EXPECT(memcmp(rig->memory + RIG_OTHER + 4096 - 512, rig->memory + RIG_DATA + 0x8000, 512) == 0);
    return NULL;
}

static const char *list_pages_are_chained(struct rig *rig)
{
    uint64_t *list = (uint64_t *)(void *)(rig->memory + RIG_LISTS + 4096 - 16);
    uint64_t *next = (uint64_t *)(void *)(rig->memory + RIG_LISTS + 4096);
    struct nvme_command command = transfer(nvme_cmd_write, 0, 32, RIG_DATA);
    struct lane lane;

    EXPECT(lane_open(rig, &lane, 1, ENTRIES, 0) == 0);
    fill(rig, RIG_DATA, 0x10000, 17);
    command.prp2 = RIG_IOVA + RIG_LISTS + 4096 - 16;
    list[0] = RIG_IOVA + RIG_DATA + 0x3000;
    list[1] = RIG_IOVA + RIG_LISTS + 4096; /* two pages follow, so this points to the next list page */
    next[0] = RIG_IOVA + RIG_DATA + 0x2000;
    next[1] = RIG_IOVA + RIG_DATA + 0x1000;
    EXPECT(lane_give(&lane, command) == 0);
    command = transfer(nvme_cmd_read, 8, 8, RIG_OTHER);
    EXPECT(lane_give(&lane, command) == 0);
    EXPECT(memcmp(rig->memory + RIG_OTHER, rig->memory + RIG_DATA + 0x3000, 4096) == 0);
    command = transfer(nvme_cmd_read, 24, 8, RIG_OTHER);
    EXPECT(lane_give(&lane, command) == 0);
    EXPECT(memcmp(rig->memory + RIG_OTHER, rig->memory + RIG_DATA + 0x1000, 4096) == 0);
    return NULL;
}

static const char *offsets_of_entries_are_checked(struct rig *rig)
{
    uint64_t *list = (uint64_t *)(void *)(rig->memory + RIG_LISTS);
    struct nvme_command command = transfer(nvme_cmd_read, 0, 1, RIG_DATA + 2);
    struct lane lane;

    EXPECT(lane_open(rig, &lane, 1, ENTRIES, 0) == 0);
    EXPECT(lane_give(&lane, command) == GENERIC(PRP_INVALID_OFFSET));
    command = transfer(nvme_cmd_read, 0, 16, RIG_DATA);
    command.prp2 = RIG_IOVA + RIG_OTHER + 512;
    EXPECT(lane_give(&lane, command) == GENERIC(PRP_INVALID_OFFSET));
    command = transfer(nvme_cmd_read, 0, 24, RIG_DATA);
    command.prp2 = RIG_IOVA + RIG_LISTS + 4;
    EXPECT(lane_give(&lane, command) == GENERIC(PRP_INVALID_OFFSET));
    command.prp2 = RIG_IOVA + RIG_LISTS;
    list[0] = RIG_IOVA + RIG_OTHER;
    list[1] = RIG_IOVA + RIG_OTHER + 64;
    EXPECT(lane_give(&lane, command) == GENERIC(PRP_INVALID_OFFSET));
    return NULL;
}

static const char *dma_outside_does_nothing(struct rig *rig)
{
    struct nvme_command command = transfer(nvme_cmd_read, 0, 16, RIG_DATA);
    struct lane lane;

    EXPECT(lane_open(rig, &lane, 1, ENTRIES, 0) == 0);
    fill(rig, RIG_DATA, 4096, 77);
    memcpy(rig->memory + RIG_OTHER, rig->memory + RIG_DATA, 4096);
    command.prp2 = RIG_IOVA + RIG_BYTES; /* the second page is nobody's */
    EXPECT(lane_give(&lane, command) != 0);
    EXPECT(memcmp(rig->memory + RIG_OTHER, rig->memory + RIG_DATA, 4096) == 0);
    EXPECT(lane_give(&lane, transfer(nvme_cmd_read, 0, 8, RIG_OTHER)) == 0); /* the controller lives on */
    return NULL;
}

/* ---- queues ---- */

static const char *entries_say_where_they_come_from(struct rig *rig)
{
    struct lane_result result;
    struct lane lane;

    EXPECT(lane_open(rig, &lane, 3, ENTRIES, 0) == 0);
    lane_put(&lane, transfer(nvme_cmd_read, 0, 1, RIG_DATA));
    lane_put(&lane, transfer(nvme_cmd_read, 0, 1, RIG_DATA));
    lane_ring(&lane);
    EXPECT(lane_reap(&lane, EVENT_MILLISECONDS, &result));
    EXPECT(result.queue == 3 && result.cid == CID && result.status == 0 && result.head >= 1);
    EXPECT(lane_reap(&lane, EVENT_MILLISECONDS, &result));
    EXPECT(result.head == 2);
    return NULL;
}

static const char *phase_turns_over_with_the_ring(struct rig *rig)
{
    struct lane lane;

    EXPECT(lane_open(rig, &lane, 1, 5, 0) == 0);
    for (unsigned i = 0; i < 53; i++) {
        struct nvme_command command = transfer(nvme_cmd_read, i, 1, RIG_DATA);
        command.cid = (uint16_t)i;
        EXPECT(lane_give(&lane, command) == 0);
    }
    return NULL;
}

static const char *two_entries_are_enough(struct rig *rig)
{
    struct lane lane;

    EXPECT(lane_open(rig, &lane, 1, 2, 0) == 0);
    for (unsigned i = 0; i < 9; i++)
        EXPECT(lane_give(&lane, transfer(nvme_cmd_read, i, 1, RIG_DATA)) == 0);
    return NULL;
}

/* With the completion queue full nothing is posted until its head doorbell makes room. */
static const char *a_full_completion_queue_is_not_overrun(struct rig *rig)
{
    struct lane_result result;
    struct lane lane;

    EXPECT(lane_open(rig, &lane, 1, 4, 0) == 0);
    for (unsigned i = 0; i < 3; i++)
        lane_put(&lane, transfer(nvme_cmd_read, i, 1, RIG_DATA));
    lane_ring(&lane);
    rig_run(rig, 50);
    for (unsigned i = 0; i < 3; i++)
        lane_put(&lane, transfer(nvme_cmd_read, i, 1, RIG_DATA));
    lane_ring(&lane);
    rig_run(rig, 50);
    EXPECT((lane.completion[2 * 3 + 1] >> 48 & 1) == 0); /* the fourth entry is still empty */
    for (unsigned i = 0; i < 6; i++)
        EXPECT(lane_reap(&lane, EVENT_MILLISECONDS, &result));
    EXPECT(!lane_reap(&lane, 20, &result));
    return NULL;
}

static const char *queues_are_created_once(struct rig *rig)
{
    struct lane lane;

    EXPECT(lane_open(rig, &lane, 2, ENTRIES, 0) == 0);
    EXPECT(lane_open(rig, &lane, 2, ENTRIES, 0) == -EIO);
    EXPECT(rig->result.nvme_status == SPECIFIC(QID_INVALID));
    return NULL;
}

static const char *a_deleted_queue_can_be_created_again(struct rig *rig)
{
    struct lane lane;

    for (unsigned i = 0; i < 3; i++) {
        EXPECT(lane_open(rig, &lane, 2, ENTRIES, 0) == 0);
        EXPECT(lane_give(&lane, transfer(nvme_cmd_read, 0, 1, RIG_DATA)) == 0);
        rig->backend->delete_queue_pair(rig->function, 2, rig_done, rig);
        EXPECT(rig_wait(rig) == 0);
    }
    return NULL;
}

static const char *a_deleted_queue_is_not_served(struct rig *rig)
{
    struct lane_result result;
    struct lane lane;

    EXPECT(lane_open(rig, &lane, 2, ENTRIES, 0) == 0);
    rig->backend->delete_queue_pair(rig->function, 2, rig_done, rig);
    EXPECT(rig_wait(rig) == 0);
    lane_put(&lane, transfer(nvme_cmd_read, 0, 1, RIG_DATA));
    lane_ring(&lane);
    EXPECT(!lane_reap(&lane, 50, &result));
    return NULL;
}

static const char *an_invalid_tail_is_an_event(struct rig *rig)
{
    struct lane lane;

    EXPECT(lane_open(rig, &lane, 1, ENTRIES, 0) == 0);
    rig->events = 0;
    rig_write_doorbell(rig, lane.submission_doorbell, ENTRIES);
    for (unsigned i = 0; i < EVENT_MILLISECONDS && rig->events == 0; i++)
        rig_run(rig, 1);
    EXPECT(rig->events == 1 && rig->last_event == HW_FUNCTION_NOTICE);
    EXPECT(lane_give(&lane, transfer(nvme_cmd_read, 0, 1, RIG_DATA)) == 0);
    return NULL;
}

static const char *an_invalid_head_is_an_event(struct rig *rig)
{
    struct lane lane;

    EXPECT(lane_open(rig, &lane, 1, ENTRIES, 0) == 0);
    rig->events = 0;
    rig_write_doorbell(rig, lane.completion_doorbell, 5); /* nothing was posted */
    lane_put(&lane, transfer(nvme_cmd_read, 0, 1, RIG_DATA));
    lane_ring(&lane);
    for (unsigned i = 0; i < EVENT_MILLISECONDS && rig->events == 0; i++)
        rig_run(rig, 1);
    EXPECT(rig->events == 1 && rig->last_event == HW_FUNCTION_NOTICE);
    return NULL;
}

static const char *interrupts_come_on_their_vector(struct rig *rig)
{
    struct pollfd first = {.events = POLLIN}, second = {.events = POLLIN};
    struct lane lane;

    first.fd = rig->backend->event_fd(rig->function, 1);
    second.fd = rig->backend->event_fd(rig->function, 2);
    EXPECT(lane_open(rig, &lane, 1, ENTRIES, 2) == 0);
    EXPECT(lane_give(&lane, transfer(nvme_cmd_read, 0, 1, RIG_DATA)) == 0);
    EXPECT(poll(&second, 1, EVENT_MILLISECONDS) == 1);
    EXPECT(poll(&first, 1, 0) == 0);
    return NULL;
}

static const char *a_polled_queue_raises_no_interrupt(struct rig *rig)
{
    struct pollfd vector = {.events = POLLIN};
    struct lane lane;

    EXPECT(lane_open(rig, &lane, 1, ENTRIES, 0) == 0);
    EXPECT(lane_give(&lane, transfer(nvme_cmd_read, 0, 1, RIG_DATA)) == 0);
    for (uint16_t i = 1; i <= rig->info.interrupts; i++) {
        vector.fd = rig->backend->event_fd(rig->function, i);
        EXPECT(poll(&vector, 1, 0) == 0);
    }
    return NULL;
}

/* Also after it slept: a second is long enough to be asleep. */
static const char *an_idle_controller_wakes(struct rig *rig)
{
    struct lane lane;

    EXPECT(lane_open(rig, &lane, 1, ENTRIES, 0) == 0);
    for (unsigned i = 0; i < 3; i++) {
        rig_run(rig, 300);
        EXPECT(lane_give(&lane, transfer(nvme_cmd_read, 0, 1, RIG_DATA)) == 0);
    }
    return NULL;
}

/* ---- life ---- */

static const char *functions_are_apart(struct rig *rig)
{
    struct lane lane;

    EXPECT(lane_open(rig, &lane, 1, ENTRIES, 0) == 0);
    EXPECT(lane_give(&lane, transfer(nvme_cmd_read, 0, 1, RIG_DATA)) == 0);
    EXPECT(rig_attach(rig, 1, rig->info.controller_id, false) == 0);
    EXPECT(rig_attach(rig, 1, 2, true) == 0);
    EXPECT(lane_give(&lane, transfer(nvme_cmd_read, 0, 1, RIG_DATA)) == GENERIC(INVALID_NS));
    return NULL;
}

static const char *memory_ends_with_its_mapping(struct rig *rig)
{
    struct lane lane;
    int half = RIG_BYTES / 2;

    /* A second mapping of the rig's memory, above the first. */
    rig->backend->map(rig->function, rig->memfd, 0, (uint64_t)half, RIG_IOVA + RIG_BYTES, rig_done, rig);
    EXPECT(rig_wait(rig) == 0);
    EXPECT(lane_open(rig, &lane, 1, ENTRIES, 0) == 0);
    EXPECT(lane_give(&lane, transfer(nvme_cmd_read, 0, 1, RIG_BYTES + RIG_DATA)) == 0);
    rig->backend->unmap(rig->function, RIG_IOVA + RIG_BYTES, (uint64_t)half, rig_done, rig);
    EXPECT(rig_wait(rig) == 0);
    EXPECT(lane_give(&lane, transfer(nvme_cmd_read, 0, 1, RIG_BYTES + RIG_DATA)) != 0);
    return NULL;
}

static const char *mappings_do_not_overlap(struct rig *rig)
{
    rig->backend->map(rig->function, rig->memfd, 0, 4096, RIG_IOVA + 4096, rig_done, rig);
    EXPECT(rig_wait(rig) == -EEXIST);
    return NULL;
}

static const char *a_reopened_function_is_fresh(struct rig *rig)
{
    struct lane lane;

    EXPECT(lane_open(rig, &lane, 1, ENTRIES, 0) == 0);
    EXPECT(rig_close(rig) == 0);
    EXPECT(rig_open(rig, 0, 0) == 0);
    EXPECT(lane_open(rig, &lane, 1, ENTRIES, 0) == 0);
    EXPECT(lane_give(&lane, transfer(nvme_cmd_read, 0, 1, RIG_DATA)) == 0); /* attachment stays */
    return NULL;
}

static const char *offline_is_fatal_to_the_holder(struct rig *rig)
{
    struct lane_result result;
    struct lane lane;

    EXPECT(lane_open(rig, &lane, 1, ENTRIES, 0) == 0);
    rig->backend->set_online(rig->device, rig->info.controller_id, false, rig_done, rig);
    EXPECT(rig_wait(rig) == 0);
    EXPECT(*(volatile uint32_t *)(rig->bar + 0x1c) & 2); /* CSTS.CFS */
    lane_put(&lane, transfer(nvme_cmd_read, 0, 1, RIG_DATA));
    lane_ring(&lane);
    EXPECT(!lane_reap(&lane, 50, &result));
    for (unsigned i = 0; i < EVENT_MILLISECONDS && rig->last_event != HW_FUNCTION_FAILED; i++)
        rig_run(rig, 1);
    EXPECT(rig->last_event == HW_FUNCTION_FAILED);
    return NULL;
}

static const char *changed_namespaces_are_told(struct rig *rig)
{
    rig->events = 0;
    EXPECT(rig_attach(rig, 2, rig->info.controller_id, true) == 0);
    for (unsigned i = 0; i < EVENT_MILLISECONDS && rig->last_event != HW_NAMESPACE_CHANGED; i++)
        rig_run(rig, 1);
    EXPECT(rig->last_event == HW_NAMESPACE_CHANGED);
    return NULL;
}

static void keep_data(void *user, const struct hw_result *result)
{
    struct rig *rig = user;

    if (!result->error)
        memcpy(rig->data, result->data, HW_DATA_BYTES);
    rig_done(rig, result);
}

static const char *identify_tells_the_controller(struct rig *rig)
{
    const struct nvme_id_ctrl *id = (const struct nvme_id_ctrl *)(const void *)rig->data;

    rig->backend->identify(rig->function, NVME_IDENTIFY_CNS_CTRL, 0, keep_data, rig);
    EXPECT(rig_wait(rig) == 0);
    EXPECT(le16toh(id->cntlid) == rig->info.controller_id);
    EXPECT(id->sqes == 0x66 && id->cqes == 0x44);
    EXPECT(le32toh(id->nn) > 0 && le32toh(id->ver) >= 0x10400);
    EXPECT(strncmp(id->subnqn, "nqn.", 4) == 0);
    return NULL;
}

static const char *features_are_read(struct rig *rig)
{
    rig->backend->get_feature(rig->function, NVME_FEAT_FID_NUM_QUEUES, rig_done, rig);
    EXPECT(rig_wait(rig) == 0);
    EXPECT((rig->result.value & 0xffff) + 1 == rig->info.queue_pairs);
    rig->backend->get_feature(rig->function, 0xc0, rig_done, rig);
    EXPECT(rig_wait(rig) == -EIO && rig->result.nvme_status == GENERIC(INVALID_FIELD));
    return NULL;
}

static const char *log_pages_are_read(struct rig *rig)
{
    rig->backend->get_log_page(rig->function, NVME_LOG_LID_SMART, UINT32_MAX, 512, keep_data, rig);
    EXPECT(rig_wait(rig) == 0);
    EXPECT(rig->data[3] == 100); /* available spare */
    rig->backend->get_log_page(rig->function, 0x7f, UINT32_MAX, 512, rig_done, rig);
    EXPECT(rig_wait(rig) == -EIO && rig->result.nvme_status == SPECIFIC(INVALID_LOG_PAGE));
    return NULL;
}

const struct conformance_case conformance_cases[] = {
    {"written data is read", "NVM 3.2.4, 3.2.6", written_data_is_read},
    {"unwritten blocks are zero", "NVM 3.2.3.2.1", unwritten_blocks_are_zero},
    {"LBA ranges are checked", "NVM 3.1", range_is_checked},
    {"a namespace must be attached", "3.2.1.4", namespace_must_be_attached},
    {"a detached namespace is gone", "5.20", detached_namespace_is_gone},
    {"unknown opcodes are refused", "3.3.3.2.1.1", unknown_opcodes_are_refused},
    {"no SGLs, no fused operations", "3.3.3.1", no_scatter_gather_lists_nor_fusing},
    {"transfers end at MDTS", "5.17.2.1", transfers_end_at_mdts},
    {"flush succeeds", "7.1", flush_succeeds},
    {"write zeroes touches its range only", "NVM 3.2.8", write_zeroes_zeroes_exactly_its_range},
    {"compare tells equal from different", "NVM 3.2.1", compare_tells_equal_from_different},
    {"verify moves nothing", "NVM 3.2.5", verify_moves_nothing},
    {"deallocated ranges read zero", "NVM 3.2.3", deallocated_ranges_read_zero},
    {"deallocation is checked before it begins", "NVM 3.2.3", deallocation_is_checked_before_it_begins},
    {"data may begin within a page", "4.1.1", data_may_begin_within_a_page},
    {"PRP list pages are chained", "4.1.1", list_pages_are_chained},
    {"PRP offsets are checked", "4.1.1", offsets_of_entries_are_checked},
    {"DMA outside the mappings does nothing", "design 6", dma_outside_does_nothing},
    {"completions say where they come from", "3.3.3.2", entries_say_where_they_come_from},
    {"the phase turns over with the ring", "3.3.3.2.2", phase_turns_over_with_the_ring},
    {"two entries are enough", "3.3.3.3", two_entries_are_enough},
    {"a full completion queue is not overrun", "3.3.1.5", a_full_completion_queue_is_not_overrun},
    {"a queue is created once", "5.4, 5.5", queues_are_created_once},
    {"a deleted queue can be created again", "5.6, 5.7", a_deleted_queue_can_be_created_again},
    {"a deleted queue is not served", "5.7", a_deleted_queue_is_not_served},
    {"an invalid tail is an event", "5.2, figure 145", an_invalid_tail_is_an_event},
    {"an invalid head is an event", "5.2, figure 145", an_invalid_head_is_an_event},
    {"interrupts come on their vector", "5.4", interrupts_come_on_their_vector},
    {"a polled queue raises no interrupt", "5.4", a_polled_queue_raises_no_interrupt},
    {"an idle controller wakes", "design 4", an_idle_controller_wakes},
    {"namespaces of another function are not ours", "8.11", functions_are_apart},
    {"memory ends with its mapping", "design 3", memory_ends_with_its_mapping},
    {"mappings do not overlap", "design 3", mappings_do_not_overlap},
    {"a reopened function is fresh", "3.7.2", a_reopened_function_is_fresh},
    {"offline is fatal to the holder", "8.26.3", offline_is_fatal_to_the_holder},
    {"changed namespaces are told", "5.2", changed_namespaces_are_told},
    {"Identify tells the controller", "5.17.2.1", identify_tells_the_controller},
    {"features are read", "5.15", features_are_read},
    {"log pages are read", "5.16", log_pages_are_read},
};
const size_t conformance_case_count = sizeof(conformance_cases) / sizeof(conformance_cases[0]);
