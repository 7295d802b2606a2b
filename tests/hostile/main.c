/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs the attacks one after the other beside a victim and an observer, and judges each by what all three
 * saw. Prints "ok NAME …" or "not ok NAME …", and last "hostile: N passed, N failed". Exit status: 0 when no
 * attack got anywhere, 1 otherwise, 2 for a wrong command line, 4 when there was nothing to attack.
 */
#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/hostile/hostile.h"
#include "tests/tenants/common/options.h"

static const char usage[] =
    "Usage: hostile [OPTION]...\n"
    "  --socket PATH, --admin-socket PATH  homid's\n"
    "  --attacker NAME, --victim NAME      tenants that may each have a VF\n"
    "  --relayed NAME                      one of the attacker's that is relayed; without: no attack on the "
    "relay\n"
    "  --relay-socket PATH                 the relay's\n"
    "  --attacker-uid N, --victim-uid N    users to be; without: whoever starts this\n"
    "  --foreign-namespace N               the victim's\n"
    "  --connections-per-uid N, --monitors N, --regions N, --queue-pairs N  what homid allows\n"
    "  --programs FOLDER                   where tenant-refusals and proto-abuse are\n"
    "  --patience N                        seconds in which the victim must get on [20]\n"
    "  --only PREFIX                       attacks whose names begin so\n"
    "  --list                              their names\n";

#define ATTACK_PATIENCES 3 /* that an attack may take */

/* Seconds in which the victim must get on and homid answer. What is measured is printed; this is for a hang.
 */
static uint32_t patience = 20;

static const struct attack *const groups[] = {memory_attacks,   dma_attacks,     queue_attacks,
                                              protocol_attacks, process_attacks, relay_attacks};

static struct setup setup = {.attacker = "blue",
                             .victim = "green",
                             .attacker_uid = UINT32_MAX,
                             .victim_uid = UINT32_MAX,
                             .foreign_namespace = 3,
                             .connections_per_uid = 256,
                             .monitors = 64,
                             .regions = 64,
                             .queue_pairs = 64};
static struct shared *shared;
static pid_t victim, observer;
static uint64_t quiet_microseconds; /* a round of the victim while nobody attacks */

static void become(uint32_t uid)
{
    if (uid == UINT32_MAX)
        return;
    if (setgroups(0, NULL) < 0 || setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0) {
        perror("becoming another user");
        _exit(4);
    }
}

static pid_t start(void (*run)(const struct setup *, struct shared *), uint32_t uid)
{
    pid_t pid = fork();

    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        become(uid);
        run(&setup, shared);
    }
    return pid;
}

/* ---- what the others saw ---- */

struct sight {
    uint64_t rounds, errors, miscompares, unanswered;
    int homid;
};

static struct sight look(void)
{
    return (struct sight){shared->rounds, shared->errors, shared->miscompares, shared->unanswered,
                          shared->homid};
}

static bool advances(void)
{
    uint64_t rounds = shared->rounds, begin = microseconds_now();

    while (shared->rounds < rounds + 2) {
        if (microseconds_now() - begin > patience * UINT64_C(1000000))
            return false;
        pause_milliseconds(2);
    }
    return true;
}

/* Only the victim's lease is left. */
static bool settles(void)
{
    for (unsigned waited = 0; waited < patience * 1000; waited += 10) {
        if (shared->leases == 1 && shared->queue_pairs == 1)
            return true;
        pause_milliseconds(10);
    }
    return false;
}

/* What is wrong after an attack, or NULL. */
static const char *judge(int status, const struct sight *before)
{
    struct sight now = look();

    if (WIFSIGNALED(status))
        return WTERMSIG(status) == SIGALRM ? "it did not end" : "it crashed";
    if (WEXITSTATUS(status) == 4)
        return "it could not be made";
    if (WEXITSTATUS(status) != 0)
        return "it got somewhere";
    if (waitpid(victim, &status, WNOHANG) != 0)
        return "the victim died";
    if (now.miscompares != before->miscompares)
        return "the victim read what it had not written";
    if (now.errors != before->errors)
        return "the victim's I/O failed";
    if (!advances() || shared->worst_microseconds > patience * UINT64_C(1000000))
        return "the victim stood still";
    if (now.homid != before->homid)
        return "homid is another process";
    if (now.unanswered != before->unanswered || shared->slowest_microseconds > patience * UINT64_C(1000000))
        return "homid did not answer the operator";
    return settles() ? NULL : "something is still held";
}

static bool on_relay(const struct attack *which)
{
    return strncmp(which->name, "relay", 5) == 0;
}

static const char *attack(const struct attack *which)
{
    struct sight before = look();
    int status;

    shared->worst_microseconds = shared->slowest_microseconds = 0;
    pid_t pid = fork();
    if (pid == 0) {
        struct attacker attacker = {
            .setup = &setup, .shared = shared, .tenant = on_relay(which) ? setup.relayed : setup.attacker};
        become(setup.attacker_uid);
        alarm(ATTACK_PATIENCES * patience);
        attacker_connect(&attacker);
        if (!which->needs_user && strncmp(which->name, "connection", 10) != 0 &&
            strncmp(which->name, "death", 5) != 0 && strcmp(which->name, "call-wrong") != 0)
            attacker_attach(&attacker);
        _exit(which->run(&attacker));
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return "no process for it";
    return judge(status, &before);
}

/* ---- all of them ---- */

static bool is_wanted(const struct attack *which, const char *only)
{
    if ((only && strncmp(which->name, only, strlen(only)) != 0) || (on_relay(which) && !setup.relayed))
        return false;
    /* Attacks of one user on another need two users. */
    return !which->needs_user || (setup.attacker_uid != UINT32_MAX && setup.attacker_uid != 0);
}

static unsigned run_all(const char *only, unsigned *ret_passed, uint64_t *ret_slowest)
{
    unsigned failed = 0;

    for (size_t group = 0; group < sizeof(groups) / sizeof(groups[0]); group++) {
        for (const struct attack *which = groups[group]; which->name; which++) {
            if (!is_wanted(which, only))
                continue;
            uint64_t begin = microseconds_now();
            const char *wrong = attack(which);
            printf("%s %-30s %4.1f s; victim's slowest round %.0f ms, homid's slowest answer %.1f ms%s%s\n",
                   wrong ? "not ok" : "ok    ", which->name, (double)(microseconds_now() - begin) / 1e6,
                   (double)shared->worst_microseconds / 1e3, (double)shared->slowest_microseconds / 1e3,
                   wrong ? ": " : "", wrong ? wrong : "");
            fflush(stdout);
            failed += wrong != NULL;
            *ret_passed += wrong == NULL;
            if (shared->slowest_microseconds > *ret_slowest)
                *ret_slowest = shared->slowest_microseconds;
        }
    }
    return failed;
}

static void list(void)
{
    for (size_t group = 0; group < sizeof(groups) / sizeof(groups[0]); group++) {
        for (const struct attack *which = groups[group]; which->name; which++)
            puts(which->name);
    }
}

/* Returns once the victim works. */
static void begin(void)
{
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        exit(4);
    victim = start(victim_run, setup.victim_uid);
    observer = start(observer_run, UINT32_MAX);
    for (unsigned waited = 0; !shared->victim_ready || shared->rounds < 50 || !shared->homid; waited += 10) {
        if (waited > patience * 1000 || waitpid(victim, NULL, WNOHANG) != 0) {
            fprintf(stderr, "hostile: the victim cannot work\n");
            exit(4);
        }
        pause_milliseconds(10);
    }
    quiet_microseconds = shared->worst_microseconds;
}

int main(int argc, char **argv)
{
    const char *only = NULL;
    bool listing = false;
    const struct option_spec specs[] = {
        {"socket", OPTION_TEXT, &setup.socket, 0, 0, NULL},
        {"admin-socket", OPTION_TEXT, &setup.admin_socket, 0, 0, NULL},
        {"attacker", OPTION_TEXT, &setup.attacker, 0, 0, NULL},
        {"victim", OPTION_TEXT, &setup.victim, 0, 0, NULL},
        {"relayed", OPTION_TEXT, &setup.relayed, 0, 0, NULL},
        {"relay-socket", OPTION_TEXT, &setup.relay_socket, 0, 0, NULL},
        {"attacker-uid", OPTION_U32, &setup.attacker_uid, 0, 0, NULL},
        {"victim-uid", OPTION_U32, &setup.victim_uid, 0, 0, NULL},
        {"foreign-namespace", OPTION_U32, &setup.foreign_namespace, 1, 0, NULL},
        {"connections-per-uid", OPTION_U32, &setup.connections_per_uid, 1, 0, NULL},
        {"monitors", OPTION_U32, &setup.monitors, 1, 100, NULL},
        {"regions", OPTION_U32, &setup.regions, 1, 200, NULL},
        {"queue-pairs", OPTION_U32, &setup.queue_pairs, 1, 0, NULL},
        {"programs", OPTION_TEXT, &setup.programs, 0, 0, NULL},
        {"patience", OPTION_U32, &patience, 1, 600, NULL},
        {"only", OPTION_TEXT, &only, 0, 0, NULL},
        {"list", OPTION_FLAG, &listing, 0, 0, NULL},
        {NULL, OPTION_FLAG, NULL, 0, 0, NULL},
    };
    unsigned passed = 0, failed;
    uint64_t slowest = 0;

    options_require(options_parse(argc, argv, specs, usage) == argc, "nothing behind the options");
    if (listing)
        return list(), 0;
    options_require(setup.socket && setup.admin_socket && setup.programs, "both sockets and --programs");
    signal(SIGPIPE, SIG_IGN);
    begin();
    failed = run_all(only, &passed, &slowest);
    shared->stop = true;
    waitpid(victim, NULL, 0);
    waitpid(observer, NULL, 0);
    printf("victim: %llu rounds, %llu errors, %llu miscompares; quiet, a round took up to %.0f ms\n",
           (unsigned long long)shared->rounds, (unsigned long long)shared->errors,
           (unsigned long long)shared->miscompares, (double)quiet_microseconds / 1e3);
    printf("homid: %llu status calls, %llu unanswered, the slowest took %.1f ms\n",
           (unsigned long long)shared->asked, (unsigned long long)shared->unanswered, (double)slowest / 1e3);
    printf("hostile: %u passed, %u failed\n", passed, failed);
    return failed > 0 || passed == 0;
}
