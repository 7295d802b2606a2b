/* SPDX-License-Identifier: BSD-3-Clause */
/* One object by its name, whatever it is, with the objects that belong to it. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "homictl/call.h"
#include "homictl/listing.h"

/* What belongs to an object: the rows of another listing whose member names it. */
struct relation {
    const struct listing *listing;
    const char *member; /* of these rows: the object's name, or an array that holds it */
};

#define RELATIONS_MAX 4

struct kind {
    const char *name; /* as --json says it */
    const struct listing *listing;
    const char *key;   /* what it is called by */
    const char *place; /* also part of its name, "PLACE:KEY"; NULL: not */
    struct relation relations[RELATIONS_MAX + 1];
};

static const struct kind kinds[] = {
    {"device",
     &listing_devices,
     "name",
     NULL,
     {{&listing_functions, "device"}, {&listing_namespaces, "device"}}},
    {"virtualFunction",
     &listing_functions,
     "name",
     NULL,
     {{&listing_leases, "virtualFunctions"}, {&listing_queues, "virtualFunction"}}},
    {"lease",
     &listing_leases,
     "name",
     NULL,
     {{&listing_functions, "lease"}, {&listing_queues, "lease"}, {&listing_namespaces, "lease"}}},
    {"tenant",
     &listing_tenants,
     "name",
     NULL,
     {{&listing_leases, "tenant"},
      {&listing_functions, "tenant"},
      {&listing_queues, "tenant"},
      {&listing_namespaces, "allowed"}}},
    {"namespace", &listing_namespaces, "id", "device", {{NULL, NULL}}},
    {"queuePair", &listing_queues, "id", "virtualFunction", {{NULL, NULL}}},
};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static bool is_called(const struct kind *kind, struct json_object *row, const char *name)
{
    const char *key = json_object_get_string(member(row, kind->key)), *place;
    size_t length;

    if (!key)
        return false;
    if (!kind->place)
        return !strcmp(key, name);
    place = member_text(row, kind->place);
    length = place ? strlen(place) : 0;
    return length && !strncmp(name, place, length) && name[length] == ':' && !strcmp(name + length + 1, key);
}

/* *ret_row is the caller's; untouched when there is none of this name. */
static enum exit_status find(const struct options *options, const struct kind *kind, const char *name,
                             struct json_object **ret_row)
{
    struct json_object *rows = NULL;
    enum exit_status status = listing_fetch(options, kind->listing, false, &rows);

    for (size_t i = 0; status == EXIT_OK && i < json_object_array_length(rows); i++) {
        struct json_object *row = json_object_array_get_idx(rows, i);

        if (is_called(kind, row, name)) {
            *ret_row = json_object_get(row);
            break;
        }
    }
    json_object_put(rows);
    return status;
}

static bool belongs(struct json_object *row, const struct relation *relation, const char *name)
{
    struct json_object *value = member(row, relation->member);

    if (!json_object_is_type(value, json_type_array))
        return value && !strcmp(json_object_get_string(value), name);
    for (size_t i = 0; i < json_object_array_length(value); i++)
        if (!strcmp(json_object_get_string(json_object_array_get_idx(value, i)), name))
            return true;
    return false;
}

static enum exit_status related(const struct options *options, const struct relation *relation,
                                const char *name, struct json_object **ret_rows)
{
    struct json_object *all = NULL;
    enum exit_status status = listing_fetch(options, relation->listing, false, &all);

    if (status != EXIT_OK)
        return status;
    *ret_rows = json_object_new_array();
    for (size_t i = 0; i < json_object_array_length(all); i++) {
        struct json_object *row = json_object_array_get_idx(all, i);

        if (belongs(row, relation, name))
            json_object_array_add(*ret_rows, json_object_get(row));
    }
    json_object_put(all);
    return EXIT_OK;
}

static enum exit_status print_related(const struct options *options, const struct relation *relation,
                                      struct json_object *rows)
{
    if (!json_object_array_length(rows))
        return EXIT_OK;
    printf("\n%s:\n", relation->listing->noun);
    return listing_print(options, relation->listing, rows);
}

static enum exit_status show(const struct options *options, const struct kind *kind, struct json_object *row,
                             const char *name)
{
    struct json_object *answer = json_object_new_object();
    bool json = options->given & OPTION_JSON;
    enum exit_status status = json ? EXIT_OK : listing_print_one(options, kind->listing, row);

    json_object_object_add(answer, "kind", json_object_new_string(kind->name));
    json_object_object_add(answer, kind->name, json_object_get(row));
    for (const struct relation *relation = kind->relations; status == EXIT_OK && relation->listing;
         relation++) {
        struct json_object *rows = NULL;

        status = related(options, relation, name, &rows);
        if (status == EXIT_OK && !json)
            status = print_related(options, relation, rows);
        if (rows)
            json_object_object_add(answer, relation->listing->key, rows);
    }
    if (status == EXIT_OK && json)
        status = call_print_json(answer);
    json_object_put(answer);
    return status;
}

enum exit_status command_show(const struct options *options, char **arguments)
{
    struct json_object *row = NULL;
    enum exit_status status = EXIT_OK;
    size_t i;

    for (i = 0; i < KINDS; i++) {
        status = find(options, &kinds[i], arguments[0], &row);
        if (status != EXIT_OK || row)
            break;
    }
    if (status == EXIT_OK && row) {
        status = show(options, &kinds[i], row, arguments[0]);
    } else if (status == EXIT_OK) {
        fprintf(
            stderr,
            "homictl: cannot show %s: homid has no device, virtual function, lease or tenant of that name, "
            "and no\n"
            "namespace (DEVICE:ID) or queue pair (FUNCTION:ID) either\n  next: see `homictl list --help`\n",
            arguments[0]);
        status = EXIT_REFUSED;
    }
    json_object_put(row);
    return status;
}

enum exit_status command_tenant(const struct options *options, char **arguments)
{
    static const struct kind *const kind = &kinds[3];
    char noun[] = "tenants", *list[] = {noun, NULL};
    struct json_object *row = NULL;
    enum exit_status status;

    if (!arguments[0])
        return command_list(options, list);
    status = find(options, kind, arguments[0], &row);
    if (status == EXIT_OK && row) {
        status = show(options, kind, row, arguments[0]);
    } else if (status == EXIT_OK) {
        fprintf(stderr,
                "homictl: cannot show tenant %s: the configuration has no such tenant\n"
                "  next: see `homictl list tenants`\n",
                arguments[0]);
        status = EXIT_REFUSED;
    }
    json_object_put(row);
    return status;
}
