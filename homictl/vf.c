/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>

#include "homictl/call.h"

static void print_words(struct json_object *words)
{
    for (size_t i = 0; words && i < json_object_array_length(words); i++)
        printf(" %s", json_object_get_string(json_object_array_get_idx(words, i)));
}

static void add_loan(const struct options *options, struct json_object *parameters)
{
    struct json_object *keeper = json_object_new_object();

    if (options->given & (OPTION_PASSTHROUGH | OPTION_KERNEL))
        json_object_object_add(
            parameters, "kind",
            json_object_new_string(options->given & OPTION_KERNEL ? "kernel" : "passthrough"));
    if (options->given & OPTION_USER)
        json_object_object_add(parameters, "user", json_object_new_int64(options->user));
    if (options->given & OPTION_KILL)
        json_object_object_add(parameters, "killHolders", json_object_new_boolean(true));
    if (options->given & OPTION_CONTAINER)
        json_object_object_add(parameters, "container", json_object_new_boolean(true));
    if (options->given & OPTION_LEASE_SOCKET)
        json_object_object_add(parameters, "socket", json_object_new_boolean(true));
    if (options->given & OPTION_PID)
        json_object_object_add(keeper, "pid", json_object_new_int64(options->pid));
    if (options->given & OPTION_UNIT)
        json_object_object_add(keeper, "unit", json_object_new_string(options->unit));
    if (json_object_object_length(keeper))
        json_object_object_add(parameters, "keeper", keeper);
    else
        json_object_put(keeper);
}

/* Options that only go together, or never. */
static bool contradicts(const struct options *options)
{
    unsigned kinds = options->given & (OPTION_PASSTHROUGH | OPTION_KERNEL);
    const char *what = NULL;

    if (kinds == (OPTION_PASSTHROUGH | OPTION_KERNEL))
        what = "--passthrough and --kernel exclude each other";
    else if ((options->given & (OPTION_PID | OPTION_UNIT)) == (OPTION_PID | OPTION_UNIT))
        what = "--pid and --unit exclude each other";
    else if (!kinds && (options->given & (OPTION_USER | OPTION_KILL)))
        what = "--user and --kill go with --passthrough or --kernel";
    else if (kinds && (options->given & OPTION_LEASE_SOCKET))
        what = "--lease-socket does not go with --passthrough or --kernel";
    if (what)
        fprintf(stderr, "homictl: %s\n  next: see `homictl vf alloc --help`\n", what);
    return what != NULL;
}

enum exit_status command_vf_alloc(const struct options *options, char **arguments)
{
    struct json_object *parameters, *reply = NULL;
    enum exit_status status;
    char tried[128];

    (void)arguments;
    if (contradicts(options))
        return EXIT_USAGE;
    parameters = json_object_new_object();
    snprintf(tried, sizeof(tried), "reserve virtual functions for tenant %s", options->tenant);
    json_object_object_add(parameters, "tenant", json_object_new_string(options->tenant));
    if (options->devices)
        json_object_object_add(parameters, "devices", json_object_get(options->devices));
    if (options->namespaces)
        json_object_object_add(parameters, "namespaces", json_object_get(options->namespaces));
    if (options->given & OPTION_QUEUES)
        json_object_object_add(parameters, "queuePairs", json_object_new_int64(options->queues));
    add_loan(options, parameters);
    if (options->given & OPTION_EXPIRES)
        json_object_object_add(parameters, "expiresSeconds", json_object_new_int64(options->expires));
    json_object_object_add(parameters, "requestId", call_request_id());
    status = call(options, tried, ADMIN_METHOD("AllocateVirtualFunctions"), parameters, &reply);
    if (status != EXIT_OK)
        return status;
    if (options->given & OPTION_JSON) {
        status = call_print_json(reply);
    } else {
        printf("%s", member_text(reply, "lease"));
        print_words(member(reply, "virtualFunctions"));
        print_words(member(reply, "nodes"));
        if (member(reply, "socket"))
            printf(" %s", member_text(reply, "socket"));
        if (member(reply, "containerDevice"))
            printf(" %s", member_text(reply, "containerDevice"));
        printf("\n");
    }
    json_object_put(reply);
    return status;
}

enum exit_status command_vf_free(const struct options *options, char **arguments)
{
    struct json_object *parameters = json_object_new_object(), *reply = NULL;
    enum exit_status status;
    char tried[128];

    snprintf(tried, sizeof(tried), "free lease %s", arguments[0]);
    json_object_object_add(parameters, "lease", json_object_new_string(arguments[0]));
    if (options->given & OPTION_FORCE)
        json_object_object_add(parameters, "force", json_object_new_boolean(true));
    json_object_object_add(parameters, "requestId", call_request_id());
    status = call(options, tried, ADMIN_METHOD("FreeLease"), parameters, &reply);
    if (status == EXIT_OK && (options->given & OPTION_JSON))
        status = call_print_json(reply);
    json_object_put(reply);
    return status;
}

enum exit_status command_lease_revoke(const struct options *options, char **arguments)
{
    struct json_object *parameters = json_object_new_object(), *reply = NULL;
    enum exit_status status;
    char tried[128];

    snprintf(tried, sizeof(tried), "revoke lease %s", arguments[0]);
    json_object_object_add(parameters, "lease", json_object_new_string(arguments[0]));
    if (options->given & OPTION_GRACE)
        json_object_object_add(parameters, "graceSeconds", json_object_new_int64(options->grace));
    if (options->given & OPTION_KILL)
        json_object_object_add(parameters, "kill", json_object_new_boolean(true));
    json_object_object_add(parameters, "requestId", call_request_id());
    status = call(options, tried, ADMIN_METHOD("RevokeLease"), parameters, &reply);
    if (status == EXIT_OK && (options->given & OPTION_JSON))
        status = call_print_json(reply);
    json_object_put(reply);
    return status;
}
