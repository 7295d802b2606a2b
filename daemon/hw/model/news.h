/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What happens to the devices of the software SSD: told by the model process over a connection of its own,
 * as the kernel tells by uevents what happens to real ones. The end of the process is the end of its devices.
 */
#ifndef HOMI_DAEMON_HW_MODEL_NEWS_H
#define HOMI_DAEMON_HW_MODEL_NEWS_H

#include <stdint.h>

struct linux_backend;
struct model_news_reader;

/* path: of the model's socket, copied. digest: of the specification that was asked for. 0 or -errno. */
int model_news_new(struct linux_backend *backend, const char *path, uint64_t digest,
                   struct model_news_reader **ret_reader);
void model_news_free(struct model_news_reader *reader); /* NULL-safe */

#endif
