/* SPDX-License-Identifier: BSD-3-Clause */
/* The admin queue of a VF: fetches commands, moves their data, and carries them out (section 5). */
#include <string.h>

#include "daemon/model/device.h"
#include "daemon/model/rules.h"
#include "daemon/model/world.h"

enum {
    NO_DATA,
    DATA_TO_CONTROLLER,
    DATA_TO_HOST,
    BUDGET = 64,
};

struct admin_opcode {
    uint8_t opcode, data;
    bool dangerous; /* concerns other controllers: a VF that refuses has not got it */
    bool primary;   /* only the PF has it (Base 2.0, section 8.26.1) */
    uint16_t (*execute)(struct admin_call *call);
};

static uint16_t abort_command(struct admin_call *call)
{
    call->value = rule(RULE_ABORT); /* 1: not aborted: what is in flight cannot be taken back (section 5.1) */
    return 0;
}

static uint16_t keep_alive(struct admin_call *call)
{
    (void)call;
    return 0;
}

static uint16_t async_event(struct admin_call *call)
{
    struct function *function = call->function;

    if (!function ||
        function->event_request_count == FUNCTION_EVENT_REQUESTS_MAX - (rule(RULE_AER_COUNT) ? 0u : 1u))
        return rule(RULE_AER_LIMIT) ? SPECIFIC(ASYNC_LIMIT) : STATUS_LATER;
    if (!rule(RULE_AER_WAITS))
        return 0;
    event_request(function, call->command->cid);
    return STATUS_LATER;
}

static const struct admin_opcode opcodes[] = {
    {nvme_admin_delete_sq, NO_DATA, false, false, admin_delete_submission},
    {nvme_admin_create_sq, NO_DATA, false, false, admin_create_submission},
    {nvme_admin_get_log_page, DATA_TO_HOST, false, false, admin_log_page},
    {nvme_admin_delete_cq, NO_DATA, false, false, admin_delete_completion},
    {nvme_admin_create_cq, NO_DATA, false, false, admin_create_completion},
    {nvme_admin_identify, DATA_TO_HOST, false, false, admin_identify},
    {nvme_admin_abort_cmd, NO_DATA, false, false, abort_command},
    {nvme_admin_set_features, NO_DATA, false, false, admin_set_features},
    {nvme_admin_get_features, DATA_TO_HOST, false, false, admin_get_features},
    {nvme_admin_async_event, NO_DATA, false, false, async_event},
    {nvme_admin_keep_alive, NO_DATA, false, false, keep_alive},
    {nvme_admin_ns_mgmt, DATA_TO_CONTROLLER, true, false, admin_namespace_management},
    {nvme_admin_ns_attach, DATA_TO_CONTROLLER, true, false, admin_namespace_attachment},
    {nvme_admin_virtual_mgmt, NO_DATA, true, true, virtualization_management},
    {nvme_admin_format_nvm, NO_DATA, true, false, admin_format},
    {nvme_admin_lockdown, NO_DATA, true, false, admin_lockdown},
};

static const struct admin_opcode *find(const struct device *device, const struct function *function,
                                       uint8_t opcode)
{
    for (size_t i = 0; i < sizeof(opcodes) / sizeof(opcodes[0]); i++) {
        const struct admin_opcode *entry = &opcodes[i];
        if (entry->opcode != opcode)
            continue;
        if ((entry->primary && !device->spec->virtualization) ||
            (opcode == nvme_admin_lockdown && !device->spec->lockdown))
            return NULL;
        return function && (entry->primary || (entry->dangerous && device->spec->vf_refuses)) ? NULL : entry;
    }
    return NULL;
}

bool admin_supported(const struct device *device, const struct function *function, uint8_t opcode)
{
    return find(device, function, opcode) != NULL;
}

uint16_t admin_execute(struct admin_call *call)
{
    const struct admin_opcode *opcode = find(call->device, call->function, call->command->opcode);

    if (!opcode)
        return rule(RULE_ADMIN_OPCODE) ? GENERIC(INVALID_OPCODE) : 0;
    if ((call->command->flags & 0xc0 && rule(RULE_ADMIN_SGL)) ||
        (call->command->flags & 0x03 && rule(RULE_ADMIN_FUSE)))
        return GENERIC(INVALID_FIELD);
    if (admin_locked(call->device, call->command))
        return GENERIC(PROHIBITED_BY_CMD_AND_FEAT);
    return opcode->execute(call);
}

static uint16_t copy(struct admin_call *call, uint64_t bytes, unsigned access)
{
    struct segment segments[2];
    uint8_t *data = call->data;
    unsigned count;

    uint16_t status = prp_resolve(call->function, call->command, bytes, access, segments, 2, &count);
    for (unsigned i = 0; status == 0 && i < count; data += segments[i++].bytes) {
        if (access == IOMMU_READ)
            memcpy(data, segments[i].host, segments[i].bytes);
        else
            memcpy(segments[i].host, data, segments[i].bytes);
    }
    return status;
}

/* corrupt: one byte of what goes back is turned, or a bit of DW0. */
static uint16_t execute_with_data(struct admin_call *call, bool corrupt)
{
    const struct admin_opcode *opcode = find(call->device, call->function, call->command->opcode);
    uint16_t status = 0;

    if (opcode && opcode->data == DATA_TO_CONTROLLER)
        status = copy(call, PAGE_BYTES, IOMMU_READ);
    if (status == 0)
        status = admin_execute(call);
    if (corrupt && call->data_bytes)
        call->data[0] ^= 0xff;
    else if (corrupt)
        call->value ^= 1;
    if (status == 0 && call->data_bytes)
        status = copy(call, call->data_bytes, IOMMU_WRITE);
    return status;
}

static void serve_one(struct function *function, const struct nvme_command *command)
{
    struct submission_queue *queue = &function->submission[0];
    struct admin_call call = {.device = function->device, .function = function, .command = command};
    const struct fault_spec *fault =
        faults_command(&function->device->faults, function->index, 0, command->opcode);

    if (fault && fault_is_lethal(function, fault))
        return;
    if (fault && fault->action == FAULT_EVENT)
        event_raise_value(function, fault->event);
    uint16_t status = fault && fault->action == FAULT_FAIL
                          ? fault->status
                          : execute_with_data(&call, fault && fault->action == FAULT_CORRUPT);
    if (status == STATUS_LATER)
        return;
    if (fault && fault->action == FAULT_DELAY)
        completion_defer(function, queue, command->cid, status, call.value,
                         world_now() + fault->milliseconds);
    else if (fault && fault->action == FAULT_DROP)
        completion_defer(function, queue, command->cid, status, call.value, UINT64_MAX);
    else
        completion_post(function, queue, command->cid, status, call.value);
}

void admin_serve(struct function *function)
{
    struct submission_queue *queue = &function->submission[0];
    struct nvme_command command;
    unsigned count = 0;

    while (count < BUDGET && function->enabled && submission_pending(function, queue) &&
           completion_room(function, 0) > 0) {
        if (!submission_fetch(function, queue, &command))
            return;
        serve_one(function, &command);
        count++;
    }
    if (count)
        completion_signal(function, 0);
}
