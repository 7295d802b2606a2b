/* SPDX-License-Identifier: BSD-3-Clause */
/* Identify data as homid uses it. The data came from a device and is checked like any input. */
#ifndef HOMI_DAEMON_HW_IDENTIFY_H
#define HOMI_DAEMON_HW_IDENTIFY_H

#include "daemon/hw/backend.h"

struct nvme_id_ns;

/*
 * Fills id, block_bytes, blocks and shareable from an Identify Namespace structure (NVM Command Set 1.0,
 * section 4.1.5.1). -ENOENT: the namespace is inactive there, -EIO: the data makes no sense.
 */
int identify_namespace_parse(const struct nvme_id_ns *data, uint32_t id, struct hw_namespace *ret_namespace);
/* Copies a space-padded ASCII field; bytes that do not print become '?'. text holds bytes + 1. */
void identify_text(const char *field, size_t bytes, char *ret_text);

#endif
