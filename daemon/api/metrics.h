/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What homid counts about itself, and the text in which Prometheus and its like read that (exposition format
 * 0.0.4). The names are documented in homi-metrics(7); they, their types and their labels do not change
 * within a version of the interface.
 */
#ifndef HOMI_DAEMON_API_METRICS_H
#define HOMI_DAEMON_API_METRICS_H

#include "daemon/api/session.h"

struct metrics;

int metrics_new(struct metrics **ret_metrics);
void metrics_free(struct metrics *metrics); /* NULL-safe */

enum metrics_outcome { METRICS_DONE, METRICS_REFUSED, METRICS_FAILED, METRICS_OUTCOMES };

/* A call was answered. method is a constant, "io.homi.Tenant.Attach". */
void metrics_call(struct metrics *metrics, const char *method, enum metrics_outcome outcome,
                  uint64_t microseconds);
/* A step of a function's life cycle ended; operation is a constant. */
void metrics_step(struct metrics *metrics, const char *operation, bool failed, uint64_t milliseconds);
void metrics_event(struct metrics *metrics, const char *kind); /* a constant */

/* The text, for free(3). NULL when out of memory. */
char *metrics_text(const struct api_context *context);

#endif
