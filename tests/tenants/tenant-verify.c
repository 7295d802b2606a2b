/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A tenant that does I/O on queue pairs of its own and checks every byte that it reads. See usage below. Exit
 * status: 0 when there was neither error nor miscompare, 1 when there was, 2 for a wrong command line, 3 when
 * homid refused (the refusal's name is on standard error), 4 when the machine failed.
 */
#include <homi/homi.h>
#include <stdio.h>

#include "tests/tenants/common/load.h"
#include "tests/tenants/common/options.h"
#include "tests/tenants/common/ticks.h"

static const char usage[] =
    "Usage: tenant-verify [OPTION]...\n"
    "  --socket PATH        homid's socket\n"
    "  --tenant NAME        act for this tenant\n"
    "  --lease NAME         join this lease\n"
    "  --attach HOW         any, join or fresh [any]\n"
    "  --device NAME        a function of this SSD; may be given several times\n"
    "  --function INDEX     which of the lease's functions to use [0]\n"
    "  --namespace ID       which of its namespaces to use [the first]\n"
    "  --wait MS            wait so long for a function\n"
    "  --queue-pairs N      [1]\n"
    "  --depth N            commands in flight on each [32]\n"
    "  --block-bytes N      of one command [4096]\n"
    "  --offset BYTES       of the range [0]\n"
    "  --length BYTES       [to the namespace's end]\n"
    "  --pattern-seed N     [1]\n"
    "  --generation N       what verify and read-back ask for [any]; write counts on from it\n"
    "  --mode MODE          write: the range in order; verify: read it and check; write-verify: both, again "
    "and\n"
    "                       again; mixed: write all, then random reads (checked) and writes, then verify "
    "all;\n"
    "                       read: random, not checked; none: only set up [write-verify]\n"
    "  --seconds N          how long (mixed: the random part; else whole passes go on until then)\n"
    "  --ios N              or how many commands\n"
    "  --interrupt          sleep for completions instead of polling\n"
    "  --hugepages          buffers in 2 MiB pages\n"
    "  --stall-seconds N    give up after so long without a completion [30]\n"
    "  --recover            when the SSD is reset, go on where it was\n"
    "  --hold               afterwards print \"holding\" and keep everything until SIGTERM\n"
    "  --json               the result as one line of JSON\n";

enum mode { MODE_WRITE, MODE_VERIFY, MODE_WRITE_VERIFY, MODE_MIXED, MODE_READ, MODE_NONE };
static const char *const mode_names[] = {"write", "verify", "write-verify", "mixed", "read", "none", NULL};
static const char *const attach_names[] = {"any", "join", "fresh", NULL};

struct options {
    const char *socket, *tenant, *lease;
    int attach, mode;
    struct option_list devices;
    uint32_t function, namespace_id, wait, queue_pairs, depth, block_bytes, seconds, stall_seconds;
    uint64_t offset, length, seed, generation, ios;
    bool interrupt, hugepages, recover, hold, json;
};

static struct options parse(int argc, char **argv)
{
    struct options o = {.mode = MODE_WRITE_VERIFY,
                        .queue_pairs = 1,
                        .depth = 32,
                        .block_bytes = 4096,
                        .seed = 1,
                        .stall_seconds = 30};
    const struct option_spec specs[] = {
        {"socket", OPTION_TEXT, &o.socket, 0, 0, NULL},
        {"tenant", OPTION_TEXT, &o.tenant, 0, 0, NULL},
        {"lease", OPTION_TEXT, &o.lease, 0, 0, NULL},
        {"attach", OPTION_CHOICE, &o.attach, 0, 0, attach_names},
        {"device", OPTION_LIST, &o.devices, 0, 0, NULL},
        {"function", OPTION_U32, &o.function, 0, 0, NULL},
        {"namespace", OPTION_U32, &o.namespace_id, 1, 0, NULL},
        {"wait", OPTION_U32, &o.wait, 0, 0, NULL},
        {"queue-pairs", OPTION_U32, &o.queue_pairs, 1, 1024, NULL},
        {"depth", OPTION_U32, &o.depth, 1, 65535, NULL},
        {"block-bytes", OPTION_U32, &o.block_bytes, 512, 32 << 20, NULL},
        {"offset", OPTION_U64, &o.offset, 0, 0, NULL},
        {"length", OPTION_U64, &o.length, 512, 0, NULL},
        {"pattern-seed", OPTION_U64, &o.seed, 0, 0, NULL},
        {"generation", OPTION_U64, &o.generation, 1, INT32_MAX, NULL},
        {"mode", OPTION_CHOICE, &o.mode, 0, 0, mode_names},
        {"seconds", OPTION_U32, &o.seconds, 1, 1000000, NULL},
        {"ios", OPTION_U64, &o.ios, 1, 0, NULL},
        {"interrupt", OPTION_FLAG, &o.interrupt, 0, 0, NULL},
        {"hugepages", OPTION_FLAG, &o.hugepages, 0, 0, NULL},
        {"stall-seconds", OPTION_U32, &o.stall_seconds, 1, 1000000, NULL},
        {"recover", OPTION_FLAG, &o.recover, 0, 0, NULL},
        {"hold", OPTION_FLAG, &o.hold, 0, 0, NULL},
        {"json", OPTION_FLAG, &o.json, 0, 0, NULL},
        {NULL, OPTION_FLAG, NULL, 0, 0, NULL},
    };

    options_require(options_parse(argc, argv, specs, usage) == argc, "nothing but options");
    return o;
}

/* The part of the namespace that the load works on. */
static void choose_range(const struct options *o, const struct homi_namespace *namespace,
                         struct load_options *load)
{
    uint64_t bytes = namespace->blocks << namespace->block_shift;

    options_require(o->block_bytes % namespace->block_bytes == 0,
                    "--block-bytes in whole blocks of the namespace");
    options_require(o->offset % o->block_bytes == 0 && o->offset < bytes,
                    "--offset within the namespace and a multiple of --block-bytes");
    load->offset = o->offset;
    load->length = o->length != 0 ? o->length : (bytes - o->offset) / o->block_bytes * o->block_bytes;
    options_require(load->length % o->block_bytes == 0 && load->length <= bytes - o->offset,
                    "--length within the namespace and a multiple of --block-bytes");
    options_require(load->length / o->block_bytes >= o->queue_pairs, "a block for each queue pair");
}

/* Says what failed; the exit status is its kind. */
static int failed(const struct homi *homi, const char *what, int error)
{
    if (error > 0)
        fprintf(stderr, "refused: %s: %s: %s\n", what, homi_error_name(homi), homi_error_text(homi));
    else
        fprintf(stderr, "failed: %s: %s\n", what, homi_strerror(error));
    return error > 0 ? 3 : 4;
}

/* Whole passes, again and again until the time is over; one when there is none. */
static int run_passes(struct load *load, const struct options *o, struct report *report)
{
    unsigned end = ticks_now() + o->seconds * TICKS_PER_SECOND;
    int r = 0;

    do {
        unsigned left = (end - ticks_now() + TICKS_PER_SECOND - 1) / TICKS_PER_SECOND;
        struct load_limit limit = {.seconds = o->seconds != 0 ? left : 0, .commands = o->ios};

        if (o->mode != MODE_VERIFY)
            r = load_run(load, LOAD_WRITE, &limit, true, report);
        if (o->mode == MODE_WRITE_VERIFY)
            limit.seconds = 0; /* what was written is checked, however long that takes */
        if (o->mode != MODE_WRITE && r == 0)
            r = load_run(load, LOAD_VERIFY, &limit, true, report);
    } while (r == 0 && !ticks_stopped() && o->seconds != 0 && ticks_now() < end);
    return r;
}

static int run_mixed(struct load *load, const struct options *o, struct report *report)
{
    struct load_limit whole = {.seconds = 0};
    struct load_limit limit = {.seconds = o->seconds, .commands = o->ios};
    int r = load_run(load, LOAD_WRITE, &whole, false, report);

    if (r == 0)
        r = load_run(load, LOAD_MIXED, &limit, true, report);
    return r == 0 ? load_run(load, LOAD_VERIFY, &whole, false, report) : r;
}

static int run(struct load *load, const struct options *o, struct report *report)
{
    struct load_limit limit = {.seconds = o->seconds, .commands = o->ios};

    switch ((enum mode)o->mode) {
    case MODE_MIXED: return run_mixed(load, o, report);
    case MODE_READ: return load_run(load, LOAD_READ, &limit, true, report);
    case MODE_NONE: return 0;
    default: return run_passes(load, o, report);
    }
}

/* The load on an attached lease; returns the exit status. */
static int work(struct homi *homi, struct homi_lease *lease, const struct options *o)
{
    const struct homi_function_info *info = homi_lease_function(lease, o->function);
    const struct homi_namespace *namespace =
        o->namespace_id != 0 ? homi_function_namespace_by_id(lease, o->function, o->namespace_id)
                             : homi_function_namespace(lease, o->function, 0);
    struct report report = {.path = "tenant", .mode = mode_names[o->mode]};
    struct load_options options = {.function = o->function,
                                   .namespace = namespace,
                                   .queue_pairs = o->queue_pairs,
                                   .depth = o->depth,
                                   .block_bytes = o->block_bytes,
                                   .seed = o->seed,
                                   .generation = o->generation,
                                   .interrupt = o->interrupt,
                                   .memory_flags = o->hugepages ? HOMI_MEMORY_HUGEPAGES : 0,
                                   .stall_seconds = o->stall_seconds,
                                   .recovers = o->recover ? homi : NULL};
    struct load *load;
    int r, status;

    options_require(info != NULL, "--function that the lease has");
    options_require(namespace != NULL, "--namespace that the function has");
    options_require(o->block_bytes <= info->max_transfer_bytes,
                    "--block-bytes that the controller takes at once");
    choose_range(o, namespace, &options);
    fprintf(stderr, "attached: lease %s, function %s, namespace %u\n", homi_lease_name(lease), info->name,
            namespace->id);
    r = load_new(lease, &options, &load);
    if (r != 0)
        return failed(homi, "memory and queue pairs", r);
    report.function = info->name;
    report.namespace_id = namespace->id;
    report.queue_pairs = o->queue_pairs;
    report.depth = o->depth;
    report.block_bytes = o->block_bytes;
    report.interrupt = o->interrupt;
    r = run(load, o, &report);
    report_print(&report, o->json);
    if (r != 0)
        status = failed(homi, "I/O", r);
    else
        status = report.errors > 0 || report.miscompares > 0 || report.spurious > 0;
    if (o->hold) {
        puts("holding");
        fflush(stdout);
        ticks_wait_for_stop();
    }
    load_free(load);
    return status;
}

int main(int argc, char **argv)
{
    struct options o = parse(argc, argv);
    struct homi_attach_options attach = {
        .tenant = o.tenant,
        .lease = o.lease,
        .mode = (enum homi_attach_mode)o.attach,
        .devices = o.devices.count > 0 ? o.devices.items : NULL,
        .device_count = o.devices.count,
        .queue_pairs = o.lease ? 0 : o.queue_pairs,
        .wait_milliseconds = o.wait,
    };
    struct homi_lease *lease;
    struct homi *homi;
    int r, status;

    options_require((o.mode != MODE_MIXED && o.mode != MODE_READ) || o.seconds != 0 || o.ios != 0,
                    "--seconds or --ios with this mode");
    r = homi_open(o.socket, &homi);
    if (r < 0)
        return failed(NULL, "connecting to homid", r);
    if (o.recover && (r = homi_event_fd(homi)) < 0)
        return failed(homi, "events", r);
    ticks_start(o.interrupt);
    r = homi_attach(homi, &attach, &lease);
    status = r == 0 ? work(homi, lease, &o) : failed(homi, "attach", r);
    homi_close(homi);
    return status;
}
