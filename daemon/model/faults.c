/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/model/faults.h"

#include <errno.h>
#include <stdlib.h>

int faults_new(const struct fault_spec *specs, size_t count, struct faults *ret_faults)
{
    struct fault *list = count ? calloc(count, sizeof(*list)) : NULL;

    if (count && !list)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++)
        list[i].spec = specs[i];
    *ret_faults = (struct faults){.list = list, .count = count};
    return 0;
}

void faults_free(struct faults *faults)
{
    free(faults->list);
    *faults = (struct faults){0};
}

static bool fits(int wanted, int is)
{
    return wanted == FAULT_ANY || wanted == is;
}

/* Counts a match. Several pollers may come by at once. */
static bool fires(struct fault *fault)
{
    uint64_t seen = __atomic_fetch_add(&fault->seen, 1, __ATOMIC_RELAXED);

    if (seen < fault->spec.after)
        return false;
    if (fault->spec.count && seen - fault->spec.after >= fault->spec.count)
        return false;
    __atomic_fetch_add(&fault->fired, 1, __ATOMIC_RELAXED);
    return true;
}

const struct fault_spec *faults_command(struct faults *faults, unsigned function, uint16_t queue,
                                        uint8_t opcode)
{
    for (size_t i = 0; i < faults->count; i++) {
        struct fault *fault = &faults->list[i];
        if (fault->spec.step == STEP_NONE && fits(fault->spec.function, (int)function) &&
            fits(fault->spec.queue, queue) && fits(fault->spec.opcode, opcode) && fires(fault))
            return &fault->spec;
    }
    return NULL;
}

const struct fault_spec *faults_step(struct faults *faults, enum fault_step step, int function)
{
    for (size_t i = 0; i < faults->count; i++) {
        struct fault *fault = &faults->list[i];
        if (fault->spec.step == step && fits(fault->spec.function, function) && fires(fault))
            return &fault->spec;
    }
    return NULL;
}
