/* SPDX-License-Identifier: BSD-3-Clause */
/* The memory of a VF's admin queue, and mapping tenants' memory for DMA. */
#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/hw/linux/backend.h"

enum {
    MAP_MILLISECONDS = 20000,
    MAP_MILLISECONDS_PER_GIB = 15000, /* pinning pages of 4 KiB on a slow machine */
};

/* What the memfds of a function hold: memory that the controller reads, that it writes, and homid's own. */
static const struct {
    const char *name;
    size_t bytes;
} kinds[FUNCTION_MEMFDS] = {{"homi-admin-sq", ADMIN_SUBMISSION_BYTES},
                            {"homi-admin-cq", ADMIN_WRITTEN_BYTES},
                            {"homi-ring", sizeof(struct function_kept)}};

static int view_all(struct hw_function *function)
{
    void *views[FUNCTION_MEMFDS];

    for (int i = 0; i < FUNCTION_MEMFDS; i++) {
        views[i] = mmap(NULL, kinds[i].bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
                        function->memfds[i], 0);
        if (views[i] == MAP_FAILED) {
            int r = -errno;
            while (i-- > 0)
                munmap(views[i], kinds[i].bytes);
            return r;
        }
    }
    function->memory.submission = views[0];
    function->memory.written = views[1];
    function->kept = views[2];
    function->memory.ring = function->kept->ring;
    return 0;
}

int function_memory_new(struct hw_function *function)
{
    for (int i = 0; i < FUNCTION_MEMFDS; i++) {
        function->memfds[i] = memfd_create(kinds[i].name, MFD_CLOEXEC);
        if (function->memfds[i] < 0 || ftruncate(function->memfds[i], (off_t)kinds[i].bytes) < 0)
            return -errno;
    }
    return view_all(function);
}

int function_memory_adopt(struct hw_function *function)
{
    struct stat status;

    for (int i = 0; i < FUNCTION_MEMFDS; i++) {
        if (fstat(function->memfds[i], &status) < 0)
            return -errno;
        if (status.st_size != (off_t)kinds[i].bytes)
            return -EPROTO;
    }
    return view_all(function);
}

void function_memory_free(struct hw_function *function)
{
    void *const views[FUNCTION_MEMFDS] = {function->memory.submission, function->memory.written,
                                          function->kept};

    for (int i = 0; i < FUNCTION_MEMFDS; i++) {
        if (views[i])
            munmap(views[i], kinds[i].bytes);
        if (function->memfds[i] >= 0)
            close(function->memfds[i]);
        function->memfds[i] = -1;
    }
    function->memory = (struct admin_memory){0};
    function->kept = NULL;
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

void linux_unmap(struct hw_function *function, uint64_t iova, uint64_t bytes, bool perhaps, hw_done done,
                 void *user)
{
    const struct job_map map = {.bytes = bytes, .iova = iova, .perhaps = perhaps};
    const struct helper_request request = {.job = JOB_UNMAP,
                                           .data = &map,
                                           .bytes = sizeof(map),
                                           .fds = &function->fds[OPENED_CONTAINER],
                                           .fd_count = 1,
                                           .deadline_milliseconds = deadline(bytes)};

    backend_run(function->backend, &function->lane, &request, NULL, done, user);
}
