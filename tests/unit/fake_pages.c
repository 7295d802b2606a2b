/* SPDX-License-Identifier: BSD-3-Clause */
/* Pages of relayed doorbells, for fake_backend.c. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/fake_backend.h"

static void complain(struct fake *fake, const char *text)
{
    if (!fake->complaint[0])
        snprintf(fake->complaint, sizeof(fake->complaint), "%s", text);
}

static struct hw_page *free_page(struct hw_function *function)
{
    for (unsigned i = 0; i < FAKE_PAGES_MAX; i++) {
        if (function->pages[i].function)
            continue;
        function->page_count++;
        return &function->pages[i];
    }
    return NULL;
}

int fake_page_new(struct hw_function *function, struct hw_page **ret_page)
{
    struct fake *fake = function->device->fake;

    if (!function->open)
        complain(fake, "a page of doorbells on a function that is not open");
    if (fake->fail_page)
        return fake->fail_page;
    struct hw_page *page = free_page(function);
    if (!page)
        return -ENOMEM;
    *page =
        (struct hw_page){.fake = fake, .function = function, .fd = FAKE_PAGE_FD + (int)fake->pages_made++};
    *ret_page = page;
    return 0;
}

/* One whose function was closed and opened since is a page all the same. */
int fake_page_adopt(struct hw_function *function, int fd, struct hw_page **ret_page)
{
    struct fake *fake = function->device->fake;
    struct hw_page *page = NULL;

    if (fake->fail_page)
        return fake->fail_page;
    for (unsigned i = 0; i < FAKE_PAGES_MAX; i++) {
        if (function->pages[i].function && function->pages[i].fd == fd)
            page = &function->pages[i];
    }
    if (fd < FAKE_PAGE_FD || fd >= FAKE_PAGE_FD + (int)fake->pages_made || (page && !page->stale))
        complain(fake, "a page of doorbells adopted that is none, or twice");
    if (!page)
        page = free_page(function);
    *page = (struct hw_page){.fake = fake, .function = function, .fd = fd};
    *ret_page = page;
    return 0;
}

int fake_queue_adopt(struct hw_function *function, struct hw_page *page, uint16_t id, uint32_t entries,
                     bool whole)
{
    struct fake *fake = function->device->fake;

    if (page && page->stale)
        complain(fake, "a queue pair adopted behind a page that was not");
    /* Of a controller that was reset, which the core may not know yet, nothing goes on. */
    if (function->down)
        whole = false;
    if (whole && (!page || !function->pairs[id].id || function->pairs[id].entries != entries))
        complain(fake, "a queue pair goes on that is not what it was");
    if (whole && !function->forwarded[id])
        complain(fake, "a queue pair goes on that was not forwarded");
    if (function->pairs[id].id)
        function->pairs[id].page = page;
    function->unknown[id] = false;
    return 0;
}

/* The relay drops what was not adopted. */
void fake_settled(struct hw_backend *backend)
{
    struct fake *fake = (struct fake *)backend;

    if (fake->dead)
        return;
    if (fake->settled)
        complain(fake, "settled twice");
    fake->settled = true;
    for (unsigned i = 0; i < FAKE_DEVICES_MAX; i++) {
        for (unsigned n = 0; n < FAKE_FUNCTIONS_MAX; n++) {
            struct hw_function *function = &fake->devices[i].functions[n];
            for (unsigned page = 0; page < FAKE_PAGES_MAX; page++) {
                if (!function->pages[page].function || !function->pages[page].stale)
                    continue;
                function->pages[page].function = NULL;
                function->page_count--;
            }
            for (unsigned id = 0; id < FAKE_PAIRS_MAX; id++) {
                function->forwarded[id] = function->forwarded[id] && !function->unknown[id];
                function->unknown[id] = false;
            }
        }
    }
}

void fake_page_free(struct hw_page *page)
{
    struct hw_function *function = page->function;

    if (page->fake->dead)
        return;
    if (!function)
        abort();
    for (unsigned id = 0; id < FAKE_PAIRS_MAX; id++) {
        if (function->pairs[id].id && function->pairs[id].page == page)
            complain(function->device->fake, "page of doorbells freed under a live queue pair");
    }
    page->function = NULL;
    function->page_count--;
}

void fake_page_info(const struct hw_page *page, struct hw_page_info *ret_info)
{
    if (!page->function)
        abort();
    *ret_info = (struct hw_page_info){.fd = page->fd, .wake_fd = 400, .bytes = 4096, .wake_offset = 0};
}

void fake_page_queue(const struct hw_page *page, uint16_t id, struct hw_page_queue *ret_queue)
{
    (void)page;
    *ret_queue = (struct hw_page_queue){64u * id, 64u * id + 4, 64u * id + 8, 1000u * id};
}

void fake_age_pages(struct fake *fake)
{
    fake->settled = false;
    for (unsigned i = 0; i < FAKE_DEVICES_MAX; i++) {
        for (unsigned n = 0; n < FAKE_FUNCTIONS_MAX; n++) {
            struct hw_function *function = &fake->devices[i].functions[n];
            for (unsigned page = 0; page < FAKE_PAGES_MAX; page++)
                function->pages[page].stale = true;
            memcpy(function->unknown, function->forwarded, sizeof(function->unknown));
        }
    }
}

void fake_discard(struct hw_backend *backend, const int *fds, size_t fd_count, hw_done done, void *user)
{
    (void)fds, (void)done, (void)user;
    ((struct fake *)backend)->discarded += (unsigned)fd_count;
}
