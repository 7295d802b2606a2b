/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * homi-perf: a load generator for tenants; see homi-perf(1). Exit status: 0 when all went well, 1 when
 * commands failed or data was wrong, 2 for a wrong command line, 3 when homid refused, 4 when the machine
 * failed.
 */
#include <errno.h>
#include <homi/homi.h>
#include <stdio.h>

#include "bench/perf/run.h"

enum { EXIT_WELL, EXIT_ERRORS, EXIT_USAGE, EXIT_REFUSED, EXIT_MACHINE };

static int failed(const struct homi *homi, const char *what, int error)
{
    if (error > 0)
        fprintf(stderr, "homi-perf: %s: refused: %s: %s\n", what, homi_error_name(homi),
                homi_error_text(homi));
    else
        fprintf(stderr, "homi-perf: %s: %s\n", what, homi_strerror(error));
    return error > 0 ? EXIT_REFUSED : EXIT_MACHINE;
}

/* Memory runs out in one way that the user can mend. */
static const char *step_of(const struct perf_options *options, int error)
{
    return error == -ENOMEM && options->hugepages
               ? "memory and queue pairs, with hugepages (are as many free? see /proc/meminfo)"
               : "memory and queue pairs";
}

static int work(struct homi *homi, const struct perf_options *options, struct homi_lease *const *leases)
{
    struct report report;
    struct run *run;
    int r = run_new(options, leases, options->functions, &run), status;

    if (r == -EINVAL)
        return EXIT_USAGE; /* named already */
    if (r != 0)
        return failed(homi, step_of(options, r), r);
    r = run_go(run, &report);
    status = report.errors > 0 || report.miscompares > 0 || report.spurious > 0 ? EXIT_ERRORS : EXIT_WELL;
    if (report_print(&report) < 0)
        status = failed(homi, "the report", -ENOMEM);
    if (r < 0)
        status = failed(homi, r == -ETIMEDOUT ? "no completion for 30 s" : "I/O", r);
    run_free(run);
    return status;
}

int main(int argc, char **argv)
{
    struct homi_lease *leases[PERF_FUNCTIONS_MAX];
    struct perf_options options;
    struct homi *homi;
    int r;

    switch (perf_options_parse(argc, argv, &options)) {
    case PERF_BAD: return EXIT_USAGE;
    case PERF_HELP: perf_options_help(); return EXIT_WELL;
    case PERF_VERSION: puts("homi-perf " HOMI_VERSION); return EXIT_WELL;
    case PERF_PARSED: break;
    }
    const struct homi_attach_options attach = {
        .tenant = options.tenant,
        .lease = options.lease,
        .mode = options.functions > 1 ? HOMI_ATTACH_FRESH : HOMI_ATTACH_ANY,
        .devices = options.device_count > 0 ? options.devices : NULL,
        .device_count = options.device_count,
        .queue_pairs = options.lease ? 0 : options.queue_pairs,
        .wait_milliseconds = options.wait_milliseconds,
    };

    r = homi_open(options.socket, &homi);
    if (r < 0)
        return failed(NULL, "connecting to homid", r);
    for (uint32_t i = 0; r == 0 && i < options.functions; i++)
        r = homi_attach(homi, &attach, &leases[i]);
    r = r == 0 ? work(homi, &options, leases) : failed(homi, "attach", r);
    homi_close(homi);
    return r;
}
