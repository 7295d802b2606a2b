/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Data that follows from its place on the namespace and a seed, for --verify. Rewriting a block gives the
 * same data, so commands may overtake each other.
 */
#ifndef HOMI_BENCH_PERF_PATTERN_H
#define HOMI_BENCH_PERF_PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* position: bytes from the namespace's start; bytes: a multiple of 8; buffer: aligned to 8. */
void pattern_fill(void *buffer, size_t bytes, uint64_t position, uint64_t seed);
bool pattern_holds(const void *buffer, size_t bytes, uint64_t position, uint64_t seed);
/* So that a read that moves nothing finds nothing right. */
void pattern_spoil(void *buffer, size_t bytes);

#endif
