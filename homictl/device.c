/* SPDX-License-Identifier: BSD-3-Clause */
/* What steers devices, and homid as a whole. */
#include <stdio.h>

#include "homictl/call.h"

#define WAIT_SECONDS_DEFAULT 120

enum exit_status command_retry(const struct options *options, char **arguments)
{
    struct json_object *parameters = json_object_new_object(), *reply = NULL;
    enum exit_status status;
    char tried[128];

    snprintf(tried, sizeof(tried), "retry %s", arguments[1] ? arguments[1] : arguments[0]);
    json_object_object_add(parameters, "device", json_object_new_string(arguments[0]));
    if (arguments[1])
        json_object_object_add(parameters, "virtualFunction", json_object_new_string(arguments[1]));
    status = call(options, tried, ADMIN_METHOD("Retry"), parameters, &reply);
    if (status == EXIT_OK && (options->given & OPTION_JSON))
        status = call_print_json(reply);
    json_object_put(reply);
    return status;
}

enum exit_status command_drain(const struct options *options, char **arguments)
{
    struct json_object *parameters = json_object_new_object(), *reply = NULL;
    int64_t wait = options->given & OPTION_WAIT ? options->wait : WAIT_SECONDS_DEFAULT;
    enum exit_status status;

    (void)arguments;
    json_object_object_add(parameters, "waitMilliseconds", json_object_new_int64(wait * 1000));
    json_object_object_add(parameters, "requestId", call_request_id());
    status = call(options, "drain homid", ADMIN_METHOD("Drain"), parameters, &reply);
    if (status == EXIT_OK && (options->given & OPTION_JSON))
        status = call_print_json(reply);
    json_object_put(reply);
    return status;
}

enum exit_status command_undrain(const struct options *options, char **arguments)
{
    struct json_object *parameters = json_object_new_object(), *reply = NULL;
    enum exit_status status;

    (void)arguments;
    json_object_object_add(parameters, "requestId", call_request_id());
    status = call(options, "undrain homid", ADMIN_METHOD("Undrain"), parameters, &reply);
    if (status == EXIT_OK && (options->given & OPTION_JSON))
        status = call_print_json(reply);
    json_object_put(reply);
    return status;
}
