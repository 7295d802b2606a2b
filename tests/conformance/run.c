/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "tests/conformance/cases.h"
#include "tests/conformance/raw.h"

const char not_offered[] = "the device does not offer it";

static const struct case_list *const lists[] = {&cases_registers, &cases_identify, &cases_admin,
                                                &cases_features,  &cases_events,   &cases_queues,
                                                &cases_io,        &cases_memory,   &cases_life};

size_t conformance_count(void)
{
    size_t count = 0;

    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
        count += lists[i]->count;
    return count;
}

const struct conformance_case *conformance_at(size_t index)
{
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        if (index < lists[i]->count)
            return &lists[i]->cases[index];
        index -= lists[i]->count;
    }
    return NULL;
}

/* A function that a case before left as it was opened will do, unless the backend's own queue is asked for.
 */
static bool make_ready(struct rig *rig, enum case_kind kind)
{
    bool usable = rig->function && !rig->worn && kind == CASE_CONTROLLER;

    if (rig->function && !usable)
        rig_close(rig);
    if (!usable && rig_open(rig, 0, rig->nsid) != 0)
        return false;
    rig->worn = kind == CASE_BACKEND;
    rig_forget(rig);
    return kind == CASE_BACKEND || raw_enable(rig);
}

const char *conformance_run(struct rig *rig, const struct conformance_case *entry)
{
    return conformance_run_with(rig, entry, NULL);
}

const char *conformance_run_with(struct rig *rig, const struct conformance_case *entry,
                                 volatile unsigned *switched_off)
{
    if (!make_ready(rig, entry->kind)) {
        rig->worn = true;
        return "the controller cannot be made ready";
    }
    if (switched_off)
        *switched_off = entry->rule;
    const char *wrong = entry->run(rig, entry);
    /* What went wrong may have left anything behind. */
    rig->worn = rig->worn || (wrong && wrong != not_offered);
    return wrong;
}

const char *case_admin(struct rig *rig, const struct conformance_case *self)
{
    EXPECT(raw_admin(rig, self->command) == self->status);
    return NULL;
}

const char *case_io(struct rig *rig, const struct conformance_case *self)
{
    struct nvme_command command = self->command;
    struct lane lane;

    if (command.nsid == 0)
        command.nsid = rig->nsid;
    command.cid = CASE_CID;
    EXPECT(raw_lane(rig, &lane, 1, CASE_ENTRIES));
    EXPECT(lane_give(&lane, command) == self->status);
    return NULL;
}

struct nvme_command transfer(const struct rig *rig, uint8_t opcode, uint64_t start, uint32_t blocks,
                             uint64_t offset)
{
    return (struct nvme_command){.opcode = opcode,
                                 .cid = CASE_CID,
                                 .nsid = rig->nsid,
                                 .prp1 = RIG_IOVA + offset,
                                 .dword10 = (uint32_t)start,
                                 .dword11 = (uint32_t)(start >> 32),
                                 .dword12 = blocks - 1};
}

void fill(struct rig *rig, uint64_t offset, size_t bytes, unsigned seed)
{
    for (size_t i = 0; i < bytes; i++)
        rig->memory[offset + i] = (uint8_t)(seed + i * 7 + i / 251);
}
