/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Lockdown (NVMe Base 2.0, sections 5.19 and 8.4): prohibits admin commands and features on all controllers
 * of the subsystem until it is told otherwise or the power goes.
 */
#include "daemon/model/device.h"

enum { SCOPE_COMMAND = 0, SCOPE_FEATURE = 2, INTERFACE_ADMIN = 0, INTERFACE_BOTH = 1 };

static bool is_set(const uint64_t bits[4], unsigned number)
{
    return bits[number / 64] >> number % 64 & 1;
}

bool admin_locked(const struct device *device, const struct nvme_command *command)
{
    if (is_set(device->commands_locked, command->opcode))
        return true;
    return command->opcode == nvme_admin_set_features &&
           is_set(device->features_locked, le32toh(command->dword10) & 0xff);
}

/* What can be prohibited: not Lockdown itself, and nothing that a controller needs to be used at all. */
static bool may_lock(unsigned scope, unsigned number)
{
    static const uint8_t commands[] = {nvme_admin_set_features, nvme_admin_ns_mgmt, nvme_admin_ns_attach,
                                       nvme_admin_virtual_mgmt, nvme_admin_format_nvm};

    if (scope == SCOPE_FEATURE)
        return number > 0 && number < FUNCTION_FEATURES;
    for (size_t i = 0; i < sizeof(commands); i++) {
        if (commands[i] == number)
            return true;
    }
    return false;
}

uint16_t admin_lockdown(struct admin_call *call)
{
    uint32_t dword10 = le32toh(call->command->dword10);
    unsigned scope = dword10 & 0xf, prohibit = dword10 >> 4 & 1, interface = dword10 >> 5 & 3;
    unsigned number = dword10 >> 8 & 0xff;
    uint64_t *bits = scope == SCOPE_FEATURE ? call->device->features_locked : call->device->commands_locked;

    if ((scope != SCOPE_COMMAND && scope != SCOPE_FEATURE) ||
        (interface != INTERFACE_ADMIN && interface != INTERFACE_BOTH))
        return GENERIC(INVALID_FIELD);
    if (!may_lock(scope, number))
        return SPECIFIC(PROHIBIT_CMD_EXEC_NOT_SUPPORTED);
    if (prohibit)
        bits[number / 64] |= UINT64_C(1) << number % 64;
    else
        bits[number / 64] &= ~(UINT64_C(1) << number % 64);
    return 0;
}
