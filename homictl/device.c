/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>

#include "homictl/call.h"

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
