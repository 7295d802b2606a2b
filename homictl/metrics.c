/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * homid's metrics as text. As an HTTP server this handles one request and ends: systemd starts one for each
 * connection (homid-metrics.socket), without rights, so that no parser of HTTP runs inside homid.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "homictl/call.h"

#define REQUEST_BYTES_MAX    8192 /* of a request's line and headers */
#define REQUEST_MILLISECONDS 5000 /* for each part of it to arrive */
#define CONTENT_TYPE         "text/plain; version=0.0.4; charset=utf-8"

struct text {
    FILE *out;
};

/* Keeps a piece; the parameters for the next one, or NULL after the last. */
static struct json_object *take_piece(struct json_object *reply, void *user)
{
    struct text *text = user;
    const char *piece = member_text(reply, "text");
    struct json_object *parameters = NULL;

    fputs(piece ? piece : "", text->out);
    if (member(reply, "next")) {
        parameters = json_object_new_object();
        json_object_object_add(parameters, "offset", json_object_get(member(reply, "next")));
    }
    return parameters;
}

/* *ret_text is for free(3). */
static enum exit_status fetch(const struct options *options, char **ret_text)
{
    size_t length = 0;
    char *text = NULL;
    struct text pieces = {.out = open_memstream(&text, &length)};
    enum exit_status status;

    if (!pieces.out)
        return EXIT_SYSTEM;
    status = call_each(options, "read the metrics", ADMIN_METHOD("GetMetrics"), NULL, take_piece, &pieces);
    if (fclose(pieces.out) != 0 && status == EXIT_OK)
        status = EXIT_SYSTEM;
    if (status == EXIT_OK)
        *ret_text = text;
    else
        free(text);
    return status;
}

/* Reads a request up to its empty line. Returns 0, or what HTTP calls the failure. */
static int read_request(char request[REQUEST_BYTES_MAX])
{
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    size_t length = 0;
    ssize_t count = 1;

    request[0] = '\0';
    while (!strstr(request, "\r\n\r\n") && !strstr(request, "\n\n")) {
        if (length == REQUEST_BYTES_MAX - 1)
            return 431;
        if (poll(&input, 1, REQUEST_MILLISECONDS) != 1)
            return 408;
        count = read(STDIN_FILENO, request + length, REQUEST_BYTES_MAX - 1 - length);
        if (count <= 0)
            return 400;
        length += (size_t)count;
        request[length] = '\0';
    }
    return 0;
}

/* What the request line asks for. Returns 0 or the status of a refusal. */
static int judge_request(const char *request, bool *ret_head)
{
    char method[16], target[256], version[16];

    if (sscanf(request, "%15s %255s %15s", method, target, version) != 3 ||
        strncmp(version, "HTTP/1.", 7) != 0)
        return 400;
    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
        return 405;
    target[strcspn(target, "?")] = '\0';
    if (strcmp(target, "/metrics") != 0)
        return 404;
    *ret_head = !strcmp(method, "HEAD");
    return 0;
}

static const char *reason(int status)
{
    switch (status) {
    case 200: return "OK";
    case 400: return "Bad Request";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 431: return "Request Header Fields Too Large";
    default: return "Service Unavailable";
    }
}

static void respond(int status, const char *text, bool head)
{
    printf("HTTP/1.1 %d %s\r\n", status, reason(status));
    if (status == 405)
        printf("Allow: GET, HEAD\r\n");
    printf("Content-Type: %s\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s",
           status == 200 ? CONTENT_TYPE : "text/plain", strlen(text), head ? "" : text);
}

static enum exit_status serve(const struct options *options)
{
    char request[REQUEST_BYTES_MAX], *text = NULL;
    bool head = false;
    int status = read_request(request);

    if (!status)
        status = judge_request(request, &head);
    if (!status && fetch(options, &text) != EXIT_OK)
        status = 503;
    respond(status ? status : 200,
            text            ? text
            : status == 404 ? "see /metrics\n"
            : status == 503 ? "homid does not answer\n"
                            : "",
            head);
    free(text);
    /* Everything was answered; that a peer misbehaved is no failure of this service. */
    return fflush(stdout) ? EXIT_SYSTEM : EXIT_OK;
}

enum exit_status command_metrics(const struct options *options, char **arguments)
{
    enum exit_status status;
    char *text = NULL;

    (void)arguments;
    if (options->given & OPTION_HTTP)
        return serve(options);
    status = fetch(options, &text);
    if (status != EXIT_OK)
        return status;
    if (options->given & OPTION_JSON) {
        struct json_object *answer = json_object_new_object();

        json_object_object_add(answer, "text", json_object_new_string(text));
        status = call_print_json(answer);
        json_object_put(answer);
    } else {
        fputs(text, stdout);
        if (ferror(stdout))
            status = EXIT_SYSTEM;
    }
    free(text);
    return status;
}
