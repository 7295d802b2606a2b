/* SPDX-License-Identifier: BSD-3-Clause */
#include "lib/region.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/members.h"

#define HUGEPAGE_BYTES ((size_t)2 << 20)

/* {"memfd": {"fd": 0, "offsetBytes": ..., "lengthBytes": ...}} */
static json_object *memfd_source(uint64_t offset, size_t bytes)
{
    json_object *source = json_object_new_object();
    json_object *memfd = source ? json_object_new_object() : NULL;

    if (source && member_add(source, "memfd", memfd) && member_add_int(memfd, "fd", 0) &&
        member_add_int(memfd, "offsetBytes", (int64_t)offset) &&
        member_add_int(memfd, "lengthBytes", (int64_t)bytes))
        return source;
    json_object_put(source);
    return NULL;
}

static int read_registration(struct region *region, json_object *parameters)
{
    int64_t id, iova;

    if (member_int(parameters, "region", 0, INT64_MAX, &id) < 0 ||
        member_int(parameters, "iova", 0, INT64_MAX - (int64_t)region->bytes, &iova) < 0 ||
        iova % lease_page_bytes(region->lease) != 0)
        return client_breach(region->lease->homi);
    region->id = id;
    region->iova = (uint64_t)iova;
    return 0;
}

static int register_region(struct region *region, int fd, uint64_t offset)
{
    json_object *parameters = lease_request(region->lease);
    struct varlink_message reply;
    int r = -ENOMEM;

    if (parameters && member_add(parameters, "source", memfd_source(offset, region->bytes)))
        r = client_call(region->lease->homi, "io.homi.Tenant.RegisterMemory", parameters, &fd, 1, 0, &reply);
    json_object_put(parameters);
    if (r != 0)
        return r;
    r = read_registration(region, reply.parameters);
    varlink_message_clear(&reply);
    return r;
}

int region_import(struct homi_lease *lease, int fd, uint64_t offset, size_t bytes, struct region **ret_region)
{
    struct region *region;
    void *address;
    int r;

    if (bytes == 0 || bytes > INT64_MAX || offset > INT64_MAX - bytes)
        return -EINVAL;
    address = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, (off_t)offset);
    if (address == MAP_FAILED)
        return -errno;
    region = calloc(1, sizeof(*region));
    if (region) {
        region->lease = lease;
        region->address = address;
        region->bytes = bytes;
        r = register_region(region, fd, offset);
    } else {
        r = -ENOMEM;
    }
    if (r != 0) {
        munmap(address, bytes);
        free(region);
        return r;
    }
    *ret_region = region;
    return 0;
}

/*
 * A signal ends fallocate and undoes all of it, so a program with a busy timer might never get a large
 * region: a piece at a time is short enough.
 */
static int populate(int fd, size_t bytes)
{
    for (size_t done = 0, piece; done < bytes; done += piece) {
        piece = bytes - done < HUGEPAGE_BYTES ? bytes - done : HUGEPAGE_BYTES;
        while (fallocate(fd, 0, (off_t)done, (off_t)piece) < 0)
            if (errno != EINTR)
                return errno == ENOSPC ? -ENOMEM : -errno;
    }
    return 0;
}

/* Seals keep the pages that homid pins and the pages of this mapping the same ones. */
static int seal_and_populate(int fd, size_t bytes)
{
    int r;

    if (ftruncate(fd, (off_t)bytes) < 0)
        return -errno;
    r = populate(fd, bytes);
    if (r < 0)
        return r;
    if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
        return -errno;
    return 0;
}

int region_new(struct homi_lease *lease, size_t bytes, unsigned flags, struct region **ret_region)
{
    bool huge = flags & HOMI_MEMORY_HUGEPAGES;
    size_t page = huge ? HUGEPAGE_BYTES : (size_t)sysconf(_SC_PAGESIZE);
    int fd, r;

    if ((flags & ~HOMI_MEMORY_HUGEPAGES) != 0 || bytes == 0 || bytes > INT64_MAX - page)
        return -EINVAL;
    if (page < lease_page_bytes(lease))
        page = lease_page_bytes(lease);
    bytes = (bytes + page - 1) / page * page;
    fd = memfd_create("homi", MFD_CLOEXEC | MFD_ALLOW_SEALING | (huge ? MFD_HUGETLB | MFD_HUGE_2MB : 0));
    if (fd < 0)
        return -errno;
    r = seal_and_populate(fd, bytes);
    if (r == 0)
        r = region_import(lease, fd, 0, bytes, ret_region);
    close(fd); /* the mapping keeps the pages */
    return r;
}

void region_free(struct region *region)
{
    json_object *parameters;

    if (!region)
        return;
    if (!region->lease->ending) {
        parameters = lease_request(region->lease);
        /* A refusal leaves nothing to do here: homid takes the region back with the lease. */
        if (parameters && member_add_int(parameters, "region", region->id))
            client_command(region->lease->homi, "io.homi.Tenant.UnregisterMemory", parameters);
        json_object_put(parameters);
    }
    munmap(region->address, region->bytes);
    free(region);
}
