/* SPDX-License-Identifier: BSD-3-Clause */
/* Quantities and foreign text as people read them. */
#ifndef HOMI_HOMICTL_FORMAT_H
#define HOMI_HOMICTL_FORMAT_H

#include <stddef.h>
#include <stdint.h>

#define FORMAT_BYTES 32 /* enough for any of the quantities below, its NUL included */

/* "512B", "4.0KiB", "1.5TiB". */
void format_bytes(uint64_t bytes, char ret_text[FORMAT_BYTES]);
/* Seconds: "7s", "5m12s", "2h13m", "3d4h". */
void format_age(uint64_t seconds, char ret_text[FORMAT_BYTES]);

/* Columns that a UTF-8 text takes on a terminal, one for each character. */
size_t format_width(const char *text);

/* A copy (free it) with every control character, those of the C1 set too, as '?'. NULL when out of memory. */
char *format_safe(const char *text);

#endif
