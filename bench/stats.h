/* stats.h: what a few timings of one thing amount to.
 *
 * Pure functions on samples in any order, which they leave as they are. No samples, or a NaN among
 * them, gives NaN. Times are skewed to the right, so everything rests on ranks, not on means.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_STATS_H
#define KM_STATS_H

#include <stddef.h>

typedef struct km_interval {
    double low, high;
} km_interval;

/* q in [0, 1]; between the two nearest ranks by linear interpolation at (n - 1) q (numpy's default,
 * type 7 of Hyndman and Fan). The median is q = 1/2. */
double km_quantile(const double *x, size_t n, double q);
double km_median(const double *x, size_t n);

/* Median of |x - median(x)|, not scaled to a standard deviation. */
double km_mad(const double *x, size_t n);

/* NaN unless every x is positive. */
double km_geomean(const double *x, size_t n);

/* 95 % bootstrap percentile interval of the median: the 2.5 % and 97.5 % quantiles of the medians
 * of 2000 resamples, drawn with a fixed key: the same samples give the same interval. With fewer
 * than 5 samples it would claim too much, and minimum and maximum are returned. */
km_interval km_median_interval(const double *x, size_t n);

/* The same for median(a) / median(b), where a[i] and b[i] come from the same round: rounds are
 * resampled as pairs, so that what slowed down both does not widen the interval. With fewer than 5
 * rounds, the extremes of a[i] / b[i]. */
km_interval km_ratio_interval(const double *a, const double *b, size_t n);

#endif
