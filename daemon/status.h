/* SPDX-License-Identifier: BSD-3-Clause */
/* Tells systemd how homid is: READY=1 when what is configured has converged, STATUS= in words, STOPPING=1. */
#ifndef HOMI_DAEMON_STATUS_H
#define HOMI_DAEMON_STATUS_H

#include <stdbool.h>
#include <stddef.h>

#include "daemon/core/core.h"

#define STATUS_BYTES 512

struct status {
    bool ready; /* said already */
    char text[STATUS_BYTES];
};

/* "ssd0: 4 VFs ready, 2 leased; 3 leases", cut where the buffer ends. */
void status_text(struct core *core, char *text, size_t bytes);

void status_update(struct status *status, struct core *core); /* says what is new, if anything is */
/* Around reading the configuration again; nothing where homid has not become ready yet. */
void status_reloading(const struct status *status);
void status_reloaded(const struct status *status);
void status_stopping(void);

#endif
