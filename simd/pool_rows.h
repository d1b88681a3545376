/* pool_rows.h: long rows: a vector is V neighbouring windows. Where windows move by two, taps are the even or
 * odd ones of two vectors. Rows are read in place if no vector reaches beyond one, else from scratch
 * memory, with padding around them.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_POOL_ROWS_H
#define KM_POOL_ROWS_H

#include <math.h>

#include "pool_lanes.h"

/* Rows of the tensor that is read: tap 0 of window 0 of row `first`, or its element 0 for backward. */
typedef struct km_source {
    const float *x;
    const int32_t *indices;
    int64_t line, first;
    int nan; /* 0: none; 1: there is one; 2: nobody has looked */
} km_source;

/* ---- staging: n >= V elements, and the padding left as it is ---- */

static inline int km_stage_row(float *to, const float *x, int64_t n)
{
    vm nan = v_unordered(v_set(0), v_set(0));
    for (int64_t i = 0; i < n; i += V) {
        const int64_t at = i + V > n ? n - V : i;
        const vf a = v_load(x + at);
        nan = v_or(nan, v_unordered(a, a));
        v_store(to + at, a);
    }
    return v_any(nan);
}

static inline void km_stage_shares(float *to, const float *g, const float *scale_w, float scale_h,
                                   int64_t n)
{
    for (int64_t i = 0; i < n; i += V) {
        const int64_t at = i + V > n ? n - V : i;
        v_store(to + at, v_mul(v_mul(v_load(g + at), v_load(scale_w + at)), v_set(scale_h)));
    }
}

/* What rows [from, to) of the result need. */
KM_INLINE km_source km_source_of(const km_pool *p, const float *x, const int32_t *indices,
                                 float *scratch, int64_t from, int64_t to, int max)
{
    const int64_t n = p->backward ? p->w.out : p->w.in;
    km_source s = {x, indices, n, 0, 2};
    int64_t end;
    if (!p->staged)
        return s;
    km_sources(p, from, to, &s.first, &end);
    s = (km_source){scratch + p->left, (int32_t *)scratch + p->staged + p->left, p->line, s.first,
                    0};
    float *own = scratch + p->left + (p->backward ? 0 : p->w.pad);
    for (int64_t i = s.first; i < end; i++, own += p->line) {
        if (p->backward && !max)
            km_stage_shares(own, x + i * n, p->scale_w, p->scale_h[i], n);
        else
            s.nan |= km_stage_row(own, x + i * n, n);
        if (p->backward && max)
            km_stage_row(own + p->staged, (const float *)indices + i * n, n);
    }
    return s;
}

/* An average's sums over the rows of a window come first, for all columns. */
KM_INLINE void km_sum_rows(float *to, const float *x, int64_t n, int64_t rows)
{
    for (int64_t i = 0; i < n; i += V) {
        const int64_t at = i + V > n ? n - V : i;
        vf sum = v_load(x + at);
        for (int64_t r = 1; r < rows; r++)
            sum = v_add(sum, v_load(x + r * n + at));
        v_store(to + at, sum);
    }
}

/* Those of windows' rows [from, to). */
static inline km_source km_sums_of(const km_pool *p, const float *x, float *scratch, int64_t from,
                                   int64_t to)
{
    float *own = scratch + p->w.pad;
    for (int64_t i = from; i < to; i++, own += p->line) {
        const km_span r = p->rows[i];
        const float *row = x + r.from * p->w.in;
        if (r.count == 2)
            km_sum_rows(own, row, p->w.in, 2);
        else if (r.count == 3)
            km_sum_rows(own, row, p->w.in, 3);
        else
            km_sum_rows(own, row, p->w.in, r.count);
    }
    return (km_source){scratch, 0, p->line, from, 0};
}

/* ---- forward ---- */

/* Element at + stride l in lane l. What is next to it is loaded, too. */
KM_INLINE vf km_tap(const float *x, int64_t at, int stride)
{
    if (stride == 1)
        return v_load(x + at);
    const vf a = v_load(x + at - at % 2), b = v_load(x + at - at % 2 + V);
    return at % 2 ? v_odd(a, b) : v_even(a, b);
}

/* Tap 0 may be padding, -inf: whatever is larger wins, and if nothing is, the first element. Row by row, so that
 * rows need not wait for each other. */
KM_INLINE km_best km_largest_tap(const int32_t *place, int64_t place_line, const float *x,
                                 int64_t line, vi first, int64_t rows, int64_t columns,
                                 int64_t dilation, int stride, int careful, vm *nan)
{
    km_best all = {km_tap(x, 0, stride), first};
    *nan = v_unordered(all.value, all.value);
    for (int64_t r = 0; r < rows; r++, x += line, place += place_line) {
        km_best b = {km_tap(x, 0, stride), r == 0 ? first : vi_set(*place)};
        vf before = b.value;
        for (int64_t s = 1; s < columns; s++) {
            const vf v = km_tap(x, s * dilation, stride);
            if (s % 2 || s == columns - 1)
                *nan = v_or(*nan, v_unordered(before, v));
            before = v;
            b = km_better(b, v, vi_set(place[s]), careful);
        }
        if (columns == 1)
            *nan = v_or(*nan, v_unordered(before, before));
        all = r == 0 ? b : km_better(all, b.value, b.index, careful);
    }
    return all;
}

/* x: tap 0 of window 0 in the first row that exists, which is row h. */
KM_INLINE void km_max_row(const km_pool *p, const float *x, int64_t line, int64_t h, float *y,
                          int32_t *indices, int64_t rows, int64_t columns, int64_t dilation,
                          int stride, int nan)
{
    const vi start = vi_set((int32_t)(h * p->w.in));
    const int64_t out = p->w.out, place_line = p->place_line;
    const int32_t *place = p->place, *firsts = p->first, *column = p->column;
    for (int64_t j = 0; j < out; j += V) {
        const int64_t at = j + V > out ? out - V : j;
        const float *own = x + at * stride;
        const vi first = vi_load(firsts + at);
        vm seen;
        km_best b = km_largest_tap(place, place_line, own, line, first, rows, columns, dilation,
                                   stride, nan == 1, &seen);
        if (nan == 2 && v_any(seen))
            b = km_largest_tap(place, place_line, own, line, first, rows, columns, dilation, stride,
                               1, &seen);
        v_store(y + at, b.value);
        vi_store(indices + at, vi_add(b.index, vi_add(start, vi_load(column + at))));
    }
}

/* x: sums at tap 0 of window 0. */
KM_INLINE void km_average_row(const km_pool *p, const float *x, float scale, float *y,
                              int64_t columns, int stride)
{
    const int64_t out = p->w.out;
    const float *scale_w = p->scale_w;
    for (int64_t j = 0; j < out; j += V) {
        const int64_t at = j + V > out ? out - V : j;
        vf sum = km_tap(x + at * stride, 0, stride);
        for (int64_t s = 1; s < columns; s++)
            sum = v_add(sum, km_tap(x + at * stride, s, stride));
        v_store(y + at, v_mul(v_mul(sum, v_set(scale)), v_load(scale_w + at)));
    }
}

KM_INLINE void km_average_rows(const km_pool *p, const km_source *s, int64_t from, int64_t to,
                               float *y, int stride)
{
    for (int64_t i = from; i < to; i++, y += p->w.out) {
        const float *x = s->x + (i - s->first) * s->line;
        if (p->w.kernel == 2)
            km_average_row(p, x, p->scale_h[i], y, 2, stride);
        else if (p->w.kernel == 3)
            km_average_row(p, x, p->scale_h[i], y, 3, stride);
        else
            km_average_row(p, x, p->scale_h[i], y, p->w.kernel, stride);
    }
}

KM_INLINE void km_row(const km_pool *p, const km_source *s, int64_t i, float *y, int32_t *indices,
                      int64_t rows, int64_t columns, int64_t dilation, int stride)
{
    const int64_t h = p->rows[i].from, line = s->line * p->step_h;
    const float *x = s->x + (h - s->first) * s->line;
    if (s->nan == 0)
        km_max_row(p, x, line, h, y, indices, rows, columns, dilation, stride, 0);
    else if (s->nan == 1)
        km_max_row(p, x, line, h, y, indices, rows, columns, dilation, stride, 1);
    else
        km_max_row(p, x, line, h, y, indices, rows, columns, dilation, stride, 2);
}

/* Windows of 2x2 and 3x3 are unrolled. */
KM_INLINE void km_max_rows(const km_pool *p, const km_source *s, int64_t from, int64_t to, float *y,
                           int32_t *indices, int stride)
{
    for (int64_t i = from; i < to; i++, y += p->w.out, indices += p->w.out) {
        const int64_t rows = p->rows[i].count, columns = p->w.kernel, dilation = p->w.dilation;
        if (rows == 2 && columns == 2 && dilation == 1)
            km_row(p, s, i, y, indices, 2, 2, 1, stride);
        else if (rows == 3 && columns == 3 && dilation == 1)
            km_row(p, s, i, y, indices, 3, 3, 1, stride);
        else
            km_row(p, s, i, y, indices, rows, columns, dilation, stride);
    }
}

#endif
