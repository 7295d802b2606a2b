/* SPDX-License-Identifier: BSD-3-Clause */
/* The I/O commands (NVM Command Set 1.0, section 3.2; NVMe Base 2.0, section 7). */
#include <string.h>

#include "tests/conformance/cases.h"
#include "tests/conformance/raw.h"

enum { BLOCKS = 8, AWAY = 64, DEALLOCATE = 1 << 2, PAGE = 4096 };

static const struct nvme_id_ctrl *controller(struct rig *rig)
{
    if (raw_identify(rig, NVME_IDENTIFY_CNS_CTRL, 0) != 0)
        memset(rig->memory + RIG_DATA, 0, PAGE);
    return (const struct nvme_id_ctrl *)(const void *)(rig->memory + RIG_DATA);
}

static bool offers(struct rig *rig, unsigned bit)
{
    return le16toh(controller(rig)->oncs) >> bit & 1;
}

static size_t bytes(const struct rig *rig)
{
    return BLOCKS * (size_t)rig->block;
}

/* A transfer of BLOCKS at a start; PRP2 where they need more than a page. */
static uint16_t move(struct lane *lane, uint8_t opcode, uint64_t start, uint64_t offset)
{
    const struct rig *rig = lane->rig;
    struct nvme_command command = transfer(rig, opcode, start, BLOCKS, offset);
    uint64_t *list = (uint64_t *)(void *)(rig->memory + RIG_LISTS);

    command.prp2 = RIG_IOVA + offset + PAGE;
    if (bytes(rig) > 2 * PAGE) {
        for (size_t i = 1; i < bytes(rig) / PAGE; i++)
            list[i - 1] = htole64(RIG_IOVA + offset + i * PAGE);
        command.prp2 = RIG_IOVA + RIG_LISTS;
    }
    return lane_give(lane, command);
}

static bool write_pattern(struct lane *lane, uint64_t start, unsigned seed)
{
    fill(lane->rig, RIG_DATA, bytes(lane->rig), seed);
    return move(lane, nvme_cmd_write, start, RIG_DATA) == 0;
}

static const char *written_is_read(struct rig *rig, const struct conformance_case *self)
{
    struct lane lane;
    (void)self;

    EXPECT(raw_lane(rig, &lane, 1, CASE_ENTRIES));
    for (unsigned seed = 1; seed <= 2; seed++) {
        EXPECT(write_pattern(&lane, 8, seed));
        memset(rig->memory + RIG_OTHER, 0, bytes(rig));
        EXPECT(move(&lane, nvme_cmd_read, 8, RIG_OTHER) == 0);
        EXPECT(memcmp(rig->memory + RIG_DATA, rig->memory + RIG_OTHER, bytes(rig)) == 0);
    }
    return NULL;
}

static const char *read_writes_its_bytes_only(struct rig *rig, const struct conformance_case *self)
{
    const uint8_t *place = rig->memory + RIG_OTHER;
    struct lane lane;
    (void)self;

    EXPECT(raw_lane(rig, &lane, 1, CASE_ENTRIES));
    EXPECT(write_pattern(&lane, 0, 3));
    memset(rig->memory + RIG_OTHER, 0xee, 2 * PAGE);
    EXPECT(lane_give(&lane, transfer(rig, nvme_cmd_read, 0, 1, RIG_OTHER + 512)) == 0);
    NEED(rig->block <= PAGE - 512);
    EXPECT(memcmp(place + 512, rig->memory + RIG_DATA, rig->block) == 0);
    for (unsigned i = 0; i < 512; i++)
        EXPECT(place[i] == 0xee);
    for (unsigned i = 512 + rig->block; i < 2 * PAGE; i++)
        EXPECT(place[i] == 0xee);
    return NULL;
}

static const char *write_touches_its_blocks_only(struct rig *rig, const struct conformance_case *self)
{
    struct lane lane;
    (void)self;

    EXPECT(raw_lane(rig, &lane, 1, CASE_ENTRIES));
    EXPECT(write_pattern(&lane, 0, 3) && write_pattern(&lane, 2 * BLOCKS, 3));
    EXPECT(write_pattern(&lane, BLOCKS, 77));
    fill(rig, RIG_DATA, bytes(rig), 3);
    EXPECT(move(&lane, nvme_cmd_read, 0, RIG_OTHER) == 0);
    EXPECT(memcmp(rig->memory + RIG_DATA, rig->memory + RIG_OTHER, bytes(rig)) == 0);
    EXPECT(move(&lane, nvme_cmd_read, 2 * BLOCKS, RIG_OTHER) == 0);
    EXPECT(memcmp(rig->memory + RIG_DATA, rig->memory + RIG_OTHER, bytes(rig)) == 0);
    return NULL;
}

static const char *last_block(struct rig *rig, const struct conformance_case *self)
{
    struct lane lane;
    (void)self;

    EXPECT(raw_lane(rig, &lane, 1, CASE_ENTRIES));
    fill(rig, RIG_DATA, rig->block, 9);
    EXPECT(lane_give(&lane, transfer(rig, nvme_cmd_write, rig->blocks - 1, 1, RIG_DATA)) == 0);
    EXPECT(lane_give(&lane, transfer(rig, nvme_cmd_read, rig->blocks - 1, 1, RIG_OTHER)) == 0);
    EXPECT(memcmp(rig->memory + RIG_DATA, rig->memory + RIG_OTHER, rig->block) == 0);
    return NULL;
}

/* ---- ranges ---- */

static const char *beyond_the_end(struct rig *rig, uint8_t opcode)
{
    struct lane lane;

    EXPECT(raw_lane(rig, &lane, 1, CASE_ENTRIES));
    EXPECT(lane_give(&lane, transfer(rig, opcode, rig->blocks, 1, RIG_DATA)) == GENERIC(LBA_RANGE));
    EXPECT(lane_give(&lane, transfer(rig, opcode, rig->blocks - 1, 2, RIG_DATA)) == GENERIC(LBA_RANGE));
    return NULL;
}

static const char *read_beyond(struct rig *rig, const struct conformance_case *self)
{
    (void)self;
    return beyond_the_end(rig, nvme_cmd_read);
}

static const char *write_beyond(struct rig *rig, const struct conformance_case *self)
{
    (void)self;
    return beyond_the_end(rig, nvme_cmd_write);
}

static const char *compare_beyond(struct rig *rig, const struct conformance_case *self)
{
    (void)self;
    NEED(offers(rig, 0));
    return beyond_the_end(rig, nvme_cmd_compare);
}

static const char *write_zeroes_beyond(struct rig *rig, const struct conformance_case *self)
{
    (void)self;
    NEED(offers(rig, 3));
    return beyond_the_end(rig, nvme_cmd_write_zeroes);
}

static const char *verify_beyond(struct rig *rig, const struct conformance_case *self)
{
    (void)self;
    NEED(offers(rig, 7));
    return beyond_the_end(rig, nvme_cmd_verify);
}

static const char *range_wraps(struct rig *rig, const struct conformance_case *self)
{
    struct lane lane;
    (void)self;

    EXPECT(raw_lane(rig, &lane, 1, CASE_ENTRIES));
    EXPECT(lane_give(&lane, transfer(rig, nvme_cmd_read, UINT64_MAX, 2, RIG_DATA)) == GENERIC(LBA_RANGE));
    return NULL;
}

static const char *refused_write_writes_nothing(struct rig *rig, const struct conformance_case *self)
{
    struct lane lane;
    (void)self;

    EXPECT(raw_lane(rig, &lane, 1, CASE_ENTRIES));
    fill(rig, RIG_DATA, rig->block, 1);
    EXPECT(lane_give(&lane, transfer(rig, nvme_cmd_write, rig->blocks - 1, 1, RIG_DATA)) == 0);
    memset(rig->memory + RIG_OTHER, 0x33, 2 * PAGE);
    EXPECT(lane_give(&lane, transfer(rig, nvme_cmd_write, rig->blocks - 1, 2, RIG_OTHER)) != 0);
    EXPECT(lane_give(&lane, transfer(rig, nvme_cmd_read, rig->blocks - 1, 1, RIG_OTHER)) == 0);
    EXPECT(memcmp(rig->memory + RIG_DATA, rig->memory + RIG_OTHER, rig->block) == 0);
    return NULL;
}

/* ---- which namespace ---- */

static const char *of_namespace(struct rig *rig, uint32_t nsid, uint16_t status)
{
    struct nvme_command command = transfer(rig, nvme_cmd_read, 0, 1, RIG_DATA);
    struct lane lane;

    EXPECT(raw_lane(rig, &lane, 1, CASE_ENTRIES));
    command.nsid = nsid;
    EXPECT(lane_give(&lane, command) == status);
    return NULL;
}

static const char *namespace_zero_is_none(struct rig *rig, const struct conformance_case *self)
{
    (void)self;
    return of_namespace(rig, 0, GENERIC(INVALID_NS));
}

static const char *namespace_beyond(struct rig *rig, const struct conformance_case *self)
{
    (void)self;
    return of_namespace(rig, le32toh(controller(rig)->nn) + 1, GENERIC(INVALID_NS));
}

static const char *namespace_all(struct rig *rig, const struct conformance_case *self)
{
    struct nvme_command command = transfer(rig, nvme_cmd_read, 0, 1, RIG_DATA);
    struct lane lane;
    (void)self;

    EXPECT(raw_lane(rig, &lane, 1, CASE_ENTRIES));
    command.nsid = NSID_ALL;
    uint16_t status = lane_give(&lane, command);
    EXPECT(status == GENERIC(INVALID_NS) || status == GENERIC(INVALID_FIELD));
    return NULL;
}

static const char *namespace_inactive(struct rig *rig, const struct conformance_case *self)
{
    (void)self;
    NEED(rig->other_nsid);
    return of_namespace(rig, rig->other_nsid, GENERIC(INVALID_FIELD));
}

/* ---- commands ---- */

static const char *unknown_opcodes(struct rig *rig, const struct conformance_case *self)
{
    static const uint8_t opcodes[] = {0x03, 0x06, 0x0a, 0x40, 0x7f, 0x90, 0xff};
    struct lane lane;
    (void)self;

    EXPECT(raw_lane(rig, &lane, 1, CASE_ENTRIES));
    for (size_t i = 0; i < sizeof(opcodes); i++)
        EXPECT(lane_give(&lane, transfer(rig, opcodes[i], 0, 1, RIG_DATA)) == GENERIC(INVALID_OPCODE));
    return NULL;
}

static const char *with_flags(struct rig *rig, uint8_t flags)
{
    struct nvme_command command = transfer(rig, nvme_cmd_read, 0, 1, RIG_DATA);
    struct lane lane;

    EXPECT(raw_lane(rig, &lane, 1, CASE_ENTRIES));
    command.flags = flags;
    EXPECT(lane_give(&lane, command) == GENERIC(INVALID_FIELD));
    return NULL;
}

static const char *scatter_gather(struct rig *rig, const struct conformance_case *self)
{
    (void)self;
    NEED((le32toh(controller(rig)->sgls) & 3) == 0);
    return with_flags(rig, 0x40);
}

static const char *fused(struct rig *rig, const struct conformance_case *self)
{
    (void)self;
    NEED(le16toh(controller(rig)->fuses) == 0);
    return with_flags(rig, 1);
}

static const char *flush_all(struct rig *rig, const struct conformance_case *self)
{
    unsigned all = controller(rig)->vwc >> 1 & 3;
    struct lane lane;
    (void)self;

    NEED(all >= 2);
    EXPECT(raw_lane(rig, &lane, 1, CASE_ENTRIES));
    uint16_t status = lane_give(&lane, (struct nvme_command){.opcode = nvme_cmd_flush, .nsid = NSID_ALL});
    EXPECT(status == (all == 2 ? GENERIC(INVALID_NS) : 0));
    return NULL;
}

static const char *write_zeroes(struct rig *rig, const struct conformance_case *self)
{
    struct lane lane;
    (void)self;

    NEED(offers(rig, 3));
    EXPECT(raw_lane(rig, &lane, 1, CASE_ENTRIES));
    EXPECT(write_pattern(&lane, 0, 1));
    EXPECT(lane_give(&lane, transfer(rig, nvme_cmd_write_zeroes, 1, 3, 0)) == 0);
    EXPECT(move(&lane, nvme_cmd_read, 0, RIG_OTHER) == 0);
    for (size_t i = rig->block; i < 4 * (size_t)rig->block; i++)
        EXPECT(rig->memory[RIG_OTHER + i] == 0);
    return NULL;
}

static const char *write_zeroes_exactly(struct rig *rig, const struct conformance_case *self)
{
    struct lane lane;
    (void)self;

    NEED(offers(rig, 3));
    EXPECT(raw_lane(rig, &lane, 1, CASE_ENTRIES));
    EXPECT(write_pattern(&lane, 0, 1));
    EXPECT(lane_give(&lane, transfer(rig, nvme_cmd_write_zeroes, 1, 3, 0)) == 0);
    EXPECT(move(&lane, nvme_cmd_read, 0, RIG_OTHER) == 0);
    EXPECT(memcmp(rig->memory + RIG_DATA, rig->memory + RIG_OTHER, rig->block) == 0);
    EXPECT(memcmp(rig->memory + RIG_DATA + 4 * (size_t)rig->block,
                  rig->memory + RIG_OTHER + 4 * (size_t)rig->block, 4 * (size_t)rig->block) == 0);
    return NULL;
}

static const char *compare(struct rig *rig, bool equal)
{
    struct lane lane;

    NEED(offers(rig, 0));
    EXPECT(raw_lane(rig, &lane, 1, CASE_ENTRIES));
    EXPECT(write_pattern(&lane, 0, 9));
    rig->memory[RIG_DATA + bytes(rig) - 1] ^= !equal;
    EXPECT(move(&lane, nvme_cmd_compare, 0, RIG_DATA) == (equal ? 0 : MEDIA(COMPARE_FAILED)));
    return NULL;
}

static const char *compare_equal(struct rig *rig, const struct conformance_case *self)
{
    (void)self;
    return compare(rig, true);
}

static const char *compare_different(struct rig *rig, const struct conformance_case *self)
{
    (void)self;
    return compare(rig, false);
}

static const char *verify(struct rig *rig, const struct conformance_case *self)
{
    struct lane lane;
    (void)self;

    NEED(offers(rig, 7));
    EXPECT(raw_lane(rig, &lane, 1, CASE_ENTRIES));
    EXPECT(lane_give(&lane, transfer(rig, nvme_cmd_verify, 0, BLOCKS, 0)) == 0);
    return NULL;
}

/* ---- Dataset Management ---- */

/* `count` ranges of one block each, AWAY apart, the last of them at `last`. */
static uint16_t manage(struct lane *lane, unsigned count, uint64_t last, uint32_t attributes)
{
    struct rig *rig = lane->rig;
    struct nvme_dsm_range *ranges = (struct nvme_dsm_range *)(void *)(rig->memory + RIG_LISTS);

    for (unsigned i = 0; i < count; i++)
        ranges[i] = (struct nvme_dsm_range){.nlb = htole32(1),
                                            .slba = htole64(i + 1 == count ? last : 2 * (uint64_t)i)};
    return lane_give(lane, (struct nvme_command){.opcode = nvme_cmd_dsm,
                                                 .cid = CASE_CID,
                                                 .nsid = rig->nsid,
                                                 .prp1 = RIG_IOVA + RIG_LISTS,
                                                 .dword10 = count - 1,
                                                 .dword11 = attributes});
}

static bool reads_zero(struct rig *rig)
{
    return raw_identify(rig, NVME_IDENTIFY_CNS_NS, rig->nsid) == 0 &&
           (((const struct nvme_id_ns *)(const void *)(rig->memory + RIG_DATA))->dlfeat & 7) == 1;
}

static const char *deallocated_reads_zero(struct rig *rig, const struct conformance_case *self)
{
    struct lane lane;
    (void)self;

    NEED(offers(rig, 2) && reads_zero(rig));
    EXPECT(raw_lane(rig, &lane, 1, CASE_ENTRIES));
    EXPECT(write_pattern(&lane, 0, 1));
    EXPECT(manage(&lane, 1, 0, DEALLOCATE) == 0);
    EXPECT(move(&lane, nvme_cmd_read, 0, RIG_OTHER) == 0);
    for (unsigned i = 0; i < rig->block; i++)
        EXPECT(rig->memory[RIG_OTHER + i] == 0);
    EXPECT(memcmp(rig->memory + RIG_DATA + rig->block, rig->memory + RIG_OTHER + rig->block,
                  (BLOCKS - 1) * (size_t)rig->block) == 0);
    return NULL;
}

static const char *every_range_counts(struct rig *rig, const struct conformance_case *self)
{
    struct lane lane;
    (void)self;

    NEED(offers(rig, 2) && reads_zero(rig));
    EXPECT(raw_lane(rig, &lane, 1, CASE_ENTRIES));
    EXPECT(write_pattern(&lane, 512, 1));
    EXPECT(manage(&lane, 256, 512, DEALLOCATE) == 0);
    EXPECT(move(&lane, nvme_cmd_read, 512, RIG_OTHER) == 0);
    for (unsigned i = 0; i < rig->block; i++)
        EXPECT(rig->memory[RIG_OTHER + i] == 0);
    return NULL;
}

static const char *hints_change_nothing(struct rig *rig, const struct conformance_case *self)
{
    struct lane lane;
    (void)self;

    NEED(offers(rig, 2));
    EXPECT(raw_lane(rig, &lane, 1, CASE_ENTRIES));
    EXPECT(write_pattern(&lane, 0, 1));
    EXPECT(manage(&lane, 1, 0, 3) == 0); /* integral for reading and for writing */
    EXPECT(move(&lane, nvme_cmd_read, 0, RIG_OTHER) == 0);
    EXPECT(memcmp(rig->memory + RIG_DATA, rig->memory + RIG_OTHER, bytes(rig)) == 0);
    return NULL;
}

static const char *ranges_are_checked(struct rig *rig, const struct conformance_case *self)
{
    struct lane lane;
    (void)self;

    NEED(offers(rig, 2));
    EXPECT(raw_lane(rig, &lane, 1, CASE_ENTRIES));
    EXPECT(manage(&lane, 1, rig->blocks, DEALLOCATE) == GENERIC(LBA_RANGE));
    return NULL;
}

static const char *ranges_are_checked_first(struct rig *rig, const struct conformance_case *self)
{
    struct lane lane;
    (void)self;

    NEED(offers(rig, 2));
    EXPECT(raw_lane(rig, &lane, 1, CASE_ENTRIES));
    EXPECT(write_pattern(&lane, 0, 1));
    EXPECT(manage(&lane, 2, rig->blocks, DEALLOCATE) == GENERIC(LBA_RANGE));
    EXPECT(move(&lane, nvme_cmd_read, 0, RIG_OTHER) == 0);
    EXPECT(memcmp(rig->memory + RIG_DATA, rig->memory + RIG_OTHER, bytes(rig)) == 0);
    return NULL;
}

static const struct conformance_case cases[] = {
    {.name = "what is written is read",
     .section = "NVM 3.2.4, 3.2.6",
     .rule = RULE_WRITE,
     .run = written_is_read},
    {.name = "a read fills its bytes only",
     .section = "NVM 3.2.4",
     .rule = RULE_READ_EXACT,
     .run = read_writes_its_bytes_only},
    {.name = "a write changes its blocks only",
     .section = "NVM 3.2.6",
     .rule = RULE_WRITE_EXACT,
     .run = write_touches_its_blocks_only},
    {.name = "the last block can be had",
     .section = "NVM 4.1.5.1",
     .rule = RULE_LAST_BLOCK,
     .run = last_block},
    {.name = "a read ends where the namespace does",
     .section = "NVM 3.2.4",
     .rule = RULE_RANGE_READ,
     .run = read_beyond},
    {.name = "a write ends where the namespace does",
     .section = "NVM 3.2.6",
     .rule = RULE_RANGE_WRITE,
     .run = write_beyond},
    {.name = "a compare ends where the namespace does",
     .section = "NVM 3.2.1",
     .rule = RULE_RANGE_COMPARE,
     .run = compare_beyond},
    {.name = "write zeroes ends where the namespace does",
     .section = "NVM 3.2.8",
     .rule = RULE_RANGE_ZEROES,
     .run = write_zeroes_beyond},
    {.name = "verify ends where the namespace does",
     .section = "NVM 3.2.5",
     .rule = RULE_RANGE_VERIFY,
     .run = verify_beyond},
    {.name = "a range does not wrap", .section = "NVM 3.2.4", .rule = RULE_RANGE_WRAPS, .run = range_wraps},
    {.name = "a write that is refused writes nothing",
     .section = "NVM 3.2.6",
     .rule = RULE_RANGE_WRITE,
     .run = refused_write_writes_nothing},
    {.name = "NSID 0 is no namespace",
     .section = "3.2.1.2",
     .rule = RULE_IO_NS_ZERO,
     .run = namespace_zero_is_none},
    {.name = "a NSID beyond NN is no namespace",
     .section = "3.2.1.2",
     .rule = RULE_IO_NS_BEYOND,
     .run = namespace_beyond},
    {.name = "NSID FFFFFFFFh is no namespace to read",
     .section = "3.2.1.2",
     .rule = RULE_IO_NS_ALL,
     .run = namespace_all},
    {.name = "a namespace that is not attached is inactive",
     .section = "3.2.1.4",
     .rule = RULE_IO_NS_INACTIVE,
     .run = namespace_inactive},
    {.name = "unknown I/O opcodes are refused",
     .section = "3.3.3.2.1.1",
     .rule = RULE_IO_OPCODE,
     .run = unknown_opcodes},
    {.name = "SGLs are refused where SGLS is 0",
     .section = "5.17.2.1",
     .rule = RULE_IO_SGL,
     .run = scatter_gather},
    {.name = "fused commands are refused where FUSES is 0",
     .section = "5.17.2.1",
     .rule = RULE_IO_FUSE,
     .run = fused},
    {.name = "flush succeeds",
     .section = "7.1",
     .rule = RULE_FLUSH,
     .run = case_io,
     .command = {.opcode = nvme_cmd_flush}},
    {.name = "flush of all namespaces is as VWC says",
     .section = "7.1, 5.17.2.1",
     .rule = RULE_FLUSH_ALL,
     .run = flush_all},
    {.name = "write zeroes writes zeroes", .section = "NVM 3.2.8", .rule = RULE_ZEROES, .run = write_zeroes},
    {.name = "write zeroes changes its blocks only",
     .section = "NVM 3.2.8",
     .rule = RULE_ZEROES_EXACT,
     .run = write_zeroes_exactly},
    {.name = "a compare finds the same",
     .section = "NVM 3.2.1",
     .rule = RULE_COMPARE_SAME,
     .run = compare_equal},
    {.name = "a compare finds a difference",
     .section = "NVM 3.2.1",
     .rule = RULE_COMPARE_DIFFERENT,
     .run = compare_different},
    {.name = "verify takes no memory", .section = "NVM 3.2.5", .rule = RULE_VERIFY, .run = verify},
    {.name = "deallocated blocks read zero where DLFEAT says so",
     .section = "NVM 3.2.3.2.1",
     .rule = RULE_DEALLOCATE,
     .run = deallocated_reads_zero},
    {.name = "every range of 256 counts",
     .section = "NVM 3.2.3",
     .rule = RULE_DSM_RANGES,
     .run = every_range_counts},
    {.name = "hints change no data",
     .section = "NVM 3.2.3",
     .rule = RULE_DSM_HINT,
     .run = hints_change_nothing},
    {.name = "ranges to deallocate end where the namespace does",
     .section = "NVM 3.2.3",
     .rule = RULE_RANGE_DSM,
     .run = ranges_are_checked},
    {.name = "ranges are checked before any is deallocated",
     .section = "NVM 3.2.3",
     .rule = RULE_DSM_CHECKED,
     .run = ranges_are_checked_first},
};
const struct case_list cases_io = LIST(cases);
