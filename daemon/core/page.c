/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Pages of doorbells: what a process that is relayed writes instead of its functions' doorbells, one for each
 * function. They are kept under the number of its record from before it is granted the lease until it has
 * ended, so that its queue pairs go on under the next homid.
 */
#include <stdlib.h>
#include <string.h>

#include "daemon/core/internal.h"

static const struct hw_backend *backend_of(const struct holder *holder)
{
    return holder->core->backend;
}

bool pages_full(const struct lease *lease, const struct function *function)
{
    const struct holder *holder;
    unsigned count = 0;

    TAILQ_FOREACH (holder, &lease->holders, lease_link)
        count += holder->pages[function->part] != NULL;
    return count >= function->queue_pairs;
}

/* ---- keeping ---- */

static void nothing(void *user)
{
    (void)user;
}

static void let_go(struct holder *holder, size_t count)
{
    const struct core_archive *archive = holder->core->listener.archive;

    if (archive && holder->record != RECORD_NONE && count)
        archive->let_go(archive->user, holder->record, count, nothing, NULL);
}

static void keep(struct holder *holder)
{
    const struct core_archive *archive = holder->core->listener.archive;
    size_t count = holder->lease->part_count;
    int fds[PARTS_MAX];

    if (!archive || holder->record == RECORD_NONE)
        return;
    for (size_t i = 0; i < count; i++) {
        struct hw_page_info info;
        backend_of(holder)->page_info(holder->pages[i], &info);
        fds[i] = info.fd;
    }
    if (archive->keep(archive->user, holder->record, fds, count) < 0)
        let_go(holder, count); /* those that are kept already; the next homid revokes the lease */
    else
        holder->kept = count;
}

/* ---- life ---- */

static void discarded(void *user, const struct hw_result *result)
{
    (void)user;
    (void)result;
}

/* What was to be adopted, of functions that were not. */
static void discard(struct holder *holder)
{
    int left[PARTS_MAX];
    size_t count = 0;

    for (size_t i = 0; holder->fds && i < holder->kept; i++) {
        if (holder->fds[i] >= 0)
            left[count++] = holder->fds[i];
    }
    if (count)
        backend_of(holder)->discard(holder->core->backend, left, count, discarded, NULL);
    free(holder->fds);
    holder->fds = NULL;
}

void pages_free(struct holder *holder)
{
    for (unsigned i = 0; i < PARTS_MAX; i++) {
        if (holder->pages[i])
            backend_of(holder)->page_free(holder->pages[i]);
        holder->pages[i] = NULL;
    }
    discard(holder);
    let_go(holder, holder->kept);
    holder->kept = 0;
}

static int make(struct holder *holder, unsigned part, struct core_error *error)
{
    const struct function *function = holder->lease->parts[part];

    if (pages_full(holder->lease, function)) {
        *error = error_refusal(CORE_REFUSED_NO_QUEUE_PAIR_FREE, function->name);
        error->limit = function->queue_pairs;
        return CORE_REFUSED_NO_QUEUE_PAIR_FREE;
    }
    int r = backend_of(holder)->page_new(function->handle, &holder->pages[part]);
    if (r < 0)
        *error = error_errno(r, "making a page of doorbells");
    return r;
}

bool pages_make(struct holder *holder, struct core_error *error)
{
    if (holder->tenant->config->direct)
        return true;
    for (unsigned part = 0; part < holder->lease->part_count; part++) {
        if (make(holder, part, error)) {
            pages_free(holder);
            return false;
        }
    }
    keep(holder);
    return true;
}

/* ---- taking over ---- */

void pages_restore(struct holder *holder, uint32_t number, size_t count)
{
    const struct core_archive *archive = holder->core->listener.archive;

    if (count == 0 || !holder->lease || count != holder->lease->part_count)
        return;
    holder->fds = malloc(count * sizeof(int));
    if (holder->fds && archive->take(archive->user, number, holder->fds, count)) {
        holder->kept = count;
        return;
    }
    free(holder->fds);
    holder->fds = NULL;
}

/* The relay lets go of those that end here; the others it goes on with. */
static void adopt_pairs(const struct holder *holder, struct function *function)
{
    struct hw_page *page = holder->pages[function->part];
    const struct queue_pair *pair;

    LIST_FOREACH (pair, &holder->pairs, holder_link) {
        if (pair->function == function &&
            backend_of(holder)->queue_adopt(function->handle, page, pair->id, pair->entries,
                                            !pair->undo && !holder->ending) < 0)
            function->drop = true; /* closing it ends all forwarding */
    }
}

static void adopt(struct holder *holder, struct function *function)
{
    unsigned part = function->part;

    if (holder->fds) {
        int r = backend_of(holder)->page_adopt(function->handle, holder->fds[part], &holder->pages[part]);
        holder->fds[part] = -1;
        if (r < 0)
            holder_lose(holder, "its doorbells could not be taken over when homid was restarted");
    }
    /* Those of a controller that was reset are no more. */
    if (!function->suspended && (holder->pages[part] || !holder->tenant->config->direct))
        adopt_pairs(holder, function);
}

void pages_adopt(struct function *function)
{
    struct holder *holder;

    TAILQ_FOREACH (holder, &function->lease->holders, lease_link) {
        adopt(holder, function);
        holder_wake(holder);
    }
}
