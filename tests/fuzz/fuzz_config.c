/* SPDX-License-Identifier: BSD-3-Clause */
/* homid.conf: a file that is taken is taken whole, and one that is not says why. */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "daemon/config/config.h"
#include "daemon/core/core.h"
#include "tests/fuzz/fuzz.h"

static void check_references(const struct core_config *core)
{
    for (size_t i = 0; i < core->tenant_count; i++) {
        const struct core_tenant_config *tenant = &core->tenants[i];
        for (size_t j = 0; j < tenant->device_count; j++)
            fuzz_require(tenant->devices[j] < core->device_count);
        for (size_t j = 0; j < tenant->namespace_count; j++)
            fuzz_require(tenant->namespaces[j].device < core->device_count);
        fuzz_require(strlen(tenant->name) < CORE_NAME_BYTES);
    }
    for (size_t i = 0; i < core->device_count; i++)
        fuzz_require(core->devices[i].functions > 0 && strlen(core->devices[i].name) < CORE_NAME_BYTES);
}

int fuzz_one(const uint8_t *data, size_t bytes)
{
    static int file = -1;
    static char path[64];
    struct config *config = NULL;
    struct config_error error;

    if (file < 0) {
        file = memfd_create("fuzz-config", MFD_CLOEXEC);
        fuzz_require(file >= 0);
        snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
    }
    fuzz_require(ftruncate(file, 0) == 0 && pwrite(file, data, bytes, 0) == (ssize_t)bytes);
    int r = config_load(path, &config, &error);
    fuzz_require((r == 0) == (config != NULL));
    fuzz_require(r == 0 || error.text[0] != '\0');
    if (config)
        check_references(&config->core);
    config_free(config);
    return 0;
}
