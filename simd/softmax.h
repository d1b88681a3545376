/* softmax.h: rows of logits: their largest element, sums of exponentials, and how rows are cut.
 *
 * x is [outer, axis, inner]. With inner = 1 a row is contiguous: rows of up to ROW vectors are taken V at
 * a time, which share their reductions over lanes; longer rows are taken in chunks that stay in the first
 * cache, each with its own maximum, so that memory is read once per phase. With inner > 1 the
 * neighbours along inner fill the vectors. Sums run in lanes over at most a chunk, then in double.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_SOFTMAX_H
#define KM_SOFTMAX_H

#include <float.h>

#include "kernelmark.h"
#include "parts.h"
#include "reduce.h"
#include "softmax_columns.h"

typedef struct km_axes {
    int64_t outer, axis, inner;
} km_axes;

static inline km_axes km_axes_of(const km_args *args)
{
    const km_case *c = args->params;
    const int at = (int)c->attr[KM_DIM] + (c->attr[KM_DIM] < 0 ? 4 : 0);
    km_axes a = {1, 1, 1};
    for (int d = 0; d < 4; d++)
        *(d < at ? &a.outer : d == at ? &a.axis : &a.inner) *= c->dim[KM_DIM_N + d];
    return a;
}

/* The lanes below n. */
KM_INLINE vm v_first(int64_t n)
{
    static const float index[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    return v_lt(v_load(index), v_set((float)(n < V ? n : V)));
}

/* The first n, -inf beyond: what neither a maximum nor a sum of exponentials notices. */
KM_INLINE vf v_load_logits(const float *x, int64_t n)
{
    return n >= V ? v_load(x) : v_select(v_first(n), v_load_n(x, n), v_set(-INFINITY));
}

/* ---- contiguous ---- */

/* Of a chunk; NaN or not is left to the sum. */
static inline float km_row_largest(const float *x, int64_t n)
{
    vf m[U];
    int64_t i = 0;
    for (int j = 0; j < U; j++)
        m[j] = v_set(-INFINITY);
    for (; i + U * V <= n; i += U * V)
        for (int j = 0; j < U; j++)
            m[j] = v_max(m[j], v_load(x + i + j * V));
    for (; i < n; i += V)
        m[0] = v_max(m[0], v_load_logits(x + i, n - i));
    return v_largest(v_max(v_max(m[0], m[1]), v_max(m[2], m[3])));
}

/* Sum of exp(x - m); the terms go to y where `keep`, a constant. */
KM_INLINE double km_row_sum(float *y, const float *x, int64_t n, float m, int keep)
{
    const vf max = v_set(m);
    vf sum[U];
    int64_t i = 0;
    for (int j = 0; j < U; j++)
        sum[j] = v_set(0);
    for (; i + U * V <= n; i += U * V)
        for (int j = 0; j < U; j++) {
            const vf e = v_exp_term(v_sub(v_load(x + i + j * V), max));
            km_ask(x + n + i + j * V, keep ? y + i + j * V + AHEAD : NULL);
            sum[j] = v_add(sum[j], e);
            if (keep)
                v_store(y + i + j * V, e);
        }
    for (; i < n; i += V) {
        const vf e = v_exp_term(v_sub(v_load_logits(x + i, n - i), max));
        sum[0] = v_add(sum[0], e);
        if (keep)
            v_store_n(y + i, e, n - i);
    }
    return v_sum(v_add(v_add(sum[0], sum[1]), v_add(sum[2], sum[3])));
}

static inline float km_first_lane(vf a)
{
    float lane[V];
    v_store(lane, a);
    return lane[0];
}

/* A row in chunks: their maxima as far as they are finite, and the sums of their exponentials. */
typedef struct km_row {
    int64_t chunk;
    int chunks;
    float largest[CHUNKS], factor[CHUNKS]; /* factor: exp(largest[k] - max) */
    float max;
    double sum; /* of exp(x - max); NaN for a row of -inf */
} km_row;

KM_INLINE void km_row_read(km_row *r, float *y, const float *x, int64_t n, int keep)
{
    double sum[CHUNKS];
    const int64_t even = (n + CHUNKS - 1) / CHUNKS;
    r->chunk = even < MIN_CHUNK ? MIN_CHUNK : (even + V - 1) / V * V;
    r->chunks = (int)((n + r->chunk - 1) / r->chunk);
    r->max = -FLT_MAX;
    for (int k = 0; k < r->chunks; k++) {
        const int64_t at = k * r->chunk, m = n - at < r->chunk ? n - at : r->chunk;
        const float largest = km_row_largest(x + at, m);
        r->largest[k] = largest < -FLT_MAX ? -FLT_MAX : largest;
        r->max = r->largest[k] > r->max ? r->largest[k] : r->max;
        sum[k] = km_row_sum(keep ? y + at : 0, x + at, m, r->largest[k], keep);
    }
    r->sum = 0;
    for (int k = 0; k < r->chunks; k++) {
        r->factor[k] = km_first_lane(v_exp_term(v_set(r->largest[k] - r->max)));
        r->sum += sum[k] * r->factor[k];
    }
    if (r->sum == 0) /* nothing but -inf */
        r->sum = NAN;
}

/* y by a factor. */
static inline void km_scale(float *y, int64_t n, float by)
{
    const vf scale = v_set(by);
    int64_t i = 0;
    for (; i + V <= n; i += V)
        v_store(y + i, v_mul(v_load(y + i), scale));
    v_store_n(y + i, v_mul(v_load_n(y + i, n - i), scale), n - i);
}

/* ---- short rows ---- */

/* Up to V rows, one after the other, of n elements in k vectors, a constant; the last vector has `rest`. */
typedef struct km_rows {
    int64_t n, rest;
    int count, k;
    vm last; /* the lanes of the last vector */
} km_rows;

KM_INLINE vf km_load_part(const float *row, km_rows g, int i)
{
    return i < g.k - 1 ? v_load(row + i * V) : v_load_n(row + i * V, g.rest);
}

KM_INLINE vf km_load_part_of_logits(const float *row, km_rows g, int i)
{
    const vf x = km_load_part(row, g, i);
    return i < g.k - 1 ? x : v_select(g.last, x, v_set(-INFINITY));
}

KM_INLINE void km_store_part(float *row, vf v, km_rows g, int i)
{
    if (i < g.k - 1)
        v_store(row + i * V, v);
    else
        v_store_n(row + i * V, v, g.rest);
}

/* Of each row; NaN or not is left to the sums. */
KM_INLINE vf km_rows_largest(const float *x, km_rows g)
{
    vf m[V];
    for (int r = 0; r < V; r++)
        m[r] = v_set(-INFINITY);
    for (int r = 0; r < g.count; r++)
        for (int i = 0; i < g.k; i++)
            m[r] = v_max(m[r], km_load_part_of_logits(x + r * g.n, g, i));
    return km_maxima(m);
}

/* Sums of exp(x - max) of each row; the terms, k vectors for each row, go to e unless it is NULL, a constant.
 * Results will be written to y, unless NULL. */
KM_INLINE vf km_rows_sum(vf *e, const float *x, const float *y, const float *max, km_rows g)
{
    vf s[V];
    for (int r = 0; r < V; r++)
        s[r] = v_set(0);
    for (int r = 0; r < g.count; r++)
        for (int i = 0; i < g.k; i++) {
            const vf d = v_sub(km_load_part_of_logits(x + r * g.n, g, i), v_set(max[r]));
            const vf term = v_exp_term(d);
            km_ask(x + (V + r) * g.n + i * V, y ? y + r * g.n + i * V : NULL);
            s[r] = v_add(s[r], term);
            if (e)
                e[r * g.k + i] = term;
        }
    return km_sums(s);
}

/* Of one row's vectors. */
KM_INLINE float km_held_sum(const vf *v, int k)
{
    vf s = v[0];
    for (int i = 1; i < k; i++)
        s = v_add(s, v[i]);
    return v_sum_float(s);
}

/* Some rows, from number `first` on, for whomever `of` describes. */
typedef void km_rows_work(const void *of, int64_t first, km_rows g);

KM_INLINE void km_groups(km_rows_work *f, const void *of, km_range rows, int64_t n, int k)
{
    const int64_t rest = n - (k - 1) * V;
    const vm last = v_first(rest);
    for (int64_t r = rows.from; r < rows.to; r += V) {
        const int count = rows.to - r < V ? (int)(rows.to - r) : V;
        f(of, r, (km_rows){n, rest, count, k, last});
    }
}

/* Rows [from, to) of n <= ROW V elements. */
KM_INLINE void km_short_rows(km_rows_work *f, const void *of, km_range rows, int64_t n)
{
    switch ((n + V - 1) / V) {
    case 1:
        km_groups(f, of, rows, n, 1);
        break;
    case 2:
        km_groups(f, of, rows, n, 2);
        break;
    case 3:
        km_groups(f, of, rows, n, 3);
        break;
    case 4:
        km_groups(f, of, rows, n, 4);
        break;
    case 5:
        km_groups(f, of, rows, n, 5);
        break;
    case 6:
        km_groups(f, of, rows, n, 6);
        break;
    case 7:
        km_groups(f, of, rows, n, 7);
        break;
    case 8:
        km_groups(f, of, rows, n, 8);
        break;
    }
}

/* ---- cutting ---- */

/* Rows where inner is 1, else groups of up to U V neighbouring columns. */
static inline int64_t km_units(km_axes a)
{
    return a.axis == 0 ? 0 : a.inner == 1 ? a.outer : a.outer * ((a.inner + U * V - 1) / (U * V));
}

/* One group of columns, from `start` on: u vectors, a constant, or less than one. */
typedef void km_group(const km_args *args, int64_t start, km_columns c, int u);

KM_INLINE void km_column_group(km_group *f, const km_args *args, km_axes a, int64_t unit)
{
    const int64_t groups = (a.inner + U * V - 1) / (U * V), first = unit % groups * U * V;
    const int64_t base = unit / groups * a.axis * a.inner, left = a.inner - first;
    if (left >= U * V)
        f(args, base + first, (km_columns){a.axis, a.inner, U * V}, U);
    else
        for (int64_t i = 0; i < left; i += V)
            f(args, base + first + i, (km_columns){a.axis, a.inner, left - i < V ? left - i : V},
              1);
}

/* Units of one part: short rows, longer rows, or columns. */
typedef void km_long_rows(const km_args *args, km_range rows, int64_t n);

KM_INLINE void km_softmax_part(const km_args *args, km_rows_work *group, km_long_rows *row,
                               km_group *columns, int part)
{
    const km_axes a = km_axes_of(args);
    const km_range units = km_share(km_units(a), part, args->threads);
    if (a.inner != 1)
        for (int64_t u = units.from; u < units.to; u++)
            km_column_group(columns, args, a, u);
    else if (a.axis <= ROW * V)
        km_short_rows(group, args, units, a.axis);
    else
        row(args, units, a.axis);
}

/* Of at most MIN_CHUNK elements. */
KM_INLINE double km_dot(const float *a, const float *b, int64_t n)
{
    vf sum[U];
    int64_t i = 0;
    for (int j = 0; j < U; j++)
        sum[j] = v_set(0);
    for (; i + U * V <= n; i += U * V)
        for (int j = 0; j < U; j++) {
            const int64_t at = i + j * V;
            __builtin_prefetch(a + at + FAR_AHEAD);
            if (b)
                __builtin_prefetch(b + at + FAR_AHEAD);
            sum[j] = v_fma(v_load(a + at), b ? v_load(b + at) : v_set(1), sum[j]);
        }
    for (; i < n; i += V)
        sum[0] = v_fma(v_load_n(a + i, n - i), b ? v_load_n(b + i, n - i) : v_set(1), sum[0]);
    return v_sum(v_add(v_add(sum[0], sum[1]), v_add(sum[2], sum[3])));
}

/* Sum of a b, or of a where b is 0. */
KM_INLINE double km_row_dot(const float *a, const float *b, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i += MIN_CHUNK)
        sum += km_dot(a + i, b ? b + i : 0, n - i < MIN_CHUNK ? n - i : MIN_CHUNK);
    return sum;
}

#endif
