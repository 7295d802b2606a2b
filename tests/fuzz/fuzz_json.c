/* SPDX-License-Identifier: BSD-3-Clause */
/* Strict JSON: what it takes, it takes again from its own output, and means the same. */
#include <stdlib.h>
#include <string.h>

#include "proto/json.h"
#include "tests/fuzz/fuzz.h"

static void check_stable(json_object *object)
{
    size_t length;
    const char *text = json_object_to_json_string_length(object, JSON_C_TO_STRING_PLAIN, &length);
    json_object *again = NULL;

    fuzz_require(text != NULL);
    int r = json_parse_strict(text, length, &again, NULL);
    fuzz_require(r == 0);
    char *first = strdup(text);
    const char *second = json_object_to_json_string_ext(again, JSON_C_TO_STRING_PLAIN);
    fuzz_require(first && second && strcmp(first, second) == 0);
    free(first);
    json_object_put(again);
}

int fuzz_one(const uint8_t *data, size_t bytes)
{
    /* No NUL behind it: the length is what counts. */
    char *text = malloc(bytes ? bytes : 1);
    json_object *object = NULL;
    size_t offset = 0;

    fuzz_require(text != NULL);
    if (bytes)
        memcpy(text, data, bytes);
    int strict = json_parse_strict(text, bytes, &object, &offset);
    fuzz_require((strict == 0) == (object != NULL));
    fuzz_require(strict <= 0 || offset <= bytes);
    if (object)
        check_stable(object);
    json_object_put(object);

    object = NULL;
    int commented = json_parse_config(text, bytes, &object, &offset);
    fuzz_require((commented == 0) == (object != NULL));
    fuzz_require(strict != 0 || commented == 0);
    json_object_put(object);
    json_object_put(json_new_excerpt(text, strict == 0 ? bytes : 0));
    free(text);
    return 0;
}
