/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The hot path's view of a registered memory region: where it lies in the process, where the device sees it,
 * and a table from which PRP lists are taken without writing them. A region is contiguous in both address
 * spaces, so that translation is an addition. Maps are plain values: whoever fills one owns it, and the
 * memory behind it must stay registered while commands that name it are in flight. Reading a map from several
 * threads is safe.
 */
#ifndef HOMI_REGION_H
#define HOMI_REGION_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

#define HOMI_INLINE  static inline __attribute__((always_inline))
#define HOMI_OUTLINE static __attribute__((noinline, unused))
#define HOMI_COLD    static __attribute__((noinline, cold, unused))

/* A certainty, where the compiler takes one: what is unlikely then costs the rest neither a register nor a
 * jump. */
#ifdef __has_builtin
#if __has_builtin(__builtin_expect_with_probability)
#define homi_likely(x)   __builtin_expect_with_probability(!!(x), 1, 1.0)
#define homi_unlikely(x) __builtin_expect_with_probability(!!(x), 0, 1.0)
#endif
#endif
#ifndef homi_likely
#define homi_likely(x)   __builtin_expect(!!(x), 1)
#define homi_unlikely(x) __builtin_expect(!!(x), 0)
#endif

/*
 * A region. base and iova are multiples of the controller's page size, bytes is not 0; whole_bytes are those
 * in whole pages of 4 KiB.
 *
 * prp_iova is the device's address of a PRP table (see homi_region_map_prebuild()) for controllers with pages
 * of prp_page_bytes (1 << prp_page_shift). Transfers of more than prp_from_bytes (two pages) and of up to
 * prp_reach_bytes take their list from it, which has up to prp_reach_pages entries. All are 0 when there is
 * no table.
 */
struct homi_region_map {
    uint64_t base;
    uint64_t bytes;
    uint64_t whole_bytes;
    uint64_t iova;
    uint64_t prp_iova;
    uint32_t prp_page_bytes;
    uint32_t prp_page_shift;
    uint32_t prp_from_bytes;
    uint32_t prp_reach_bytes;
    uint32_t prp_reach_pages;
};

/* Several regions, for buffers that may lie in any of them. The array belongs to the caller. */
struct homi_region_set {
    const struct homi_region_map *maps;
    uint32_t count;
};

/* Regions are smaller than this; an offset beyond it comes from an address below the region, or a wild one.
 */
#define HOMI_REGION_BYTES_MAX (1ull << 56)

/* Fills a map that has no PRP table. Returns 0, or -EINVAL: at NULL, empty, misaligned to 4 KiB, or beyond
 * the address space. */
static inline int homi_region_map_init(struct homi_region_map *map, void *base, uint64_t bytes, uint64_t iova)
{
    uint64_t start = (uint64_t)(uintptr_t)base;

    if (base == NULL || bytes == 0 || bytes > HOMI_REGION_BYTES_MAX || ((start | iova) & 4095u) != 0 ||
        start + (bytes - 1) < start || iova + (bytes - 1) < iova)
        return -EINVAL;
    __builtin_memset(map, 0, sizeof(*map));
    map->base = start;
    map->bytes = bytes;
    map->whole_bytes = bytes & ~(uint64_t)4095;
    map->iova = iova;
    return 0;
}

/* Whether `bytes` bytes at an offset from the region's base (that may be wild) lie inside the region. */
HOMI_INLINE bool homi_region_holds(const struct homi_region_map *map, uint64_t offset, uint64_t bytes)
{
    uint64_t end;

    return !__builtin_add_overflow(offset, bytes, &end) && end <= map->bytes;
}

/*
 * The device's address of `bytes` bytes at `address`.
 * Returns 0, or -EFAULT when any byte of it lies outside the region; *ret_iova is untouched then.
 */
HOMI_INLINE int homi_region_translate(const struct homi_region_map *map, const void *address, uint64_t bytes,
                                      uint64_t *ret_iova)
{
    uint64_t offset = (uint64_t)(uintptr_t)address - map->base;

    if (homi_unlikely(!homi_region_holds(map, offset, bytes)))
        return -EFAULT;
    *ret_iova = map->iova + offset;
    return 0;
}

/* The region of a set that holds `bytes` bytes at `address` whole, or NULL. Sets are small, so the search is
 * linear. */
static inline const struct homi_region_map *homi_region_set_find(const struct homi_region_set *set,
                                                                 const void *address, uint64_t bytes)
{
    for (uint32_t i = 0; i < set->count; i++) {
        const struct homi_region_map *map = &set->maps[i];

        if (homi_region_holds(map, (uint64_t)(uintptr_t)address - map->base, bytes))
            return map;
    }
    return NULL;
}

/*
 * PRP tables (Base 4.1.1). The entry of a page names the page after it, so the list of a transfer is a run of
 * the table. A list must not reach the end of a list page, where an entry may be taken for a pointer to a
 * further list page: each page of the table therefore holds half a page's worth of entries, followed by as
 * many again of the next ones.
 */

/* Bytes of the table for a region of `bytes` bytes; a multiple of page_bytes (the controller's page size,
 * CC.MPS). */
uint64_t homi_region_prp_table_bytes(uint64_t bytes, uint32_t page_bytes);

/*
 * Writes the region's table at `table` and makes the map use it. `table` is page-aligned memory of
 * homi_region_prp_table_bytes() bytes, seen by the device at table_iova; it belongs to the caller and must
 * stay registered as long as the map is used. The page size is a power of two of at least 4096. Returns 0, or
 * -EINVAL for a bad page size or a misaligned table, base or IOVA; the map is untouched then.
 */
int homi_region_map_prebuild(struct homi_region_map *map, uint32_t page_bytes, void *table,
                             uint64_t table_iova);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
