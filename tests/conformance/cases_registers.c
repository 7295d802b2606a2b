/* SPDX-License-Identifier: BSD-3-Clause */
/* Registers, enabling, reset and shutdown (NVMe Base 2.0, sections 3.1.3, 3.5, 3.6, 3.7). */
#include <poll.h>
#include <unistd.h>

#include "tests/conformance/cases.h"
#include "tests/conformance/raw.h"

enum {
    SHUTDOWN_NORMAL = 1 << 14,
    SHUTDOWN_ABRUPT = 2 << 14,
    SHST_MASK = 3 << 2,
    SHST_COMPLETE = 2 << 2,
    FEATURE_EVENTS = NVME_FEAT_FID_ASYNC_EVENT,
};

static const char *cap_timeout(struct rig *rig, const struct conformance_case *self)
{
    (void)self;
    EXPECT((raw_read64(rig, REGISTER_CAP) >> 24 & 0xff) > 0);
    return NULL;
}

static const char *cap_command_set(struct rig *rig, const struct conformance_case *self)
{
    (void)self;
    EXPECT(raw_read64(rig, REGISTER_CAP) >> 37 & 1);
    return NULL;
}

static const char *cap_pages(struct rig *rig, const struct conformance_case *self)
{
    uint64_t cap = raw_read64(rig, REGISTER_CAP);
    (void)self;

    EXPECT((cap >> 48 & 0xf) == 0); /* 4 KiB */
    return NULL;
}

static const char *cap_pages_ordered(struct rig *rig, const struct conformance_case *self)
{
    uint64_t cap = raw_read64(rig, REGISTER_CAP);
    (void)self;

    EXPECT((cap >> 52 & 0xf) >= (cap >> 48 & 0xf));
    return NULL;
}

static const char *cap_queue_entries(struct rig *rig, const struct conformance_case *self)
{
    (void)self;
    EXPECT((raw_read64(rig, REGISTER_CAP) & 0xffff) >= 1);
    return NULL;
}

static const char *version(struct rig *rig, const struct conformance_case *self)
{
    uint32_t version = raw_read32(rig, REGISTER_VS);
    (void)self;

    EXPECT(version >> 16 >= 1 && (version & 0xff) == 0);
    EXPECT(version >= 0x10400); /* secondary controllers with CNTRLTYPE and the rest that homid reads */
    return NULL;
}

static const char *disable_clears_ready(struct rig *rig, const struct conformance_case *self)
{
    (void)self;
    EXPECT(raw_read32(rig, REGISTER_CSTS) & CSTS_READY);
    EXPECT(raw_disable(rig));
    return NULL;
}

static const char *enable_sets_ready(struct rig *rig, const struct conformance_case *self)
{
    (void)self;
    EXPECT(raw_disable(rig));
    EXPECT(!(raw_read32(rig, REGISTER_CSTS) & CSTS_READY));
    EXPECT(raw_enable(rig));
    return NULL;
}

static const char *configuration_reads_back(struct rig *rig, const struct conformance_case *self)
{
    (void)self;
    EXPECT(raw_read32(rig, REGISTER_CC) == CC_READY);
    return NULL;
}

static const char *reset_keeps_the_admin_queue(struct rig *rig, const struct conformance_case *self)
{
    (void)self;
    uint32_t sizes = raw_read32(rig, REGISTER_AQA);
    uint64_t submissions = raw_read64(rig, REGISTER_ASQ), completions = raw_read64(rig, REGISTER_ACQ);

    EXPECT(sizes == ((RAW_ADMIN_ENTRIES - 1) << 16 | (RAW_ADMIN_ENTRIES - 1)));
    EXPECT(raw_disable(rig));
    EXPECT(raw_read32(rig, REGISTER_AQA) == sizes);
    EXPECT(raw_read64(rig, REGISTER_ASQ) == submissions);
    EXPECT(raw_read64(rig, REGISTER_ACQ) == completions);
    return NULL;
}

static const char *reset_deletes_queues(struct rig *rig, const struct conformance_case *self)
{
    struct lane lane;
    (void)self;

    EXPECT(raw_lane(rig, &lane, 1, CASE_ENTRIES));
    EXPECT(raw_enable(rig));
    EXPECT(raw_delete(rig, nvme_admin_delete_sq, 1) == SPECIFIC(QID_INVALID));
    EXPECT(raw_lane(rig, &lane, 1, CASE_ENTRIES));
    return NULL;
}

static const char *reset_takes_features_back(struct rig *rig, const struct conformance_case *self)
{
    (void)self;
    EXPECT(raw_get_feature(rig, FEATURE_EVENTS, 0, 0) == 0);
    uint32_t before = rig->value;
    EXPECT(raw_set_feature(rig, FEATURE_EVENTS, before ^ 1) == 0);
    EXPECT(raw_enable(rig));
    EXPECT(raw_get_feature(rig, FEATURE_EVENTS, 0, 0) == 0);
    EXPECT(rig->value == before);
    return NULL;
}

static const char *reset_lets_queue_count_be_set(struct rig *rig, const struct conformance_case *self)
{
    struct lane lane;
    (void)self;

    EXPECT(raw_lane(rig, &lane, 1, CASE_ENTRIES));
    EXPECT(raw_enable(rig));
    EXPECT(raw_set_feature(rig, NVME_FEAT_FID_NUM_QUEUES, 0) == 0);
    return NULL;
}

static const char *shut_down(struct rig *rig, uint32_t kind)
{
    EXPECT((raw_read32(rig, REGISTER_CSTS) & SHST_MASK) == 0);
    raw_write32(rig, REGISTER_CC, CC_READY | kind);
    EXPECT(raw_await(rig, SHST_MASK, SHST_COMPLETE));
    return NULL;
}

static const char *shutdown_normal(struct rig *rig, const struct conformance_case *self)
{
    (void)self;
    return shut_down(rig, SHUTDOWN_NORMAL);
}

static const char *shutdown_abrupt(struct rig *rig, const struct conformance_case *self)
{
    (void)self;
    return shut_down(rig, SHUTDOWN_ABRUPT);
}

static const char *shutdown_ends_with_reset(struct rig *rig, const struct conformance_case *self)
{
    (void)self;
    EXPECT(shut_down(rig, SHUTDOWN_NORMAL) == NULL);
    EXPECT(raw_disable(rig));
    EXPECT((raw_read32(rig, REGISTER_CSTS) & SHST_MASK) == 0);
    EXPECT(raw_enable(rig));
    EXPECT((raw_read32(rig, REGISTER_CSTS) & SHST_MASK) == 0);
    EXPECT(raw_identify(rig, NVME_IDENTIFY_CNS_CTRL, 0) == 0);
    return NULL;
}

static const char *two_admin_entries_do(struct rig *rig, const struct conformance_case *self)
{
    (void)self;
    EXPECT(raw_enable_with(rig, 2));
    for (unsigned i = 0; i < 7; i++)
        EXPECT(raw_get_feature(rig, FEATURE_EVENTS, 0, 0) == 0);
    return NULL;
}

static const char *admin_phase_turns(struct rig *rig, const struct conformance_case *self)
{
    (void)self;
    EXPECT(raw_enable_with(rig, 5));
    for (unsigned i = 0; i < 23; i++)
        EXPECT(raw_get_feature(rig, FEATURE_EVENTS, 0, 0) == 0);
    return NULL;
}

static const char *admin_interrupts(struct rig *rig, const struct conformance_case *self)
{
    struct pollfd vector = {.fd = rig->backend->event_fd(rig->function, 0), .events = POLLIN};
    uint64_t count;
    (void)self;

    while (poll(&vector, 1, 0) == 1 && read(vector.fd, &count, sizeof(count)) > 0)
        ;
    EXPECT(raw_get_feature(rig, FEATURE_EVENTS, 0, 0) == 0);
    EXPECT(poll(&vector, 1, EVENT_MILLISECONDS) == 1);
    return NULL;
}

static const struct conformance_case cases[] = {
    {.name = "CAP.TO gives the controller time",
     .section = "3.1.3.1",
     .rule = RULE_CAP_TIMEOUT,
     .run = cap_timeout},
    {.name = "CAP.CSS has the NVM command set",
     .section = "3.1.3.1",
     .rule = RULE_CAP_COMMAND_SET,
     .run = cap_command_set},
    {.name = "CAP.MPSMIN allows pages of 4 KiB",
     .section = "3.1.3.1",
     .rule = RULE_CAP_PAGES,
     .run = cap_pages},
    {.name = "CAP.MPSMAX is not below MPSMIN",
     .section = "3.1.3.1",
     .rule = RULE_CAP_PAGES_ORDER,
     .run = cap_pages_ordered},
    {.name = "CAP.MQES allows two entries",
     .section = "3.1.3.1",
     .rule = RULE_CAP_ENTRIES,
     .run = cap_queue_entries},
    {.name = "VS is a version", .section = "3.1.3.2", .rule = RULE_VERSION, .run = version},
    {.name = "CC.EN cleared clears CSTS.RDY",
     .section = "3.1.3.6",
     .rule = RULE_DISABLE,
     .run = disable_clears_ready},
    {.name = "CC.EN set sets CSTS.RDY",
     .section = "3.1.3.6, 3.5.1",
     .rule = RULE_ENABLE,
     .run = enable_sets_ready},
    {.name = "CC reads as it was written",
     .section = "3.1.3.5",
     .rule = RULE_CC_KEPT,
     .run = configuration_reads_back},
    {.name = "a reset keeps AQA, ASQ and ACQ",
     .section = "3.7.2",
     .rule = RULE_RESET_KEEPS_AQA,
     .run = reset_keeps_the_admin_queue},
    {.name = "a reset deletes the I/O queues",
     .section = "3.7.2",
     .rule = RULE_RESET_QUEUES,
     .run = reset_deletes_queues},
    {.name = "a reset takes features back",
     .section = "3.7.2, 5.27",
     .rule = RULE_RESET_FEATURES,
     .run = reset_takes_features_back},
    {.name = "a reset lets Number of Queues be set again",
     .section = "5.27.1.5",
     .rule = RULE_RESET_QUEUE_COUNT,
     .run = reset_lets_queue_count_be_set},
    {.name = "a normal shutdown completes",
     .section = "3.6.1",
     .rule = RULE_SHUTDOWN_NORMAL,
     .run = shutdown_normal},
    {.name = "an abrupt shutdown completes",
     .section = "3.6.1",
     .rule = RULE_SHUTDOWN_ABRUPT,
     .run = shutdown_abrupt},
    {.name = "a reset ends a shutdown",
     .section = "3.6.1, 3.1.3.6",
     .rule = RULE_SHUTDOWN_ENDS,
     .run = shutdown_ends_with_reset},
    {.name = "admin queues of two entries work",
     .section = "3.1.3.8",
     .rule = RULE_AQA_TWO,
     .run = two_admin_entries_do},
    {.name = "the admin queue's phase turns over",
     .section = "3.3.3.2.2",
     .rule = RULE_PHASE,
     .run = admin_phase_turns},
    {.name = "admin completions interrupt on vector 0",
     .section = "3.3.3.2, NVMe over PCIe 3.1.3",
     .rule = RULE_ADMIN_INTERRUPT,
     .run = admin_interrupts},
};
const struct case_list cases_registers = LIST(cases);
