/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Strict JSON in front of json-c, which alone accepts single-quoted keys, NaN and duplicate keys and
 * saturates big integers: the text is validated first (RFC 8259, UTF-8, VARLINK_JSON_DEPTH_MAX, duplicate
 * keys at every level, integers that fit int64_t). Nothing is kept between calls; every function may be
 * called from any thread.
 */
#ifndef HOMI_PROTO_JSON_H
#define HOMI_PROTO_JSON_H

#include <json-c/json.h>
#include <stddef.h>

enum json_defect {
    JSON_OK = 0,
    JSON_SYNTAX,
    JSON_TOO_DEEP,
    JSON_DUPLICATE_KEY,
    JSON_NUMBER_RANGE, /* an integer beyond int64_t, or a number that no double holds */
    JSON_NOT_UTF8,     /* an ill-formed byte sequence, or \u with half of a surrogate pair */
    JSON_NOT_OBJECT,
    JSON_NUL, /* \u0000, which would end a C string early and let two readers see two texts */
};

/*
 * Parses one JSON object of `bytes` bytes. Returns 0 and an object owned by the caller (json_object_put),
 * -ENOMEM, -E2BIG (beyond INT_MAX), or a positive enum json_defect; then *ret_offset (may be NULL) is the
 * byte where it was found: the first byte that does not fit, the number, or the second of two equal keys.
 * Takes O(n log n) whatever the text.
 */
int json_parse_strict(const char *text, size_t bytes, json_object **ret_object, size_t *ret_offset);

/* The same for configuration files: comments (C and C++ manner) are allowed wherever white space is. */
int json_parse_config(const char *text, size_t bytes, json_object **ret_object, size_t *ret_offset);

/*
 * A JSON string of what a peer wrote, cut between two characters after at most JSON_EXCERPT_BYTES_MAX bytes,
 * so that a message that repeats it stays short. text is UTF-8. NULL when memory ran out.
 */
#define JSON_EXCERPT_BYTES_MAX 256
json_object *json_new_excerpt(const char *text, size_t bytes);

/* A defect's name in words, for error messages. */
const char *json_defect_text(int defect);

#endif
