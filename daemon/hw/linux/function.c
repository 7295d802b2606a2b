/* SPDX-License-Identifier: BSD-3-Clause */
/* The life of an opened VF: descriptors from a helper, controller enabled, admin queue, and back again. */
#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/hw/linux/backend.h"

enum {
    OPEN_MILLISECONDS = 90000, /* VFIO resets the VF; the kernel waits up to a minute for it to come back */
    RELEASE_MILLISECONDS = 90000,
    PAGE_BYTES = 4096,
};

void function_free(struct hw_function *function)
{
    struct event *const events[] = {function->on_interrupt, function->on_request, function->on_error,
                                    function->attention, function->backstop};

    TAILQ_REMOVE(&function->backend->functions, function, link);
    backend_cancel(function->backend, &function->lane);
    for (size_t i = 0; i < sizeof(events) / sizeof(*events); i++) {
        if (events[i])
            event_free(events[i]);
    }
    relay_port_free(function->port);
    wipe_free(function->wipe);
    controller_fini(&function->controller);
    commands_free(function);
    admin_queue_free(function->queue);
    for (size_t i = 0; i < function->fd_count; i++)
        close(function->fds[i]);
    free(function->fds);
    relay_ledger_free(&function->ledger);
    function_memory_free(function);
    free(function);
}

/* ---- failures and other news ---- */

void function_fail_later(struct hw_function *function, const char *reason)
{
    if (function->failed || function->state == FUNCTION_SUSPENDED || function->state == FUNCTION_CLOSING)
        return;
    function->failed = true;
    snprintf(function->reason, sizeof(function->reason), "%s", reason);
    if (function->port)
        relay_port_fail(function->port);
    event_active(function->attention, EV_TIMEOUT, 0);
}

static void on_attention(evutil_socket_t fd, short events, void *user)
{
    struct hw_function *function = user;
    (void)fd;
    (void)events;

    if (function->failed && !function->failure_told) {
        function->failure_told = true;
        if (function->queue)
            admin_queue_fail(function->queue, -EIO);
        if (function->state == FUNCTION_READY)
            function->backend->listener.function_event(function->listener_user, function, HW_FUNCTION_FAILED,
                                                       function->reason);
    }
    commands_tell_ended(function);
}

void function_watch(struct hw_function *function)
{
    if (function->state != FUNCTION_READY || function->failed)
        return;
    /* An idle function's failure shows when it is given to somebody; until then its register is left alone.
     */
    const char *wrong = function->in_use ? controller_check(&function->controller) : NULL;
    if (wrong)
        function_fail_later(function, wrong);
    else
        /* Here and not when an event came: a device that sends them without end cannot keep homid busy. */
        admin_queue_post_events(function->queue, function->events_max);
}

static void drain(int event_fd)
{
    uint64_t count;

    /* Non-blocking; how often it was signalled says nothing. */
    if (read(event_fd, &count, sizeof(count)) < 0)
        return;
}

static void on_interrupt(evutil_socket_t fd, short events, void *user)
{
    struct hw_function *function = user;
    (void)events;

    drain(fd);
    if (function->queue)
        admin_queue_process(function->queue);
}

static void on_request(evutil_socket_t fd, short events, void *user)
{
    struct hw_function *function = user;
    (void)events;

    drain(fd);
    if (function->state == FUNCTION_READY || function->state == FUNCTION_SUSPENDED)
        function->backend->listener.function_event(function->listener_user, function, HW_FUNCTION_WANTED,
                                                   "the kernel asks for the function back");
}

static void on_error(evutil_socket_t fd, short events, void *user)
{
    (void)events;
    drain(fd);
    function_fail_later(user, "the kernel reports a PCI Express error");
}

static void on_backstop(evutil_socket_t fd, short events, void *user)
{
    struct hw_function *function = user;
    (void)fd;
    (void)events;

    const char *wrong = function->state == FUNCTION_READY ? controller_check(&function->controller) : NULL;
    if (wrong)
        function_fail_later(function, wrong);
    commands_backstop(function);
}

/* ---- what the admin queue asks for ---- */

static void ring(struct hw_function *function, unsigned doorbell, uint16_t value)
{
    if (function->state < FUNCTION_SUSPENDED && controller_ring(&function->controller, doorbell, value) < 0)
        function_fail_later(function, "its registers cannot be written");
}

static void ring_submission(void *user, uint16_t tail)
{
    ring(user, 0, tail);
}

static void ring_completion(void *user, uint16_t head)
{
    ring(user, 1, head);
}

static void on_event(void *user, uint32_t value)
{
    function_notice(user, value);
}

static void on_queue_failed(void *user, const char *reason)
{
    function_fail_later(user, reason);
}

/* ---- closing ---- */

static void on_released(void *user, const struct hw_result *result)
{
    struct hw_function *function = user;
    hw_done done = function->done;
    struct hw_result last = *result;

    user = function->user;
    commands_tell_ended(function);
    if (function->outcome) {
        last.error = function->outcome;
        snprintf(last.reason, sizeof(last.reason), "%s", function->reason);
    }
    function_free(function);
    done(user, &last);
}

/* Every descriptor goes to a helper, which has the last one in its hands: VFIO resets the VF then. */
static void release(struct hw_function *function)
{
    const struct job_release job = {.reset = function->reset_needed};
    const struct helper_request request = {.job = JOB_RELEASE,
                                           .data = &job,
                                           .bytes = sizeof(job),
                                           .fds = function->fds,
                                           .fd_count = function->fd_count,
                                           .take_fds = true,
                                           .deadline_milliseconds = RELEASE_MILLISECONDS};

    function->fd_count = 0;
    backend_run(function->backend, &function->lane, &request, NULL, on_released, function);
}

static void on_disabled(void *user, int error, const char *reason)
{
    struct hw_function *function = user;
    (void)reason;

    function->reset_needed = error != 0;
    release(function);
}

/* The relay does not touch the VF any more, and has unmapped it; or it is stuck, and opening the VF again
 * will tell. */
static void on_unrelayed(void *user, int error)
{
    struct hw_function *function = user;
    (void)error;

    controller_disable(&function->controller, on_disabled, function);
}

static void shut_down(struct hw_function *function, const char *reason)
{
    struct relay_port *port = function->port;

    struct event *const events[] = {function->on_interrupt, function->on_request, function->on_error};

    function->state = FUNCTION_CLOSING;
    commands_cancel(function, -ECANCELED, reason);
    for (size_t i = 0; i < sizeof(events) / sizeof(*events); i++) {
        if (events[i])
            event_del(events[i]);
    }
    event_del(function->backstop);
    function->port = NULL;
    if (port)
        relay_port_close(port, on_unrelayed, function);
    else if (function->adopted && function->backend->relay)
        relay_function_close(function->backend->relay, function->opened.address, on_unrelayed, function);
    else
        on_unrelayed(function, 0);
}

void linux_close(struct hw_function *function, hw_done done, void *user)
{
    function->done = done;
    function->user = user;
    shut_down(function, "the function is being closed");
}

/* ---- opening ---- */

/* What was opened goes back; open's callback then says why. What was to be renewed stays as it is, for close.
 */
static void give_up(struct hw_function *function, int error)
{
    struct hw_result result = {.error = error};

    if (!function->renewing) {
        function->outcome = error;
        shut_down(function, function->reason);
        return;
    }
    function->renewing = false;
    linux_suspend(function, function->reason);
    snprintf(result.reason, sizeof(result.reason), "%s", function->reason);
    function->done(function->user, &result);
}

void function_ready(struct hw_function *function)
{
    struct hw_result result = {0};

    if (function->state != FUNCTION_SUSPENDED)
        function->state = FUNCTION_READY;
    result.function.handle = function;
    result.function.info = &function->info;
    function->done(function->user, &result);
}

/* For the next homid, should this one end. */
static void keep(struct hw_function *function)
{
    struct function_kept *kept = function->kept;

    kept->opened = function->opened;
    kept->info = function->info;
    kept->capabilities = function->controller.capabilities;
    kept->events_max = function->events_max;
    kept->events_offered = function->events_offered;
    kept->facts = function->facts;
    __atomic_store_n(&kept->complete, 1, __ATOMIC_SEQ_CST);
}

static void on_brought_up(struct hw_function *function, int error)
{
    if (!error) {
        error = relay_ledger_new(function->info.queue_pairs, &function->ledger);
        if (error)
            snprintf(function->reason, sizeof(function->reason), "making a ledger of doorbells: %s",
                     strerror(-error));
    }
    if (error) {
        give_up(function, error);
        return;
    }
    keep(function);
    if (function->renewing && function->port)
        relay_port_resume(function->port);
    function->renewing = false;
    function_ready(function);
}

struct admin_listener function_admin_listener(struct hw_function *function)
{
    return (struct admin_listener){.ring_submission = ring_submission,
                                   .ring_completion = ring_completion,
                                   .event = on_event,
                                   .failed = on_queue_failed,
                                   .user = function};
}

static void on_enabled(void *user, int error, const char *reason)
{
    struct hw_function *function = user;
    const struct admin_listener listener = function_admin_listener(function);

    if (error) {
        snprintf(function->reason, sizeof(function->reason), "%s: %s", function->opened.address, reason);
        give_up(function, error);
        return;
    }
    function->info.doorbell_stride = controller_doorbell_stride(&function->controller);
    function->info.queue_entries_max = controller_queue_entries_max(&function->controller);
    if (admin_queue_new(&function->memory, &listener, &function->queue) < 0) {
        snprintf(function->reason, sizeof(function->reason), "out of memory");
        give_up(function, -ENOMEM);
        return;
    }
    function->brought_up = on_brought_up;
    function_bring_up(function);
}

static struct event *watch_fd(struct hw_function *function, unsigned index, event_callback_fn callback)
{
    struct event *event =
        event_new(function->backend->base, function->fds[index], EV_READ | EV_PERSIST, callback, function);

    if (event)
        event_add(event, NULL);
    return event;
}

int function_take_descriptors(struct hw_function *function, const struct job_opened *opened, int *fds,
                              size_t fd_count)
{
    function->opened = *opened;
    if (fd_count <= OPENED_VECTORS || fd_count != OPENED_VECTORS + (size_t)opened->vectors)
        return -EPROTO;
    function->fds = malloc(fd_count * sizeof(int));
    if (!function->fds)
        return -ENOMEM;
    for (; function->fd_count < fd_count; function->fd_count++) {
        function->fds[function->fd_count] = fds[function->fd_count];
        fds[function->fd_count] = -1;
    }
    function->on_interrupt = watch_fd(function, OPENED_VECTORS, on_interrupt);
    function->on_request = watch_fd(function, OPENED_REQUEST, on_request);
    function->on_error = watch_fd(function, OPENED_ERROR, on_error);
    if (!function->on_interrupt || !function->on_request || !function->on_error)
        return -ENOMEM;
    return controller_init(&function->controller, function->backend->base, function->fds[OPENED_DEVICE],
                           opened->wake_offset ? function->fds[OPENED_GROUP] : -1, opened->bar_offset);
}

static void fill_info(struct hw_function *function)
{
    const struct job_opened *opened = &function->opened;
    struct hw_function_info *info = &function->info;

    info->page_bytes = PAGE_BYTES;
    info->bar_offset = opened->bar_offset;
    info->bar_bytes = opened->bar_bytes;
    info->wake_offset = opened->wake_offset;
    info->interrupts = (uint16_t)(opened->vectors - 1);
    info->iova_range_count = opened->iova_range_count;
    memcpy(info->iova_ranges, opened->iova_ranges, sizeof(info->iova_ranges));
    function->memory.submission_iova = opened->read_iova;
    function->memory.written_iova = opened->write_iova;
}

/* As job_decode: the descriptors must be taken while the reply is there. */
static void decode_opened(struct helper_reply *reply, struct hw_result *result, void *user)
{
    struct hw_function *function = user;
    int r = -EPROTO;

    if (reply->bytes == sizeof(struct job_opened))
        r = function_take_descriptors(function, reply->data, reply->fds, reply->fd_count);
    if (r < 0) {
        result->error = r;
        snprintf(result->reason, sizeof(result->reason), "taking the VF over: %s", strerror(-r));
    }
}

static void on_opened(void *user, const struct hw_result *result)
{
    struct hw_function *function = user;

    if (result->error) {
        hw_done done = function->done;
        user = function->user;
        function_free(function);
        done(user, result);
        return;
    }
    fill_info(function);
    controller_enable(&function->controller, function->memory.submission_iova, function->memory.written_iova,
                      ADMIN_ENTRIES, on_enabled, function);
}

int function_new(struct linux_backend *backend, struct hw_function **ret_function)
{
    struct hw_function *function = calloc(1, sizeof(*function));

    if (!function)
        return -ENOMEM;
    function->backend = backend;
    for (int i = 0; i < FUNCTION_MEMFDS; i++)
        function->memfds[i] = -1;
    function->ledger = RELAY_LEDGER_NONE;
    TAILQ_INIT(&function->commands);
    TAILQ_INIT(&function->ended);
    TAILQ_INSERT_TAIL(&backend->functions, function, link);
    function->attention = evtimer_new(backend->base, on_attention, function);
    function->backstop = evtimer_new(backend->base, on_backstop, function);
    if (!function->attention || !function->backstop) {
        function_free(function);
        return -ENOMEM;
    }
    *ret_function = function;
    return 0;
}

void linux_open(struct hw_device *device, unsigned index, void *listener_user, hw_done done, void *user)
{
    struct linux_backend *backend = device->backend;
    struct job_open job = {
        .device = device->selector, .read_bytes = ADMIN_SUBMISSION_BYTES, .write_bytes = ADMIN_WRITTEN_BYTES};
    struct helper_request request = {.job = JOB_OPEN,
                                     .data = &job,
                                     .bytes = sizeof(job),
                                     .fd_count = 2,
                                     .deadline_milliseconds = OPEN_MILLISECONDS};
    struct hw_function *function = NULL;

    int r = function_new(backend, &function);
    if (r == 0) {
        r = function_memory_new(function);
        if (r < 0)
            function_free(function);
    }
    if (r < 0) {
        backend_refuse(backend, r, "opening a VF", done, user);
        return;
    }
    function->listener_user = listener_user;
    function->done = done;
    function->user = user;
    job.device.index = (uint16_t)index;
    request.fds = function->memfds;
    backend_run(backend, &function->lane, &request, decode_opened, on_opened, function);
}

/* ---- after a reset behind homid's back ---- */

void linux_suspend(struct hw_function *function, const char *reason)
{
    function->state = FUNCTION_SUSPENDED;
    if (reason != function->reason)
        snprintf(function->reason, sizeof(function->reason), "%s", reason);
    commands_cancel(function, -EIO, function->reason);
    event_del(function->backstop);
    if (function->port)
        relay_port_suspend(function->port, NULL, NULL);
}

static void on_reset(void *user, const struct hw_result *result)
{
    struct hw_function *function = user;

    if (result->error) {
        snprintf(function->reason, sizeof(function->reason), "%s", result->reason);
        give_up(function, result->error);
        return;
    }
    admin_queue_free(function->queue);
    function->queue = NULL;
    function->failed = function->failure_told = function->in_use = false;
    function->state = FUNCTION_OPENING;
    controller_enable(&function->controller, function->memory.submission_iova, function->memory.written_iova,
                      ADMIN_ENTRIES, on_enabled, function);
}

/* In the lane of its mappings, so that none of those under way meets the reset. */
static void on_let_go(void *user, int error)
{
    struct hw_function *function = user;
    const struct job_renew job = {.vectors = function->opened.vectors};
    const struct helper_request request = {.job = JOB_RENEW,
                                           .data = &job,
                                           .bytes = sizeof(job),
                                           .fds = &function->fds[OPENED_DEVICE],
                                           .fd_count = 1,
                                           .deadline_milliseconds = OPEN_MILLISECONDS};

    if (error) {
        snprintf(function->reason, sizeof(function->reason), "the doorbell relay does not let go of it");
        give_up(function, error);
        return;
    }
    backend_run(function->backend, &function->lane, &request, NULL, on_reset, function);
}

void linux_renew(struct hw_function *function, hw_done done, void *user)
{
    linux_suspend(function,
                  function->state == FUNCTION_SUSPENDED ? function->reason : "it is brought up anew");
    function->done = done;
    function->user = user;
    function->renewing = true;
    /* An access to a VF that is being reset would hang. */
    if (function->port)
        relay_port_suspend(function->port, on_let_go, function);
    else if (function->adopted && function->backend->relay)
        relay_function_close(function->backend->relay, function->opened.address, on_let_go, function);
    else
        on_let_go(function, 0);
}
