/* SPDX-License-Identifier: BSD-3-Clause */
#include "proto/connection.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/fds.h"
#include "proto/inbox.h"
#include "proto/json.h"
#include "proto/json_text.h"
#include "proto/outbox.h"

struct varlink_connection {
    uint8_t role;
    uint8_t violation;
    uint8_t json_defect;
    bool pending, pending_more, pending_oneway; /* server: the call taken out */
    bool numbered;                              /* client: its calls are */
    uint8_t unanswered;                         /* client: calls */
    uint16_t more;   /* client: bit n tells whether the n-th oldest asked for more */
    int64_t call_id; /* server: of the call taken out, 0: none; client: of the last call */
    struct inbox in;
    struct outbox out;
};

#define CALL_MEMBER "io.homi.Call"

enum { TAKEN_BEFORE = 2 /* a message that is none: look for the next one */ };

_Static_assert(VARLINK_INPUT_CALLS_MAX <= 16, "the bits of varlink_connection.more");

int varlink_connection_new(enum varlink_role role, struct varlink_connection **ret_connection)
{
    struct varlink_connection *connection = calloc(1, sizeof(*connection));

    if (!connection) {
        return -ENOMEM;
    }
    connection->role = (uint8_t)role;
    *ret_connection = connection;
    return 0;
}

void varlink_connection_free(struct varlink_connection *connection)
{
    if (!connection) {
        return;
    }
    inbox_clear(&connection->in);
    outbox_clear(&connection->out);
    free(connection);
}

/* A member of the message. */
static void add_member(struct json_text *text, const char *key)
{
    json_text_add(text, text->length > 0 ? "," : "{", 1);
    json_text_string(text, key, strlen(key));
    json_text_add(text, ":", 1);
}

static void add_call_number(struct json_text *text, int64_t id)
{
    char value[40];

    add_member(text, CALL_MEMBER);
    json_text_add(text, value, (size_t)snprintf(value, sizeof(value), "{\"id\":%lld}", (long long)id));
}

/* Sends {KEY: NAME, "parameters": PARAMETERS, FLAG: true}; each part is left out when NULL (or empty), and
 * the number of the call when it is 0. */
static int send_message(struct varlink_connection *connection, const char *key, const char *name,
                        json_object *parameters, const char *flag, int64_t call_id, const int *fds,
                        unsigned fd_count)
{
    struct json_text text = {0};
    int r;

    if (name) {
        add_member(&text, key);
        json_text_string(&text, name, strlen(name));
    }
    if (parameters && json_object_object_length(parameters) > 0) {
        add_member(&text, "parameters");
        json_text_value(&text, parameters);
    }
    if (flag) {
        add_member(&text, flag);
        json_text_add(&text, "true", 4);
    }
    if (call_id) {
        add_call_number(&text, call_id);
    }
    json_text_add(&text, text.length > 0 ? "}" : "{}", text.length > 0 ? 2 : 3); /* with its NUL */
    if (text.failed) {
        r = -ENOMEM;
    } else if (fd_count > VARLINK_FDS_MAX) {
        r = -EMFILE;
    } else if (text.length > VARLINK_MESSAGE_BYTES_MAX) {
        r = -E2BIG;
    } else {
        r = outbox_add(&connection->out, text.bytes, text.length, fds, fd_count);
    }
    free(text.bytes);
    return r;
}

/* Without memory for it, the connection ends without a word. */
static void tell(struct varlink_connection *connection, const struct varlink_breach *breach)
{
    const char *error;
    json_object *parameters;

    if (varlink_violation_error(breach, &error, &parameters) == 0) {
        (void)send_message(connection, "error", error, parameters, NULL, 0, NULL, 0);
        json_object_put(parameters);
    }
}

/* What was received after a violation means nothing, so its descriptors are not kept either. */
static int violate(struct varlink_connection *connection, const struct varlink_breach *breach)
{
    connection->violation = (uint8_t)breach->violation;
    connection->json_defect = (uint8_t)breach->json_defect;
    inbox_clear(&connection->in);
    if (connection->role == VARLINK_SERVER) {
        tell(connection, breach);
    }
    return -EPROTO;
}

static int violate_by(struct varlink_connection *connection, enum varlink_violation violation)
{
    return violate(connection, &(struct varlink_breach){.violation = violation});
}

int varlink_connection_feed(struct varlink_connection *connection, const void *bytes, size_t count,
                            const int *fds, unsigned fd_count, bool fds_truncated)
{
    int r;

    if (connection->violation) {
        for (unsigned i = 0; i < fd_count; i++) {
            (void)close(fds[i]);
        }
        return -EPROTO;
    }
    r = inbox_add(&connection->in, bytes, count, fds, fd_count, fds_truncated);
    if (r) {
        return r > 0 ? violate_by(connection, (enum varlink_violation)r) : r;
    }
    if (connection->role == VARLINK_SERVER &&
        (connection->in.messages > VARLINK_INPUT_CALLS_MAX ||
         (connection->in.messages > 0 &&
          connection->in.end - connection->in.begin > VARLINK_INPUT_BYTES_MAX))) {
        return violate_by(connection, VARLINK_VIOLATION_AHEAD);
    }
    return 0;
}

/* Members of type ?bool, ?string and ?object: null counts as absent. */
static bool read_flag(json_object *value, bool *flag)
{
    *flag = value && json_object_get_boolean(value);
    return !value || json_object_is_type(value, json_type_boolean);
}

static bool read_string(json_object *value, const char **string)
{
    *string = value ? json_object_get_string(value) : NULL;
    return !value || json_object_is_type(value, json_type_string);
}

static bool read_object(json_object *value, json_object **object)
{
    *object = value;
    return !value || json_object_is_type(value, json_type_object);
}

static bool is_vendor_extension(const char *key, json_object *value)
{
    return strchr(key, '.') && json_object_is_type(value, json_type_object);
}

/* {"id": 1 or more}; members that it may get later are ignored. */
static bool read_call_id(json_object *value, int64_t *ret_id)
{
    json_object *id = NULL;

    if (!json_object_is_type(value, json_type_object) || !json_object_object_get_ex(value, "id", &id) ||
        !json_object_is_type(id, json_type_int)) {
        return false;
    }
    *ret_id = json_object_get_int64(id);
    return *ret_id > 0;
}

/* Reads the members of a call. Returns the one that is missing, unknown, mistyped or excluded, or NULL. */
static const char *read_call(struct varlink_message *message)
{
    json_object_object_foreach (message->object, key, value) {
        bool fits = strcmp(key, "method") == 0       ? read_string(value, &message->method)
                    : strcmp(key, "parameters") == 0 ? read_object(value, &message->parameters)
                    : strcmp(key, "more") == 0       ? read_flag(value, &message->more)
                    : strcmp(key, "oneway") == 0     ? read_flag(value, &message->oneway)
                    : strcmp(key, "upgrade") == 0    ? read_flag(value, &message->upgrade)
                    : strcmp(key, CALL_MEMBER) == 0  ? read_call_id(value, &message->call_id)
                                                     : is_vendor_extension(key, value);
        if (!fits) {
            return key;
        }
    }
    if (!message->method) {
        return "method";
    }
    if (message->upgrade && (message->more || message->oneway)) {
        return "upgrade";
    }
    return message->oneway && message->more ? "oneway" : NULL;
}

/* The same for a reply. */
static const char *read_reply(struct varlink_message *message)
{
    json_object_object_foreach (message->object, key, value) {
        bool fits = strcmp(key, "error") == 0        ? read_string(value, &message->error)
                    : strcmp(key, "parameters") == 0 ? read_object(value, &message->parameters)
                    : strcmp(key, "continues") == 0  ? read_flag(value, &message->continues)
                    : strcmp(key, CALL_MEMBER) == 0  ? read_call_id(value, &message->call_id)
                                                     : is_vendor_extension(key, value);
        if (!fits) {
            return key;
        }
    }
    return message->error && message->continues ? "continues" : NULL;
}

static int complete_parameters(struct varlink_message *message)
{
    if (message->parameters) {
        return 0;
    }
    message->parameters = json_object_new_object();
    if (!message->parameters ||
        json_object_object_add(message->object, "parameters", message->parameters) < 0) {
        json_object_put(message->parameters);
        return -ENOMEM;
    }
    return 0;
}

/* Notes a call that was taken out, or matches a reply to the oldest call; false when it answers none. */
static bool account(struct varlink_connection *connection, const struct varlink_message *message)
{
    if (connection->role == VARLINK_SERVER) {
        connection->pending = true;
        connection->pending_more = message->more;
        connection->pending_oneway = message->oneway;
        connection->call_id = message->call_id;
        return true;
    }
    if (connection->unanswered == 0 || (message->continues && !(connection->more & 1))) {
        return false;
    }
    if (!message->continues) {
        connection->more >>= 1;
        connection->unanswered--;
    }
    return true;
}

/* An answer that came before, from a service that could not know. */
static bool is_duplicate(const struct varlink_connection *connection, const struct varlink_message *message)
{
    return connection->role == VARLINK_CLIENT && connection->numbered && message->call_id > 0 &&
           message->call_id <= connection->call_id - connection->unanswered;
}

/* The number of an answer, where there is one, is that of the oldest call. */
static bool is_expected(const struct varlink_connection *connection, const struct varlink_message *message)
{
    return connection->role == VARLINK_SERVER || !connection->numbered || message->call_id == 0 ||
           message->call_id == connection->call_id - connection->unanswered + 1;
}

static int take_next(struct varlink_connection *connection, struct varlink_message *ret_message)
{
    struct varlink_breach breach = {.violation = VARLINK_VIOLATION_SHAPE};
    struct varlink_message message = {0};
    const char *text;
    size_t length;
    int r;

    if (connection->violation) {
        return -EPROTO;
    }
    if (connection->pending || !inbox_peek(&connection->in, &text, &length)) {
        return 0;
    }
    r = json_parse_strict(text, length, &message.object, &breach.offset);
    if (r < 0) {
        return r;
    }
    if (r > 0) {
        breach.violation = VARLINK_VIOLATION_JSON;
        breach.json_defect = r;
        return violate(connection, &breach);
    }
    breach.member = connection->role == VARLINK_SERVER ? read_call(&message) : read_reply(&message);
    if (breach.member) {
        r = violate(connection, &breach);
    } else if (complete_parameters(&message)) {
        r = -ENOMEM;
    } else if (is_duplicate(connection, &message)) {
        inbox_take(&connection->in, message.fds, &message.fd_count);
        varlink_message_clear(&message);
        return TAKEN_BEFORE;
    } else if (!is_expected(connection, &message) || !account(connection, &message)) {
        r = violate_by(connection, VARLINK_VIOLATION_UNEXPECTED);
    }
    if (r) {
        json_object_put(message.object);
        return r;
    }
    inbox_take(&connection->in, message.fds, &message.fd_count);
    *ret_message = message;
    return 1;
}

int varlink_connection_next(struct varlink_connection *connection, struct varlink_message *ret_message)
{
    int r;

    do {
        r = take_next(connection, ret_message);
    } while (r == TAKEN_BEFORE);
    return r;
}

void varlink_message_clear(struct varlink_message *message)
{
    if (!message) {
        return;
    }
    fds_close(message->fds, message->fd_count);
    json_object_put(message->object);
    *message = (struct varlink_message){0};
}

int varlink_message_take_fd(struct varlink_message *message, unsigned index)
{
    int fd;

    if (index >= message->fd_count || message->fds[index] < 0) {
        return -EBADF;
    }
    fd = message->fds[index];
    message->fds[index] = -1;
    return fd;
}

void varlink_connection_number_calls(struct varlink_connection *connection)
{
    connection->numbered = true;
}

int varlink_connection_call(struct varlink_connection *connection, const char *method,
                            json_object *parameters, bool more, const int *fds, unsigned fd_count)
{
    int r;

    if (connection->unanswered == VARLINK_INPUT_CALLS_MAX) {
        return -ENOBUFS;
    }
    r = send_message(connection, "method", method, parameters, more ? "more" : NULL,
                     connection->numbered ? connection->call_id + 1 : 0, fds, fd_count);
    if (r == 0) {
        connection->call_id++;
        connection->more |= (uint16_t)(more << connection->unanswered++);
    }
    return r;
}

static int answer(struct varlink_connection *connection, const char *error, json_object *parameters,
                  bool continues, const int *fds, unsigned fd_count)
{
    int r = 0;

    if (connection->violation) {
        return -EPROTO;
    }
    if (!connection->pending || (continues && !connection->pending_more)) {
        return -EINVAL;
    }
    if (connection->pending_oneway) {
        for (unsigned i = 0; i < fd_count; i++) {
            (void)close(fds[i]);
        }
    } else {
        r = send_message(connection, "error", error, parameters, continues ? "continues" : NULL,
                         connection->call_id, fds, fd_count);
    }
    if (r == -ENOBUFS) {
        (void)violate_by(connection, VARLINK_VIOLATION_OVERFLOW);
    }
    if (r == 0) {
        connection->pending = continues;
    }
    return r;
}

int varlink_connection_reply(struct varlink_connection *connection, json_object *parameters, bool continues,
                             const int *fds, unsigned fd_count)
{
    return answer(connection, NULL, parameters, continues, fds, fd_count);
}

int varlink_connection_error(struct varlink_connection *connection, const char *error,
                             json_object *parameters)
{
    return answer(connection, error, parameters, false, NULL, 0);
}

bool varlink_connection_call_pending(const struct varlink_connection *connection)
{
    return connection->pending;
}

size_t varlink_connection_output(struct varlink_connection *connection, struct iovec *ret_iov,
                                 const int **ret_fds, unsigned *ret_fd_count)
{
    const char *bytes;
    size_t count = outbox_peek(&connection->out, &bytes, ret_fds, ret_fd_count);

    if (count > 0) {
        *ret_iov = (struct iovec){.iov_base = (void *)bytes, .iov_len = count};
    }
    return count;
}

void varlink_connection_sent(struct varlink_connection *connection, size_t bytes)
{
    outbox_sent(&connection->out, bytes);
}

enum varlink_violation varlink_connection_violation(const struct varlink_connection *connection)
{
    return (enum varlink_violation)connection->violation;
}

int varlink_connection_json_defect(const struct varlink_connection *connection)
{
    return connection->json_defect;
}
