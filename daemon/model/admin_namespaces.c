/* SPDX-License-Identifier: BSD-3-Clause */
/* Namespace Management, Namespace Attachment and Format NVM (NVMe Base 2.0, sections 5.20, 5.21, 5.14). */
#include <string.h>

#include "daemon/model/device.h"
#include "daemon/model/rules.h"
#include "daemon/model/world.h"

enum {
    SELECT_CREATE = 0,
    SELECT_DELETE = 1,
    SELECT_ATTACH = 0,
    SELECT_DETACH = 1,
    FORMATS = 2,
    ERASE_NONE = 0, /* SES */
    ERASE_CRYPTOGRAPHIC = 2,
};

static const unsigned format_shifts[FORMATS] = {9, 12};

static void tell_changed(struct device *device, const struct namespace *space)
{
    for (unsigned i = 0; i < device->functions_enabled; i++) {
        if (namespace_attached(space, i + 1))
            event_namespace_changed(&device->functions[i], space->id);
    }
}

static uint16_t create(struct admin_call *call)
{
    const struct nvme_id_ns *data = (const struct nvme_id_ns *)(const void *)call->data;
    uint64_t blocks = le64toh(data->nsze);
    unsigned format = data->flbas & 0xf;
    uint32_t id = 1;

    while (id <= SPEC_NAMESPACE_ID_MAX && call->device->namespaces[id])
        id++;
    if (id > SPEC_NAMESPACE_ID_MAX)
        return SPECIFIC(NS_ID_UNAVAILABLE);
    if (format >= FORMATS)
        return SPECIFIC(INVALID_FORMAT);
    if (data->ncap != data->nsze)
        return SPECIFIC(THIN_PROV_NOT_SUPP);
    if (blocks == 0 || blocks > UINT64_C(1) << (46 - format_shifts[format]))
        return SPECIFIC(NS_INSUFFICIENT_CAP);
    if (namespace_new(id, BACKING_MEMORY, NULL, blocks << format_shifts[format], format_shifts[format],
                      &call->device->namespaces[id]) < 0)
        return SPECIFIC(NS_INSUFFICIENT_CAP);
    call->device->namespaces[id]->shareable = data->nmic & NVME_NS_NMIC_SHARED;
    call->value = id;
    return 0;
}

static uint16_t delete (struct admin_call *call, uint32_t id)
{
    uint32_t first = id == NSID_ALL ? 1 : id, last = id == NSID_ALL ? SPEC_NAMESPACE_ID_MAX : id;

    if (id == 0 || last > SPEC_NAMESPACE_ID_MAX || (id != NSID_ALL && !call->device->namespaces[id]))
        return GENERIC(INVALID_NS);
    for (uint32_t i = first; i <= last; i++) {
        struct namespace *space = call->device->namespaces[i];
        if (!space)
            continue;
        call->device->namespaces[i] = NULL;
        tell_changed(call->device, space);
        namespace_free(space);
    }
    return 0;
}

uint16_t admin_namespace_management(struct admin_call *call)
{
    switch (le32toh(call->command->dword10) & 0xf) {
    case SELECT_CREATE: return create(call);
    case SELECT_DELETE: return delete (call, le32toh(call->command->nsid));
    default: return GENERIC(INVALID_FIELD);
    }
}

/* Whether one controller of the list may be attached or detached; nothing is changed before all may. */
static uint16_t check_attachment(const struct device *device, const struct namespace *space, unsigned id,
                                 bool attach)
{
    if (id > device->spec->functions)
        return SPECIFIC(CTRL_LIST_INVALID);
    if (attach && namespace_attached(space, id))
        return SPECIFIC(NS_ALREADY_ATTACHED);
    if (!attach && !namespace_attached(space, id))
        return SPECIFIC(NS_NOT_ATTACHED);
    if (attach && !space->shareable && namespace_attached_anywhere(space))
        return SPECIFIC(NS_IS_PRIVATE);
    return 0;
}

uint16_t admin_namespace_attachment(struct admin_call *call)
{
    const struct nvme_ctrl_list *list = (const struct nvme_ctrl_list *)(const void *)call->data;
    uint32_t select = le32toh(call->command->dword10) & 0xf, id = le32toh(call->command->nsid);
    struct namespace *space = id <= SPEC_NAMESPACE_ID_MAX ? call->device->namespaces[id] : NULL;
    unsigned count = le16toh(list->num);

    if (!space)
        return GENERIC(INVALID_NS);
    if (select != SELECT_ATTACH && select != SELECT_DETACH)
        return GENERIC(INVALID_FIELD);
    if (count == 0 || count > sizeof(list->identifier) / sizeof(list->identifier[0]))
        return SPECIFIC(CTRL_LIST_INVALID);
    for (unsigned i = 0; i < count; i++) {
        uint16_t status =
            check_attachment(call->device, space, le16toh(list->identifier[i]), select == SELECT_ATTACH);
        if (status)
            return status;
    }
    for (unsigned i = 0; i < count; i++) {
        unsigned controller = le16toh(list->identifier[i]);
        if (select == SELECT_ATTACH || rule(RULE_DETACH))
            namespace_attach(space, controller, select == SELECT_ATTACH);
        for (unsigned k = 1; k <= call->device->spec->functions && !rule(RULE_ATTACH_ONE); k++)
            namespace_attach(space, k, select == SELECT_ATTACH);
        if (controller > 0)
            event_namespace_changed(&call->device->functions[controller - 1], id);
    }
    return 0;
}

static uint16_t format(struct device *device, struct namespace *space, unsigned shift)
{
    if (namespace_zero(space, 0, space->bytes) < 0)
        return GENERIC(INTERNAL);
    space->blocks = space->bytes >> shift;
    space->block_shift = shift;
    tell_changed(device, space);
    return 0;
}

uint16_t admin_format(struct admin_call *call)
{
    uint32_t dword10 = le32toh(call->command->dword10), id = le32toh(call->command->nsid);
    unsigned number = dword10 & 0xf, erase = dword10 >> 9 & 7;
    const struct format_spec *spec = &call->device->spec->format;
    bool all = id == NSID_ALL || (erase == ERASE_NONE ? spec->all : spec->erase_all);
    uint16_t status = 0;

    if (number >= FORMATS)
        return SPECIFIC(INVALID_FORMAT);
    if (erase > ERASE_CRYPTOGRAPHIC || (erase == ERASE_CRYPTOGRAPHIC && !spec->cryptographic) ||
        (id == NSID_ALL && spec->no_wide))
        return GENERIC(INVALID_FIELD);
    if (id == 0 || (id != NSID_ALL && !device_namespace(call->device, call->function, id)))
        return GENERIC(INVALID_NS);
    for (uint32_t i = 1; i <= SPEC_NAMESPACE_ID_MAX && status == 0; i++) {
        struct namespace *space = call->device->namespaces[i];
        if (space && (id == i || all))
            status = format(call->device, space, format_shifts[number]);
    }
    return status;
}
