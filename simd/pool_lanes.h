/* pool_lanes.h: windows over V planes at once, element (h, w) of all of them being one vector. Any
 * shape of window takes the same loops; those of 2x2 and 3x3 are unrolled.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_POOL_LANES_H
#define KM_POOL_LANES_H

#include "pool_average.h"

/* ---- maximum ---- */

typedef struct km_best {
    vf value;
    vi index;
} km_best;

/* Careful: the first NaN wins. Without NaN, both forms choose the same. */
KM_INLINE km_best km_better(km_best b, vf v, vi index, int careful)
{
    const vm m = careful ? v_and(v_not_le(v, b.value), v_eq(b.value, b.value)) : v_gt(v, b.value);
    b.index = vi_select(m, index, b.index);
    b.value = v_select(m, v, b.value);
    return b;
}

/* Where the taps of a window are, or the windows of an element; and their indices, from the window's first element.
 * A copy in registers: stores might change the plan, for all that the compiler knows. */
typedef struct km_steps {
    int64_t down, across, line; /* floats; of `place` */
    const int32_t *place;
} km_steps;

KM_INLINE km_steps km_steps_of(const km_pool *p)
{
    const int64_t row = p->backward ? p->w.out : p->w.in;
    return (km_steps){p->step_h * row * V, p->step_w * V, p->place_line, p->place};
}

/* Row by row, so that rows need not wait for each other. */
KM_INLINE km_best km_largest(km_steps to, const float *x, int64_t rows, int64_t columns,
                             int careful)
{
    km_best all = {v_set(0), vi_set(0)};
    for (int64_t r = 0; r < rows; r++, x += to.down) {
        const int32_t *place = to.place + r * to.line;
        km_best b = {v_load(x), vi_set(*place)};
        for (int64_t s = 1; s < columns; s++)
            b = km_better(b, v_load(x + s * to.across), vi_set(place[s]), careful);
        all = r == 0 ? b : km_better(all, b.value, b.index, careful);
    }
    return all;
}

/* A row of windows, from row h on. */
KM_INLINE void km_max_lanes_row(const km_pool *p, const float *x, int64_t h, int64_t rows, float *y,
                                int32_t *indices, int careful)
{
    const km_steps to = km_steps_of(p);
    const km_span *span = p->columns, *end = span + p->w.out;
    const int32_t start = (int32_t)(h * p->w.in);
    for (; span < end; span++, y += V, indices += V) {
        const float *own = x + span->from * (int64_t)V;
        const int64_t columns = span->count;
        const vi first = vi_set(start + span->from);
        km_best b;
        if (rows == 2 && columns == 2)
            b = km_largest(to, own, 2, 2, careful);
        else if (rows == 3 && columns == 3)
            b = km_largest(to, own, 3, 3, careful);
        else
            b = km_largest(to, own, rows, columns, careful);
        v_store(y, b.value);
        vi_store(indices, vi_add(b.index, first));
    }
}

KM_INLINE void km_max_lanes(const km_pool *p, const km_lanes *t, int careful)
{
    const int64_t line = p->w.out * V;
    for (int64_t i = t->from; i < t->to; i++) {
        const km_span r = p->rows[i];
        const float *x = t->in + (r.from - t->first) * p->w.in * V;
        const int64_t at = (i - t->from) * line;
        if (r.count == 2)
            km_max_lanes_row(p, x, r.from, 2, t->out + at, t->out_indices + at, careful);
        else if (r.count == 3)
            km_max_lanes_row(p, x, r.from, 3, t->out + at, t->out_indices + at, careful);
        else
            km_max_lanes_row(p, x, r.from, r.count, t->out + at, t->out_indices + at, careful);
    }
}

KM_INLINE vf km_chosen(const float *g, const int32_t *indices, vi own)
{
    return v_select(vi_eq(vi_load(indices), own), v_load(g), v_set(0));
}

/* The sum of more than two terms is formed in double, which gives the exact sum, rounded once, for all but absurd
 * ranges. */
KM_INLINE vf km_sum_chosen(km_steps to, const float *g, const int32_t *indices, vi own,
                           int64_t rows, int64_t columns)
{
    vf sum = v_set(0);
    vw wide = vw_zero();
    for (int64_t r = 0; r < rows; r++)
        for (int64_t s = 0; s < columns; s++) {
            const int64_t at = r * to.down + s * to.across;
            const vf chosen = km_chosen(g + at, indices + at, own);
            if (rows * columns <= 2)
                sum = r + s == 0 ? chosen : v_add(sum, chosen);
            else
                wide = vw_add(wide, chosen);
        }
    return rows * columns <= 2 ? sum : vw_round(wide);
}

/* A row of elements, from index `start` on, and the rows of windows that hold it. */
KM_INLINE void km_max_gradient_lanes_row(const km_pool *p, const float *g, const int32_t *indices,
                                         int64_t start, int64_t rows, float *grad_x)
{
    const km_steps to = km_steps_of(p);
    const km_span *span = p->columns, *end = span + p->w.in;
    const vi one = vi_set(1);
    vi own = vi_set((int32_t)start);
    for (; span < end; span++, grad_x += V, own = vi_add(own, one)) {
        const int64_t columns = span->count, at = span->from * (int64_t)V;
        vf sum;
        if (columns == 1)
            sum = km_sum_chosen(to, g + at, indices + at, own, rows, 1);
        else if (columns == 2)
            sum = km_sum_chosen(to, g + at, indices + at, own, rows, 2);
        else if (columns == 3)
            sum = km_sum_chosen(to, g + at, indices + at, own, rows, 3);
        else
            sum = km_sum_chosen(to, g + at, indices + at, own, rows, columns);
        v_store(grad_x, sum);
    }
}

KM_INLINE void km_max_gradient_lanes(const km_pool *p, const km_lanes *t)
{
    for (int64_t i = t->from; i < t->to; i++) {
        const km_span r = p->rows[i];
        const int64_t at = (r.from - t->first) * p->w.out * V, start = i * p->w.in;
        const float *g = t->in + at;
        const int32_t *indices = t->in_indices + at;
        float *grad_x = t->out + (i - t->from) * p->w.in * V;
        if (r.count == 1)
            km_max_gradient_lanes_row(p, g, indices, start, 1, grad_x);
        else if (r.count == 2)
            km_max_gradient_lanes_row(p, g, indices, start, 2, grad_x);
        else if (r.count == 3)
            km_max_gradient_lanes_row(p, g, indices, start, 3, grad_x);
        else
            km_max_gradient_lanes_row(p, g, indices, start, r.count, grad_x);
    }
}

/* ---- one plan's kernel; nonzero `careful` where there may be a NaN ---- */

KM_INLINE void km_pool_lanes(const km_pool *p, const km_lanes *t, int max, int careful)
{
    if (max && p->backward)
        km_max_gradient_lanes(p, t);
    else if (max && careful)
        km_max_lanes(p, t, 1);
    else if (max)
        km_max_lanes(p, t, 0);
    else if (p->backward && p->apart)
        km_spread(p, t);
    else if (p->backward)
        km_average_gradient_lanes(p, t);
    else
        km_average_lanes(p, t);
}

#endif
