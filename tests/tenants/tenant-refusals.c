/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Asks homid for everything that it must refuse, on one lease, and looks at the name of each refusal. Prints
 * "ok CASE REPLY" or "not ok CASE ..." for each. At the end the tenant must hold exactly what it held before,
 * and a queue pair must still be had. Exit status: 0 when all was as it should be, 1 when not, 2 for a wrong
 * command line, 4 when homid cannot be reached or gives no lease.
 */
#include <errno.h>
#include <fcntl.h>
#include <homi/homi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/tenants/common/options.h"
#include "tests/tenants/common/raw.h"

static const char usage[] =
    "Usage: tenant-refusals [OPTION]...\n"
    "  --socket PATH          homid's socket\n"
    "  --tenant NAME          act for this tenant\n"
    "  --foreign-lease NAME   a lease of another tenant: must be unknown to this one\n"
    "  --only PREFIX          cases whose names begin so\n";

#define REGION_BYTES (256 << 10)
#define TENANT       "io.homi.Tenant."
#define VARLINK      "org.varlink.service."

/* What goes along with a call. */
enum memory {
    NOTHING,
    GOOD,
    TWICE,
    UNSEALED,
    UNPOPULATED,
    HOLE,
    WRITE_SEALED,
    FUTURE_WRITE_SEALED,
    READ_ONLY,
    DEV_ZERO,
    PIPE,
    SOCKET,
    EVENTFD,
    DIRECTORY,
    FILE_ON_DISK,
    FILE_ON_TMPFS,
};

/*
 * A call that must be refused. In parameters, $T is the tenant, $L the lease, $V the function, $R a region of
 * it and $F the foreign lease. error: the names that will do, separated by '|', without io.homi.Tenant where
 * they have it. detail: what the reply must hold as well.
 */
struct refusal {
    const char *name, *method, *parameters;
    enum memory memory;
    const char *error, *detail;
};

#define MEMORY(offset, length)                                                                               \
    "{\"lease\":\"$L\",\"source\":{\"memfd\":{\"fd\":0,\"offsetBytes\":" offset ",\"lengthBytes\":" length   \
    "}}}"
#define WHOLE MEMORY("0", "262144")
#define QUEUE(entries, submission, completion)                                                               \
    "{\"lease\":\"$L\",\"virtualFunction\":\"$V\",\"entries\":" entries                                      \
    ",\"region\":$R,\"submissionOffsetBytes\":" submission ",\"completionOffsetBytes\":" completion "}"
#define FUNCTION_OF_LEASE "\"lease\":\"$L\",\"virtualFunction\":\"$V\""

static const struct refusal refusals[] = {
    {"attach-unknown-tenant", "Attach", "{\"tenant\":\"no-such-tenant\"}", NOTHING, "UnknownTenant",
     "no-such-tenant"},
    {"attach-unknown-device", "Attach", "{\"tenant\":\"$T\",\"devices\":[\"no-such-ssd\"]}", NOTHING,
     "UnknownDevice", "no-such-ssd"},
    {"attach-unknown-lease", "Attach", "{\"tenant\":\"$T\",\"lease\":\"no-such-lease\"}", NOTHING,
     "UnknownLease", "no-such-lease"},
    {"attach-foreign-lease", "Attach", "{\"tenant\":\"$T\",\"lease\":\"$F\"}", NOTHING, "UnknownLease", "$F"},
    {"attach-foreign-namespace", "Attach", "{\"tenant\":\"$T\",\"mode\":\"fresh\",\"namespaces\":[4000]}",
     NOTHING, "NamespaceNotAllowed", "4000"},
    {"attach-impossible-namespace", "Attach",
     "{\"tenant\":\"$T\",\"mode\":\"fresh\",\"namespaces\":[99999999999]}", NOTHING,
     "NamespaceNotAllowed|ValueOutOfRange|" VARLINK "InvalidParameter", ""},
    {"attach-mode", "Attach", "{\"tenant\":\"$T\",\"mode\":\"sideways\"}", NOTHING,
     VARLINK "InvalidParameter", "mode"},
    {"attach-unknown-field", "Attach", "{\"tenant\":\"$T\",\"colour\":\"red\"}", NOTHING,
     VARLINK "InvalidParameter", "colour"},
    {"attach-wrong-type", "Attach", "{\"tenant\":\"$T\",\"queuePairs\":\"three\"}", NOTHING,
     VARLINK "InvalidParameter", "queuePairs"},
    {"attach-fraction", "Attach", "{\"tenant\":\"$T\",\"queuePairs\":1.5}", NOTHING,
     VARLINK "InvalidParameter", "queuePairs"},
    {"attach-too-many-queue-pairs", "Attach", "{\"tenant\":\"$T\",\"mode\":\"fresh\",\"queuePairs\":65000}",
     NOTHING, "QuotaExceeded|NoQueuePairFree|ValueOutOfRange|NoVirtualFunctionFree", ""},
    {"attach-negative-wait", "Attach", "{\"tenant\":\"$T\",\"waitMilliseconds\":-1}", NOTHING,
     "ValueOutOfRange|" VARLINK "InvalidParameter", "waitMilliseconds"},
    {"attach-with-descriptor", "Attach", "{\"tenant\":\"$T\"}", GOOD, VARLINK "InvalidParameter",
     "fileDescriptors"},
    {"detach-unknown", "Detach", "{\"lease\":\"no-such-lease\"}", NOTHING, "UnknownLease", "no-such-lease"},
    {"detach-nothing", "Detach", "{}", NOTHING, VARLINK "InvalidParameter", "lease"},

    {"memory-no-descriptor", "RegisterMemory", WHOLE, NOTHING, "FileDescriptorCount", "\"received\":0"},
    {"memory-two-descriptors", "RegisterMemory", WHOLE, TWICE, "FileDescriptorCount", "\"received\":2"},
    {"memory-index", "RegisterMemory",
     "{\"lease\":\"$L\",\"source\":{\"memfd\":{\"fd\":1,\"offsetBytes\":0,\"lengthBytes\":262144}}}", GOOD,
     "ValueOutOfRange|" VARLINK "InvalidParameter", "fd"},
    {"memory-no-source", "RegisterMemory", "{\"lease\":\"$L\",\"source\":{}}", GOOD,
     "FileDescriptorCount|" VARLINK "InvalidParameter", ""},
    {"memory-unknown-lease", "RegisterMemory",
     "{\"lease\":\"no-such-lease\",\"source\":{\"memfd\":{\"fd\":0,\"offsetBytes\":0,\"lengthBytes\":262144}}"
     "}",
     GOOD, "UnknownLease", ""},
    {"memory-unsealed", "RegisterMemory", WHOLE, UNSEALED, "MemoryRefused", "notSealedAgainstShrinking"},
    {"memory-unpopulated", "RegisterMemory", WHOLE, UNPOPULATED, "MemoryRefused", "notPopulated"},
    {"memory-hole", "RegisterMemory", WHOLE, HOLE, "MemoryRefused", "notPopulated"},
    {"memory-write-sealed", "RegisterMemory", WHOLE, WRITE_SEALED, "MemoryRefused", "writeSealed"},
    {"memory-future-write-sealed", "RegisterMemory", WHOLE, FUTURE_WRITE_SEALED, "MemoryRefused",
     "writeSealed"},
    {"memory-read-only", "RegisterMemory", WHOLE, READ_ONLY, "MemoryRefused|SystemError", ""},
    {"memory-dev-zero", "RegisterMemory", WHOLE, DEV_ZERO, "MemoryRefused", "notMemfd"},
    {"memory-pipe", "RegisterMemory", WHOLE, PIPE, "MemoryRefused", "notMemfd"},
    {"memory-socket", "RegisterMemory", WHOLE, SOCKET, "MemoryRefused", "notMemfd"},
    {"memory-eventfd", "RegisterMemory", WHOLE, EVENTFD, "MemoryRefused", "notMemfd"},
    {"memory-directory", "RegisterMemory", WHOLE, DIRECTORY, "MemoryRefused", "notMemfd"},
    {"memory-file", "RegisterMemory", WHOLE, FILE_ON_DISK, "MemoryRefused", ""},
    {"memory-tmpfs-file", "RegisterMemory", WHOLE, FILE_ON_TMPFS, "MemoryRefused", ""},
    {"memory-too-small", "RegisterMemory", MEMORY("0", "1048576"), GOOD, "MemoryRefused", "beyondEnd"},
    {"memory-offset-beyond", "RegisterMemory", MEMORY("262144", "4096"), GOOD, "MemoryRefused", "beyondEnd"},
    {"memory-wraps", "RegisterMemory", MEMORY("9223372036854771712", "9223372036854771712"), GOOD,
     "MemoryRefused", "beyondEnd"},
    {"memory-offset-misaligned", "RegisterMemory", MEMORY("512", "4096"), GOOD, "MemoryRefused",
     "misaligned"},
    {"memory-length-misaligned", "RegisterMemory", MEMORY("0", "5000"), GOOD, "MemoryRefused", "misaligned"},
    {"memory-empty", "RegisterMemory", MEMORY("0", "0"), GOOD, "MemoryRefused", "empty"},
    {"memory-negative", "RegisterMemory", MEMORY("0", "-4096"), GOOD, "MemoryRefused|ValueOutOfRange", ""},
    {"memory-number-too-big", "RegisterMemory", MEMORY("0", "4294967296"), GOOD,
     "MemoryRefused|QuotaExceeded", ""},
    {"region-unknown", "UnregisterMemory", "{\"lease\":\"$L\",\"region\":999999}", NOTHING, "UnknownRegion",
     "999999"},
    {"region-negative", "UnregisterMemory", "{\"lease\":\"$L\",\"region\":-1}", NOTHING, "UnknownRegion",
     "-1"},

    {"queue-depth-0", "CreateQueuePair", QUEUE("0", "0", "65536"), NOTHING, "DepthOutOfRange",
     "\"minimum\":2"},
    {"queue-depth-1", "CreateQueuePair", QUEUE("1", "0", "65536"), NOTHING, "DepthOutOfRange",
     "\"entries\":1"},
    {"queue-depth-negative", "CreateQueuePair", QUEUE("-5", "0", "65536"), NOTHING, "DepthOutOfRange", "-5"},
    {"queue-depth-65537", "CreateQueuePair", QUEUE("65537", "0", "65536"), NOTHING, "DepthOutOfRange",
     "65537"},
    {"queue-depth-wraps", "CreateQueuePair", QUEUE("4294967298", "0", "65536"), NOTHING, "DepthOutOfRange",
     "4294967298"},
    {"queue-unknown-function", "CreateQueuePair",
     "{\"lease\":\"$L\",\"virtualFunction\":\"0000:00:00.0\",\"entries\":8,\"region\":$R,"
     "\"submissionOffsetBytes\":0,\"completionOffsetBytes\":4096}",
     NOTHING, "UnknownVirtualFunction", "0000:00:00.0"},
    {"queue-unknown-region", "CreateQueuePair",
     "{" FUNCTION_OF_LEASE ",\"entries\":8,\"region\":999999,\"submissionOffsetBytes\":0,"
     "\"completionOffsetBytes\":4096}",
     NOTHING, "UnknownRegion", "999999"},
    {"queue-beyond-region", "CreateQueuePair", QUEUE("8", "262144", "0"), NOTHING, "QueueOutsideRegion",
     "submissionOffsetBytes"},
    {"queue-crosses-end", "CreateQueuePair", QUEUE("128", "0", "262144"), NOTHING, "QueueOutsideRegion",
     "completionOffsetBytes"},
    {"queue-misaligned", "CreateQueuePair", QUEUE("8", "64", "8192"), NOTHING, "QueueOutsideRegion",
     "submissionOffsetBytes"},
    {"queue-overlaps", "CreateQueuePair", QUEUE("256", "0", "4096"), NOTHING, "QueueOutsideRegion", ""},
    {"queue-negative", "CreateQueuePair", QUEUE("8", "-4096", "0"), NOTHING,
     "QueueOutsideRegion|ValueOutOfRange", ""},
    {"queue-wraps", "CreateQueuePair", QUEUE("8", "9223372036854771712", "0"), NOTHING, "QueueOutsideRegion",
     ""},
    {"queue-delete-unknown", "DeleteQueuePair", "{" FUNCTION_OF_LEASE ",\"queuePair\":60000}", NOTHING,
     "UnknownQueuePair", "60000"},
    {"queue-delete-admin", "DeleteQueuePair", "{" FUNCTION_OF_LEASE ",\"queuePair\":0}", NOTHING,
     "UnknownQueuePair", ""},

    {"identify-vendor", "Identify", "{" FUNCTION_OF_LEASE ",\"cns\":255}", NOTHING,
     "CommandNotPermitted|ValueOutOfRange", "cns"},
    {"identify-wraps", "Identify", "{" FUNCTION_OF_LEASE ",\"cns\":257}", NOTHING,
     "CommandNotPermitted|ValueOutOfRange", "cns"},
    {"identify-foreign-namespace", "Identify", "{" FUNCTION_OF_LEASE ",\"cns\":0,\"namespace\":4000}",
     NOTHING, "NamespaceNotAllowed|CommandNotPermitted|CommandFailed", ""},
    {"log-vendor", "GetLogPage", "{" FUNCTION_OF_LEASE ",\"page\":192,\"lengthBytes\":512}", NOTHING,
     "CommandNotPermitted", "page"},
    {"log-length", "GetLogPage", "{" FUNCTION_OF_LEASE ",\"page\":1,\"lengthBytes\":3}", NOTHING,
     "ValueOutOfRange", "lengthBytes"},
    {"log-too-long", "GetLogPage", "{" FUNCTION_OF_LEASE ",\"page\":1,\"lengthBytes\":8192}", NOTHING,
     "ValueOutOfRange", "lengthBytes"},
    {"method-unknown", "StealDevice", "{}", NOTHING, VARLINK "MethodNotFound", "StealDevice"},
};

struct session {
    int socket;
    const char *tenant, *foreign_lease;
    char lease[256], function[256];
    int64_t region;
};

static void fatal(const char *what, const char *why)
{
    fprintf(stderr, "failed: %s: %s\n", what, why);
    exit(4);
}

/* A memfd of REGION_BYTES, written from start to end but for a hole, and sealed. */
static int make_memfd(size_t populated, size_t hole, unsigned seals)
{
    static const char page[4096] = {1};
    int fd = memfd_create("hostile", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (fd < 0 || ftruncate(fd, REGION_BYTES) < 0)
        fatal("memfd", strerror(errno));
    for (size_t at = 0; at < populated; at += sizeof(page))
        if (at != hole && pwrite(fd, page, sizeof(page), (off_t)at) < 0)
            fatal("memfd", strerror(errno));
    if (seals != 0 && fcntl(fd, F_ADD_SEALS, seals) < 0)
        fatal("seals", strerror(errno));
    return fd;
}

static int make_read_only(void)
{
    int fd = make_memfd(REGION_BYTES, SIZE_MAX, F_SEAL_SHRINK), copy;
    char path[64];

    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    copy = open(path, O_RDONLY | O_CLOEXEC);
    close(fd);
    return copy;
}

/* An unlinked file of a folder, as long as the region. */
static int make_file(const char *folder)
{
    int fd = open(folder, O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);

    if (fd >= 0 && posix_fallocate(fd, 0, REGION_BYTES) != 0)
        fatal(folder, "no room");
    return fd;
}

static int make_pipe_or_socket(bool pipe_wanted)
{
    int ends[2] = {-1, -1};

    if ((pipe_wanted ? pipe2(ends, O_CLOEXEC) : socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends)) ==
        0)
        close(ends[1]);
    return ends[0];
}

static int make_descriptor(enum memory memory)
{
    switch (memory) {
    case UNSEALED: return make_memfd(REGION_BYTES, SIZE_MAX, 0);
    case UNPOPULATED: return make_memfd(0, SIZE_MAX, F_SEAL_SHRINK);
    case HOLE: return make_memfd(REGION_BYTES, 65536, F_SEAL_SHRINK);
    case WRITE_SEALED: return make_memfd(REGION_BYTES, SIZE_MAX, F_SEAL_SHRINK | F_SEAL_WRITE);
    case FUTURE_WRITE_SEALED: return make_memfd(REGION_BYTES, SIZE_MAX, F_SEAL_SHRINK | F_SEAL_FUTURE_WRITE);
    case READ_ONLY: return make_read_only();
    case DEV_ZERO: return open("/dev/zero", O_RDWR | O_CLOEXEC);
    case PIPE: return make_pipe_or_socket(true);
    case SOCKET: return make_pipe_or_socket(false);
    case EVENTFD: return eventfd(0, EFD_CLOEXEC);
    case DIRECTORY: return open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    case FILE_ON_DISK: return make_file("/var/tmp");
    case FILE_ON_TMPFS: return make_file("/dev/shm");
    default: return make_memfd(REGION_BYTES, SIZE_MAX, F_SEAL_SHRINK);
    }
}

/* Puts the session's names for $T, $L, $V, $R and $F. */
static void expand(const struct session *session, const char *text, char *out, size_t bytes)
{
    size_t used = 0;

    out[0] = '\0';
    for (const char *at = text; *at != '\0' && used < bytes - 1; at++) {
        char region[24];
        const char *name = NULL;

        snprintf(region, sizeof(region), "%lld", (long long)session->region);
        if (*at == '$')
            name = at[1] == 'T'   ? session->tenant
                   : at[1] == 'L' ? session->lease
                   : at[1] == 'V' ? session->function
                   : at[1] == 'R' ? region
                   : at[1] == 'F' ? session->foreign_lease
                                  : NULL;
        used += (size_t)snprintf(out + used, bytes - used, name ? "%s" : "%.1s", name ? name : at);
        at += name != NULL;
    }
}

/* Calls a method; parameters as in struct refusal. Ends the program when the connection does. */
static void call(struct session *session, const char *method, const char *parameters, enum memory memory,
                 char *reply)
{
    char text[4096], expanded[2048];
    int fds[2] = {-1, -1};
    unsigned count = memory == NOTHING ? 0 : memory == TWICE ? 2 : 1;
    int r;

    expand(session, parameters, expanded, sizeof(expanded));
    snprintf(text, sizeof(text), "{\"method\":\"" TENANT "%s\",\"parameters\":%s}", method, expanded);
    for (unsigned i = 0; i < count; i++) {
        fds[i] = make_descriptor(memory);
        if (fds[i] < 0)
            fatal("a descriptor", strerror(errno));
    }
    r = raw_call(session->socket, text, fds, count, reply);
    for (unsigned i = 0; i < count; i++)
        close(fds[i]);
    if (r != 1)
        fatal(text, r == 0 ? "homid hung up" : strerror(-r));
}

static bool one_of(const char *names, const char *error)
{
    const char *prefix = TENANT;
    size_t length;

    for (const char *at = names; *at != '\0'; at += length + (at[length] == '|')) {
        length = strcspn(at, "|");
        const char *tail =
            strncmp(at, VARLINK, strlen(VARLINK)) == 0 || strncmp(error, prefix, strlen(prefix)) != 0
                ? error
                : error + strlen(prefix);
        if (strlen(tail) == length && strncmp(at, tail, length) == 0)
            return true;
    }
    return false;
}

static bool refused_rightly(struct session *session, const struct refusal *refusal, char *reply)
{
    char error[256], detail[256];
    bool right;

    call(session, refusal->method, refusal->parameters, refusal->memory, reply);
    raw_error(reply, error, sizeof(error));
    expand(session, refusal->detail, detail, sizeof(detail));
    right = one_of(refusal->error, error) && strstr(reply, detail) != NULL;
    if (right)
        printf("ok %s %s\n", refusal->name, reply);
    else
        printf("not ok %s: expected %s with %s, got %s\n", refusal->name, refusal->error,
               detail[0] != '\0' ? detail : "anything", reply);
    return right;
}

/* A good call: ends the program when it is refused. */
static void must(struct session *session, const char *method, const char *parameters, enum memory memory,
                 char *reply)
{
    char error[256];

    call(session, method, parameters, memory, reply);
    if (raw_error(reply, error, sizeof(error))[0] != '\0')
        fatal(method, reply);
}

static void set_up(struct session *session, char *reply)
{
    must(session, "Attach", session->tenant[0] != '\0' ? "{\"tenant\":\"$T\"}" : "{}", NOTHING, reply);
    if (!raw_string(reply, "lease", session->lease, sizeof(session->lease)) ||
        !raw_string(reply, "name", session->function, sizeof(session->function)))
        fatal("Attach", reply);
    must(session, "RegisterMemory", WHOLE, GOOD, reply);
    if (!raw_number(reply, "region", &session->region))
        fatal("RegisterMemory", reply);
}

/* With a queue pair in the region: the region cannot go, and the same queue pair can. */
static unsigned check_busy_region(struct session *session, char *reply)
{
    static const struct refusal busy = {"region-busy", "UnregisterMemory", "{\"lease\":\"$L\",\"region\":$R}",
                                        NOTHING,       "RegionBusy",       "\"queuePairs\":1"};
    char parameters[512];
    unsigned wrong;
    int64_t pair;

    must(session, "CreateQueuePair", QUEUE("8", "0", "4096"), NOTHING, reply);
    if (!raw_number(reply, "queuePair", &pair))
        fatal("CreateQueuePair", reply);
    wrong = !refused_rightly(session, &busy, reply);
    snprintf(parameters, sizeof(parameters), "{" FUNCTION_OF_LEASE ",\"queuePair\":%lld}", (long long)pair);
    must(session, "DeleteQueuePair", parameters, NOTHING, reply);
    return wrong;
}

int main(int argc, char **argv)
{
    static char reply[RAW_REPLY_BYTES], before[RAW_REPLY_BYTES];
    struct session session = {.tenant = ""};
    const char *socket_path = NULL, *only = "";
    const struct option_spec specs[] = {
        {"socket", OPTION_TEXT, &socket_path, 0, 0, NULL},
        {"tenant", OPTION_TEXT, &session.tenant, 0, 0, NULL},
        {"foreign-lease", OPTION_TEXT, &session.foreign_lease, 0, 0, NULL},
        {"only", OPTION_TEXT, &only, 0, 0, NULL},
        {NULL, OPTION_FLAG, NULL, 0, 0, NULL},
    };
    unsigned right = 0, wrong = 0;

    options_require(options_parse(argc, argv, specs, usage) == argc, "nothing but options");
    options_require(session.tenant[0] != '\0', "--tenant");
    session.socket = raw_connect(socket_path);
    if (session.socket < 0)
        fatal("connecting to homid", strerror(-session.socket));
    set_up(&session, reply);
    must(&session, "GetTenant", "{\"tenant\":\"$T\"}", NOTHING, before);
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        if (strncmp(refusals[i].name, only, strlen(only)) != 0 ||
            (strstr(refusals[i].parameters, "$F") && !session.foreign_lease))
            continue;
        if (refused_rightly(&session, &refusals[i], reply))
            right++;
        else
            wrong++;
    }
    wrong += check_busy_region(&session, reply);
    must(&session, "GetTenant", "{\"tenant\":\"$T\"}", NOTHING, reply);
    if (strcmp(before, reply) != 0) {
        printf("not ok nothing-changed: before %s, after %s\n", before, reply);
        wrong++;
    }
    must(&session, "Detach", "{\"lease\":\"$L\"}", NOTHING, reply);
    printf("%u refused rightly, %u not\n", right, wrong);
    return wrong > 0;
}
