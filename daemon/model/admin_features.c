/* SPDX-License-Identifier: BSD-3-Clause */
/* Get Features and Set Features (NVMe Base 2.0, sections 5.15 and 5.27). Nothing is saved over a reset. */
#include "daemon/model/device.h"

enum {
    SELECT_CURRENT = 0,
    SELECT_DEFAULT = 1,
    SELECT_CAPABILITIES = 3,
    CHANGEABLE = 4,
};

static const uint16_t known = 1u << NVME_FEAT_FID_ARBITRATION | 1u << NVME_FEAT_FID_POWER_MGMT |
                              1u << NVME_FEAT_FID_TEMP_THRESH | 1u << NVME_FEAT_FID_ERR_RECOVERY |
                              1u << NVME_FEAT_FID_VOLATILE_WC | 1u << NVME_FEAT_FID_NUM_QUEUES |
                              1u << NVME_FEAT_FID_IRQ_COALESCE | 1u << NVME_FEAT_FID_IRQ_CONFIG |
                              1u << NVME_FEAT_FID_WRITE_ATOMIC | 1u << NVME_FEAT_FID_ASYNC_EVENT;

static bool is_known(uint32_t feature)
{
    return feature < FUNCTION_FEATURES && known >> feature & 1;
}

/* Zero-based counts of submission and completion queues: all that the controller has resources for. */
static uint32_t queues_granted(const struct function *function)
{
    uint32_t last = function->queue_count - 2;

    return last << 16 | last;
}

uint16_t admin_get_features(struct admin_call *call)
{
    uint32_t dword10 = le32toh(call->command->dword10), feature = dword10 & 0xff, select = dword10 >> 8 & 7;
    const struct function *function = call->function;

    if (!is_known(feature) || !function || select > SELECT_CAPABILITIES)
        return GENERIC(INVALID_FIELD);
    if (select == SELECT_CAPABILITIES)
        call->value = CHANGEABLE;
    else if (feature == NVME_FEAT_FID_NUM_QUEUES)
        call->value = queues_granted(function);
    else
        call->value = select == SELECT_CURRENT ? function->features[feature] : 0;
    return 0;
}

static uint16_t set_queue_count(struct admin_call *call)
{
    uint32_t wanted = le32toh(call->command->dword11);

    if ((wanted & 0xffff) == 0xffff || wanted >> 16 == 0xffff)
        return GENERIC(INVALID_FIELD);
    if (call->function->queues_created)
        return GENERIC(CMD_SEQ_ERROR);
    call->value = queues_granted(call->function);
    return 0;
}

uint16_t admin_set_features(struct admin_call *call)
{
    uint32_t dword10 = le32toh(call->command->dword10), feature = dword10 & 0xff;

    if (!is_known(feature) || !call->function)
        return GENERIC(INVALID_FIELD);
    if (dword10 >> 31)
        return SPECIFIC(FEATURE_NOT_SAVEABLE);
    if (feature == NVME_FEAT_FID_NUM_QUEUES)
        return set_queue_count(call);
    call->function->features[feature] = le32toh(call->command->dword11);
    return 0;
}
