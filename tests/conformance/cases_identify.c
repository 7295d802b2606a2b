/* SPDX-License-Identifier: BSD-3-Clause */
/* Identify (NVMe Base 2.0, section 5.17; NVM Command Set 1.0, section 4.1.5). */
#include <string.h>

#include "tests/conformance/cases.h"
#include "tests/conformance/raw.h"

enum { CSI_UNKNOWN = 0x2a, CNS_UNKNOWN = 0x7f, CNS_CSI_NAMESPACE = 5, CNS_CSI_CONTROLLER = 6 };

static const struct nvme_id_ctrl *controller(struct rig *rig)
{
    if (raw_identify(rig, NVME_IDENTIFY_CNS_CTRL, 0) != 0)
        memset(rig->memory + RIG_DATA, 0, 4096);
    return (const struct nvme_id_ctrl *)(const void *)(rig->memory + RIG_DATA);
}

static const struct nvme_id_ns *namespace_data(struct rig *rig, uint32_t nsid)
{
    if (raw_identify(rig, NVME_IDENTIFY_CNS_NS, nsid) != 0)
        memset(rig->memory + RIG_DATA, 0xff, 4096);
    return (const struct nvme_id_ns *)(const void *)(rig->memory + RIG_DATA);
}

static const char *controller_id(struct rig *rig, const struct conformance_case *self)
{
    (void)self;
    EXPECT(le16toh(controller(rig)->cntlid) == rig->secondaries[0].controller_id);
    return NULL;
}

static const char *submission_entry_size(struct rig *rig, const struct conformance_case *self)
{
    (void)self;
    EXPECT((controller(rig)->sqes & 0xf) == 6 && controller(rig)->sqes >> 4 >= 6);
    return NULL;
}

static const char *completion_entry_size(struct rig *rig, const struct conformance_case *self)
{
    (void)self;
    EXPECT((controller(rig)->cqes & 0xf) == 4 && controller(rig)->cqes >> 4 >= 4);
    return NULL;
}

/* ASCII, padded with spaces at the right. */
static bool padded(const char *text, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        if (text[i] < 0x20 || text[i] > 0x7e)
            return false;
    }
    return true;
}

static const char *serial_number(struct rig *rig, const struct conformance_case *self)
{
    const struct nvme_id_ctrl *id = controller(rig);
    (void)self;

    EXPECT(padded(id->sn, sizeof(id->sn)));
    EXPECT(strncmp(id->sn, rig->device_info.serial, strlen(rig->device_info.serial)) == 0);
    return NULL;
}

static const char *model_number(struct rig *rig, const struct conformance_case *self)
{
    const struct nvme_id_ctrl *id = controller(rig);
    (void)self;

    EXPECT(padded(id->mn, sizeof(id->mn)) && id->mn[0] != ' ');
    return NULL;
}

static const char *firmware_revision(struct rig *rig, const struct conformance_case *self)
{
    const struct nvme_id_ctrl *id = controller(rig);
    (void)self;

    EXPECT(padded(id->fr, sizeof(id->fr)) && id->fr[0] != ' ');
    return NULL;
}

static const char *version_is_that_of_the_register(struct rig *rig, const struct conformance_case *self)
{
    (void)self;
    EXPECT(le32toh(controller(rig)->ver) == raw_read32(rig, REGISTER_VS));
    return NULL;
}

static const char *subsystem_name(struct rig *rig, const struct conformance_case *self)
{
    const struct nvme_id_ctrl *id = controller(rig);
    (void)self;

    EXPECT(strncmp(id->subnqn, "nqn.", 4) == 0);
    EXPECT(memchr(id->subnqn, 0, sizeof(id->subnqn)) != NULL);
    return NULL;
}

static const char *namespace_count(struct rig *rig, const struct conformance_case *self)
{
    (void)self;
    EXPECT(le32toh(controller(rig)->nn) >= rig->nsid);
    return NULL;
}

static const char *controller_type(struct rig *rig, const struct conformance_case *self)
{
    (void)self;
    EXPECT(controller(rig)->cntrltype == 1);
    return NULL;
}

static const char *many_controllers(struct rig *rig, const struct conformance_case *self)
{
    (void)self;
    EXPECT(controller(rig)->cmic & 1 << 1);
    return NULL;
}

static const char *is_a_virtual_function(struct rig *rig, const struct conformance_case *self)
{
    (void)self;
    EXPECT(controller(rig)->cmic & 1 << 2);
    return NULL;
}

static const char *warning_temperature(struct rig *rig, const struct conformance_case *self)
{
    (void)self;
    EXPECT(le16toh(controller(rig)->cctemp) >= le16toh(controller(rig)->wctemp));
    EXPECT(le16toh(controller(rig)->wctemp) > 0);
    return NULL;
}

/* What OACS does not list is refused, and the other way round. */
static const char *optional_admin_commands(struct rig *rig, const struct conformance_case *self)
{
    static const struct {
        uint16_t bit;
        uint8_t opcode;
    } commands[] = {{1 << 3, nvme_admin_ns_mgmt},
                    {1 << 5, nvme_admin_directive_send},
                    {1 << 7, nvme_admin_virtual_mgmt},
                    {1 << 8, nvme_admin_dbbuf},
                    {1 << 10, nvme_admin_lockdown}};
    uint16_t offered = le16toh(controller(rig)->oacs);
    (void)self;

    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        /* Arguments that none of these commands takes, so that nothing is done. */
        uint16_t status = raw_admin(rig, (struct nvme_command){.opcode = commands[i].opcode,
                                                               .prp1 = RIG_IOVA + RIG_DATA + 4,
                                                               .prp2 = RIG_IOVA + RIG_DATA + 4,
                                                               .dword10 = UINT32_MAX,
                                                               .dword11 = UINT32_MAX,
                                                               .nsid = UINT32_MAX - 1});
        if (!(offered & commands[i].bit))
            EXPECT(status == GENERIC(INVALID_OPCODE));
        else
            EXPECT(status != GENERIC(INVALID_OPCODE));
    }
    return NULL;
}

static const char *optional_io_commands(struct rig *rig, const struct conformance_case *self)
{
    static const struct {
        uint16_t bit;
        uint8_t opcode;
    } commands[] = {{1 << 0, nvme_cmd_compare},
                    {1 << 1, nvme_cmd_write_uncor},
                    {1 << 3, nvme_cmd_write_zeroes},
                    {1 << 7, nvme_cmd_verify}};
    uint16_t offered = le16toh(controller(rig)->oncs);
    struct lane lane;
    (void)self;

    EXPECT(raw_lane(rig, &lane, 1, CASE_ENTRIES));
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        uint16_t status = lane_give(&lane, transfer(rig, commands[i].opcode, rig->blocks, 1, RIG_DATA));
        EXPECT(status == (offered & commands[i].bit ? GENERIC(LBA_RANGE) : GENERIC(INVALID_OPCODE)));
    }
    return NULL;
}

/* ---- namespaces ---- */

static const char *namespace_size(struct rig *rig, const struct conformance_case *self)
{
    const struct nvme_id_ns *id = namespace_data(rig, rig->nsid);
    struct lane lane;
    (void)self;

    uint64_t blocks = le64toh(id->nsze);
    EXPECT(blocks > 0 && le64toh(id->ncap) <= blocks && le64toh(id->nuse) <= le64toh(id->ncap));
    EXPECT(raw_lane(rig, &lane, 1, CASE_ENTRIES));
    EXPECT(lane_give(&lane, transfer(rig, nvme_cmd_read, blocks - 1, 1, RIG_OTHER)) == 0);
    EXPECT(lane_give(&lane, transfer(rig, nvme_cmd_read, blocks, 1, RIG_OTHER)) == GENERIC(LBA_RANGE));
    return NULL;
}

static const char *namespace_format(struct rig *rig, const struct conformance_case *self)
{
    const struct nvme_id_ns *id = namespace_data(rig, rig->nsid);
    unsigned index = id->flbas & 0xf;
    (void)self;

    EXPECT(index <= id->nlbaf);
    EXPECT(id->lbaf[index].ds >= 9 && 1u << id->lbaf[index].ds == rig->block);
    return NULL;
}

static const char *inactive_is_zeroes(struct rig *rig, const struct conformance_case *self)
{
    (void)self;
    NEED(rig->other_nsid);
    EXPECT(raw_identify(rig, NVME_IDENTIFY_CNS_NS, rig->other_nsid) == 0);
    for (unsigned i = 0; i < 4096; i++)
        EXPECT(rig->memory[RIG_DATA + i] == 0);
    return NULL;
}

static const char *beyond_the_last(struct rig *rig, const struct conformance_case *self)
{
    uint32_t last = le32toh(controller(rig)->nn);
    (void)self;

    EXPECT(raw_identify(rig, NVME_IDENTIFY_CNS_NS, last + 1) == GENERIC(INVALID_NS));
    return NULL;
}

/* The capabilities common to all namespaces are for those who can create some. */
static const char *all_namespaces(struct rig *rig, const struct conformance_case *self)
{
    bool manages = le16toh(controller(rig)->oacs) & NVME_CTRL_OACS_NS_MGMT;
    (void)self;

    EXPECT(raw_identify(rig, NVME_IDENTIFY_CNS_NS, NSID_ALL) == (manages ? 0 : GENERIC(INVALID_NS)));
    return NULL;
}

static bool listed(const struct rig *rig, uint32_t nsid)
{
    const uint32_t *list = (const uint32_t *)(const void *)(rig->memory + RIG_DATA);

    for (unsigned i = 0; i < 1024 && list[i]; i++) {
        if (le32toh(list[i]) == nsid)
            return true;
    }
    return false;
}

static const char *active_list_has_the_attached(struct rig *rig, const struct conformance_case *self)
{
    (void)self;
    EXPECT(raw_identify(rig, NVME_IDENTIFY_CNS_NS_ACTIVE_LIST, 0) == 0);
    EXPECT(listed(rig, rig->nsid));
    return NULL;
}

static const char *active_list_has_no_other(struct rig *rig, const struct conformance_case *self)
{
    (void)self;
    NEED(rig->other_nsid);
    EXPECT(raw_identify(rig, NVME_IDENTIFY_CNS_NS_ACTIVE_LIST, 0) == 0);
    EXPECT(!listed(rig, rig->other_nsid));
    return NULL;
}

static const char *active_list_begins_after(struct rig *rig, const struct conformance_case *self)
{
    (void)self;
    EXPECT(raw_identify(rig, NVME_IDENTIFY_CNS_NS_ACTIVE_LIST, rig->nsid) == 0);
    EXPECT(!listed(rig, rig->nsid));
    return NULL;
}

static const char *descriptors(struct rig *rig, const struct conformance_case *self)
{
    static const uint8_t lengths[] = {0, 8, 16, 16, 1}; /* by NIDT */
    const uint8_t *data = rig->memory + RIG_DATA;
    unsigned at = 0, count = 0;
    (void)self;

    EXPECT(raw_identify(rig, NVME_IDENTIFY_CNS_NS_DESC_LIST, rig->nsid) == 0);
    for (; at + 4 < 4096 && data[at + 1]; at += 4u + data[at + 1]) {
        EXPECT(data[at] >= 1 && data[at] <= 4 && data[at + 1] == lengths[data[at]]);
        count += data[at] != 4; /* CSI identifies nothing */
    }
    EXPECT(count > 0);
    return NULL;
}

static const char *descriptors_of_no_namespace(struct rig *rig, const struct conformance_case *self)
{
    uint32_t last = le32toh(controller(rig)->nn);
    (void)self;

    EXPECT(raw_identify(rig, NVME_IDENTIFY_CNS_NS_DESC_LIST, last + 1) == GENERIC(INVALID_NS));
    return NULL;
}

static uint16_t identify_set(struct rig *rig, uint8_t cns, uint32_t nsid, uint32_t set)
{
    return raw_admin(rig, (struct nvme_command){.opcode = nvme_admin_identify,
                                                .nsid = nsid,
                                                .prp1 = RIG_IOVA + RIG_DATA,
                                                .dword10 = cns,
                                                .dword11 = set << 24});
}

static const char *command_set_of_namespace(struct rig *rig, const struct conformance_case *self)
{
    (void)self;
    NEED(raw_read32(rig, REGISTER_VS) >= 0x20000);
    EXPECT(identify_set(rig, CNS_CSI_NAMESPACE, rig->nsid, NVME_CSI_NVM) == 0);
    return NULL;
}

static const char *command_set_of_controller(struct rig *rig, const struct conformance_case *self)
{
    (void)self;
    NEED(raw_read32(rig, REGISTER_VS) >= 0x20000);
    EXPECT(identify_set(rig, CNS_CSI_CONTROLLER, 0, NVME_CSI_NVM) == 0);
    return NULL;
}

static const char *unknown_command_set(struct rig *rig, const struct conformance_case *self)
{
    (void)self;
    NEED(raw_read32(rig, REGISTER_VS) >= 0x20000);
    EXPECT(identify_set(rig, CNS_CSI_CONTROLLER, 0, CSI_UNKNOWN) == GENERIC(INVALID_FIELD));
    return NULL;
}

#define IDENTIFY(cns, id)                                                                                    \
    {                                                                                                        \
        .opcode = nvme_admin_identify, .nsid = (id), .prp1 = RIG_IOVA + RIG_DATA, .dword10 = (cns)           \
    }

static const struct conformance_case cases[] = {
    {.name = "CNTLID is that of the secondary controller list",
     .section = "5.17.2.1",
     .rule = RULE_ID_CNTLID,
     .run = controller_id},
    {.name = "submission queue entries have 64 bytes",
     .section = "5.17.2.1",
     .rule = RULE_ID_SQES,
     .run = submission_entry_size},
    {.name = "completion queue entries have 16 bytes",
     .section = "5.17.2.1",
     .rule = RULE_ID_CQES,
     .run = completion_entry_size},
    {.name = "SN is the device's, padded with spaces",
     .section = "5.17.2.1, 1.4.2",
     .rule = RULE_ID_SERIAL,
     .run = serial_number},
    {.name = "MN is a text padded with spaces",
     .section = "5.17.2.1, 1.4.2",
     .rule = RULE_ID_MODEL,
     .run = model_number},
    {.name = "FR is a text padded with spaces",
     .section = "5.17.2.1, 1.4.2",
     .rule = RULE_ID_FIRMWARE,
     .run = firmware_revision},
    {.name = "VER is the version of the register",
     .section = "5.17.2.1",
     .rule = RULE_ID_VERSION,
     .run = version_is_that_of_the_register},
    {.name = "SUBNQN is an NQN", .section = "5.17.2.1, 4.5", .rule = RULE_ID_SUBNQN, .run = subsystem_name},
    {.name = "NN covers every namespace", .section = "5.17.2.1", .rule = RULE_ID_NN, .run = namespace_count},
    {.name = "CNTRLTYPE is an I/O controller",
     .section = "5.17.2.1",
     .rule = RULE_ID_TYPE,
     .run = controller_type},
    {.name = "CMIC says that there are several controllers",
     .section = "5.17.2.1",
     .rule = RULE_ID_CMIC_MANY,
     .run = many_controllers},
    {.name = "CMIC says that it is a virtual function",
     .section = "5.17.2.1",
     .rule = RULE_ID_CMIC_VF,
     .run = is_a_virtual_function},
    {.name = "WCTEMP is not above CCTEMP",
     .section = "5.17.2.1",
     .rule = RULE_ID_TEMPERATURE,
     .run = warning_temperature},
    {.name = "OACS tells which admin commands there are",
     .section = "5.17.2.1",
     .rule = RULE_ID_OACS,
     .run = optional_admin_commands},
    {.name = "ONCS tells which I/O commands there are",
     .section = "5.17.2.1",
     .rule = RULE_ID_ONCS,
     .run = optional_io_commands},
    {.name = "NSZE is where the namespace ends",
     .section = "NVM 4.1.5.1",
     .rule = RULE_NS_SIZE,
     .run = namespace_size},
    {.name = "FLBAS is a format, of the right block size",
     .section = "NVM 4.1.5.1",
     .rule = RULE_NS_FORMAT,
     .run = namespace_format},
    {.name = "an inactive namespace identifies as zeroes",
     .section = "5.17.2.1",
     .rule = RULE_NS_INACTIVE,
     .run = inactive_is_zeroes},
    {.name = "NSID 0 identifies nothing",
     .section = "5.17.2.1",
     .rule = RULE_NS_ZERO,
     .run = case_admin,
     .command = IDENTIFY(0, 0),
     .status = GENERIC(INVALID_NS)},
    {.name = "a NSID beyond NN identifies nothing",
     .section = "3.2.1.2",
     .rule = RULE_NS_BEYOND,
     .run = beyond_the_last},
    {.name = "NSID FFFFFFFFh is for namespace management",
     .section = "5.17.2.1",
     .rule = RULE_NS_ALL,
     .run = all_namespaces},
    {.name = "the active list has what is attached",
     .section = "5.17.2.2",
     .rule = RULE_LIST_ACTIVE,
     .run = active_list_has_the_attached},
    {.name = "the active list has nothing else",
     .section = "5.17.2.2",
     .rule = RULE_LIST_OTHERS,
     .run = active_list_has_no_other},
    {.name = "the active list begins after NSID",
     .section = "5.17.2.2",
     .rule = RULE_LIST_AFTER,
     .run = active_list_begins_after},
    {.name = "the active list refuses NSID FFFFFFFEh",
     .section = "5.17.2.2",
     .rule = RULE_LIST_END,
     .run = case_admin,
     .command = IDENTIFY(NVME_IDENTIFY_CNS_NS_ACTIVE_LIST, NSID_ALL - 1),
     .status = GENERIC(INVALID_NS)},
    {.name = "the active list refuses NSID FFFFFFFFh",
     .section = "5.17.2.2",
     .rule = RULE_LIST_END,
     .run = case_admin,
     .command = IDENTIFY(NVME_IDENTIFY_CNS_NS_ACTIVE_LIST, NSID_ALL),
     .status = GENERIC(INVALID_NS)},
    {.name = "a namespace has an identifier",
     .section = "5.17.2.3",
     .rule = RULE_DESCRIPTORS,
     .run = descriptors},
    {.name = "no namespace, no identifiers",
     .section = "5.17.2.3",
     .rule = RULE_DESCRIPTORS_NONE,
     .run = descriptors_of_no_namespace},
    {.name = "a namespace tells its command set's fields",
     .section = "NVM 4.1.5.3",
     .rule = RULE_CSI_NAMESPACE,
     .run = command_set_of_namespace},
    {.name = "a controller tells its command set's fields",
     .section = "NVM 4.1.5.4",
     .rule = RULE_CSI_CONTROLLER,
     .run = command_set_of_controller},
    {.name = "an unknown command set is refused",
     .section = "5.17.1",
     .rule = RULE_CSI_UNKNOWN,
     .run = unknown_command_set},
    {.name = "an unknown CNS is refused",
     .section = "5.17.1",
     .rule = RULE_CNS_UNKNOWN,
     .run = case_admin,
     .command = IDENTIFY(CNS_UNKNOWN, 0),
     .status = GENERIC(INVALID_FIELD)},
};
const struct case_list cases_identify = LIST(cases);
