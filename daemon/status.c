/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/status.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <time.h>

struct line {
    char *text;
    size_t bytes, used;
};

static void __attribute__((format(printf, 2, 3))) append(struct line *line, const char *format, ...)
{
    va_list arguments;
    if (line->used >= line->bytes)
        return;
    va_start(arguments, format);
    int n = vsnprintf(line->text + line->used, line->bytes - line->used, format, arguments);
    va_end(arguments);
    line->used += n > 0 ? (size_t)n : 0;
}

static void append_device(void *user, const struct core_device_view *view)
{
    struct line *line = user;
    append(line, "%s: ", view->config->name);
    if (strcmp(view->state, "ready") == 0)
        append(line, "%u VFs ready, %u leased; ", view->functions_ready, view->functions_leased);
    else
        append(line, "%s%s%s; ", view->state, view->reason ? ", " : "", view->reason ? view->reason : "");
}

void status_text(struct core *core, char *text, size_t bytes)
{
    struct line line = {.text = text, .bytes = bytes};
    struct core_totals totals = core_totals(core);
    core_each_device(core, append_device, &line);
    append(&line, "%u lease%s", totals.leases, totals.leases == 1 ? "" : "s");
}

void status_update(struct status *status, struct core *core)
{
    char text[STATUS_BYTES];
    status_text(core, text, sizeof text);
    if (strcmp(text, status->text) != 0) {
        memcpy(status->text, text, sizeof text);
        sd_notifyf(0, "STATUS=%s", text);
    }
    if (!status->ready && core_converged(core)) {
        status->ready = true;
        sd_notify(0, "READY=1");
    }
}

void status_reloading(const struct status *status)
{
    struct timespec now;
    if (!status->ready)
        return;
    clock_gettime(CLOCK_MONOTONIC, &now);
    sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64,
               (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000);
}

void status_reloaded(const struct status *status)
{
    if (status->ready)
        sd_notify(0, "READY=1");
}

void status_stopping(void)
{
    sd_notify(0, "STOPPING=1\nSTATUS=Giving the virtual functions back");
}
