/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/config/model.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/un.h>
#include <unistd.h>

static const char text[] =
    "{ \"backend\": \"model\", \"adminGroup\": %u, \"tenantSocket\": \"%s\", \"adminSocket\": \"%s\",\n"
    "  \"devices\": [{\"name\": \"ssd0\", \"serial\": \"HOMI-MODEL-0\", \"virtualFunctions\": 8, "
    "\"queuePairs\": 8}],\n"
    "  \"tenants\": [{\"name\": \"user\", \"trusted\": true, \"users\": [%u], \"devices\": [\"ssd0\"],\n"
    "    \"virtualFunctionsMax\": 8, \"queuePairsMax\": 64, \"memoryMax\": \"4G\", \"connectionsMax\": 64,\n"
    "    \"regionsMax\": 1024, \"waitingMax\": 64,\n"
    "    \"namespaces\": [{\"device\": \"ssd0\", \"id\": 1}, {\"device\": \"ssd0\", \"id\": 2},\n"
    "      {\"device\": \"ssd0\", \"id\": 3}, {\"device\": \"ssd0\", \"id\": 4}, {\"device\": \"ssd0\", "
    "\"id\": 5}]}] }\n";

int model_path(const char *name, char *path, size_t size)
{
    const char *directory = getenv("XDG_RUNTIME_DIR");

    if (!directory || !*directory)
        directory = "/run";
    int length = snprintf(path, size, "%s/homi/%s", directory, name);
    return length < 0 || (size_t)length >= size ? -ENAMETOOLONG : 0;
}

int model_config(char *path, size_t size)
{
    char tenant[sizeof(((struct sockaddr_un *)0)->sun_path)], admin[sizeof tenant];
    int r = model_path("tenant.sock", tenant, sizeof tenant);
    if (r == 0)
        r = model_path("admin.sock", admin, sizeof admin);
    if (r < 0)
        return r;
    int fd = memfd_create("homid.conf", MFD_CLOEXEC);
    if (fd < 0)
        return -errno;
    if (dprintf(fd, text, (unsigned)getgid(), tenant, admin, (unsigned)getuid()) < 0) {
        r = -errno;
        close(fd);
        return r;
    }
    snprintf(path, size, "/proc/self/fd/%d", fd);
    return 0;
}
