/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#include "homictl/options.h"

#define GRACE_SECONDS_MAX   86400
#define EXPIRES_SECONDS_MAX 315360000

struct option_description {
    unsigned bit;
    const char *name;
    const char *argument; /* NULL: takes none */
    const char *text;
};

static const struct option_description descriptions[] = {
    {OPTION_TENANT, "tenant", "NAME", "the tenant, as the configuration names it"},
    {OPTION_DEVICE, "device", "NAME", "one virtual function of this device; may be given several times"},
    {OPTION_QUEUES, "queues", "N", "queue pairs that the lease shall be able to hold on each function"},
    {OPTION_NAMESPACE, "namespace", "ID", "attach this namespace; may be given several times"},
    {OPTION_PASSTHROUGH, "passthrough", NULL, "for a driver of the user's own, through vfio-pci"},
    {OPTION_KERNEL, "kernel", NULL, "for the kernel's nvme driver; the user gets the block devices"},
    {OPTION_USER, "user", "NAME", "the user who gets the device nodes; the tenant's only one by default"},
    {OPTION_PID, "pid", "PID", "the lease ends with this process"},
    {OPTION_UNIT, "unit", "NAME", "the lease ends with this unit of systemd"},
    {OPTION_KILL, "kill", NULL, "at the end, kill the processes that hold it still"},
    {OPTION_CONTAINER, "container", NULL, "describe the lease to engines of containers (CDI)"},
    {OPTION_LEASE_SOCKET, "lease-socket", NULL, "make a socket for this lease, for whoever may reach it"},
    {OPTION_FORCE, "force", NULL, "also when processes hold it: they lose it"},
    {OPTION_GRACE, "grace", "TIME", "how long its holders may go on, like 30s or 5min (none when left out)"},
    {OPTION_EXPIRES, "expires", "TIME", "take the lease away after so long, like 90s, 15min, 8h or 7d"},
    {OPTION_SINCE, "since", "N", "begin with the events from sequence number N on that are still kept"},
    {OPTION_CONFIG, "config", "PATH", "the configuration, instead of homid's own"},
    {OPTION_INTERVAL, "interval", "SECONDS", "look again so often (default 1)"},
    {OPTION_WAIT, "wait", "SECONDS", "wait at most so long (default 120)"},
    {OPTION_BLOCK, "block", "BYTES", "of a block (default: the smallest, or what it has)"},
    {OPTION_SHARED, "shared", NULL, "several functions may have it at once"},
    {OPTION_YES, "yes", NULL, "do not ask"},
    {OPTION_ROOT, "root", "PATH", "look at the /sys, /proc and /etc below it, as of a collected tree"},
    {OPTION_HTTP, "http", NULL, "answer one HTTP request, from standard input on standard output"},
    {OPTION_JSON, "json", NULL, "print homid's reply as JSON"},
    {OPTION_OUTPUT, "output", "FORM", "table, wide (every column) or json; -o for short"},
    {OPTION_SOCKET, "socket", "PATH", "homid's admin socket"},
    {OPTION_COLOUR, "color", "WHEN", "auto (on a terminal), always or never"},
    {OPTION_VERSION, "version", NULL, "print the version"},
    {OPTION_HELP, "help", NULL, "print this help"},
};
#define DESCRIPTIONS (sizeof(descriptions) / sizeof(descriptions[0]))

static int parse_number(const char *name, const char *text, int64_t minimum, int64_t maximum,
                        int64_t *ret_value)
{
    char *end;

    errno = 0;
    long long value = strtoll(text, &end, 10);

    if (errno || end == text || *end || value < minimum || value > maximum) {
        fprintf(stderr, "homictl: --%s takes a number from %" PRId64 " to %" PRId64 ", not '%s'\n", name,
                minimum, maximum, text);
        return -EINVAL;
    }
    *ret_value = value;
    return 0;
}

/* A number of seconds, or with a unit. */
static int parse_time(const char *name, const char *text, int64_t maximum, int64_t *ret_seconds)
{
    static const struct {
        const char *name;
        int64_t seconds;
    } units[] = {{"", 1}, {"s", 1}, {"min", 60}, {"h", 3600}, {"d", 86400}};
    char *end;

    errno = 0;
    long long value = strtoll(text, &end, 10);

    for (size_t i = 0; !errno && end != text && i < sizeof(units) / sizeof(units[0]); i++) {
        if (strcmp(end, units[i].name) || value < 0 || value > maximum / units[i].seconds)
            continue;
        *ret_seconds = value * units[i].seconds;
        return 0;
    }
    fprintf(stderr, "homictl: --%s takes a time like 30s, 5min, 8h or 7d, at most %" PRId64 " s, not '%s'\n",
            name, maximum, text);
    return -EINVAL;
}

static int parse_colour(const char *text, enum option_colour *ret_colour)
{
    static const char *const names[] = {"auto", "always", "never"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (!strcmp(text, names[i])) {
            *ret_colour = (enum option_colour)i;
            return 0;
        }
    }
    fprintf(stderr, "homictl: --color takes auto, always or never, not '%s'\n", text);
    return -EINVAL;
}

static int parse_output(struct options *options, const char *text)
{
    options->wide = !strcmp(text, "wide");
    if (!strcmp(text, "json"))
        options->given |= OPTION_JSON;
    else if (strcmp(text, "table") != 0 && !options->wide) {
        fprintf(stderr, "homictl: --output takes table, wide or json, not '%s'\n", text);
        return -EINVAL;
    }
    return 0;
}

static int unknown_user(const char *text)
{
    fprintf(stderr, "homictl: --user: there is no user '%s'\n", text);
    return -EINVAL;
}

static int parse_user(const char *text, int64_t *ret_user)
{
    const struct passwd *entry = getpwnam(text);

    if (!entry)
        return *text >= '0' && *text <= '9' ? parse_number("user", text, 0, UINT32_MAX - 1, ret_user)
                                            : unknown_user(text);
    *ret_user = entry->pw_uid;
    return 0;
}

static int append(struct json_object **array, struct json_object *value)
{
    if (!*array)
        *array = json_object_new_array();
    if (!*array || !value || json_object_array_add(*array, value)) {
        json_object_put(value);
        return -ENOMEM;
    }
    return 0;
}

static int take(struct options *options, const struct option_description *option, const char *argument)
{
    int64_t number;

    options->given |= option->bit;
    switch (option->bit) {
    case OPTION_SOCKET: options->socket = argument; break;
    case OPTION_TENANT: options->tenant = argument; break;
    case OPTION_BLOCK: return parse_number(option->name, argument, 512, 65536, &options->block);
    case OPTION_ROOT: options->root = argument; break;
    case OPTION_CONFIG: options->config = argument; break;
    case OPTION_OUTPUT: return parse_output(options, argument);
    case OPTION_INTERVAL: return parse_number(option->name, argument, 1, 3600, &options->interval);
    case OPTION_WAIT: return parse_number(option->name, argument, 0, 86400, &options->wait);
    case OPTION_COLOUR: return parse_colour(argument, &options->colour);
    case OPTION_DEVICE: return append(&options->devices, json_object_new_string(argument));
    case OPTION_QUEUES: return parse_number(option->name, argument, 1, UINT16_MAX, &options->queues);
    case OPTION_USER: return parse_user(argument, &options->user);
    case OPTION_PID: return parse_number(option->name, argument, 1, INT32_MAX, &options->pid);
    case OPTION_UNIT: options->unit = argument; break;
    case OPTION_GRACE: return parse_time(option->name, argument, GRACE_SECONDS_MAX, &options->grace);
    case OPTION_EXPIRES: return parse_time(option->name, argument, EXPIRES_SECONDS_MAX, &options->expires);
    case OPTION_SINCE: return parse_number(option->name, argument, 1, INT64_MAX, &options->since);
    case OPTION_NAMESPACE:
        /* FFFFFFFFh means all namespaces and is no namespace's id (NVMe Base 2.0, section 3.2.1.2). */
        if (parse_number(option->name, argument, 1, UINT32_MAX - 1, &number))
            return -EINVAL;
        return append(&options->namespaces, json_object_new_int64(number));
    }
    return 0;
}

static const struct option_description *find(unsigned bits)
{
    for (size_t i = 0; i < DESCRIPTIONS; i++)
        if (bits & descriptions[i].bit)
            return &descriptions[i];
    return NULL;
}

int options_parse(int argc, char **argv, struct options *ret_options)
{
    struct option longs[DESCRIPTIONS + 1] = {0};
    int found, error = 0;

    *ret_options = (struct options){0};
    for (size_t i = 0; i < DESCRIPTIONS; i++)
        longs[i] =
            (struct option){descriptions[i].name, descriptions[i].argument ? required_argument : no_argument,
                            NULL, (int)(256 + i)};
    optind = 0; /* glibc: begin anew */
    while (!error && (found = getopt_long(argc, argv, "ho:", longs, NULL)) != -1) {
        if (found == 'h')
            ret_options->given |= OPTION_HELP;
        else if (found == 'o')
            error = take(ret_options, find(OPTION_OUTPUT), optarg);
        else if (found >= 256)
            error = take(ret_options, &descriptions[found - 256], optarg);
        else
            error = -EINVAL;
    }
    ret_options->words = argv + optind;
    ret_options->word_count = argc - optind;
    return error;
}

void options_clear(struct options *options)
{
    json_object_put(options->devices);
    json_object_put(options->namespaces);
    options->devices = options->namespaces = NULL;
}

void options_help(FILE *stream, unsigned bits)
{
    for (size_t i = 0; i < DESCRIPTIONS; i++) {
        const struct option_description *option = &descriptions[i];

        if (!(bits & option->bit))
            continue;

        int width = fprintf(stream, "  --%s%s%s", option->name, option->argument ? " " : "",
                            option->argument ? option->argument : "");

        fprintf(stream, "%*s%s\n", width < 20 ? 20 - width : 1, "", option->text);
    }
}

const char *options_name(unsigned bits)
{
    const struct option_description *option = find(bits);

    return option ? option->name : "";
}

void options_each(unsigned bits,
                  void (*each)(void *user, const char *name, const char *argument, const char *text),
                  void *user)
{
    for (size_t i = 0; i < DESCRIPTIONS; i++)
        if (bits & descriptions[i].bit)
            each(user, descriptions[i].name, descriptions[i].argument, descriptions[i].text);
}
