/* SPDX-License-Identifier: BSD-3-Clause */
/* Desired state on demand: tries again what is in quarantine, then waits until nothing moves any more. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "homictl/call.h"
#include "homictl/listing.h"

#define WAIT_SECONDS_DEFAULT 120
#define LOOK_MILLISECONDS    100

enum progress_state { MOVING, READY, STUCK };

/* What a device is up to; it counts what is free and what is held as ready. */
static enum progress_state device_state(struct json_object *device)
{
    const char *state = member_text(device, "state");
    int64_t there = member_number(device, "functionsReady") + member_number(device, "functionsLeased");

    if (!state || !strcmp(state, "quarantined") || !strcmp(state, "absent"))
        return STUCK;
    if (strcmp(state, "ready") != 0)
        return MOVING;
    return there >= member_number(device, "functionsDesired") ? READY : STUCK;
}

static bool is_meant(struct json_object *device, const char *name)
{
    const char *own = member_text(device, "name");

    return own && (!name || !strcmp(own, name));
}

/* Asks for every device that is meant and not ready. One that is in no quarantine is on its way or absent. */
static enum exit_status retry_all(const struct options *options, struct json_object *devices,
                                  const char *name)
{
    bool found = false;

    for (size_t i = 0; i < json_object_array_length(devices); i++) {
        struct json_object *device = json_object_array_get_idx(devices, i), *reply = NULL;
        struct json_object *parameters;

        if (!is_meant(device, name))
            continue;
        found = true;
        if (device_state(device) != STUCK)
            continue;
        parameters = json_object_new_object();
        json_object_object_add(parameters, "device", json_object_get(member(device, "name")));
        /* Refused where nothing is in quarantine, which is as good. */
        call(options, NULL, ADMIN_METHOD("Retry"), parameters, &reply);
        json_object_put(reply);
    }
    if (found || !name)
        return EXIT_OK;
    fprintf(stderr,
            "homictl: cannot provision %s: the configuration has no such device\n"
            "  next: see `homictl list devices`\n",
            name);
    return EXIT_REFUSED;
}

static unsigned count_in(struct json_object *devices, const char *name, enum progress_state state)
{
    unsigned count = 0;

    for (size_t i = 0; devices && i < json_object_array_length(devices); i++) {
        struct json_object *device = json_object_array_get_idx(devices, i);

        count += is_meant(device, name) && device_state(device) == state;
    }
    return count;
}

/* Functions that are coming or going. Their device may call itself ready meanwhile. */
static unsigned count_moving(struct json_object *functions, const char *name)
{
    static const char *const states[] = {"offline", "provisioned", "online",
                                         "bound",   "draining",    "scrubbing"};
    unsigned count = 0;

    for (size_t i = 0; functions && i < json_object_array_length(functions); i++) {
        struct json_object *function = json_object_array_get_idx(functions, i);
        const char *state = member_text(function, "state"), *device = member_text(function, "device");

        if (!state || !device || (name && strcmp(device, name) != 0))
            continue;
        for (size_t n = 0; n < sizeof(states) / sizeof(states[0]); n++)
            count += !strcmp(state, states[n]);
    }
    return count;
}

static void report_stuck(struct json_object *devices, const char *name)
{
    for (size_t i = 0; i < json_object_array_length(devices); i++) {
        struct json_object *device = json_object_array_get_idx(devices, i);
        const char *reason = member_text(device, "reason");

        if (!is_meant(device, name) || device_state(device) == READY)
            continue;
        fprintf(stderr,
                "homictl: cannot provision %s: it is %s with %" PRId64 " of %" PRId64
                " virtual functions%s%s\n  next: see `homictl show %s` and `journalctl -u homid`\n",
                member_text(device, "name"), member_text(device, "state"),
                member_number(device, "functionsReady") + member_number(device, "functionsLeased"),
                member_number(device, "functionsDesired"), reason ? ": " : "", reason ? reason : "",
                member_text(device, "name"));
    }
}

static int64_t now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

/* Looks until nothing that is meant moves, or the time is up. *ret_devices is the caller's. */
static enum exit_status wait_until_settled(const struct options *options, const char *name,
                                           struct json_object **ret_devices)
{
    int64_t limit = options->given & OPTION_WAIT ? options->wait : WAIT_SECONDS_DEFAULT, begin = now();
    bool terminal = isatty(STDERR_FILENO), shown = false;

    for (;;) {
        struct json_object *devices = NULL, *functions = NULL;
        enum exit_status status = listing_fetch(options, &listing_functions, false, &functions);
        int64_t waited = now() - begin;
        unsigned moving = count_moving(functions, name);

        /* Devices last: what they say is then at least as new. */
        if (status == EXIT_OK)
            status = listing_fetch(options, &listing_devices, false, &devices);
        json_object_put(functions);
        moving += count_in(devices, name, MOVING);
        if (status != EXIT_OK || moving == 0 || waited >= limit * 1000) {
            if (shown)
                fprintf(stderr, "\r\033[K");
            *ret_devices = devices;
            return status;
        }
        if (terminal && waited > 1000) {
            fprintf(stderr, "\rprovisioning: %u devices ready, %u on their way ... %" PRId64 " s",
                    count_in(devices, name, READY), moving, waited / 1000);
            shown = true;
        }
        json_object_put(devices);
        nanosleep(&(struct timespec){.tv_nsec = LOOK_MILLISECONDS * 1000000L}, NULL);
    }
}

enum exit_status command_provision(const struct options *options, char **arguments)
{
    struct json_object *devices = NULL, *answer;
    enum exit_status status = listing_fetch(options, &listing_devices, false, &devices);

    if (status == EXIT_OK)
        status = retry_all(options, devices, arguments[0]);
    json_object_put(devices);
    devices = NULL;
    if (status == EXIT_OK)
        status = wait_until_settled(options, arguments[0], &devices);
    if (status != EXIT_OK)
        return status;
    if (options->given & OPTION_JSON) {
        answer = json_object_new_object();
        json_object_object_add(answer, "devices", json_object_get(devices));
        status = call_print_json(answer);
        json_object_put(answer);
    } else if (json_object_array_length(devices)) {
        status = listing_print(options, &listing_devices, devices);
    }
    if (status == EXIT_OK &&
        count_in(devices, arguments[0], MOVING) + count_in(devices, arguments[0], STUCK)) {
        report_stuck(devices, arguments[0]);
        status = EXIT_DEGRADED;
    }
    json_object_put(devices);
    return status;
}
