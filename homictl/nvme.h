/* SPDX-License-Identifier: BSD-3-Clause */
/* What an NVMe controller says of itself, asked through the kernel's driver with commands that change
 * nothing. */
#ifndef HOMI_HOMICTL_NVME_H
#define HOMI_HOMICTL_NVME_H

#include <json-c/json.h>

/*
 * controller: "nvme0". Returns 0 and a JSON object, the caller's, or a negative errno when the device cannot
 * be opened (only root may ask it). What the controller does not answer is left out.
 */
int nvme_describe(const char *controller, const char *address, struct json_object **ret_description);

#endif
