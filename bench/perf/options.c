/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench/perf/options.h"

#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const perf_rw_names[] = {"read", "write", "randread", "randwrite", "rw", "randrw", NULL};

static const char help[] =
    "Usage: homi-perf [OPTION]...\n"
    "Loads a tenant's own NVMe queues. Sizes take k, M or G.\n"
    "  --socket PATH       homid's socket\n"
    "  --tenant NAME       act for this tenant\n"
    "  --lease NAME        join this lease\n"
    "  --device NAME       a VF of this SSD; may be given several times\n"
    "  --functions N       take so many VFs [1]\n"
    "  --namespace ID      [the first]\n"
    "  --wait MS           wait so long for a VF\n"
    "  --rw HOW            read, write, randread, randwrite, rw or randrw [randread]\n"
    "  --rwmixread PERCENT reads of rw and randrw [50]\n"
    "  --destroy           agree that the data in the range is overwritten; writing needs it\n"
    "  --block-size BYTES  of a command [4k]\n"
    "  --depth N           commands in flight on each queue pair [32]\n"
    "  --batch N           send when so many can go with one doorbell [a quarter of the depth]\n"
    "  --queue-pairs N     on each VF [1]\n"
    "  --threads N         that share the queue pairs [1; with --interrupt one for each]\n"
    "  --cpus LIST         pin the threads in turn, for example 0,2-5\n"
    "  --offset BYTES      where the range starts [0]\n"
    "  --length BYTES      of the range [to the end of the namespace]\n"
    "  --runtime SECONDS   [10, unless --ios is given]\n"
    "  --ios N             stop after so many commands\n"
    "  --seed N            of the positions and of the data [1]\n"
    "  --verify            write data that tells where it belongs; check what is read\n"
    "  --interrupt         sleep for completions instead of polling\n"
    "  --hugepages         buffers in 2 MiB pages\n"
    "  --latency           measure the latency of each command\n"
    "  --json              the result as JSON\n"
    "  --help, --version\n";

enum kind { TEXT, DEVICE, RW, NUMBER32, NUMBER64, SIZE32, SIZE64, CPUS, FLAG, HELP, VERSION };

struct spec {
    enum kind kind;
    size_t place; /* of its member in struct perf_options */
    uint64_t min, max;
};

/* Digits, then k, M or G where it is a size. */
static bool parse_number(const char *text, bool size, uint64_t *ret_value)
{
    char *end;
    unsigned shift = 0;
    unsigned long long value;

    errno = 0;
    value = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || errno != 0)
        return false;
    if (size && *end != '\0') {
        shift = *end == 'k' || *end == 'K' ? 10 : *end == 'M' ? 20 : *end == 'G' ? 30 : 0;
        end += shift != 0;
    }
    if (*end != '\0' || value > UINT64_MAX >> shift)
        return false;
    *ret_value = value << shift;
    return true;
}

static bool parse_cpus(const char *text, struct perf_options *options)
{
    options->cpu_count = 0;
    while (*text != '\0') {
        char *end;
        unsigned long first = strtoul(text, &end, 10), last = first;

        if (end == text || *text < '0' || *text > '9')
            return false;
        if (*end == '-') {
            text = end + 1;
            last = strtoul(text, &end, 10);
            if (end == text || *text < '0' || *text > '9')
                return false;
        }
        if (last < first || last >= CPU_SETSIZE || (*end != '\0' && *end != ','))
            return false;
        for (; first <= last; first++) {
            if (options->cpu_count == PERF_CPUS_MAX)
                return false;
            options->cpus[options->cpu_count++] = (uint32_t)first;
        }
        if (*end == ',' && end[1] == '\0')
            return false;
        text = *end == ',' ? end + 1 : end;
    }
    return options->cpu_count > 0;
}

static bool parse_rw(const char *text, enum perf_rw *ret_rw)
{
    for (int i = 0; perf_rw_names[i]; i++) {
        if (strcmp(text, perf_rw_names[i]) == 0) {
            *ret_rw = (enum perf_rw)i;
            return true;
        }
    }
    return false;
}

/* Puts one option's argument where it belongs; false when it is none that the option takes. */
static bool store(const struct spec *spec, const char *text, struct perf_options *options)
{
    bool size = spec->kind == SIZE32 || spec->kind == SIZE64;
    void *target = (unsigned char *)options + spec->place;
    uint64_t value;

    switch (spec->kind) {
    case TEXT: *(const char **)target = text; return *text != '\0';
    case DEVICE:
        if (options->device_count == PERF_DEVICES_MAX)
            return false;
        options->devices[options->device_count++] = text;
        return *text != '\0';
    case RW: return parse_rw(text, &options->rw);
    case CPUS: return parse_cpus(text, options);
    case FLAG: *(bool *)target = true; return true;
    default: break;
    }
    if (!parse_number(text, size, &value) || value < spec->min || (spec->max != 0 && value > spec->max))
        return false;
    if (spec->kind == NUMBER32 || spec->kind == SIZE32)
        *(uint32_t *)target = (uint32_t)value;
    else
        *(uint64_t *)target = value;
    return true;
}

static enum perf_parse bad(const char *what)
{
    fprintf(stderr, "homi-perf: %s\n", what);
    return PERF_BAD;
}

/* What depends on several options. */
static enum perf_parse complete(struct perf_options *o, bool mix_given)
{
    static const uint32_t read_percent[] = {100, 0, 100, 0, 0, 0};
    uint32_t pairs;

    if (o->rw != PERF_RW && o->rw != PERF_RANDRW) {
        if (mix_given)
            return bad("--rwmixread goes with --rw rw and randrw only");
        o->read_percent = read_percent[o->rw];
    }
    if (o->read_percent < 100 && !o->destroy)
        return bad("this load overwrites data in the range: say --destroy if that is meant");
    if (o->block_bytes % 512 != 0)
        return bad("--block-size is not a multiple of 512");
    if (o->batch == 0)
        o->batch = o->depth >= 4 ? o->depth / 4 : 1;
    if (o->batch > o->depth)
        return bad("--batch is more than --depth");
    if (o->lease && (o->functions > 1 || o->device_count > 0))
        return bad("--lease goes with neither --functions nor --device: the lease has its VFs");
    pairs = o->queue_pairs * o->functions * (o->device_count > 0 ? (uint32_t)o->device_count : 1);
    if (o->interrupt && o->threads != 0 && !o->lease && o->threads < pairs)
        return bad("--interrupt needs a thread for each queue pair: leave --threads out");
    if (o->seconds == 0 && o->ios == 0)
        o->seconds = 10;
    return PERF_PARSED;
}

#define AT(member) offsetof(struct perf_options, member)

/* Each with its place in specs. */
static const struct option names[] = {
    {"socket", required_argument, NULL, 0},
    {"tenant", required_argument, NULL, 1},
    {"lease", required_argument, NULL, 2},
    {"device", required_argument, NULL, 3},
    {"functions", required_argument, NULL, 4},
    {"namespace", required_argument, NULL, 5},
    {"wait", required_argument, NULL, 6},
    {"rw", required_argument, NULL, 7},
    {"rwmixread", required_argument, NULL, 8},
    {"destroy", no_argument, NULL, 9},
    {"block-size", required_argument, NULL, 10},
    {"depth", required_argument, NULL, 11},
    {"batch", required_argument, NULL, 12},
    {"queue-pairs", required_argument, NULL, 13},
    {"threads", required_argument, NULL, 14},
    {"cpus", required_argument, NULL, 15},
    {"offset", required_argument, NULL, 16},
    {"length", required_argument, NULL, 17},
    {"runtime", required_argument, NULL, 18},
    {"ios", required_argument, NULL, 19},
    {"seed", required_argument, NULL, 20},
    {"verify", no_argument, NULL, 21},
    {"interrupt", no_argument, NULL, 22},
    {"hugepages", no_argument, NULL, 23},
    {"latency", no_argument, NULL, 24},
    {"json", no_argument, NULL, 25},
    {"help", no_argument, NULL, 26},
    {"version", no_argument, NULL, 27},
    {NULL, 0, NULL, 0},
};

static const struct spec specs[] = {
    {TEXT, AT(socket), 0, 0},
    {TEXT, AT(tenant), 0, 0},
    {TEXT, AT(lease), 0, 0},
    {DEVICE, 0, 0, 0},
    {NUMBER32, AT(functions), 1, PERF_FUNCTIONS_MAX},
    {NUMBER32, AT(namespace_id), 1, UINT32_MAX - 1},
    {NUMBER32, AT(wait_milliseconds), 0, UINT32_MAX},
    {RW, 0, 0, 0},
    {NUMBER32, AT(read_percent), 0, 100},
    {FLAG, AT(destroy), 0, 0},
    {SIZE32, AT(block_bytes), 512, 32u << 20},
    {NUMBER32, AT(depth), 1, 65535},
    {NUMBER32, AT(batch), 1, 65535},
    {NUMBER32, AT(queue_pairs), 1, PERF_PAIRS_MAX},
    {NUMBER32, AT(threads), 1, PERF_PAIRS_MAX},
    {CPUS, 0, 0, 0},
    {SIZE64, AT(offset), 0, 0},
    {SIZE64, AT(length), 512, 0},
    {NUMBER64, AT(seconds), 1, 10000000},
    {NUMBER64, AT(ios), 1, 0},
    {NUMBER64, AT(seed), 0, 0},
    {FLAG, AT(verify), 0, 0},
    {FLAG, AT(interrupt), 0, 0},
    {FLAG, AT(hugepages), 0, 0},
    {FLAG, AT(latency), 0, 0},
    {FLAG, AT(json), 0, 0},
    {HELP, 0, 0, 0},
    {VERSION, 0, 0, 0},
};

enum perf_parse perf_options_parse(int argc, char **argv, struct perf_options *ret_options)
{
    struct perf_options *o = ret_options;
    bool mix_given = false;
    int found;

    *o = (struct perf_options){.rw = PERF_RANDREAD,
                               .read_percent = 50,
                               .block_bytes = 4096,
                               .depth = 32,
                               .queue_pairs = 1,
                               .functions = 1,
                               .seed = 1};
    optind = 0;
    while ((found = getopt_long(argc, argv, "", names, NULL)) != -1) {
        if (found == '?')
            return PERF_BAD;
        if (specs[found].kind == HELP || specs[found].kind == VERSION)
            return specs[found].kind == HELP ? PERF_HELP : PERF_VERSION;
        mix_given = mix_given || specs[found].place == AT(read_percent);
        if (!store(&specs[found], optarg, o)) {
            fprintf(stderr, "homi-perf: --%s does not take '%s'\n", names[found].name, optarg);
            return PERF_BAD;
        }
    }
    return optind < argc ? bad("takes nothing but options") : complete(o, mix_given);
}

void perf_options_help(void)
{
    fputs(help, stdout);
}

bool perf_options_random(const struct perf_options *options)
{
    return options->rw == PERF_RANDREAD || options->rw == PERF_RANDWRITE || options->rw == PERF_RANDRW;
}
