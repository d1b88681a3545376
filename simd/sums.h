/* sums.h: sums of squares or magnitudes that neither overflow nor underflow.
 *
 * A chunk is summed in float lanes, eight vectors of them, and chunks in double. Where the float sum of a
 * chunk shows that squares were beyond float or below it (3e38, 1e-30), the chunk, still in L1, is summed
 * again in double.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_SUMS_H
#define KM_SUMS_H

#include <float.h>

#include "pointwise.h"

/* As many elements a lane on every ISA: so is the error. STREAMS: memory is faster in more than one. */
enum { CHUNK = 1024 * V, SUMS = 8, STREAMS = 4 };

typedef struct km_term {
    vf (*add)(vf x, vf sum);    /* sum plus the term of x */
    vw (*add_wide)(vf x, vw s); /* the same in double */
} km_term;

KM_INLINE vf km_add_square(vf x, vf sum)
{
    return v_fma(x, x, sum);
}

KM_INLINE vw km_add_wide_square(vf x, vw sum)
{
    return vw_fma(x, x, sum);
}

KM_INLINE vf km_add_magnitude(vf x, vf sum)
{
    return v_add(v_abs(x), sum);
}

KM_INLINE vw km_add_wide_magnitude(vf x, vw sum)
{
    return vw_add(sum, v_abs(x));
}

static const km_term km_square = {km_add_square, km_add_wide_square};
static const km_term km_magnitude = {km_add_magnitude, km_add_wide_magnitude};

/* Something else to be made of the elements while they are read. */
typedef vf km_made(vf x, vf k);

KM_INLINE float km_float_sum(km_term t, km_made *make, vf k, float *y, const float *x, int64_t n,
                             km_reach reach)
{
    vf sum[SUMS];
    int64_t i = 0;
    for (int j = 0; j < SUMS; j++)
        sum[j] = v_set(0);
    for (; i + SUMS * V <= n; i += SUMS * V)
        for (int j = 0; j < SUMS; j++) {
            const int64_t at = i + j * V;
            const vf a = v_load(x + at);
            if (reach != KM_NEAR)
                __builtin_prefetch(x + at + KM_AHEAD_READ, 0);
            if (make && reach == KM_FAR)
                __builtin_prefetch(y + at + KM_AHEAD_WRITE, 1);
            sum[j] = t.add(a, sum[j]);
            if (make)
                (reach == KM_PAST ? v_stream : v_store)(y + at, make(a, k));
        }
    for (; i < n; i += V) { /* lanes beyond n are 0 */
        const vf a = v_load_n(x + i, n - i);
        sum[0] = t.add(a, sum[0]);
        if (make)
            v_store_n(y + i, make(a, k), n - i);
    }
    for (int width = SUMS / 2; width > 0; width /= 2)
        for (int j = 0; j < width; j++)
            sum[j] = v_add(sum[j], sum[j + width]);
    return v_sum_float(sum[0]);
}

/* Of a whole chunk in a far cache or memory. */
KM_INLINE float km_float_streams(km_term t, const float *x)
{
    enum { OWN = SUMS / STREAMS, LENGTH = CHUNK / STREAMS };
    vf sum[SUMS];
    for (int j = 0; j < SUMS; j++)
        sum[j] = v_set(0);
    for (int64_t i = 0; i < LENGTH; i += OWN * V)
        for (int j = 0; j < SUMS; j++)
            sum[j] = t.add(v_load(x + j / OWN * LENGTH + i + j % OWN * V), sum[j]);
    for (int width = SUMS / 2; width > 0; width /= 2)
        for (int j = 0; j < width; j++)
            sum[j] = v_add(sum[j], sum[j + width]);
    return v_sum_float(sum[0]);
}

KM_INLINE double km_wide_sum(km_term t, const float *x, int64_t n)
{
    vw sum = vw_zero();
    for (int64_t i = 0; i < n; i += V)
        sum = t.add_wide(v_load_n(x + i, n - i), sum);
    return vw_sum(sum);
}

/* Of n elements, and y = make(x), elsewhere than x, unless make is 0. With KM_PAST, y is aligned to vectors. */
KM_INLINE double km_sum(km_term t, km_made *make, vf k, float *y, const float *x, int64_t n,
                        km_reach reach)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i += CHUNK) {
        const int64_t m = n - i < CHUNK ? n - i : CHUNK;
        const int streams = !make && reach == KM_FAR && m == CHUNK;
        const float s = streams ? km_float_streams(t, x + i)
                                : km_float_sum(t, make, k, make ? y + i : 0, x + i, m, reach);
        sum += s >= 0x1p-60f && s <= FLT_MAX ? (double)s : km_wide_sum(t, x + i, m);
    }
    return sum;
}

#endif
