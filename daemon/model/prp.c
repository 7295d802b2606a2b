/* SPDX-License-Identifier: BSD-3-Clause */
/* Physical Region Page entries and lists (NVMe Base 2.0, section 4.1.1), through the function's IOMMU. */
#include "daemon/model/function.h"
#include "daemon/model/namespace.h"
#include "daemon/model/rules.h"

struct walk {
    struct function *function;
    struct segment *segments;
    unsigned max, count;
    unsigned access;
};

static uint16_t add(struct walk *walk, uint64_t iova, uint64_t bytes)
{
    struct segment *last = walk->count ? &walk->segments[walk->count - 1] : NULL;
    uint8_t *host = iommu_translate(&walk->function->iommu, iova, bytes, walk->access);

    if (!host)
        return GENERIC(DATA_XFER_ERROR);
    if (last && last->host + last->bytes == host) {
        last->bytes += bytes;
        return 0;
    }
    if (walk->count == walk->max)
        return GENERIC(INTERNAL);
    walk->segments[walk->count++] = (struct segment){.host = host, .bytes = bytes};
    return 0;
}

static uint64_t part(uint64_t bytes, uint64_t room)
{
    return bytes < room ? bytes : room;
}

/* The last entry of a list page points to the next page when more entries follow than fit. */
static uint16_t add_list(struct walk *walk, uint64_t list, uint64_t bytes)
{
    if (list % 8 && rule(RULE_PRP_LIST_ALIGNED))
        return GENERIC(PRP_INVALID_OFFSET);
    while (bytes > 0) {
        uint64_t entries = (PAGE_BYTES - list % PAGE_BYTES) / 8, before = 0;
        const uint64_t *entry = iommu_translate(&walk->function->iommu, list, entries * 8, IOMMU_READ);
        if (!entry)
            return rule(RULE_DMA_LIST) ? GENERIC(DATA_XFER_ERROR) : 0;
        while (bytes > 0 && entries > 0) {
            uint64_t iova = le64toh(__atomic_load_n(entry++, __ATOMIC_RELAXED));
            if (iova % PAGE_BYTES && rule(RULE_PRP_ENTRY_OFFSET))
                return GENERIC(PRP_INVALID_OFFSET);
            if (!rule(RULE_PRP_LIST) && before)
                iova = before + PAGE_BYTES;
            before = iova;
            entries--;
            if (entries == 0 && (bytes > PAGE_BYTES || !rule(RULE_PRP_LAST)) && rule(RULE_PRP_CHAIN)) {
                list = iova;
                break;
            }
            uint16_t status = add(walk, iova, part(bytes, PAGE_BYTES));
            if (status)
                return status;
            bytes -= part(bytes, PAGE_BYTES);
        }
    }
    return 0;
}

uint16_t prp_resolve(struct function *function, const struct nvme_command *command, uint64_t bytes,
                     unsigned access, struct segment *segments, unsigned max, unsigned *ret_count)
{
    struct walk walk = {.function = function, .segments = segments, .max = max, .access = access};
    uint64_t first = le64toh(command->prp1), second = le64toh(command->prp2);
    uint64_t room = PAGE_BYTES - first % PAGE_BYTES;
    uint16_t status;

    if (!rule(RULE_PRP_SECOND) || !rule(RULE_ADMIN_PRP2))
        second = first - first % PAGE_BYTES + PAGE_BYTES;
    if (!rule(RULE_PRP_OFFSET))
        first -= first % PAGE_BYTES;
    if (first % 4 && rule(RULE_PRP1_ALIGNED))
        return GENERIC(PRP_INVALID_OFFSET);
    status = add(&walk, first, part(bytes, room));
    if (status == 0 && bytes > room) {
        bytes -= room;
        if (bytes > PAGE_BYTES)
            status = add_list(&walk, second, bytes);
        else
            status = second % PAGE_BYTES && rule(RULE_PRP2_OFFSET) ? GENERIC(PRP_INVALID_OFFSET)
                                                                   : add(&walk, second, bytes);
    }
    if (status == 0)
        *ret_count = walk.count;
    return status;
}
