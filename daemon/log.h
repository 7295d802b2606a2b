/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The daemon's log: to the journal with fields when the journal reads stderr or homid was started by systemd,
 * else as text on stderr. Only the daemon's outermost files log; libraries, the core and the API do not.
 */
#ifndef HOMI_DAEMON_LOG_H
#define HOMI_DAEMON_LOG_H

#include <stdbool.h>
#include <sys/types.h>
#include <syslog.h>

struct log {
    int level; /* the least urgent that is written: LOG_ERR .. LOG_DEBUG */
    bool journal;
};

/* What an entry is about; NULL and 0 leave a field out. message_id: 32 hexadecimal digits. */
struct log_fields {
    const char *message_id, *device, *function, *lease, *tenant;
    pid_t pid; /* with uid, a tenant's process */
    uid_t uid;
};

struct log log_open(int level);

void log_write(const struct log *log, int priority, const struct log_fields *fields, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif
