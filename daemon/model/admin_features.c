/* SPDX-License-Identifier: BSD-3-Clause */
/* Get Features and Set Features (NVMe Base 2.0, sections 5.15 and 5.27). Nothing is saved over a reset. */
#include "daemon/model/device.h"
#include "daemon/model/rules.h"

enum {
    SELECT_CURRENT = 0,
    SELECT_DEFAULT = 1,
    SELECT_SAVED = 2, /* the default, since nothing is saved */
    SELECT_CAPABILITIES = 3,
    CHANGEABLE = 4,
};

static const uint16_t known = 1u << NVME_FEAT_FID_ARBITRATION | 1u << NVME_FEAT_FID_POWER_MGMT |
                              1u << NVME_FEAT_FID_TEMP_THRESH | 1u << NVME_FEAT_FID_ERR_RECOVERY |
                              1u << NVME_FEAT_FID_VOLATILE_WC | 1u << NVME_FEAT_FID_NUM_QUEUES |
                              1u << NVME_FEAT_FID_IRQ_COALESCE | 1u << NVME_FEAT_FID_IRQ_CONFIG |
                              1u << NVME_FEAT_FID_WRITE_ATOMIC | 1u << NVME_FEAT_FID_ASYNC_EVENT;

static const enum rule rules[FUNCTION_FEATURES] = {
    [NVME_FEAT_FID_ARBITRATION] = RULE_FEATURE_ARBITRATION,
    [NVME_FEAT_FID_POWER_MGMT] = RULE_FEATURE_POWER_MGMT,
    [NVME_FEAT_FID_TEMP_THRESH] = RULE_FEATURE_TEMP_THRESH,
    [NVME_FEAT_FID_NUM_QUEUES] = RULE_FEATURE_NUM_QUEUES,
    [NVME_FEAT_FID_IRQ_COALESCE] = RULE_FEATURE_IRQ_COALESCE,
    [NVME_FEAT_FID_IRQ_CONFIG] = RULE_FEATURE_IRQ_CONFIG,
    [NVME_FEAT_FID_WRITE_ATOMIC] = RULE_FEATURE_WRITE_ATOMIC,
    [NVME_FEAT_FID_ASYNC_EVENT] = RULE_FEATURE_ASYNC_EVENT,
};

static bool is_known(uint32_t feature)
{
    return feature < FUNCTION_FEATURES && known >> feature & 1 &&
           (rules[feature] == RULE_NONE || rule(rules[feature]));
}

/* Zero-based counts of submission and completion queues: all that the controller has resources for. */
static uint32_t queues_granted(const struct function *function)
{
    uint32_t last = function->queue_count - (rule(RULE_QUEUES_HAD) ? 2 : 1);

    return last << 16 | last;
}

uint16_t admin_get_features(struct admin_call *call)
{
    uint32_t dword10 = le32toh(call->command->dword10), feature = dword10 & 0xff, select = dword10 >> 8 & 7;
    const struct function *function = call->function;

    bool current = select == SELECT_CURRENT || (select == SELECT_DEFAULT && !rule(RULE_FEATURE_DEFAULT)) ||
                   (select == SELECT_SAVED && !rule(RULE_FEATURE_SAVED));

    if (!is_known(feature) || !function)
        return rule(RULE_FEATURE_UNKNOWN_GET) ? GENERIC(INVALID_FIELD) : 0;
    if (select > SELECT_CAPABILITIES && rule(RULE_FEATURE_SELECT))
        return GENERIC(INVALID_FIELD);
    if (feature == NVME_FEAT_FID_IRQ_CONFIG && rule(RULE_IRQ_CONFIG_VECTOR) &&
        (le32toh(call->command->dword11) & 0xffff) >= function->vector_count)
        return GENERIC(INVALID_FIELD);
    if (select == SELECT_CAPABILITIES)
        call->value = rule(RULE_FEATURE_CHANGEABLE) ? CHANGEABLE : 0;
    else if (feature == NVME_FEAT_FID_NUM_QUEUES)
        call->value = queues_granted(function);
    else
        call->value = current ? function->features[feature] : 0;
    return 0;
}

static uint16_t set_queue_count(struct admin_call *call)
{
    uint32_t wanted = le32toh(call->command->dword11);

    if (((wanted & 0xffff) == 0xffff && rule(RULE_QUEUES_SUBMISSION)) ||
        (wanted >> 16 == 0xffff && rule(RULE_QUEUES_COMPLETION)))
        return GENERIC(INVALID_FIELD);
    if (call->function->queues_created && rule(RULE_QUEUES_FIXED))
        return GENERIC(CMD_SEQ_ERROR);
    call->value = rule(RULE_QUEUES_GRANTED) ? queues_granted(call->function) : 0;
    return 0;
}

uint16_t admin_set_features(struct admin_call *call)
{
    uint32_t dword10 = le32toh(call->command->dword10), feature = dword10 & 0xff;

    if (!is_known(feature) || !call->function)
        return rule(RULE_FEATURE_UNKNOWN_SET) ? GENERIC(INVALID_FIELD) : 0;
    if (dword10 >> 31 && rule(RULE_FEATURE_SAVE))
        return SPECIFIC(FEATURE_NOT_SAVEABLE);
    if (feature == NVME_FEAT_FID_NUM_QUEUES)
        return set_queue_count(call);
    if (!rule(RULE_FEATURE_APART))
        call->function->features[NVME_FEAT_FID_TEMP_THRESH] = le32toh(call->command->dword11);
    if (rule(RULE_FEATURE_KEPT))
        call->function->features[feature] = le32toh(call->command->dword11);
    return 0;
}
