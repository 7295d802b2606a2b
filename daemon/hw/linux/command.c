/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands on a VF's admin queue: their steps, their deadlines, and how their results are told. */
#include <errno.h>
#include <event2/event.h>
#include <libnvme.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/hw/linux/backend.h"

enum {
    /* Deleting a queue may wait for slow I/O. */
    COMMAND_MILLISECONDS = 30000,
    BACKSTOP_MILLISECONDS = 500,
};

struct command *command_new(struct hw_function *function, hw_done done, void *user)
{
    struct command *command = backend_allocate(sizeof(*command));

    command->function = function;
    command->done = done;
    command->user = user;
    command->deadline = backend_now() + COMMAND_MILLISECONDS;
    TAILQ_INSERT_TAIL(&function->commands, command, link);
    return command;
}

static void tell(struct command *command)
{
    if (command->done)
        command->done(command->user, &command->result);
    free(command);
}

void command_end(struct command *command)
{
    TAILQ_REMOVE(&command->function->commands, command, link);
    tell(command);
}

void command_end_later(struct command *command, int error, const char *reason)
{
    struct hw_function *function = command->function;

    command->result.error = error;
    snprintf(command->result.reason, sizeof(command->result.reason), "%s: %s",
             command->what ? command->what : "admin command", reason);
    if (function->queue)
        admin_queue_forget(function->queue, command);
    if (function->port)
        relay_cancel(function->port, command);
    TAILQ_REMOVE(&function->commands, command, link);
    TAILQ_INSERT_TAIL(&function->ended, command, link);
    event_active(function->attention, EV_TIMEOUT, 0);
}

static void on_completion(void *user, const struct admin_completion *completion)
{
    struct command *command = user;

    command->next(command, completion);
}

void command_submit(struct command *command, const char *what, const struct admin_command *admin,
                    command_next next)
{
    const struct timeval period = {.tv_usec = BACKSTOP_MILLISECONDS * 1000};
    struct hw_function *function = command->function;

    command->what = what;
    command->next = next;
    if (function->failed || function->state == FUNCTION_SUSPENDED || function->state == FUNCTION_CLOSING) {
        command_end_later(command, -EIO,
                          function->state == FUNCTION_CLOSING ? "the function is being closed"
                                                              : function->reason);
        return;
    }
    int r = admin_queue_submit(function->queue, admin, on_completion, command);
    if (r < 0)
        command_end_later(command, r, strerror(-r));
    else if (!evtimer_pending(function->backstop, NULL))
        event_add(function->backstop, &period);
}

int command_take(struct command *command, const struct admin_completion *completion)
{
    struct hw_result *result = &command->result;

    result->error = completion->error;
    result->nvme_status = completion->status;
    if (!result->error)
        return 0;
    if (completion->status)
        snprintf(result->reason, sizeof(result->reason), "%s: %s (status 0x%x)", command->what,
                 nvme_status_to_string(completion->status, false), completion->status);
    else
        snprintf(result->reason, sizeof(result->reason), "%s: %.100s", command->what,
                 command->function->reason);
    return result->error;
}

void commands_cancel(struct hw_function *function, int error, const char *reason)
{
    struct command *command;

    while ((command = TAILQ_FIRST(&function->commands)))
        command_end_later(command, error, reason);
}

void commands_tell_ended(struct hw_function *function)
{
    struct command *command;

    while ((command = TAILQ_FIRST(&function->ended))) {
        TAILQ_REMOVE(&function->ended, command, link);
        tell(command);
    }
}

void commands_backstop(struct hw_function *function)
{
    const struct timeval period = {.tv_usec = BACKSTOP_MILLISECONDS * 1000};
    uint64_t now = backend_now();
    struct command *command, *next;

    if (function->queue)
        admin_queue_process(function->queue);
    for (command = TAILQ_FIRST(&function->commands); command; command = next) {
        next = TAILQ_NEXT(command, link);
        if (command->deadline <= now)
            command_end_later(command, -ETIMEDOUT, "the controller does not answer");
    }
    if (!TAILQ_EMPTY(&function->commands))
        event_add(function->backstop, &period);
}

void commands_free(struct hw_function *function)
{
    struct command *command;

    while ((command = TAILQ_FIRST(&function->commands))) {
        TAILQ_REMOVE(&function->commands, command, link);
        free(command);
    }
    while ((command = TAILQ_FIRST(&function->ended))) {
        TAILQ_REMOVE(&function->ended, command, link);
        free(command);
    }
}
