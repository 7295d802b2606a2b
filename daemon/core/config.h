/* SPDX-License-Identifier: BSD-3-Clause */
/* What the configuration says, as the core reads it. daemon/config/config.c fills it; names are resolved to
 * ids there. */
#ifndef HOMI_DAEMON_CORE_CONFIG_H
#define HOMI_DAEMON_CORE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct core_device_config {
    char *name;
    char *serial;         /* NULL when the address selects it */
    char *address;        /* NULL when the serial does */
    unsigned functions;   /* VFs to offer */
    unsigned queue_pairs; /* I/O queue pairs on each VF */
    unsigned
        interrupts; /* interrupt vectors for I/O on each VF; 0: as many as queue pairs, as far as there are */
};

struct core_namespace_config {
    size_t device; /* index into devices */
    uint32_t id;
    bool shared; /* may be attached for several tenants, or for the host, at once */
    bool scrub;  /* zeroes are written to it behind each lease */
};

struct core_tenant_config {
    char *name;
    bool trusted;
    bool direct; /* its processes get the device's descriptor; otherwise their doorbells are relayed */
    uid_t *uids;
    size_t uid_count;
    gid_t *gids;
    size_t gid_count;
    size_t *devices; /* indices */
    size_t device_count;
    struct core_namespace_config *namespaces;
    size_t namespace_count;
    unsigned functions_max, queue_pairs_max, connections_max, regions_max, waiting_max;
    unsigned queue_pairs_per_second; /* that it may create; 0: as many as it likes */
    uint64_t memory_bytes_max;
    unsigned lease_seconds_max; /* how long it may hold a lease; 0: as long as it likes */
};

struct core_config {
    struct core_device_config *devices;
    size_t device_count;
    struct core_tenant_config *tenants;
    size_t tenant_count;
    unsigned retry_seconds; /* between attempts to bring a quarantined function back whose holder let go */
    unsigned wait_milliseconds_max; /* the longest that Attach may wait */
};

#endif
