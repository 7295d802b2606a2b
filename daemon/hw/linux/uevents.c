/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/hw/linux/uevents.h"

#include <errno.h>
#include <event2/event.h>
#include <linux/netlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/hw/linux/backend.h"

enum { GROUP_KERNEL = 1, MESSAGE_BYTES = 8192, MESSAGES_AT_ONCE = 64 };

struct uevents {
    struct linux_backend *backend;
    int socket;
    struct event *readable;
};

/* The value of a property, or NULL. The message is a sequence of NUL-terminated KEY=VALUE. */
static const char *property(const char *message, size_t bytes, const char *key)
{
    size_t length = strlen(key);

    for (size_t at = 0; at < bytes; at += strnlen(message + at, bytes - at) + 1) {
        if (strncmp(message + at, key, length) == 0 && message[at + length] == '=')
            return message + at + length + 1;
    }
    return NULL;
}

static bool is(const char *value, const char *wanted)
{
    return value && strcmp(value, wanted) == 0;
}

enum uevent_kind uevent_parse(const char *message, size_t bytes, char *ret_controller, size_t size)
{
    enum uevent_kind kind = UEVENT_OTHER;

    if (bytes == 0 || message[bytes - 1] != '\0')
        return UEVENT_OTHER;
    const char *action = property(message, bytes, "ACTION"), *path = property(message, bytes, "DEVPATH");
    const char *name = path ? strrchr(path, '/') : NULL;
    if (!is(property(message, bytes, "SUBSYSTEM"), "nvme") || !name || strlen(name + 1) >= size)
        return UEVENT_OTHER;
    if (is(action, "remove"))
        kind = UEVENT_CONTROLLER_GONE;
    else if (is(action, "change") && is(property(message, bytes, "NVME_EVENT"), "connected"))
        kind = UEVENT_CONTROLLER_READY;
    if (kind != UEVENT_OTHER)
        strcpy(ret_controller, name + 1);
    return kind;
}

static void tell(struct hw_device *device, enum hw_event event, const char *text)
{
    device->backend->listener.device_event(device->user, device, event, text);
}

/* A listener may free devices, so the next one is known before it is called. */
static void dispatch(struct linux_backend *backend, enum uevent_kind kind, const char *controller)
{
    struct hw_device *next;

    for (struct hw_device *device = TAILQ_FIRST(&backend->devices); device; device = next) {
        next = TAILQ_NEXT(device, link);
        bool known = *device->address && strcmp(device->controller, controller) == 0;
        if (kind == UEVENT_CONTROLLER_GONE && known) {
            device->address[0] = '\0';
            tell(device, HW_DEVICE_GONE, "the kernel removed the controller");
        } else if (kind == UEVENT_CONTROLLER_READY && known) {
            tell(device, HW_DEVICE_RESET, "the kernel reset the controller");
        } else if (kind == UEVENT_CONTROLLER_READY && !*device->address) {
            tell(device, HW_DEVICE_BACK, "a controller appeared");
        }
    }
}

static void on_readable(evutil_socket_t fd, short events, void *user)
{
    struct uevents *uevents = user;
    char message[MESSAGE_BYTES], controller[32];
    (void)events;

    for (int i = 0; i < MESSAGES_AT_ONCE; i++) {
        struct sockaddr_nl sender;
        socklen_t length = sizeof(sender);
        ssize_t bytes = recvfrom(fd, message, sizeof(message), 0, (struct sockaddr *)&sender, &length);
        if (bytes < 0)
            return;
        if (length != sizeof(sender) || sender.nl_pid != 0)
            continue;
        enum uevent_kind kind = uevent_parse(message, (size_t)bytes, controller, sizeof(controller));
        if (kind != UEVENT_OTHER)
            dispatch(uevents->backend, kind, controller);
    }
}

int uevents_new(struct linux_backend *backend, struct uevents **ret_uevents)
{
    const struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = GROUP_KERNEL};
    struct uevents *uevents = calloc(1, sizeof(*uevents));
    int r;

    if (!uevents)
        return -ENOMEM;
    uevents->backend = backend;
    uevents->socket = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);
    if (uevents->socket < 0 ||
        bind(uevents->socket, (const struct sockaddr *)&address, sizeof(address)) < 0) {
        r = -errno;
        goto fail;
    }
    uevents->readable = event_new(backend->base, uevents->socket, EV_READ | EV_PERSIST, on_readable, uevents);
    if (!uevents->readable || event_add(uevents->readable, NULL) < 0) {
        r = -ENOMEM;
        goto fail;
    }
    *ret_uevents = uevents;
    return 0;
fail:
    uevents_free(uevents);
    return r;
}

void uevents_free(struct uevents *uevents)
{
    if (!uevents)
        return;
    if (uevents->readable)
        event_free(uevents->readable);
    if (uevents->socket >= 0)
        close(uevents->socket);
    free(uevents);
}
