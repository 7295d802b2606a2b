/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A tenant that truncates its memory, or punches a hole into it where no huge page is left, makes an access
 * to it a SIGBUS. The handler puts a page of zeroes there and the access goes on. It looks only at the
 * domains' tables, which do not change meanwhile: whoever touches tenants' memory holds the world's lock.
 */
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>

#include "daemon/model/world.h"

/* A signal handler has no argument that could carry it. */
static _Atomic(struct world *) guarded;

static bool owned(const struct world *world, const void *address)
{
    for (size_t i = 0; i < world->device_count; i++) {
        const struct device *device = world->devices[i];
        for (unsigned k = 0; k < device->spec->functions; k++) {
            if (iommu_owns(&device->functions[k].iommu, address))
                return true;
        }
    }
    return false;
}

static bool put_zeroes(uintptr_t address, size_t bytes)
{
    void *page = (void *)(address & ~(uintptr_t)(bytes - 1));

    return mmap(page, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) !=
           MAP_FAILED;
}

static void on_bus_error(int number, siginfo_t *info, void *context)
{
    const size_t sizes[] = {4096, 2u << 20, 1u << 30}; /* parts of a huge page cannot be replaced */
    const struct world *world = atomic_load(&guarded);
    int error = errno;
    (void)context;

    for (size_t i = 0; world && owned(world, info->si_addr) && i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        if (put_zeroes((uintptr_t)info->si_addr, sizes[i])) {
            errno = error;
            return;
        }
    }
    signal(number, SIG_DFL);
}

int guard_install(struct world *world)
{
    struct sigaction action = {.sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO | SA_NODEFER};

    atomic_store(&guarded, world);
    if (!world)
        return signal(SIGBUS, SIG_DFL) == SIG_ERR ? -errno : 0;
    return sigaction(SIGBUS, &action, NULL) < 0 ? -errno : 0;
}
