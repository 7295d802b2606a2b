/* SPDX-License-Identifier: BSD-3-Clause */
/* Admin commands in general, Abort, and Get Log Page (NVMe Base 2.0, sections 3.3.3, 5.1, 5.16). */
#include <string.h>

#include "tests/conformance/cases.h"
#include "tests/conformance/raw.h"

enum { PAGE_UNKNOWN = 0x7d, SMART_BYTES = 512, ERROR_BYTES = 64, READS_AT = 64, WRITES_AT = 80 };

static const char *identifier_is_returned(struct rig *rig, const struct conformance_case *self)
{
    struct nvme_command command = {.opcode = nvme_admin_get_features,
                                   .cid = 0x5aa5,
                                   .prp1 = RIG_IOVA + RIG_DATA,
                                   .dword10 = NVME_FEAT_FID_ASYNC_EVENT};
    struct lane_result result;
    (void)self;

    lane_put(&rig->admin, command);
    lane_ring(&rig->admin);
    EXPECT(lane_reap(&rig->admin, rig->patience, &result));
    EXPECT(result.cid == 0x5aa5 && result.status == 0);
    return NULL;
}

static const char *head_and_queue(struct rig *rig, const struct conformance_case *self)
{
    struct nvme_command command = {
        .opcode = nvme_admin_get_features, .prp1 = RIG_IOVA + RIG_DATA, .dword10 = NVME_FEAT_FID_ASYNC_EVENT};
    struct lane_result result;
    (void)self;

    for (uint16_t i = 1; i <= 3; i++) {
        lane_put(&rig->admin, command);
        lane_ring(&rig->admin);
        EXPECT(lane_reap(&rig->admin, rig->patience, &result));
        EXPECT(result.queue == 0 && result.head == i);
    }
    return NULL;
}

static const char *data_over_two_pages(struct rig *rig, const struct conformance_case *self)
{
    const uint8_t *split = rig->memory + RIG_OTHER;
    (void)self;

    memset(rig->memory + RIG_OTHER, 0xee, 0x5000);
    EXPECT(raw_identify(rig, NVME_IDENTIFY_CNS_CTRL, 0) == 0);
    EXPECT(raw_admin(rig, (struct nvme_command){.opcode = nvme_admin_identify,
                                                .prp1 = RIG_IOVA + RIG_OTHER + 0x800,
                                                .prp2 = RIG_IOVA + RIG_OTHER + 0x4000,
                                                .dword10 = NVME_IDENTIFY_CNS_CTRL}) == 0);
    EXPECT(memcmp(rig->memory + RIG_DATA, split + 0x800, 0x800) == 0);
    EXPECT(memcmp(rig->memory + RIG_DATA + 0x800, split + 0x4000, 0x800) == 0);
    return NULL;
}

static const char *abort_of_nothing(struct rig *rig, const struct conformance_case *self)
{
    EXPECT(raw_admin(rig, self->command) == 0);
    EXPECT(rig->value & 1); /* not aborted */
    return NULL;
}

/* ---- log pages ---- */

static uint64_t counter(const struct rig *rig, unsigned at)
{
    uint64_t value;

    memcpy(&value, rig->memory + RIG_DATA + at, sizeof(value));
    return le64toh(value);
}

static const char *error_log(struct rig *rig, const struct conformance_case *self)
{
    (void)self;
    EXPECT(raw_log(rig, NVME_LOG_LID_ERROR, ERROR_BYTES, false) == 0);
    return NULL;
}

static const char *health_log(struct rig *rig, const struct conformance_case *self)
{
    const struct nvme_smart_log *log = (const struct nvme_smart_log *)(const void *)(rig->memory + RIG_DATA);
    (void)self;

    EXPECT(raw_log(rig, NVME_LOG_LID_SMART, SMART_BYTES, false) == 0);
    EXPECT(log->avail_spare <= 100 && log->spare_thresh <= 100);
    EXPECT(log->temperature[0] | log->temperature[1]);
    return NULL;
}

static const char *counts(struct rig *rig, uint8_t opcode, unsigned at)
{
    struct lane lane;

    EXPECT(raw_lane(rig, &lane, 1, CASE_ENTRIES));
    EXPECT(raw_log(rig, NVME_LOG_LID_SMART, SMART_BYTES, false) == 0);
    uint64_t before = counter(rig, at);
    for (unsigned i = 0; i < 5; i++)
        EXPECT(lane_give(&lane, transfer(rig, opcode, i, 1, RIG_OTHER)) == 0);
    EXPECT(raw_log(rig, NVME_LOG_LID_SMART, SMART_BYTES, false) == 0);
    EXPECT(counter(rig, at) >= before + 5);
    return NULL;
}

static const char *health_counts_reads(struct rig *rig, const struct conformance_case *self)
{
    (void)self;
    return counts(rig, nvme_cmd_read, READS_AT);
}

static const char *health_counts_writes(struct rig *rig, const struct conformance_case *self)
{
    (void)self;
    return counts(rig, nvme_cmd_write, WRITES_AT);
}

static const char *firmware_log(struct rig *rig, const struct conformance_case *self)
{
    (void)self;
    EXPECT(raw_log(rig, NVME_LOG_LID_FW_SLOT, 512, false) == 0);
    EXPECT((rig->memory[RIG_DATA] & 7) >= 1);
    return NULL;
}

static const char *effects_log(struct rig *rig, const struct conformance_case *self)
{
    static const uint8_t mandatory[] = {0x00, 0x01, 0x02, 0x04, 0x05, 0x06, 0x08, 0x09, 0x0a, 0x0c};
    const struct nvme_cmd_effects_log *log =
        (const struct nvme_cmd_effects_log *)(const void *)(rig->memory + RIG_DATA);
    (void)self;

    EXPECT(raw_log(rig, NVME_LOG_LID_CMD_EFFECTS, 4096, false) == 0);
    for (size_t i = 0; i < sizeof(mandatory); i++)
        EXPECT(le32toh(log->acs[mandatory[i]]) & 1);
    return NULL;
}

static const char *effects_of_io(struct rig *rig, const struct conformance_case *self)
{
    const struct nvme_cmd_effects_log *log =
        (const struct nvme_cmd_effects_log *)(const void *)(rig->memory + RIG_DATA);
    (void)self;

    EXPECT(raw_log(rig, NVME_LOG_LID_CMD_EFFECTS, 4096, false) == 0);
    EXPECT(le32toh(log->iocs[nvme_cmd_read]) & 1 && le32toh(log->iocs[nvme_cmd_flush]) & 1);
    EXPECT((le32toh(log->iocs[nvme_cmd_write]) & 3) == 3); /* it changes the contents */
    EXPECT(!(le32toh(log->iocs[0x7f]) & 1));
    return NULL;
}

static const char *as_much_as_asked(struct rig *rig, const struct conformance_case *self)
{
    (void)self;
    EXPECT(raw_log(rig, NVME_LOG_LID_SMART, 16, false) == 0);
    EXPECT(rig->memory[RIG_DATA + 15] != 0xee);
    for (unsigned i = 16; i < SMART_BYTES; i++)
        EXPECT(rig->memory[RIG_DATA + i] == 0xee);
    return NULL;
}

#define FEATURE_COMMAND(more)                                                                                \
    {                                                                                                        \
        .opcode = nvme_admin_get_features, .prp1 = RIG_IOVA + RIG_DATA,                                      \
        .dword10 = NVME_FEAT_FID_ASYNC_EVENT, more                                                           \
    }

static const struct conformance_case cases[] = {
    {.name = "an admin completion has its command's identifier",
     .section = "3.3.3.2",
     .rule = RULE_CID,
     .run = identifier_is_returned},
    {.name = "an admin completion says how far the queue is",
     .section = "3.3.3.2",
     .rule = RULE_HEAD,
     .run = head_and_queue},
    {.name = "data of an admin command may lie in two pages",
     .section = "3.3.3.1, 4.1.1",
     .rule = RULE_ADMIN_PRP2,
     .run = data_over_two_pages},
    {.name = "PRP2 of an admin command has no offset",
     .section = "4.1.1",
     .rule = RULE_PRP2_OFFSET,
     .run = case_admin,
     .command = {.opcode = nvme_admin_identify,
                 .prp1 = RIG_IOVA + RIG_DATA + 0x800,
                 .prp2 = RIG_IOVA + RIG_OTHER + 64,
                 .dword10 = NVME_IDENTIFY_CNS_CTRL},
     .status = GENERIC(PRP_INVALID_OFFSET)},
    {.name = "admin opcode 03h is refused",
     .section = "3.3.3.2.1.1",
     .rule = RULE_ADMIN_OPCODE,
     .run = case_admin,
     .command = {.opcode = 0x03},
     .status = GENERIC(INVALID_OPCODE)},
    {.name = "admin opcode 7Fh is refused",
     .section = "3.3.3.2.1.1",
     .rule = RULE_ADMIN_OPCODE,
     .run = case_admin,
     .command = {.opcode = 0x7f},
     .status = GENERIC(INVALID_OPCODE)},
    {.name = "a vendor's admin opcode is refused",
     .section = "3.3.3.2.1.1",
     .rule = RULE_ADMIN_OPCODE,
     .run = case_admin,
     .command = {.opcode = 0xff},
     .status = GENERIC(INVALID_OPCODE)},
    {.name = "admin commands take no SGL",
     .section = "3.3.3.1, NVMe over PCIe 3.2",
     .rule = RULE_ADMIN_SGL,
     .run = case_admin,
     .command = FEATURE_COMMAND(.flags = 0x40),
     .status = GENERIC(INVALID_FIELD)},
    {.name = "admin commands are not fused",
     .section = "3.3.3.1",
     .rule = RULE_ADMIN_FUSE,
     .run = case_admin,
     .command = FEATURE_COMMAND(.flags = 1),
     .status = GENERIC(INVALID_FIELD)},
    {.name = "Abort of nothing aborts nothing",
     .section = "5.1",
     .rule = RULE_ABORT,
     .run = abort_of_nothing,
     .command = {.opcode = nvme_admin_abort_cmd, .dword10 = 0x7fff0000}},
    {.name = "there is an error log", .section = "5.16.1.2", .rule = RULE_LOG_ERROR, .run = error_log},
    {.name = "there is a health log", .section = "5.16.1.3", .rule = RULE_LOG_HEALTH, .run = health_log},
    {.name = "the health log counts reads",
     .section = "5.16.1.3",
     .rule = RULE_LOG_READS,
     .run = health_counts_reads},
    {.name = "the health log counts writes",
     .section = "5.16.1.3",
     .rule = RULE_LOG_WRITES,
     .run = health_counts_writes},
    {.name = "there is a firmware log with an active slot",
     .section = "5.16.1.4",
     .rule = RULE_LOG_FIRMWARE,
     .run = firmware_log},
    {.name = "the effects log has the mandatory admin commands",
     .section = "5.16.1.6",
     .rule = RULE_LOG_EFFECTS,
     .run = effects_log},
    {.name = "the effects log has the I/O commands",
     .section = "5.16.1.6",
     .rule = RULE_LOG_EFFECTS_IO,
     .run = effects_of_io},
    {.name = "a log gives as much as asked",
     .section = "5.16",
     .rule = RULE_LOG_LENGTH,
     .run = as_much_as_asked},
    {.name = "an unknown log page is refused",
     .section = "5.16.1",
     .rule = RULE_LOG_UNKNOWN,
     .run = case_admin,
     .command = {.opcode = nvme_admin_get_log_page,
                 .nsid = NSID_ALL,
                 .prp1 = RIG_IOVA + RIG_DATA,
                 .dword10 = PAGE_UNKNOWN | 15 << 16},
     .status = SPECIFIC(INVALID_LOG_PAGE)},
};
const struct case_list cases_admin = LIST(cases);
