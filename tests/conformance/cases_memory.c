/* SPDX-License-Identifier: BSD-3-Clause */
/* Where the data of commands lies: PRP entries and lists (NVMe Base 2.0, section 4.1.1), MDTS, and the IOMMU.
 */
#include <errno.h>
#include <string.h>

#include "daemon/hw/linux/backend.h"
#include "tests/conformance/cases.h"
#include "tests/conformance/raw.h"

enum { PAGE = 4096, LIST_ENTRIES = PAGE / 8 };

static uint32_t per_page(const struct rig *rig)
{
    return PAGE / rig->block;
}

/* A transfer of whole pages from block 0 on. */
static struct nvme_command pages(const struct rig *rig, uint8_t opcode, uint32_t count, uint64_t offset)
{
    return transfer(rig, opcode, 0, count * per_page(rig), offset);
}

static uint64_t *list_at(const struct rig *rig, uint64_t offset)
{
    return (uint64_t *)(void *)(rig->memory + RIG_LISTS + offset);
}

static const char *data_within_a_page(struct rig *rig, const struct conformance_case *self)
{
    struct nvme_command command = pages(rig, nvme_cmd_write, 1, RIG_DATA + 512);
    struct lane lane;
    (void)self;

    EXPECT(raw_lane(rig, &lane, 1, CASE_ENTRIES));
    fill(rig, RIG_DATA + 512, PAGE - 512, 5);
    fill(rig, RIG_DATA + 0x8000, 512, 99);
    command.prp2 = RIG_IOVA + RIG_DATA + 0x8000;
    EXPECT(lane_give(&lane, command) == 0);
    EXPECT(lane_give(&lane, pages(rig, nvme_cmd_read, 1, RIG_OTHER)) == 0);
    EXPECT(memcmp(rig->memory + RIG_OTHER, rig->memory + RIG_DATA + 512, PAGE - 512) == 0);
    EXPECT(memcmp(rig->memory + RIG_OTHER + PAGE - 512, rig->memory + RIG_DATA + 0x8000, 512) == 0);
    return NULL;
}

static const char *second_page(struct rig *rig, const struct conformance_case *self)
{
    struct nvme_command command = pages(rig, nvme_cmd_write, 2, RIG_DATA);
    struct lane lane;
    (void)self;

    EXPECT(raw_lane(rig, &lane, 1, CASE_ENTRIES));
    fill(rig, RIG_DATA, 0x10000, 23);
    command.prp2 = RIG_IOVA + RIG_DATA + 0x5000;
    EXPECT(lane_give(&lane, command) == 0);
    EXPECT(lane_give(&lane, transfer(rig, nvme_cmd_read, per_page(rig), per_page(rig), RIG_OTHER)) == 0);
    EXPECT(memcmp(rig->memory + RIG_OTHER, rig->memory + RIG_DATA + 0x5000, PAGE) == 0);
    return NULL;
}

static const char *lists_are_followed(struct rig *rig, const struct conformance_case *self)
{
    struct nvme_command command = pages(rig, nvme_cmd_write, 4, RIG_DATA);
    struct lane lane;
    (void)self;

    NEED(rig->info.max_transfer_bytes >= 4 * PAGE);
    EXPECT(raw_lane(rig, &lane, 1, CASE_ENTRIES));
    fill(rig, RIG_DATA, 0x10000, 31);
    command.prp2 = RIG_IOVA + RIG_LISTS;
    for (unsigned i = 0; i < 3; i++)
        list_at(rig, 0)[i] = htole64(RIG_IOVA + RIG_DATA + (9 - i) * UINT64_C(0x1000));
    EXPECT(lane_give(&lane, command) == 0);
    for (unsigned i = 0; i < 3; i++) {
        EXPECT(lane_give(&lane, transfer(rig, nvme_cmd_read, (i + 1) * per_page(rig), per_page(rig),
                                         RIG_OTHER)) == 0);
        EXPECT(memcmp(rig->memory + RIG_OTHER, rig->memory + RIG_DATA + (9 - i) * 0x1000, PAGE) == 0);
    }
    return NULL;
}

static const char *lists_are_chained(struct rig *rig, const struct conformance_case *self)
{
    struct nvme_command command = pages(rig, nvme_cmd_write, 4, RIG_DATA);
    uint64_t *list = list_at(rig, PAGE - 16), *next = list_at(rig, PAGE);
    struct lane lane;
    (void)self;

    NEED(rig->info.max_transfer_bytes >= 4 * PAGE);
    EXPECT(raw_lane(rig, &lane, 1, CASE_ENTRIES));
    fill(rig, RIG_DATA, 0x10000, 17);
    command.prp2 = RIG_IOVA + RIG_LISTS + PAGE - 16;
    list[0] = htole64(RIG_IOVA + RIG_DATA + 0x3000);
    list[1] =
        htole64(RIG_IOVA + RIG_LISTS + PAGE); /* two pages follow: this is where the next list page is */
    next[0] = htole64(RIG_IOVA + RIG_DATA + 0x2000);
    next[1] = htole64(RIG_IOVA + RIG_DATA + 0x1000);
    EXPECT(lane_give(&lane, command) == 0);
    EXPECT(lane_give(&lane, transfer(rig, nvme_cmd_read, per_page(rig), per_page(rig), RIG_OTHER)) == 0);
    EXPECT(memcmp(rig->memory + RIG_OTHER, rig->memory + RIG_DATA + 0x3000, PAGE) == 0);
    EXPECT(lane_give(&lane, transfer(rig, nvme_cmd_read, 3 * per_page(rig), per_page(rig), RIG_OTHER)) == 0);
    EXPECT(memcmp(rig->memory + RIG_OTHER, rig->memory + RIG_DATA + 0x1000, PAGE) == 0);
    return NULL;
}

static const char *last_entry_is_data(struct rig *rig, const struct conformance_case *self)
{
    struct nvme_command command = pages(rig, nvme_cmd_write, 3, RIG_DATA);
    struct lane lane;
    (void)self;

    NEED(rig->info.max_transfer_bytes >= 4 * PAGE);
    EXPECT(raw_lane(rig, &lane, 1, CASE_ENTRIES));
    fill(rig, RIG_DATA, 0x10000, 41);
    command.prp2 = RIG_IOVA + RIG_LISTS + PAGE - 16;
    list_at(rig, PAGE - 16)[0] = htole64(RIG_IOVA + RIG_DATA + 0x4000);
    list_at(rig, PAGE - 16)[1] = htole64(RIG_IOVA + RIG_DATA + 0x6000); /* nothing follows it */
    EXPECT(lane_give(&lane, command) == 0);
    EXPECT(lane_give(&lane, transfer(rig, nvme_cmd_read, 2 * per_page(rig), per_page(rig), RIG_OTHER)) == 0);
    EXPECT(memcmp(rig->memory + RIG_OTHER, rig->memory + RIG_DATA + 0x6000, PAGE) == 0);
    return NULL;
}

static const char *first_entry_offset(struct rig *rig, const struct conformance_case *self)
{
    struct lane lane;
    (void)self;

    EXPECT(raw_lane(rig, &lane, 1, CASE_ENTRIES));
    EXPECT(lane_give(&lane, transfer(rig, nvme_cmd_read, 0, 1, RIG_DATA + 2)) == GENERIC(PRP_INVALID_OFFSET));
    return NULL;
}

static const char *offset_refused(struct rig *rig, uint32_t count, uint64_t prp2)
{
    struct nvme_command command = pages(rig, nvme_cmd_read, count, RIG_DATA);
    struct lane lane;

    EXPECT(raw_lane(rig, &lane, 1, CASE_ENTRIES));
    command.prp2 = prp2;
    EXPECT(lane_give(&lane, command) == GENERIC(PRP_INVALID_OFFSET));
    return NULL;
}

static const char *second_entry_offset(struct rig *rig, const struct conformance_case *self)
{
    (void)self;
    return offset_refused(rig, 2, RIG_IOVA + RIG_OTHER + 512);
}

static const char *list_offset(struct rig *rig, const struct conformance_case *self)
{
    (void)self;
    NEED(rig->info.max_transfer_bytes >= 4 * PAGE);
    for (unsigned i = 0; i < LIST_ENTRIES; i++)
        list_at(rig, 0)[i] = htole64(RIG_IOVA + RIG_OTHER);
    return offset_refused(rig, 3, RIG_IOVA + RIG_LISTS + 4);
}

static const char *list_entry_offset(struct rig *rig, const struct conformance_case *self)
{
    (void)self;
    NEED(rig->info.max_transfer_bytes >= 4 * PAGE);
    list_at(rig, 0)[0] = htole64(RIG_IOVA + RIG_OTHER);
    list_at(rig, 0)[1] = htole64(RIG_IOVA + RIG_OTHER + 64);
    return offset_refused(rig, 3, RIG_IOVA + RIG_LISTS);
}

/* ---- MDTS ---- */

static struct nvme_command largest(struct rig *rig, uint8_t opcode)
{
    uint32_t count = rig->info.max_transfer_bytes / PAGE;
    struct nvme_command command = pages(rig, opcode, count, RIG_DATA);

    command.prp2 = RIG_IOVA + RIG_LISTS;
    for (uint32_t i = 1; i <= count && i <= LIST_ENTRIES; i++)
        list_at(rig, 0)[i - 1] = htole64(RIG_IOVA + RIG_DATA + i * UINT64_C(4096));
    return command;
}

static bool fits(const struct rig *rig)
{
    return rig->info.max_transfer_bytes <= LIST_ENTRIES * PAGE &&
           rig->info.max_transfer_bytes / rig->block <= 65535 &&
           rig->info.max_transfer_bytes / rig->block < rig->blocks;
}

static const char *largest_transfer(struct rig *rig, const struct conformance_case *self)
{
    struct lane lane;
    (void)self;

    NEED(fits(rig));
    EXPECT(raw_lane(rig, &lane, 1, CASE_ENTRIES));
    EXPECT(lane_give(&lane, largest(rig, nvme_cmd_write)) == 0);
    EXPECT(lane_give(&lane, largest(rig, nvme_cmd_read)) == 0);
    return NULL;
}

static const char *larger_than_mdts(struct rig *rig, const struct conformance_case *self)
{
    struct lane lane;
    (void)self;

    NEED(fits(rig));
    EXPECT(raw_lane(rig, &lane, 1, CASE_ENTRIES));
    struct nvme_command command = largest(rig, nvme_cmd_write);
    command.dword12 += 1;
    EXPECT(lane_give(&lane, command) == GENERIC(INVALID_FIELD));
    command.opcode = nvme_cmd_read;
    EXPECT(lane_give(&lane, command) == GENERIC(INVALID_FIELD));
    return NULL;
}

/* ---- the IOMMU: what this project relies on ---- */

static const char *stray_read(struct rig *rig, const struct conformance_case *self)
{
    struct nvme_command command = pages(rig, nvme_cmd_read, 2, RIG_DATA);
    struct lane lane;
    (void)self;

    EXPECT(raw_lane(rig, &lane, 1, CASE_ENTRIES));
    fill(rig, RIG_OTHER, PAGE, 3);
    EXPECT(lane_give(&lane, pages(rig, nvme_cmd_write, 1, RIG_OTHER)) == 0);
    memset(rig->memory, 0x77, PAGE); /* where nothing of the lane lies */
    memset(rig->memory + RIG_BYTES - PAGE, 0x77, PAGE);
    command.prp2 = RIG_IOVA + RIG_BYTES; /* nobody's */
    lane_give(&lane, command);
    for (unsigned i = 0; i < PAGE; i++)
        EXPECT(rig->memory[i] == 0x77 && rig->memory[RIG_BYTES - PAGE + i] == 0x77);
    EXPECT(lane_give(&lane, pages(rig, nvme_cmd_read, 1, RIG_OTHER)) == 0); /* the controller lives on */
    return NULL;
}

static const char *stray_is_an_error(struct rig *rig, const struct conformance_case *self)
{
    struct nvme_command command = transfer(rig, nvme_cmd_read, 0, 1, RIG_BYTES);
    struct lane lane;
    (void)self;

    EXPECT(raw_lane(rig, &lane, 1, CASE_ENTRIES));
    EXPECT(lane_give(&lane, command) == GENERIC(DATA_XFER_ERROR));
    return NULL;
}

static const char *stray_list(struct rig *rig, const struct conformance_case *self)
{
    struct nvme_command command = pages(rig, nvme_cmd_read, 3, RIG_DATA);
    struct lane lane;
    (void)self;

    EXPECT(raw_lane(rig, &lane, 1, CASE_ENTRIES));
    command.prp2 = RIG_IOVA + RIG_BYTES;
    EXPECT(lane_give(&lane, command) != 0);
    EXPECT(lane_give(&lane, pages(rig, nvme_cmd_read, 1, RIG_OTHER)) == 0);
    return NULL;
}

/* What homid's own admin queue lies in may be read by the device, not written (its command is lost). */
static const char *admin_memory_is_read_only(struct rig *rig, const struct conformance_case *self)
{
    const struct admin_memory *memory = &rig->function->memory;
    uint8_t before[64];
    struct lane lane;
    (void)self;

    EXPECT(raw_lane(rig, &lane, 1, CASE_ENTRIES));
    memset(rig->memory + RIG_OTHER, 0xa5, PAGE);
    EXPECT(lane_give(&lane, pages(rig, nvme_cmd_write, 1, RIG_OTHER)) == 0);
    memcpy(before, memory->submission, sizeof(before));
    struct nvme_command command = transfer(rig, nvme_cmd_read, 0, 1, 0);
    command.prp1 = memory->submission_iova;
    lane_give(&lane, command);
    EXPECT(memcmp(before, memory->submission, sizeof(before)) == 0);
    return NULL;
}

static const char *mappings_end(struct rig *rig, const struct conformance_case *self)
{
    struct lane lane;
    (void)self;

    /* A second mapping of the rig's memory, above the first. */
    rig->backend->map(rig->function, rig->memfd, 0, RIG_BYTES / 2, RIG_IOVA + RIG_BYTES, rig_done, rig);
    EXPECT(rig_wait(rig) == 0);
    EXPECT(lane_open(rig, &lane, 1, CASE_ENTRIES, 0) == 0);
    fill(rig, RIG_OTHER, rig->block, 11);
    EXPECT(lane_give(&lane, transfer(rig, nvme_cmd_write, 0, 1, RIG_OTHER)) == 0);
    EXPECT(lane_give(&lane, transfer(rig, nvme_cmd_read, 0, 1, RIG_BYTES + RIG_DATA)) == 0);
    EXPECT(memcmp(rig->memory + RIG_DATA, rig->memory + RIG_OTHER, rig->block) == 0);
    rig->backend->unmap(rig->function, RIG_IOVA + RIG_BYTES, RIG_BYTES / 2, false, rig_done, rig);
    EXPECT(rig_wait(rig) == 0);
    memset(rig->memory + RIG_DATA, 0x44, rig->block);
    lane_give(&lane, transfer(rig, nvme_cmd_read, 0, 1, RIG_BYTES + RIG_DATA));
    for (unsigned i = 0; i < rig->block; i++)
        EXPECT(rig->memory[RIG_DATA + i] == 0x44);
    return NULL;
}

static const char *mappings_do_not_overlap(struct rig *rig, const struct conformance_case *self)
{
    (void)self;
    rig->backend->map(rig->function, rig->memfd, 0, PAGE, RIG_IOVA + PAGE, rig_done, rig);
    EXPECT(rig_wait(rig) == -EEXIST);
    return NULL;
}

static const struct conformance_case cases[] = {
    {.name = "data may begin within a page",
     .section = "4.1.1",
     .rule = RULE_PRP_OFFSET,
     .run = data_within_a_page},
    {.name = "PRP2 is a second page", .section = "4.1.1", .rule = RULE_PRP_SECOND, .run = second_page},
    {.name = "PRP lists are followed", .section = "4.1.1", .rule = RULE_PRP_LIST, .run = lists_are_followed},
    {.name = "PRP list pages are chained",
     .section = "4.1.1",
     .rule = RULE_PRP_CHAIN,
     .run = lists_are_chained},
    {.name = "the last entry of a list page may be data",
     .section = "4.1.1",
     .rule = RULE_PRP_LAST,
     .run = last_entry_is_data},
    {.name = "PRP1 is aligned to dwords",
     .section = "4.1.1",
     .rule = RULE_PRP1_ALIGNED,
     .run = first_entry_offset},
    {.name = "PRP2 has no offset", .section = "4.1.1", .rule = RULE_PRP2_OFFSET, .run = second_entry_offset},
    {.name = "a PRP list is aligned to its entries",
     .section = "4.1.1",
     .rule = RULE_PRP_LIST_ALIGNED,
     .run = list_offset},
    {.name = "an entry of a PRP list has no offset",
     .section = "4.1.1",
     .rule = RULE_PRP_ENTRY_OFFSET,
     .run = list_entry_offset},
    {.name = "transfers of MDTS work", .section = "5.17.2.1", .rule = RULE_MDTS, .run = largest_transfer},
    {.name = "transfers beyond MDTS are refused",
     .section = "5.17.2.1",
     .rule = RULE_MDTS_LIMIT,
     .run = larger_than_mdts},
    {.name = "a read to what is not mapped changes nothing",
     .section = "homid(8), TRUST",
     .rule = RULE_DMA_BOUNDS,
     .run = stray_read},
    {.name = "a transfer to what is not mapped is an error",
     .section = "3.3.3.2.1.1",
     .rule = RULE_DMA_ERROR,
     .run = stray_is_an_error},
    {.name = "a PRP list that is not mapped is an error",
     .section = "3.3.3.2.1.1",
     .rule = RULE_DMA_LIST,
     .run = stray_list},
    {.name = "what is mapped for reading is not written",
     .section = "homid(8), TRUST",
     .rule = RULE_DMA_READ_ONLY,
     .run = admin_memory_is_read_only},
    {.name = "memory ends with its mapping",
     .section = "homid(8), TRUST",
     .rule = RULE_DMA_UNMAP,
     .run = mappings_end,
     .kind = CASE_BACKEND},
    {.name = "mappings do not overlap",
     .section = "daemon/hw/backend.h",
     .rule = RULE_DMA_OVERLAP,
     .run = mappings_do_not_overlap,
     .kind = CASE_BACKEND},
};
const struct case_list cases_memory = LIST(cases);
