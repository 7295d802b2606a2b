/* SPDX-License-Identifier: BSD-3-Clause */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "homictl/call.h"
#include "homictl/table.h"

static enum table_style kind_style(const char *kind)
{
    if (!strcmp(kind, "fault"))
        return TABLE_BAD;
    return strcmp(kind, "refused") ? TABLE_PLAIN : TABLE_WARNING;
}

/* "2026-01-01T00:00:00Z  leaseGranted      what happened (device ssd0, lease blue-1, pid 42)" */
static void print_event(struct json_object *event, bool colour)
{
    static const struct {
        const char *key, *name;
    } details[] = {{"device", "device"}, {"virtualFunction", "vf"},
                   {"lease", "lease"},   {"tenant", "tenant"},
                   {"pid", "pid"},       {"uid", "uid"}};
    const char *time = member_text(event, "time"), *kind = member_text(event, "kind");
    const char *text = member_text(event, "text"), *separator = " (";

    table_text(stdout, TABLE_FAINT, colour, time ? time : "?");
    printf("  ");
    table_text(stdout, kind ? kind_style(kind) : TABLE_PLAIN, colour, kind ? kind : "?");
    printf("%*s", kind && strlen(kind) < 18 ? (int)(18 - strlen(kind)) : 1, "");
    table_text(stdout, TABLE_PLAIN, colour, text ? text : "");
    for (size_t i = 0; i < sizeof(details) / sizeof(details[0]); i++) {
        struct json_object *value = member(event, details[i].key);

        if (!value)
            continue;
        printf("%s%s ", separator, details[i].name);
        table_text(stdout, TABLE_PLAIN, colour, json_object_get_string(value));
        separator = ", ";
    }
    printf("%s\n", *separator == ',' ? ")" : "");
}

static int each_event(struct json_object *reply, void *user)
{
    const struct options *options = user;

    if (options->given & OPTION_JSON)
        puts(json_object_to_json_string_ext(reply, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
    else
        print_event(member(reply, "event"), call_colour(options, stdout));
    /* A reader sees each event at once; one that went away ends the stream. */
    return fflush(stdout) != 0;
}

enum exit_status command_monitor(const struct options *options, char **arguments)
{
    struct json_object *parameters = json_object_new_object();

    (void)arguments;
    if (options->given & OPTION_SINCE)
        json_object_object_add(parameters, "since", json_object_new_int64(options->since));
    return call_more(options, "monitor homid", ADMIN_METHOD("Monitor"), parameters, each_event,
                     (void *)options);
}
