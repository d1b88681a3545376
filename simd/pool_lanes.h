/* pool_lanes.h: windows over V planes at once, element (h, w) of all of them being one vector. Any
 * shape of window takes the same loops; those of 2x2 and 3x3 are unrolled.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_POOL_LANES_H
#define KM_POOL_LANES_H

#include "pool.h"

/* Rows [from, to) of the result, which `out` starts with; `in` starts with row `first`. */
typedef struct km_lanes {
    const float *in;
    const int32_t *in_indices; /* of max-pool's gradient */
    float *out;
    int32_t *out_indices; /* of max-pool's values */
    int64_t first, from, to;
} km_lanes;

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

/* Indices from the window's first element. */
KM_INLINE km_best km_largest(const km_pool *p, const float *x, int64_t rows, int64_t columns,
                             int careful)
{
    const int64_t down = p->step_h * p->w.in * V, across = p->step_w * V;
    km_best b = {v_load(x), vi_set(0)};
    for (int64_t r = 0; r < rows; r++)
        for (int64_t s = r == 0; s < columns; s++)
            b = km_better(b, v_load(x + r * down + s * across),
                          vi_set(p->place[r * p->place_line + s]), careful);
    return b;
}

KM_INLINE void km_max_lanes(const km_pool *p, const km_lanes *t, int careful)
{
    float *y = t->out;
    int32_t *indices = t->out_indices;
    for (int64_t i = t->from; i < t->to; i++) {
        const km_span r = p->rows[i];
        const float *row = t->in + (r.from - t->first) * p->w.in * V;
        for (int64_t j = 0; j < p->w.out; j++, y += V, indices += V) {
            const km_span s = p->columns[j];
            const float *x = row + s.from * (int64_t)V;
            km_best b;
            if (r.count == 2 && s.count == 2)
                b = km_largest(p, x, 2, 2, careful);
            else if (r.count == 3 && s.count == 3)
                b = km_largest(p, x, 3, 3, careful);
            else
                b = km_largest(p, x, r.count, s.count, careful);
            v_store(y, b.value);
            vi_store(indices, vi_add(b.index, vi_set((int32_t)(r.from * p->w.in + s.from))));
        }
    }
}

/* Most elements are in one window or two; the sum of more is formed in double, which gives the exact sum, rounded
 * once, for all but absurd ranges. */
KM_INLINE vf km_chosen(const float *g, const int32_t *indices, vi own)
{
    return v_select(vi_eq(vi_load(indices), own), v_load(g), v_set(0));
}

KM_INLINE vf km_sum_chosen(const km_pool *p, const float *g, const int32_t *indices, vi own,
                           int64_t rows, int64_t columns)
{
    const int64_t down = p->step_h * p->w.out * V, across = p->step_w * V;
    if (rows * columns <= 2) {
        vf sum = v_set(0);
        for (int64_t r = 0; r < rows; r++)
            for (int64_t s = 0; s < columns; s++)
                sum = v_add(sum, km_chosen(g + r * down + s * across,
                                           indices + r * down + s * across, own));
        return sum;
    }
    vw wide = vw_zero();
    for (int64_t r = 0; r < rows; r++)
        for (int64_t s = 0; s < columns; s++)
            wide = vw_add(
                wide, km_chosen(g + r * down + s * across, indices + r * down + s * across, own));
    return vw_round(wide);
}

KM_INLINE void km_max_gradient_lanes(const km_pool *p, const km_lanes *t)
{
    float *grad_x = t->out;
    for (int64_t i = t->from; i < t->to; i++) {
        const km_span r = p->rows[i];
        const int64_t row = (r.from - t->first) * p->w.out * V;
        vi own = vi_set((int32_t)(i * p->w.in));
        for (int64_t j = 0; j < p->w.in; j++, grad_x += V) {
            const km_span s = p->columns[j];
            const float *g = t->in + row + s.from * (int64_t)V;
            const int32_t *indices = t->in_indices + row + s.from * (int64_t)V;
            if (r.count == 1 && s.count == 1)
                v_store(grad_x, km_chosen(g, indices, own));
            else if (r.count == 2 && s.count == 2)
                v_store(grad_x, km_sum_chosen(p, g, indices, own, 2, 2));
            else
                v_store(grad_x, km_sum_chosen(p, g, indices, own, r.count, s.count));
            own = vi_add(own, vi_set(1));
        }
    }
}

/* ---- average ---- */

/* Long rows in four sums, which need not wait for each other. */
KM_INLINE vf km_sum(const float *x, int64_t rows, int64_t columns, int64_t line)
{
    vf sum[4] = {v_set(0), v_set(0), v_set(0), v_set(0)};
    for (int64_t r = 0; r < rows; r++, x += line) {
        int64_t s = 0;
        for (; s + 4 <= columns; s += 4)
            for (int k = 0; k < 4; k++)
                sum[k] = v_add(sum[k], v_load(x + (s + k) * V));
        for (; s < columns; s++)
            sum[s % 4] = v_add(sum[s % 4], v_load(x + s * V));
    }
    return v_add(v_add(sum[0], sum[1]), v_add(sum[2], sum[3]));
}

KM_INLINE vf km_sum_square(const float *x, int64_t size, int64_t line)
{
    vf sum = v_load(x);
    for (int64_t t = 1; t < size * size; t++)
        sum = v_add(sum, v_load(x + t / size * line + t % size * V));
    return sum;
}

KM_INLINE void km_average_lanes(const km_pool *p, const km_lanes *t)
{
    const int64_t line = p->w.in * V;
    float *y = t->out;
    for (int64_t i = t->from; i < t->to; i++) {
        const km_span r = p->rows[i];
        const float *row = t->in + (r.from - t->first) * line;
        for (int64_t j = 0; j < p->w.out; j++, y += V) {
            const km_span s = p->columns[j];
            const float *x = row + s.from * (int64_t)V;
            vf sum;
            if (r.count == 2 && s.count == 2)
                sum = km_sum_square(x, 2, line);
            else if (r.count == 3 && s.count == 3)
                sum = km_sum_square(x, 3, line);
            else
                sum = km_sum(x, r.count, s.count, line);
            v_store(y, v_mul(v_mul(sum, v_set(p->scale_h[i])), v_set(p->scale_w[j])));
        }
    }
}

KM_INLINE vf km_sum_shares(const float *g, const float *scale_h, const float *scale_w, int64_t rows,
                           int64_t columns, int64_t line)
{
    vf sum = v_set(0);
    for (int64_t r = 0; r < rows; r++, g += line) {
        vf row = v_mul(v_load(g), v_set(scale_w[0]));
        for (int64_t s = 1; s < columns; s++)
            row = v_fma(v_load(g + s * V), v_set(scale_w[s]), row);
        sum = v_fma(row, v_set(scale_h[r]), sum);
    }
    return sum;
}

KM_INLINE void km_average_gradient_lanes(const km_pool *p, const km_lanes *t)
{
    const int64_t line = p->w.out * V;
    float *grad_x = t->out;
    for (int64_t i = t->from; i < t->to; i++) {
        const km_span r = p->rows[i];
        const float *row = t->in + (r.from - t->first) * line, *scale_h = p->scale_h + r.from;
        for (int64_t j = 0; j < p->w.in; j++, grad_x += V) {
            const km_span s = p->columns[j];
            const float *g = row + s.from * (int64_t)V, *scale_w = p->scale_w + s.from;
            if (s.count == 0)
                v_store(grad_x, v_set(0));
            else if (r.count == 1 && s.count == 1)
                v_store(grad_x, v_mul(v_mul(v_load(g), v_set(scale_w[0])), v_set(scale_h[0])));
            else if (r.count == 2 && s.count == 2)
                v_store(grad_x, km_sum_shares(g, scale_h, scale_w, 2, 2, line));
            else
                v_store(grad_x, km_sum_shares(g, scale_h, scale_w, r.count, s.count, line));
        }
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
    else if (p->backward)
        km_average_gradient_lanes(p, t);
    else
        km_average_lanes(p, t);
}

#endif
