/* SPDX-License-Identifier: BSD-3-Clause */
#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"

void fuzz_require_at(bool condition, const char *text, const char *file, int line)
{
    if (condition)
        return;
    fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, text);
    abort();
}

void fuzz_take(struct fuzz_input *input, void *ret_bytes, size_t count)
{
    size_t there = count < input->left ? count : input->left;

    memset(ret_bytes, 0, count);
    if (there)
        memcpy(ret_bytes, input->at, there);
    input->at += there;
    input->left -= there;
}

uint8_t fuzz_byte(struct fuzz_input *input)
{
    uint8_t value;

    fuzz_take(input, &value, sizeof(value));
    return value;
}

uint32_t fuzz_u32(struct fuzz_input *input)
{
    uint32_t value;

    fuzz_take(input, &value, sizeof(value));
    return le32toh(value);
}

char *fuzz_text(const uint8_t *data, size_t bytes)
{
    char *text = malloc(bytes + 1);

    fuzz_require(text != NULL);
    if (bytes)
        memcpy(text, data, bytes);
    text[bytes] = '\0';
    return text;
}
