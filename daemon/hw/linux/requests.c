/* SPDX-License-Identifier: BSD-3-Clause */
/* The operations of the backend's interface that are commands on a VF's admin queue. */
#include <errno.h>
#include <libnvme.h>
#include <string.h>

#include "daemon/hw/identify.h"
#include "daemon/hw/linux/backend.h"

enum {
    CONTIGUOUS = 1,         /* PC of Create I/O Completion and Submission Queue */
    INTERRUPTS_ON = 2,      /* IEN */
    RETAIN_EVENTS = 0x8000, /* RAE of Get Log Page: events are homid's to clear */
    COMPLETION_QUEUE_INVALID = NVME_SCT_CMD_SPECIFIC << NVME_SCT_SHIFT | NVME_SC_CQ_INVALID,
    QUEUE_IDENTIFIER_INVALID = NVME_SCT_CMD_SPECIFIC << NVME_SCT_SHIFT | NVME_SC_QID_INVALID,
};

static void end_with_data(struct command *command, const struct admin_completion *completion)
{
    if (command_take(command, completion) == 0)
        command->result.data = completion->data;
    command_end(command);
}

static void end_with_value(struct command *command, const struct admin_completion *completion)
{
    if (command_take(command, completion) == 0)
        command->result.value = completion->value;
    command_end(command);
}

/* ---- queue pairs ---- */

static struct admin_command queue_command(uint8_t opcode, uint16_t id)
{
    return (struct admin_command){.opcode = opcode, .dword10 = id};
}

/* The pair's SQ was refused: its CQ goes again, and the refusal is what is told. */
static void on_rolled_back(struct command *command, const struct admin_completion *completion)
{
    (void)completion;
    command_end(command);
}

static void on_submission_created(struct command *command, const struct admin_completion *completion)
{
    if (command_take(command, completion) == 0 || completion->status == 0) {
        if (command->pair.page && !command->result.error)
            relay_queue_add(command->pair.page, command->pair.id, command->pair.entries);
        command_end(command);
        return;
    }
    const struct admin_command delete = queue_command(nvme_admin_delete_cq, command->pair.id);
    command_submit(command, "Create I/O Submission Queue", &delete, on_rolled_back);
}

static void on_completion_created(struct command *command, const struct admin_completion *completion)
{
    const struct hw_queue_pair *pair = &command->pair;

    if (command_take(command, completion) < 0) {
        command_end(command);
        return;
    }
    struct admin_command create = queue_command(nvme_admin_create_sq, pair->id);
    create.dword10 |= (pair->entries - 1) << 16;
    create.dword11 = (uint32_t)pair->id << 16 | CONTIGUOUS;
    create.prp1 = pair->submission_iova;
    command_submit(command, "Create I/O Submission Queue", &create, on_submission_created);
}

void linux_create_queue_pair(struct hw_function *function, const struct hw_queue_pair *pair, hw_done done,
                             void *user)
{
    struct command *command = command_new(function, done, user);

    command->what = "Create I/O Completion Queue";
    if (pair->id == 0 || pair->id > function->info.queue_pairs || pair->entries < 2 ||
        pair->entries > function->info.queue_entries_max || pair->vector > function->info.interrupts) {
        command_end_later(command, -EINVAL, "queue identifier, size or vector out of range");
        return;
    }
    command->pair = *pair;
    function->in_use = true;
    if (pair->page)
        relay_queue_prepare(pair->page, pair->id);
    struct admin_command create = queue_command(nvme_admin_create_cq, pair->id);
    create.dword10 |= (pair->entries - 1) << 16;
    create.dword11 = CONTIGUOUS;
    if (pair->vector)
        create.dword11 |= (uint32_t)pair->vector << 16 | INTERRUPTS_ON;
    create.prp1 = pair->completion_iova;
    command_submit(command, "Create I/O Completion Queue", &create, on_completion_created);
}

/* A queue that the controller does not know is as gone as a deleted one; devices differ in how they say so.
 */
static int take_deleted(struct command *command, const struct admin_completion *completion)
{
    if (completion->status == QUEUE_IDENTIFIER_INVALID || completion->status == COMPLETION_QUEUE_INVALID)
        return 0;
    return command_take(command, completion);
}

static void on_completion_deleted(struct command *command, const struct admin_completion *completion)
{
    take_deleted(command, completion);
    command_end(command);
}

static void on_submission_deleted(struct command *command, const struct admin_completion *completion)
{
    if (take_deleted(command, completion) < 0) {
        command_end(command);
        return;
    }
    const struct admin_command delete = queue_command(nvme_admin_delete_cq, command->pair.id);
    command_submit(command, "Delete I/O Completion Queue", &delete, on_completion_deleted);
}

static void delete_submission(struct command *command)
{
    const struct admin_command delete = queue_command(nvme_admin_delete_sq, command->pair.id);

    command_submit(command, "Delete I/O Submission Queue", &delete, on_submission_deleted);
}

static void on_unrelayed(void *user, int error)
{
    struct command *command = user;

    if (error)
        command_end_later(command, error, "the doorbell relay does not let go of it");
    else
        delete_submission(command);
}

/* The relay comes first: a doorbell that it still forwarded could be that of the next queue pair. */
void linux_delete_queue_pair(struct hw_function *function, uint16_t id, hw_done done, void *user)
{
    struct command *command = command_new(function, done, user);

    command->pair.id = id;
    command->what = "Delete I/O Submission Queue";
    if (function->port && relay_queue_there(function->port, id))
        relay_queue_remove(function->port, id, on_unrelayed, command);
    else
        delete_submission(command);
}

/* ---- what tenants may ask ---- */

static void on_namespace(struct command *command, const struct admin_completion *completion)
{
    struct hw_namespace space;
    struct nvme_id_ns data;

    if (command_take(command, completion) < 0) {
        if (completion->status == NVME_SC_INVALID_NS)
            command->result.error = -ENOENT;
    } else {
        memcpy(&data, completion->data, sizeof(data));
        command->result.error = identify_namespace_parse(&data, command->namespace_id, &space);
        command->result.namespace_info = &space;
        if (command->result.error)
            strcpy(command->result.reason, command->result.error == -ENOENT
                                               ? "the namespace is not attached to this function"
                                               : "the namespace's Identify data makes no sense");
    }
    command_end(command);
}

void linux_identify_namespace(struct hw_function *function, uint32_t id, hw_done done, void *user)
{
    struct command *command = command_new(function, done, user);
    const struct admin_command identify = {
        .opcode = nvme_admin_identify, .namespace_id = id, .dword10 = NVME_IDENTIFY_CNS_NS, .data = true};

    command->namespace_id = id;
    command_submit(command, "Identify Namespace", &identify, on_namespace);
}

void linux_identify(struct hw_function *function, uint8_t cns, uint32_t namespace_id, hw_done done,
                    void *user)
{
    const struct admin_command identify = {
        .opcode = nvme_admin_identify, .namespace_id = namespace_id, .dword10 = cns, .data = true};

    command_submit(command_new(function, done, user), "Identify", &identify, end_with_data);
}

void linux_get_log_page(struct hw_function *function, uint8_t page, uint32_t namespace_id, uint32_t bytes,
                        hw_done done, void *user)
{
    struct command *command = command_new(function, done, user);

    command->what = "Get Log Page";
    if (bytes == 0 || bytes > HW_DATA_BYTES || bytes % 4) {
        command_end_later(command, -EINVAL, "its length is no multiple of 4 up to 4096");
        return;
    }
    const struct admin_command get = {.opcode = nvme_admin_get_log_page,
                                      .namespace_id = namespace_id,
                                      .dword10 = page | RETAIN_EVENTS | (bytes / 4 - 1) << 16,
                                      .data = true};
    command_submit(command, "Get Log Page", &get, end_with_data);
}

void linux_get_feature(struct hw_function *function, uint8_t feature, hw_done done, void *user)
{
    const struct admin_command get = {.opcode = nvme_admin_get_features, .dword10 = feature, .data = true};

    command_submit(command_new(function, done, user), "Get Features", &get, end_with_value);
}
