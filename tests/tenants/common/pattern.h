/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Test data that says where it belongs. Every 512 B carry their place on the namespace, who wrote them (a
 * seed) and when (a generation), and all of their words follow from these, so that a reader of any block size
 * finds what is missing, torn, old, somebody else's, or in the wrong place.
 */
#ifndef HOMI_TESTS_TENANTS_COMMON_PATTERN_H
#define HOMI_TESTS_TENANTS_COMMON_PATTERN_H

#include <stddef.h>
#include <stdint.h>

#define PATTERN_UNIT_BYTES     512
#define PATTERN_GENERATION_ANY 0 /* generations count from 1 */

enum pattern_defect {
    PATTERN_OK,
    PATTERN_NOT_WRITTEN, /* no such data at all */
    PATTERN_OTHER_WRITER,
    PATTERN_MISPLACED,
    PATTERN_OTHER_GENERATION,
    PATTERN_TORN, /* the words do not follow from the header */
};

/* What a check found; the header's fields as read. */
struct pattern_result {
    enum pattern_defect defect;
    uint64_t position; /* bytes from the namespace's start: where it was read */
    uint64_t found_position, found_seed, found_generation;
};

/* position: bytes from the namespace's start. bytes: a multiple of PATTERN_UNIT_BYTES. buffer: aligned to 8.
 */
void pattern_fill(void *buffer, size_t bytes, uint64_t position, uint64_t seed, uint64_t generation);

/* Checks to the first defect. */
struct pattern_result pattern_check(const void *buffer, size_t bytes, uint64_t position, uint64_t seed,
                                    uint64_t generation);

/* Prints what was found to standard error. */
void pattern_complain(const struct pattern_result *result);

#endif
