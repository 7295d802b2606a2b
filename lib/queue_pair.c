/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/lease.h"
#include "lib/members.h"
#include "lib/page_pool.h"
#include "lib/queue_pair.h"

#define ENTRIES_DEFAULT 256

/* How long a wait goes without a look at the controller, which raises no interrupt when it dies. */
#define HEALTH_MILLISECONDS 1000

struct layout {
    size_t cq_offset, lists_offset, bytes;
};

struct homi_queue_pair {
    struct homi_queue queue; /* first: it is aligned to a cache line */
    struct homi_lease *lease;
    struct homi_queue_pair *next;
    const struct lease_function *function;
    struct pages pages; /* submission queue, completion queue, lists; each from a page of its own */
    uint64_t *cookies;
    int event_fd; /* -1: polled */
    uint16_t id;  /* 0: homid has not created it */
    bool gone;    /* a reset took it */
    struct homi_queue_options options;
    uint32_t entries;
    struct layout layout;
};

static struct layout lay_out(const struct homi_function_info *info, const struct homi_queue_options *options,
                             uint32_t entries)
{
    size_t page = info->page_bytes;
    size_t sq_bytes = ((size_t)entries * HOMI_NVME_SQE_BYTES + page - 1) / page * page;
    size_t cq_bytes = ((size_t)entries * HOMI_NVME_CQE_BYTES + page - 1) / page * page;
    struct layout layout = {.cq_offset = sq_bytes, .lists_offset = sq_bytes + cq_bytes};

    layout.bytes = layout.lists_offset;
    if (options->lists)
        layout.bytes += homi_queue_lists_bytes(entries, info->max_transfer_bytes, info->page_bytes);
    return layout;
}

static bool register_fits(const struct lease_function *function, int64_t offset)
{
    return offset % 4 == 0 && (uint64_t)offset + 4 <= function->bar_bytes;
}

static void wake_reader(void *context)
{
    const struct lease_function *function = context;
    const uint64_t one = 1;

    /* A counter that is full wakes all the same. */
    if (write(function->wake_fd, &one, sizeof(one)) < 0)
        return;
}

/* Where the doorbells and the status are in what is mapped. */
static int read_places(struct homi_queue_pair *pair, json_object *parameters, struct homi_queue_setup *setup)
{
    const struct lease_function *function = pair->function;
    int64_t first = function->info.relayed ? 0 : LEASE_DOORBELLS_OFFSET;
    int64_t submission, completion, status = LEASE_CSTS_OFFSET;

    if (member_int(parameters, "submissionDoorbellOffsetBytes", first, UINT32_MAX, &submission) < 0 ||
        member_int(parameters, "completionDoorbellOffsetBytes", first, UINT32_MAX, &completion) < 0 ||
        !register_fits(function, submission) || !register_fits(function, completion) ||
        submission == completion)
        return -EPROTO;
    if (function->info.relayed && (member_int(parameters, "statusOffsetBytes", 0, UINT32_MAX, &status) < 0 ||
                                   !register_fits(function, status)))
        return -EPROTO;
    setup->sq_doorbell = (volatile uint32_t *)(function->bar + submission);
    setup->cq_doorbell = (volatile uint32_t *)(function->bar + completion);
    setup->csts = (const volatile uint32_t *)(function->bar + status);
    return 0;
}

/* Checks the reply and takes from it what it says. */
static int read_created(struct homi_queue_pair *pair, struct varlink_message *reply, bool interrupt,
                        struct homi_queue_setup *setup)
{
    const struct lease_function *function = pair->function;
    int64_t id, index = 0;

    if (member_int(reply->parameters, "queuePair", 1, UINT16_MAX, &id) < 0 ||
        read_places(pair, reply->parameters, setup) < 0 || reply->fd_count != interrupt ||
        (interrupt && member_int(reply->parameters, "eventFd", 0, 0, &index) < 0))
        return client_breach(pair->lease->homi);
    pair->id = (uint16_t)id;
    if (pair->event_fd >= 0)
        close(pair->event_fd);
    pair->event_fd = -1;
    if (interrupt)
        pair->event_fd = varlink_message_take_fd(reply, (unsigned)index);
    setup->id = pair->id;
    if (function->wake_fd >= 0) {
        setup->wake = (volatile uint32_t *)(function->bar + function->wake_offset);
        setup->wake_relay = wake_reader;
        setup->wake_context = (void *)(uintptr_t)function;
    }
    return 0;
}

static json_object *creation_request(const struct homi_queue_pair *pair)
{
    json_object *parameters = lease_request(pair->lease);

    if (!parameters)
        return NULL;
    if (member_add_string(parameters, "virtualFunction", pair->function->info.name) &&
        member_add_int(parameters, "entries", pair->entries) &&
        member_add_int(parameters, "region", pair->pages.region) &&
        member_add_int(parameters, "submissionOffsetBytes", (int64_t)pair->pages.offset) &&
        member_add_int(parameters, "completionOffsetBytes",
                       (int64_t)(pair->pages.offset + pair->layout.cq_offset)) &&
        (!pair->options.interrupt || member_add_bool(parameters, "interrupt", true)))
        return parameters;
    json_object_put(parameters);
    return NULL;
}

/* Another one of that id is no more, though nobody was told: its function was reset. */
static void supersede(struct homi_queue_pair *pair)
{
    for (struct homi_queue_pair *other = pair->lease->pairs; other; other = other->next)
        if (other != pair && other->function == pair->function && other->id == pair->id)
            other->gone = true;
}

/* Has homid create the queues in the pair's pages, and makes the data path's queue of them. */
static int create(struct homi_queue_pair *pair)
{
    const struct homi_queue_options *options = &pair->options;
    const struct layout *layout = &pair->layout;
    const struct homi_function_info *info = &pair->function->info;
    struct homi_queue_setup setup = {
        .sq = pair->pages.address,
        .cq = pair->pages.address + layout->cq_offset,
        .cookies = pair->cookies,
        .lists = options->lists ? pair->pages.address + layout->lists_offset : NULL,
        .lists_iova = options->lists ? pair->pages.iova + layout->lists_offset : 0,
        .entries = pair->entries,
        .page_bytes = info->page_bytes,
        .max_transfer_bytes = info->max_transfer_bytes,
    };
    json_object *parameters = creation_request(pair);
    struct varlink_message reply;
    int r;

    if (!parameters)
        return -ENOMEM;
    r = client_call(pair->lease->homi, "io.homi.Tenant.CreateQueuePair", parameters, NULL, 0, VARLINK_FDS_MAX,
                    &reply);
    json_object_put(parameters);
    if (r != 0)
        return r;
    r = read_created(pair, &reply, options->interrupt, &setup);
    varlink_message_clear(&reply);
    if (r < 0)
        return r;
    supersede(pair);
    pair->gone = false;
    return homi_queue_init(&pair->queue, &setup);
}

static struct homi_queue_pair *new_pair(struct homi_lease *lease, size_t function)
{
    struct homi_queue_pair *pair = aligned_alloc(_Alignof(struct homi_queue_pair), sizeof(*pair));

    if (!pair)
        return NULL;
    *pair = (struct homi_queue_pair){
        .lease = lease,
        .next = lease->pairs,
        .function = &lease->functions[function],
        .event_fd = -1,
    };
    lease->pairs = pair;
    return pair;
}

int homi_queue_pair_new(struct homi_lease *lease, const struct homi_queue_options *options,
                        struct homi_queue_pair **ret_pair)
{
    static const struct homi_queue_options defaults;
    const struct homi_function_info *info;
    struct homi_queue_pair *pair;
    uint32_t entries;
    int r;

    if (!options)
        options = &defaults;
    info = homi_lease_function(lease, options->function);
    if (!info)
        return -EINVAL;
    entries = options->entries;
    if (entries == 0)
        entries = info->queue_entries_max < ENTRIES_DEFAULT ? info->queue_entries_max : ENTRIES_DEFAULT;
    pair = new_pair(lease, options->function);
    if (!pair)
        return -ENOMEM;
    pair->options = *options;
    pair->entries = entries;
    pair->layout = lay_out(info, options, entries);
    pair->cookies = calloc((size_t)entries + 1, sizeof(*pair->cookies));
    r = pair->cookies ? page_pool_get(lease, pair->layout.bytes, &pair->pages) : -ENOMEM;
    if (r == 0)
        r = create(pair);
    if (r != 0) {
        homi_queue_pair_free(pair);
        return r;
    }
    *ret_pair = pair;
    return 0;
}

/* Whether the controller has nothing of it any more. What homid does not know may be on its way out still. */
static bool deleted(int r)
{
    return r == 0 || r == HOMI_REFUSED_FUNCTION_RESET;
}

static void delete_on_device(struct homi_queue_pair *pair)
{
    json_object *parameters;

    if (pair->lease->ending)
        return;
    parameters = lease_request(pair->lease);
    if (parameters && member_add_string(parameters, "virtualFunction", pair->function->info.name) &&
        member_add_int(parameters, "queuePair", pair->id) &&
        deleted(client_command(pair->lease->homi, "io.homi.Tenant.DeleteQueuePair", parameters)))
        page_pool_put(&pair->pages);
    json_object_put(parameters);
    /* Where homid did not confirm, the controller may still write there: the pages stay out of use. */
}

void homi_queue_pair_free(struct homi_queue_pair *pair)
{
    if (!pair)
        return;
    for (struct homi_queue_pair **link = &pair->lease->pairs; *link; link = &(*link)->next)
        if (*link == pair) {
            *link = pair->next;
            break;
        }
    if (pair->id != 0 && !pair->gone)
        delete_on_device(pair);
    else
        page_pool_put(&pair->pages);
    if (pair->event_fd >= 0)
        close(pair->event_fd);
    free(pair->cookies);
    free(pair);
}

struct homi_queue_pair *queue_pair_next(const struct homi_queue_pair *pair)
{
    return pair->next;
}

bool queue_pair_is(const struct homi_queue_pair *pair, const char *function, int64_t id)
{
    return !pair->gone && pair->id == id && strcmp(pair->function->info.name, function) == 0;
}

int queue_pair_renew(struct homi_queue_pair *pair, queue_pair_lost lost, void *user)
{
    uint64_t cookie;

    pair->gone = true;
    while (homi_queue_abandon(&pair->queue, &cookie, 1) != 0)
        if (lost)
            lost(user, pair, cookie);
    return create(pair);
}

struct homi_queue *homi_queue_pair_queue(struct homi_queue_pair *pair)
{
    return &pair->queue;
}

uint16_t homi_queue_pair_id(const struct homi_queue_pair *pair)
{
    return pair->id;
}

int homi_queue_pair_event_fd(const struct homi_queue_pair *pair)
{
    return pair->event_fd >= 0 ? pair->event_fd : -ENOTSUP;
}

/* The coarse clock is a load from memory everywhere; the precise one can be a device's register. */
static int64_t now_milliseconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/*
 * Sleeps at most so long, and takes the notice away; what is posted afterwards leaves a new one. Returns 1
 * when there was one (or a signal came), 0 when the time passed.
 */
static int sleep_on(int event_fd, int64_t milliseconds)
{
    struct pollfd entry = {.fd = event_fd, .events = POLLIN};
    uint64_t count;
    int r = poll(&entry, 1, (int)milliseconds);

    if (r <= 0)
        return r == 0 || errno == EINTR ? -r : -errno;
    if (!(entry.revents & POLLIN))
        return -EIO;
    return read(event_fd, &count, sizeof(count)) < 0 && errno != EAGAIN && errno != EINTR ? -errno : 1;
}

int homi_queue_pair_wait(struct homi_queue_pair *pair, int timeout_milliseconds)
{
    int64_t end = timeout_milliseconds < 0 ? INT64_MAX : now_milliseconds() + timeout_milliseconds;
    bool slept = false;

    if (pair->event_fd < 0)
        return -ENOTSUP;
    while (!homi_queue_posted(&pair->queue)) {
        int64_t left = end - now_milliseconds();
        int r;

        if (left <= 0 && slept)
            return -ETIMEDOUT;
        left = left > 0 ? left : 0;
        r = sleep_on(pair->event_fd, left < HEALTH_MILLISECONDS ? left : HEALTH_MILLISECONDS);
        if (r == 0)
            r = homi_queue_health(&pair->queue);
        if (r < 0)
            return r;
        slept = true;
    }
    return 0;
}
