/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * homi-conformance: runs the list of device behaviours against an SSD of the machine, or the software SSD.
 * Exit status: 0 every case is as it should be, 1 one is not, 64 wrong arguments, 69 the device cannot be
 * had.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "daemon/helper/helper.h"
#include "daemon/model/spec.h"
#include "tests/conformance/cases.h"

#define SPEC_DEFAULT                                                                                         \
    "{\"devices\":[{\"serial\":\"RIG\",\"virtualFunctions\":2,\"queues\":{\"perFunction\":5,\"total\":20},"  \
    "\"interrupts\":{\"perFunction\":4,\"total\":16},\"namespaces\":[{\"id\":1,\"bytes\":\"1M\"},"           \
    "{\"id\":2,\"bytes\":\"1M\"}]}]}"

enum { HELPER_SOCKET = 3, FUNCTIONS = 2, MUTATION_SECONDS = 60, MUTATION_PATIENCE = 300 };

struct options {
    const char *serial, *address, *model, *only;
    uint32_t nsid;
    bool list, mutate;
};

struct outcome {
    unsigned passed, failed, deviating, not_offered;
};

static const char usage[] =
    "Usage: homi-conformance --bdf ADDRESS --destructive-namespace ID [--case TEXT]\n"
    "       homi-conformance --serial SERIAL --destructive-namespace ID [--case TEXT]\n"
    "       homi-conformance --model[=SPEC] [--case TEXT]\n"
    "       homi-conformance --list | --help\n"
    "Checks that an NVMe SSD with SR-IOV behaves as the specification and homid have it.\n"
    "The namespace is overwritten; the virtual functions are taken from whoever has them.\n";

/* ---- one device ---- */

static bool concerned(const struct options *options, const struct conformance_case *entry)
{
    return !options->only || strstr(entry->name, options->only);
}

static void tell(const struct rig *rig, const struct conformance_case *entry, const char *wrong,
                 struct outcome *outcome)
{
    const char *reason = conformance_exception(rig, entry);

    if (wrong == not_offered) {
        outcome->not_offered++;
        printf("n/a   %s\n", entry->name);
    } else if (wrong && reason) {
        outcome->deviating++;
        printf("known %s (%s): %s\n", entry->name, entry->section, reason);
    } else if (wrong || reason) {
        outcome->failed++;
        printf("FAIL  %s (%s): %s\n", entry->name, entry->section,
               wrong ? wrong : "it is listed as a deviation and is none");
    } else {
        outcome->passed++;
        printf("ok    %s\n", entry->name);
    }
    fflush(stdout);
}

static bool is_the_hosts(const struct rig *rig, const struct hw_namespace *space)
{
    for (unsigned i = 0; i < space->controller_count; i++) {
        if (space->controllers[i] == rig->device_info.controller_id)
            return true;
    }
    return false;
}

/* Looks up the namespace, and another one that nobody has. What stands against it, or NULL. */
static const char *choose_namespaces(struct rig *rig, uint32_t nsid)
{
    const char *obstacle = "the device has no such namespace";

    rig->nsid = nsid;
    rig->other_nsid = 0;
    for (unsigned i = 0; i < rig->device_info.namespace_count; i++) {
        const struct hw_namespace *space = &rig->device_info.namespaces[i];
        if (space->id == nsid)
            obstacle = is_the_hosts(rig, space) ? "the namespace is attached to the host" : NULL;
        else if (space->controller_count == 0)
            rig->other_nsid = space->id;
    }
    return obstacle;
}

static int prepare(struct rig *rig, const struct options *options)
{
    const char *obstacle = NULL;
    int r = rig_probe(rig);

    if (r == 0 && options->nsid)
        obstacle = choose_namespaces(rig, options->nsid);
    if (r == 0 && !obstacle && rig->device_info.functions_total < FUNCTIONS)
        obstacle = "the device has less than two virtual functions";
    if (r == 0 && !obstacle)
        r = rig_provision(rig, FUNCTIONS, rig->device_info.queues.per_function,
                          rig->device_info.interrupts.per_function);
    if (r == 0 && !obstacle)
        return EXIT_SUCCESS;
    fprintf(stderr, "homi-conformance: %s\n", obstacle ? obstacle : rig->result.reason);
    return EX_UNAVAILABLE;
}

/* Says what is wrong with a specification. */
static bool specified(const char *text)
{
    struct model_spec *spec = NULL;
    struct spec_error error;

    if (spec_parse(text, &spec, &error) < 0) {
        fprintf(stderr, "homi-conformance: the specification: %s\n", error.text);
        return false;
    }
    spec_free(spec);
    return true;
}

static int run(const struct options *options)
{
    if (options->model && !specified(options->model))
        return EX_USAGE;
    struct rig *rig =
        options->model ? rig_new(options->model) : rig_new_hardware(options->serial, options->address);
    struct outcome outcome = {0};
    int status = prepare(rig, options);

    for (size_t i = 0; status == EXIT_SUCCESS && i < conformance_count(); i++) {
        const struct conformance_case *entry = conformance_at(i);
        if (concerned(options, entry))
            tell(rig, entry, conformance_run(rig, entry), &outcome);
    }
    if (rig->function)
        rig_close(rig);
    if (status == EXIT_SUCCESS && !options->model)
        rig_take_down(rig);
    rig_free(rig);
    if (status != EXIT_SUCCESS)
        return status;
    printf("conformance: %u passed, %u failed (%u known to deviate, %u not offered)\n", outcome.passed,
           outcome.failed, outcome.deviating, outcome.not_offered);
    return outcome.failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* ---- the mutation run ---- */

#ifdef HOMI_MODEL_RULES
volatile unsigned *rule_switched_off;

enum verdict { FAILED_WITHOUT, PASSED_WITHOUT, FAILED_WITH };

/* The rule is off while the case runs, or (early) already while the controller is made ready for it. */
static bool survives(const struct conformance_case *entry, bool off, bool early)
{
    struct rig *rig = rig_new(SPEC_DEFAULT);
    const char *wrong = "it cannot be provisioned";

    if (rig_probe(rig) == 0 && rig_provision(rig, FUNCTIONS, 5, 4) == 0) {
        rig->patience = off ? MUTATION_PATIENCE : rig->patience;
        if (early)
            *rule_switched_off = entry->rule;
        wrong = conformance_run_with(rig, entry, off && !early ? rule_switched_off : NULL);
        *rule_switched_off = RULE_NONE;
    }
    if (rig->model > 0)
        kill(rig->model, SIGKILL);
    rig_leave(rig);
    return !wrong;
}

static enum verdict judge(const struct conformance_case *entry)
{
    if (!survives(entry, false, false))
        return FAILED_WITH;
    return survives(entry, true, false) && survives(entry, true, true) ? PASSED_WITHOUT : FAILED_WITHOUT;
}

/* In a process of its own: a model without its rule may do anything to the rig. */
static enum verdict judge_apart(const struct conformance_case *entry)
{
    int status = 0;
    pid_t pid = fork();

    if (pid == 0) {
        alarm(MUTATION_SECONDS);
        if (!freopen("/dev/null", "w", stderr))
            _exit(FAILED_WITH);
        _exit((int)judge(entry));
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return FAILED_WITH;
    return WIFEXITED(status) ? (enum verdict)WEXITSTATUS(status) : FAILED_WITH;
}

static int mutate(const struct options *options)
{
    static const char *const texts[] = {
        [PASSED_WITHOUT] = "passes without its rule", [FAILED_WITH] = "does not pass with its rule"};
    unsigned passed = 0, failed = 0;
    void *shared = mmap(NULL, sizeof(unsigned), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (shared == MAP_FAILED)
        return EXIT_FAILURE;
    rule_switched_off = shared;
    for (size_t i = 0; i < conformance_count(); i++) {
        const struct conformance_case *entry = conformance_at(i);
        if (!concerned(options, entry))
            continue;
        *rule_switched_off = RULE_NONE;
        enum verdict verdict = judge_apart(entry);
        passed += verdict == FAILED_WITHOUT;
        failed += verdict != FAILED_WITHOUT;
        if (verdict != FAILED_WITHOUT)
            printf("FAIL  %s: %s\n", entry->name, texts[verdict]);
        fflush(stdout);
    }
    printf("mutations: %u passed, %u failed\n", passed, failed);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
#else
static int mutate(const struct options *options)
{
    (void)options;
    fputs("homi-conformance: rules cannot be switched off in this build: make check-mutations\n", stderr);
    return EX_USAGE;
}
#endif

/* ---- arguments ---- */

static bool parse_id(const char *text, uint32_t *ret_id)
{
    char *end;
    unsigned long id = strtoul(text, &end, 10);

    if (!*text || *end || id == 0 || id >= UINT32_MAX)
        return false;
    *ret_id = (uint32_t)id;
    return true;
}

/* 0, or the exit status. */
static int parse(int argc, char **argv, struct options *options)
{
    static const struct option known[] = {{"bdf", required_argument, NULL, 'b'},
                                          {"serial", required_argument, NULL, 's'},
                                          {"destructive-namespace", required_argument, NULL, 'n'},
                                          {"model", optional_argument, NULL, 'm'},
                                          {"case", required_argument, NULL, 'c'},
                                          {"list", no_argument, NULL, 'l'},
                                          {"mutate", no_argument, NULL, 'x'},
                                          {"help", no_argument, NULL, 'h'},
                                          {0}};

    for (int option; (option = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        switch (option) {
        case 'b': options->address = optarg; break;
        case 's': options->serial = optarg; break;
        case 'm': options->model = optarg ? optarg : SPEC_DEFAULT; break;
        case 'c': options->only = optarg; break;
        case 'l': options->list = true; break;
        case 'x': options->mutate = true; break;
        case 'h': fputs(usage, stdout); exit(EXIT_SUCCESS);
        case 'n':
            if (parse_id(optarg, &options->nsid))
                break;
            fprintf(stderr, "homi-conformance: '%s' is no namespace\n", optarg);
            return EX_USAGE;
        default: fputs(usage, stderr); return EX_USAGE;
        }
    }
    bool hardware = options->address || options->serial;
    if (optind == argc && (options->list || options->mutate || (hardware != (options->model != NULL))) &&
        hardware == (options->nsid != 0))
        return 0;
    fputs(usage, stderr);
    return EX_USAGE;
}

int main(int argc, char **argv)
{
    struct options options = {0};

    if (argc == 2 && strcmp(argv[1], "--helper") == 0)
        return helper_main(HELPER_SOCKET);
    int status = parse(argc, argv, &options);
    if (status)
        return status;
    if (options.mutate)
        return mutate(&options);
    for (size_t i = 0; options.list && i < conformance_count(); i++)
        printf("%s (%s)\n", conformance_at(i)->name, conformance_at(i)->section);
    return options.list ? EXIT_SUCCESS : run(&options);
}
