/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/model/namespace.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static int open_memory(struct namespace *space, uint64_t bytes)
{
    space->fd = memfd_create("homi-namespace", MFD_CLOEXEC);
    if (space->fd < 0 || ftruncate(space->fd, (off_t)bytes) < 0)
        return -errno;
    void *view = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, space->fd, 0);
    if (view == MAP_FAILED)
        return -errno;
    space->memory = view;
    return 0;
}

static int open_file(struct namespace *space, const char *path, uint64_t bytes)
{
    struct stat status;

    space->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (space->fd < 0 || fstat(space->fd, &status) < 0)
        return -errno;
    if (!S_ISREG(status.st_mode))
        return -EINVAL;
    if ((uint64_t)status.st_size < bytes && ftruncate(space->fd, (off_t)bytes) < 0)
        return -errno;
    return 0;
}

int namespace_new(uint32_t id, enum namespace_backing backing, const char *path, uint64_t bytes,
                  unsigned block_shift, struct namespace **ret_namespace)
{
    struct namespace *space = calloc(1, sizeof(*space));
    int r = 0;

    if (!space)
        return -ENOMEM;
    *space = (struct namespace){.id = id,
                                .backing = backing,
                                .block_shift = block_shift,
                                .blocks = bytes >> block_shift,
                                .bytes = bytes,
                                .shareable = true,
                                .fd = -1};
    if (backing == BACKING_MEMORY)
        r = open_memory(space, bytes);
    else if (backing == BACKING_FILE)
        r = open_file(space, path, bytes);
    if (r < 0) {
        namespace_free(space);
        return r;
    }
    *ret_namespace = space;
    return 0;
}

void namespace_free(struct namespace *space)
{
    if (!space)
        return;
    if (space->memory)
        munmap(space->memory, space->bytes);
    if (space->fd >= 0)
        close(space->fd);
    free(space);
}

static int transfer(int fd, uint8_t *host, uint64_t bytes, uint64_t offset, bool write)
{
    while (bytes > 0) {
        ssize_t done = write ? pwrite(fd, host, bytes, (off_t)offset) : pread(fd, host, bytes, (off_t)offset);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return done < 0 ? -errno : -EIO;
        host += done;
        offset += (uint64_t)done;
        bytes -= (uint64_t)done;
    }
    return 0;
}

int namespace_read(const struct namespace *space, uint64_t offset, const struct segment *to, unsigned count)
{
    int r = 0;

    for (unsigned i = 0; i < count && r == 0; i++) {
        if (space->backing == BACKING_MEMORY)
            memcpy(to[i].host, space->memory + offset, to[i].bytes);
        else if (space->backing == BACKING_FILE)
            r = transfer(space->fd, to[i].host, to[i].bytes, offset, false);
        offset += to[i].bytes;
    }
    return r;
}

int namespace_write(const struct namespace *space, uint64_t offset, const struct segment *from,
                    unsigned count)
{
    int r = 0;

    for (unsigned i = 0; i < count && r == 0; i++) {
        if (space->backing == BACKING_MEMORY)
            memcpy(space->memory + offset, from[i].host, from[i].bytes);
        else if (space->backing == BACKING_FILE)
            r = transfer(space->fd, from[i].host, from[i].bytes, offset, true);
        offset += from[i].bytes;
    }
    return r;
}

static int write_zeroes(const struct namespace *space, uint64_t offset, uint64_t bytes)
{
    static const uint8_t zeroes[65536];
    int r = 0;

    while (bytes > 0 && r == 0) {
        uint64_t part = bytes < sizeof(zeroes) ? bytes : sizeof(zeroes);
        r = transfer(space->fd, (uint8_t *)(uintptr_t)zeroes, part, offset, true);
        offset += part;
        bytes -= part;
    }
    return r;
}

int namespace_zero(const struct namespace *space, uint64_t offset, uint64_t bytes)
{
    if (space->backing == BACKING_NULL || bytes == 0)
        return 0;
    if (fallocate(space->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)bytes) == 0)
        return 0;
    return errno == EOPNOTSUPP ? write_zeroes(space, offset, bytes) : -errno;
}

int namespace_flush(const struct namespace *space)
{
    if (space->backing != BACKING_FILE)
        return 0;
    return fdatasync(space->fd) < 0 ? -errno : 0;
}

void namespace_attach(struct namespace *space, unsigned controller, bool attach)
{
    uint64_t bit = UINT64_C(1) << controller % 64;

    if (attach)
        space->attached[controller / 64] |= bit;
    else
        space->attached[controller / 64] &= ~bit;
}

bool namespace_attached_anywhere(const struct namespace *space)
{
    uint64_t any = 0;

    for (size_t i = 0; i < sizeof(space->attached) / sizeof(space->attached[0]); i++)
        any |= space->attached[i];
    return any != 0;
}
