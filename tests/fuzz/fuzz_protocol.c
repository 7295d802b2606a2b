/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * homid's side of both sockets, from bytes and descriptors to the core's answers: framing, JSON, dispatch,
 * the calls themselves, and a core on a fake SSD. Input: text in pieces as one recvmsg returns them; a byte
 * 0xff (which no JSON has) ends a piece, and the byte behind it says what comes with the next one. A newline
 * stands for the NUL that ends a message. When all connections have ended nothing is left of them.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "daemon/api/events.h"
#include "daemon/api/metrics.h"
#include "daemon/api/session.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/core_fixture.h"

enum {
    SESSIONS = 3, /* two of tenants, one of an operator */
    FDS = 4,      /* kinds of descriptors that come along */
    MEMORY = 64 << 10,
    WITH_FDS = 15,
    TRUNCATED = 16,
    HARDWARE = 32, /* lets the hardware finish what it was asked */
    HANG_UP = 64,
    LATER = 128, /* turns the clock */
};

static struct fixture fixture;
static struct api_context api;
static struct api_session sessions[SESSIONS];
static bool serving;
static int kinds[FDS];

static uint64_t on_now(void *user)
{
    return ((struct fixture *)user)->now;
}

static void on_timer(void *user, uint64_t at)
{
    ((struct fixture *)user)->timer_at = at;
}

/* As daemon/peers/server.c does. */
static void on_event(void *user, const struct core_event *event)
{
    (void)user;
    if (event->lease &&
        (event->kind == CORE_EVENT_LEASE_ENDED || event->kind == CORE_EVENT_LEASE_REVOKED ||
         event->kind == CORE_EVENT_FUNCTION_RESET || event->kind == CORE_EVENT_FUNCTION_FAILED))
        api_forget_lease(&api, event->lease);
    events_publish(api.events, event);
}

static void on_changed(void *user)
{
    (void)user;
}

/* Good memory, memory without seals, a device, and a pipe. */
static void make_kinds(void)
{
    int ends[2];

    for (unsigned i = 0; i < 2; i++) {
        kinds[i] = memfd_create("fuzz", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        fuzz_require(kinds[i] >= 0 && fallocate(kinds[i], 0, 0, MEMORY) == 0);
    }
    fuzz_require(fcntl(kinds[0], F_ADD_SEALS, F_SEAL_SHRINK) == 0);
    kinds[2] = open("/dev/zero", O_RDWR | O_CLOEXEC);
    fuzz_require(kinds[2] >= 0 && pipe2(ends, O_CLOEXEC) == 0);
    kinds[3] = ends[0];
}

static void wake(struct api_session *session)
{
    (void)session; /* what is queued is looked at after each piece */
}

static void begin(unsigned number)
{
    struct api_session *session = &sessions[number];
    const struct core_peer peer = {.pid = 100 + (pid_t)number, .uid = number == 0 ? BOTH : BLUE};

    *session = (struct api_session){
        .context = &api,
        .wake = wake,
        .pid = peer.pid,
        .uid = peer.uid,
        .kind = number == SESSIONS - 1 ? API_ADMIN : API_TENANT,
        .operator= true,
    };
    fuzz_require(varlink_connection_new(VARLINK_SERVER, &session->connection) == 0);
    if (session->kind == API_TENANT)
        fuzz_require(core_client_new(fixture.core, &peer, session, &session->client) == 0);
}

static void end(unsigned number)
{
    api_session_close(&sessions[number]);
    varlink_connection_free(sessions[number].connection);
}

static void start(void)
{
    const struct core_listener listener = {
        .now = on_now, .timer = on_timer, .event = on_event, .changed = on_changed, .user = &fixture};

    make_kinds();
    fixture_init(&fixture, 2);
    fuzz_require(core_new(&fixture.config, &fixture.fake.backend, &listener, &fixture.core) == 0);
    api.core = fixture.core;
    api.config = &fixture.config;
    fuzz_require(api_context_init(&api) == 0 && metrics_new(&api.metrics) == 0);
    fuzz_require(events_new(2, 2, NULL, api.metrics, &api.events) == 0);
    core_start(fixture.core);
    fixture_settle(&fixture);
    serving = true;
}

/* Takes what is queued, as a peer that reads does. */
static void read_answers(struct varlink_connection *connection)
{
    struct iovec iov;
    const int *fds;
    unsigned fd_count;
    size_t bytes;

    while ((bytes = varlink_connection_output(connection, &iov, &fds, &fd_count)) > 0) {
        fuzz_require(bytes == iov.iov_len && fd_count <= VARLINK_FDS_MAX);
        varlink_connection_sent(connection, bytes);
    }
}

/* As daemon/peers/peer.c does. true: the connection is over. */
static bool serve(struct api_session *session)
{
    struct varlink_message message;

    while (session->failure == 0) {
        read_answers(session->connection);
        if (varlink_connection_call_pending(session->connection))
            return false;
        int r = varlink_connection_next(session->connection, &message);
        if (r == 0)
            return false;
        if (r < 0)
            break;
        r = api_session_dispatch(session, &message);
        varlink_message_clear(&message);
        fuzz_require(r != -EBADMSG); /* an answer that the interface does not define */
        if (r < 0)
            break;
    }
    fuzz_require(session->failure != -EBADMSG);
    read_answers(session->connection);
    return true;
}

static void give(unsigned number, char *text, size_t bytes, unsigned control)
{
    unsigned wanted = control & WITH_FDS, fd_count = wanted < 10 ? wanted : 0;
    struct api_session *session = &sessions[number];
    int fds[10];

    for (size_t i = 0; i < bytes; i++) {
        if (text[i] == '\n')
            text[i] = '\0';
    }
    for (unsigned i = 0; i < fd_count; i++) {
        fds[i] = fcntl(kinds[i % FDS], F_DUPFD_CLOEXEC, 0);
        fuzz_require(fds[i] >= 0);
    }
    int r =
        varlink_connection_feed(session->connection, text, bytes, fds, fd_count, (control & TRUNCATED) != 0);
    if (serve(session) || r < 0 || control & HANG_UP) {
        end(number);
        begin(number);
    }
    if (control & HARDWARE)
        fake_run(&fixture.fake);
    if (control & LATER)
        fixture_advance(&fixture, 1000);
    for (unsigned i = 0; i < SESSIONS; i++) {
        if (serve(&sessions[i])) {
            end(i);
            begin(i);
        }
    }
}

static void note_lease(void *user, const struct core_lease_view *view)
{
    snprintf(user, CORE_NAME_BYTES, "%s", view->name);
}

static void on_freed(void *user, const struct core_error *error)
{
    (void)user, (void)error;
}

/* What the operator reserved stands until it is freed. */
static void free_reservations(void)
{
    for (;;) {
        char lease[CORE_NAME_BYTES] = "";
        core_each_lease(fixture.core, note_lease, lease);
        if (!lease[0])
            return;
        core_free_lease(fixture.core, lease, true, on_freed, NULL);
        fixture_settle(&fixture);
    }
}

int fuzz_one(const uint8_t *data, size_t bytes)
{
    unsigned control = 0, number = 0;

    if (!serving)
        start();
    for (unsigned i = 0; i < SESSIONS; i++)
        begin(i);
    while (bytes > 0) {
        const uint8_t *mark = memchr(data, 0xff, bytes);
        size_t count = mark ? (size_t)(mark - data) : bytes;
        char *text = fuzz_text(data, count);
        give(number, text, count, control);
        free(text);
        data += count;
        bytes -= count;
        if (bytes < 2)
            break;
        control = data[1];
        number = bytes > 2 && data[2] < SESSIONS ? data[2] : 0;
        size_t used = bytes > 2 && data[2] < SESSIONS ? 3 : 2;
        data += used;
        bytes -= used;
    }
    for (unsigned i = 0; i < SESSIONS; i++)
        end(i);
    fixture_settle(&fixture);
    free_reservations();
    check_clean(&fixture);
    return 0;
}
