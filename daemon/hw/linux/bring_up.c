/* SPDX-License-Identifier: BSD-3-Clause */
/* What a VF's controller is asked and told before tenants use it, and what it reports unasked. */
#include <endian.h>
#include <errno.h>
#include <libnvme.h>
#include <stdio.h>
#include <string.h>

#include "daemon/hw/linux/backend.h"

enum {
    QUEUES_WANTED = 1024,
    PAGE_SHIFT = 12,
    EVENTS_SMART = 0x1f,
    EVENTS_OPTIONAL = 1 << 8 | 1 << 9, /* namespace attributes, firmware activation: as OAES offers them */
    LOG_BYTES = 512,
    LOG_ERRORS = 0x01,
    LOG_SMART = 0x02,
    LOG_CHANGED_NAMESPACES = 0x04,
    ONCS_SELECT = 1 << 4,    /* Save and Select of the features' commands */
    EVENT_NONE = UINT32_MAX, /* a log page that is read without an event */
};

static void end(struct command *command, int error)
{
    struct hw_function *function = command->function;

    if (error)
        snprintf(function->reason, sizeof(function->reason), "%s", command->result.reason);
    command->done = NULL;
    command_end(command);
    function->brought_up(function, error);
}

/* Told when a step could not even be sent, or was not answered. */
static void on_unanswered(void *user, const struct hw_result *result)
{
    struct hw_function *function = user;

    if (!function->failed)
        snprintf(function->reason, sizeof(function->reason), "%s", result->reason);
    function->brought_up(function, result->error);
}

/* Events are a service, not a condition: a controller that refuses their configuration is used all the same.
 */
static void on_events_configured(struct command *command, const struct admin_completion *completion)
{
    struct hw_function *function = command->function;

    if (completion->error && !completion->status) {
        command_take(command, completion);
        end(command, completion->error);
        return;
    }
    admin_queue_post_events(function->queue, function->events_max);
    end(command, 0);
}

static void on_queues_granted(struct command *command, const struct admin_completion *completion)
{
    struct hw_function *function = command->function;

    if (command_take(command, completion) < 0) {
        end(command, completion->error);
        return;
    }
    uint32_t submission = (completion->value & 0xffff) + 1, completions = (completion->value >> 16) + 1;
    uint32_t granted = submission < completions ? submission : completions;
    function->info.queue_pairs = (uint16_t)(granted < QUEUES_WANTED ? granted : QUEUES_WANTED);
    const struct admin_command configure = {.opcode = nvme_admin_set_features,
                                            .dword10 = NVME_FEAT_FID_ASYNC_EVENT,
                                            .dword11 =
                                                EVENTS_SMART | (function->events_offered & EVENTS_OPTIONAL)};
    command_submit(command, "Set Features Asynchronous Event Configuration", &configure,
                   on_events_configured);
}

static void take_identity(struct hw_function *function, const struct nvme_id_ctrl *id)
{
    struct hw_function_info *info = &function->info;
    unsigned events = id->aerl + 1u;

    info->controller_id = le16toh(id->cntlid);
    info->optional_commands = le16toh(id->oncs);
    function->facts = (struct verdict_facts){
        .subsystem_reset = controller_subsystem_reset(&function->controller),
        .optional_commands = le16toh(id->oacs),
        .select = le16toh(id->oncs) & ONCS_SELECT,
    };
    info->volatile_write_cache = id->vwc & 1;
    info->max_transfer_bytes = id->mdts && id->mdts < 32 - PAGE_SHIFT ? UINT32_C(1) << (id->mdts + PAGE_SHIFT)
                                                                      : UINT32_MAX & ~(info->page_bytes - 1);
    function->events_max = events < ADMIN_EVENTS_MAX ? events : ADMIN_EVENTS_MAX;
    function->events_offered = le32toh(id->oaes);
}

static void on_identified(struct command *command, const struct admin_completion *completion)
{
    struct nvme_id_ctrl id;

    if (command_take(command, completion) < 0) {
        end(command, completion->error);
        return;
    }
    memcpy(&id, completion->data, sizeof(id));
    take_identity(command->function, &id);
    const struct admin_command request = {.opcode = nvme_admin_set_features,
                                          .dword10 = NVME_FEAT_FID_NUM_QUEUES,
                                          .dword11 = (QUEUES_WANTED - 1) << 16 | (QUEUES_WANTED - 1)};
    command_submit(command, "Set Features Number of Queues", &request, on_queues_granted);
}

void function_bring_up(struct hw_function *function)
{
    const struct admin_command identify = {
        .opcode = nvme_admin_identify, .dword10 = NVME_IDENTIFY_CNS_CTRL, .data = true};

    command_submit(command_new(function, on_unanswered, function), "Identify Controller", &identify,
                   on_identified);
}

/* ---- asynchronous events (section 5.2) ---- */

static void on_log(struct command *command, const struct admin_completion *completion)
{
    struct hw_function *function = command->function;
    uint32_t value = command->event;
    unsigned type = value & 7, information = value >> 8 & 0xff, page = value >> 16 & 0xff;
    char text[HW_REASON_BYTES];

    command_take(command, completion);
    command_end(command);
    if (function->state != FUNCTION_READY || function->failed || value == EVENT_NONE)
        return;
    snprintf(text, sizeof(text), "asynchronous event: type %u, information 0x%02x, log page 0x%02x", type,
             information, page);
    function->backend->listener.function_event(
        function->listener_user, function,
        page == LOG_CHANGED_NAMESPACES ? HW_NAMESPACE_CHANGED : HW_FUNCTION_NOTICE, text);
}

static void read_log(struct hw_function *function, uint32_t page, uint32_t event)
{
    struct command *command = command_new(function, NULL, NULL);
    uint32_t bytes = page == LOG_CHANGED_NAMESPACES ? HW_DATA_BYTES : LOG_BYTES;
    const struct admin_command get = {.opcode = nvme_admin_get_log_page,
                                      .namespace_id = NVME_NSID_ALL,
                                      .dword10 = page | (bytes / 4 - 1) << 16,
                                      .data = true};

    command->event = event;
    command_submit(command, "Get Log Page", &get, on_log);
}

void function_notice(struct hw_function *function, uint32_t value)
{
    read_log(function, value >> 16 & 0xff, value);
}

void function_rearm_events(struct hw_function *function)
{
    static const uint32_t pages[] = {LOG_ERRORS, LOG_SMART, LOG_CHANGED_NAMESPACES};

    for (size_t i = 0; i < sizeof(pages) / sizeof(*pages); i++)
        read_log(function, pages[i], EVENT_NONE);
    admin_queue_post_events(function->queue, function->events_max);
}
