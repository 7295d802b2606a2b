/* SPDX-License-Identifier: BSD-3-Clause */
/* Identify (NVMe Base 2.0, section 5.17; NVM Command Set 1.0, section 4.1.5). */
#include <string.h>

#include "daemon/model/device.h"
#include "daemon/model/rules.h"
#include "daemon/model/world.h"

enum {
    VERSION_2_0 = 0x00020000,
    OACS_LOCKDOWN = 1 << 10,
    FNA_FORMAT_ALL = 1 << 0,
    FNA_ERASE_ALL = 1 << 1,
    FNA_CRYPTOGRAPHIC = 1 << 2,
    FNA_NO_BROADCAST = 1 << 3,
    ONCS_COMPARE = 1 << 0,
    ONCS_DSM = 1 << 2,
    ONCS_WRITE_ZEROES = 1 << 3,
    ONCS_VERIFY = 1 << 7,
    VWC_PRESENT = 1,
    VWC_FLUSH_ALL_UNSUPPORTED = 2 << 1,
    DLFEAT_READS_ZERO = 1,
    CONTROLLER_IO = 1,
    CNS_CSI_NAMESPACE = 5,
    CNS_CSI_CONTROLLER = 6,
    CMIC_SHARED = 1 << 1, /* the subsystem has several controllers */
    CMIC_VF = 1 << 2,     /* this one is of a virtual function */
    LPA_EFFECTS = 1 << 1,
    OAES_NAMESPACES = 1 << 8,
    ENTRY_SIZES_SQ = 6 << 4 | 6,
    ENTRY_SIZES_CQ = 4 << 4 | 4,
};

static void put_text(char *field, size_t bytes, const char *text, enum rule padding)
{
    memset(field, rule(padding) ? ' ' : 0, bytes);
    memcpy(field, text, strnlen(text, bytes));
}

/* CRT: how many flexible resources there are, and of which kinds (figure of CNS 14h). */
static uint16_t identify_primary(struct admin_call *call)
{
    const struct device *device = call->device;
    const struct device_spec *spec = device->spec;
    struct nvme_primary_ctrl_cap *data = (struct nvme_primary_ctrl_cap *)(void *)call->data;

    if (call->function || !spec->virtualization)
        return GENERIC(INVALID_FIELD);
    data->crt = 3;
    data->vqfrt = htole32(spec->queues.total);
    data->vqrfa = htole32(spec->queues.total - device->queues_free);
    data->vqfrsm = htole16((uint16_t)spec->queues.per_function);
    data->vqgran = htole16((uint16_t)spec->queues.granularity);
    data->vifrt = htole32(spec->interrupts.total);
    data->virfa = htole32(spec->interrupts.total - device->interrupts_free);
    data->vifrsm = htole16((uint16_t)spec->interrupts.per_function);
    data->vigran = htole16((uint16_t)spec->interrupts.granularity);
    return 0;
}

static uint16_t identify_secondaries(struct admin_call *call)
{
    struct nvme_secondary_ctrl_list *data = (struct nvme_secondary_ctrl_list *)(void *)call->data;
    unsigned first = le32toh(call->command->dword10) >> 16;
    const struct device *device = call->device;

    if (call->function)
        return GENERIC(INVALID_FIELD);
    for (unsigned i = 0; i < device->spec->functions && data->num < NVME_ID_SECONDARY_CTRL_MAX; i++) {
        const struct function *function = &device->functions[i];
        struct nvme_secondary_ctrl *entry = &data->sc_entry[data->num];
        if (function->controller_id < first)
            continue;
        entry->scid = htole16(function->controller_id);
        entry->scs = function->online;
        entry->vfn = htole16((uint16_t)(i < device->functions_enabled ? i + 1 : 0));
        entry->nvq = htole16(function->queues);
        entry->nvi = htole16(function->interrupts);
        data->num++;
    }
    return 0;
}

static uint16_t optional_admin_commands(const struct admin_call *call)
{
    uint16_t oacs = 0;

    if (admin_supported(call->device, call->function, nvme_admin_format_nvm))
        oacs |= NVME_CTRL_OACS_FORMAT;
    if (admin_supported(call->device, call->function, nvme_admin_ns_mgmt))
        oacs |= NVME_CTRL_OACS_NS_MGMT;
    if (admin_supported(call->device, call->function, nvme_admin_virtual_mgmt))
        oacs |= NVME_CTRL_OACS_VIRT_MGMT;
    if (admin_supported(call->device, call->function, nvme_admin_lockdown))
        oacs |= OACS_LOCKDOWN;
    return oacs;
}

static uint8_t format_attributes(const struct format_spec *format)
{
    return (uint8_t)((format->all ? FNA_FORMAT_ALL : 0) | (format->erase_all ? FNA_ERASE_ALL : 0) |
                     (format->cryptographic ? FNA_CRYPTOGRAPHIC : 0) |
                     (format->no_wide ? FNA_NO_BROADCAST : 0));
}

static uint8_t log2_pages(uint32_t bytes)
{
    return (uint8_t)(__builtin_ctz(bytes) - PAGE_SHIFT);
}

static uint16_t identify_controller(struct admin_call *call)
{
    const struct device_spec *spec = call->device->spec;
    struct nvme_id_ctrl *data = (struct nvme_id_ctrl *)(void *)call->data;
    int length;

    put_text(data->sn, sizeof(data->sn), spec->serial, RULE_ID_SERIAL);
    put_text(data->mn, sizeof(data->mn), spec->model, RULE_ID_MODEL);
    put_text(data->fr, sizeof(data->fr), HOMI_VERSION, RULE_ID_FIRMWARE);
    data->cmic = (uint8_t)((rule(RULE_ID_CMIC_MANY) ? CMIC_SHARED : 0) |
                           (rule(RULE_ID_CMIC_VF) && call->function ? CMIC_VF : 0));
    data->mdts = log2_pages(spec->max_transfer_bytes);
    data->cntlid = htole16(call->function && rule(RULE_ID_CNTLID) ? call->function->controller_id : 0);
    data->ver = htole32(rule(RULE_ID_VERSION) ? VERSION_2_0 : 0);
    data->oaes = htole32(OAES_NAMESPACES);
    data->cntrltype = rule(RULE_ID_TYPE) ? CONTROLLER_IO : 0;
    data->oacs = htole16(optional_admin_commands(call) ^ (rule(RULE_ID_OACS) ? 0 : NVME_CTRL_OACS_NS_MGMT));
    data->aerl = FUNCTION_EVENT_REQUESTS_MAX - 1;
    data->frmw = 1 << 1 | 1; /* one slot, read only */
    data->lpa = LPA_EFFECTS;
    data->wctemp = htole16(350);
    data->cctemp = htole16(rule(RULE_ID_TEMPERATURE) ? 360 : 340);
    data->sqes = rule(RULE_ID_SQES) ? ENTRY_SIZES_SQ : 0;
    data->cqes = rule(RULE_ID_CQES) ? ENTRY_SIZES_CQ : 0;
    data->nn = htole32(rule(RULE_ID_NN) ? SPEC_NAMESPACE_ID_MAX : 0);
    data->oncs =
        htole16((rule(RULE_ID_ONCS) ? ONCS_COMPARE : 0) | ONCS_DSM | ONCS_WRITE_ZEROES | ONCS_VERIFY);
    data->fna = format_attributes(&spec->format);
    data->vwc = VWC_PRESENT | VWC_FLUSH_ALL_UNSUPPORTED;
    length = snprintf(data->subnqn, sizeof(data->subnqn), "%s2014-08.org.nvmexpress:uuid:homi-model-%s",
                      rule(RULE_ID_SUBNQN) ? "nqn." : "", spec->serial);
    return length > 0 ? 0 : GENERIC(INTERNAL);
}

static void describe(const struct namespace *space, uint8_t *page)
{
    struct nvme_id_ns *data = (struct nvme_id_ns *)(void *)page;

    data->nsze = data->ncap = data->nuse = htole64(space->blocks << (rule(RULE_NS_SIZE) ? 0 : 1));
    data->nlbaf = 1;
    data->lbaf[0].ds = 9;
    data->lbaf[1].ds = 12;
    data->flbas = (space->block_shift == 12) == rule(RULE_NS_FORMAT);
    data->nmic = space->shareable ? NVME_NS_NMIC_SHARED : 0;
    data->dlfeat = DLFEAT_READS_ZERO;
}

static uint16_t identify_namespace(struct admin_call *call, bool allocated)
{
    uint32_t id = le32toh(call->command->nsid);
    const struct namespace *space = device_namespace(call->device, call->function, id);
    bool manages = admin_supported(call->device, call->function, nvme_admin_ns_mgmt);

    /* The capabilities common to all namespaces, for whoever may create one (section 8.11). */
    if (id == NSID_ALL && !allocated && (manages || !rule(RULE_NS_ALL))) {
        const struct namespace common = {.block_shift = 9};
        describe(&common, call->data);
        return 0;
    }
    if ((id == 0 && rule(RULE_NS_ZERO)) || (id > SPEC_NAMESPACE_ID_MAX && rule(RULE_NS_BEYOND)))
        return GENERIC(INVALID_NS);
    if (id <= SPEC_NAMESPACE_ID_MAX && (allocated || !rule(RULE_NS_INACTIVE)))
        space = call->device->namespaces[id];
    if (space)
        describe(space, call->data);
    return 0; /* of an inactive namespace: zeroes (section 5.17.2.1) */
}

static uint16_t list_namespaces(struct admin_call *call, bool allocated)
{
    uint32_t after = le32toh(call->command->nsid);
    unsigned count = 0;

    if (after >= NSID_ALL - 1 && rule(RULE_LIST_END))
        return GENERIC(INVALID_NS);
    if (!rule(RULE_LIST_AFTER))
        after = 0;
    for (uint64_t id = (uint64_t)after + 1; id <= SPEC_NAMESPACE_ID_MAX && rule(RULE_LIST_ACTIVE); id++) {
        bool listed = allocated || !rule(RULE_LIST_OTHERS)
                          ? call->device->namespaces[id] != NULL
                          : device_namespace(call->device, call->function, (uint32_t)id) != NULL;
        uint32_t entry = htole32((uint32_t)id);
        if (listed)
            memcpy(call->data + count++ * sizeof(entry), &entry, sizeof(entry));
    }
    return 0;
}

/* Controllers from CNTID on: all of the subsystem, or those that a namespace is attached to. */
static uint16_t list_controllers(struct admin_call *call, bool of_namespace)
{
    struct nvme_ctrl_list *data = (struct nvme_ctrl_list *)(void *)call->data;
    unsigned first = le32toh(call->command->dword10) >> 16, count = 0;
    uint32_t id = le32toh(call->command->nsid);
    const struct namespace *space = id <= SPEC_NAMESPACE_ID_MAX ? call->device->namespaces[id] : NULL;

    if (of_namespace && !space)
        return GENERIC(INVALID_FIELD);
    for (unsigned i = first; i <= call->device->spec->functions; i++) {
        if (!of_namespace || namespace_attached(space, i))
            data->identifier[count++] = htole16((uint16_t)i);
    }
    data->num = htole16((uint16_t)count);
    return 0;
}

/* Section 5.17.2.4: an identifier of at least one type. */
static uint16_t identify_descriptors(struct admin_call *call)
{
    uint32_t id = le32toh(call->command->nsid);
    uint8_t *data = call->data;

    if (!device_namespace(call->device, call->function, id))
        return rule(RULE_DESCRIPTORS_NONE) ? GENERIC(INVALID_NS) : 0;
    if (!rule(RULE_DESCRIPTORS))
        return 0;
    data[0] = NVME_NIDT_UUID;
    data[1] = 16;
    /* A UUID of version 8 made of the serial number's end and the identifier. */
    const char *serial = call->device->spec->serial;
    size_t length = strlen(serial), used = length < 6 ? length : 6;
    memcpy(data + 4, serial + length - used, used);
    data[4 + 6] = 0x80;
    data[4 + 8] = 0x80;
    for (unsigned i = 0; i < 4; i++)
        data[4 + 12 + i] = (uint8_t)(id >> (24 - 8 * i));
    return 0;
}

/* What a command set says beyond the base: of the NVM command set, nothing that is not zero (section 4.1.5).
 */
static uint16_t identify_command_set(const struct admin_call *call)
{
    return le32toh(call->command->dword11) >> 24 == NVME_CSI_NVM || !rule(RULE_CSI_UNKNOWN)
               ? 0
               : GENERIC(INVALID_FIELD);
}

static uint16_t identify(struct admin_call *call, unsigned cns)
{
    switch (cns) {
    case NVME_IDENTIFY_CNS_NS: return identify_namespace(call, false);
    case NVME_IDENTIFY_CNS_CTRL: return identify_controller(call);
    case NVME_IDENTIFY_CNS_NS_ACTIVE_LIST: return list_namespaces(call, false);
    case NVME_IDENTIFY_CNS_NS_DESC_LIST: return identify_descriptors(call);
    case CNS_CSI_NAMESPACE:
        return rule(RULE_CSI_NAMESPACE) ? identify_command_set(call) : GENERIC(INVALID_FIELD);
    case CNS_CSI_CONTROLLER:
        return rule(RULE_CSI_CONTROLLER) ? identify_command_set(call) : GENERIC(INVALID_FIELD);
    case NVME_IDENTIFY_CNS_PRIMARY_CTRL_CAP: return identify_primary(call);
    case NVME_IDENTIFY_CNS_SECONDARY_CTRL_LIST: return identify_secondaries(call);
    default: break;
    }
    if (!rule(RULE_CNS_UNKNOWN))
        return 0;
    if (!admin_supported(call->device, call->function, nvme_admin_ns_mgmt))
        return GENERIC(INVALID_FIELD);
    switch (cns) {
    case NVME_IDENTIFY_CNS_ALLOCATED_NS_LIST: return list_namespaces(call, true);
    case NVME_IDENTIFY_CNS_ALLOCATED_NS: return identify_namespace(call, true);
    case NVME_IDENTIFY_CNS_NS_CTRL_LIST: return list_controllers(call, true);
    case NVME_IDENTIFY_CNS_CTRL_LIST: return list_controllers(call, false);
    default: return GENERIC(INVALID_FIELD);
    }
}

uint16_t admin_identify(struct admin_call *call)
{
    uint16_t status = identify(call, le32toh(call->command->dword10) & 0xff);

    if (status == 0)
        call->data_bytes = sizeof(call->data);
    return status;
}
