/* SPDX-License-Identifier: BSD-3-Clause */
/* Get Features and Set Features (NVMe Base 2.0, sections 5.15 and 5.27). */
#include "tests/conformance/cases.h"
#include "tests/conformance/raw.h"

enum {
    SELECT_CURRENT,
    SELECT_DEFAULT,
    SELECT_SAVED,
    SELECT_CAPABILITIES,
    SAVEABLE = 1,
    CHANGEABLE = 4,
    EVENTS = NVME_FEAT_FID_ASYNC_EVENT,
    QUEUES = NVME_FEAT_FID_NUM_QUEUES,
    UNKNOWN = 0xbf,
};

static const char *mandatory(struct rig *rig, const struct conformance_case *self)
{
    (void)self;
    EXPECT(raw_get_feature(rig, (uint8_t)self->status, SELECT_CURRENT, 0) == 0);
    return NULL;
}

static const char *set_is_kept(struct rig *rig, const struct conformance_case *self)
{
    (void)self;
    for (uint32_t value = 0; value < 4; value++) {
        EXPECT(raw_set_feature(rig, EVENTS, value) == 0);
        EXPECT(raw_get_feature(rig, EVENTS, SELECT_CURRENT, 0) == 0);
        EXPECT(rig->value == value);
    }
    return NULL;
}

static const char *features_are_apart(struct rig *rig, const struct conformance_case *self)
{
    (void)self;
    EXPECT(raw_get_feature(rig, NVME_FEAT_FID_TEMP_THRESH, SELECT_CURRENT, 0) == 0);
    uint32_t before = rig->value;
    EXPECT(raw_set_feature(rig, EVENTS, before ^ 3) == 0);
    EXPECT(raw_get_feature(rig, NVME_FEAT_FID_TEMP_THRESH, SELECT_CURRENT, 0) == 0);
    EXPECT(rig->value == before);
    return NULL;
}

static const char *default_stays(struct rig *rig, const struct conformance_case *self)
{
    (void)self;
    EXPECT(raw_get_feature(rig, EVENTS, SELECT_DEFAULT, 0) == 0);
    uint32_t before = rig->value;
    EXPECT(raw_set_feature(rig, EVENTS, before ^ 3) == 0);
    EXPECT(raw_get_feature(rig, EVENTS, SELECT_DEFAULT, 0) == 0);
    EXPECT(rig->value == before);
    return NULL;
}

static const char *saved_is_default(struct rig *rig, const struct conformance_case *self)
{
    (void)self;
    EXPECT(raw_get_feature(rig, EVENTS, SELECT_CAPABILITIES, 0) == 0);
    NEED(!(rig->value & SAVEABLE));
    EXPECT(raw_get_feature(rig, EVENTS, SELECT_DEFAULT, 0) == 0);
    uint32_t before = rig->value;
    EXPECT(raw_set_feature(rig, EVENTS, before ^ 3) == 0);
    EXPECT(raw_get_feature(rig, EVENTS, SELECT_SAVED, 0) == 0);
    EXPECT(rig->value == before);
    return NULL;
}

static const char *capabilities(struct rig *rig, const struct conformance_case *self)
{
    (void)self;
    EXPECT(raw_get_feature(rig, EVENTS, SELECT_CAPABILITIES, 0) == 0);
    EXPECT(rig->value & CHANGEABLE);
    return NULL;
}

static const char *saving_is_refused(struct rig *rig, const struct conformance_case *self)
{
    (void)self;
    EXPECT(raw_get_feature(rig, EVENTS, SELECT_CAPABILITIES, 0) == 0);
    NEED(!(rig->value & SAVEABLE));
    EXPECT(raw_admin(rig, (struct nvme_command){.opcode = nvme_admin_set_features,
                                                .dword10 = EVENTS | UINT32_C(1) << 31}) ==
           SPECIFIC(FEATURE_NOT_SAVEABLE));
    return NULL;
}

static const char *queues_are_granted(struct rig *rig, const struct conformance_case *self)
{
    (void)self;
    EXPECT(raw_set_feature(rig, QUEUES, 0x00fe00fe) == 0);
    uint32_t granted = rig->value;
    EXPECT((granted & 0xffff) + 1 >= rig->info.queue_pairs && (granted >> 16) + 1 >= rig->info.queue_pairs);
    EXPECT(raw_get_feature(rig, QUEUES, SELECT_CURRENT, 0) == 0);
    EXPECT(rig->value == granted);
    return NULL;
}

static const char *granted_queues_can_be_had(struct rig *rig, const struct conformance_case *self)
{
    (void)self;
    EXPECT(raw_set_feature(rig, QUEUES, 0x00fe00fe) == 0);
    uint32_t last = rig->value & 0xffff;
    EXPECT(raw_create_completion(rig, (uint16_t)(last + 1), CASE_ENTRIES, 0, -1) == 0);
    EXPECT(raw_create_completion(rig, (uint16_t)(last + 2), CASE_ENTRIES, 1, -1) == SPECIFIC(QID_INVALID));
    return NULL;
}

static const char *count_is_fixed_once_used(struct rig *rig, const struct conformance_case *self)
{
    struct lane lane;
    (void)self;

    EXPECT(raw_lane(rig, &lane, 1, CASE_ENTRIES));
    EXPECT(raw_set_feature(rig, QUEUES, 0) == GENERIC(CMD_SEQ_ERROR));
    return NULL;
}

static const char *vector_is_checked(struct rig *rig, const struct conformance_case *self)
{
    (void)self;
    EXPECT(raw_get_feature(rig, NVME_FEAT_FID_IRQ_CONFIG, SELECT_CURRENT, 0) == 0);
    EXPECT(raw_get_feature(rig, NVME_FEAT_FID_IRQ_CONFIG, SELECT_CURRENT, 0x7ff) == GENERIC(INVALID_FIELD));
    return NULL;
}

#define GET(feature, select)                                                                                 \
    {                                                                                                        \
        .opcode = nvme_admin_get_features, .prp1 = RIG_IOVA + RIG_DATA, .dword10 = (feature) | (select) << 8 \
    }
#define SET(feature, value)                                                                                  \
    {                                                                                                        \
        .opcode = nvme_admin_set_features, .dword10 = (feature), .dword11 = (value)                          \
    }
/* status: which */
#define MANDATORY(text, name)                                                                                \
    {                                                                                                        \
        "there is the feature " text, "5.27.1", RULE_FEATURE_##name, mandatory,                              \
            .status = NVME_FEAT_FID_##name                                                                   \
    }

static const struct conformance_case cases[] = {
    MANDATORY("Arbitration", ARBITRATION),
    MANDATORY("Power Management", POWER_MGMT),
    MANDATORY("Temperature Threshold", TEMP_THRESH),
    MANDATORY("Number of Queues", NUM_QUEUES),
    MANDATORY("Interrupt Coalescing", IRQ_COALESCE),
    MANDATORY("Interrupt Vector Configuration", IRQ_CONFIG),
    MANDATORY("Write Atomicity", WRITE_ATOMIC),
    MANDATORY("Asynchronous Event Configuration", ASYNC_EVENT),
    {.name = "a feature keeps what it is set to",
     .section = "5.27",
     .rule = RULE_FEATURE_KEPT,
     .run = set_is_kept},
    {.name = "a feature changes no other",
     .section = "5.27",
     .rule = RULE_FEATURE_APART,
     .run = features_are_apart},
    {.name = "the default stays when a feature is set",
     .section = "5.15, 4.4",
     .rule = RULE_FEATURE_DEFAULT,
     .run = default_stays},
    {.name = "what cannot be saved is saved as the default",
     .section = "4.4",
     .rule = RULE_FEATURE_SAVED,
     .run = saved_is_default},
    {.name = "the capabilities say changeable",
     .section = "5.15",
     .rule = RULE_FEATURE_CHANGEABLE,
     .run = capabilities},
    {.name = "saving what is not saveable is refused",
     .section = "5.27",
     .rule = RULE_FEATURE_SAVE,
     .run = saving_is_refused},
    {.name = "an unknown feature cannot be read",
     .section = "5.15",
     .rule = RULE_FEATURE_UNKNOWN_GET,
     .run = case_admin,
     .command = GET(UNKNOWN, 0),
     .status = GENERIC(INVALID_FIELD)},
    {.name = "an unknown feature cannot be set",
     .section = "5.27",
     .rule = RULE_FEATURE_UNKNOWN_SET,
     .run = case_admin,
     .command = SET(UNKNOWN, 0),
     .status = GENERIC(INVALID_FIELD)},
    {.name = "feature 0 cannot be read",
     .section = "5.15",
     .rule = RULE_FEATURE_UNKNOWN_GET,
     .run = case_admin,
     .command = GET(0, 0),
     .status = GENERIC(INVALID_FIELD)},
    {.name = "feature 0 cannot be set",
     .section = "5.27",
     .rule = RULE_FEATURE_UNKNOWN_SET,
     .run = case_admin,
     .command = SET(0, 0),
     .status = GENERIC(INVALID_FIELD)},
    {.name = "a reserved Select is refused",
     .section = "5.15",
     .rule = RULE_FEATURE_SELECT,
     .run = case_admin,
     .command = GET(EVENTS, 5),
     .status = GENERIC(INVALID_FIELD)},
    {.name = "Number of Queues tells what it grants",
     .section = "5.27.1.5",
     .rule = RULE_QUEUES_GRANTED,
     .run = queues_are_granted},
    {.name = "the queues that are granted can be had",
     .section = "5.27.1.5",
     .rule = RULE_QUEUES_HAD,
     .run = granted_queues_can_be_had},
    {.name = "65,536 submission queues are refused",
     .section = "5.27.1.5",
     .rule = RULE_QUEUES_SUBMISSION,
     .run = case_admin,
     .command = SET(QUEUES, 0x0000ffff),
     .status = GENERIC(INVALID_FIELD)},
    {.name = "65,536 completion queues are refused",
     .section = "5.27.1.5",
     .rule = RULE_QUEUES_COMPLETION,
     .run = case_admin,
     .command = SET(QUEUES, 0xffff0000),
     .status = GENERIC(INVALID_FIELD)},
    {.name = "Number of Queues is fixed once there is one",
     .section = "5.27.1.5",
     .rule = RULE_QUEUES_FIXED,
     .run = count_is_fixed_once_used},
    {.name = "a vector that is not there has no configuration",
     .section = "5.27.1.7",
     .rule = RULE_IRQ_CONFIG_VECTOR,
     .run = vector_is_checked},
};
const struct case_list cases_features = LIST(cases);
