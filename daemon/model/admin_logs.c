/* SPDX-License-Identifier: BSD-3-Clause */
/* Get Log Page (NVMe Base 2.0, section 5.16). */
#include <string.h>

#include "daemon/model/device.h"
#include "daemon/model/rules.h"

enum {
    RETAIN_EVENT = 1 << 15,
    SPARE_PERCENT = 100,
    SPARE_THRESHOLD_PERCENT = 10,
    KELVIN = 300,
    EFFECTS_SUPPORTED = 1,       /* CSUPP */
    EFFECTS_CONTENT = 1 << 1,    /* LBCC */
    EFFECTS_NAMESPACES = 1 << 3, /* NIC */
};

static uint16_t smart(const struct function *function, uint8_t *data)
{
    struct nvme_smart_log log = {.avail_spare = SPARE_PERCENT,
                                 .spare_thresh = SPARE_THRESHOLD_PERCENT,
                                 .temperature = {KELVIN & 0xff, KELVIN >> 8}};
    const uint64_t reads = htole64(function ? function->commands_read : 0);
    const uint64_t writes = htole64(function ? function->commands_written : 0);

    memcpy(log.host_reads, &reads, sizeof(reads));
    memcpy(log.host_writes, &writes, sizeof(writes));
    memcpy(data, &log, sizeof(log));
    return 0;
}

static uint16_t changed_namespaces(struct function *function, uint8_t *data)
{
    for (unsigned i = 0; function && i < function->changed_count && rule(RULE_CHANGED_LIST); i++) {
        uint32_t id = htole32(function->changed_namespaces[i]);
        memcpy(data + i * sizeof(id), &id, sizeof(id));
    }
    return 0;
}

static uint16_t effects(const struct device *device, const struct function *function, uint8_t *data)
{
    static const uint8_t io[] = {nvme_cmd_flush,        nvme_cmd_write, nvme_cmd_read,  nvme_cmd_compare,
                                 nvme_cmd_write_zeroes, nvme_cmd_dsm,   nvme_cmd_verify};
    struct nvme_cmd_effects_log *log = (struct nvme_cmd_effects_log *)(void *)data;

    for (unsigned opcode = 0; opcode < 256 && rule(RULE_LOG_EFFECTS); opcode++) {
        if (admin_supported(device, function, (uint8_t)opcode))
            log->acs[opcode] = htole32(EFFECTS_SUPPORTED);
    }
    for (size_t i = 0; i < sizeof(io) && rule(RULE_LOG_EFFECTS_IO); i++)
        log->iocs[io[i]] = htole32(EFFECTS_SUPPORTED);
    log->iocs[nvme_cmd_write] |= htole32(EFFECTS_CONTENT);
    log->iocs[nvme_cmd_write_zeroes] |= htole32(EFFECTS_CONTENT);
    log->iocs[nvme_cmd_dsm] |= htole32(EFFECTS_CONTENT);
    if (log->acs[nvme_admin_ns_mgmt])
        log->acs[nvme_admin_ns_mgmt] |= htole32(EFFECTS_NAMESPACES);
    return 0;
}

static uint16_t fill(struct admin_call *call, unsigned page)
{
    static const enum rule rules[] = {
        [NVME_LOG_LID_ERROR] = RULE_LOG_ERROR, [NVME_LOG_LID_SMART] = RULE_LOG_HEALTH};

    if (page < sizeof(rules) / sizeof(rules[0]) && rules[page] && !rule(rules[page]))
        return SPECIFIC(INVALID_LOG_PAGE);
    switch (page) {
    case NVME_LOG_LID_ERROR: return 0; /* an error count of 0: no entries are kept */
    case NVME_LOG_LID_SMART: return smart(call->function, call->data);
    case NVME_LOG_LID_FW_SLOT: call->data[0] = rule(RULE_LOG_FIRMWARE); return 0; /* the active slot */
    case NVME_LOG_LID_CHANGED_NS: return changed_namespaces(call->function, call->data);
    case NVME_LOG_LID_CMD_EFFECTS: return effects(call->device, call->function, call->data);
    default: return rule(RULE_LOG_UNKNOWN) ? SPECIFIC(INVALID_LOG_PAGE) : 0;
    }
}

uint16_t admin_log_page(struct admin_call *call)
{
    uint32_t dword10 = le32toh(call->command->dword10), page = dword10 & 0xff;
    uint64_t dwords = (dword10 >> 16 | (uint64_t)(le32toh(call->command->dword11) & 0xffff) << 16) + 1;

    if (dwords * 4 > sizeof(call->data))
        return GENERIC(INVALID_FIELD);
    uint16_t status = fill(call, page);
    if (status)
        return status;
    call->data_bytes = rule(RULE_LOG_LENGTH) ? (uint32_t)dwords * 4 : sizeof(call->data);
    if (call->function && (!(dword10 & RETAIN_EVENT) || !rule(RULE_EVENT_RETAINED)))
        event_page_read(call->function, (uint8_t)page);
    return 0;
}
