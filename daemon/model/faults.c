/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/model/faults.h"

#include <errno.h>
#include <stdlib.h>

int faults_new(const struct fault_spec *specs, size_t count, struct faults *ret_faults)
{
    struct faults faults = {0};
    uint32_t number;
    int r = 0;

    for (size_t i = 0; i < count && r == 0; i++)
        r = faults_add(&faults, &specs[i], &number);
    if (r < 0)
        faults_free(&faults);
    else
        *ret_faults = faults;
    return r;
}

int faults_add(struct faults *faults, const struct fault_spec *spec, uint32_t *ret_number)
{
    if (faults->count == FAULTS_MAX)
        return -ENOSPC;
    struct fault *list = realloc(faults->list, (faults->count + 1) * sizeof(*list));
    if (!list)
        return -ENOMEM;
    faults->list = list;
    list[faults->count++] = (struct fault){.spec = *spec, .number = ++faults->last_number};
    *ret_number = faults->last_number;
    return 0;
}

size_t faults_remove(struct faults *faults, uint32_t number)
{
    size_t kept = 0, before = faults->count;

    for (size_t i = 0; i < before; i++) {
        if (number && faults->list[i].number != number)
            faults->list[kept++] = faults->list[i];
    }
    faults->count = kept;
    return before - kept;
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
