/* SPDX-License-Identifier: BSD-3-Clause */
/* Who holds what, over and over: a line for homid, then a table of the leases. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "homictl/call.h"
#include "homictl/format.h"
#include "homictl/listing.h"

/* What is seen in one look; the caller's to clear. */
struct look {
    struct json_object *status, *tenants, *leases, *queues;
    struct timespec when;
};

/* The leases as they are listed, and how busy they are where that can be told. */
static const struct listing busy_leases = {
    "leases",
    NULL,
    NULL,
    {{"LEASE", LISTING_TEXT, "name", NULL},
     {"TENANT", LISTING_TEXT, "tenant", NULL},
     {"STATE", LISTING_STATE, "state", NULL},
     {"IOPS", LISTING_NUMBER, "iops", NULL},
     {"VFS", LISTING_LIST, "virtualFunctions", NULL},
     {"NAMESPACES", LISTING_LIST, "namespaces", NULL},
     {"QUEUES", LISTING_OF, "queuePairsUsed", "queuePairs"},
     {"MEMORY", LISTING_BYTES, "memoryBytes", NULL},
     {"AGE", LISTING_AGE, "ageSeconds", NULL},
     {"PIDS", LISTING_LIST, "holders", "pid"},
     {0}},
};

static enum exit_status look(const struct options *options, struct look *ret_look)
{
    enum exit_status status =
        call(options, "show the status", ADMIN_METHOD("GetStatus"), NULL, &ret_look->status);

    if (status == EXIT_OK)
        status = listing_fetch(options, &listing_tenants, false, &ret_look->tenants);
    if (status == EXIT_OK)
        status = listing_fetch(options, &listing_leases, false, &ret_look->leases);
    if (status == EXIT_OK)
        status = listing_fetch(options, &listing_queues, false, &ret_look->queues);
    clock_gettime(CLOCK_MONOTONIC, &ret_look->when);
    return status;
}

static void look_clear(struct look *look)
{
    json_object_put(look->status);
    json_object_put(look->tenants);
    json_object_put(look->leases);
    json_object_put(look->queues);
    *look = (struct look){0};
}

/* Commands of a lease's queue pairs so far; -1: of none is it known. */
static int64_t commands_of(const struct look *look, const char *lease)
{
    int64_t sum = -1;

    for (size_t i = 0; i < json_object_array_length(look->queues); i++) {
        struct json_object *queue = json_object_array_get_idx(look->queues, i),
                           *count = member(queue, "commands");
        const char *of = member_text(queue, "lease");

        if (count && of && strcmp(of, lease) == 0)
            sum = (sum < 0 ? 0 : sum) + json_object_get_int64(count);
    }
    return sum;
}

/* Queue pairs that went take their count along: then nothing is said until the next look. */
static void add_rates(const struct look *now, const struct look *before)
{
    double seconds = (double)(now->when.tv_sec - before->when.tv_sec) +
                     (double)(now->when.tv_nsec - before->when.tv_nsec) / 1e9;

    for (size_t i = 0; before->queues && i < json_object_array_length(now->leases); i++) {
        struct json_object *lease = json_object_array_get_idx(now->leases, i);
        const char *name = member_text(lease, "name");
        int64_t first = name ? commands_of(before, name) : -1, last = name ? commands_of(now, name) : -1;

        if (first >= 0 && last >= first && seconds > 0)
            json_object_object_add(lease, "iops",
                                   json_object_new_int64((int64_t)((double)(last - first) / seconds)));
    }
}

static void print_json(const struct look *look)
{
    struct json_object *answer = json_object_new_object();

    json_object_object_add(answer, "status", json_object_get(look->status));
    json_object_object_add(answer, "tenants", json_object_get(look->tenants));
    json_object_object_add(answer, "leases", json_object_get(look->leases));
    puts(json_object_to_json_string_ext(answer, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
    json_object_put(answer);
}

static enum exit_status print_look(const struct options *options, const struct look *look)
{
    char clock[16], memory[FORMAT_BYTES];
    time_t now = time(NULL);
    enum exit_status status;
    struct tm parts;

    localtime_r(&now, &parts);
    strftime(clock, sizeof(clock), "%H:%M:%S", &parts);
    format_bytes((uint64_t)member_number(look->status, "memoryBytes"), memory);
    /* From the upper left corner, so that nothing flickers; what was below is cleared at the end. */
    if (isatty(STDOUT_FILENO))
        printf("\033[H\033[2J");
    printf("%s  %" PRId64 " leases, %" PRId64 " queue pairs, %" PRId64 " connections, %s registered\n\n",
           clock, member_number(look->status, "leases"), member_number(look->status, "queuePairs"),
           member_number(look->status, "connections"), memory);
    status = listing_print(options, &listing_tenants, look->tenants);
    if (status == EXIT_OK && json_object_array_length(look->leases)) {
        printf("\n");
        status = listing_print(options, &busy_leases, look->leases);
    }
    printf("\n");
    return status;
}

enum exit_status command_top(const struct options *options, char **arguments)
{
    const struct timespec interval = {.tv_sec = options->given & OPTION_INTERVAL ? options->interval : 1};
    struct look before = {0};
    enum exit_status status;

    (void)arguments;
    for (;;) {
        struct look seen = {0};

        status = look(options, &seen);
        if (status == EXIT_OK)
            add_rates(&seen, &before);
        if (status == EXIT_OK && options->given & OPTION_JSON)
            print_json(&seen);
        else if (status == EXIT_OK)
            status = print_look(options, &seen);
        look_clear(&before);
        before = seen;
        /* A reader that went away ends it. */
        if (status != EXIT_OK || fflush(stdout) != 0)
            break;
        nanosleep(&interval, NULL);
    }
    look_clear(&before);
    return status;
}
