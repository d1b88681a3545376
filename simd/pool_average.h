/* pool_average.h: averages over V planes at once, and their gradients.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_POOL_AVERAGE_H
#define KM_POOL_AVERAGE_H

#include "pool.h"

/* Rows [from, to) of the result, which `out` starts with; `in` starts with row `first`. */
typedef struct km_lanes {
    const float *in;
    const int32_t *in_indices; /* of max-pool's gradient */
    float *out;
    int32_t *out_indices; /* of max-pool's values */
    float *shares;        /* of an average's gradient: memory for a row of windows */
    int64_t first, from, to;
} km_lanes;

/* ---- forward ---- */

/* Long rows in four sums, which need not wait for each other. */
KM_INLINE vf km_sum(const float *x, int64_t rows, int64_t columns, int64_t line)
{
    vf sum[4] = {v_set(0), v_set(0), v_set(0), v_set(0)};
    for (int64_t r = 0; r < rows; r++, x += line) {
        int64_t s = 0;
        for (; s + 4 <= columns; s += 4)
            for (int k = 0; k < 4; k++)
                sum[k] = v_add(sum[k], v_load(x + (s + k) * V));
        for (int k = 0; k < 3; k++)
            if (s + k < columns)
                sum[k] = v_add(sum[k], v_load(x + (s + k) * V));
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

KM_INLINE void km_average_lanes_row(const km_pool *p, const float *x, int64_t rows, float scale,
                                    float *y)
{
    const int64_t line = p->w.in * V;
    const km_span *span = p->columns, *end = span + p->w.out;
    const float *scale_w = p->scale_w;
    for (; span < end; span++, y += V) {
        const float *own = x + span->from * (int64_t)V;
        const int64_t columns = span->count;
        vf sum;
        if (rows == 2 && columns == 2)
            sum = km_sum_square(own, 2, line);
        else if (rows == 3 && columns == 3)
            sum = km_sum_square(own, 3, line);
        else if (columns * V == line)
            sum = km_sum(own, 1, rows * columns, 0);
        else
            sum = km_sum(own, rows, columns, line);
        v_store(y, v_mul(v_mul(sum, v_set(scale)), v_set(*scale_w++)));
    }
}

KM_INLINE void km_average_lanes(const km_pool *p, const km_lanes *t)
{
    for (int64_t i = t->from; i < t->to; i++) {
        const km_span r = p->rows[i];
        const float *x = t->in + (r.from - t->first) * p->w.in * V;
        float *y = t->out + (i - t->from) * p->w.out * V;
        if (r.count == 2)
            km_average_lanes_row(p, x, 2, p->scale_h[i], y);
        else if (r.count == 3)
            km_average_lanes_row(p, x, 3, p->scale_h[i], y);
        else
            km_average_lanes_row(p, x, r.count, p->scale_h[i], y);
    }
}

/* ---- backward ---- */

/* Windows that lie side by side: each of their elements gets the same. */
KM_INLINE void km_spread_row(const km_pool *p, const float *g, float scale_h, int64_t columns,
                             float *grad_x)
{
    const float *scale_w = p->scale_w, *end = g + p->w.out * V;
    for (; g < end; g += V) {
        const vf share = v_mul(v_load(g), v_mul(v_set(scale_h), v_set(*scale_w++)));
        for (int64_t s = 0; s < columns; s++, grad_x += V)
            v_store(grad_x, share);
    }
}

KM_INLINE void km_spread(const km_pool *p, const km_lanes *t)
{
    for (int64_t i = t->from; i < t->to; i++) {
        const int64_t from = p->rows[i].from;
        const float *g = t->in + (from - t->first) * p->w.out * V;
        float *grad_x = t->out + (i - t->from) * p->w.in * V;
        if (p->w.kernel == 2)
            km_spread_row(p, g, p->scale_h[from], 2, grad_x);
        else
            km_spread_row(p, g, p->scale_h[from], p->w.kernel, grad_x);
    }
}

/* What a column of windows that hold a row of elements gives to each of them. */
KM_INLINE void km_share_row(const km_pool *p, const float *g, const float *scale_h, int64_t rows,
                            float *shares)
{
    const int64_t line = p->w.out * V;
    const float *scale_w = p->scale_w;
    for (int64_t j = 0; j < line; j += V) {
        vf sum = v_mul(v_load(g + j), v_set(scale_h[0]));
        for (int64_t r = 1; r < rows; r++)
            sum = v_fma(v_load(g + r * line + j), v_set(scale_h[r]), sum);
        v_store(shares + j, v_mul(sum, v_set(*scale_w++)));
    }
}

KM_INLINE vf km_sum_shares(const float *shares, int64_t columns)
{
    vf sum = v_load(shares);
    for (int64_t s = 1; s < columns; s++)
        sum = v_add(sum, v_load(shares + s * V));
    return sum;
}

static inline void km_gather_row(const km_pool *p, const float *shares, float *grad_x)
{
    const km_span *span = p->columns, *end = span + p->w.in;
    for (; span < end; span++, grad_x += V) {
        const float *own = shares + span->from * (int64_t)V;
        if (span->count == 0)
            v_store(grad_x, v_set(0));
        else if (span->count == 1)
            v_store(grad_x, v_load(own));
        else if (span->count == 2)
            v_store(grad_x, km_sum_shares(own, 2));
        else
            v_store(grad_x, km_sum_shares(own, span->count));
    }
}

/* Rows of elements that the same windows hold are the same. */
KM_INLINE void km_average_gradient_lanes(const km_pool *p, const km_lanes *t)
{
    const int64_t line = p->w.in * V;
    km_span last = {-1, 0};
    for (int64_t i = t->from; i < t->to; i++) {
        const km_span r = p->rows[i];
        const float *g = t->in + (r.from - t->first) * p->w.out * V;
        const float *scale_h = p->scale_h + r.from;
        float *grad_x = t->out + (i - t->from) * line;
        const int same = r.from == last.from && r.count == last.count;
        last = r;
        if (r.count == 0)
            memset(grad_x, 0, (size_t)line * sizeof *grad_x);
        else if (same)
            ;
        else if (r.count == 1)
            km_share_row(p, g, scale_h, 1, t->shares);
        else if (r.count == 2)
            km_share_row(p, g, scale_h, 2, t->shares);
        else
            km_share_row(p, g, scale_h, r.count, t->shares);
        if (r.count)
            km_gather_row(p, t->shares, grad_x);
    }
}

#endif
