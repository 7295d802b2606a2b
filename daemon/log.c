/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/log.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

#define FIELDS_MAX  10
#define FIELD_BYTES 640

/* systemd says in JOURNAL_STREAM which file it connected to the journal (systemd.exec(5)). */
static bool stderr_is_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    struct stat status;
    uintmax_t device, inode;
    return stream && sscanf(stream, "%ju:%ju", &device, &inode) == 2 && fstat(STDERR_FILENO, &status) == 0 &&
           status.st_dev == device && status.st_ino == inode;
}

struct log log_open(int level)
{
    return (struct log){.level = level, .journal = stderr_is_journal()};
}

struct entry {
    char text[FIELDS_MAX][FIELD_BYTES];
    struct iovec fields[FIELDS_MAX];
    int count;
};

static void add_field(struct entry *entry, const char *name, const char *value)
{
    if (!value || entry->count == FIELDS_MAX)
        return;
    char *text = entry->text[entry->count];
    snprintf(text, FIELD_BYTES, "%s=%s", name, value);
    entry->fields[entry->count++] = (struct iovec){.iov_base = text, .iov_len = strlen(text)};
}

static void write_journal(int priority, const struct log_fields *fields, const char *message)
{
    struct entry entry = {.count = 0};
    char number[24];
    snprintf(number, sizeof number, "%d", priority);
    add_field(&entry, "MESSAGE", message);
    add_field(&entry, "PRIORITY", number);
    add_field(&entry, "SYSLOG_IDENTIFIER", "homid");
    if (fields) {
        add_field(&entry, "MESSAGE_ID", fields->message_id);
        add_field(&entry, "HOMI_DEVICE", fields->device);
        add_field(&entry, "HOMI_VF", fields->function);
        add_field(&entry, "HOMI_LEASE", fields->lease);
        add_field(&entry, "HOMI_TENANT", fields->tenant);
        if (fields->pid > 0) {
            snprintf(number, sizeof number, "%jd", (intmax_t)fields->pid);
            add_field(&entry, "HOMI_PID", number);
            snprintf(number, sizeof number, "%ju", (uintmax_t)fields->uid);
            add_field(&entry, "HOMI_UID", number);
        }
    }
    sd_journal_sendv(entry.fields, entry.count);
}

/* Whether one more entry about a user's process may be written. */
static bool within_budget(const struct log *log, const struct log_fields *fields)
{
    struct log_budget *budget = &log->budgets->users[fields->uid % LOG_BUDGETS];
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    if (budget->since == 0 || (uint64_t)now.tv_sec - budget->since >= LOG_WINDOW_SECONDS) {
        unsigned left_out = budget->left_out;
        *budget = (struct log_budget){.since = (uint64_t)now.tv_sec};
        if (left_out)
            log_write(log, LOG_WARNING, NULL, "%u entries about processes of uid %u were left out", left_out,
                      (unsigned)fields->uid);
    }
    if (budget->written >= LOG_ENTRIES_PER_USER) {
        budget->left_out++;
        return false;
    }
    budget->written++;
    return true;
}

void log_write(const struct log *log, int priority, const struct log_fields *fields, const char *format, ...)
{
    static const char *const levels[] = {"emerg",   "alert",  "crit", "err",
                                         "warning", "notice", "info", "debug"};
    char message[600];
    va_list arguments;
    if (priority > log->level)
        return;
    if (log->budgets && priority > LOG_WARNING && fields && fields->pid > 0 && !within_budget(log, fields))
        return;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    if (log->journal)
        write_journal(priority, fields, message);
    else
        fprintf(stderr, "homid: %s: %s\n", levels[priority & LOG_PRIMASK], message);
}
