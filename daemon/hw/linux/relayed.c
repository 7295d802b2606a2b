/* SPDX-License-Identifier: BSD-3-Clause */
/* Functions that are driven through the doorbell relay. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "daemon/hw/linux/backend.h"

int linux_use_relay(struct hw_backend *interface, const struct hw_relay_config *config)
{
    struct linux_backend *backend = (struct linux_backend *)interface;

    return relay_link_new(backend->base, config, &backend->relay);
}

void linux_settled(struct hw_backend *interface)
{
    struct linux_backend *backend = (struct linux_backend *)interface;

    if (backend->relay)
        relay_link_settled(backend->relay);
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
                              .ledger = &function->ledger,
                              .reader_fd = function->info.wake_offset ? function->fds[OPENED_GROUP] : -1,
                              .bar_offset = function->info.bar_offset,
                              .reader_wake_offset = function->info.wake_offset,
                              .doorbell_stride = function->info.doorbell_stride,
                              .pairs = function->info.queue_pairs};
    memcpy(target->address, function->opened.address, sizeof(target->address));
}

static int need_port(struct hw_function *function)
{
    struct relay_target target;

    if (!function->backend->relay)
        return -ENOTSUP;
    if (function->state != FUNCTION_READY && function->state != FUNCTION_SUSPENDED)
        return -ENODEV;
    if (function->port)
        return 0;
    describe(function, &target);
    int r = relay_port_new(function->backend->relay, &target, on_ended, function, &function->port);
    if (r == 0 && function->state == FUNCTION_SUSPENDED)
        relay_port_suspend(function->port, NULL, NULL);
    return r;
}

int linux_page_new(struct hw_function *function, struct hw_page **ret_page)
{
    int r = need_port(function);

    return r < 0 ? r : relay_page_new(function->port, ret_page);
}

int linux_page_adopt(struct hw_function *function, int fd, struct hw_page **ret_page)
{
    int r = need_port(function);

    if (r == 0)
        r = relay_page_adopt(function->port, fd, ret_page);
    if (r < 0)
        close(fd);
    return r;
}

int linux_queue_adopt(struct hw_function *function, struct hw_page *page, uint16_t id, uint32_t entries,
                      bool whole)
{
    int r = need_port(function);

    if (r < 0)
        return r;
    if (id == 0 || id > function->info.queue_pairs)
        return -EINVAL;
    if (page && whole)
        relay_queue_add(page, id, entries);
    else
        relay_queue_doubt(function->port, page, id);
    return 0;
}
