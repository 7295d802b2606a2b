/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A client that breaks the protocol in every way, on a connection of its own each time, and looks whether
 * homid says by name what was wrong, hangs up where nothing more can follow, and still serves everybody else.
 * Prints "ok CASE what-happened" or "not ok CASE ..." for each. Exit status: 0 when all was as it should be,
 * 1 when not, 2 for a wrong command line, 4 when homid cannot be reached.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/tenants/common/options.h"
#include "tests/tenants/common/raw.h"
#include "tests/tenants/common/ticks.h"

static const char usage[] = "Usage: proto-abuse [OPTION]...\n"
                            "  --socket PATH    homid's socket\n"
                            "  --only PREFIX    cases whose names begin so\n"
                            "  --slow-ms N      between the bytes of the slow case [1000]\n"
                            "  --slow-bytes N   how many of them [8]\n"
                            "  --connections N  of the case that opens many [200]\n";

#define LIST          "{\"method\":\"io.homi.Tenant.ListTenants\"}"
#define OVERSIZE      (1 << 20)
#define ANSWER_MS     10000
#define SERVED_WITHIN 2.0 /* seconds, for a well-behaved client beside an abuser */

struct settings {
    const char *socket, *only;
    uint32_t slow_ms, slow_bytes, connections;
};

/* What may come of a message. */
enum outcome { REPLY, REFUSAL, HANG_UP, SILENCE };

static const char *const outcome_names[] = {"reply", "refusal", "hang-up", "silence"};

/* A message, sent as it stands, and what must come of it: a refusal's name, and a part of the answer's text.
 */
struct abuse {
    const char *name, *text;
    enum outcome right;
    const char *error, *detail;
};

#define STANDARD(name)           "org.varlink.service." name
#define PROTOCOL(name)           "io.homi.Protocol." name
#define MALFORMED(defect)        REFUSAL, PROTOCOL("MalformedMessage"), "\"defect\":\"" defect "\""
#define NOT_A_CALL(member)       REFUSAL, PROTOCOL("NotACall"), "\"member\":\"" member "\""
#define CALL(method, parameters) "{\"method\":\"io.homi.Tenant." method "\",\"parameters\":" parameters "}"

static const struct abuse abuses[] = {
    {"garbage", "hello homid", MALFORMED("syntax")},
    {"empty", "", MALFORMED("syntax")},
    {"truncated", "{\"method\":", MALFORMED("syntax")},
    {"trailing", LIST "x", MALFORMED("syntax")},
    {"array", "[" LIST "]", MALFORMED("notObject")},
    {"no-method", "{\"parameters\":{}}", NOT_A_CALL("method")},
    {"method-number", "{\"method\":7}", NOT_A_CALL("method")},
    {"parameters-array", CALL("ListTenants", "[]"), NOT_A_CALL("parameters")},
    {"unknown-member", "{\"method\":\"io.homi.Tenant.ListTenants\",\"colour\":1}", NOT_A_CALL("colour")},
    {"more-and-oneway", "{\"method\":\"io.homi.Tenant.Monitor\",\"more\":true,\"oneway\":true}",
     NOT_A_CALL("oneway")},
    {"duplicate-key", "{\"method\":\"io.homi.Tenant.ListTenants\",\"method\":\"io.homi.Tenant.Attach\"}",
     MALFORMED("duplicateKey")},
    {"duplicate-parameter", CALL("Detach", "{\"lease\":\"a\",\"lease\":\"b\"}"), MALFORMED("duplicateKey")},
    {"single-quotes", "{'method':'io.homi.Tenant.ListTenants'}", MALFORMED("syntax")},
    {"nan", CALL("Attach", "{\"queuePairs\":NaN}"), MALFORMED("syntax")},
    {"number-too-big", CALL("Attach", "{\"queuePairs\":9223372036854775808}"), MALFORMED("numberOutOfRange")},
    {"not-utf8", CALL("Detach", "{\"lease\":\"\xff\xfe\"}"), MALFORMED("notUtf8")},
    {"nul", CALL("Detach", "{\"lease\":\"a\\u0000b\"}"), MALFORMED("nul")},
    {"control-character", CALL("Detach", "{\"lease\":\"a\nb\"}"), MALFORMED("syntax")},
    {"comment", "/* hi */" LIST, MALFORMED("syntax")},
    {"unknown-parameter", CALL("ListTenants", "{\"colour\":1}"), REFUSAL, STANDARD("InvalidParameter"),
     "colour"},
    {"unknown-interface", "{\"method\":\"com.example.Other.Call\"}", REFUSAL, STANDARD("InterfaceNotFound"),
     "com.example.Other"},
    {"no-interface", "{\"method\":\"Call\"}", REFUSAL, STANDARD("InterfaceNotFound"), "Call"},
    {"unknown-method", "{\"method\":\"io.homi.Tenant.Nothing\"}", REFUSAL, STANDARD("MethodNotFound"),
     "Nothing"},
    {"admin-method", "{\"method\":\"io.homi.Admin.GetStatus\"}", REFUSAL, STANDARD("InterfaceNotFound"),
     "io.homi.Admin"},
    {"monitor-without-more", "{\"method\":\"io.homi.Tenant.Monitor\"}", REFUSAL, STANDARD("ExpectedMore"),
     NULL},
    {"upgrade", "{\"method\":\"io.homi.Tenant.ListTenants\",\"upgrade\":true}", REFUSAL,
     STANDARD("InvalidParameter"), "upgrade"},
    {"oneway", "{\"method\":\"io.homi.Tenant.ListTenants\",\"oneway\":true}", SILENCE, "", NULL},
    {"info", "{\"method\":\"org.varlink.service.GetInfo\"}", REPLY, "", "io.homi.Tenant"},
    {"limits", "{\"method\":\"io.homi.Protocol.GetLimits\"}", REPLY, "", "\"messageBytes\":65536"},
};

static char reply[RAW_REPLY_BYTES];

static int connect_or_end(const struct settings *settings)
{
    int fd = raw_connect(settings->socket);

    if (fd >= 0)
        return fd;
    fprintf(stderr, "failed: connecting to homid: %s\n", strerror(-fd));
    exit(4);
}

/* What comes back on a connection; a refusal's name goes to `error`. */
static enum outcome listen_to(int fd, int timeout_milliseconds, char *error, size_t bytes)
{
    int r = raw_receive(fd, reply, timeout_milliseconds);

    error[0] = '\0';
    if (r == -ETIMEDOUT)
        return SILENCE;
    if (r <= 0)
        return HANG_UP;
    return raw_error(reply, error, bytes)[0] != '\0' ? REFUSAL : REPLY;
}

/* Whether a well-behaved client is served in time. */
static bool others_are_served(const struct settings *settings)
{
    double start = ticks_wall_seconds();
    int fd = connect_or_end(settings);
    bool served = raw_call(fd, LIST, NULL, 0, reply) == 1 && strstr(reply, "\"tenants\"") != NULL;

    close(fd);
    return served && ticks_wall_seconds() - start < SERVED_WITHIN;
}

/* Prints a case's result; `what` says what happened to the abuser. */
static unsigned result(const struct settings *settings, const char *name, bool right, const char *what)
{
    bool served = others_are_served(settings);

    printf("%s %s %s%s\n", right && served ? "ok" : "not ok", name, what,
           served ? "" : ", and others are not served");
    fflush(stdout);
    return !(right && served);
}

static void send_all(int fd, const char *bytes, size_t count, const int *fds, unsigned fd_count)
{
    for (size_t sent = 0; sent < count;) {
        ssize_t n = raw_send(fd, bytes + sent, count - sent, fds, sent == 0 ? fd_count : 0);
        if (n <= 0)
            break; /* homid hung up in the middle, as it may */
        sent += (size_t)n;
    }
}

/* Behind an error of io.homi.Protocol homid hangs up; behind any other answer it goes on. */
static bool follows_rightly(int fd, const char *error)
{
    char next[256];

    if (strncmp(error, PROTOCOL(""), strlen(PROTOCOL(""))) == 0)
        return listen_to(fd, ANSWER_MS, next, sizeof(next)) == HANG_UP;
    send_all(fd, LIST, sizeof(LIST), NULL, 0);
    return listen_to(fd, ANSWER_MS, next, sizeof(next)) == REPLY;
}

/* Whether the right things come on a connection on which the abuse was sent; ends it. */
static unsigned judge(const struct settings *settings, const struct abuse *abuse, int fd)
{
    char error[256], what[1024];
    enum outcome outcome = listen_to(fd, abuse->right == SILENCE ? 500 : ANSWER_MS, error, sizeof(error));
    bool right = outcome == abuse->right && strcmp(error, abuse->error) == 0 &&
                 (!abuse->detail || strstr(reply, abuse->detail));

    snprintf(what, sizeof(what), "%s %s", outcome_names[outcome], error);
    if (right && !follows_rightly(fd, error)) {
        right = false;
        snprintf(what, sizeof(what), "%s is not followed by what must follow", error);
    } else if (!right && outcome == REFUSAL) {
        snprintf(what, sizeof(what), "%.1000s", reply);
    }
    close(fd);
    return result(settings, abuse->name, right, what);
}

static unsigned run_bytes(const struct settings *settings, const struct abuse *abuse, const char *bytes,
                          size_t count, const int *fds, unsigned fd_count)
{
    int fd = connect_or_end(settings);

    send_all(fd, bytes, count, fds, fd_count);
    return judge(settings, abuse, fd);
}

static unsigned run_message(const struct settings *settings, const struct abuse *abuse)
{
    return run_bytes(settings, abuse, abuse->text, strlen(abuse->text) + 1, NULL, 0);
}

static unsigned run_oversized(const struct settings *settings)
{
    static const struct abuse abuse = {"oversized", NULL, REFUSAL, PROTOCOL("MessageTooLong"),
                                       "\"limitBytes\":65536"};
    char *bytes = malloc(OVERSIZE);
    unsigned wrong;

    if (!bytes)
        exit(4);
    memset(bytes, ' ', OVERSIZE); /* white space: only the length is wrong */
    memcpy(bytes, LIST, strlen(LIST));
    bytes[OVERSIZE - 1] = '\0';
    wrong = run_bytes(settings, &abuse, bytes, OVERSIZE, NULL, 0);
    free(bytes);
    return wrong;
}

static unsigned run_deep(const struct settings *settings)
{
    static const struct abuse abuse = {"deep", NULL, REFUSAL, PROTOCOL("MessageTooDeep"), "\"limit\":16,"};
    static const char head[] = "{\"method\":\"io.homi.Tenant.Attach\",\"parameters\":{\"tenant\":";
    static char bytes[60000];
    size_t length = strlen(head), depth = (sizeof(bytes) - length - 3) / 2;

    memcpy(bytes, head, length);
    memset(bytes + length, '[', depth);
    memset(bytes + length + depth, ']', depth);
    memcpy(bytes + length + 2 * depth, "}}", 3);
    return run_bytes(settings, &abuse, bytes, length + 2 * depth + 3, NULL, 0);
}

/* The first part must be read before the descriptor comes: the kernel may join what waits. */
static unsigned run_misplaced(const struct settings *settings, int descriptor)
{
    static const struct abuse abuse = {"descriptors-misplaced", NULL, REFUSAL,
                                       PROTOCOL("FileDescriptorsMisplaced"), NULL};
    int fd = connect_or_end(settings), unread = 1;

    send_all(fd, LIST, 10, NULL, 0);
    for (unsigned i = 0; i < 1000 && unread > 0 && ioctl(fd, SIOCOUTQ, &unread) == 0; i++)
        usleep(10000);
    send_all(fd, &LIST[10], sizeof(LIST) - 10, &descriptor, 1);
    return judge(settings, &abuse, fd);
}

static unsigned run_descriptors(const struct settings *settings)
{
    static const struct {
        struct abuse abuse;
        unsigned count;
    } cases[] = {
        {{"descriptors-unwanted", NULL, REFUSAL, STANDARD("InvalidParameter"), "fileDescriptors"}, 1},
        {{"descriptors-too-many", NULL, REFUSAL, PROTOCOL("TooManyFileDescriptors"), "\"limit\":16}"}, 17},
        {{"descriptors-far-too-many", NULL, REFUSAL, PROTOCOL("TooManyFileDescriptors"), "\"limit\":16}"},
         RAW_FDS_MAX},
    };
    int fds[RAW_FDS_MAX];
    unsigned wrong = 0;

    for (unsigned i = 0; i < RAW_FDS_MAX; i++)
        fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        wrong += run_bytes(settings, &cases[i].abuse, LIST, sizeof(LIST), fds, cases[i].count);
    wrong += run_misplaced(settings, fds[0]);
    for (unsigned i = 0; i < RAW_FDS_MAX; i++)
        close(fds[i]);
    return wrong;
}

/* Calls sent ahead are answered in their order. */
static unsigned run_pipelined(const struct settings *settings)
{
    enum { CALLS = 10 };
    int fd = connect_or_end(settings);
    char error[256], what[64];
    unsigned answered = 0;

    for (unsigned i = 0; i < CALLS; i++)
        (void)raw_send(fd, LIST, sizeof(LIST), NULL, 0);
    while (answered < CALLS && listen_to(fd, ANSWER_MS, error, sizeof(error)) == REPLY)
        answered++;
    close(fd);
    snprintf(what, sizeof(what), "%u of %d answered", answered, CALLS);
    return result(settings, "pipelined", answered == CALLS, what);
}

/* One byte now and then. It may be cut off, but nobody else may wait for it. */
static unsigned run_slow(const struct settings *settings)
{
    int fd = connect_or_end(settings);
    const char *what = "kept waiting";
    bool served = true;

    for (uint32_t i = 0; i < settings->slow_bytes && i < sizeof(LIST); i++) {
        char error[256];

        if (raw_send(fd, &LIST[i], 1, NULL, 0) < 0 ||
            listen_to(fd, (int)settings->slow_ms, error, sizeof(error)) != SILENCE) {
            what = "cut off";
            break;
        }
        served = served && others_are_served(settings);
    }
    close(fd);
    return result(settings, "slow", served, what);
}

/* Asks for long answers and never reads one. homid must neither wait nor keep what it cannot send. */
static unsigned run_never_reading(const struct settings *settings)
{
    static const char call[] = "{\"method\":\"org.varlink.service.GetInterfaceDescription\","
                               "\"parameters\":{\"interface\":\"io.homi.Tenant\"}}";
    int fd = connect_or_end(settings);
    double start = ticks_wall_seconds();
    const char *what = "held back";
    bool served = true, stuck = false;
    size_t at = 0;
    ssize_t n = 0;

    fcntl(fd, F_SETFL, O_NONBLOCK);
    while (ticks_wall_seconds() - start < 5 && (n >= 0 || n == -EAGAIN)) {
        n = raw_send(fd, call + at, sizeof(call) - at, NULL, 0);
        at = n > 0 ? (at + (size_t)n) % sizeof(call) : at;
        stuck = stuck || n == -EAGAIN;
        if (n == -EAGAIN) {
            served = served && others_are_served(settings);
            usleep(100000);
        }
    }
    if (n < 0 && n != -EAGAIN)
        what = "cut off";
    close(fd);
    return result(settings, "never-reading", served && (stuck || n < 0),
                  stuck || n < 0 ? what : "not held back");
}

/* Leaves in the middle of a message. */
static unsigned run_half(const struct settings *settings)
{
    int fd = connect_or_end(settings);
    char error[256];
    enum outcome outcome;

    (void)raw_send(fd, LIST, 10, NULL, 0);
    shutdown(fd, SHUT_WR);
    outcome = listen_to(fd, ANSWER_MS, error, sizeof(error));
    close(fd);
    return result(settings, "half", outcome == HANG_UP, outcome_names[outcome]);
}

/* Many connections that say nothing. The last one is served, or hears of the limit; then all of them leave.
 */
static unsigned run_many(const struct settings *settings)
{
    int *fds = calloc(settings->connections, sizeof(*fds));
    uint32_t open_ones = 0;
    bool right = false;
    char what[320], error[256] = "";

    if (!fds)
        exit(4);
    while (open_ones < settings->connections && (fds[open_ones] = raw_connect(settings->socket)) >= 0)
        open_ones++;
    if (open_ones > 0) {
        int last = fds[open_ones - 1];
        send_all(last, LIST, sizeof(LIST), NULL, 0);
        enum outcome outcome = listen_to(last, ANSWER_MS, error, sizeof(error));
        right = outcome == REPLY || strcmp(error, "io.homi.Tenant.QuotaExceeded") == 0;
    }
    snprintf(what, sizeof(what), "%u connections opened %s", open_ones, error);
    for (uint32_t i = 0; i < open_ones; i++)
        close(fds[i]);
    free(fds);
    return result(settings, "many", right, what);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        unsigned (*run)(const struct settings *settings);
    } others[] = {
        {"oversized", run_oversized},         {"deep", run_deep}, {"descriptors", run_descriptors},
        {"pipelined", run_pipelined},         {"half", run_half}, {"slow", run_slow},
        {"never-reading", run_never_reading}, {"many", run_many},
    };
    struct settings settings = {.only = "", .slow_ms = 1000, .slow_bytes = 8, .connections = 200};
    const struct option_spec specs[] = {
        {"socket", OPTION_TEXT, &settings.socket, 0, 0, NULL},
        {"only", OPTION_TEXT, &settings.only, 0, 0, NULL},
        {"slow-ms", OPTION_U32, &settings.slow_ms, 1, 60000, NULL},
        {"slow-bytes", OPTION_U32, &settings.slow_bytes, 1, sizeof(LIST), NULL},
        {"connections", OPTION_U32, &settings.connections, 1, 1000, NULL},
        {NULL, OPTION_FLAG, NULL, 0, 0, NULL},
    };
    unsigned wrong = 0;

    options_require(options_parse(argc, argv, specs, usage) == argc, "nothing but options");
    for (size_t i = 0; i < sizeof(abuses) / sizeof(abuses[0]); i++)
        if (strncmp(abuses[i].name, settings.only, strlen(settings.only)) == 0)
            wrong += run_message(&settings, &abuses[i]);
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        if (strncmp(others[i].name, settings.only, strlen(settings.only)) == 0)
            wrong += others[i].run(&settings);
    printf("%u wrong\n", wrong);
    return wrong > 0;
}
