/* SPDX-License-Identifier: BSD-3-Clause */
/* The doorbell relay, by a tenant that is relayed: what it may write is its page and the counter that wakes.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/hw/doorbells.h"
#include "lib/lease.h"
#include "tests/hostile/hostile.h"

enum {
    WORDS_PER_LINE = DOORBELLS_LINE_BYTES / sizeof(uint32_t),
    SUBMISSION = 0,
    COMPLETION = 1,
    STORM_MICROSECONDS = 700000,
    NOTICE_MILLISECONDS = 10000, /* that homid may take to end a queue pair */
    STANDSTILL_MICROSECONDS = 4000000,
    PAIRS_MAX = 16,
    DEAF_EVENTS = 400,
    DEAF_MICROSECONDS = 6000000,
};

static volatile uint32_t *word(const struct attacker *attacker, unsigned queue, unsigned which)
{
    return attacker->bar + (size_t)queue * WORDS_PER_LINE + which;
}

static unsigned lines(const struct attacker *attacker)
{
    return (unsigned)(attacker->bar_bytes / DOORBELLS_LINE_BYTES);
}

static int wake_fd(const struct attacker *attacker)
{
    return attacker->lease->functions[0].wake_fd;
}

static void wake(const struct attacker *attacker)
{
    const uint64_t one = 1;

    /* A counter that is full wakes all the same. */
    if (write(wake_fd(attacker), &one, sizeof(one)) < 0)
        return;
}

static bool works(struct attacker *attacker)
{
    return aim(attacker, HOMI_NVME_READ, attacker->space->id, attacker->region->iova, PAGE) == 0;
}

/* Another process (here: connection) of the tenant, on the same VF, with a page and a queue pair of its own.
 */
static int join(struct attacker *attacker, struct attacker *ret_sibling)
{
    const struct homi_attach_options options = {.tenant = attacker->tenant, .mode = HOMI_ATTACH_JOIN};
    const struct homi_queue_options queue = {.entries = DEPTH};

    *ret_sibling =
        (struct attacker){.setup = attacker->setup, .shared = attacker->shared, .tenant = attacker->tenant};
    attacker_connect(ret_sibling);
    if (homi_attach(ret_sibling->homi, &options, &ret_sibling->lease) != 0 ||
        homi_memory_new(ret_sibling->lease, ATTACKER_BYTES, 0, &ret_sibling->memory) != 0 ||
        homi_queue_pair_new(ret_sibling->lease, &queue, &ret_sibling->pair) != 0)
        return got("nothing: a sibling cannot join: %s", homi_error_text(ret_sibling->homi));
    ret_sibling->queue = homi_queue_pair_queue(ret_sibling->pair);
    ret_sibling->region = homi_memory_region(ret_sibling->memory);
    ret_sibling->space = homi_function_namespace(ret_sibling->lease, 0, 0);
    return 0;
}

/* Whether the neighbour, whose doorbells go through the same relay, still gets on. */
static bool neighbour_stands_still(struct attacker *attacker)
{
    uint64_t rounds = attacker->shared->rounds, begin = microseconds_now();

    while (attacker->shared->rounds == rounds) {
        if (microseconds_now() - begin > STANDSTILL_MICROSECONDS)
            return true;
        pause_milliseconds(1);
    }
    return false;
}

/* ---- values ---- */

static void *keep_writing(void *user)
{
    struct attacker *attacker = user;

    for (uint32_t value = 0; !attacker->enough; value++) {
        for (unsigned line = 1; line < lines(attacker); line++)
            *word(attacker, line, value % 2) = value % DEPTH;
        wake(attacker);
    }
    return NULL;
}

/* As many queue pairs as it may have, each rung as fast as it goes with values that can be. */
static int storm(struct attacker *attacker)
{
    const struct homi_queue_options options = {.entries = DEPTH};
    struct homi_queue_pair *pair;
    pthread_t writing;

    for (unsigned i = 0; i < PAIRS_MAX && homi_queue_pair_new(attacker->lease, &options, &pair) == 0; i++)
        continue;
    if (pthread_create(&writing, NULL, keep_writing, attacker) != 0)
        return got("nothing: no thread");
    pause_milliseconds(STORM_MICROSECONDS / 1000);
    bool still = neighbour_stands_still(attacker);
    attacker->enough = true;
    pthread_join(writing, NULL);
    return still ? got("its neighbour stands still") : 0;
}

/* Makes a queue pair, and writes what cannot be to one of its doorbells. false: homid does not end it. */
static bool is_ended_for(struct attacker *attacker, unsigned which, uint32_t value)
{
    const struct homi_queue_options options = {.entries = DEPTH};
    uint64_t end = microseconds_now() + NOTICE_MILLISECONDS * UINT64_C(1000);
    struct homi_queue_pair *pair;
    int r;

    /* One that was ended counts, and has its memory, until the device has confirmed it: refused so long. */
    while ((r = homi_queue_pair_new(attacker->lease, &options, &pair)) > 0 && microseconds_now() < end)
        pause_milliseconds(1);
    if (r != 0) {
        got("nothing: no queue pair: %s", homi_error_text(attacker->homi));
        return false;
    }
    *word(attacker, homi_queue_pair_id(pair), which) = value;
    wake(attacker);
    while (homi_queue_health(homi_queue_pair_queue(pair)) == 0) {
        if (microseconds_now() > end)
            return false;
        pause_milliseconds(1);
    }
    homi_queue_pair_free(pair);
    return true;
}

/* Each value that cannot be ends the queue pair that it was written for, and no other. */
static int out_of_range(struct attacker *attacker)
{
    static const uint32_t values[] = {DEPTH, DEPTH + 1, 65535, 65536, 0x80000000, UINT32_MAX};

    for (size_t i = 0; i < 2 * sizeof(values) / sizeof(values[0]); i++) {
        if (!is_ended_for(attacker, i % 2, values[i / 2]))
            return got("%u may be written to a doorbell of %u entries", values[i / 2], DEPTH);
    }
    return works(attacker) ? 0 : got("a queue pair ended for what was written to another's doorbells");
}

/* Asks to be told of its lease and never reads it, while more happens than its socket and its queue can hold.
 */
static int deaf_monitor(struct attacker *attacker)
{
    static const char monitor[] = "{\"method\":\"io.homi.Tenant.Monitor\",\"more\":true}";
    uint64_t end = microseconds_now() + DEAF_MICROSECONDS;
    int socket = raw_connect(attacker->setup->socket);
    char attach[256];

    snprintf(attach, sizeof(attach),
             "{\"method\":\"io.homi.Tenant.Attach\",\"parameters\":{\"tenant\":\"%s\",\"mode\":\"join\"}}",
             attacker->tenant);
    if (raw_call(socket, attach, NULL, 0, attacker->reply) != 1 || strstr(attacker->reply, "\"error\"") ||
        raw_send(socket, monitor, sizeof(monitor), NULL, 0) < 0)
        return got("nothing: it cannot join: %s", attacker->reply);
    for (unsigned i = 0; i < DEAF_EVENTS && microseconds_now() < end; i++) {
        if (!is_ended_for(attacker, SUBMISSION, DEPTH))
            return got("homid told of %u queue pairs that failed, and goes on no more", i);
    }
    bool served = serves(attacker);
    close(socket);
    return served ? 0 : got("nobody is served any more");
}

/* Lines of its page that are no queue pair's of its own: a sibling's, those that are not there, and the last.
 */
static int others_lines(struct attacker *attacker)
{
    struct attacker sibling;
    unsigned own = homi_queue_pair_id(attacker->pair);
    int r = join(attacker, &sibling);

    for (uint64_t end = microseconds_now() + STORM_MICROSECONDS; r == 0 && microseconds_now() < end;) {
        for (unsigned line = 1; line < lines(attacker); line++) {
            if (line != own)
                *word(attacker, line, line % 2) = line % 3 ? UINT32_MAX : 1;
        }
        wake(attacker);
        if (!works(&sibling))
            r = got("a queue pair obeys the page of another process");
    }
    if (r == 0 && !works(attacker))
        r = got("a queue pair ended for what was written for another");
    homi_close(sibling.homi);
    return r;
}

/* Ids that were the attacker's and are a sibling's now: what the former still writes is nothing to it. */
static int reused_ids(struct attacker *attacker)
{
    struct homi_completion done[DEPTH];
    pthread_t writing;
    int r = 0;

    if (pthread_create(&writing, NULL, keep_writing, attacker) != 0)
        return got("nothing: no thread");
    homi_queue_pair_free(attacker->pair);
    for (unsigned i = 0; i < 4 && r == 0; i++) {
        struct attacker sibling;
        r = join(attacker, &sibling);
        for (unsigned n = 0; n < 20 && r == 0; n++) {
            pause_milliseconds(1);
            if (homi_queue_reap(sibling.queue, done, DEPTH) != 0 || !works(&sibling))
                r = got("a queue pair is rung by the process that had its id before");
        }
        homi_close(sibling.homi);
    }
    attacker->enough = true;
    pthread_join(writing, NULL);
    return r;
}

/* Gives commands and never takes what is completed: its completion queue is full, and the device waits. */
static int stops_reading(struct attacker *attacker)
{
    const struct homi_nvme_command read = {.opcode = HOMI_NVME_READ,
                                           .nsid = attacker->space->id,
                                           .prp1 = attacker->region->iova,
                                           .cdw12 = PAGE / attacker->space->block_bytes - 1};
    struct homi_batch batch = homi_batch_begin(attacker->queue);
    uint16_t queue = homi_queue_pair_id(attacker->pair);

    while (homi_batch_raw(&batch, &read, 1) == 0)
        continue;
    homi_batch_submit(&batch);
    /* Last a tail with commands before it, for as long as the queue is there. */
    for (uint32_t i = 0; i < 4 * DEPTH - DEPTH / 2; i++) {
        *word(attacker, queue, SUBMISSION) = i % DEPTH;
        wake(attacker);
        pause_milliseconds(2);
    }
    return neighbour_stands_still(attacker) ? got("its neighbour stands still") : 0;
}

/* ---- the page and the counter themselves ---- */

static int cut_page(struct attacker *attacker)
{
    int fd = attacker->lease->functions[0].device_fd;

    if (ftruncate(fd, 0) == 0 || ftruncate(fd, (off_t)(2 * attacker->bar_bytes)) == 0)
        return got("the page has another size now");
    if (fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE) == 0 || fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE) == 0)
        return got("the next relay cannot write to the page");
    return 0;
}

/* Takes the page's memory away under the relay, and says all the time that nobody sleeps. */
static int punched_page(struct attacker *attacker)
{
    int fd = attacker->lease->functions[0].device_fd;
    uint64_t end = microseconds_now() + STORM_MICROSECONDS;

    while (microseconds_now() < end) {
        if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, (off_t)attacker->bar_bytes) < 0)
            return got("nothing: %s", strerror(errno));
        attacker->bar[DOORBELLS_WAKE_OFFSET] = 0;
        wake(attacker);
    }
    return neighbour_stands_still(attacker) ? got("its neighbour stands still") : 0;
}

/* The counter is an open file that the relay has too: makes it one that waits, and empties and fills it. */
static void *keep_emptying(void *user)
{
    struct attacker *attacker = user;
    uint64_t count;

    while (!attacker->enough) {
        if (read(wake_fd(attacker), &count, sizeof(count)) < 0)
            break;
    }
    return NULL;
}

static int blocking_counter(struct attacker *attacker)
{
    const uint64_t full = UINT64_MAX - 1;
    pthread_t emptying;
    bool still = false;

    if (fcntl(wake_fd(attacker), F_SETFL, 0) < 0 ||
        pthread_create(&emptying, NULL, keep_emptying, attacker) != 0)
        return got("nothing");
    for (uint64_t end = microseconds_now() + 2 * STORM_MICROSECONDS; !still && microseconds_now() < end;) {
        for (unsigned i = 0; i < 10000; i++)
            wake(attacker);
        still = neighbour_stands_still(attacker);
    }
    attacker->enough = true;
    wake(attacker);
    pthread_join(emptying, NULL);
    fcntl(wake_fd(attacker), F_SETFL, O_NONBLOCK);
    if (write(wake_fd(attacker), &full, sizeof(full)) < 0 && errno != EAGAIN)
        return got("nothing: %s", strerror(errno));
    fcntl(wake_fd(attacker), F_SETFL, 0);
    return still || neighbour_stands_still(attacker) ? got("its neighbour stands still") : 0;
}

/* ---- the process ---- */

static void storm_until_killed(struct attacker *attacker)
{
    pid_t pid = fork();

    if (pid == 0) {
        struct attacker own = {
            .setup = attacker->setup, .shared = attacker->shared, .tenant = attacker->tenant};
        attacker_attach(&own);
        keep_writing(&own);
        _exit(0);
    }
    pause_milliseconds(200);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static int dies_while_it_storms(struct attacker *attacker)
{
    for (unsigned i = 0; i < 3; i++)
        storm_until_killed(attacker);
    return neighbour_stands_still(attacker) ? got("its neighbour stands still") : 0;
}

static int relays_socket(struct attacker *attacker)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    if (!attacker->setup->relay_socket)
        return got("nothing: --relay-socket is not given");
    strncpy(address.sun_path, attacker->setup->relay_socket, sizeof(address.sun_path) - 1);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    int r = connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ? errno : 0;
    close(fd);
    return r == EACCES ? 0 : got("the relay's socket: %s", strerror(r));
}

const struct attack relay_attacks[] = {
    {"relay-storm", storm, false},
    {"relay-out-of-range", out_of_range, false},
    {"relay-deaf-monitor", deaf_monitor, false},
    {"relay-others-lines", others_lines, false},
    {"relay-reused-ids", reused_ids, false},
    {"relay-stops-reading", stops_reading, false},
    {"relay-cut-page", cut_page, false},
    {"relay-punched-page", punched_page, false},
    {"relay-blocking-counter", blocking_counter, false},
    {"relay-dies-while-it-storms", dies_while_it_storms, false},
    {"relay-socket", relays_socket, true},
    {NULL, NULL, false},
};
