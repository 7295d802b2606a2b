/* SPDX-License-Identifier: BSD-3-Clause */
/* The memory of a VF's admin queue, and mapping tenants' memory for DMA. */
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "daemon/hw/linux/backend.h"

enum {
    MAP_MILLISECONDS = 20000,
    MAP_MILLISECONDS_PER_GIB = 15000, /* pinning pages of 4 KiB on a slow machine */
};

static int memory_new(const char *name, size_t bytes, int *ret_fd, void **ret_view)
{
    int fd = memfd_create(name, MFD_CLOEXEC);

    if (fd < 0)
        return -errno;
    void *view = ftruncate(fd, (off_t)bytes) == 0
                     ? mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0)
                     : MAP_FAILED;
    if (view == MAP_FAILED) {
        int r = -errno;
        close(fd);
        return r;
    }
    *ret_fd = fd;
    *ret_view = view;
    return 0;
}

int function_memory_new(struct hw_function *function)
{
    int r = memory_new("homi-admin-sq", ADMIN_SUBMISSION_BYTES, &function->memfds[0],
                       &function->memory.submission);

    if (r < 0)
        return r;
    return memory_new("homi-admin-cq", ADMIN_WRITTEN_BYTES, &function->memfds[1], &function->memory.written);
}

void function_memory_free(struct hw_function *function)
{
    if (function->memory.submission)
        munmap(function->memory.submission, ADMIN_SUBMISSION_BYTES);
    if (function->memory.written)
        munmap(function->memory.written, ADMIN_WRITTEN_BYTES);
    function->memory = (struct admin_memory){0};
    for (int i = 0; i < 2; i++) {
        if (function->memfds[i] >= 0)
            close(function->memfds[i]);
        function->memfds[i] = -1;
    }
}

static unsigned deadline(uint64_t bytes)
{
    uint64_t gibibytes = bytes >> 30 < 1000 ? bytes >> 30 : 1000;

    return MAP_MILLISECONDS + (unsigned)gibibytes * MAP_MILLISECONDS_PER_GIB;
}

void linux_map(struct hw_function *function, int memfd, uint64_t offset, uint64_t bytes, uint64_t iova,
               hw_done done, void *user)
{
    const struct job_map map = {.offset = offset, .bytes = bytes, .iova = iova};
    const int fds[] = {function->fds[OPENED_CONTAINER], memfd};
    const struct helper_request request = {.job = JOB_MAP,
                                           .data = &map,
                                           .bytes = sizeof(map),
                                           .fds = fds,
                                           .fd_count = 2,
                                           .deadline_milliseconds = deadline(bytes)};

    backend_run(function->backend, &function->lane, &request, NULL, done, user);
}

void linux_unmap(struct hw_function *function, uint64_t iova, uint64_t bytes, hw_done done, void *user)
{
    const struct job_map map = {.bytes = bytes, .iova = iova};
    const struct helper_request request = {.job = JOB_UNMAP,
                                           .data = &map,
                                           .bytes = sizeof(map),
                                           .fds = &function->fds[OPENED_CONTAINER],
                                           .fd_count = 1,
                                           .deadline_milliseconds = deadline(bytes)};

    backend_run(function->backend, &function->lane, &request, NULL, done, user);
}
