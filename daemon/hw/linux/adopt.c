/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Taking a VF over that an earlier homid opened: nothing is reset, its admin queue goes on where it was. What
 * was in flight is waited for before anything new is asked of the controller, since commands may overtake
 * each other.
 */
#include <errno.h>
#include <event2/event.h>
#include <libnvme.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon/hw/linux/backend.h"

enum {
    DISCARD_MILLISECONDS = 90000, /* as for a release */
    TAKE_OVER_MILLISECONDS = 10000,
};

size_t linux_kept_fds(struct hw_function *function, int fds[HW_KEPT_FDS_MAX])
{
    memcpy(fds, function->memfds, sizeof(function->memfds));
    fds[KEPT_LEDGER] = function->ledger.fd;
    fds[KEPT_WAKE] = function->ledger.wake_fd;
    memcpy(fds + KEPT_OPENED, function->fds, function->fd_count * sizeof(int));
    return KEPT_OPENED + function->fd_count;
}

/* A controller that failed meanwhile is told of like any other that fails: its holder closes it then. */
static void adopted(struct hw_function *function)
{
    if (--function->awaited > 0)
        return;
    function_ready(function);
    if (function->state == FUNCTION_SUSPENDED)
        return;
    if (function->failed)
        event_active(function->attention, EV_TIMEOUT, 0);
    else
        function_rearm_events(function);
}

/* Of a command whose own end says nothing: only that it has ended counts. */
static void on_ended(struct command *command, const struct admin_completion *completion)
{
    struct hw_function *function = command->function;

    (void)completion;
    command->done = NULL;
    command_end(command);
    adopted(function);
}

static void on_unanswered(void *user, const struct hw_result *result)
{
    struct hw_function *function = user;

    function_fail_later(function, result->reason);
    adopted(function);
}

static void on_claimed(void *user, const struct admin_completion *completion)
{
    on_ended(user, completion);
}

/* Waits for the earlier homid's commands, and for one more, whose doorbell shows the controller all of them.
 */
static void wait_for_commands(struct hw_function *function)
{
    const struct admin_command get = {.opcode = nvme_admin_get_features, .dword10 = NVME_FEAT_FID_NUM_QUEUES};
    struct command *command = command_new(function, on_unanswered, function);

    function->awaited = 1;
    while (admin_queue_claim(function->queue, on_claimed, command)) {
        function->awaited++;
        command->what = "a command of an earlier homid";
        command = command_new(function, on_unanswered, function);
    }
    command_submit(command, "Get Features", &get, on_ended);
}

static bool is_whole(const struct hw_function *function, size_t fd_count)
{
    return function->kept->complete &&
           fd_count == KEPT_OPENED + OPENED_VECTORS + (size_t)function->kept->opened.vectors;
}

static int take_over(struct hw_function *function, int *fds, size_t fd_count)
{
    const struct admin_listener listener = function_admin_listener(function);

    memcpy(function->memfds, fds, sizeof(function->memfds));
    memset(fds, 0xff, sizeof(function->memfds));
    int r = function_memory_adopt(function);
    if (r == 0 && !is_whole(function, fd_count))
        r = -EPROTO;
    if (r < 0)
        return r;
    const struct function_kept *kept = function->kept;
    r = relay_ledger_adopt(fds[KEPT_LEDGER], fds[KEPT_WAKE], kept->info.queue_pairs, &function->ledger);
    if (r < 0)
        return r;
    fds[KEPT_LEDGER] = fds[KEPT_WAKE] = -1;
    r = function_take_descriptors(function, &kept->opened, fds + KEPT_OPENED, fd_count - KEPT_OPENED);
    if (r < 0)
        return r;
    function->adopted = true;
    function->info = kept->info;
    function->controller.capabilities = kept->capabilities;
    function->events_max = kept->events_max;
    function->events_offered = kept->events_offered;
    function->facts = kept->facts;
    function->in_use = true;
    function->memory.submission_iova = kept->opened.read_iova;
    function->memory.written_iova = kept->opened.write_iova;
    function->controller.submission_iova = kept->opened.read_iova;
    function->controller.completion_iova = kept->opened.write_iova;
    return admin_queue_adopt(&function->memory, &listener, &function->queue);
}

void linux_discard(struct hw_backend *interface, const int *fds, size_t fd_count, hw_done done, void *user)
{
    struct linux_backend *backend = (struct linux_backend *)interface;
    const struct helper_request request = {.job = JOB_DISCARD,
                                           .fds = fds,
                                           .fd_count = fd_count,
                                           .take_fds = true,
                                           .deadline_milliseconds = DISCARD_MILLISECONDS};

    backend_run(backend, NULL, &request, NULL, done, user);
}

void linux_take_over(struct hw_backend *interface, hw_done done, void *user)
{
    struct linux_backend *backend = (struct linux_backend *)interface;
    const struct helper_request request = {.job = JOB_TAKE_OVER,
                                           .deadline_milliseconds = TAKE_OVER_MILLISECONDS};

    backend_run(backend, NULL, &request, NULL, done, user);
}

void linux_adopt(struct hw_device *device, const int *fds, size_t fd_count, bool reset, void *listener_user,
                 hw_done done, void *user)
{
    struct linux_backend *backend = device->backend;
    struct hw_function *function = NULL;
    int own[HW_KEPT_FDS_MAX];

    memcpy(own, fds, fd_count * sizeof(int));
    int r = fd_count > KEPT_OPENED ? function_new(backend, &function) : -EPROTO;
    if (r == 0)
        r = take_over(function, own, fd_count);
    if (r < 0) {
        if (function)
            function_free(function);
        for (size_t i = 0; i < fd_count; i++) {
            if (own[i] >= 0)
                close(own[i]);
        }
        backend_refuse(backend, r, "taking the VF over", done, user);
        return;
    }
    function->listener_user = listener_user;
    function->done = done;
    function->user = user;
    if (reset) {
        linux_suspend(function, "its controller was reset");
        /* It is refused, which tells that the function is taken over when the event loop comes round. */
        function->awaited = 1;
        command_submit(command_new(function, on_unanswered, function), "taking it over", NULL, on_ended);
        return;
    }
    const char *wrong = controller_check(&function->controller);
    if (wrong)
        function_fail_later(function, wrong);
    wait_for_commands(function);
    /* The interrupt for what is completed already may be one that the earlier homid took. */
    event_active(function->on_interrupt, EV_READ, 0);
}
