/* SPDX-License-Identifier: BSD-3-Clause */
#include "proto/json.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/limits.h"

/* A member's name as it stands in the text, without its quotes. */
struct key {
    const char *begin, *end;
};

struct scanner {
    const char *begin, *at, *end;
    const char *fault; /* where the defect is, once a function returned one */
    unsigned depth;
    struct key *keys; /* of all objects that are open, innermost last */
    size_t key_count, key_capacity;
};

static int scan_value(struct scanner *s);

static int fail(struct scanner *s, const char *where, int defect)
{
    s->fault = where;
    return defect;
}

static void skip_space(struct scanner *s)
{
    while (s->at < s->end && (*s->at == ' ' || *s->at == '\t' || *s->at == '\n' || *s->at == '\r')) {
        s->at++;
    }
}

static bool take(struct scanner *s, char c)
{
    if (s->at == s->end || *s->at != c) {
        return false;
    }
    s->at++;
    return true;
}

static bool is_digit(const struct scanner *s)
{
    return s->at < s->end && *s->at >= '0' && *s->at <= '9';
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Four hexadecimal digits, or -1. */
static int32_t hex4(const char *at, const char *end)
{
    int32_t value = 0;

    if (end - at < 4) {
        return -1;
    }
    for (int i = 0; i < 4; i++) {
        int digit = hex_value(at[i]);
        if (digit < 0) {
            return -1;
        }
        value = value << 4 | digit;
    }
    return value;
}

/* The length of the well-formed UTF-8 sequence at `at` (Unicode table 3-7), or 0. */
static unsigned utf8_length(const unsigned char *at, const unsigned char *end)
{
    unsigned char lead = *at, low = 0x80, high = 0xbf;
    unsigned length;

    if (lead < 0x80) {
        return 1;
    }
    if (lead < 0xc2 || lead > 0xf4) {
        return 0;
    }
    length = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    if (lead == 0xe0) {
        low = 0xa0; /* overlong */
    } else if (lead == 0xed) {
        high = 0x9f; /* surrogates */
    } else if (lead == 0xf0) {
        low = 0x90; /* overlong */
    } else if (lead == 0xf4) {
        high = 0x8f; /* beyond U+10FFFF */
    }
    if ((size_t)(end - at) < length || at[1] < low || at[1] > high) {
        return 0;
    }
    for (unsigned i = 2; i < length; i++) {
        if ((at[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    return length;
}

/* What follows the backslash at s->at - 1. */
static int scan_escape(struct scanner *s)
{
    const char *escape = s->at - 1;
    int32_t unit;

    if (s->at == s->end) {
        return fail(s, s->at, JSON_SYNTAX);
    }
    if (*s->at != 'u') {
        if (!memchr("\"\\/bfnrt", *s->at, 8)) {
            return fail(s, escape, JSON_SYNTAX);
        }
        s->at++;
        return JSON_OK;
    }
    unit = hex4(++s->at, s->end);
    if (unit < 0) {
        return fail(s, escape, JSON_SYNTAX);
    }
    if (unit == 0) {
        return fail(s, escape, JSON_NUL);
    }
    s->at += 4;
    if (unit < 0xd800 || unit > 0xdfff) {
        return JSON_OK;
    }
    if (unit > 0xdbff || s->end - s->at < 6 || s->at[0] != '\\' || s->at[1] != 'u') {
        return fail(s, escape, JSON_NOT_UTF8);
    }
    unit = hex4(s->at + 2, s->end);
    if (unit < 0xdc00 || unit > 0xdfff) {
        return fail(s, escape, JSON_NOT_UTF8);
    }
    s->at += 6;
    return JSON_OK;
}

/* From the opening quote to behind the closing one; *ret_key is what lies between. */
static int scan_string(struct scanner *s, struct key *ret_key)
{
    const char *begin = ++s->at;

    while (s->at < s->end) {
        unsigned char c = (unsigned char)*s->at;
        if (c == '"') {
            *ret_key = (struct key){begin, s->at++};
            return JSON_OK;
        }
        if (c < 0x20) {
            return fail(s, s->at, JSON_SYNTAX);
        }
        if (c == '\\') {
            s->at++;
            int r = scan_escape(s);
            if (r) {
                return r;
            }
            continue;
        }
        unsigned length = utf8_length((const unsigned char *)s->at, (const unsigned char *)s->end);
        if (length == 0) {
            return fail(s, s->at, JSON_NOT_UTF8);
        }
        s->at += length;
    }
    return fail(s, s->at, JSON_SYNTAX);
}

static bool fits_int64(const char *at, const char *end)
{
    bool negative = *at == '-';
    uint64_t limit = negative ? (uint64_t)INT64_MAX + 1 : INT64_MAX;
    uint64_t value = 0;

    for (at += negative; at < end; at++) {
        unsigned digit = (unsigned)(*at - '0');
        if (value > (limit - digit) / 10) {
            return false;
        }
        value = value * 10 + digit;
    }
    return true;
}

/*
 * Whether a decimal fraction rounds to a finite double. strtod cannot be asked: which decimal point it reads
 * depends on the locale of the process that libhomi was linked into. The text is a valid JSON number.
 */
static bool fits_double(const char *at, const char *end)
{
    /* The leading digits of the smallest number that rounds to infinity, 1.797...e308. */
    static const char overflow[] = "17976931348623158079";
    char digits[sizeof(overflow) - 1];
    size_t count = 0;
    long magnitude = 0,
         exponent = 0; /* the value is 0.DIGITS times ten to the power of magnitude + exponent */
    bool fraction = false;

    memset(digits, '0', sizeof(digits));
    for (at += *at == '-'; at < end && (*at | 0x20) != 'e'; at++) {
        if (*at == '.') {
            fraction = true;
            continue;
        }
        bool leading_zero = count == 0 && *at == '0';
        magnitude += leading_zero ? -fraction : !fraction;
        if (!leading_zero && count < sizeof(digits)) {
            digits[count++] = *at;
        }
    }
    if (count == 0) {
        return true;
    }
    if (at < end) {
        bool negative = *++at == '-';
        /* Saturates far above what the digits of any text in memory could make up for. */
        for (at += *at == '-' || *at == '+'; at < end; at++) {
            exponent = exponent > LONG_MAX / 100 ? exponent : exponent * 10 + (*at - '0');
        }
        exponent = negative ? -exponent : exponent;
    }
    magnitude += exponent;
    return magnitude < 309 || (magnitude == 309 && memcmp(digits, overflow, sizeof(digits)) < 0);
}

static int scan_digits(struct scanner *s)
{
    if (!is_digit(s)) {
        return fail(s, s->at, JSON_SYNTAX);
    }
    while (is_digit(s)) {
        s->at++;
    }
    return JSON_OK;
}

static int scan_number(struct scanner *s)
{
    const char *begin = s->at;
    bool integer = true;
    int r;

    (void)take(s, '-');
    if (!take(s, '0')) {
        r = scan_digits(s);
        if (r) {
            return r;
        }
    } else if (is_digit(s)) {
        return fail(s, s->at, JSON_SYNTAX);
    }
    if (take(s, '.')) {
        integer = false;
        r = scan_digits(s);
        if (r) {
            return r;
        }
    }
    if (take(s, 'e') || take(s, 'E')) {
        integer = false;
        if (!take(s, '+')) {
            (void)take(s, '-');
        }
        r = scan_digits(s);
        if (r) {
            return r;
        }
    }
    if (integer ? !fits_int64(begin, s->at) : !fits_double(begin, s->at)) {
        return fail(s, begin, JSON_NUMBER_RANGE);
    }
    return JSON_OK;
}

static int scan_word(struct scanner *s, const char *word)
{
    for (; *word; word++) {
        if (!take(s, *word)) {
            return fail(s, s->at, JSON_SYNTAX);
        }
    }
    return JSON_OK;
}

/* The next code point of a key that was scanned already, or -1 at its end. */
static int32_t key_next(struct key *key)
{
    static const char escapes[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    const unsigned char *at = (const unsigned char *)key->begin;
    unsigned length;
    int32_t unit;

    if (key->begin == key->end) {
        return -1;
    }
    if (*at != '\\') {
        length = utf8_length(at, (const unsigned char *)key->end);
        key->begin += length;
        unit = length == 1 ? *at : *at & (0x7f >> length);
        for (unsigned i = 1; i < length; i++) {
            unit = unit << 6 | (at[i] & 0x3f);
        }
        return unit;
    }
    if (at[1] != 'u') {
        key->begin += 2;
        return meanings[strchr(escapes, at[1]) - escapes];
    }
    unit = hex4(key->begin + 2, key->end);
    key->begin += 6;
    if (unit >= 0xd800 && unit <= 0xdbff) {
        unit = 0x10000 + ((unit - 0xd800) << 10) + (hex4(key->begin + 2, key->end) - 0xdc00);
        key->begin += 6;
    }
    return unit;
}

static int key_compare(struct key a, struct key b)
{
    int32_t x, y;

    do {
        x = key_next(&a);
        y = key_next(&b);
    } while (x == y && x >= 0);
    return (x > y) - (x < y);
}

/* Equal keys keep the order in which they stand in the text. */
static int key_order(const void *left, const void *right)
{
    const struct key *a = left, *b = right;
    int order = key_compare(*a, *b);

    return order ? order : (a->begin > b->begin) - (a->begin < b->begin);
}

/* Sorting keeps the cost of an adversary's 13,000 keys at that of a few honest messages. */
static int check_duplicates(struct scanner *s, size_t first)
{
    size_t count = s->key_count - first;
    struct key *keys;
    const char *earliest = NULL;

    if (count < 2) {
        return JSON_OK;
    }
    keys = s->keys + first;
    qsort(keys, count, sizeof(*keys), key_order);
    for (size_t i = 1; i < count; i++) {
        if (key_compare(keys[i - 1], keys[i]) == 0 && (!earliest || keys[i].begin < earliest)) {
            earliest = keys[i].begin;
        }
    }
    return earliest ? fail(s, earliest - 1, JSON_DUPLICATE_KEY) : JSON_OK;
}

static int push_key(struct scanner *s, struct key key)
{
    if (s->key_count == s->key_capacity) {
        size_t capacity = s->key_capacity ? 2 * s->key_capacity : 32;
        struct key *keys = reallocarray(s->keys, capacity, sizeof(*keys));
        if (!keys) {
            return -ENOMEM;
        }
        s->keys = keys;
        s->key_capacity = capacity;
    }
    s->keys[s->key_count++] = key;
    return 0;
}

static int scan_member(struct scanner *s)
{
    struct key key;
    int r;

    skip_space(s);
    if (s->at == s->end || *s->at != '"') {
        return fail(s, s->at, JSON_SYNTAX);
    }
    r = scan_string(s, &key);
    if (r == 0) {
        r = push_key(s, key);
    }
    if (r) {
        return r;
    }
    skip_space(s);
    if (!take(s, ':')) {
        return fail(s, s->at, JSON_SYNTAX);
    }
    return scan_value(s);
}

/* An object or an array, whose opening bracket is behind s->at already. */
static int scan_container(struct scanner *s, char closing)
{
    size_t first_key = s->key_count;
    int r;

    if (s->depth == VARLINK_JSON_DEPTH_MAX) {
        return fail(s, s->at - 1, JSON_TOO_DEEP);
    }
    s->depth++;
    skip_space(s);
    if (!take(s, closing)) {
        do {
            r = closing == '}' ? scan_member(s) : scan_value(s);
            if (r) {
                return r;
            }
            skip_space(s);
        } while (take(s, ','));
        if (!take(s, closing)) {
            return fail(s, s->at, JSON_SYNTAX);
        }
    }
    s->depth--;
    r = check_duplicates(s, first_key);
    s->key_count = first_key;
    return r;
}

static int scan_value(struct scanner *s)
{
    struct key unused;

    skip_space(s);
    if (s->at == s->end) {
        return fail(s, s->at, JSON_SYNTAX);
    }
    switch (*s->at) {
    case '{': s->at++; return scan_container(s, '}');
    case '[': s->at++; return scan_container(s, ']');
    case '"': return scan_string(s, &unused);
    case 't': return scan_word(s, "true");
    case 'f': return scan_word(s, "false");
    case 'n': return scan_word(s, "null");
    case '-': return scan_number(s);
    default: return is_digit(s) ? scan_number(s) : fail(s, s->at, JSON_SYNTAX);
    }
}

static int scan_text(struct scanner *s)
{
    const char *value;
    int r;

    skip_space(s);
    value = s->at;
    r = scan_value(s);
    if (r) {
        return r;
    }
    skip_space(s);
    if (s->at != s->end) {
        return fail(s, s->at, JSON_SYNTAX);
    }
    return *value == '{' ? JSON_OK : fail(s, value, JSON_NOT_OBJECT);
}

/* json-c builds the object of a text that passed the scanner. */
static int build(const char *text, size_t bytes, json_object **ret_object)
{
    /* json-c counts a level for the scalars inside the innermost container. */
    struct json_tokener *tokener = json_tokener_new_ex((int)VARLINK_JSON_DEPTH_MAX + 2);
    json_object *object;

    if (!tokener) {
        return -ENOMEM;
    }
    object = json_tokener_parse_ex(tokener, text, (int)bytes);
    json_tokener_free(tokener);
    if (!object) {
        /* The only failure left: json-c has no code of its own for it. */
        return -ENOMEM;
    }
    *ret_object = object;
    return 0;
}

int json_parse_strict(const char *text, size_t bytes, json_object **ret_object, size_t *ret_offset)
{
    struct scanner s = {.begin = text, .at = text, .end = text + bytes};
    int r;

    if (bytes > INT_MAX) {
        return -E2BIG;
    }
    r = scan_text(&s);
    free(s.keys);
    if (r == 0) {
        return build(text, bytes, ret_object);
    }
    if (r > 0 && ret_offset) {
        *ret_offset = (size_t)(s.fault - s.begin);
    }
    return r;
}

/* Writes blanks over comments, so that every other byte keeps its place. Returns an unfinished comment's
 * start. */
static char *blank_comments(char *at, char *end)
{
    while (at < end) {
        char *begin = at++;
        if (*begin == '"') {
            while (at < end && *at != '"') {
                at += *at == '\\' && end - at > 1 ? 2 : 1;
            }
            at += at < end;
        } else if (*begin == '/' && at < end && *at == '/') {
            at = memchr(begin, '\n', (size_t)(end - begin));
            at = at ? at : end;
            memset(begin, ' ', (size_t)(at - begin));
        } else if (*begin == '/' && at < end && *at == '*') {
            at = memmem(at + 1, (size_t)(end - at - 1), "*/", 2);
            if (!at) {
                return begin;
            }
            at += 2;
            memset(begin, ' ', (size_t)(at - begin));
        }
    }
    return NULL;
}

int json_parse_config(const char *text, size_t bytes, json_object **ret_object, size_t *ret_offset)
{
    const char *unfinished, *nul = memchr(text, '\0', bytes);
    char *copy;
    int r;

    /* Not in a comment either: who reads the text as a string would see it end there. */
    if (nul) {
        if (ret_offset) {
            *ret_offset = (size_t)(nul - text);
        }
        return JSON_NUL;
    }
    copy = malloc(bytes + 1);
    if (!copy) {
        return -ENOMEM;
    }
    memcpy(copy, text, bytes);
    copy[bytes] = '\0';
    unfinished = blank_comments(copy, copy + bytes);
    if (unfinished) {
        if (ret_offset) {
            *ret_offset = (size_t)(unfinished - copy);
        }
        r = JSON_SYNTAX;
    } else {
        r = json_parse_strict(copy, bytes, ret_object, ret_offset);
    }
    free(copy);
    return r;
}

json_object *json_new_excerpt(const char *text, size_t bytes)
{
    if (bytes > JSON_EXCERPT_BYTES_MAX) {
        bytes = JSON_EXCERPT_BYTES_MAX;
        while (((unsigned char)text[bytes] & 0xc0) == 0x80) {
            bytes--;
        }
    }
    return json_object_new_string_len(text, (int)bytes);
}

const char *json_defect_text(int defect)
{
    switch (defect) {
    case JSON_OK: return "no defect";
    case JSON_SYNTAX: return "not valid JSON";
    case JSON_TOO_DEEP: return "nested too deeply";
    case JSON_DUPLICATE_KEY: return "a key occurs twice";
    case JSON_NUMBER_RANGE: return "a number is out of range";
    case JSON_NOT_UTF8: return "not valid UTF-8";
    case JSON_NOT_OBJECT: return "not an object";
    case JSON_NUL: return "a NUL character";
    default: return "unknown defect";
    }
}
