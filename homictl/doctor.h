/* SPDX-License-Identifier: BSD-3-Clause */
/* Findings of `homictl doctor`, and the checks that make them. */
#ifndef HOMI_HOMICTL_DOCTOR_H
#define HOMI_HOMICTL_DOCTOR_H

#include <json-c/json.h>

#include "homictl/command.h"

enum verdict {
    VERDICT_GOOD,
    VERDICT_UNKNOWN, /* could not be looked at */
    VERDICT_WARNING, /* works, but not as it could */
    VERDICT_BAD,     /* homid cannot serve */
};

struct doctor {
    const struct options *options;
    const char *root;
    struct json_object *findings; /* array of {check, verdict, text, mend} */
    enum verdict worst;
};

/* Adds a finding. mend: what to do about it, a command where there is one; NULL: nothing is to be done. */
void doctor_find(struct doctor *doctor, const char *check, enum verdict verdict, const char *mend,
                 const char *format, ...) __attribute__((format(printf, 5, 6)));

void doctor_platform(struct doctor *doctor); /* kernel, IOMMU, interrupts, vfio, memory */
void doctor_devices(struct doctor *doctor);  /* the SSDs and their virtual functions */
void doctor_service(struct doctor *doctor);  /* homid, its sockets, and who may use them */

#endif
