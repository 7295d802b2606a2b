/* SPDX-License-Identifier: BSD-3-Clause */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "homictl/call.h"
#include "homictl/format.h"
#include "homictl/listing.h"
#include "homictl/table.h"

/* What to do about a device, by its state. */
static void print_advice(struct json_object *device)
{
    const char *name = member_text(device, "name"), *state = member_text(device, "state");

    if (!name || !state)
        return;
    if (!strcmp(state, "quarantined"))
        printf("  next: mend what keeps %1$s in quarantine, then `homictl retry %1$s`\n", name);
    else if (!strcmp(state, "absent"))
        printf("  next: see that %s is plugged in, and its serial or address in homid.conf\n", name);
    else if (!strcmp(state, "ready") &&
             member_number(device, "functionsReady") + member_number(device, "functionsLeased") <
                 member_number(device, "functionsDesired"))
        printf("  next: see `homictl list vfs`; `homictl retry DEVICE FUNCTION` ends a quarantine\n");
}

static void print_summary(struct json_object *reply, bool degraded, bool colour)
{
    char age[FORMAT_BYTES], memory[FORMAT_BYTES];
    const char *version = member_text(reply, "version");
    bool ready = member_true(reply, "ready");

    format_age((uint64_t)member_number(reply, "uptimeSeconds"), age);
    format_bytes((uint64_t)member_number(reply, "memoryBytes"), memory);
    printf("homid ");
    table_text(stdout, TABLE_PLAIN, colour, version ? version : "?");
    printf(": ");
    table_text(stdout, degraded ? TABLE_WARNING : TABLE_GOOD, colour,
               !ready     ? "starting"
               : degraded ? "degraded"
                          : "ready");
    printf(", pid %" PRId64 ", up %s\n", member_number(reply, "pid"), age);
    printf("%" PRId64 " leases, %" PRId64 " queue pairs, %" PRId64 " connections, %s registered\n",
           member_number(reply, "leases"), member_number(reply, "queuePairs"),
           member_number(reply, "connections"), memory);
}

static void print_problems(struct json_object *problems, struct json_object *devices, bool colour)
{
    size_t count = json_object_array_length(problems);

    if (count)
        printf("\nProblems:\n");
    for (size_t i = 0; i < count; i++) {
        printf("  ");
        table_text(stdout, TABLE_BAD, colour, json_object_get_string(json_object_array_get_idx(problems, i)));
        printf("\n");
    }
    for (size_t i = 0; count && i < json_object_array_length(devices); i++)
        print_advice(json_object_array_get_idx(devices, i));
}

/* Not everything that is configured is there. */
static bool is_degraded(struct json_object *reply, struct json_object *devices, struct json_object *problems)
{
    bool degraded = !member_true(reply, "ready") || json_object_array_length(problems) > 0;

    for (size_t i = 0; i < json_object_array_length(devices); i++) {
        const char *state = member_text(json_object_array_get_idx(devices, i), "state");

        degraded |= !state || strcmp(state, "ready") != 0;
    }
    return degraded;
}

enum exit_status command_status(const struct options *options, char **arguments)
{
    struct json_object *reply = NULL, *devices, *problems;
    enum exit_status status = call(options, "show the status", ADMIN_METHOD("GetStatus"), NULL, &reply);
    bool colour = call_colour(options, stdout), degraded;

    (void)arguments;
    if (status != EXIT_OK)
        return status;
    devices = member(reply, "devices");
    problems = member(reply, "problems");
    if (!json_object_is_type(devices, json_type_array) || !json_object_is_type(problems, json_type_array)) {
        fprintf(stderr, "homictl: cannot show the status: homid's reply has no devices or problems\n"
                        "  next: see that homictl and homid are of the same version\n");
        json_object_put(reply);
        return EXIT_SYSTEM;
    }
    degraded = is_degraded(reply, devices, problems);
    if (options->given & OPTION_JSON) {
        status = call_print_json(reply);
    } else {
        print_summary(reply, degraded, colour);
        printf("\n");
        if (json_object_array_length(devices))
            status = listing_print(options, &listing_devices, devices);
        else
            printf("No device is configured: see homid.conf(5).\n");
        print_problems(problems, devices, colour);
    }
    json_object_put(reply);
    return status == EXIT_OK && degraded ? EXIT_DEGRADED : status;
}
