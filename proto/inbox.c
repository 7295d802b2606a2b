/* SPDX-License-Identifier: BSD-3-Clause */
#include "proto/inbox.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/fds.h"
#include "proto/violation.h"

static void close_received(const int *fds, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        (void)close(fds[i]);
    }
}

static int make_room(struct inbox *inbox, size_t count)
{
    size_t waiting = inbox->end - inbox->begin, capacity = inbox->capacity;
    char *bytes;

    if (inbox->begin > 0) {
        memmove(inbox->bytes, inbox->bytes + inbox->begin, waiting);
        inbox->begin = 0;
        inbox->end = (uint32_t)waiting;
    }
    if (waiting + count <= capacity) {
        return 0;
    }
    if (waiting + count > UINT32_MAX / 2) {
        return -ENOMEM;
    }
    capacity = capacity ? capacity : 256;
    while (capacity < waiting + count) {
        capacity *= 2;
    }
    bytes = realloc(inbox->bytes, capacity);
    if (!bytes) {
        return -ENOMEM;
    }
    inbox->bytes = bytes;
    inbox->capacity = (uint32_t)capacity;
    return 0;
}

static int add_fds(struct inbox *inbox, const int *fds, unsigned count)
{
    struct inbox_fds *entry = malloc(sizeof(*entry)), **last = &inbox->first_fds;

    if (!entry) {
        return -ENOMEM;
    }
    entry->next = NULL;
    entry->position = inbox->position + (inbox->end - inbox->begin);
    entry->count = count;
    memcpy(entry->fds, fds, count * sizeof(*fds));
    while (*last) {
        last = &(*last)->next;
    }
    *last = entry;
    return 0;
}

/* Whether a chunk that brings descriptors holds bytes of one message only, from its first byte on. */
static bool attributable(const struct inbox *inbox, const char *bytes, size_t count)
{
    const char *nul;

    if (count == 0 || inbox->partial > 0) {
        return false;
    }
    nul = memchr(bytes, '\0', count);
    return !nul || nul == bytes + count - 1;
}

/*
 * What is wrong with the descriptors of a chunk, or 0. The kernel truncates them beyond the room that
 * proto/transport.h gives it, and earlier only where this process may open no more.
 */
static int fds_violation(const struct inbox *inbox, const char *bytes, size_t count, unsigned fd_count,
                         bool truncated)
{
    if (fd_count > VARLINK_FDS_MAX || (truncated && fd_count == VARLINK_FDS_MAX)) {
        return VARLINK_VIOLATION_FDS_TOO_MANY;
    }
    if (truncated) {
        return VARLINK_VIOLATION_FDS_LOST;
    }
    return fd_count > 0 && !attributable(inbox, bytes, count) ? VARLINK_VIOLATION_FDS_MISPLACED : 0;
}

/* Appends bytes for which there is room and looks for the ends of messages among them only. */
static int append(struct inbox *inbox, const char *bytes, size_t count)
{
    const char *at = bytes, *end = bytes + count, *nul;

    memcpy(inbox->bytes + inbox->end, bytes, count);
    inbox->end += (uint32_t)count;
    while ((nul = memchr(at, '\0', (size_t)(end - at)))) {
        if (inbox->partial + (size_t)(nul + 1 - at) > VARLINK_MESSAGE_BYTES_MAX) {
            return VARLINK_VIOLATION_OVERSIZED;
        }
        inbox->messages++;
        inbox->partial = 0;
        at = nul + 1;
    }
    if (inbox->partial + (size_t)(end - at) >= VARLINK_MESSAGE_BYTES_MAX) {
        return VARLINK_VIOLATION_OVERSIZED;
    }
    inbox->partial += (uint32_t)(end - at);
    return 0;
}

int inbox_add(struct inbox *inbox, const char *bytes, size_t count, const int *fds, unsigned fd_count,
              bool fds_truncated)
{
    int r = fds_violation(inbox, bytes, count, fd_count, fds_truncated);

    if (r == 0 && count > 0) {
        r = make_room(inbox, count);
    }
    if (r == 0 && fd_count > 0) {
        r = add_fds(inbox, fds, fd_count);
    }
    if (r) {
        close_received(fds, fd_count);
        return r;
    }
    return count > 0 ? append(inbox, bytes, count) : 0;
}

bool inbox_peek(const struct inbox *inbox, const char **ret_text, size_t *ret_length)
{
    if (inbox->messages == 0) {
        return false;
    }
    *ret_text = inbox->bytes + inbox->begin;
    *ret_length = strlen(*ret_text);
    return true;
}

void inbox_take(struct inbox *inbox, int ret_fds[VARLINK_FDS_MAX], unsigned *ret_fd_count)
{
    struct inbox_fds *entry = inbox->first_fds;
    uint32_t length = (uint32_t)strlen(inbox->bytes + inbox->begin) + 1;

    *ret_fd_count = 0;
    if (entry && entry->position == inbox->position) {
        memcpy(ret_fds, entry->fds, entry->count * sizeof(*ret_fds));
        *ret_fd_count = entry->count;
        inbox->first_fds = entry->next;
        free(entry);
    }
    inbox->begin += length;
    inbox->position += length;
    inbox->messages--;
    if (inbox->begin == inbox->end) {
        free(inbox->bytes);
        inbox->bytes = NULL;
        inbox->begin = inbox->end = inbox->capacity = 0;
    }
}

void inbox_clear(struct inbox *inbox)
{
    struct inbox_fds *entry;

    while ((entry = inbox->first_fds)) {
        inbox->first_fds = entry->next;
        fds_close(entry->fds, entry->count);
        free(entry);
    }
    free(inbox->bytes);
    *inbox = (struct inbox){0};
}
