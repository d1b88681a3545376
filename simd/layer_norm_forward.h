/* layer_norm_forward.h: rows of layer_norm: statistics and y, while x is in cache. Up to V short rows have their
 * sums over lanes formed together, and what comes of them in vectors of double.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_LAYER_NORM_FORWARD_H
#define KM_LAYER_NORM_FORWARD_H

#include "norm.h"

/* SHORT: elements of rows that are taken together; forward longer ones are, too, if they are in the core's own caches, where
 * nothing else hides the wait for a row's sums, and somewhat longer ones elsewhere. HELD: elements of all of them, at most.
 * TOGETHER: rows whose results are written by turns. */
enum { TOGETHER = 4, SHORT = 192, SHORT_FAR = 256, SHORT_NEAR = 1024, HELD = 4096 };

KM_INLINE const float *input(const km_args *args, km_slot slot)
{
    return args->slot[slot].data;
}

KM_INLINE double reciprocal_root(const km_args *args, double variance)
{
    return 1 / sqrt(variance + args->params->attr[KM_EPS]);
}

/* Up to V rows: y = xh weight + bias with xh = (x - rounded) rstd + shift. */
typedef struct group {
    double mean[V], m2[V];
    float rounded[V], variance[V], rstd[V];
    float shift[V]; /* what the mean loses as a float, in units of xh */
} group;

typedef struct line {
    vf rounded, rstd, shift;
} line;

/* Columns [i, i + n), n <= V, of `count` rows; a constant in every call. */
KM_INLINE void map_columns(const km_args *args, float *y, const float *x, int64_t c, const line *l,
                           int count, int64_t i, int64_t n, km_reach reach)
{
    const int affine = args->slot[KM_WEIGHT].count != 0;
    const vf weight = affine ? v_load_n(input(args, KM_WEIGHT) + i, n) : v_set(1);
    const vf bias = affine ? v_load_n(input(args, KM_BIAS) + i, n) : v_set(0);
    for (int j = 0; j < count; j++) {
        const int64_t at = j * c + i;
        if (reach != KM_NEAR)
            __builtin_prefetch(y + at + KM_AHEAD_WRITE, 1);
        const vf d = v_sub(v_load_n(x + at, n), l[j].rounded);
        v_store_n(y + at, v_fma(v_fma(d, l[j].rstd, l[j].shift), weight, bias), n);
    }
}

KM_INLINE void map_rows(const km_args *args, float *y, const float *x, int64_t c, const line *l,
                        int count, km_reach reach)
{
    int64_t i = 0;
    for (; i + 4 * V <= c; i += 4 * V)
        for (int j = 0; j < 4; j++)
            map_columns(args, y, x, c, l, count, i + j * V, V, reach);
    for (; i + V <= c; i += V)
        map_columns(args, y, x, c, l, count, i, V, reach);
    if (i < c)
        map_columns(args, y, x, c, l, count, i, c - i, reach);
}

/* What doubt there is about moments that shifted sums gave: see moments_of. */
KM_INLINE int is_doubtful(double s, moments m, double n)
{
    return is_far(s, m, n) | !is_sound(m);
}

/* Of `count` rows, no longer than a chunk, whose sums over all lanes are formed together. */
KM_INLINE void group_moments(const float *x, int64_t c, int count, group *m, km_reach reach)
{
    const double n = (double)c;
    vf a[V], b[V];
    float s[V], q[V], pivot[V] = {0};
    int doubtful = 0;
    for (int k = 0; k < V; k++)
        a[k] = b[k] = v_set(0);
    for (int k = 0; k < count; k++) {
        lanes l = no_lanes();
        pivot[k] = x[k * c];
        add_shifted_run(&l, x + k * c, v_set(pivot[k]), c, reach);
        a[k] = v_add(v_add(l.a[0], l.a[1]), v_add(l.a[2], l.a[3]));
        b[k] = v_add(v_add(l.b[0], l.b[1]), v_add(l.b[2], l.b[3]));
    }
    v_store(s, km_sums(a));
    v_store(q, km_sums(b));
    for (int k = 0; k < V; k++) {
        const moments r = shifted(pivot[k], s[k], q[k], n);
        doubtful |= is_doubtful(s[k], r, n);
        m->mean[k] = r.mean;
        m->m2[k] = r.m2;
    }
    for (int k = 0; k < count && doubtful; k++)
        if (is_doubtful(s[k], (moments){m->mean[k], m->m2[k]}, n)) {
            const moments r = moments_of(x + k * c, (runs){1, c, c}, KM_NEAR);
            m->mean[k] = r.mean;
            m->m2[k] = r.m2;
        }
}

/* From the moments of rows of n elements to their statistics and what maps x to xh. */
KM_INLINE void group_lines(const km_args *args, group *m, double n)
{
    for (int k = 0; k < V; k++) {
        const double variance = positive(m->m2[k] * (1 / n));
        const double rstd = reciprocal_root(args, variance), lost = m->mean[k] - (float)m->mean[k];
        m->rounded[k] = (float)m->mean[k];
        m->variance[k] = (float)variance;
        m->rstd[k] = (float)rstd;
        m->shift[k] = lost == 0 ? 0 : (float)(-lost * rstd);
    }
}

KM_INLINE void map_group(const km_args *args, float *y, const float *x, int64_t c, const group *m,
                         int k, int count, km_reach reach)
{
    line l[TOGETHER];
    for (int j = 0; j < count; j++)
        l[j] = (line){v_set(m->rounded[k + j]), v_set(m->rstd[k + j]), v_set(m->shift[k + j])};
    map_rows(args, y + k * c, x + k * c, c, l, count, reach);
}

KM_INLINE void forward_group(const km_args *args, int64_t r, int count, int64_t c, km_reach reach)
{
    const float *x = input(args, KM_X) + r * c;
    float *y = (float *)args->slot[KM_Y].data + r * c;
    group m;
    int k = 0;
    group_moments(x, c, count, &m, reach);
    group_lines(args, &m, (double)c);
    v_store_n((float *)args->slot[KM_MEAN].data + r, v_load(m.rounded), count);
    v_store_n((float *)args->slot[KM_VARIANCE].data + r, v_load(m.variance), count);
    for (; k + TOGETHER <= count; k += TOGETHER)
        map_group(args, y, x, c, &m, k, TOGETHER, reach);
    for (; k < count; k++)
        map_group(args, y, x, c, &m, k, 1, reach);
}

/* In groups that stay in L1 from their sums to their results. */
KM_INLINE void forward_short_rows(const km_args *args, range rows, km_reach reach)
{
    const int64_t c = args->slot[KM_X].dim[1], fit = least((c > SHORT ? HELD : HELD / 2) / c, V);
    const int64_t most = c > SHORT ? fit / TOGETHER * TOGETHER : fit;
    for (int64_t r = rows.from; r < rows.to; r += most)
        forward_group(args, r, (int)least(most, rows.to - r), c, reach);
}

KM_INLINE moments row_moments(const float *x, int64_t c, km_reach reach)
{
    moments m = {0, 0};
    for (int64_t i = 0; i < c; i += CHUNK) {
        const int64_t n = least(CHUNK, c - i);
        m = join(m, (double)i, moments_of(x + i, (runs){1, n, n}, reach), (double)n);
    }
    return m;
}

KM_INLINE void forward_rows(const km_args *args, range rows, km_reach reach)
{
    const int64_t c = args->slot[KM_X].dim[1];
    for (int64_t r = rows.from; r < rows.to; r++) {
        const float *x = input(args, KM_X) + r * c;
        const moments m = row_moments(x, c, reach);
        const double variance = positive(m.m2 * (1 / (double)c)),
                     rstd = reciprocal_root(args, variance);
        const double lost = m.mean - (float)m.mean;
        const line l = {v_set((float)m.mean), v_set((float)rstd),
                        v_set(lost == 0 ? 0 : (float)(-lost * rstd))};
        ((float *)args->slot[KM_MEAN].data)[r] = (float)m.mean;
        ((float *)args->slot[KM_VARIANCE].data)[r] = (float)variance;
        map_rows(args, (float *)args->slot[KM_Y].data + r * c, x, c, &l, 1, reach);
    }
}

KM_INLINE void forward_any(const km_args *args, range rows, km_reach reach)
{
    if (args->slot[KM_X].dim[1] <= (reach == KM_NEAR ? SHORT_NEAR : SHORT_FAR))
        forward_short_rows(args, rows, reach);
    else
        forward_rows(args, rows, reach);
}

#endif
