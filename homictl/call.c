/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <homi/homi.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "homictl/call.h"
#include "homictl/progress.h"
#include "homictl/refusal.h"

struct json_object *member(struct json_object *object, const char *key)
{
    struct json_object *value;

    return json_object_object_get_ex(object, key, &value) ? value : NULL;
}

const char *member_text(struct json_object *object, const char *key)
{
    struct json_object *value = member(object, key);

    return json_object_is_type(value, json_type_string) ? json_object_get_string(value) : NULL;
}

int64_t member_number(struct json_object *object, const char *key)
{
    return json_object_get_int64(member(object, key));
}

bool member_true(struct json_object *object, const char *key)
{
    return json_object_get_boolean(member(object, key));
}

bool call_colour(const struct options *options, FILE *stream)
{
    const char *no_colour = getenv("NO_COLOR"), *terminal = getenv("TERM");

    if (options->colour != COLOUR_AUTO)
        return options->colour == COLOUR_ALWAYS;
    return isatty(fileno(stream)) && !(no_colour && *no_colour) && terminal && strcmp(terminal, "dumb") != 0;
}

enum exit_status call_print_json(struct json_object *reply)
{
    int flags =
        isatty(STDOUT_FILENO) ? JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED : JSON_C_TO_STRING_PLAIN;

    puts(json_object_to_json_string_ext(reply, flags | JSON_C_TO_STRING_NOSLASHESCAPE));
    return ferror(stdout) ? EXIT_SYSTEM : EXIT_OK;
}

static const char *socket_path(const struct options *options)
{
    const char *environment = getenv(ADMIN_SOCKET_ENV);

    if (options->given & OPTION_SOCKET)
        return options->socket;
    return environment && *environment ? environment : ADMIN_SOCKET;
}

/* Errors of the connection tell the operator what to look at; all others are the machine's. */
static enum exit_status report_errno(const struct options *options, const char *tried, int error)
{
    const char *next;
    enum exit_status status = EXIT_UNREACHABLE;

    switch (-error) {
    case ENOENT:
    case ECONNREFUSED:
        next = options->model ? "start it with `homid --model`, or name its control socket with --socket"
                              : "start it with `systemctl start homid`, or name its socket with --socket";
        break;
    case EACCES:
    case EPERM:
        next = options->model ? "run homictl as the user who started the software SSD"
                              : "run homictl as root or as a member of the admin group in homid.conf";
        break;
    case ECONNRESET:
    case EPIPE:
    case ENOTCONN: next = "see why homid went away with `journalctl -u homid`, then try again"; break;
    default:
        next = "see what homid says with `journalctl -u homid`";
        status = EXIT_SYSTEM;
        break;
    }
    fprintf(stderr, "homictl: cannot %s: %s at %s: %s\n  next: %s\n", tried,
            options->model ? "the software SSD" : "homid", socket_path(options), strerror(-error), next);
    return status;
}

static enum exit_status report_refusal(const struct options *options, const char *tried, const char *name,
                                       const char *reply)
{
    struct json_object *parameters = json_tokener_parse(reply ? reply : "{}");
    enum exit_status status = refusal_print(stderr, tried, name, parameters);

    if (options->given & OPTION_JSON) {
        struct json_object *error = json_object_new_object();

        json_object_object_add(error, "error", json_object_new_string(name));
        json_object_object_add(error, "parameters", json_object_get(parameters));
        call_print_json(error);
        json_object_put(error);
    }
    json_object_put(parameters);
    return status;
}

/* What a call returned, as an exit status. reply is the text that came with it. */
static enum exit_status conclude(const struct options *options, struct homi *homi, const char *tried,
                                 int error, const char *reply)
{
    if (!tried && error)
        return error > 0 ? EXIT_REFUSED : EXIT_UNREACHABLE;
    if (error > 0)
        return report_refusal(options, tried, homi_error_name(homi), reply);
    return error < 0 ? report_errno(options, tried, error) : EXIT_OK;
}

enum exit_status call(const struct options *options, const char *tried, const char *method,
                      struct json_object *parameters, struct json_object **ret_reply)
{
    struct json_object *reply = NULL;
    struct homi *homi = NULL;
    char *text = NULL;
    struct progress *progress = tried ? progress_start(tried) : NULL;
    enum exit_status status;

    int error = homi_open(socket_path(options), &homi);

    if (!error)
        error = homi_call(homi, method, parameters ? json_object_to_json_string(parameters) : "{}", &text);
    progress_stop(progress);
    status = conclude(options, homi, tried, error, text);
    if (status == EXIT_OK) {
        reply = json_tokener_parse(text);
        if (json_object_is_type(reply, json_type_object))
            *ret_reply = json_object_get(reply);
        else
            status = tried ? report_errno(options, tried, -EBADMSG) : EXIT_SYSTEM;
    }
    json_object_put(reply);
    free(text);
    homi_close(homi);
    json_object_put(parameters);
    return status;
}

enum exit_status call_each(const struct options *options, const char *tried, const char *method,
                           struct json_object *parameters,
                           struct json_object *(*next)(struct json_object *reply, void *user), void *user)
{
    enum exit_status status = EXIT_OK;
    struct homi *homi = NULL;
    int error = homi_open(socket_path(options), &homi);

    do {
        struct json_object *reply = NULL;
        char *text = NULL;

        if (!error)
            error =
                homi_call(homi, method, parameters ? json_object_to_json_string(parameters) : "{}", &text);
        json_object_put(parameters);
        parameters = NULL;
        status = conclude(options, homi, tried, error, text);
        reply = text ? json_tokener_parse(text) : NULL;
        if (status == EXIT_OK)
            parameters = next(reply, user);
        json_object_put(reply);
        free(text);
    } while (parameters);
    homi_close(homi);
    return status;
}

struct json_object *call_request_id(void)
{
    unsigned char random[12];
    char text[2 * sizeof(random) + 1];

    if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
        return NULL;
    for (size_t i = 0; i < sizeof(random); i++)
        snprintf(text + 2 * i, 3, "%02x", random[i]);
    return json_object_new_string(text);
}

struct stream {
    int (*each)(struct json_object *reply, void *user);
    void *user;
    bool stopped;
};

static int each_reply(const char *text, void *user)
{
    struct stream *stream = user;
    struct json_object *reply = json_tokener_parse(text);

    stream->stopped = stream->each(reply, stream->user) != 0;
    json_object_put(reply);
    return stream->stopped;
}

enum exit_status call_more(const struct options *options, const char *tried, const char *method,
                           struct json_object *parameters, int (*each)(struct json_object *reply, void *user),
                           void *user)
{
    struct stream stream = {.each = each, .user = user};
    struct homi *homi = NULL;
    enum exit_status status;

    int error = homi_open(socket_path(options), &homi);

    if (!error)
        error = homi_call_more(homi, method, parameters ? json_object_to_json_string(parameters) : "{}",
                               each_reply, &stream);
    if (stream.stopped)
        status = EXIT_OK;
    else
        status = conclude(options, homi, tried, error, NULL);
    homi_close(homi);
    json_object_put(parameters);
    return status;
}
