/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/api/memory_source.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

#define BLOCK_BYTES 512 /* the unit of st_blocks */

static int check_seals(int memfd)
{
    int seals = fcntl(memfd, F_GET_SEALS);
    if (seals < 0) /* EINVAL: a file of another kind; EBADF: opened with O_PATH */
        return errno == EINVAL || errno == EBADF ? MEMORY_NOT_MEMFD : -errno;
    int flags = fcntl(memfd, F_GETFL);
    if (flags < 0)
        return -errno;
    if (!(seals & F_SEAL_SHRINK))
        return MEMORY_NOT_SEALED;
    /* A descriptor reopened for reading has the same effect as a seal: it cannot be mapped for the device. */
    if ((seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) || (flags & O_ACCMODE) != O_RDWR)
        return MEMORY_WRITE_SEALED;
    return 0;
}

int memory_source_check(int memfd, uint64_t offset, uint64_t bytes, uint64_t *ret_page_bytes)
{
    struct stat status;
    struct statfs system;
    int r = check_seals(memfd);
    if (r != 0)
        return r;
    if (fstat(memfd, &status) < 0 || fstatfs(memfd, &system) < 0)
        return -errno;

    uint64_t page = (uint64_t)system.f_bsize, size = (uint64_t)status.st_size;
    if (bytes == 0)
        return MEMORY_EMPTY;
    if (page == 0 || offset % page || bytes % page)
        return MEMORY_MISALIGNED;
    if (offset > size || bytes > size - offset)
        return MEMORY_BEYOND_END;
    /* Which pages are there is not told, so all of the file's must be. */
    if ((uint64_t)status.st_blocks * BLOCK_BYTES < size)
        return MEMORY_NOT_POPULATED;
    *ret_page_bytes = page;
    return 0;
}

const char *memory_defect_name(enum memory_defect defect)
{
    switch (defect) {
    case MEMORY_NOT_MEMFD: return "notMemfd";
    case MEMORY_NOT_SEALED: return "notSealedAgainstShrinking";
    case MEMORY_WRITE_SEALED: return "writeSealed";
    case MEMORY_NOT_POPULATED: return "notPopulated";
    case MEMORY_BEYOND_END: return "beyondEnd";
    case MEMORY_MISALIGNED: return "misaligned";
    case MEMORY_EMPTY: return "empty";
    }
    return "notMemfd";
}
