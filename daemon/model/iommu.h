/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The IOMMU domain of one virtual function: which I/O virtual addresses are memory, and whose. What a
 * controller reads or writes elsewhere does not happen and is counted.
 *
 * Ownership: a domain owns its views of the memfds it was given. Threads: the caller's lock.
 */
#ifndef HOMI_DAEMON_MODEL_IOMMU_H
#define HOMI_DAEMON_MODEL_IOMMU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum iommu_access { IOMMU_READ = 1, IOMMU_WRITE = 2 };

struct iommu_mapping {
    uint64_t iova, bytes;
    uint8_t *host;
    unsigned access; /* what the device may do */
};

struct iommu {
    struct iommu_mapping *list; /* sorted by iova */
    size_t count, capacity;
    size_t last;     /* where the last translation was found */
    uint64_t faults; /* accesses that were refused */
};

/*
 * Maps `bytes` of a memfd, from `offset` on, at `iova`. All three are multiples of 4096. -EINVAL: they are
 * not, or the range wraps; -EEXIST: a part of it is mapped already; or what mmap says.
 */
int iommu_map(struct iommu *iommu, int memfd, uint64_t offset, uint64_t bytes, uint64_t iova,
              unsigned access);
/* Unmaps what lies in the range. -EINVAL: it would cut a mapping in two; -ENOENT: nothing is mapped there. */
int iommu_unmap(struct iommu *iommu, uint64_t iova, uint64_t bytes);
void iommu_clear(struct iommu *iommu); /* unmaps everything */
/* Where the device finds a range that lies in one mapping; NULL, and counted, when it may not have it. */
void *iommu_translate(struct iommu *iommu, uint64_t iova, uint64_t bytes, unsigned access);
bool iommu_owns(const struct iommu *iommu, const void *address);

#endif
