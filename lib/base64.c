/* SPDX-License-Identifier: BSD-3-Clause */
#include "lib/base64.h"

#include <errno.h>
#include <string.h>

size_t base64_length(size_t bytes)
{
    return (bytes + 2) / 3 * 4;
}

static int digit(char c)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c != '\0' ? strchr(alphabet, c) : NULL;

    return at ? (int)(at - alphabet) : -1;
}

int base64_decode(const char *text, size_t bytes, uint8_t *ret_data)
{
    size_t length = base64_length(bytes), padding = (3 - bytes % 3) % 3;
    uint32_t bits = 0;
    size_t out = 0;

    if (strlen(text) != length)
        return -EBADMSG;
    for (size_t i = 0; i < length; i++) {
        int value = i < length - padding ? digit(text[i]) : text[i] == '=' ? 0 : -1;
        if (value < 0)
            return -EBADMSG;
        bits = bits << 6 | (uint32_t)value;
        if (i % 4 != 3)
            continue;
        for (int shift = 16; shift >= 0 && out < bytes; shift -= 8)
            ret_data[out++] = (uint8_t)(bits >> shift);
        bits = 0;
    }
    return 0;
}
