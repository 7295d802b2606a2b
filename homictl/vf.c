/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>
#include <sys/random.h>

#include "homictl/call.h"

/* Unique, so that a call that is sent again is never carried out twice. */
static struct json_object *new_request_id(void)
{
    unsigned char random[12];
    char text[2 * sizeof(random) + 1];

    if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
        return NULL;
    for (size_t i = 0; i < sizeof(random); i++)
        snprintf(text + 2 * i, 3, "%02x", random[i]);
    return json_object_new_string(text);
}

enum exit_status command_vf_alloc(const struct options *options, char **arguments)
{
    struct json_object *parameters = json_object_new_object(), *reply = NULL, *functions;
    enum exit_status status;
    char tried[128];

    (void)arguments;
    snprintf(tried, sizeof(tried), "reserve virtual functions for tenant %s", options->tenant);
    json_object_object_add(parameters, "tenant", json_object_new_string(options->tenant));
    if (options->devices)
        json_object_object_add(parameters, "devices", json_object_get(options->devices));
    if (options->namespaces)
        json_object_object_add(parameters, "namespaces", json_object_get(options->namespaces));
    if (options->given & OPTION_QUEUES)
        json_object_object_add(parameters, "queuePairs", json_object_new_int64(options->queues));
    json_object_object_add(parameters, "requestId", new_request_id());
    status = call(options, tried, ADMIN_METHOD("AllocateVirtualFunctions"), parameters, &reply);
    if (status != EXIT_OK)
        return status;
    if (options->given & OPTION_JSON) {
        status = call_print_json(reply);
    } else {
        functions = member(reply, "virtualFunctions");
        printf("%s", member_text(reply, "lease"));
        for (size_t i = 0; functions && i < json_object_array_length(functions); i++)
            printf(" %s", json_object_get_string(json_object_array_get_idx(functions, i)));
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
    json_object_object_add(parameters, "requestId", new_request_id());
    status = call(options, tried, ADMIN_METHOD("FreeLease"), parameters, &reply);
    if (status == EXIT_OK && (options->given & OPTION_JSON))
        status = call_print_json(reply);
    json_object_put(reply);
    return status;
}
