/* SPDX-License-Identifier: BSD-3-Clause */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "homictl/format.h"

void format_bytes(uint64_t bytes, char ret_text[FORMAT_BYTES])
{
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double value = (double)bytes / 1024;
    size_t unit = 0;

    if (bytes < 1024) {
        snprintf(ret_text, FORMAT_BYTES, "%" PRIu64 "B", bytes);
        return;
    }
    /* 1023.95 would print as 1024.0. */
    while (value >= 1023.95 && unit + 1 < sizeof(units) / sizeof(units[0])) {
        value /= 1024;
        unit++;
    }
    snprintf(ret_text, FORMAT_BYTES, "%.1f%s", value, units[unit]);
}

void format_age(uint64_t seconds, char ret_text[FORMAT_BYTES])
{
    uint64_t minutes = seconds / 60, hours = minutes / 60, days = hours / 24;

    if (!minutes)
        snprintf(ret_text, FORMAT_BYTES, "%" PRIu64 "s", seconds);
    else if (!hours)
        snprintf(ret_text, FORMAT_BYTES, "%" PRIu64 "m%" PRIu64 "s", minutes, seconds % 60);
    else if (!days)
        snprintf(ret_text, FORMAT_BYTES, "%" PRIu64 "h%" PRIu64 "m", hours, minutes % 60);
    else
        snprintf(ret_text, FORMAT_BYTES, "%" PRIu64 "d%" PRIu64 "h", days, hours % 24);
}

size_t format_width(const char *text)
{
    size_t width = 0;

    for (; *text; text++)
        width += ((unsigned char)*text & 0xc0) != 0x80;
    return width;
}

char *format_safe(const char *text)
{
    char *copy = strdup(text);

    if (!copy)
        return NULL;
    for (unsigned char *at = (unsigned char *)copy; *at; at++) {
        if (*at < 0x20 || *at == 0x7f) {
            *at = '?';
        } else if (*at == 0xc2 && at[1] >= 0x80 && at[1] < 0xa0) {
            /* U+0080 to U+009F in UTF-8; the second byte goes, so that the text stays valid. */
            *at = '?';
            memmove(at + 1, at + 2, strlen((char *)at + 2) + 1);
        }
    }
    return copy;
}
