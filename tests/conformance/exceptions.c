/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where the emulated SSD of QEMU deviates from the list, case by case. A case that stands here must fail
 * there: what is mended is taken out.
 */
#include <string.h>

#include "tests/conformance/cases.h"

static const struct {
    const char *name, *reason;
} emulated[] = {
    {"a reset takes features back", "it keeps the Asynchronous Event Configuration (3.7.2)"},
    {"CMIC says that it is a virtual function", "it sets bit 1 of CMIC only (5.17.2.1)"},
    {"OACS tells which admin commands there are",
     "it offers Namespace Management without the command 0Dh (5.17.2.1)"},
    {"ONCS tells which I/O commands there are", "it has Verify without saying so (5.17.2.1)"},
    {"NSID FFFFFFFFh is for namespace management", "it offers that, and refuses Identify of all (5.17.2.1)"},
    {"a namespace has an identifier", "it has none unless QEMU is told one (5.17.2.3)"},
    {"an unknown log page is refused", "it says Invalid Field, not Invalid Log Page (5.16)"},
    {"a reserved Select is refused", "it takes it for the current value (5.15)"},
    {"a head beyond the tail is an event", "it compares a head with the queue's size only (5.2)"},
    {"an event waits for its request", "it forgets an event that no request waits for (5.2)"},
    {"a submission queue does not complete on queue 0", "it says Completion Queue Invalid (5.5)"},
    {"a completion queue that cannot be is refused", "it says Completion Queue Invalid (5.5)"},
    {"the admin completion queue is not deleted", "it says Completion Queue Invalid (5.6)"},
    {"no completion queue, nothing deleted", "it says Completion Queue Invalid (5.6)"},
    {"a deleted completion queue is gone", "it says Completion Queue Invalid (5.6)"},
    {"PRP1 is aligned to dwords", "it takes any offset (4.1.1)"},
    {"a PRP list is aligned to its entries", "it takes any offset (4.1.1)"},
    {"ranges to deallocate end where the namespace does", "it passes over such a range (NVM 3.2.3)"},
    {"ranges are checked before any is deallocated", "it passes over such a range (NVM 3.2.3)"},
    {"a transfer to what is not mapped is an error", "its IOMMU's faults are not told to it (3.3.3.2.1.1)"},
};

size_t conformance_exception_count(void)
{
    return sizeof(emulated) / sizeof(emulated[0]);
}

const char *conformance_exception(const struct rig *rig, const struct conformance_case *entry)
{
    if (strncmp(rig->device_info.model, "QEMU NVMe Ctrl", strlen("QEMU NVMe Ctrl")) != 0)
        return NULL;
    for (size_t i = 0; i < sizeof(emulated) / sizeof(emulated[0]); i++) {
        if (strcmp(emulated[i].name, entry->name) == 0)
            return emulated[i].reason;
    }
    return NULL;
}
