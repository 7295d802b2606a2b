/* SPDX-License-Identifier: BSD-3-Clause */
/* The software SSD's specification: what is taken keeps within its limits, what is not says why. */
#include <stdlib.h>

#include "daemon/model/spec.h"
#include "tests/fuzz/fuzz.h"

int fuzz_one(const uint8_t *data, size_t bytes)
{
    char *text = fuzz_text(data, bytes);
    struct model_spec *spec = NULL;
    struct spec_error error = {.text = ""};

    /* Anything else is the name of a file. */
    if (text[0] == '{' || text[0] == ' ') {
        int r = spec_parse(text, &spec, &error);
        fuzz_require((r == 0) == (spec != NULL));
        fuzz_require(r == 0 || error.text[0] != '\0');
        fuzz_require(!spec || (spec->device_count >= 1 && spec->device_count <= SPEC_DEVICES_MAX));
        fuzz_require(!spec || (spec->pollers >= 1 && spec->pollers <= SPEC_POLLERS_MAX));
        for (size_t i = 0; spec && i < spec->device_count; i++) {
            fuzz_require(spec->devices[i].max_transfer_bytes <= SPEC_TRANSFER_MAX);
            fuzz_require(spec->devices[i].namespace_count <= SPEC_NAMESPACES_MAX);
        }
        spec_free(spec);
    }
    free(text);
    return 0;
}
