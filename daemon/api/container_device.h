/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Leases as devices of containers: one file per lease in the Container Device Interface's directory, from
 * which podman, containerd and Kubernetes learn which device nodes, sockets and variables a container gets.
 * The files are of the lease: written before its grant is told, and removed when it ends.
 */
#ifndef HOMI_DAEMON_API_CONTAINER_DEVICE_H
#define HOMI_DAEMON_API_CONTAINER_DEVICE_H

#include "daemon/core/core.h"

#define CONTAINER_KIND       "io.homi/lease"
#define CONTAINER_NAME_BYTES (sizeof(CONTAINER_KIND) + 1 + CORE_NAME_BYTES) /* "io.homi/lease=lease-1" */

struct container_device {
    const struct core_grant *grant;
    const char *socket;  /* of a lease of queue pairs */
    const char *library; /* libhomi, for those; NULL: containers have their own */
};

/* Writes the file whole or not at all. 0 or a negative errno. */
int container_device_write(const char *directory, const struct container_device *device,
                           char ret_name[CONTAINER_NAME_BYTES]);
void container_device_remove(const char *directory, const char *lease);
/* Removes what an earlier homid left of leases that do not stand any more. */
void container_device_clear(const char *directory, struct core *core);

#endif
