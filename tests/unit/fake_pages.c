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

int fake_page_new(struct hw_function *function, struct hw_page **ret_page)
{
    struct fake *fake = function->device->fake;

    if (!function->open)
        complain(fake, "a page of doorbells on a function that is not open");
    if (fake->fail_page)
        return fake->fail_page;
    for (unsigned i = 0; i < FAKE_PAGES_MAX; i++) {
        if (function->pages[i].function)
            continue;
        function->pages[i].function = function;
        function->page_count++;
        *ret_page = &function->pages[i];
        return 0;
    }
    return -ENOMEM;
}

void fake_page_free(struct hw_page *page)
{
    struct hw_function *function = page->function;

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
    *ret_info = (struct hw_page_info){
        .fd = 300 + (int)page->function->index, .wake_fd = 400, .bytes = 4096, .wake_offset = 0};
}

void fake_page_queue(const struct hw_page *page, uint16_t id, struct hw_page_queue *ret_queue)
{
    (void)page;
    *ret_queue = (struct hw_page_queue){64u * id, 64u * id + 4, 64u * id + 8};
}

/* The relay drops what an earlier homid left. */
void fake_drop_pages(struct fake *fake)
{
    for (unsigned i = 0; i < FAKE_DEVICES_MAX; i++) {
        for (unsigned n = 0; n < FAKE_FUNCTIONS_MAX; n++) {
            struct hw_function *function = &fake->devices[i].functions[n];
            memset(function->pages, 0, sizeof(function->pages));
            function->page_count = 0;
        }
    }
}
