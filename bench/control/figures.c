/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench/control/figures.h"

#include <stdlib.h>

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* The nearest rank: no value is made up. */
double figures_percentile(double *values, size_t count, double percent)
{
    if (count == 0)
        return 0;
    qsort(values, count, sizeof(*values), by_value);
    size_t rank = (size_t)(percent / 100 * (double)count);
    return values[rank < count ? rank : count - 1];
}

double figures_median(double *values, size_t count)
{
    return figures_percentile(values, count, 50);
}
