/* SPDX-License-Identifier: BSD-3-Clause */
/* Creating, using and deleting I/O queues (NVMe Base 2.0, sections 3.3 and 5.4 to 5.7). */
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "tests/conformance/cases.h"
#include "tests/conformance/raw.h"

enum { SLOT = 4, SLOTS = 4, BURST = 15, SMALL = 4 };

static uint32_t entries_max(const struct rig *rig)
{
    return (uint32_t)(raw_read64(rig, REGISTER_CAP) & 0xffff) + 1;
}

static uint16_t create(struct rig *rig, uint8_t opcode, uint16_t id, uint32_t last, uint64_t prp1,
                       uint32_t dword11)
{
    return raw_admin(rig,
                     (struct nvme_command){
                         .opcode = opcode, .prp1 = prp1, .dword10 = id | last << 16, .dword11 = dword11});
}

static uint16_t granted(struct rig *rig)
{
    return raw_get_feature(rig, NVME_FEAT_FID_NUM_QUEUES, 0, 0) == 0 ? (uint16_t)((rig->value & 0xffff) + 1)
                                                                     : 0;
}

/* ---- completion queues ---- */

static const char *completion_id_beyond(struct rig *rig, const struct conformance_case *self)
{
    (void)self;
    EXPECT(raw_create_completion(rig, (uint16_t)(granted(rig) + 1), CASE_ENTRIES, 0, -1) ==
           SPECIFIC(QID_INVALID));
    return NULL;
}

static const char *completion_id_taken(struct rig *rig, const struct conformance_case *self)
{
    (void)self;
    EXPECT(raw_create_completion(rig, 1, CASE_ENTRIES, 0, -1) == 0);
    EXPECT(raw_create_completion(rig, 1, CASE_ENTRIES, 1, -1) == SPECIFIC(QID_INVALID));
    return NULL;
}

static const char *completion_entries(struct rig *rig, const struct conformance_case *self)
{
    uint32_t most = entries_max(rig);
    (void)self;

    EXPECT(create(rig, nvme_admin_create_cq, 1, most - 1, RIG_IOVA + RIG_OTHER, 1) == 0);
    return NULL;
}

static const char *completion_entries_beyond(struct rig *rig, const struct conformance_case *self)
{
    uint32_t most = entries_max(rig);
    (void)self;

    NEED(most < 65536);
    EXPECT(create(rig, nvme_admin_create_cq, 1, most, RIG_IOVA + RIG_OTHER, 1) == SPECIFIC(QUEUE_SIZE));
    return NULL;
}

/* ---- submission queues ---- */

static const char *submission_refused(struct rig *rig, uint16_t id, uint32_t last, uint64_t prp1,
                                      uint32_t dword11, uint16_t status)
{
    EXPECT(raw_create_completion(rig, 1, CASE_ENTRIES, 0, -1) == 0);
    EXPECT(create(rig, nvme_admin_create_sq, id, last, prp1, dword11) == status);
    return NULL;
}

static const char *submission_id_zero(struct rig *rig, const struct conformance_case *self)
{
    (void)self;
    return submission_refused(rig, 0, CASE_ENTRIES - 1, RIG_IOVA, 1 << 16 | 1, SPECIFIC(QID_INVALID));
}

static const char *submission_id_beyond(struct rig *rig, const struct conformance_case *self)
{
    (void)self;
    return submission_refused(rig, (uint16_t)(granted(rig) + 1), CASE_ENTRIES - 1, RIG_IOVA, 1 << 16 | 1,
                              SPECIFIC(QID_INVALID));
}

static const char *submission_id_taken(struct rig *rig, const struct conformance_case *self)
{
    struct lane lane;
    (void)self;

    EXPECT(raw_lane(rig, &lane, 1, CASE_ENTRIES));
    EXPECT(raw_create_submission(rig, 1, CASE_ENTRIES, 1, 1) == SPECIFIC(QID_INVALID));
    return NULL;
}

static const char *submission_entries(struct rig *rig, const struct conformance_case *self)
{
    (void)self;
    return submission_refused(rig, 1, entries_max(rig) - 1, RIG_IOVA + RIG_OTHER, 1 << 16 | 1, 0);
}

static const char *submission_entries_beyond(struct rig *rig, const struct conformance_case *self)
{
    (void)self;
    NEED(entries_max(rig) < 65536);
    return submission_refused(rig, 1, entries_max(rig), RIG_IOVA + RIG_OTHER, 1 << 16 | 1,
                              SPECIFIC(QUEUE_SIZE));
}

static const char *submission_one_entry(struct rig *rig, const struct conformance_case *self)
{
    (void)self;
    return submission_refused(rig, 1, 0, RIG_IOVA, 1 << 16 | 1, SPECIFIC(QUEUE_SIZE));
}

static const char *submission_contiguous(struct rig *rig, const struct conformance_case *self)
{
    (void)self;
    NEED(raw_read64(rig, REGISTER_CAP) >> 16 & 1);
    return submission_refused(rig, 1, CASE_ENTRIES - 1, RIG_IOVA, 1 << 16, GENERIC(INVALID_FIELD));
}

static const char *submission_aligned(struct rig *rig, const struct conformance_case *self)
{
    (void)self;
    return submission_refused(rig, 1, CASE_ENTRIES - 1, RIG_IOVA + 512, 1 << 16 | 1,
                              GENERIC(PRP_INVALID_OFFSET));
}

static const char *submission_without_completion(struct rig *rig, const struct conformance_case *self)
{
    (void)self;
    NEED(granted(rig) >= 2);
    return submission_refused(rig, 1, CASE_ENTRIES - 1, RIG_IOVA, 2 << 16 | 1, SPECIFIC(CQ_INVALID));
}

static const char *submission_with_admin_completion(struct rig *rig, const struct conformance_case *self)
{
    (void)self;
    return submission_refused(rig, 1, CASE_ENTRIES - 1, RIG_IOVA, 1, SPECIFIC(QID_INVALID));
}

static const char *submission_with_completion_beyond(struct rig *rig, const struct conformance_case *self)
{
    (void)self;
    return submission_refused(rig, 1, CASE_ENTRIES - 1, RIG_IOVA, (granted(rig) + 1u) << 16 | 1,
                              SPECIFIC(QID_INVALID));
}

/* ---- deleting ---- */

static const char *completion_in_use(struct rig *rig, const struct conformance_case *self)
{
    struct lane lane;
    (void)self;

    EXPECT(raw_lane(rig, &lane, 1, CASE_ENTRIES));
    EXPECT(raw_delete(rig, nvme_admin_delete_cq, 1) == SPECIFIC(INVALID_QUEUE));
    EXPECT(lane_give(&lane, transfer(rig, nvme_cmd_read, 0, 1, RIG_OTHER)) == 0);
    return NULL;
}

static const char *deleted_is_gone(struct rig *rig, const struct conformance_case *self)
{
    struct lane lane;
    (void)self;

    EXPECT(raw_lane(rig, &lane, 1, CASE_ENTRIES));
    EXPECT(raw_delete(rig, nvme_admin_delete_sq, 1) == 0);
    EXPECT(raw_delete(rig, nvme_admin_delete_sq, 1) == SPECIFIC(QID_INVALID));
    return NULL;
}

static const char *deleted_completion_is_gone(struct rig *rig, const struct conformance_case *self)
{
    (void)self;
    EXPECT(raw_create_completion(rig, 1, CASE_ENTRIES, 0, -1) == 0);
    EXPECT(raw_delete(rig, nvme_admin_delete_cq, 1) == 0);
    EXPECT(raw_delete(rig, nvme_admin_delete_cq, 1) == SPECIFIC(QID_INVALID));
    return NULL;
}

static const char *deleted_is_not_served(struct rig *rig, const struct conformance_case *self)
{
    struct lane_result result;
    struct lane lane;
    (void)self;

    EXPECT(raw_lane(rig, &lane, 1, CASE_ENTRIES));
    EXPECT(raw_delete(rig, nvme_admin_delete_sq, 1) == 0);
    lane_put(&lane, transfer(rig, nvme_cmd_read, 0, 1, RIG_OTHER));
    lane_ring(&lane);
    EXPECT(!lane_reap(&lane, QUIET_MILLISECONDS, &result));
    return NULL;
}

static const char *created_again_is_fresh(struct rig *rig, const struct conformance_case *self)
{
    struct lane lane;
    (void)self;

    for (unsigned i = 0; i < 3; i++) {
        EXPECT(raw_lane(rig, &lane, 1, CASE_ENTRIES));
        for (unsigned k = 0; k < 5 + i; k++)
            EXPECT(lane_give(&lane, transfer(rig, nvme_cmd_read, 0, 1, RIG_OTHER)) == 0);
        EXPECT(raw_delete(rig, nvme_admin_delete_sq, 1) == 0);
        EXPECT(raw_delete(rig, nvme_admin_delete_cq, 1) == 0);
    }
    return NULL;
}

/* ---- using ---- */

static const char *entries_tell_identifier(struct rig *rig, const struct conformance_case *self)
{
    struct lane_result result;
    struct lane lane;
    (void)self;

    EXPECT(raw_lane(rig, &lane, 1, CASE_ENTRIES));
    for (unsigned i = 0; i < 4; i++) {
        struct nvme_command command = transfer(rig, nvme_cmd_read, 0, 1, RIG_OTHER);
        command.cid = (uint16_t)(0x8001 * (i + 1));
        lane_put(&lane, command);
        lane_ring(&lane);
        EXPECT(lane_reap(&lane, rig->patience, &result));
        EXPECT(result.cid == command.cid && result.status == 0);
    }
    return NULL;
}

static const char *entries_tell_queue(struct rig *rig, const struct conformance_case *self)
{
    struct lane_result result;
    struct lane lane;
    uint16_t last = granted(rig);
    (void)self;

    EXPECT(last > 0 && raw_lane(rig, &lane, last, CASE_ENTRIES));
    lane_put(&lane, transfer(rig, nvme_cmd_read, 0, 1, RIG_OTHER));
    lane_ring(&lane);
    EXPECT(lane_reap(&lane, rig->patience, &result));
    EXPECT(result.queue == last);
    return NULL;
}

static const char *entries_tell_head(struct rig *rig, const struct conformance_case *self)
{
    struct lane_result result;
    struct lane lane;
    (void)self;

    EXPECT(raw_lane(rig, &lane, 1, SMALL));
    for (unsigned i = 1; i <= 9; i++) {
        lane_put(&lane, transfer(rig, nvme_cmd_read, 0, 1, RIG_OTHER));
        lane_ring(&lane);
        EXPECT(lane_reap(&lane, rig->patience, &result));
        EXPECT(result.head == i % SMALL);
    }
    return NULL;
}

static const char *phase_turns(struct rig *rig, const struct conformance_case *self)
{
    struct lane lane;
    (void)self;

    EXPECT(raw_lane(rig, &lane, 1, 5));
    for (unsigned i = 0; i < 53; i++)
        EXPECT(lane_give(&lane, transfer(rig, nvme_cmd_read, 0, 1, RIG_OTHER)) == 0);
    return NULL;
}

static const char *two_entries_do(struct rig *rig, const struct conformance_case *self)
{
    struct lane lane;
    (void)self;

    EXPECT(raw_lane(rig, &lane, 1, 2));
    for (unsigned i = 0; i < 9; i++)
        EXPECT(lane_give(&lane, transfer(rig, nvme_cmd_read, 0, 1, RIG_OTHER)) == 0);
    return NULL;
}

static const char *every_command_completes_once(struct rig *rig, const struct conformance_case *self)
{
    struct lane_result result;
    struct lane lane;
    uint32_t seen = 0;
    (void)self;

    EXPECT(raw_lane(rig, &lane, 1, CASE_ENTRIES));
    for (uint16_t i = 0; i < BURST; i++) {
        struct nvme_command command = transfer(rig, nvme_cmd_read, i, 1, RIG_OTHER + i * UINT64_C(4096));
        command.cid = i;
        lane_put(&lane, command);
    }
    lane_ring(&lane);
    for (unsigned i = 0; i < BURST; i++) {
        EXPECT(lane_reap(&lane, rig->patience, &result));
        EXPECT(result.cid < BURST && !(seen >> result.cid & 1));
        seen |= 1u << result.cid;
    }
    EXPECT(!lane_reap(&lane, QUIET_MILLISECONDS, &result));
    return NULL;
}

static const char *full_queue_is_not_overrun(struct rig *rig, const struct conformance_case *self)
{
    struct lane_result result;
    struct lane lane;
    (void)self;

    EXPECT(raw_lane(rig, &lane, 1, SMALL));
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < SMALL - 1; i++)
            lane_put(&lane, transfer(rig, nvme_cmd_read, i, 1, RIG_OTHER));
        lane_ring(&lane);
        usleep(QUIET_MILLISECONDS * 1000);
    }
    EXPECT((lane.completion[2 * (SMALL - 1) + 1] >> 48 & 1) == 0); /* one entry stays empty */
    for (unsigned i = 0; i < 2 * (SMALL - 1); i++)
        EXPECT(lane_reap(&lane, rig->patience, &result));
    EXPECT(!lane_reap(&lane, QUIET_MILLISECONDS, &result));
    return NULL;
}

static const char *queues_share_completions(struct rig *rig, const struct conformance_case *self)
{
    struct lane_result result;
    struct lane first, second;
    unsigned seen = 0;
    (void)self;

    NEED(granted(rig) >= 2);
    EXPECT(raw_lane(rig, &first, 1, CASE_ENTRIES));
    EXPECT(raw_create_submission(rig, 2, CASE_ENTRIES, 1, 1) == 0);
    lane_init(rig, &second, 2, CASE_ENTRIES, 0x60000, 0x70000); /* place 1 */
    lane_put(&second, transfer(rig, nvme_cmd_read, 0, 1, RIG_OTHER));
    lane_ring(&second);
    lane_put(&first, transfer(rig, nvme_cmd_read, 0, 1, RIG_OTHER));
    lane_ring(&first);
    for (unsigned i = 0; i < 2; i++) {
        EXPECT(lane_reap(&first, rig->patience, &result));
        seen |= 1u << result.queue;
    }
    EXPECT(seen == (1u << 1 | 1u << 2));
    return NULL;
}

static const char *queues_work_at_once(struct rig *rig, const struct conformance_case *self)
{
    uint16_t count = granted(rig) < SLOTS ? granted(rig) : SLOTS;
    struct lane lanes[SLOTS];
    struct lane_result result;
    (void)self;

    for (uint16_t i = 0; i < count; i++) {
        EXPECT(raw_lane_at(rig, &lanes[i], (uint16_t)(i + 1), CASE_ENTRIES, i, -1));
        lane_put(&lanes[i], transfer(rig, nvme_cmd_read, i, 1, RIG_OTHER + i * UINT64_C(4096)));
    }
    for (unsigned i = count; i-- > 0;)
        lane_ring(&lanes[i]);
    for (unsigned i = 0; i < count; i++) {
        EXPECT(lane_reap(&lanes[i], rig->patience, &result));
        EXPECT(result.queue == i + 1);
    }
    return NULL;
}

/* ---- interrupts ---- */

static void quieten(int fd)
{
    struct pollfd vector = {.fd = fd, .events = POLLIN};
    uint64_t count;

    while (poll(&vector, 1, 0) == 1 && read(fd, &count, sizeof(count)) > 0)
        ;
}

static bool signalled(int fd, unsigned milliseconds)
{
    struct pollfd vector = {.fd = fd, .events = POLLIN};

    return poll(&vector, 1, (int)milliseconds) == 1;
}

static const char *interrupts_on_its_vector(struct rig *rig, const struct conformance_case *self)
{
    struct lane lane;
    (void)self;

    NEED(rig->info.interrupts >= 2);
    EXPECT(raw_lane_at(rig, &lane, 1, CASE_ENTRIES, 0, 2));
    quieten(rig->backend->event_fd(rig->function, 1));
    quieten(rig->backend->event_fd(rig->function, 2));
    EXPECT(lane_give(&lane, transfer(rig, nvme_cmd_read, 0, 1, RIG_OTHER)) == 0);
    EXPECT(signalled(rig->backend->event_fd(rig->function, 2), EVENT_MILLISECONDS));
    EXPECT(!signalled(rig->backend->event_fd(rig->function, 1), 0));
    return NULL;
}

static const char *polled_does_not_interrupt(struct rig *rig, const struct conformance_case *self)
{
    struct lane lane;
    (void)self;

    EXPECT(raw_lane(rig, &lane, 1, CASE_ENTRIES));
    for (uint16_t i = 0; i <= rig->info.interrupts; i++)
        quieten(rig->backend->event_fd(rig->function, i));
    EXPECT(lane_give(&lane, transfer(rig, nvme_cmd_read, 0, 1, RIG_OTHER)) == 0);
    usleep(QUIET_MILLISECONDS * 1000);
    for (uint16_t i = 0; i <= rig->info.interrupts; i++)
        EXPECT(!signalled(rig->backend->event_fd(rig->function, i), 0));
    return NULL;
}

static const char *queues_share_a_vector(struct rig *rig, const struct conformance_case *self)
{
    struct lane lanes[2];
    (void)self;

    NEED(rig->info.interrupts >= 1 && granted(rig) >= 2);
    for (uint16_t i = 0; i < 2; i++)
        EXPECT(raw_lane_at(rig, &lanes[i], (uint16_t)(i + 1), CASE_ENTRIES, i, 1));
    for (unsigned i = 0; i < 2; i++) {
        quieten(rig->backend->event_fd(rig->function, 1));
        EXPECT(lane_give(&lanes[i], transfer(rig, nvme_cmd_read, 0, 1, RIG_OTHER)) == 0);
        EXPECT(signalled(rig->backend->event_fd(rig->function, 1), EVENT_MILLISECONDS));
    }
    return NULL;
}

static const char *shares_the_admin_vector(struct rig *rig, const struct conformance_case *self)
{
    struct lane lane;
    (void)self;

    EXPECT(raw_lane_at(rig, &lane, 1, CASE_ENTRIES, 0, 0));
    quieten(rig->backend->event_fd(rig->function, 0));
    EXPECT(lane_give(&lane, transfer(rig, nvme_cmd_read, 0, 1, RIG_OTHER)) == 0);
    EXPECT(signalled(rig->backend->event_fd(rig->function, 0), EVENT_MILLISECONDS));
    return NULL;
}

#define CREATE_CQ(id, last, at, flags)                                                                       \
    {                                                                                                        \
        .opcode = nvme_admin_create_cq, .prp1 = RIG_IOVA + (at), .dword10 = (id) | (uint32_t)(last) << 16,   \
        .dword11 = (flags)                                                                                   \
    }
#define DELETE(what, id)                                                                                     \
    {                                                                                                        \
        .opcode = nvme_admin_delete_##what, .dword10 = (id)                                                  \
    }

static const struct conformance_case cases[] = {
    {.name = "a completion queue is not number 0",
     .section = "5.4",
     .rule = RULE_CQ_ZERO,
     .run = case_admin,
     .command = CREATE_CQ(0, 15, 0, 1),
     .status = SPECIFIC(QID_INVALID)},
    {.name = "a completion queue's number is among those granted",
     .section = "5.4",
     .rule = RULE_CQ_BEYOND,
     .run = completion_id_beyond},
    {.name = "a completion queue is created once",
     .section = "5.4",
     .rule = RULE_CQ_TAKEN,
     .run = completion_id_taken},
    {.name = "a completion queue has more than one entry",
     .section = "5.4",
     .rule = RULE_CQ_SIZE_MIN,
     .run = case_admin,
     .command = CREATE_CQ(1, 0, 0, 1),
     .status = SPECIFIC(QUEUE_SIZE)},
    {.name = "a completion queue may have MQES entries",
     .section = "5.4, 3.1.3.1",
     .rule = RULE_CQ_SIZE,
     .run = completion_entries},
    {.name = "a completion queue has no more than MQES entries",
     .section = "5.4, 3.1.3.1",
     .rule = RULE_CQ_SIZE_MAX,
     .run = completion_entries_beyond},
    {.name = "a completion queue is contiguous where CAP.CQR says so",
     .section = "5.4, 3.1.3.1",
     .rule = RULE_CQ_CONTIGUOUS,
     .run = case_admin,
     .command = CREATE_CQ(1, 15, 0, 0),
     .status = GENERIC(INVALID_FIELD)},
    {.name = "a completion queue begins at a page",
     .section = "5.4",
     .rule = RULE_CQ_ALIGNED,
     .run = case_admin,
     .command = CREATE_CQ(1, 15, 512, 1),
     .status = GENERIC(PRP_INVALID_OFFSET)},
    {.name = "a completion queue's vector is there",
     .section = "5.4",
     .rule = RULE_CQ_VECTOR,
     .run = case_admin,
     .command = CREATE_CQ(1, 15, 0, UINT32_C(0x7ff) << 16 | 3),
     .status = SPECIFIC(INVALID_VECTOR)},
    {.name = "a submission queue is not number 0",
     .section = "5.5",
     .rule = RULE_SQ_ZERO,
     .run = submission_id_zero},
    {.name = "a submission queue's number is among those granted",
     .section = "5.5",
     .rule = RULE_SQ_BEYOND,
     .run = submission_id_beyond},
    {.name = "a submission queue is created once",
     .section = "5.5",
     .rule = RULE_SQ_TAKEN,
     .run = submission_id_taken},
    {.name = "a submission queue has more than one entry",
     .section = "5.5",
     .rule = RULE_SQ_SIZE_MIN,
     .run = submission_one_entry},
    {.name = "a submission queue may have MQES entries",
     .section = "5.5, 3.1.3.1",
     .rule = RULE_SQ_SIZE,
     .run = submission_entries},
    {.name = "a submission queue has no more than MQES entries",
     .section = "5.5, 3.1.3.1",
     .rule = RULE_SQ_SIZE_MAX,
     .run = submission_entries_beyond},
    {.name = "a submission queue is contiguous where CAP.CQR says so",
     .section = "5.5, 3.1.3.1",
     .rule = RULE_SQ_CONTIGUOUS,
     .run = submission_contiguous},
    {.name = "a submission queue begins at a page",
     .section = "5.5",
     .rule = RULE_SQ_ALIGNED,
     .run = submission_aligned},
    {.name = "a submission queue's completion queue is there",
     .section = "5.5",
     .rule = RULE_SQ_CQ_ABSENT,
     .run = submission_without_completion},
    {.name = "a submission queue does not complete on queue 0",
     .section = "5.5",
     .rule = RULE_SQ_CQ_ZERO,
     .run = submission_with_admin_completion},
    {.name = "a completion queue that cannot be is refused",
     .section = "5.5",
     .rule = RULE_SQ_CQ_BEYOND,
     .run = submission_with_completion_beyond},
    {.name = "the admin submission queue is not deleted",
     .section = "5.7",
     .rule = RULE_DELETE_SQ_ZERO,
     .run = case_admin,
     .command = DELETE(sq, 0),
     .status = SPECIFIC(QID_INVALID)},
    {.name = "no submission queue, nothing deleted",
     .section = "5.7",
     .rule = RULE_DELETE_SQ,
     .run = case_admin,
     .command = DELETE(sq, 1),
     .status = SPECIFIC(QID_INVALID)},
    {.name = "the admin completion queue is not deleted",
     .section = "5.6",
     .rule = RULE_DELETE_CQ_ZERO,
     .run = case_admin,
     .command = DELETE(cq, 0),
     .status = SPECIFIC(QID_INVALID)},
    {.name = "no completion queue, nothing deleted",
     .section = "5.6",
     .rule = RULE_DELETE_CQ,
     .run = case_admin,
     .command = DELETE(cq, 1),
     .status = SPECIFIC(QID_INVALID)},
    {.name = "a completion queue in use is not deleted",
     .section = "5.6",
     .rule = RULE_DELETE_CQ_USED,
     .run = completion_in_use},
    {.name = "a deleted submission queue is gone",
     .section = "5.7",
     .rule = RULE_DELETE_SQ,
     .run = deleted_is_gone},
    {.name = "a deleted completion queue is gone",
     .section = "5.6",
     .rule = RULE_DELETE_CQ,
     .run = deleted_completion_is_gone},
    {.name = "a deleted queue is not served",
     .section = "5.7",
     .rule = RULE_DELETED_SERVED,
     .run = deleted_is_not_served},
    {.name = "a queue that is created again is fresh",
     .section = "3.3.1",
     .rule = RULE_QUEUE_FRESH,
     .run = created_again_is_fresh},
    {.name = "a completion has its command's identifier",
     .section = "3.3.3.2",
     .rule = RULE_CID,
     .run = entries_tell_identifier},
    {.name = "a completion has its submission queue's number",
     .section = "3.3.3.2",
     .rule = RULE_SQID,
     .run = entries_tell_queue},
    {.name = "a completion says how far its queue is",
     .section = "3.3.3.2",
     .rule = RULE_HEAD,
     .run = entries_tell_head},
    {.name = "the phase turns over with the ring",
     .section = "3.3.3.2.2",
     .rule = RULE_PHASE,
     .run = phase_turns},
    {.name = "two entries do", .section = "3.3.3.3", .rule = RULE_TWO_ENTRIES, .run = two_entries_do},
    {.name = "every command completes once",
     .section = "3.3.1",
     .rule = RULE_ONCE,
     .run = every_command_completes_once},
    {.name = "a full completion queue is not overrun",
     .section = "3.3.1.5",
     .rule = RULE_OVERRUN,
     .run = full_queue_is_not_overrun},
    {.name = "submission queues share a completion queue",
     .section = "5.5, 3.3.1",
     .rule = RULE_SHARED_CQ,
     .run = queues_share_completions},
    {.name = "queues work at once",
     .section = "3.3.1",
     .rule = RULE_QUEUES_APART,
     .run = queues_work_at_once},
    {.name = "a completion interrupts on its queue's vector",
     .section = "5.4",
     .rule = RULE_INTERRUPT,
     .run = interrupts_on_its_vector},
    {.name = "a queue without interrupts does not interrupt",
     .section = "5.4",
     .rule = RULE_POLLED,
     .run = polled_does_not_interrupt},
    {.name = "completion queues share a vector",
     .section = "5.4",
     .rule = RULE_SHARED_VECTOR,
     .run = queues_share_a_vector},
    {.name = "a completion queue shares the admin queue's vector",
     .section = "5.4",
     .rule = RULE_SHARED_ADMIN_VECTOR,
     .run = shares_the_admin_vector},
};
const struct case_list cases_queues = LIST(cases);
