/* SPDX-License-Identifier: BSD-3-Clause */
/* Opening and closing a VF: its BAR, its domain and its eventfds come and go. */
#include <errno.h>
#include <fcntl.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/model/device.h"
#include "daemon/model/rules.h"
#include "daemon/model/world.h"

enum { DOORBELLS = 0x1000 };

static int event_new(int *ret_fd)
{
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

    if (fd < 0)
        return -errno;
    *ret_fd = fd;
    return 0;
}

static int compare_keys(const void *a, const void *b)
{
    ino_t left = ((const struct function_key *)a)->inode, right = ((const struct function_key *)b)->inode;

    return left < right ? -1 : left > right;
}

static int key_add(struct function *function, struct function_key *key)
{
    key->function = function;
    if (tsearch(key, &function->device->world->open, compare_keys))
        return 0;
    key->inode = 0;
    return -ENOMEM;
}

static void key_remove(struct function *function, struct function_key *key)
{
    if (key->inode)
        tdelete(key, &function->device->world->open, compare_keys);
    key->inode = 0;
}

struct function *function_of(const struct world *world, ino_t inode)
{
    const struct function_key wanted = {.inode = inode};
    struct function_key *const *found = tfind(&wanted, &world->open, compare_keys);

    return found ? (*found)->function : NULL;
}

/* A memfd tells one open of a function from every other by its inode. */
static int memory_new(struct function *function, const char *name, uint64_t bytes, int *ret_fd,
                      struct function_key *key)
{
    struct stat status;
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (fd < 0)
        return -errno;
    if (ftruncate(fd, (off_t)bytes) < 0 || fstat(fd, &status) < 0 ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) {
        int r = -errno;
        close(fd);
        return r;
    }
    *ret_fd = fd;
    key->inode = status.st_ino;
    return key_add(function, key);
}

/* Registers, then the doorbells of every queue that it may have, then a page with the wake word. */
static int bar_new(struct function *function)
{
    uint64_t doorbells = (uint64_t)function->queues * 2 << function->doorbell_shift;
    uint64_t bytes = DOORBELLS + (doorbells + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES + PAGE_BYTES;

    int r = memory_new(function, "homi-bar", bytes, &function->bar_fd, &function->bar_key);
    if (r < 0)
        return r;
    void *bar = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, function->bar_fd, 0);
    if (bar == MAP_FAILED)
        return -errno;
    function->bar = bar;
    function->bar_bytes = bytes;
    function->wake = (volatile uint32_t *)(function->bar + bytes - PAGE_BYTES);
    return 0;
}

static int vectors_new(struct function *function)
{
    unsigned count = function->interrupts < HW_INTERRUPTS_MAX ? function->interrupts : HW_INTERRUPTS_MAX;
    int r = 0;

    while (r == 0 && function->vector_count < count) {
        r = event_new(&function->vectors[function->vector_count]);
        function->vector_count += r == 0;
    }
    return r;
}

int function_open(struct function *function)
{
    function->bar_fd = function->wake_fd = function->domain_fd = -1;
    function->request_fd = function->error_fd = -1;
    function->doorbell_shift = 2 + function->device->spec->doorbell_stride_shift;
    int r = queues_new(function, function->queues) ? 0 : -ENOMEM;
    if (r == 0)
        r = bar_new(function);
    if (r == 0)
        r = memory_new(function, "homi-iommu", 0, &function->domain_fd, &function->domain_key);
    if (r == 0)
        r = event_new(&function->wake_fd);
    if (r == 0)
        r = event_new(&function->request_fd);
    if (r == 0)
        r = event_new(&function->error_fd);
    if (r == 0)
        r = vectors_new(function);
    if (r == 0)
        r = poller_add(function->device->world, function);
    if (r < 0) {
        function_close(function);
        return r;
    }
    controller_start(function);
    *function->wake = 1;
    function->open = true;
    return 0;
}

static void close_one(int fd)
{
    if (fd >= 0)
        close(fd);
}

void function_close(struct function *function)
{
    poller_remove(function);
    if (function->served || function->iommu.faults)
        world_log(function, "closed after %llu I/O commands; %llu accesses outside its memory",
                  (unsigned long long)function->served, (unsigned long long)function->iommu.faults);
    function->device->strays += function->iommu.faults;
    function->served = function->iommu.faults = 0;
    if (function->bar) {
        controller_reset(function);
        if (!rule(RULE_DATA_KEPT))
            device_lose_data(function->device);
        /* Whoever still maps the BAR finds a device that is not there any more. */
        memset(function->bar, 0xff, DOORBELLS);
        munmap(function->bar, function->bar_bytes);
        function->bar = NULL;
    }
    function->open = false;
    queues_free(function);
    iommu_clear(&function->iommu);
    for (unsigned i = 0; i < function->vector_count; i++)
        close(function->vectors[i]);
    function->vector_count = 0;
    close_one(function->bar_fd);
    close_one(function->wake_fd);
    close_one(function->domain_fd);
    close_one(function->request_fd);
    close_one(function->error_fd);
    key_remove(function, &function->bar_key);
    key_remove(function, &function->domain_key);
}
