/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory: what tenant-refusals does not try, since it comes after the registration or needs two. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/client.h"
#include "tests/hostile/hostile.h"

static int make_memory(size_t bytes)
{
    int fd = memfd_create("hostile", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (fd < 0 || fallocate(fd, 0, 0, (off_t)bytes) < 0 || fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) < 0) {
        perror("memfd");
        exit(4);
    }
    return fd;
}

static int import(struct attacker *attacker, int fd, size_t bytes, struct homi_memory **ret_memory)
{
    return homi_memory_import(attacker->lease, fd, 0, bytes, ret_memory);
}

/* The pages go away under the device; with them what was read there, and nothing else. */
static int punch_hole_later(struct attacker *attacker)
{
    struct homi_memory *memory;
    int fd = make_memory(ATTACKER_BYTES);

    if (import(attacker, fd, ATTACKER_BYTES, &memory) != 0)
        return got("nothing: good memory was refused");
    const struct homi_region_map *region = homi_memory_region(memory);
    if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, ATTACKER_BYTES) < 0)
        return got("nothing: no holes here");
    for (unsigned i = 0; i < 8; i++)
        (void)aim(attacker, i % 2 ? HOMI_NVME_READ : HOMI_NVME_WRITE, attacker->space->id,
                  region->iova + i * PAGE, PAGE);
    return homi_queue_health(attacker->queue) == 0 ? 0 : got("the controller died of it");
}

static int shrink_later(struct attacker *attacker)
{
    struct homi_memory *memory;
    int fd = make_memory(ATTACKER_BYTES);

    if (import(attacker, fd, ATTACKER_BYTES, &memory) != 0)
        return got("nothing: good memory was refused");
    return ftruncate(fd, 0) < 0 ? 0 : got("memory shrank under the device");
}

/* Sealed only once homid has looked, or never: it must look at the seals and not at promises. */
static int unsealed(struct attacker *attacker)
{
    struct homi_memory *memory;
    int fd = memfd_create("hostile", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (fd < 0 || fallocate(fd, 0, 0, ATTACKER_BYTES) < 0)
        return got("nothing: no memfd");
    if (import(attacker, fd, ATTACKER_BYTES, &memory) == 0)
        return got("memory that can shrink was taken");
    return strstr(homi_error_name(attacker->homi), "MemoryRefused")
               ? 0
               : got("%s", homi_error_name(attacker->homi));
}

static int region_flood(struct attacker *attacker)
{
    struct homi_memory *memories[256];
    unsigned count = 0;
    int r = 0;

    while (count < 256 && (r = homi_memory_new(attacker->lease, PAGE, 0, &memories[count])) == 0)
        count++;
    if (r != HOMI_REFUSED_QUOTA || count > attacker->setup->regions)
        return got("%u regions more: %s", count, homi_strerror(r));
    return 0;
}

static int memory_flood(struct attacker *attacker)
{
    struct homi_memory *memory;

    for (unsigned i = 0; i < 12; i++) {
        int r = homi_memory_new(attacker->lease, 8 << 20, 0, &memory);
        if (r > 0)
            return strstr(homi_error_name(attacker->homi), "QuotaExceeded")
                       ? 0
                       : got("%s", homi_error_name(attacker->homi));
        if (r < 0)
            return got("its connection ended: %s", homi_strerror(r));
    }
    return got("96 MiB were pinned");
}

/* Memory under a live queue cannot go away before the queue. */
static int take_memory_from_under_queue(struct attacker *attacker)
{
    char *reply = NULL, parameters[256];

    for (unsigned region = 0; region < 8; region++) {
        snprintf(parameters, sizeof(parameters), "{\"lease\":\"%s\",\"region\":%u}",
                 homi_lease_name(attacker->lease), region);
        (void)homi_call(attacker->homi, "io.homi.Tenant.UnregisterMemory", parameters, &reply);
        free(reply);
        reply = NULL;
    }
    /* Where its data shall go may be gone by its own wish; its queue may not. */
    (void)aim(attacker, HOMI_NVME_READ, attacker->space->id, attacker->region->iova, PAGE);
    return homi_queue_health(attacker->queue) == 0 ? 0
                                                   : got("the queue's memory went, and the controller died");
}

/* The same pages twice: pinned twice, counted twice, and given back one by one. */
static int same_memory_twice(struct attacker *attacker)
{
    struct homi_memory *first, *second;
    int fd = make_memory(ATTACKER_BYTES);

    if (import(attacker, fd, ATTACKER_BYTES, &first) != 0)
        return got("nothing: good memory was refused");
    if (import(attacker, fd, ATTACKER_BYTES, &second) != 0)
        return 0;
    uint64_t iova = homi_memory_region(second)->iova;
    if (iova == homi_memory_region(first)->iova)
        return got("one address for two regions");
    homi_memory_free(first);
    return aim(attacker, HOMI_NVME_READ, attacker->space->id, iova, PAGE) == 0
               ? 0
               : got("the second went with the first");
}

/* homid's own descriptors handed back to it, by the call itself: libhomi would not get that far. */
static int give_back_its_own(struct attacker *attacker)
{
    char text[256];
    int socket = raw_connect(attacker->setup->socket);
    struct varlink_message reply;

    snprintf(text, sizeof(text),
             "{\"lease\":\"%s\",\"source\":{\"memfd\":{\"fd\":0,\"offsetBytes\":0,\"lengthBytes\":%u}}}",
             homi_lease_name(attacker->lease), PAGE);
    json_object *parameters = json_tokener_parse(text);
    int r = client_call(attacker->homi, "io.homi.Tenant.RegisterMemory", parameters, &socket, 1, 0, &reply);
    json_object_put(parameters);
    close(socket);
    if (r == 0)
        varlink_message_clear(&reply);
    return r == HOMI_REFUSED_MEMORY ? 0 : got("a socket as memory: %s", homi_strerror(r));
}

const struct attack memory_attacks[] = {
    {"memory-punch-hole-later", punch_hole_later, false},
    {"memory-shrink-later", shrink_later, false},
    {"memory-unsealed", unsealed, false},
    {"memory-region-flood", region_flood, false},
    {"memory-flood", memory_flood, false},
    {"memory-under-queue", take_memory_from_under_queue, false},
    {"memory-twice", same_memory_twice, false},
    {"memory-own-socket", give_back_its_own, false},
    {NULL, NULL, false},
};
