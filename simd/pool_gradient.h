/* pool_gradient.h: gradients of long rows, as a gather: elements a stride apart lie at the same taps of
 * neighbouring windows, so a vector of them reads neighbouring grad_y, or shares of it.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_POOL_GRADIENT_H
#define KM_POOL_GRADIENT_H

#include "pool_rows.h"

/* The rows of windows that hold a row of elements, at window 0. */
typedef struct km_holders {
    const float *g;
    const int32_t *indices;
    int64_t line;
} km_holders;

/* V elements of which the first is at tap 0 of window j, but for the padding. */
KM_INLINE vf km_sum_chosen_near(const km_holders *o, const int64_t *shift, int64_t j, vi own,
                                int64_t rows, int64_t columns)
{
    vf sum = v_set(0);
    vw wide = vw_zero();
    for (int64_t r = 0; r < rows; r++)
        for (int64_t s = 0; s < columns; s++) {
            const int64_t at = r * o->line + j + shift[s];
            const vf chosen = km_chosen(o->g + at, o->indices + at, own);
            if (rows * columns <= 2)
                sum = r + s == 0 ? chosen : v_add(sum, chosen);
            else
                wide = vw_add(wide, chosen);
        }
    return rows * columns <= 2 ? sum : vw_round(wide);
}

KM_INLINE vf km_sum_near(const km_holders *o, const int64_t *shift, int64_t j, int64_t rows,
                         int64_t columns)
{
    vf sum = v_set(0);
    for (int64_t r = 0; r < rows; r++)
        for (int64_t s = 0; s < columns; s++) {
            const vf share = v_load(o->g + r * o->line + j + shift[s]);
            sum = r + s == 0 ? share : v_add(sum, share);
        }
    return sum;
}

/* Row h; columns: of how many windows of a row even elements take, or all, and odd ones. */
KM_INLINE void km_gradient_row(const km_pool *p, const km_holders *o, int64_t h, float *grad_x,
                               int64_t rows, int64_t even, int64_t odd, int stride, int max)
{
    const int64_t in = p->w.in, last = in > stride * V ? in - stride * V + in % stride : 0;
    const vi start = vi_add(vi_set((int32_t)(h * in)), vi_load(p->column));
    const int64_t *to_even = p->shift[0], *to_odd = p->shift[1];
    const km_holders own_copy = *o;
    o = &own_copy;
    for (int64_t c = 0; c < in; c += stride * V) {
        const int64_t at = c < last ? c : last, j = at / stride, n = in - at;
        const vi own = vi_add(start, vi_set((int32_t)at));
        const vf a = max ? km_sum_chosen_near(o, to_even, j, own, rows, even)
                         : km_sum_near(o, to_even, j, rows, even);
        if (stride == 1 && n >= V)
            v_store(grad_x + at, a);
        else if (stride == 1)
            v_store_n(grad_x + at, a, n);
        if (stride == 1)
            continue;
        const vf b = max ? km_sum_chosen_near(o, to_odd, j, vi_add(own, vi_set(1)), rows, odd)
                         : km_sum_near(o, to_odd, j, rows, odd);
        if (n >= 2 * V) {
            v_store(grad_x + at, v_zip_low(a, b));
            v_store(grad_x + at + V, v_zip_high(a, b));
        } else {
            v_store_n(grad_x + at, v_zip_low(a, b), n);
            v_store_n(grad_x + at + V, v_zip_high(a, b), n > V ? n - V : 0);
        }
    }
}

/* What 2x2 and 3x3 windows lead to is unrolled. */
KM_INLINE void km_gradient_rows(const km_pool *p, const km_source *s, int64_t from, int64_t to,
                                float *grad_x, int stride, int max)
{
    for (int64_t h = from; h < to; h++, grad_x += p->w.in) {
        const int64_t rows = p->rows[h].count, even = p->shifts[0], odd = p->shifts[1];
        const int64_t at = (p->rows[h].from - s->first) * s->line;
        const km_holders o = {s->x + at, max ? s->indices + at : 0, p->step_h * s->line};
        if (stride == 2 && rows == 1 && even == 1 && odd == 1)
            km_gradient_row(p, &o, h, grad_x, 1, 1, 1, stride, max);
        else if (stride == 2 && rows == 1 && even == 1 && odd == 2)
            km_gradient_row(p, &o, h, grad_x, 1, 1, 2, stride, max);
        else if (stride == 2 && rows == 2 && even == 1 && odd == 2)
            km_gradient_row(p, &o, h, grad_x, 2, 1, 2, stride, max);
        else if (stride == 1 && rows == 3 && even == 3)
            km_gradient_row(p, &o, h, grad_x, 3, 3, 0, stride, max);
        else
            km_gradient_row(p, &o, h, grad_x, rows, even, odd, stride, max);
    }
}

/* ---- planes, forward or backward ---- */

KM_INLINE void km_pool_plane_rows(const km_pool *p, const float *x, float *y, int32_t *indices,
                                  float *scratch, int stride, int max)
{
    const int64_t rows = p->backward ? p->h.in : p->h.out, n = p->backward ? p->w.in : p->w.out;
    for (int64_t from = 0; from < rows; from += p->band) {
        const int64_t to = from + p->band < rows ? from + p->band : rows;
        const km_source s = p->backward || max ? km_source_of(p, x, indices, scratch, from, to, max)
                                               : km_sums_of(p, x, scratch, from, to);
        if (p->backward)
            km_gradient_rows(p, &s, from, to, y + from * n, stride, max);
        else if (max)
            km_max_rows(p, &s, from, to, y + from * n, indices + from * n, stride);
        else
            km_average_rows(p, &s, from, to, y + from * n, stride);
    }
}

KM_INLINE void km_pool_rows(const km_pool *p, const km_args *args, int part, int max)
{
    const int64_t inputs = p->h.in * p->w.in, outputs = p->h.out * p->w.out;
    const int64_t end = p->planes * (part + 1) / args->threads;
    const int64_t of_x = p->backward ? outputs : inputs, of_y = p->backward ? inputs : outputs;
    const float *x = args->slot[p->backward ? KM_GRAD_Y : KM_X].data;
    float *y = args->slot[p->backward ? KM_GRAD_X : KM_Y].data;
    float *scratch = p->scratch + part * p->all;
    int32_t *indices = args->slot[KM_INDICES].data;
    for (int64_t i = p->planes * part / args->threads; i < end; i++) {
        int32_t *own = max ? indices + i * outputs : 0;
        if (p->w.stride == 1)
            km_pool_plane_rows(p, x + i * of_x, y + i * of_y, own, scratch, 1, max);
        else
            km_pool_plane_rows(p, x + i * of_x, y + i * of_y, own, scratch, 2, max);
    }
}

#endif
