/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench/datapath/measure.h"

#include <stdlib.h>
#include <time.h>

enum { DEVICE, LEAST, FLOOR, HOMI, ANY, DRIVERS };

static const struct bench_driver *const drivers[DRIVERS] = {
    &bench_driver_none, &bench_driver_least, &bench_driver_floor, &bench_driver_homi, &bench_driver_homi_any};

/* CPU time of the thread: what others take from the core does not count. */
static double cpu_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static bool time_driver(struct bench *bench, const struct bench_case *now, const struct bench_driver *driver,
                        uint64_t ios, double *ret_ns)
{
    uint64_t turns = ios / now->batch, done;
    double start;

    if (!bench_start(bench, now, driver))
        return false;
    start = cpu_ns();
    done = driver->run(bench, turns);
    *ret_ns = (cpu_ns() - start) / (double)(turns * now->batch);
    return done == turns * now->batch;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double *values, uint32_t count)
{
    qsort(values, count, sizeof(*values), by_value);
    return count % 2 != 0 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

bool bench_measure(struct bench *bench, const struct bench_case *now, uint32_t runs, uint64_t ios,
                   struct bench_figures *ret_figures)
{
    double ns[DRIVERS][BENCH_RUNS_MAX], ratios[BENCH_RUNS_MAX];

    for (uint32_t run = 0; run < runs; run++) {
        for (uint32_t i = 0; i < DRIVERS; i++)
            if (!time_driver(bench, now, drivers[i], ios, &ns[i][run]))
                return false;
        for (uint32_t i = LEAST; i < DRIVERS; i++)
            ns[i][run] -= ns[DEVICE][run];
        ratios[run] = ns[HOMI][run] / ns[FLOOR][run];
    }
    *ret_figures = (struct bench_figures){
        .device_ns = median(ns[DEVICE], runs),
        .least_ns = median(ns[LEAST], runs),
        .floor_ns = median(ns[FLOOR], runs),
        .homi_ns = median(ns[HOMI], runs),
        .any_ns = median(ns[ANY], runs),
        .ratio = median(ratios, runs),
    };
    return true;
}
