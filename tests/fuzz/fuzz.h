/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the fuzz targets share. A target is one file, fuzz_NAME.c; it defines fuzz_one, which the fuzzer calls
 * with bytes that it made up and tests/fuzz/replay.c with those of files. A target says that something is
 * wrong by ending the process (fuzz_require), and leaves nothing behind that a later input could notice.
 */
#ifndef HOMI_TESTS_FUZZ_FUZZ_H
#define HOMI_TESTS_FUZZ_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define fuzz_one LLVMFuzzerTestOneInput

int fuzz_one(const uint8_t *data, size_t bytes);

/* Ends the process with a message when the condition does not hold. */
#define fuzz_require(condition) fuzz_require_at(condition, #condition, __FILE__, __LINE__)
void fuzz_require_at(bool condition, const char *text, const char *file, int line);

/* Input that is consumed from its front; what is beyond its end reads as zeroes. */
struct fuzz_input {
    const uint8_t *at;
    size_t left;
};

void fuzz_take(struct fuzz_input *input, void *ret_bytes, size_t count);
uint8_t fuzz_byte(struct fuzz_input *input);
uint32_t fuzz_u32(struct fuzz_input *input);
/* A copy that ends with a NUL, of exactly that size so that a sanitizer sees who reads beyond it; free it. */
char *fuzz_text(const uint8_t *data, size_t bytes);

#endif
