/* SPDX-License-Identifier: BSD-3-Clause */
/* Interface definitions, and parameters that are checked against them. Input: TEXT [NUL PARAMETERS]. */
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/idl.h"
#include "proto/json.h"
#include "tests/fuzz/fuzz.h"

static void check_field(int r, char *field)
{
    fuzz_require(r == 0 || r == 1);
    fuzz_require((r == 1) == (field != NULL));
    free(field);
}

static void check_parameters(const struct idl_interface *interface, json_object *parameters)
{
    static const char *const names[] = {"M", "Attach", "GetInfo", "Monitor"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const struct idl_method *method = idl_find_method(interface, names[i]);
        char *field = NULL;
        if (!method)
            continue;
        int r = idl_check_input(method, parameters, &field);
        check_field(r, field);
        field = NULL;
        r = idl_check_output(method, parameters, &field);
        check_field(r, field);
    }
    const struct idl_error *error = idl_find_error(interface, "E");
    char *field = NULL;
    if (error) {
        int r = idl_check_error(error, parameters, &field);
        check_field(r, field);
    }
}

int fuzz_one(const uint8_t *data, size_t bytes)
{
    char *text = fuzz_text(data, bytes);
    struct idl_interface *interface = NULL;
    size_t length = strlen(text);
    unsigned line = 0;

    if (idl_parse(text, &interface, &line) == 0) {
        fuzz_require(strcmp(idl_text(interface), text) == 0 && idl_name(interface)[0] != '\0');
        json_object *parameters = NULL;
        if (length < bytes)
            (void)json_parse_strict(text + length + 1, bytes - length - 1, &parameters, NULL);
        check_parameters(interface, parameters);
        json_object_put(parameters);
        idl_free(interface);
    } else {
        fuzz_require(interface == NULL && line > 0);
    }
    free(text);
    return 0;
}
