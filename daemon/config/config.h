/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reads homid.conf(5) and the fragments of homid.conf.d, checks every word of them, and hands out what the
 * rest of the daemon needs: names resolved to ids, sizes to bytes, references to indices. A configuration
 * that is wrong in any place is refused as a whole.
 */
#ifndef HOMI_DAEMON_CONFIG_CONFIG_H
#define HOMI_DAEMON_CONFIG_CONFIG_H

#include <sys/types.h>

#include "daemon/core/config.h"
#include "daemon/hw/backend.h"

#define CONFIG_PATH_DEFAULT "/etc/homi/homid.conf"

/* What the server allows, whoever connects. */
struct config_limits {
    unsigned connections;           /* on the tenants' socket */
    unsigned connections_per_uid;   /* of these, by one user */
    unsigned connections_per_lease; /* of all, by the socket of one lease */
    unsigned lease_sockets;         /* leases that have one */
    unsigned admin_connections;     /* on the operator's socket */
    unsigned monitors;              /* Monitor calls under way on each socket */
    unsigned monitors_per_uid;      /* of these on the tenants' socket, by one user */
};

struct config {
    struct core_config core;
    struct config_limits limits;
    char *tenant_socket, *admin_socket; /* used where systemd hands in no socket of that name */
    char *container_directory;          /* of the Container Device Interface */
    char *container_library;            /* libhomi, for containers; NULL: they have their own */
    bool admin_group_known;
    gid_t admin_group;
    uid_t overflow_uid; /* what the kernel calls users that it has no number for: nobody's */
    char *model; /* specification of the software SSD (a path, or "": the default one); NULL: hardware */
    uint16_t
        relay_cores[HW_RELAY_CORES_MAX]; /* that the doorbell relay polls on; none: wherever there is room */
    unsigned relay_core_count;
    int log_level; /* LOG_ERR .. LOG_DEBUG of syslog(3) */
};

struct config_error {
    char text[512]; /* "FILE:LINE: KEY: what is wrong" */
};

/*
 * Loads `path` and PATH.d/NAME.conf in the order of their names. Objects are merged member by member, devices
 * and tenants by their name; any other value replaces the earlier one. Returns 0 and a configuration for
 * config_free, or a negative errno (-EINVAL: what the files say is wrong) and says why in *ret_error.
 */
int config_load(const char *path, struct config **ret_config, struct config_error *ret_error);
void config_free(struct config *config); /* NULL-safe */

/* ---- while homid runs ---- */

#define CONFIG_KEPT_BYTES 160

/* Whether a configuration may follow the running one: its devices are the same. -EINVAL and which is not. */
int config_reloadable(const struct config *running, const struct config *config,
                      struct config_error *ret_error);
/* Swaps what only a restart changes, so that it goes on in `config`; kept: which keys wanted to change. */
void config_keep(struct config *config, struct config *running, char kept[CONFIG_KEPT_BYTES]);

#endif
