/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reading the configuration again while homid runs (SIGHUP). It is applied as a whole or not at all; what it
 * cannot change without a restart is named.
 */
#ifndef HOMI_DAEMON_RELOAD_H
#define HOMI_DAEMON_RELOAD_H

#include "daemon/config/config.h"
#include "daemon/log.h"
#include "daemon/peers/server.h"

/* What runs by a configuration; *config is replaced, and the old one freed. */
struct reload {
    const char *path;
    struct config **config;
    struct log *log;
    struct core *core;
    struct server *server;
    unsigned connections_max; /* that can be kept when homid ends; 0: any number */
};

/* 0, or a negative errno: nothing was changed, and the log says why. */
int reload(const struct reload *reload);

#endif
