/* stats.c: order statistics and the bootstrap.
 *
 * A resample is never built: it is a count per rank, from which its median is read off. 2000
 * resamples of 101 samples take about a millisecond.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bench/stats.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/random.h"

enum { RESAMPLES = 2000, FEWEST = 5 };
static const uint64_t bootstrap_key = 0x6b65726e656c6d6bu; /* "kernelmk": any constant serves */

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* A sorted copy; NULL if there is none: no samples, a NaN (which has no rank), no memory. */
static double *sorted(const double *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (isnan(x[i]))
            return NULL;
    double *copy = n ? malloc(n * sizeof *copy) : NULL;
    if (copy) {
        memcpy(copy, x, n * sizeof *copy);
        qsort(copy, n, sizeof *copy, ascending);
    }
    return copy;
}

static double quantile_of_sorted(const double *x, size_t n, double q)
{
    double at = (double)(n - 1) * q;
    size_t i = (size_t)at;
    return i + 1 < n && at > (double)i ? x[i] + (at - (double)i) * (x[i + 1] - x[i]) : x[i];
}

double km_quantile(const double *x, size_t n, double q)
{
    double *s = sorted(x, n);
    double result = s && q >= 0 && q <= 1 ? quantile_of_sorted(s, n, q) : NAN;
    free(s);
    return result;
}

double km_median(const double *x, size_t n)
{
    return km_quantile(x, n, 0.5);
}

double km_mad(const double *x, size_t n)
{
    double *distance = n ? malloc(n * sizeof *distance) : NULL;
    if (!distance)
        return NAN;
    double middle = km_median(x, n);
    for (size_t i = 0; i < n; i++)
        distance[i] = fabs(x[i] - middle);
    double mad = km_median(distance, n);
    free(distance);
    return mad;
}

double km_geomean(const double *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += x[i] > 0 ? log(x[i]) : NAN;
    return n ? exp(sum / (double)n) : NAN;
}

/* One series: its samples in order, where each sample stands in it, and a resample's counts. */
typedef struct ranks {
    double *value;
    size_t *rank, *count;
    size_t n;
} ranks;

static void ranks_close(ranks *r)
{
    free(r->value);
    free(r->rank);
    free(r->count);
}

/* Equal samples share a rank: which of them was drawn does not matter. */
static int ranks_open(ranks *r, const double *x, size_t n)
{
    *r = (ranks){sorted(x, n), calloc(n, sizeof *r->rank), calloc(n, sizeof *r->count), n};
    if (!r->value || !r->rank || !r->count)
        return -1;
    for (size_t i = 0; i < n; i++) {
        const double *at = bsearch(&x[i], r->value, n, sizeof *x, ascending);
        r->rank[i] = (size_t)(at - r->value);
    }
    return 0;
}

/* The sample at `position` of the resample when that is put in order. */
static double at_position(const ranks *r, size_t position)
{
    size_t i = 0, below = r->count[0];
    while (below <= position)
        below += r->count[++i];
    return r->value[i];
}

static double resample_median(const ranks *r)
{
    return (at_position(r, (r->n - 1) / 2) + at_position(r, r->n / 2)) / 2;
}

/* Draws n rounds with replacement into both series. `draw` goes on where the last call ended. */
static void resample(ranks *a, ranks *b, uint64_t *draw)
{
    uint32_t bits[4];
    memset(a->count, 0, a->n * sizeof *a->count);
    memset(b->count, 0, b->n * sizeof *b->count);
    for (size_t i = 0; i < a->n; i++) {
        if (i % 4 == 0)
            km_philox((*draw)++, bootstrap_key, bits);
        size_t pick = (size_t)((uint64_t)bits[i % 4] * a->n >> 32);
        a->count[a->rank[pick]]++;
        b->count[b->rank[pick]]++;
    }
}

/* Of median(a) / median(b), or of median(a) when both are the same. */
static km_interval bootstrap(ranks *a, ranks *b)
{
    double medians[RESAMPLES];
    uint64_t draw = 0;
    for (int i = 0; i < RESAMPLES; i++) {
        resample(a, b, &draw);
        medians[i] = a == b ? resample_median(a) : resample_median(a) / resample_median(b);
    }
    return (km_interval){km_quantile(medians, RESAMPLES, 0.025),
                         km_quantile(medians, RESAMPLES, 0.975)};
}

km_interval km_median_interval(const double *x, size_t n)
{
    if (n < FEWEST)
        return (km_interval){km_quantile(x, n, 0), km_quantile(x, n, 1)};
    ranks r;
    km_interval result = {NAN, NAN};
    if (!ranks_open(&r, x, n))
        result = bootstrap(&r, &r);
    ranks_close(&r);
    return result;
}

static km_interval extremes_of_ratios(const double *a, const double *b, size_t n)
{
    double ratio[FEWEST];
    for (size_t i = 0; i < n; i++)
        ratio[i] = a[i] / b[i];
    return (km_interval){km_quantile(ratio, n, 0), km_quantile(ratio, n, 1)};
}

km_interval km_ratio_interval(const double *a, const double *b, size_t n)
{
    if (n < FEWEST)
        return extremes_of_ratios(a, b, n);
    ranks ra, rb = {0};
    km_interval result = {NAN, NAN};
    if (!ranks_open(&ra, a, n) && !ranks_open(&rb, b, n))
        result = bootstrap(&ra, &rb);
    ranks_close(&ra);
    ranks_close(&rb);
    return result;
}
