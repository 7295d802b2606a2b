/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/conformance/raw.h"

#include <sched.h>
#include <string.h>
#include <unistd.h>

enum {
    ADMIN_AT = 0x30000,
    ADMIN_COMPLETIONS_AT = 0x34000,
    LANES_AT = 0x40000,
    LANE_BYTES = 0x20000,
    HALF = 0x10000
};

uint32_t raw_read32(const struct rig *rig, unsigned offset)
{
    return le32toh(*(volatile uint32_t *)(rig->bar + offset));
}

uint64_t raw_read64(const struct rig *rig, unsigned offset)
{
    return raw_read32(rig, offset) | (uint64_t)raw_read32(rig, offset + 4) << 32;
}

void raw_write32(struct rig *rig, unsigned offset, uint32_t value)
{
    rig_write_doorbell(rig, (volatile uint32_t *)(rig->bar + offset), htole32(value));
}

static void write64(struct rig *rig, unsigned offset, uint64_t value)
{
    raw_write32(rig, offset, (uint32_t)value);
    raw_write32(rig, offset + 4, (uint32_t)(value >> 32));
}

bool raw_await(struct rig *rig, uint32_t mask, uint32_t value)
{
    unsigned halves = (unsigned)(raw_read64(rig, REGISTER_CAP) >> 24 & 0xff);
    uint64_t end = rig_now() + (rig->patience < halves * 500 ? rig->patience : halves * 500 + 500);

    while ((raw_read32(rig, REGISTER_CSTS) & mask) != value) {
        if (rig_now() >= end)
            return false;
        sched_yield();
    }
    return true;
}

bool raw_disable(struct rig *rig)
{
    raw_write32(rig, REGISTER_CC, CC_READY & ~1);
    return raw_await(rig, CSTS_READY, 0);
}

bool raw_enable_with(struct rig *rig, uint32_t entries)
{
    if (!raw_disable(rig))
        return false;
    memset(rig->memory + ADMIN_AT, 0, LANES_AT - ADMIN_AT);
    raw_write32(rig, REGISTER_AQA, (entries - 1) << 16 | (entries - 1));
    write64(rig, REGISTER_ASQ, RIG_IOVA + ADMIN_AT);
    write64(rig, REGISTER_ACQ, RIG_IOVA + ADMIN_COMPLETIONS_AT);
    lane_init(rig, &rig->admin, 0, entries, ADMIN_AT, ADMIN_COMPLETIONS_AT);
    raw_write32(rig, REGISTER_CC, CC_READY);
    return raw_await(rig, CSTS_READY | CSTS_FATAL, CSTS_READY);
}

bool raw_enable(struct rig *rig)
{
    return raw_enable_with(rig, RAW_ADMIN_ENTRIES);
}

/* Completions of event requests may come in between: they are kept for those who look for them. */
uint16_t raw_admin(struct rig *rig, struct nvme_command command)
{
    struct lane_result result;

    command.cid = ++rig->cid & 0x7fff;
    lane_put(&rig->admin, command);
    lane_ring(&rig->admin);
    while (lane_reap(&rig->admin, rig->patience, &result)) {
        if (result.cid == command.cid) {
            rig->value = result.value;
            return result.status;
        }
        rig->stray = result;
        rig->strays++;
    }
    return UINT16_MAX;
}

uint16_t raw_identify(struct rig *rig, uint8_t cns, uint32_t nsid)
{
    memset(rig->memory + RIG_DATA, 0xee, 4096);
    return raw_admin(
        rig, (struct nvme_command){
                 .opcode = nvme_admin_identify, .nsid = nsid, .prp1 = RIG_IOVA + RIG_DATA, .dword10 = cns});
}

uint16_t raw_log(struct rig *rig, uint8_t page, uint32_t bytes, bool retain)
{
    memset(rig->memory + RIG_DATA, 0xee, 4096);
    return raw_admin(rig,
                     (struct nvme_command){.opcode = nvme_admin_get_log_page,
                                           .nsid = NSID_ALL,
                                           .prp1 = RIG_IOVA + RIG_DATA,
                                           .dword10 = page | (uint32_t)retain << 15 | (bytes / 4 - 1) << 16});
}

uint16_t raw_get_feature(struct rig *rig, uint8_t feature, unsigned select, uint32_t dword11)
{
    return raw_admin(rig, (struct nvme_command){.opcode = nvme_admin_get_features,
                                                .prp1 = RIG_IOVA + RIG_DATA,
                                                .dword10 = feature | select << 8,
                                                .dword11 = dword11});
}

uint16_t raw_set_feature(struct rig *rig, uint8_t feature, uint32_t dword11)
{
    return raw_admin(rig, (struct nvme_command){
                              .opcode = nvme_admin_set_features, .dword10 = feature, .dword11 = dword11});
}

uint16_t raw_create_completion(struct rig *rig, uint16_t id, uint32_t entries, unsigned place, int vector)
{
    uint64_t at = LANES_AT + place * (uint64_t)LANE_BYTES + HALF;

    memset(rig->memory + at, 0, HALF);
    return raw_admin(rig, (struct nvme_command){.opcode = nvme_admin_create_cq,
                                                .prp1 = RIG_IOVA + at,
                                                .dword10 = id | (entries - 1) << 16,
                                                .dword11 = vector < 0 ? 1 : (uint32_t)vector << 16 | 3});
}

uint16_t raw_create_submission(struct rig *rig, uint16_t id, uint32_t entries, unsigned place,
                               uint16_t completion)
{
    return raw_admin(rig, (struct nvme_command){.opcode = nvme_admin_create_sq,
                                                .prp1 = RIG_IOVA + LANES_AT + place * (uint64_t)LANE_BYTES,
                                                .dword10 = id | (entries - 1) << 16,
                                                .dword11 = (uint32_t)completion << 16 | 1});
}

uint16_t raw_delete(struct rig *rig, uint8_t opcode, uint16_t id)
{
    return raw_admin(rig, (struct nvme_command){.opcode = opcode, .dword10 = id});
}

bool raw_lane_at(struct rig *rig, struct lane *lane, uint16_t id, uint32_t entries, unsigned place,
                 int vector)
{
    uint64_t at = LANES_AT + place * (uint64_t)LANE_BYTES;

    lane_init(rig, lane, id, entries, at, at + HALF);
    return raw_create_completion(rig, id, entries, place, vector) == 0 &&
           raw_create_submission(rig, id, entries, place, id) == 0;
}

bool raw_lane(struct rig *rig, struct lane *lane, uint16_t id, uint32_t entries)
{
    return raw_lane_at(rig, lane, id, entries, 0, -1);
}
