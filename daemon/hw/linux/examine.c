/* SPDX-License-Identifier: BSD-3-Clause */
/* Examines what a VF's controller refuses: its log page of effects, then what verdict.c tries. */
#include <libnvme.h>

#include "daemon/hw/linux/backend.h"

enum { EFFECTS_BYTES = 4096 };

static void finish(struct command *command)
{
    command->result = (struct hw_result){.verdict = &command->verdict};
    command_end(command);
}

static void on_tried(struct command *command, const struct admin_completion *completion);

static void try_next(struct command *command)
{
    struct admin_command admin;
    const char *name;

    /* One thing that shows it to be harmful is enough. */
    if (command->verdict.confinement == HW_TRUSTED_ONLY ||
        !verdict_trial(&command->function->facts, command->trial, &admin, &name))
        finish(command);
    else
        command_submit(command, name, &admin, on_tried);
}

static void on_tried(struct command *command, const struct admin_completion *completion)
{
    verdict_take(&command->function->facts, command->trial++, completion, &command->verdict);
    try_next(command);
}

/* A controller need not have the log page. */
static void on_effects(struct command *command, const struct admin_completion *completion)
{
    struct verdict_facts *facts = &command->function->facts;

    if (!completion->error)
        verdict_read_effects(facts, completion->data);
    verdict_by_facts(facts, &command->verdict);
    try_next(command);
}

void linux_examine(struct hw_function *function, hw_done done, void *user)
{
    const struct admin_command get = {.opcode = nvme_admin_get_log_page,
                                      .namespace_id = NVME_NSID_ALL,
                                      .dword10 = NVME_LOG_LID_CMD_EFFECTS | (EFFECTS_BYTES / 4 - 1) << 16,
                                      .data = true};

    command_submit(command_new(function, done, user), "Get Log Page", &get, on_effects);
}
