/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench/perf/pattern.h"

#include <string.h>

/* The finaliser of splitmix64: neighbouring positions get unrelated words. */
static uint64_t word_at(uint64_t position, uint64_t seed)
{
    uint64_t value = position + seed * UINT64_C(0x9e3779b97f4a7c15);

    value = (value ^ value >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ value >> 27) * UINT64_C(0x94d049bb133111eb);
    return value ^ value >> 31;
}

void pattern_fill(void *buffer, size_t bytes, uint64_t position, uint64_t seed)
{
    uint64_t *words = buffer;

    for (size_t at = 0; at < bytes; at += 8)
        words[at / 8] = word_at(position + at, seed);
}

bool pattern_holds(const void *buffer, size_t bytes, uint64_t position, uint64_t seed)
{
    const uint64_t *words = buffer;

    for (size_t at = 0; at < bytes; at += 8)
        if (words[at / 8] != word_at(position + at, seed))
            return false;
    return true;
}

void pattern_spoil(void *buffer, size_t bytes)
{
    memset(buffer, 0, bytes);
}
