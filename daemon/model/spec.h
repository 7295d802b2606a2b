/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the model is to be: read from JSON, every key and range checked, with the defaults of a plain SSD. A
 * specification that makes no sense is refused as a whole, naming the key and the rule that it breaks.
 */
#ifndef HOMI_DAEMON_MODEL_SPEC_H
#define HOMI_DAEMON_MODEL_SPEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/model/faults.h"
#include "daemon/model/namespace.h"

#define SPEC_DEVICES_MAX      16
#define SPEC_NAMESPACE_ID_MAX 256
#define SPEC_NAMESPACES_MAX   HW_NAMESPACES_MAX
#define SPEC_POLLERS_MAX      64
#define SPEC_TRANSFER_MAX     (UINT32_C(2) << 20)

struct namespace_spec {
    uint32_t id;
    enum namespace_backing backing;
    uint64_t bytes;
    unsigned block_shift;
    char *path; /* of a file */
};

struct resources_spec {
    unsigned total, per_function, granularity;
};

/* What Format NVM does: FNA (section 5.17.2.1), where a namespace alone is the plain case. */
struct format_spec {
    bool all, erase_all;         /* a format, resp. an erase, is of every namespace of the subsystem */
    bool cryptographic, no_wide; /* offers cryptographic erase; does not take NSID FFFFFFFFh */
};

struct device_spec {
    char serial[21], model[41];
    unsigned functions;  /* TotalVFs */
    bool virtualization; /* false: VFs have per_function resources for good, and are always online */
    bool lockdown;       /* has the Lockdown command */
    struct format_spec format;
    bool vf_refuses; /* VFs refuse admin commands that concern others than themselves */
    struct resources_spec queues, interrupts;
    uint32_t queue_entries_max; /* CAP.MQES + 1 */
    uint32_t max_transfer_bytes;
    unsigned doorbell_stride_shift; /* CAP.DSTRD */
    unsigned timeout_halves;        /* CAP.TO, in 500 ms */
    struct namespace_spec *namespaces;
    size_t namespace_count;
    struct fault_spec *faults;
    size_t fault_count;
};

struct model_spec {
    uint64_t digest; /* of the text, spaces apart: tells one specification from another */
    struct device_spec *devices;
    size_t device_count;
    unsigned pollers;
};

struct spec_error {
    char text[256]; /* "devices[0].queues.total: must be 2 to 65535" */
};

/* text: JSON, or when it begins with neither '{' nor space, the path of a file with it. 0, -EINVAL or another
 * negative errno with *ret_error. An empty text: one SSD, HOMI-MODEL-0. */
int spec_parse(const char *text, struct model_spec **ret_spec, struct spec_error *ret_error);
void spec_free(struct model_spec *spec); /* NULL-safe */

struct json_object;
/* One rule of "faults". 0, -EINVAL with *ret_error, or -ENOMEM. */
int spec_parse_fault(struct json_object *json, struct fault_spec *ret_fault, struct spec_error *ret_error);
/* The rule as it would be written, without what is not given; owned by the caller. NULL: out of memory. */
struct json_object *spec_describe_fault(const struct fault_spec *fault);

#endif
