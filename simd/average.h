/* average.h: averages over windows that slide: the sum of the taps of V windows in registers, divided
 * by what each window counts, or times its reciprocal where that is exact.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_AVERAGE_H
#define KM_AVERAGE_H

#include <math.h>

#include "pool_gradient.h"

/* What the window at i counts along an axis. */
static inline int64_t km_window_size(const km_axis *a, int64_t i, int with_pad)
{
    const int64_t start = i * a->stride - a->pad, end = start + a->kernel, padded = a->in + a->pad;
    if (with_pad)
        return (end < padded ? end : padded) - start;
    return (end < a->in ? end : a->in) - (start < 0 ? 0 : start);
}

static inline int km_is_power_of_two(float count)
{
    int exponent;
    return fabsf(frexpf(count, &exponent)) == 0.5f;
}

/* An override, if any, is the count of all columns, and 1 that of rows. -1 when out of memory. */
static inline int km_set_counts(km_pool *p, float override, int with_pad)
{
    p->count_h = km_pool_memory(p, p->h.out + V, sizeof(float));
    p->count_w = km_pool_memory(p, p->w.out + V, sizeof(float));
    if (!p->count_h || !p->count_w)
        return -1;
    p->by_product = 1;
    for (int64_t i = 0; i < p->h.out; i++) {
        p->count_h[i] = override != 0 ? 1 : (float)km_window_size(&p->h, i, with_pad);
        p->by_product &= km_is_power_of_two(p->count_h[i]);
    }
    for (int64_t j = 0; j < p->w.out; j++) {
        p->count_w[j] = override != 0 ? override : (float)km_window_size(&p->w, j, with_pad);
        p->by_product &= km_is_power_of_two(p->count_w[j]);
    }
    for (int64_t i = 0; p->by_product && i < p->h.out; i++)
        p->count_h[i] = 1 / p->count_h[i];
    for (int64_t j = 0; p->by_product && j < p->w.out; j++)
        p->count_w[j] = 1 / p->count_w[j];
    for (int64_t j = p->w.out; j < p->w.out + V; j++)
        p->count_w[j] = 1; /* lanes that nobody looks at */
    return 0;
}

/* ---- forward ---- */

KM_INLINE vf km_average(const km_pool *p, const float *x, int64_t taps, vf count)
{
    vf sum = v_load(x);
    for (int64_t t = 1; t < taps; t++)
        sum = v_add(sum, v_load(x + p->at[t]));
    return p->by_product ? v_mul(sum, count) : v_div(sum, count);
}

/* One row of windows, staged at x. */
KM_INLINE void km_average_row(const km_pool *p, const float *x, float *y, float count, int64_t taps)
{
    const int64_t n = p->w.out;
    int64_t j = 0;
    for (; j + 2 * V <= n; j += 2 * V) {
        const vf a = v_mul(v_set(count), v_load(p->count_w + j));
        const vf b = v_mul(v_set(count), v_load(p->count_w + j + V));
        v_store(y + j, km_average(p, x + j, taps, a));
        v_store(y + j + V, km_average(p, x + j + V, taps, b));
    }
    for (; j < n; j += V)
        v_store_n(y + j, km_average(p, x + j, taps, v_mul(v_set(count), v_load(p->count_w + j))),
                  n - j);
}

static inline void km_average_rows(const km_pool *p, const float *x, float *y, int64_t from,
                                   int64_t rows)
{
    for (int64_t i = 0; i < rows; i++)
        if (p->taps == 4)
            km_average_row(p, x + i * p->line, y + i * p->w.out, p->count_h[from + i], 4);
        else if (p->taps == 9)
            km_average_row(p, x + i * p->line, y + i * p->w.out, p->count_h[from + i], 9);
        else
            km_average_row(p, x + i * p->line, y + i * p->w.out, p->count_h[from + i], p->taps);
}

static inline void km_average_part(const km_args *args, int part)
{
    const km_pool *p = args->plan;
    const int64_t inputs = p->h.in * p->w.in, outputs = p->h.out * p->w.out;
    const float *x = args->slot[KM_X].data;
    float *y = args->slot[KM_Y].data, *scratch = p->scratch + part * p->scratch_each;
    int64_t from, to;
    km_pool_range(p, p->planes, args->threads, part, &from, &to);
    for (int64_t i = from; i < to; i++)
        for (int64_t row = 0; row < p->h.out; row += p->band) {
            const int64_t rows = p->h.out - row < p->band ? p->h.out - row : p->band;
            km_stage(p, scratch, x + i * inputs, row, rows, v_set(0));
            km_average_rows(p, scratch, y + i * outputs + row * p->w.out, row, rows);
        }
}

static inline const char *km_average_open(const km_args *args, km_axis h, km_axis w, float override,
                                          int with_pad, void **plan)
{
    km_pool *p = calloc(1, sizeof *p);
    if (p)
        km_pool_axes(p, args, h, w);
    if (!p || km_pool_prepare(p, args) || km_set_counts(p, override, with_pad)) {
        km_pool_close(p);
        return "out of memory";
    }
    *plan = p;
    return 0;
}

static inline const char *km_average_gradient_open(const km_args *args, km_axis h, km_axis w,
                                                   float override, int with_pad, void **plan)
{
    km_gradient *p = 0;
    const char *reason = km_gradient_open(args, h, w, 0, (void **)&p);
    if (!reason && km_set_counts(&p->pool, override, with_pad)) {
        km_gradient_close(p);
        reason = "out of memory";
    }
    if (!reason)
        *plan = p;
    return reason;
}

#endif
