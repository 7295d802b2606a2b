/* SPDX-License-Identifier: BSD-3-Clause */
/* The life of a VF and of its secondary controller (NVMe Base 2.0, sections 5.28 and 8.26), by the backend.
 */
#include <errno.h>
#include <string.h>

#include "tests/conformance/cases.h"
#include "tests/conformance/raw.h"

enum { SECOND = 1 }; /* a VF beside the one that is open */

static bool manages(const struct rig *rig)
{
    return rig->device_info.virtualization_management;
}

static uint16_t second_id(const struct rig *rig)
{
    return rig->secondaries[SECOND].controller_id;
}

static int online(struct rig *rig, uint16_t id, bool on)
{
    rig->backend->set_online(rig->device, id, on, rig_done, rig);
    return rig_wait(rig);
}

static int assign(struct rig *rig, uint16_t id, enum hw_resource_kind kind, uint16_t count)
{
    rig->backend->assign(rig->device, id, kind, count, rig_done, rig);
    return rig_wait(rig);
}

static bool refused(const struct rig *rig, int error, uint16_t status)
{
    return error == -EIO && (rig->result.nvme_status & 0x7ff) == status;
}

/* The second VF goes offline, and after the case it has again what it had. */
static const char *while_offline(struct rig *rig, const char *(*act)(struct rig *rig, uint16_t id))
{
    const struct hw_secondary before = rig->secondaries[SECOND];

    NEED(manages(rig) && before.function && before.online);
    EXPECT(online(rig, before.controller_id, false) == 0);
    const char *wrong = act(rig, before.controller_id);
    if (online(rig, before.controller_id, false) < 0 ||
        assign(rig, before.controller_id, HW_QUEUES, before.queues) < 0 ||
        assign(rig, before.controller_id, HW_INTERRUPTS, before.interrupts) < 0 ||
        online(rig, before.controller_id, true) < 0 || rig_list(rig) < 0)
        return wrong ? wrong : "the second VF cannot be brought online again";
    return wrong;
}

static const char *list(struct rig *rig, const struct conformance_case *self)
{
    const struct hw_secondary *entry = &rig->secondaries[SECOND];
    (void)self;

    NEED(manages(rig));
    EXPECT(rig_list(rig) == 0);
    EXPECT(entry->online && entry->function == SECOND + 1 && entry->queues >= 2 && entry->interrupts >= 1);
    EXPECT(entry->controller_id != rig->secondaries[0].controller_id);
    return NULL;
}

static const char *do_offline_frees(struct rig *rig, uint16_t id)
{
    (void)id;
    EXPECT(rig_list(rig) == 0);
    EXPECT(!rig->secondaries[SECOND].online);
    EXPECT(rig->secondaries[SECOND].queues == 0 && rig->secondaries[SECOND].interrupts == 0);
    return NULL;
}

static const char *do_assign_shows(struct rig *rig, uint16_t id)
{
    EXPECT(assign(rig, id, HW_QUEUES, 2) == 0);
    EXPECT(rig->result.value == 2); /* DW0: how many were assigned */
    EXPECT(assign(rig, id, HW_INTERRUPTS, 1) == 0);
    EXPECT(rig_list(rig) == 0);
    EXPECT(rig->secondaries[SECOND].queues == 2 && rig->secondaries[SECOND].interrupts == 1);
    return NULL;
}

static const char *do_too_many_queues(struct rig *rig, uint16_t id)
{
    uint16_t most = rig->device_info.queues.per_function;

    EXPECT(refused(rig, assign(rig, id, HW_QUEUES, (uint16_t)(most + 1)), SPECIFIC(INVALID_CTRL_RESOURCES)));
    return NULL;
}

static const char *do_too_many_interrupts(struct rig *rig, uint16_t id)
{
    uint16_t most = rig->device_info.interrupts.per_function;

    EXPECT(
        refused(rig, assign(rig, id, HW_INTERRUPTS, (uint16_t)(most + 1)), SPECIFIC(INVALID_CTRL_RESOURCES)));
    return NULL;
}

static const char *do_no_queues(struct rig *rig, uint16_t id)
{
    EXPECT(assign(rig, id, HW_QUEUES, 1) == 0);
    EXPECT(assign(rig, id, HW_INTERRUPTS, 1) == 0);
    EXPECT(refused(rig, online(rig, id, true), SPECIFIC(INVALID_SEC_CTRL_STATE)));
    return NULL;
}

static const char *do_no_interrupts(struct rig *rig, uint16_t id)
{
    EXPECT(assign(rig, id, HW_QUEUES, 2) == 0);
    EXPECT(refused(rig, online(rig, id, true), SPECIFIC(INVALID_SEC_CTRL_STATE)));
    return NULL;
}

static const char *do_twice_offline(struct rig *rig, uint16_t id)
{
    EXPECT(online(rig, id, false) == 0);
    return NULL;
}

static const char *do_open(struct rig *rig, uint16_t id)
{
    (void)id;
    rig->backend->open(rig->device, SECOND, rig, rig_done, rig);
    EXPECT(rig_wait(rig) != 0);
    return NULL;
}

#define OFFLINE(name)                                                                                        \
    static const char *name(struct rig *rig, const struct conformance_case *self)                            \
    {                                                                                                        \
        (void)self;                                                                                          \
        return while_offline(rig, do_##name);                                                                \
    }
OFFLINE(offline_frees)
OFFLINE(assign_shows)
OFFLINE(too_many_queues)
OFFLINE(too_many_interrupts)
OFFLINE(no_queues)
OFFLINE(no_interrupts)
OFFLINE(twice_offline)
OFFLINE(open)

static const char *assign_online(struct rig *rig, const struct conformance_case *self)
{
    (void)self;
    NEED(manages(rig));
    EXPECT(refused(rig, assign(rig, second_id(rig), HW_QUEUES, 2), SPECIFIC(INVALID_SEC_CTRL_STATE)));
    return NULL;
}

static const char *twice_online(struct rig *rig, const struct conformance_case *self)
{
    (void)self;
    NEED(manages(rig));
    EXPECT(online(rig, second_id(rig), true) == 0);
    return NULL;
}

static const char *unknown_controller(struct rig *rig, const struct conformance_case *self)
{
    (void)self;
    NEED(manages(rig));
    EXPECT(refused(rig, online(rig, 0x7fff, false), SPECIFIC(INVALID_CTRL_ID)));
    return NULL;
}

static const char *no_such_function(struct rig *rig, const struct conformance_case *self)
{
    (void)self;
    EXPECT(rig_close(rig) == 0);
    rig->backend->set_function_count(rig->device, rig->device_info.functions_total + 1u, rig_done, rig);
    int r = rig_wait(rig);
    EXPECT(rig_provision(rig, rig->functions, rig->queues, rig->interrupts) == 0);
    EXPECT(r != 0);
    return NULL;
}

static const char *offline_is_fatal(struct rig *rig, const struct conformance_case *self)
{
    uint16_t id = rig->info.controller_id;
    struct lane_result result;
    struct lane lane;
    (void)self;

    NEED(manages(rig));
    EXPECT(lane_open(rig, &lane, 1, CASE_ENTRIES, 0) == 0);
    EXPECT(online(rig, id, false) == 0);
    lane_put(&lane, transfer(rig, nvme_cmd_read, 0, 1, RIG_DATA));
    lane_ring(&lane);
    bool served = lane_reap(&lane, QUIET_MILLISECONDS, &result);
    bool told = rig_event(rig, HW_FUNCTION_FAILED);
    rig_close(rig);
    EXPECT(assign(rig, id, HW_QUEUES, rig->secondaries[0].queues) == 0);
    EXPECT(assign(rig, id, HW_INTERRUPTS, rig->secondaries[0].interrupts) == 0);
    EXPECT(online(rig, id, true) == 0);
    EXPECT(!served);
    EXPECT(told);
    return NULL;
}

/* ---- namespaces ---- */

static const char *detached_is_gone(struct rig *rig, const struct conformance_case *self)
{
    struct lane lane;
    (void)self;

    NEED(rig->device_info.namespace_management);
    EXPECT(lane_open(rig, &lane, 1, CASE_ENTRIES, 0) == 0);
    EXPECT(lane_give(&lane, transfer(rig, nvme_cmd_read, 0, 1, RIG_DATA)) == 0);
    EXPECT(rig_attach(rig, rig->nsid, rig->info.controller_id, false) == 0);
    uint16_t status = lane_give(&lane, transfer(rig, nvme_cmd_read, 0, 1, RIG_DATA));
    EXPECT(rig_attach(rig, rig->nsid, rig->info.controller_id, true) == 0);
    EXPECT(status == GENERIC(INVALID_FIELD));
    EXPECT(lane_give(&lane, transfer(rig, nvme_cmd_read, 0, 1, RIG_DATA)) == 0);
    return NULL;
}

static const char *attachment_is_of_one_controller(struct rig *rig, const struct conformance_case *self)
{
    struct lane lane;
    (void)self;

    NEED(rig->device_info.namespace_management && rig->other_nsid);
    EXPECT(lane_open(rig, &lane, 1, CASE_ENTRIES, 0) == 0);
    EXPECT(rig_attach(rig, rig->other_nsid, second_id(rig), true) == 0);
    struct nvme_command command = transfer(rig, nvme_cmd_read, 0, 1, RIG_DATA);
    command.nsid = rig->other_nsid;
    uint16_t status = lane_give(&lane, command);
    EXPECT(rig_attach(rig, rig->other_nsid, second_id(rig), false) == 0);
    EXPECT(status == GENERIC(INVALID_FIELD));
    return NULL;
}

static const char *attachment_outlives_a_reset(struct rig *rig, const struct conformance_case *self)
{
    struct lane lane;
    (void)self;

    EXPECT(raw_enable(rig));
    EXPECT(raw_lane(rig, &lane, 1, CASE_ENTRIES));
    EXPECT(lane_give(&lane, transfer(rig, nvme_cmd_read, 0, 1, RIG_DATA)) == 0);
    return NULL;
}

static const char *data_outlives_the_function(struct rig *rig, const struct conformance_case *self)
{
    struct lane lane;
    (void)self;

    EXPECT(lane_open(rig, &lane, 1, CASE_ENTRIES, 0) == 0);
    fill(rig, RIG_DATA, rig->block, 61);
    EXPECT(lane_give(&lane, transfer(rig, nvme_cmd_write, 3, 1, RIG_DATA)) == 0);
    EXPECT(rig_close(rig) == 0);
    EXPECT(rig_open(rig, 0, 0) == 0); /* what was attached stays so */
    EXPECT(lane_open(rig, &lane, 1, CASE_ENTRIES, 0) == 0);
    EXPECT(lane_give(&lane, transfer(rig, nvme_cmd_read, 3, 1, RIG_OTHER)) == 0);
    EXPECT(memcmp(rig->memory + RIG_DATA, rig->memory + RIG_OTHER, rig->block) == 0);
    return NULL;
}

static const char *idle_wakes(struct rig *rig, const struct conformance_case *self)
{
    struct lane lane;
    (void)self;

    EXPECT(lane_open(rig, &lane, 1, CASE_ENTRIES, 0) == 0);
    for (unsigned i = 0; i < 3; i++) {
        rig_run(rig, 60); /* long enough to be asleep */
        EXPECT(lane_give(&lane, transfer(rig, nvme_cmd_read, 0, 1, RIG_DATA)) == 0);
    }
    return NULL;
}

static const struct conformance_case cases[] = {
    {.name = "the secondary controller list tells what each has",
     .section = "5.17.2.17",
     .rule = RULE_SECONDARY_LIST,
     .run = list,
     .kind = CASE_BACKEND},
    {.name = "offline gives resources back",
     .section = "5.28, 8.26.3",
     .rule = RULE_OFFLINE_FREES,
     .run = offline_frees,
     .kind = CASE_BACKEND},
    {.name = "what is assigned is there",
     .section = "5.28",
     .rule = RULE_ASSIGN,
     .run = assign_shows,
     .kind = CASE_BACKEND},
    {.name = "no more queues than VQFRSM",
     .section = "5.28, 5.17.2.16",
     .rule = RULE_ASSIGN_QUEUES,
     .run = too_many_queues,
     .kind = CASE_BACKEND},
    {.name = "no more interrupts than VIFRSM",
     .section = "5.28, 5.17.2.16",
     .rule = RULE_ASSIGN_INTERRUPTS,
     .run = too_many_interrupts,
     .kind = CASE_BACKEND},
    {.name = "nothing is assigned while online",
     .section = "5.28",
     .rule = RULE_ASSIGN_ONLINE,
     .run = assign_online,
     .kind = CASE_BACKEND},
    {.name = "no controller is online with one queue",
     .section = "8.26.3",
     .rule = RULE_ONLINE_QUEUES,
     .run = no_queues,
     .kind = CASE_BACKEND},
    {.name = "no controller is online without an interrupt",
     .section = "8.26.3",
     .rule = RULE_ONLINE_INTERRUPTS,
     .run = no_interrupts,
     .kind = CASE_BACKEND},
    {.name = "an offline controller may go offline",
     .section = "5.28",
     .rule = RULE_OFFLINE_TWICE,
     .run = twice_offline,
     .kind = CASE_BACKEND},
    {.name = "an online controller may go online",
     .section = "5.28",
     .rule = RULE_ONLINE_TWICE,
     .run = twice_online,
     .kind = CASE_BACKEND},
    {.name = "an offline controller does not become ready",
     .section = "8.26.3",
     .rule = RULE_OFFLINE_OPEN,
     .run = open,
     .kind = CASE_BACKEND},
    {.name = "a controller that is not there is refused",
     .section = "5.28",
     .rule = RULE_CONTROLLER_ID,
     .run = unknown_controller,
     .kind = CASE_BACKEND},
    {.name = "no more VFs than TotalVFs",
     .section = "SR-IOV 1.1, 3.3.5",
     .rule = RULE_FUNCTIONS_TOTAL,
     .run = no_such_function,
     .kind = CASE_BACKEND},
    {.name = "offline is fatal to the holder",
     .section = "8.26.3",
     .rule = RULE_OFFLINE_FATAL,
     .run = offline_is_fatal,
     .kind = CASE_BACKEND},
    {.name = "a detached namespace is inactive",
     .section = "5.20, 3.2.1.4",
     .rule = RULE_DETACH,
     .run = detached_is_gone,
     .kind = CASE_BACKEND},
    {.name = "a namespace is attached to one controller at a time named",
     .section = "5.20",
     .rule = RULE_ATTACH_ONE,
     .run = attachment_is_of_one_controller,
     .kind = CASE_BACKEND},
    {.name = "attachments outlive a reset",
     .section = "5.20",
     .rule = RULE_ATTACH_KEPT,
     .run = attachment_outlives_a_reset},
    {.name = "data outlives the function",
     .section = "7",
     .rule = RULE_DATA_KEPT,
     .run = data_outlives_the_function,
     .kind = CASE_BACKEND},
    {.name = "an idle controller wakes",
     .section = "homi_queue(3)",
     .rule = RULE_WAKES,
     .run = idle_wakes,
     .kind = CASE_BACKEND},
};
const struct case_list cases_life = LIST(cases);
