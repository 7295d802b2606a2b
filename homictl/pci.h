/* SPDX-License-Identifier: BSD-3-Clause */
/* What a PCI function says of itself: its configuration space and its folder in sysfs. */
#ifndef HOMI_HOMICTL_PCI_H
#define HOMI_HOMICTL_PCI_H

#include <json-c/json.h>

/*
 * A description of the function as a JSON object, the caller's: BARs, reset methods, link, and (for root,
 * whom the kernel shows all of it) MSI-X, FLR, SR-IOV, ARI, ACS and ATS from the configuration space. What
 * cannot be read is left out.
 */
struct json_object *pci_describe(const char *root, const char *address);

#endif
