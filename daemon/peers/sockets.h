/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The two listening sockets: systemd's when it hands in sockets named "tenant" and "admin"
 * (FileDescriptorName of homid.socket and homid-admin.socket), else homid's own at the configured paths,
 * which are put into the store under these names.
 */
#ifndef HOMI_DAEMON_PEERS_SOCKETS_H
#define HOMI_DAEMON_PEERS_SOCKETS_H

#include "daemon/config/config.h"
#include "daemon/log.h"
#include "daemon/restart/fdstore.h"

struct sockets {
    int fds[2]; /* by enum api_kind */
    bool own[2];
    const char *paths[2]; /* borrowed from the configuration */
};

/*
 * Opens both. A path where another process listens is an error (-EADDRINUSE); a socket left behind is
 * replaced. The tenants' socket is open to everybody, since its callers are judged by their credentials; the
 * operator's to root and the admin group. Failures are logged. Returns 0 or a negative errno.
 */
int sockets_open(const struct config *config, const struct log *log, struct fdstore *store,
                 struct sockets *ret_sockets);
/*
 * A listening socket at a path, replacing one that was left behind, with these permissions before anybody can
 * connect; group: -1 as it comes. 0 or a negative errno: -EADDRINUSE where another process listens.
 */
int sockets_listen(const char *path, mode_t mode, gid_t group, int *ret_fd);
/* Those of homid's own are not for the next one either. */
void sockets_forget(const struct sockets *sockets, struct fdstore *store);
void sockets_close(struct sockets *sockets); /* removes homid's own from the file system */

#endif
