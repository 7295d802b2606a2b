/* SPDX-License-Identifier: BSD-3-Clause */
/* Asynchronous events (NVMe Base 2.0, section 5.2), most of them raised by doorbells that are out of range.
 */
#include "tests/conformance/cases.h"
#include "tests/conformance/raw.h"

enum {
    INVALID_REGISTER = 0x010000, /* type 0, information 0, log page 1 */
    INVALID_VALUE = 0x010100,
    NAMESPACE_CHANGED = 0x040002,
    EVENT_CID = 0x4000,
    NOTICE_NAMESPACES = 1 << 8,
};

static void request(struct rig *rig, uint16_t number)
{
    lane_put(&rig->admin,
             (struct nvme_command){.opcode = nvme_admin_async_event, .cid = (uint16_t)(EVENT_CID + number)});
    lane_ring(&rig->admin);
}

static bool event_comes(struct rig *rig, struct lane_result *ret_result)
{
    return lane_reap(&rig->admin, rig->patience < EVENT_MILLISECONDS ? rig->patience : EVENT_MILLISECONDS,
                     ret_result);
}

static unsigned requests_max(struct rig *rig)
{
    const struct nvme_id_ctrl *id = (const struct nvme_id_ctrl *)(const void *)(rig->memory + RIG_DATA);

    return raw_identify(rig, NVME_IDENTIFY_CNS_CTRL, 0) == 0 ? id->aerl + 1u : 0;
}

static const char *requests_wait(struct rig *rig, const struct conformance_case *self)
{
    struct lane_result result;
    (void)self;

    request(rig, 0);
    EXPECT(!lane_reap(&rig->admin, QUIET_MILLISECONDS, &result));
    EXPECT(raw_get_feature(rig, NVME_FEAT_FID_ASYNC_EVENT, 0, 0) == 0); /* and hold nothing up */
    EXPECT(rig->strays == 0);
    return NULL;
}

static const char *as_many_as_aerl_says(struct rig *rig, const struct conformance_case *self)
{
    unsigned count = requests_max(rig);
    struct lane_result result;
    (void)self;

    NEED(count > 0 && count + 4 < RAW_ADMIN_ENTRIES);
    for (unsigned i = 0; i < count; i++)
        request(rig, (uint16_t)i);
    EXPECT(!lane_reap(&rig->admin, QUIET_MILLISECONDS, &result));
    return NULL;
}

static const char *one_more_is_refused(struct rig *rig, const struct conformance_case *self)
{
    unsigned count = requests_max(rig);
    struct lane_result result;
    (void)self;

    NEED(count > 0 && count + 4 < RAW_ADMIN_ENTRIES);
    for (unsigned i = 0; i <= count; i++)
        request(rig, (uint16_t)i);
    EXPECT(event_comes(rig, &result));
    EXPECT(result.status == SPECIFIC(ASYNC_LIMIT) && result.cid == EVENT_CID + count);
    return NULL;
}

static const char *reset_forgets_requests(struct rig *rig, const struct conformance_case *self)
{
    unsigned count = requests_max(rig);
    struct lane_result result;
    (void)self;

    NEED(count > 0 && count + 4 < RAW_ADMIN_ENTRIES);
    for (unsigned i = 0; i < count; i++)
        request(rig, (uint16_t)i);
    EXPECT(!lane_reap(&rig->admin, QUIET_MILLISECONDS, &result));
    EXPECT(raw_enable(rig));
    for (unsigned i = 0; i < count; i++)
        request(rig, (uint16_t)i);
    EXPECT(!lane_reap(&rig->admin, QUIET_MILLISECONDS, &result));
    return NULL;
}

/* Has an event raised: the tail of queue 1 is set to what the queue has no room for. */
static bool raise_value(struct rig *rig, struct lane *lane)
{
    if (!raw_lane(rig, lane, 1, CASE_ENTRIES))
        return false;
    rig_write_doorbell(rig, lane->submission_doorbell, CASE_ENTRIES);
    return true;
}

static const char *tail_out_of_range(struct rig *rig, const struct conformance_case *self)
{
    struct lane_result result;
    struct lane lane;
    (void)self;

    request(rig, 0);
    EXPECT(raise_value(rig, &lane));
    EXPECT(event_comes(rig, &result));
    EXPECT(result.cid == EVENT_CID && result.status == 0 && (result.value & 0xff07ff) == INVALID_VALUE);
    return NULL;
}

static const char *head_beyond_tail(struct rig *rig, const struct conformance_case *self)
{
    struct lane_result result;
    struct lane lane;
    (void)self;

    request(rig, 0);
    EXPECT(raw_lane(rig, &lane, 1, CASE_ENTRIES));
    rig_write_doorbell(rig, lane.completion_doorbell, 5);
    /* A head may be looked at when the room is needed: a command makes that so. */
    lane_put(&lane, transfer(rig, nvme_cmd_read, 0, 1, RIG_OTHER));
    lane_ring(&lane);
    EXPECT(event_comes(rig, &result));
    EXPECT((result.value & 0xff07ff) == INVALID_VALUE);
    return NULL;
}

static const char *head_out_of_range(struct rig *rig, const struct conformance_case *self)
{
    struct lane_result result;
    struct lane lane;
    (void)self;

    request(rig, 0);
    EXPECT(raw_lane(rig, &lane, 1, CASE_ENTRIES));
    rig_write_doorbell(rig, lane.completion_doorbell, CASE_ENTRIES);
    lane_put(&lane, transfer(rig, nvme_cmd_read, 0, 1, RIG_OTHER));
    lane_ring(&lane);
    EXPECT(event_comes(rig, &result));
    EXPECT((result.value & 0xff07ff) == INVALID_VALUE);
    return NULL;
}

static const char *queue_lives_on(struct rig *rig, const struct conformance_case *self)
{
    struct lane lane;
    (void)self;

    EXPECT(raise_value(rig, &lane));
    EXPECT(lane_give(&lane, transfer(rig, nvme_cmd_read, 0, 1, RIG_OTHER)) == 0);
    return NULL;
}

static const char *doorbell_of_no_queue(struct rig *rig, const struct conformance_case *self)
{
    struct lane_result result;
    struct lane lane;
    (void)self;

    request(rig, 0);
    EXPECT(raw_lane(rig, &lane, 1, CASE_ENTRIES));
    EXPECT(raw_delete(rig, nvme_admin_delete_sq, 1) == 0);
    rig_write_doorbell(rig, lane.submission_doorbell, 1);
    EXPECT(event_comes(rig, &result));
    EXPECT((result.value & 0xff07ff) == INVALID_REGISTER);
    return NULL;
}

static const char *doorbell_of_no_completion_queue(struct rig *rig, const struct conformance_case *self)
{
    struct lane_result result;
    struct lane lane;
    (void)self;

    request(rig, 0);
    EXPECT(raw_get_feature(rig, NVME_FEAT_FID_ASYNC_EVENT, 0, 0) == 0); /* so it was taken */
    lane_init(rig, &lane, 1, CASE_ENTRIES, RIG_SUBMISSION, RIG_COMPLETION);
    rig_write_doorbell(rig, lane.completion_doorbell, 1);
    EXPECT(event_comes(rig, &result));
    EXPECT((result.value & 0xff07ff) == INVALID_REGISTER);
    return NULL;
}

static const char *event_waits_for_its_request(struct rig *rig, const struct conformance_case *self)
{
    struct lane_result result;
    struct lane lane;
    (void)self;

    EXPECT(raise_value(rig, &lane));
    EXPECT(!lane_reap(&rig->admin, QUIET_MILLISECONDS, &result));
    request(rig, 0);
    EXPECT(event_comes(rig, &result));
    EXPECT((result.value & 0xff07ff) == INVALID_VALUE);
    return NULL;
}

static const char *second_waits_for_the_log(struct rig *rig, const struct conformance_case *self)
{
    struct lane_result result;
    struct lane lane;
    (void)self;

    request(rig, 0);
    request(rig, 1);
    EXPECT(raise_value(rig, &lane));
    EXPECT(event_comes(rig, &result));
    rig_write_doorbell(rig, lane.submission_doorbell, CASE_ENTRIES + 1);
    EXPECT(!lane_reap(&rig->admin, QUIET_MILLISECONDS, &result));
    return NULL;
}

/* After the log was read, with or without retaining the event. Whether another event comes. */
static const char *again(struct rig *rig, bool retain, bool *ret_came)
{
    struct lane_result result;
    struct lane lane;

    request(rig, 0);
    request(rig, 1);
    EXPECT(raise_value(rig, &lane));
    EXPECT(event_comes(rig, &result));
    EXPECT(raw_log(rig, NVME_LOG_LID_ERROR, 64, retain) == 0);
    unsigned before = rig->strays;
    rig_write_doorbell(rig, lane.submission_doorbell, CASE_ENTRIES + 1);
    *ret_came =
        lane_reap(&rig->admin, retain ? QUIET_MILLISECONDS : rig->patience, &result) || rig->strays != before;
    return NULL;
}

static const char *reading_the_log_arms_again(struct rig *rig, const struct conformance_case *self)
{
    bool came = false;
    (void)self;

    EXPECT(again(rig, false, &came) == NULL);
    EXPECT(came);
    return NULL;
}

static const char *retaining_does_not(struct rig *rig, const struct conformance_case *self)
{
    bool came = false;
    (void)self;

    EXPECT(again(rig, true, &came) == NULL);
    EXPECT(!came);
    return NULL;
}

/* ---- namespaces that come and go ---- */

static bool change(struct rig *rig)
{
    return rig_attach(rig, rig->other_nsid, rig->info.controller_id, true) == 0 &&
           rig_attach(rig, rig->other_nsid, rig->info.controller_id, false) == 0;
}

static bool offers_notices(struct rig *rig)
{
    const struct nvme_id_ctrl *id = (const struct nvme_id_ctrl *)(const void *)(rig->memory + RIG_DATA);

    return rig->other_nsid && raw_identify(rig, NVME_IDENTIFY_CNS_CTRL, 0) == 0 &&
           le32toh(id->oaes) & NOTICE_NAMESPACES;
}

static const char *change_is_told(struct rig *rig, const struct conformance_case *self)
{
    struct lane_result result;
    (void)self;

    NEED(offers_notices(rig));
    EXPECT(raw_set_feature(rig, NVME_FEAT_FID_ASYNC_EVENT, NOTICE_NAMESPACES) == 0);
    request(rig, 0);
    EXPECT(change(rig));
    EXPECT(event_comes(rig, &result));
    EXPECT((result.value & 0xffff07) == NAMESPACE_CHANGED);
    return NULL;
}

static const char *change_is_told_when_wanted_only(struct rig *rig, const struct conformance_case *self)
{
    struct lane_result result;
    (void)self;

    NEED(offers_notices(rig));
    EXPECT(raw_set_feature(rig, NVME_FEAT_FID_ASYNC_EVENT, 0) == 0);
    request(rig, 0);
    EXPECT(change(rig));
    EXPECT(!lane_reap(&rig->admin, QUIET_MILLISECONDS, &result));
    return NULL;
}

static uint32_t first_changed(const struct rig *rig)
{
    return le32toh(*(const uint32_t *)(const void *)(rig->memory + RIG_DATA));
}

static const char *changed_list(struct rig *rig, const struct conformance_case *self)
{
    (void)self;
    NEED(offers_notices(rig));
    EXPECT(raw_set_feature(rig, NVME_FEAT_FID_ASYNC_EVENT, NOTICE_NAMESPACES) == 0);
    EXPECT(raw_log(rig, NVME_LOG_LID_CHANGED_NS, 4096, false) == 0);
    EXPECT(change(rig));
    EXPECT(raw_log(rig, NVME_LOG_LID_CHANGED_NS, 4096, false) == 0);
    EXPECT(first_changed(rig) == rig->other_nsid);
    return NULL;
}

static const char *changed_list_is_cleared(struct rig *rig, const struct conformance_case *self)
{
    (void)self;
    NEED(offers_notices(rig));
    EXPECT(raw_set_feature(rig, NVME_FEAT_FID_ASYNC_EVENT, NOTICE_NAMESPACES) == 0);
    EXPECT(change(rig));
    EXPECT(raw_log(rig, NVME_LOG_LID_CHANGED_NS, 4096, false) == 0);
    EXPECT(first_changed(rig) == rig->other_nsid);
    EXPECT(raw_log(rig, NVME_LOG_LID_CHANGED_NS, 4096, false) == 0);
    EXPECT(first_changed(rig) == 0);
    return NULL;
}

static const struct conformance_case cases[] = {
    {.name = "event requests wait", .section = "5.2", .rule = RULE_AER_WAITS, .run = requests_wait},
    {.name = "as many event requests as AERL says",
     .section = "5.17.2.1",
     .rule = RULE_AER_COUNT,
     .run = as_many_as_aerl_says},
    {.name = "one event request more is refused",
     .section = "5.2.1",
     .rule = RULE_AER_LIMIT,
     .run = one_more_is_refused},
    {.name = "a reset forgets event requests",
     .section = "5.2, 3.7.2",
     .rule = RULE_RESET_AER,
     .run = reset_forgets_requests},
    {.name = "a tail out of range is an event",
     .section = "5.2, figure 145",
     .rule = RULE_DOORBELL_TAIL,
     .run = tail_out_of_range},
    {.name = "a head beyond the tail is an event",
     .section = "5.2, figure 145",
     .rule = RULE_DOORBELL_HEAD,
     .run = head_beyond_tail},
    {.name = "a head out of range is an event",
     .section = "5.2, figure 145",
     .rule = RULE_DOORBELL_HEAD_RANGE,
     .run = head_out_of_range},
    {.name = "a queue outlives a tail out of range",
     .section = "5.2",
     .rule = RULE_DOORBELL_IGNORED,
     .run = queue_lives_on},
    {.name = "a doorbell of a deleted queue is an event",
     .section = "5.2, figure 145",
     .rule = RULE_DOORBELL_REGISTER,
     .run = doorbell_of_no_queue},
    {.name = "a doorbell of no completion queue is an event",
     .section = "5.2, figure 145",
     .rule = RULE_DOORBELL_REGISTER,
     .run = doorbell_of_no_completion_queue},
    {.name = "an event waits for its request",
     .section = "5.2",
     .rule = RULE_EVENT_KEPT,
     .run = event_waits_for_its_request},
    {.name = "the next event of its type waits for the log",
     .section = "5.2",
     .rule = RULE_EVENT_MASKED,
     .run = second_waits_for_the_log},
    {.name = "reading the log lets the next event come",
     .section = "5.2",
     .rule = RULE_EVENT_CLEARED,
     .run = reading_the_log_arms_again},
    {.name = "an event that is retained holds the next",
     .section = "5.16",
     .rule = RULE_EVENT_RETAINED,
     .run = retaining_does_not},
    {.name = "a changed namespace is told",
     .section = "5.2, figure 146",
     .rule = RULE_NOTICE,
     .run = change_is_told},
    {.name = "a changed namespace is told when wanted",
     .section = "5.27.1.8",
     .rule = RULE_NOTICE_WANTED,
     .run = change_is_told_when_wanted_only},
    {.name = "the log lists changed namespaces",
     .section = "5.16.1.5",
     .rule = RULE_CHANGED_LIST,
     .run = changed_list},
    {.name = "reading clears the list of changed namespaces",
     .section = "5.16.1.5",
     .rule = RULE_CHANGED_CLEARED,
     .run = changed_list_is_cleared},
};
const struct case_list cases_events = LIST(cases);
