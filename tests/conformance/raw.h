/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A controller driven through its BAR, as its holder can: registers, an admin queue in the rig's memory, and
 * any command on it. The backend's admin queue is dead from then on; closing and opening the VF mends that.
 */
#ifndef HOMI_TESTS_CONFORMANCE_RAW_H
#define HOMI_TESTS_CONFORMANCE_RAW_H

#include "tests/conformance/rig.h"

enum {
    CC_READY = 0x00460001, /* EN, and the entry sizes of queues */
    RAW_ADMIN_ENTRIES = 32,
};

uint32_t raw_read32(const struct rig *rig, unsigned offset);
uint64_t raw_read64(const struct rig *rig, unsigned offset);
void raw_write32(struct rig *rig, unsigned offset, uint32_t value);
/* Whether (CSTS & mask) == value, at the latest after CAP.TO. */
bool raw_await(struct rig *rig, uint32_t mask, uint32_t value);

bool raw_disable(struct rig *rig);
/* Resets the controller and enables it with an admin queue of RAW_ADMIN_ENTRIES: rig->admin. */
bool raw_enable(struct rig *rig);
bool raw_enable_with(struct rig *rig, uint32_t entries); /* of both admin queues */

/* A command on the admin queue: its status, or UINT16_MAX; rig->value is DW0 of its completion. */
uint16_t raw_admin(struct rig *rig, struct nvme_command command);
/* Identify and Get Log Page to RIG_DATA. */
uint16_t raw_identify(struct rig *rig, uint8_t cns, uint32_t nsid);
uint16_t raw_log(struct rig *rig, uint8_t page, uint32_t bytes, bool retain);
uint16_t raw_get_feature(struct rig *rig, uint8_t feature, unsigned select, uint32_t dword11);
uint16_t raw_set_feature(struct rig *rig, uint8_t feature, uint32_t dword11);

/* Status of Create I/O Completion and Submission Queue as a driver would send them; place: 0 to 3. */
uint16_t raw_create_completion(struct rig *rig, uint16_t id, uint32_t entries, unsigned place, int vector);
uint16_t raw_create_submission(struct rig *rig, uint16_t id, uint32_t entries, unsigned place,
                               uint16_t completion);
uint16_t raw_delete(struct rig *rig, uint8_t opcode, uint16_t id);
/* A queue pair: both created, polled or (vector >= 0) with interrupts. */
bool raw_lane(struct rig *rig, struct lane *lane, uint16_t id, uint32_t entries);
bool raw_lane_at(struct rig *rig, struct lane *lane, uint16_t id, uint32_t entries, unsigned place,
                 int vector);

#endif
