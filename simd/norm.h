/* norm.h: mean and variance of many floats, and shares of work, for both normalisations.
 *
 * A chunk of up to CHUNK elements is summed in float lanes as differences to a pivot, its first element:
 * where that lies far from the mean, measured in deviations, the chunk, still in L1, is summed again
 * around its mean. Chunks are joined in double. So memory is read once, a large mean costs no digits and
 * equal elements have a variance of exactly 0.
 * T. Chan, G. Golub, R. LeVeque, 1983: Algorithms for computing the sample variance.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_NORM_H
#define KM_NORM_H

#include <math.h>

#include "pointwise.h"
#include "reduce.h"

enum { CHUNK = 4096 };

/* ---- a part of the work ---- */

typedef struct range {
    int64_t from, to;
} range;

KM_INLINE range share(int64_t units, int part, int parts)
{
    return (range){units * part / parts, units * (part + 1) / parts};
}

KM_INLINE int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* ---- moments ---- */

/* Of some elements: their mean, and the sum of the squares of their differences to it. */
typedef struct moments {
    double mean, m2;
} moments;

/* The moments of `have` and `more` elements together; no element at first. Infinite means add up. */
KM_INLINE moments join(moments a, double have, moments b, double more)
{
    if (have == 0)
        return b;
    const double d = b.mean - a.mean, r = more / (have + more);
    return (moments){isfinite(d) ? a.mean + d * r : a.mean + b.mean,
                     a.m2 + b.m2 + d * d * (have * r)};
}

/* Of sums s of x - pivot and q of their squares, over n elements. All rows have the same n, so 1/n is formed
 * once. */
KM_INLINE moments shifted(double pivot, double s, double q, double n)
{
    const double mean = s * (1 / n);
    return (moments){pivot + mean, q - s * mean};
}

/* More than two deviations between pivot and mean: the squares have lost digits. */
KM_INLINE int is_far(double s, moments m, double n)
{
    return s * s * (1 / n) > 4 * m.m2;
}

/* Not if elements are infinite or float sums overflowed. */
KM_INLINE int is_sound(moments m)
{
    return isfinite(m.mean) && isfinite(m.m2);
}

/* Rounding may leave a little less than nothing. */
KM_INLINE double positive(double variance)
{
    return variance < 0 ? 0 : variance;
}

/* ---- sums over runs of neighbours ---- */

/* `count` runs of `length` elements each, which begin `stride` elements apart. */
typedef struct runs {
    int64_t count, length, stride;
} runs;

/* A pair of sums, in four vectors each. */
typedef struct lanes {
    vf a[4], b[4];
} lanes;

typedef struct sums {
    double a, b;
} sums;

KM_INLINE lanes no_lanes(void)
{
    const vf o = v_set(0);
    return (lanes){{o, o, o, o}, {o, o, o, o}};
}

KM_INLINE sums sums_of(const lanes *l)
{
    return (sums){v_sum(v_add(v_add(l->a[0], l->a[1]), v_add(l->a[2], l->a[3]))),
                  v_sum(v_add(v_add(l->b[0], l->b[1]), v_add(l->b[2], l->b[3])))};
}

/* 1 in the first n lanes, 0 in the others. */
KM_INLINE vm first_lanes(int64_t n)
{
    static const float ones[16] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    return v_gt(v_load_n(ones, n), v_set(0));
}

KM_INLINE void add_square(lanes *l, int j, vf d)
{
    l->a[j] = v_add(l->a[j], d);
    l->b[j] = v_fma(d, d, l->b[j]);
}

/* a: of d = x - pivot; b: of d d */
KM_INLINE void add_shifted_run(lanes *l, const float *x, vf pivot, int64_t n, km_reach reach)
{
    int64_t i = 0;
    for (; i + 4 * V <= n; i += 4 * V)
        for (int j = 0; j < 4; j++) {
            if (reach != KM_NEAR)
                __builtin_prefetch(x + i + j * V + KM_AHEAD_READ, 0);
            add_square(l, j, v_sub(v_load(x + i + j * V), pivot));
        }
    for (int j = 0; i + V <= n; i += V, j++)
        add_square(l, 0, v_sub(v_load(x + i), pivot));
    if (i < n)
        add_square(l, 1,
                   v_select(first_lanes(n - i), v_sub(v_load_n(x + i, n - i), pivot), v_set(0)));
}

KM_INLINE sums shifted_sums(const float *x, runs r, float pivot, km_reach reach)
{
    const vf p = v_set(pivot);
    lanes l = no_lanes();
    for (int64_t i = 0; i < r.count; i++)
        add_shifted_run(&l, x + i * r.stride, p, r.length, reach);
    return sums_of(&l);
}

/* For elements whose sums are beyond float: two passes in double, the plain way. */
static __attribute__((noinline)) moments careful_moments(const float *x, runs r)
{
    const double n = (double)(r.count * r.length);
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < r.count; i++)
        for (int64_t j = 0; j < r.length; j++)
            sum += x[i * r.stride + j];
    const double mean = sum / n;
    for (int64_t i = 0; i < r.count; i++)
        for (int64_t j = 0; j < r.length; j++)
            squares += (x[i * r.stride + j] - mean) * (x[i * r.stride + j] - mean);
    return (moments){mean, squares};
}

/* Moments of a chunk. */
KM_INLINE moments moments_of(const float *x, runs r, km_reach reach)
{
    const double n = (double)(r.count * r.length);
    sums s = shifted_sums(x, r, x[0], reach);
    moments m = shifted(x[0], s.a, s.b, n);
    if (is_far(s.a, m, n)) {
        const float pivot = (float)m.mean;
        s = shifted_sums(x, r, pivot, KM_NEAR);
        m = shifted(pivot, s.a, s.b, n);
    }
    return is_sound(m) ? m : careful_moments(x, r);
}

#endif
