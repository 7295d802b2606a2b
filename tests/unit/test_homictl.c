/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * homictl as it is run: command lines in, what it asks of homid, what it prints and its exit status out.
 * homid is a process that takes one call on a socket and answers with what the case says.
 */
#include <check.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/call_number.h"

#include "homictl/command.h"
#include "proto/idl.h"
#include "proto/interfaces.h"

static char folder[] = "/tmp/test-homictl-XXXXXX";
static char socket_path[64], request_path[64];

/* What one run of homictl did. */
struct outcome {
    int status;
    char output[16384]; /* stdout and stderr, in the order of their arrival */
    char request[1024]; /* the call that it made, "" when none */
};

/* Takes one call and writes it down; answers with replies, each with its NUL, then hangs up. */
static void answer_once(int listener, const char *replies, size_t bytes)
{
    char request[1024] = "";
    size_t length = 0;
    int connection = accept(listener, NULL, NULL);
    FILE *file = fopen(request_path, "w");

    if (connection < 0 || !file)
        _exit(1);
    while (length < sizeof(request) && !memchr(request, '\0', length)) {
        ssize_t count = read(connection, request + length, sizeof(request) - length);

        if (count <= 0)
            _exit(1);
        length += (size_t)count;
    }
    cut_call_number(request);
    fputs(request, file);
    fclose(file);
    if (bytes)
        (void)!write(connection, replies, bytes);
    _exit(0);
}

static pid_t start_homid(const char *replies, size_t bytes)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    pid_t pid;

    strcpy(address.sun_path, socket_path);
    unlink(socket_path);
    ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
    ck_assert_int_eq(listen(listener, 1), 0);
    pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0)
        answer_once(listener, replies, bytes);
    close(listener);
    return pid;
}

static void read_file(const char *path, char *ret_text, size_t size)
{
    FILE *file = fopen(path, "r");

    ret_text[file ? fread(ret_text, 1, size - 1, file) : 0] = '\0';
    if (file)
        fclose(file);
}

/* Runs homictl with arguments for the shell. The program lies beside the folder of this one. */
static void run_homictl(const char *arguments, struct outcome *ret_outcome)
{
    char program[PATH_MAX], command[2 * PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", program, sizeof(program) - 1);
    FILE *pipe;

    ck_assert_int_gt(length, 0);
    program[length] = '\0';
    for (int i = 0; i < 2; i++)
        *strrchr(program, '/') = '\0';
    ck_assert_int_lt(snprintf(command, sizeof(command),
                              "{ HOMI_ADMIN_SOCKET=%s %s/homictl %s; } 2>&1 </dev/null", socket_path, program,
                              arguments),
                     (int)sizeof(command));
    *ret_outcome = (struct outcome){0};
    pipe = popen(command, "r");
    ck_assert_ptr_nonnull(pipe);
    ret_outcome->output[fread(ret_outcome->output, 1, sizeof(ret_outcome->output) - 1, pipe)] = '\0';
    ret_outcome->status = WEXITSTATUS(pclose(pipe));
    read_file(request_path, ret_outcome->request, sizeof(ret_outcome->request));
}

/* Runs homictl beside a homid that answers with replies: bytes of them, NULs included. */
static void converse(const char *arguments, const char *replies, size_t bytes, struct outcome *ret_outcome)
{
    pid_t homid = start_homid(replies, bytes);

    unlink(request_path);
    run_homictl(arguments, ret_outcome);
    kill(homid, SIGKILL);
    waitpid(homid, NULL, 0);
}
#define CONVERSE(arguments, replies, outcome) converse(arguments, replies, sizeof(replies), outcome)

static void make_folder(void)
{
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(socket_path, sizeof(socket_path), "%s/admin.sock", folder);
    snprintf(request_path, sizeof(request_path), "%s/request", folder);
    unsetenv("NO_COLOR");
}

static void remove_folder(void)
{
    unlink(socket_path);
    unlink(request_path);
    rmdir(folder);
}

#define DEVICE(state, ready, reason)                                                                         \
    "{\"name\":\"ssd0\",\"address\":\"0000:01:00.0\",\"serial\":\"S1\",\"model\":\"Model X\","               \
    "\"firmware\":\"1.0\",\"controller\":\"nvme0\",\"state\":\"" state "\",\"reason\":" reason               \
    ",\"functionsDesired\":4,\"functionsReady\":" ready ",\"functionsLeased\":2,\"functionsTotal\":8,"       \
    "\"queuePairsDesired\":3,\"interruptsDesired\":1,\"confinement\":\"trustedOnly\"}"
#define STATUS(device, ready, problems)                                                                      \
    "{\"parameters\":{\"version\":\"9.9\",\"pid\":42,\"uptimeSeconds\":7985,\"ready\":" ready                \
    ",\"devices\":[" device "],\"leases\":2,\"queuePairs\":5,\"connections\":4,\"memoryBytes\":67108864,"    \
    "\"problems\":[" problems "]}}"

START_TEST(status_of_a_ready_homid)
{
    struct outcome outcome;

    CONVERSE("status", STATUS(DEVICE("ready", "4", "null"), "true", ""), &outcome);
    ck_assert_str_eq(outcome.output, "homid 9.9: ready, pid 42, up 2h13m\n"
                                     "2 leases, 5 queue pairs, 4 connections, 64.0MiB registered\n\n"
                                     "DEVICE  STATE  ADDRESS       CONTROLLER  MODEL    SERIAL  VFS  READY  "
                                     "LEASED  TOTALVFS  QUEUES/VF  DIRECT        REASON\n"
                                     "ssd0    ready  0000:01:00.0  nvme0       Model X  S1        4      4   "
                                     "    2         8          3  trusted only  -\n");
    ck_assert_int_eq(outcome.status, EXIT_OK);
    ck_assert_str_eq(outcome.request, "{\"method\":\"io.homi.Admin.GetStatus\"}");
}
END_TEST

START_TEST(status_says_what_is_wrong_and_what_to_do)
{
    struct outcome outcome;

    CONVERSE("status", STATUS(DEVICE("quarantined", "0", "\"it hangs\""), "true", "\"ssd0: it hangs\""),
             &outcome);
    ck_assert_ptr_nonnull(strstr(outcome.output, "homid 9.9: degraded"));
    ck_assert_ptr_nonnull(strstr(outcome.output, "\nProblems:\n  ssd0: it hangs\n  next: "));
    ck_assert_ptr_nonnull(strstr(outcome.output, "`homictl retry ssd0`"));
    ck_assert_int_eq(outcome.status, EXIT_DEGRADED);
    CONVERSE("status",
             STATUS(DEVICE("ready", "1", "null"), "true", "\"0000:01:00.1 of ssd0: quarantined: it hangs\""),
             &outcome);
    ck_assert_ptr_nonnull(strstr(outcome.output, "homid 9.9: degraded"));
    ck_assert_ptr_nonnull(strstr(outcome.output, "`homictl retry DEVICE FUNCTION`"));
    ck_assert_int_eq(outcome.status, EXIT_DEGRADED);
    CONVERSE("status",
             STATUS(DEVICE("absent", "0", "\"no such serial\""), "true", "\"ssd0: absent: no such serial\""),
             &outcome);
    ck_assert_ptr_nonnull(strstr(outcome.output, "next: see that ssd0 is plugged in"));
    CONVERSE("status", STATUS(DEVICE("provisioning", "0", "null"), "false", ""), &outcome);
    ck_assert_ptr_nonnull(strstr(outcome.output, "homid 9.9: starting"));
    ck_assert_int_eq(outcome.status, EXIT_DEGRADED);
}
END_TEST

START_TEST(colours_when_asked_alone)
{
    struct outcome outcome;

    CONVERSE("status", STATUS(DEVICE("quarantined", "0", "null"), "true", ""), &outcome);
    ck_assert_ptr_null(strchr(outcome.output, '\033'));
    CONVERSE("--color=always status", STATUS(DEVICE("quarantined", "0", "null"), "true", ""), &outcome);
    ck_assert_ptr_nonnull(strstr(outcome.output, "\033[1;31mquarantined\033[0m"));
}
END_TEST

static const struct {
    const char *arguments, *method, *reply, *output;
} lists[] = {
    {"list devices", "ListDevices", "{\"parameters\":{\"devices\":[" DEVICE("ready", "4", "null") "]}}",
     "DEVICE  STATE  ADDRESS       CONTROLLER  MODEL    SERIAL  VFS  READY  LEASED  TOTALVFS  QUEUES/VF  "
     "DIRECT        REASON\n"
     "ssd0    ready  0000:01:00.0  nvme0       Model X  S1        4      4       2         8          3  "
     "trusted only  -\n"},
    {"list vfs", "ListVirtualFunctions",
     "{\"parameters\":{\"virtualFunctions\":[{\"name\":\"0000:01:00.1\",\"device\":\"ssd0\",\"index\":0,"
     "\"controllerId\":1,\"state\":\"leased\",\"reason\":\"why\",\"iommuGroup\":7,\"queuePairs\":3,"
     "\"queuePairsUsed\":2,\"interrupts\":1,\"lease\":\"blue-1\",\"tenant\":\"blue\"}]}}",
     "VF            DEVICE  INDEX  CNTLID  STATE   GROUP  QUEUES  INTERRUPTS  TENANT  LEASE   REASON\n"
     "0000:01:00.1  ssd0        0       1  leased      7     2/3           1  blue    blue-1  why\n"},
    {"list leases", "ListLeases",
     "{\"parameters\":{\"leases\":[{\"name\":\"blue-1\",\"tenant\":\"blue\",\"kind\":\"passthrough\","
     "\"state\":\"ending\",\"reason\":\"held\",\"user\":1001,\"keeper\":{\"pid\":9},\"nodes\":[\"/dev/vfio/"
     "7\"],"
     "\"reserved\":true,\"virtualFunctions\":[\"0000:01:00.1\",\"0000:02:00.1\"],\"namespaces\":[2,3],"
     "\"queuePairs\":6,"
     "\"queuePairsUsed\":2,\"memoryBytes\":4096,\"ageSeconds\":61,\"holders\":[{\"pid\":5,\"uid\":1001,"
     "\"queuePairs\":1,\"regions\":1,\"memoryBytes\":0},{\"pid\":6,\"uid\":1001,\"queuePairs\":1,\"regions\":"
     "1,"
     "\"memoryBytes\":4096}]}]}}",
     "LEASE   TENANT  KIND         STATE   RESERVED  VFS                        NAMESPACES  QUEUES  MEMORY   "
     "AGE  "
     "ENDS IN  PIDS  NODES        REASON\n"
     "blue-1  blue    passthrough  ending  yes       0000:01:00.1,0000:02:00.1  2,3            2/6  4.0KiB  "
     "1m1s  "
     "      -  5,6   /dev/vfio/7  held\n"},
    {"queue", "ListQueuePairs",
     "{\"parameters\":{\"queuePairs\":[{\"virtualFunction\":\"0000:01:00.1\",\"id\":2,\"lease\":\"blue-1\","
     "\"tenant\":\"blue\",\"pid\":501,\"entries\":128,\"interrupt\":false}]}}",
     "VF            QUEUE  DEPTH  INTERRUPT  PID  TENANT  LEASE\n"
     "0000:01:00.1      2    128  no         501  blue    blue-1\n"},
    {"list tenants", "ListTenants",
     "{\"parameters\":{\"tenants\":[{\"name\":\"blue\",\"trusted\":true,\"uids\":[1001],\"gids\":[7,8],"
     "\"virtualFunctions\":1,\"virtualFunctionsMax\":2,\"queuePairs\":2,\"queuePairsMax\":8,\"memoryBytes\":"
     "1024,"
     "\"memoryBytesMax\":2048,\"connections\":2,\"connectionsMax\":64,\"devices\":[\"ssd0\"],"
     "\"namespaces\":[{\"device\":\"ssd0\",\"id\":2}]}]}}",
     "TENANT  TRUSTED  UIDS  GIDS  VFS  QUEUES         MEMORY  CONNECTIONS  DEVICES  NAMESPACES\n"
     "blue    yes      1001  7,8   1/2     2/8  1.0KiB/2.0KiB         2/64  ssd0     ssd0:2\n"},
    {"list namespaces", "ListNamespaces",
     "{\"parameters\":{\"namespaces\":[{\"device\":\"ssd0\",\"id\":2,\"blockBytes\":4096,\"blocks\":256,"
     "\"allowed\":[\"blue\",\"green\"],\"holder\":\"blue\",\"lease\":\"blue-1\",\"scrub\":\"pending\"}]}}",
     "DEVICE  NAMESPACE    SIZE   BLOCK  ALLOWED     HOLDER  LEASE   SCRUB\n"
     "ssd0            2  1.0MiB  4.0KiB  blue,green  blue    blue-1  pending\n"},
};

START_TEST(lists_show_every_member)
{
    struct outcome outcome;
    char request[128];

    converse(lists[_i].arguments, lists[_i].reply, strlen(lists[_i].reply) + 1, &outcome);
    ck_assert_str_eq(outcome.output, lists[_i].output);
    ck_assert_int_eq(outcome.status, EXIT_OK);
    snprintf(request, sizeof(request), "{\"method\":\"io.homi.Admin.%s\",\"more\":true}", lists[_i].method);
    ck_assert_str_eq(outcome.request, request);
}
END_TEST

START_TEST(lists_as_json_are_the_reply)
{
    struct outcome outcome;

    CONVERSE("list queues --json", "{\"parameters\":{\"queuePairs\":[],\"x\":1}}", &outcome);
    ck_assert_str_eq(outcome.output, "{\"queuePairs\":[],\"x\":1}\n");
    CONVERSE("list queues", "{\"parameters\":{\"queuePairs\":[]}}", &outcome);
    ck_assert_str_eq(outcome.output, "No queues.\n");
    ck_assert_int_eq(outcome.status, EXIT_OK);
    CONVERSE("list queues", "{\"parameters\":{}}", &outcome);
    ck_assert_int_eq(outcome.status, EXIT_SYSTEM);
}
END_TEST

START_TEST(lists_that_come_in_parts_are_one)
{
    static const char parts[] =
        "{\"parameters\":{\"queuePairs\":[{\"id\":1},{\"id\":2}]},\"continues\":true}\0"
        "{\"parameters\":{\"queuePairs\":[{\"id\":3}]},\"continues\":true}\0"
        "{\"parameters\":{\"queuePairs\":[]}}";
    static const char broken[] = "{\"parameters\":{\"queuePairs\":[{\"id\":1}]},\"continues\":true}\0"
                                 "{\"parameters\":{}}";
    struct outcome outcome;

    CONVERSE("list queues --json", parts, &outcome);
    ck_assert_str_eq(outcome.output, "{\"queuePairs\":[{\"id\":1},{\"id\":2},{\"id\":3}]}\n");
    ck_assert_int_eq(outcome.status, EXIT_OK);
    CONVERSE("list queues 2>&1", broken, &outcome);
    ck_assert_int_eq(outcome.status, EXIT_SYSTEM);
    ck_assert_ptr_null(strstr(outcome.output, "DEPTH"));
    /* A list that ends before its last part is none. */
    CONVERSE("list queues 2>/dev/null", "{\"parameters\":{\"queuePairs\":[]},\"continues\":true}", &outcome);
    ck_assert_int_eq(outcome.status, EXIT_UNREACHABLE);
    ck_assert_str_eq(outcome.output, "");
}
END_TEST

START_TEST(alloc_passes_what_it_is_given)
{
    struct outcome outcome;
    char *id;

    CONVERSE(
        "vf alloc --tenant blue --device ssd0 --queues 4 --device ssd1 --namespace 2 --namespace 7",
        "{\"parameters\":{\"lease\":\"blue-1\",\"virtualFunctions\":[\"0000:01:00.1\",\"0000:02:00.1\"]}}",
        &outcome);
    ck_assert_str_eq(outcome.output, "blue-1 0000:01:00.1 0000:02:00.1\n");
    ck_assert_int_eq(outcome.status, EXIT_OK);
    id = strstr(outcome.request, ",\"requestId\":\"");
    ck_assert_ptr_nonnull(id);
    ck_assert_uint_ge(strlen(id), strlen(",\"requestId\":\"\"}}") + 16);
    *id = '\0';
    ck_assert_str_eq(
        outcome.request,
        "{\"method\":\"io.homi.Admin.AllocateVirtualFunctions\",\"parameters\":{\"tenant\":\"blue\","
        "\"devices\":[\"ssd0\",\"ssd1\"],\"namespaces\":[2,7],\"queuePairs\":4");
}
END_TEST

START_TEST(a_refusal_is_words_and_with_json_an_object)
{
    struct outcome outcome;

    CONVERSE("vf free blue-1 --json",
             "{\"error\":\"io.homi.Admin.LeaseHeld\",\"parameters\":{\"lease\":\"blue-1\",\"holders\":2}}",
             &outcome);
    ck_assert_ptr_nonnull(
        strstr(outcome.output, "homictl: cannot free lease blue-1: 2 processes hold lease blue-1\n"));
    ck_assert_ptr_nonnull(strstr(outcome.output, "{\"error\":\"io.homi.Admin.LeaseHeld\",\"parameters\":"
                                                 "{\"lease\":\"blue-1\",\"holders\":2}}\n"));
    ck_assert_int_eq(outcome.status, EXIT_REFUSED);
    ck_assert_ptr_null(strstr(outcome.request, "force"));
    CONVERSE("retry ssd0 0000:01:00.1",
             "{\"error\":\"io.homi.Admin.SystemError\",\"parameters\":{\"errno\":\"EIO\",\"operation\":"
             "\"reset\"}}",
             &outcome);
    ck_assert_int_eq(outcome.status, EXIT_SYSTEM);
    ck_assert_str_eq(outcome.request,
                     "{\"method\":\"io.homi.Admin.Retry\",\"parameters\":{\"device\":\"ssd0\","
                     "\"virtualFunction\":\"0000:01:00.1\"}}");
}
END_TEST

START_TEST(force_is_passed_on)
{
    struct outcome outcome;

    CONVERSE("vf free --force blue-1", "{\"parameters\":{}}", &outcome);
    ck_assert_str_eq(outcome.output, "");
    ck_assert_int_eq(outcome.status, EXIT_OK);
    ck_assert_ptr_nonnull(strstr(outcome.request, "{\"lease\":\"blue-1\",\"force\":true,\"requestId\":"));
}
END_TEST

START_TEST(times_are_seconds)
{
    static const struct {
        const char *arguments, *asks;
    } cases[] = {
        {"lease revoke blue-1", "{\"lease\":\"blue-1\",\"requestId\":"},
        {"lease revoke blue-1 --grace 7", "\"graceSeconds\":7,\"requestId\":"},
        {"lease revoke blue-1 --grace 90s", "\"graceSeconds\":90,"},
        {"lease revoke blue-1 --grace 5min --kill", "\"graceSeconds\":300,\"kill\":true,"},
        {"lease revoke blue-1 --grace 24h", "\"graceSeconds\":86400,"},
        {"vf alloc --tenant blue --expires 7d", "\"expiresSeconds\":604800,"},
    };
    struct outcome outcome;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        CONVERSE(cases[i].arguments, "{\"parameters\":{}}", &outcome);
        ck_assert_ptr_nonnull(strstr(outcome.request, cases[i].asks));
    }
}
END_TEST

#define EVENT(sequence, kind)                                                                                \
    "{\"parameters\":{\"event\":{\"sequence\":" sequence                                                     \
    ",\"time\":\"2026-01-02T03:04:05Z\",\"kind\":\"" kind                                                    \
    "\",\"device\":null,\"virtualFunction\":\"0000:01:00.1\",\"lease\":\"blue-1\",\"tenant\":\"blue\","      \
    "\"pid\":7,\"uid\":1001,\"text\":\"it happened\"}},\"continues\":true}"

START_TEST(monitor_prints_until_homid_goes)
{
    struct outcome outcome;

    CONVERSE("monitor --since 3", EVENT("4", "leaseGranted") "\0" EVENT("5", "fault"), &outcome);
    ck_assert_ptr_nonnull(strstr(
        outcome.output, "2026-01-02T03:04:05Z  leaseGranted      it happened (vf 0000:01:00.1, lease blue-1, "
                        "tenant blue, pid 7, uid 1001)\n2026-01-02T03:04:05Z  fault "));
    ck_assert_ptr_nonnull(strstr(outcome.output, "homictl: cannot monitor homid"));
    ck_assert_int_eq(outcome.status, EXIT_UNREACHABLE);
    ck_assert_str_eq(outcome.request,
                     "{\"method\":\"io.homi.Admin.Monitor\",\"parameters\":{\"since\":3},\"more\":true}");
}
END_TEST

START_TEST(monitor_as_json_is_an_object_a_line)
{
    struct outcome outcome;

    CONVERSE("monitor --json 2>/dev/null", EVENT("4", "refused") "\0" EVENT("5", "fault"), &outcome);
    ck_assert_ptr_eq(strstr(outcome.output, "{\"event\":{\"sequence\":4,"), outcome.output);
    ck_assert_ptr_nonnull(strstr(outcome.output, "}}\n{\"event\":{\"sequence\":5,"));
    ck_assert_int_eq(outcome.status, EXIT_UNREACHABLE);
}
END_TEST

/* The parameters of a message are what the definition says the method returns. */
static void check_output(const struct idl_interface *interface, const char *method, const char *message)
{
    struct json_object *reply = json_tokener_parse(message), *parameters = NULL;
    char *field = NULL;

    json_object_object_get_ex(reply, "parameters", &parameters);
    ck_assert_msg(idl_check_output(idl_find_method(interface, method), parameters, &field) == 0,
                  "%s: the case's reply is not homid's: %s", method, field);
    free(field);
    json_object_put(reply);
}

START_TEST(the_replies_here_are_what_homid_may_say)
{
    struct idl_interface *interface;

    ck_assert_int_eq(idl_parse(interface_io_homi_admin, &interface, NULL), 0);
    for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++)
        check_output(interface, lists[i].method, lists[i].reply);
    check_output(interface, "GetStatus", STATUS(DEVICE("quarantined", "0", "\"why\""), "true", "\"x\""));
    check_output(interface, "Monitor", EVENT("4", "leaseGranted"));
    idl_free(interface);
}
END_TEST

static const char *const requests[] = {
    "status",
    "list devices",
    "list vfs",
    "list leases",
    "list queues",
    "list tenants",
    "list namespaces",
    "queue",
    "monitor",
    "monitor --since 3",
    "vf alloc --tenant blue",
    "vf alloc --tenant blue --device ssd0 --queues 4 --namespace 2",
    "vf free blue-1",
    "vf free blue-1 --force",
    "metrics",
    "namespace create ssd0 1G --block 4096 --shared",
    "namespace delete ssd0:2 --yes",
    "namespace format ssd0:2 --yes",
    "namespace attach ssd0:2",
    "namespace detach ssd0:2",
    "vf alloc --tenant blue --expires 8h",
    "lease revoke blue-1",
    "lease revoke blue-1 --grace 5min --kill",
    "retry ssd0",
    "retry ssd0 0000:01:00.1",
};

START_TEST(every_request_is_one_that_homid_takes)
{
    struct idl_interface *interface;
    struct json_object *request, *method, *parameters = NULL;
    struct outcome outcome;
    char *field = NULL;

    converse(requests[_i], "", 0, &outcome);
    ck_assert_int_eq(idl_parse(interface_io_homi_admin, &interface, NULL), 0);
    request = json_tokener_parse(outcome.request);
    ck_assert(json_object_object_get_ex(request, "method", &method));
    json_object_object_get_ex(request, "parameters", &parameters);
    parameters = parameters ? json_object_get(parameters) : json_object_new_object();

    const struct idl_method *found =
        idl_find_method(interface, strrchr(json_object_get_string(method), '.') + 1);

    ck_assert_msg(found && idl_check_input(found, parameters, &field) == 0, "%s: %s", outcome.request, field);
    json_object_put(parameters);
    json_object_put(request);
    idl_free(interface);
}
END_TEST

START_TEST(no_homid)
{
    struct outcome outcome;

    unlink(socket_path);
    run_homictl("status", &outcome);
    ck_assert_int_eq(outcome.status, EXIT_UNREACHABLE);
    ck_assert_ptr_nonnull(strstr(outcome.output, socket_path));
    ck_assert_ptr_nonnull(strstr(outcome.output, "systemctl start homid"));
    run_homictl("--socket /nowhere/else.sock status", &outcome);
    ck_assert_int_eq(outcome.status, EXIT_UNREACHABLE);
    ck_assert_ptr_nonnull(strstr(outcome.output, "/nowhere/else.sock"));
    converse("status", "", 0, &outcome);
    ck_assert_int_eq(outcome.status, EXIT_UNREACHABLE);
}
END_TEST

/* None of these may reach homid. */
static const struct {
    const char *arguments, *says;
} wrong[] = {
    {"", "Usage: homictl"},
    {"bogus", "no command 'bogus'"},
    {"vf", "`homictl vf alloc` or `homictl vf free`"},
    {"vf bogus", "no command 'vf bogus'"},
    {"list", "list needs devices|vfs|"},
    {"list bogus", "no 'bogus' to list"},
    {"list devices vfs", "list takes only"},
    {"status x", "status takes no argument"},
    {"status --force", "status does not take --force"},
    {"vf alloc", "vf alloc needs --tenant"},
    {"vf alloc --tenant", "requires an argument"},
    {"vf alloc --tenant x --queues 0", "--queues takes a number from 1 to 65535, not '0'"},
    {"vf alloc --tenant x --queues 2x", "not '2x'"},
    {"vf alloc --tenant x --queues ''", "not ''"},
    {"vf alloc --tenant x --queues 99999999999999999999", "--queues takes"},
    {"vf alloc --tenant x --namespace 4294967295", "--namespace takes a number from 1 to 4294967294"},
    {"monitor --since -1", "--since takes a number from 1"},
    {"--color=red status", "--color takes auto, always or never"},
    {"--bogus", "unrecognized option"},
    {"vf free", "vf free needs LEASE"},
    {"lease revoke", "lease revoke needs LEASE"},
    {"lease revoke x --grace 5m", "--grace takes a time like 30s, 5min, 8h or 7d, at most 86400 s, not '5m'"},
    {"lease revoke x --grace -1", "not '-1'"},
    {"lease revoke x --grace min", "not 'min'"},
    {"lease revoke x --grace 25h", "not '25h'"},
    {"vf alloc --tenant x --expires 999999999999d", "not '999999999999d'"},
    {"retry a b c", "retry takes only DEVICE"},
};

START_TEST(wrong_usage_asks_nothing)
{
    struct outcome outcome;

    CONVERSE(wrong[_i].arguments, "{\"parameters\":{}}", &outcome);
    ck_assert_msg(strstr(outcome.output, wrong[_i].says), "said: %s", outcome.output);
    ck_assert_int_eq(outcome.status, EXIT_USAGE);
    ck_assert_str_eq(outcome.request, "");
}
END_TEST

START_TEST(help_and_version)
{
    struct outcome outcome;
    char arguments[64];

    for (const struct command *command = commands; command->words; command++) {
        snprintf(arguments, sizeof(arguments), "%s --help", command->words);
        run_homictl(arguments, &outcome);
        ck_assert_int_eq(outcome.status, EXIT_OK);
        ck_assert_ptr_nonnull(strstr(outcome.output, command->summary));
        run_homictl("--help", &outcome);
        ck_assert_int_eq(outcome.status, EXIT_OK);
        ck_assert_int_eq(strstr(outcome.output, command->words) != NULL, !command->hidden);
    }
    run_homictl("--version", &outcome);
    ck_assert_str_eq(outcome.output, "homictl " HOMI_VERSION "\n");
    ck_assert_int_eq(outcome.status, EXIT_OK);
}
END_TEST

START_TEST(a_full_disk_is_a_failure)
{
    struct outcome outcome;

    CONVERSE("list queues --json >/dev/full", "{\"parameters\":{\"queuePairs\":[]}}", &outcome);
    ck_assert_int_eq(outcome.status, EXIT_SYSTEM);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("homictl");
    TCase *replies = tcase_create("replies"), *usage = tcase_create("usage");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(replies, make_folder, remove_folder);
    tcase_add_checked_fixture(usage, make_folder, remove_folder);
    tcase_add_test(replies, status_of_a_ready_homid);
    tcase_add_test(replies, status_says_what_is_wrong_and_what_to_do);
    tcase_add_test(replies, colours_when_asked_alone);
    tcase_add_loop_test(replies, lists_show_every_member, 0, sizeof(lists) / sizeof(*lists));
    tcase_add_test(replies, lists_as_json_are_the_reply);
    tcase_add_test(replies, lists_that_come_in_parts_are_one);
    tcase_add_test(replies, alloc_passes_what_it_is_given);
    tcase_add_test(replies, a_refusal_is_words_and_with_json_an_object);
    tcase_add_test(replies, force_is_passed_on);
    tcase_add_test(replies, times_are_seconds);
    tcase_add_test(replies, monitor_prints_until_homid_goes);
    tcase_add_test(replies, monitor_as_json_is_an_object_a_line);
    tcase_add_test(replies, the_replies_here_are_what_homid_may_say);
    tcase_add_loop_test(replies, every_request_is_one_that_homid_takes, 0,
                        sizeof(requests) / sizeof(*requests));
    tcase_add_test(replies, a_full_disk_is_a_failure);
    tcase_add_test(usage, no_homid);
    tcase_add_loop_test(usage, wrong_usage_asks_nothing, 0, sizeof(wrong) / sizeof(*wrong));
    tcase_add_test(usage, help_and_version);
    suite_add_tcase(suite, replies);
    suite_add_tcase(suite, usage);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
