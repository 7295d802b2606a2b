/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The command line: options may stand anywhere, words are what is left. Every option that any command knows
 * is parsed here; the command that the words name says which of them it takes.
 */
#ifndef HOMI_HOMICTL_OPTIONS_H
#define HOMI_HOMICTL_OPTIONS_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum option_bit {
    OPTION_HELP = 1 << 0,
    OPTION_VERSION = 1 << 1,
    OPTION_JSON = 1 << 2,
    OPTION_SOCKET = 1 << 3,
    OPTION_COLOUR = 1 << 4,
    OPTION_TENANT = 1 << 5,
    OPTION_DEVICE = 1 << 6,
    OPTION_QUEUES = 1 << 7,
    OPTION_NAMESPACE = 1 << 8,
    OPTION_FORCE = 1 << 9,
    OPTION_SINCE = 1 << 10,
    OPTION_OUTPUT = 1 << 11,
    OPTION_CONFIG = 1 << 12,
    OPTION_INTERVAL = 1 << 13,
    OPTION_WAIT = 1 << 14,
    OPTION_HTTP = 1 << 15,
    OPTION_ROOT = 1 << 16,
    OPTION_BLOCK = 1 << 17,
    OPTION_SHARED = 1 << 18,
    OPTION_YES = 1 << 19,
    OPTION_PASSTHROUGH = 1 << 20,
    OPTION_KERNEL = 1 << 21,
    OPTION_USER = 1 << 22,
    OPTION_PID = 1 << 23,
    OPTION_UNIT = 1 << 24,
    OPTION_KILL = 1 << 25,
    OPTION_CONTAINER = 1 << 26,
    OPTION_LEASE_SOCKET = 1 << 27,
    OPTION_GRACE = 1 << 28,
    OPTION_EXPIRES = 1 << 29,
};
#define OPTIONS_EVERYWHERE (OPTION_HELP | OPTION_JSON | OPTION_OUTPUT | OPTION_SOCKET | OPTION_COLOUR)

enum option_colour { COLOUR_AUTO, COLOUR_ALWAYS, COLOUR_NEVER };

/* Strings belong to argv; the arrays to the struct. */
struct options {
    unsigned given; /* enum option_bit */
    const char *socket;
    bool model; /* the socket is the software SSD's */
    enum option_colour colour;
    const char *tenant, *unit;
    struct json_object *devices;    /* array of strings; NULL when none is given */
    struct json_object *namespaces; /* array of integers; NULL when none is given */
    const char *config, *root;
    bool wide;
    int64_t queues, since, user, pid, interval, wait /* both in seconds */, block;
    int64_t grace, expires; /* seconds */
    char **words;
    int word_count;
};

/* Reorders argv. Says on stderr what is wrong. Returns 0 or -EINVAL; options_clear is due in both cases. */
int options_parse(int argc, char **argv, struct options *ret_options);
void options_clear(struct options *options);

/* The options among bits with what they do, one a line. */
void options_help(FILE *stream, unsigned bits);
/* The long name of the first option among bits. */
const char *options_name(unsigned bits);

/* Calls each(user, name, argument, text) for every option among bits; argument is NULL where it takes none.
 */
void options_each(unsigned bits,
                  void (*each)(void *user, const char *name, const char *argument, const char *text),
                  void *user);

#endif
