/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>
#include <string.h>

#include "homictl/call.h"
#include "homictl/listing.h"

const struct listing listing_devices = {
    "devices",
    ADMIN_METHOD("ListDevices"),
    "devices",
    {{"DEVICE", LISTING_TEXT, "name", NULL},
     {"STATE", LISTING_STATE, "state", NULL},
     {"ADDRESS", LISTING_TEXT, "address", NULL},
     {"CONTROLLER", LISTING_TEXT, "controller", NULL},
     {"MODEL", LISTING_TEXT, "model", NULL},
     {"SERIAL", LISTING_TEXT, "serial", NULL},
     {"FIRMWARE", LISTING_TEXT | LISTING_WIDE, "firmware", NULL},
     {"VFS", LISTING_NUMBER, "functionsDesired", NULL},
     {"READY", LISTING_NUMBER, "functionsReady", NULL},
     {"LEASED", LISTING_NUMBER, "functionsLeased", NULL},
     {"TOTALVFS", LISTING_NUMBER, "functionsTotal", NULL},
     {"QUEUES/VF", LISTING_NUMBER, "queuePairsDesired", NULL},
     {"INTERRUPTS/VF", LISTING_NUMBER | LISTING_WIDE, "interruptsDesired", NULL},
     {"DIRECT", LISTING_WORDS, "confinement", NULL},
     {"WHY", LISTING_TEXT | LISTING_WIDE, "confinementReason", NULL},
     {"REASON", LISTING_TEXT, "reason", NULL},
     {0}},
};

const struct listing listing_functions = {
    "vfs",
    ADMIN_METHOD("ListVirtualFunctions"),
    "virtualFunctions",
    {{"VF", LISTING_TEXT, "name", NULL},
     {"DEVICE", LISTING_TEXT, "device", NULL},
     {"INDEX", LISTING_NUMBER, "index", NULL},
     {"CNTLID", LISTING_NUMBER, "controllerId", NULL},
     {"STATE", LISTING_STATE, "state", NULL},
     {"GROUP", LISTING_NUMBER, "iommuGroup", NULL},
     {"QUEUES", LISTING_OF, "queuePairsUsed", "queuePairs"},
     {"INTERRUPTS", LISTING_NUMBER, "interrupts", NULL},
     {"TENANT", LISTING_TEXT, "tenant", NULL},
     {"LEASE", LISTING_TEXT, "lease", NULL},
     {"DIRECT", LISTING_WORDS | LISTING_WIDE, "confinement", NULL},
     {"WHY", LISTING_TEXT | LISTING_WIDE, "confinementReason", NULL},
     {"REASON", LISTING_TEXT, "reason", NULL},
     {0}},
};

const struct listing listing_leases = {
    "leases",
    ADMIN_METHOD("ListLeases"),
    "leases",
    {{"LEASE", LISTING_TEXT, "name", NULL},
     {"TENANT", LISTING_TEXT, "tenant", NULL},
     {"KIND", LISTING_TEXT, "kind", NULL},
     {"STATE", LISTING_STATE, "state", NULL},
     {"RESERVED", LISTING_YES, "reserved", NULL},
     {"VFS", LISTING_LIST, "virtualFunctions", NULL},
     {"NAMESPACES", LISTING_LIST, "namespaces", NULL},
     {"QUEUES", LISTING_OF, "queuePairsUsed", "queuePairs"},
     {"MEMORY", LISTING_BYTES, "memoryBytes", NULL},
     {"AGE", LISTING_AGE, "ageSeconds", NULL},
     {"ENDS IN", LISTING_AGE, "endsInSeconds", NULL},
     {"PIDS", LISTING_LIST, "holders", "pid"},
     {"UIDS", LISTING_LIST | LISTING_WIDE, "holders", "uid"},
     {"REGIONS", LISTING_LIST | LISTING_WIDE, "holders", "regions"},
     {"NODES", LISTING_LIST, "nodes", NULL},
     {"REASON", LISTING_TEXT, "reason", NULL},
     {0}},
};

const struct listing listing_queues = {
    "queues",
    ADMIN_METHOD("ListQueuePairs"),
    "queuePairs",
    {{"VF", LISTING_TEXT, "virtualFunction", NULL},
     {"QUEUE", LISTING_NUMBER, "id", NULL},
     {"DEPTH", LISTING_NUMBER, "entries", NULL},
     {"INTERRUPT", LISTING_YES, "interrupt", NULL},
     {"PID", LISTING_NUMBER, "pid", NULL},
     {"TENANT", LISTING_TEXT, "tenant", NULL},
     {"LEASE", LISTING_TEXT, "lease", NULL},
     {"COMMANDS", LISTING_NUMBER | LISTING_WIDE, "commands", NULL},
     {0}},
};

const struct listing listing_tenants = {
    "tenants",
    ADMIN_METHOD("ListTenants"),
    "tenants",
    {{"TENANT", LISTING_TEXT, "name", NULL},
     {"TRUSTED", LISTING_YES, "trusted", NULL},
     {"UIDS", LISTING_LIST, "uids", NULL},
     {"GIDS", LISTING_LIST, "gids", NULL},
     {"VFS", LISTING_OF, "virtualFunctions", "virtualFunctionsMax"},
     {"QUEUES", LISTING_OF, "queuePairs", "queuePairsMax"},
     {"MEMORY", LISTING_BYTES_OF, "memoryBytes", "memoryBytesMax"},
     {"CONNECTIONS", LISTING_OF, "connections", "connectionsMax"},
     {"DEVICES", LISTING_LIST, "devices", NULL},
     {"NAMESPACES", LISTING_PLACES, "namespaces", NULL},
     {0}},
};

const struct listing listing_namespaces = {
    "namespaces",
    ADMIN_METHOD("ListNamespaces"),
    "namespaces",
    {{"DEVICE", LISTING_TEXT, "device", NULL},
     {"NAMESPACE", LISTING_NUMBER, "id", NULL},
     {"SIZE", LISTING_SIZE, "blocks", "blockBytes"},
     {"BLOCK", LISTING_BYTES, "blockBytes", NULL},
     {"BLOCKS", LISTING_NUMBER | LISTING_WIDE, "blocks", NULL},
     {"ALLOWED", LISTING_LIST, "allowed", NULL},
     {"HOLDER", LISTING_TEXT, "holder", NULL},
     {"LEASE", LISTING_TEXT, "lease", NULL},
     {"SCRUB", LISTING_TEXT, "scrub", NULL},
     {0}},
};

const struct listing *const listings[] = {
    &listing_devices,
    &listing_functions,
    &listing_leases,
    &listing_queues,
    &listing_tenants,
    &listing_namespaces,
    NULL,
};

/* A list that comes in parts: the first reply, with the rows of those that followed. */
struct parts {
    const struct listing *listing;
    struct json_object *reply, *rows; /* rows: of reply */
    bool malformed;
};

static int add_part(struct json_object *reply, void *user)
{
    struct parts *parts = user;
    struct json_object *rows = member(reply, parts->listing->key);

    parts->malformed = !json_object_is_type(rows, json_type_array);
    if (parts->malformed)
        return 1;
    if (!parts->reply) {
        parts->reply = json_object_get(reply);
        parts->rows = rows;
        return 0;
    }
    for (size_t i = 0; i < json_object_array_length(rows); i++)
        json_object_array_add(parts->rows, json_object_get(json_object_array_get_idx(rows, i)));
    return 0;
}

/* The reply with all rows; it is the caller's. */
static enum exit_status fetch(const struct options *options, const struct listing *listing, bool quietly,
                              struct json_object **ret_reply)
{
    struct parts parts = {.listing = listing};
    enum exit_status status;
    char tried[64];

    snprintf(tried, sizeof(tried), "list the %s", listing->noun);
    status = call_more(options, quietly ? NULL : tried, listing->method, NULL, add_part, &parts);
    if (parts.malformed) {
        if (!quietly)
            fprintf(stderr,
                    "homictl: cannot %s: homid's reply has no %s\n  next: see that homictl and homid are of "
                    "the same version\n",
                    tried, listing->key);
        status = EXIT_SYSTEM;
    }
    if (status == EXIT_OK)
        *ret_reply = json_object_get(parts.reply);
    json_object_put(parts.reply);
    return status;
}

enum exit_status listing_fetch(const struct options *options, const struct listing *listing, bool quietly,
                               struct json_object **ret_rows)
{
    struct json_object *reply = NULL;
    enum exit_status status = fetch(options, listing, quietly, &reply);

    if (status == EXIT_OK)
        *ret_rows = json_object_get(member(reply, listing->key));
    json_object_put(reply);
    return status;
}

static enum exit_status list(const struct options *options, const struct listing *listing)
{
    struct json_object *reply = NULL, *rows;
    enum exit_status status = fetch(options, listing, false, &reply);

    if (status != EXIT_OK)
        return status;
    rows = member(reply, listing->key);
    if (options->given & OPTION_JSON)
        status = call_print_json(reply);
    else if (json_object_array_length(rows) == 0)
        fprintf(stderr, "No %s.\n", listing->noun);
    else
        status = listing_print(options, listing, rows);
    json_object_put(reply);
    return status;
}

enum exit_status command_list(const struct options *options, char **arguments)
{
    for (size_t i = 0; listings[i]; i++)
        if (!strcmp(arguments[0], listings[i]->noun))
            return list(options, listings[i]);
    fprintf(stderr, "homictl: there are no '%s' to list\n  next: see `homictl list --help`\n", arguments[0]);
    return EXIT_USAGE;
}

enum exit_status command_queue(const struct options *options, char **arguments)
{
    (void)arguments;
    return list(options, &listing_queues);
}
