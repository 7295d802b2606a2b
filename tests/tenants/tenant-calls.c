/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One call after the other on one connection until SIGTERM, and how long the longest took: what a tenant
 * notices of a homid that is restarted meanwhile. Prints a JSON object: how many calls were answered, the
 * median of all, and of the longest ones (--longest) the median and the worst, in milliseconds. Exit status:
 * 0, 1 when a call failed or the connection ended, 2 for a wrong command line, 4 when homid is not reached.
 */
#include <homi/homi.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/tenants/common/options.h"
#include "tests/tenants/common/ticks.h"

static const char usage[] = "Usage: tenant-calls [OPTION]...\n"
                            "  --socket PATH  homid's socket\n"
                            "  --longest N    tell of the N longest calls [5]\n";

enum { CALLS_MAX = 1 << 20 };

static int compare(const void *a, const void *b)
{
    const double *left = a, *right = b;

    return (*left < *right) - (*left > *right);
}

/* Returns the exit status. */
static int call_on(struct homi *homi, double *durations, size_t *ret_count)
{
    size_t count = 0;

    while (!ticks_stopped() && count < CALLS_MAX) {
        double begin = ticks_wall_seconds();
        char *reply = NULL;
        int r = homi_call(homi, "io.homi.Tenant.ListTenants", NULL, &reply);
        free(reply);
        if (r < 0 && ticks_stopped())
            break; /* the signal came while it waited */
        if (r != 0) {
            fprintf(stderr, "call %zu: %s (%s)\n", count + 1, homi_strerror(r), homi_error_text(homi));
            return EXIT_FAILURE;
        }
        durations[count++] = (ticks_wall_seconds() - begin) * 1000;
    }
    *ret_count = count;
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    const char *socket = NULL;
    uint32_t longest = 5;
    const struct option_spec specs[] = {
        {"socket", OPTION_TEXT, &socket, 0, 0, NULL},
        {"longest", OPTION_U32, &longest, 1, CALLS_MAX, NULL},
        {0},
    };
    double *durations = calloc(CALLS_MAX, sizeof(*durations));
    struct homi *homi = NULL;
    size_t count = 0;

    options_require(options_parse(argc, argv, specs, usage) == argc, "no arguments");
    if (!durations || homi_open(socket, &homi) < 0)
        return 4;
    ticks_start(true);
    int status = call_on(homi, durations, &count);
    qsort(durations, count, sizeof(*durations), compare);
    if (status == EXIT_SUCCESS && count >= longest)
        printf("{ \"calls\": %zu, \"medianMs\": %.1f, \"longest\": %" PRIu32
               ", \"longestMedianMs\": %.1f, \"worstMs\": %.1f }\n",
               count, durations[count / 2], longest, durations[longest / 2], durations[0]);
    homi_close(homi);
    free(durations);
    return status;
}
