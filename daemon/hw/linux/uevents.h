/* SPDX-License-Identifier: BSD-3-Clause */
/* The kernel's device events, as far as they concern the SSDs of the configuration. */
#ifndef HOMI_DAEMON_HW_LINUX_UEVENTS_H
#define HOMI_DAEMON_HW_LINUX_UEVENTS_H

#include <stddef.h>

struct linux_backend;
struct uevents;

enum uevent_kind {
    UEVENT_OTHER,
    UEVENT_CONTROLLER_GONE,  /* an nvme controller was removed */
    UEVENT_CONTROLLER_READY, /* it serves commands: for the first time, or after a reset */
};

/* Tells the backend's listener of its devices. */
int uevents_new(struct linux_backend *backend, struct uevents **ret_uevents);
void uevents_free(struct uevents *uevents); /* NULL-safe */

/* One message as the kernel sends it; ret_controller is "nvme0", untouched for UEVENT_OTHER. */
enum uevent_kind uevent_parse(const char *message, size_t bytes, char *ret_controller, size_t size);

#endif
