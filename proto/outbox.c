/* SPDX-License-Identifier: BSD-3-Clause */
#include "proto/outbox.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/fds.h"
#include "proto/limits.h"

/* One message with descriptors, or a run of messages without. */
struct outbox_run {
    struct outbox_run *next;
    size_t begin, end, capacity; /* [begin, end) of bytes waits */
    unsigned fd_count;           /* those at begin == 0 */
    int fds[VARLINK_FDS_MAX];
    char *bytes;
};

static void run_free(struct outbox_run *run)
{
    fds_close(run->fds, run->fd_count);
    free(run->bytes);
    free(run);
}

static int append(struct outbox_run *run, const char *bytes, size_t count)
{
    if (run->end + count > run->capacity) {
        size_t waiting = run->end - run->begin;
        /* A run that is never empty, since the peer reads slowly, must not grow by what was sent long ago. */
        if (run->begin > 0) {
            memmove(run->bytes, run->bytes + run->begin, waiting);
            run->begin = 0;
            run->end = waiting;
        }
        if (2 * (waiting + count) > run->capacity) {
            size_t capacity = waiting > 0 ? 2 * (waiting + count) : count;
            char *grown = realloc(run->bytes, capacity);
            if (!grown) {
                return -ENOMEM;
            }
            run->bytes = grown;
            run->capacity = capacity;
        }
    }
    memcpy(run->bytes + run->end, bytes, count);
    run->end += count;
    return 0;
}

static int add_run(struct outbox *outbox, const char *bytes, size_t count, const int *fds, unsigned fd_count)
{
    struct outbox_run *run = calloc(1, sizeof(*run));

    if (!run || append(run, bytes, count)) {
        free(run);
        return -ENOMEM;
    }
    for (unsigned i = 0; i < fd_count; i++) {
        run->fds[i] = fds[i];
    }
    run->fd_count = fd_count;
    if (outbox->last) {
        outbox->last->next = run;
    } else {
        outbox->first = run;
    }
    outbox->last = run;
    return 0;
}

int outbox_add(struct outbox *outbox, const char *bytes, size_t count, const int *fds, unsigned fd_count)
{
    struct outbox_run *last = outbox->last;
    int r;

    if (outbox->bytes + count > VARLINK_OUTPUT_BYTES_MAX) {
        return -ENOBUFS;
    }
    r = last && last->fd_count == 0 && fd_count == 0 ? append(last, bytes, count)
                                                     : add_run(outbox, bytes, count, fds, fd_count);
    if (r == 0) {
        outbox->bytes += count;
    }
    return r;
}

/* Whole messages of a run, as many as go into one piece; the first one whole in any case. */
static size_t piece(const char *bytes, size_t count)
{
    const char *end;

    if (count <= VARLINK_PIECE_BYTES_MAX) {
        return count;
    }
    end = memrchr(bytes, '\0', VARLINK_PIECE_BYTES_MAX);
    if (!end) {
        end = memchr(bytes, '\0', count);
    }
    return end ? (size_t)(end - bytes) + 1 : count;
}

size_t outbox_peek(const struct outbox *outbox, const char **ret_bytes, const int **ret_fds,
                   unsigned *ret_fd_count)
{
    const struct outbox_run *run = outbox->first;

    if (!run) {
        return 0;
    }
    *ret_bytes = run->bytes + run->begin;
    *ret_fds = run->fds;
    *ret_fd_count = run->begin == 0 ? run->fd_count : 0;
    return piece(run->bytes + run->begin, run->end - run->begin);
}

void outbox_sent(struct outbox *outbox, size_t count)
{
    struct outbox_run *run = outbox->first;

    if (!run || count == 0) {
        return;
    }
    fds_close(run->fds, run->fd_count);
    run->begin += count;
    outbox->bytes -= count;
    if (run->begin == run->end) {
        outbox->first = run->next;
        if (!outbox->first) {
            outbox->last = NULL;
        }
        run_free(run);
    }
}

void outbox_clear(struct outbox *outbox)
{
    struct outbox_run *run;

    while ((run = outbox->first)) {
        outbox->first = run->next;
        run_free(run);
    }
    *outbox = (struct outbox){0};
}
