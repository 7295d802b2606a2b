/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The daemon's log: to the journal with fields when the journal reads stderr or homid was started by systemd,
 * else as text on stderr. Only the daemon's outermost files log; libraries, the core and the API do not.
 *
 * Writing to the journal waits while the journal is busy, and the journal drops what it cannot take in. So no
 * user can have more than LOG_ENTRIES_PER_USER entries about its processes written in LOG_WINDOW_SECONDS,
 * warnings apart; how many were left out is written instead.
 */
#ifndef HOMI_DAEMON_LOG_H
#define HOMI_DAEMON_LOG_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <syslog.h>

#define LOG_ENTRIES_PER_USER 1000
#define LOG_WINDOW_SECONDS   10
#define LOG_BUDGETS          64 /* users whose ids are the same modulo this share one */

struct log_budgets {
    struct log_budget {
        uint64_t since; /* monotonic seconds */
        unsigned written, left_out;
    } users[LOG_BUDGETS];
};

struct log {
    int level; /* the least urgent that is written: LOG_ERR .. LOG_DEBUG */
    bool journal;
    struct log_budgets *budgets; /* borrowed; NULL: no limit */
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
