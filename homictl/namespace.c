/* SPDX-License-Identifier: BSD-3-Clause */
/* What is done to namespaces. Whoever is about to destroy data is shown what that would be, and asked. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "homictl/call.h"
#include "homictl/format.h"
#include "homictl/listing.h"

/* "ssd0:2". Says what is wrong with one that is none. */
static bool read_place(const char *text, struct json_object *parameters)
{
    const char *colon = strrchr(text, ':');
    char *end = NULL;

    errno = 0;
    unsigned long long id = colon ? strtoull(colon + 1, &end, 10) : 0;

    if (!colon || colon == text || !end || end == colon + 1 || *end || errno || id < 1 || id >= UINT32_MAX) {
        fprintf(stderr,
                "homictl: '%s' is no namespace: that is DEVICE:ID, like ssd0:2\n"
                "  next: see `homictl list namespaces`\n",
                text);
        return false;
    }
    json_object_object_add(parameters, "device", json_object_new_string_len(text, (int)(colon - text)));
    json_object_object_add(parameters, "namespace", json_object_new_int64((int64_t)id));
    return true;
}

/* "100G": K, M, G and T are powers of 1024. */
static bool read_size(const char *text, int64_t *ret_bytes)
{
    static const char units[] = "KMGT";
    char *end;
    unsigned shift = 0;

    errno = 0;
    long long number = strtoll(text, &end, 10);
    const char *unit = *end ? strchr(units, *end) : NULL;

    if (unit) {
        shift = 10 * (unsigned)(unit - units + 1);
        end++;
    }
    if (errno || end == text || *end || number < 1 || number > INT64_MAX >> shift) {
        fprintf(stderr, "homictl: '%s' is no size: that is a number of bytes, or one with K, M, G or T\n",
                text);
        return false;
    }
    *ret_bytes = (int64_t)number << shift;
    return true;
}

/* What is there, in a line; nothing when homid has no such namespace, which it says itself. */
static void describe(const struct options *options, struct json_object *parameters)
{
    struct json_object *rows = NULL;

    listing_fetch(options, &listing_namespaces, true, &rows);
    for (size_t i = 0; rows && i < json_object_array_length(rows); i++) {
        struct json_object *row = json_object_array_get_idx(rows, i), *allowed = member(row, "allowed");
        const char *device = member_text(row, "device"), *holder = member_text(row, "holder");
        char size[FORMAT_BYTES];

        if (!device || strcmp(device, member_text(parameters, "device")) != 0 ||
            member_number(row, "id") != member_number(parameters, "namespace"))
            continue;
        format_bytes((uint64_t)member_number(row, "blocks") * (uint64_t)member_number(row, "blockBytes"),
                     size);
        fprintf(stderr, "Namespace %" PRId64 " of %s: %s", member_number(row, "id"), device, size);
        for (size_t n = 0; allowed && n < json_object_array_length(allowed); n++)
            fprintf(stderr, "%s%s", n ? ", " : ", configured for ",
                    json_object_get_string(json_object_array_get_idx(allowed, n)));
        fprintf(stderr, "%s%s\n", holder ? ", held by " : ", held by nobody", holder ? holder : "");
    }
    json_object_put(rows);
}

/* Asks before data is destroyed, unless --yes was given. Without a terminal nobody can be asked. */
static bool is_agreed(const struct options *options, struct json_object *parameters)
{
    char answer[16] = "";

    if (options->given & OPTION_YES)
        return true;
    describe(options, parameters);
    if (!isatty(STDIN_FILENO)) {
        fprintf(stderr, "homictl: this destroys the data of the namespace, and nobody is there to ask\n"
                        "  next: give --yes\n");
        return false;
    }
    fprintf(stderr, "All data in it will be destroyed. Type yes to go on: ");
    if (fgets(answer, sizeof(answer), stdin) && !strcmp(answer, "yes\n"))
        return true;
    fprintf(stderr, "Nothing was changed.\n");
    return false;
}

static enum exit_status carry_out(const struct options *options, const char *tried, const char *method,
                                  struct json_object *parameters)
{
    struct json_object *reply = NULL;
    enum exit_status status;

    if (options->given & OPTION_BLOCK)
        json_object_object_add(parameters, "blockBytes", json_object_new_int64(options->block));
    json_object_object_add(parameters, "requestId", call_request_id());
    status = call(options, tried, method, json_object_get(parameters), &reply);
    if (status == EXIT_OK && (options->given & OPTION_JSON))
        status = call_print_json(reply);
    else if (status == EXIT_OK && member(reply, "namespace"))
        printf("%s:%" PRId64 "\n", member_text(parameters, "device"), member_number(reply, "namespace"));
    json_object_put(reply);
    return status;
}

static enum exit_status change(const struct options *options, const char *place, const char *verb,
                               const char *method, bool destroys)
{
    struct json_object *parameters = json_object_new_object();
    enum exit_status status = EXIT_USAGE;
    char tried[128];

    snprintf(tried, sizeof(tried), "%s namespace %s", verb, place);
    if (read_place(place, parameters) && (!destroys || is_agreed(options, parameters)))
        status = carry_out(options, tried, method, parameters);
    json_object_put(parameters);
    return status;
}

enum exit_status command_namespace_create(const struct options *options, char **arguments)
{
    struct json_object *parameters = json_object_new_object();
    enum exit_status status = EXIT_USAGE;
    char tried[128];
    int64_t bytes;

    snprintf(tried, sizeof(tried), "create a namespace on %s", arguments[0]);
    if (read_size(arguments[1], &bytes)) {
        json_object_object_add(parameters, "device", json_object_new_string(arguments[0]));
        json_object_object_add(parameters, "sizeBytes", json_object_new_int64(bytes));
        if (options->given & OPTION_SHARED)
            json_object_object_add(parameters, "shared", json_object_new_boolean(true));
        status = carry_out(options, tried, ADMIN_METHOD("CreateNamespace"), parameters);
    }
    json_object_put(parameters);
    return status;
}

enum exit_status command_namespace_delete(const struct options *options, char **arguments)
{
    return change(options, arguments[0], "delete", ADMIN_METHOD("DeleteNamespace"), true);
}

enum exit_status command_namespace_format(const struct options *options, char **arguments)
{
    return change(options, arguments[0], "format", ADMIN_METHOD("FormatNamespace"), true);
}

enum exit_status command_namespace_attach(const struct options *options, char **arguments)
{
    return change(options, arguments[0], "attach to the host", ADMIN_METHOD("AttachNamespace"), false);
}

enum exit_status command_namespace_detach(const struct options *options, char **arguments)
{
    return change(options, arguments[0], "detach from the host", ADMIN_METHOD("DetachNamespace"), false);
}
