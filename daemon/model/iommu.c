/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/model/iommu.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "daemon/model/rules.h"

#define PAGE UINT64_C(4096)

/* The first mapping that ends beyond the address. */
static size_t find(const struct iommu *iommu, uint64_t iova)
{
    size_t low = 0, high = iommu->count;

    while (low < high) {
        size_t middle = (low + high) / 2;
        const struct iommu_mapping *mapping = &iommu->list[middle];
        if (mapping->iova + (mapping->bytes - 1) < iova)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static int make_room(struct iommu *iommu)
{
    size_t capacity = iommu->capacity ? 2 * iommu->capacity : 8;

    if (iommu->count < iommu->capacity)
        return 0;
    struct iommu_mapping *list = realloc(iommu->list, capacity * sizeof(*list));
    if (!list)
        return -ENOMEM;
    iommu->list = list;
    iommu->capacity = capacity;
    return 0;
}

int iommu_map(struct iommu *iommu, int memfd, uint64_t offset, uint64_t bytes, uint64_t iova, unsigned access)
{
    int protection = access & IOMMU_WRITE || !rule(RULE_DMA_READ_ONLY) ? PROT_READ | PROT_WRITE : PROT_READ;

    if (bytes == 0 || (offset | bytes | iova) % PAGE || iova > UINT64_MAX - (bytes - 1))
        return -EINVAL;
    size_t at = find(iommu, iova);
    if (at < iommu->count && iommu->list[at].iova <= iova + (bytes - 1) && rule(RULE_DMA_OVERLAP))
        return -EEXIST;
    int r = make_room(iommu);
    if (r < 0)
        return r;
    void *host = mmap(NULL, bytes, protection, MAP_SHARED, memfd, (off_t)offset);
    if (host == MAP_FAILED)
        return -errno;
    memmove(&iommu->list[at + 1], &iommu->list[at], (iommu->count - at) * sizeof(*iommu->list));
    iommu->list[at] = (struct iommu_mapping){.iova = iova, .bytes = bytes, .host = host, .access = access};
    iommu->count++;
    iommu->last = at;
    return 0;
}

int iommu_unmap(struct iommu *iommu, uint64_t iova, uint64_t bytes)
{
    if (bytes == 0 || iova > UINT64_MAX - (bytes - 1))
        return -EINVAL;
    if (!rule(RULE_DMA_UNMAP))
        return 0;
    uint64_t last = iova + (bytes - 1);
    size_t first = find(iommu, iova), end = first;
    while (end < iommu->count && iommu->list[end].iova <= last) {
        const struct iommu_mapping *mapping = &iommu->list[end++];
        if (mapping->iova < iova || mapping->iova + (mapping->bytes - 1) > last)
            return -EINVAL;
    }
    if (first == end)
        return -ENOENT;
    for (size_t i = first; i < end; i++)
        munmap(iommu->list[i].host, iommu->list[i].bytes);
    memmove(&iommu->list[first], &iommu->list[end], (iommu->count - end) * sizeof(*iommu->list));
    iommu->count -= end - first;
    iommu->last = 0;
    return 0;
}

void iommu_clear(struct iommu *iommu)
{
    for (size_t i = 0; i < iommu->count; i++)
        munmap(iommu->list[i].host, iommu->list[i].bytes);
    free(iommu->list);
    *iommu = (struct iommu){.faults = iommu->faults};
}

static bool holds(const struct iommu_mapping *mapping, uint64_t iova, uint64_t bytes)
{
    return iova >= mapping->iova && iova - mapping->iova < mapping->bytes &&
           bytes <= mapping->bytes - (iova - mapping->iova);
}

void *iommu_translate(struct iommu *iommu, uint64_t iova, uint64_t bytes, unsigned access)
{
    size_t at = iommu->last;

    if (at >= iommu->count || !holds(&iommu->list[at], iova, bytes))
        at = find(iommu, iova);
    if (at < iommu->count && holds(&iommu->list[at], iova, bytes) &&
        ((iommu->list[at].access & access) == access || !rule(RULE_DMA_READ_ONLY))) {
        iommu->last = at;
        return iommu->list[at].host + (iova - iommu->list[at].iova);
    }
    iommu->faults++;
    if (!rule(RULE_DMA_BOUNDS) && iommu->count)
        return iommu->list[0].host;
    return NULL;
}

bool iommu_owns(const struct iommu *iommu, const void *address)
{
    const uint8_t *byte = address;

    for (size_t i = 0; i < iommu->count; i++) {
        if (byte >= iommu->list[i].host && (uint64_t)(byte - iommu->list[i].host) < iommu->list[i].bytes)
            return true;
    }
    return false;
}
