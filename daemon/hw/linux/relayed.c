/* SPDX-License-Identifier: BSD-3-Clause */
/* Functions that are driven through the doorbell relay. */
#include <errno.h>
#include <string.h>

#include "daemon/hw/linux/backend.h"

int linux_use_relay(struct hw_backend *interface, const struct hw_relay_config *config)
{
    struct linux_backend *backend = (struct linux_backend *)interface;

    return relay_link_new(backend->base, config, &backend->relay);
}

static void on_ended(void *user, uint16_t id, const char *reason)
{
    struct hw_function *function = user;

    if (function->state == FUNCTION_READY)
        function->backend->listener.queue_ended(function->listener_user, function, id, reason);
}

/* The software SSD's reader of doorbells sleeps; the descriptor that wakes it is in the group's place. */
static void describe(const struct hw_function *function, struct relay_target *target)
{
    *target =
        (struct relay_target){.device_fd = function->fds[OPENED_DEVICE],
                              .reader_fd = function->info.wake_offset ? function->fds[OPENED_GROUP] : -1,
                              .bar_offset = function->info.bar_offset,
                              .reader_wake_offset = function->info.wake_offset,
                              .doorbell_stride = function->info.doorbell_stride,
                              .pairs = function->info.queue_pairs};
    memcpy(target->address, function->opened.address, sizeof(target->address));
}

int linux_page_new(struct hw_function *function, struct hw_page **ret_page)
{
    struct relay_target target;
    int r = 0;

    if (!function->backend->relay)
        return -ENOTSUP;
    if (function->state != FUNCTION_READY)
        return -ENODEV;
    describe(function, &target);
    if (!function->port)
        r = relay_port_new(function->backend->relay, &target, on_ended, function, &function->port);
    return r < 0 ? r : relay_page_new(function->port, ret_page);
}
