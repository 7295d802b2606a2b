/* SPDX-License-Identifier: BSD-3-Clause */
/* Faults in the software SSD while it runs: calls of io.homi.Model, on a socket of the software SSD's own. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "homictl/call.h"
#include "homictl/listing.h"

#define MODEL_METHOD(name) "io.homi.Model." name
#define MODEL_SOCKET_ENV   "HOMI_MODEL_SOCKET"

static const struct listing listing_models = {
    "model list",
    MODEL_METHOD("ListDevices"),
    "devices",
    {{"SERIAL", LISTING_TEXT, "serial", NULL},
     {"ADDRESS", LISTING_TEXT, "address", NULL},
     {"PRESENT", LISTING_YES, "present", NULL},
     {"VFS", LISTING_OF, "functionsEnabled", "functionsTotal"},
     {"FAULTS", LISTING_NUMBER, "faults", NULL},
     {"STRAYS", LISTING_NUMBER, "strayAccesses", NULL},
     {0}},
};

static const struct listing listing_faults = {
    "model faults",
    MODEL_METHOD("ListFaults"),
    "faults",
    {{"FAULT", LISTING_NUMBER, "number", NULL},
     {"SEEN", LISTING_NUMBER, "seen", NULL},
     {"FIRED", LISTING_NUMBER, "fired", NULL},
     {"RULE", LISTING_TEXT, "text", NULL},
     {0}},
};

/* A call on the software SSD's socket, which is not homid's. */
static enum exit_status call_model(const struct options *options, const char *tried, const char *method,
                                   struct json_object *parameters, struct json_object **ret_reply)
{
    const char *environment = getenv(MODEL_SOCKET_ENV), *directory = getenv("XDG_RUNTIME_DIR");
    struct options own = *options;
    char path[128];

    if (!(own.given & OPTION_SOCKET)) {
        snprintf(path, sizeof(path), "%s/homi/model-control.sock",
                 directory && *directory ? directory : "/run");
        own.socket = environment && *environment ? environment : path;
        own.given |= OPTION_SOCKET;
    }
    own.model = true;
    return call(&own, tried, method, parameters, ret_reply);
}

static struct json_object *with_device(const char *serial)
{
    struct json_object *parameters = json_object_new_object();

    json_object_object_add(parameters, "device", json_object_new_string(serial));
    return parameters;
}

/* "key=value" to a member: a number where the value is one (0x.. too). false: it is not of that form. */
static bool add_pair(struct json_object *object, const char *pair)
{
    const char *equals = strchr(pair, '=');
    char key[32], *end;

    if (!equals || equals == pair || (size_t)(equals - pair) >= sizeof(key) || !equals[1])
        return false;
    snprintf(key, sizeof(key), "%.*s", (int)(equals - pair), pair);
    errno = 0;
    long long number = strtoll(equals + 1, &end, 0);
    bool is_number = !errno && !*end;
    return json_object_object_add(object, key,
                                  is_number ? json_object_new_int64(number)
                                            : json_object_new_string(equals + 1)) == 0;
}

static enum exit_status add_pairs(struct json_object *object, const char *command, char **pairs)
{
    for (; *pairs; pairs++) {
        if (add_pair(object, *pairs))
            continue;
        fprintf(stderr, "homictl: %s takes KEY=VALUE, not '%s'\n  next: see `homictl %s --help`\n", command,
                *pairs, command);
        return EXIT_USAGE;
    }
    return EXIT_OK;
}

enum exit_status command_model_list(const struct options *options, char **arguments)
{
    struct json_object *reply = NULL;

    (void)arguments;
    enum exit_status status =
        call_model(options, "list the software SSDs", listing_models.method, NULL, &reply);
    if (status == EXIT_OK)
        status = options->given & OPTION_JSON
                     ? call_print_json(reply)
                     : listing_print(options, &listing_models, member(reply, "devices"));
    json_object_put(reply);
    return status;
}

enum exit_status command_model_faults(const struct options *options, char **arguments)
{
    struct json_object *reply = NULL, *list;

    enum exit_status status =
        call_model(options, "list the faults", listing_faults.method, with_device(arguments[0]), &reply);
    if (status == EXIT_OK && options->given & OPTION_JSON) {
        status = call_print_json(reply);
    } else if (status == EXIT_OK) {
        list = member(reply, "faults");
        for (size_t i = 0; list && i < json_object_array_length(list); i++) {
            struct json_object *entry = json_object_array_get_idx(list, i);
            json_object_object_add(
                entry, "text",
                json_object_new_string(json_object_to_json_string_ext(member(entry, "rule"), 0)));
        }
        status = listing_print(options, &listing_faults, list);
    }
    json_object_put(reply);
    return status;
}

enum exit_status command_model_fault(const struct options *options, char **arguments)
{
    struct json_object *parameters = with_device(arguments[0]), *rule = json_object_new_object();
    struct json_object *reply = NULL;

    json_object_object_add(parameters, "rule", rule);
    enum exit_status status = add_pairs(rule, "model fault", arguments + 1);
    if (status != EXIT_OK) {
        json_object_put(parameters);
        return status;
    }
    status = call_model(options, "add the fault", MODEL_METHOD("AddFault"), parameters, &reply);
    if (status == EXIT_OK && options->given & OPTION_JSON)
        status = call_print_json(reply);
    else if (status == EXIT_OK)
        printf("%lld\n", (long long)member_number(reply, "number"));
    json_object_put(reply);
    return status;
}

enum exit_status command_model_clear(const struct options *options, char **arguments)
{
    struct json_object *parameters = with_device(arguments[0]), *reply = NULL;
    char *end;

    if (arguments[1]) {
        errno = 0;
        long long number = strtoll(arguments[1], &end, 10);
        if (errno || *end || number < 1) {
            fprintf(stderr, "homictl: '%s' is no number of a fault\n  next: see `homictl model faults %s`\n",
                    arguments[1], arguments[0]);
            json_object_put(parameters);
            return EXIT_USAGE;
        }
        json_object_object_add(parameters, "number", json_object_new_int64(number));
    }
    enum exit_status status =
        call_model(options, "remove faults", MODEL_METHOD("RemoveFaults"), parameters, &reply);
    if (status == EXIT_OK && options->given & OPTION_JSON)
        status = call_print_json(reply);
    json_object_put(reply);
    return status;
}

enum exit_status command_model_do(const struct options *options, char **arguments)
{
    struct json_object *parameters = with_device(arguments[0]), *reply = NULL;
    char tried[128];

    json_object_object_add(parameters, "act", json_object_new_string(arguments[1]));
    enum exit_status status = add_pairs(parameters, "model do", arguments + 2);
    if (status != EXIT_OK) {
        json_object_put(parameters);
        return status;
    }
    snprintf(tried, sizeof(tried), "%s %s", arguments[1], arguments[0]);
    status = call_model(options, tried, MODEL_METHOD("Do"), parameters, &reply);
    if (status == EXIT_OK && options->given & OPTION_JSON)
        status = call_print_json(reply);
    json_object_put(reply);
    return status;
}
