/* SPDX-License-Identifier: BSD-3-Clause */
/* Base64 as Varlink carries binary data (RFC 4648, section 4, with padding). */
#ifndef HOMI_LIB_BASE64_H
#define HOMI_LIB_BASE64_H

#include <stddef.h>
#include <stdint.h>

/* Characters that encode so many bytes. */
size_t base64_length(size_t bytes);

/* Decodes text that must encode exactly `bytes` bytes. Returns 0 or -EBADMSG; ret_data is undefined then. */
int base64_decode(const char *text, size_t bytes, uint8_t *ret_data);

#endif
