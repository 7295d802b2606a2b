/* SPDX-License-Identifier: BSD-3-Clause */
/* Tables of objects of a reply, described by data: which member a column shows, and how. */
#ifndef HOMI_HOMICTL_LISTING_H
#define HOMI_HOMICTL_LISTING_H

#include <json-c/json.h>

#include "homictl/command.h"

enum listing_kind {
    LISTING_TEXT,
    LISTING_STATE, /* a text, coloured by what it means */
    LISTING_WORDS, /* of an enumeration: trustedOnly is shown as "trusted only" */
    LISTING_NUMBER,
    LISTING_OF,       /* key "/" other: "2/4" */
    LISTING_YES,      /* a boolean */
    LISTING_BYTES,    /* key */
    LISTING_BYTES_OF, /* key "/" other */
    LISTING_SIZE,     /* key times other, in bytes */
    LISTING_AGE,      /* seconds */
    LISTING_LIST,     /* an array of texts or numbers, or of objects: then other is the member shown */
    LISTING_PLACES,   /* an array of namespaces: "ssd0:1" */
};
#define LISTING_WIDE 0x100u /* beside a kind: only with --output=wide */

struct listing_column {
    const char *heading;
    unsigned kind; /* enum listing_kind, and perhaps LISTING_WIDE */
    const char *key;
    const char *other;
};

#define LISTING_COLUMNS_MAX 16

struct listing {
    const char *noun;                                       /* "devices": the word on the command line */
    const char *method;                                     /* of io.homi.Admin, in full */
    const char *key;                                        /* the array in the reply */
    struct listing_column columns[LISTING_COLUMNS_MAX + 1]; /* the last has no heading */
};

/* Prints a table of rows (an array) on stdout. */
enum exit_status listing_print(const struct options *options, const struct listing *listing,
                               struct json_object *rows);

extern const struct listing listing_devices, listing_functions, listing_leases, listing_queues,
    listing_tenants, listing_namespaces;
extern const struct listing *const listings[]; /* all of them; the last is NULL */

/* Prints every column of one row with its heading, a line each. */
enum exit_status listing_print_one(const struct options *options, const struct listing *listing,
                                   struct json_object *row);

/* All objects of a listing; *ret_rows is the caller's. quietly: what goes wrong is not reported. */
enum exit_status listing_fetch(const struct options *options, const struct listing *listing, bool quietly,
                               struct json_object **ret_rows);

#endif
