/* max_pool2d.c: the largest element of each window and where it is; its gradient as a gather.
 *
 * Forward keeps value and index of V windows in registers over all taps of a staged band (pool.h).
 * A band without a NaN takes one comparison per tap; with one, the form that lets the first NaN win.
 * SPDX-License-Identifier: Apache-2.0 */
#include "pool_gradient.h"

#include <math.h>

/* Neighbouring windows. */
typedef struct run_of {
    const float *x;              /* tap 0 of the first */
    const int32_t *base, *first; /* as in km_pool */
    int32_t base_row, first_row; /* added to them */
    float *y;
    int32_t *indices;
    int64_t n;
} run_of;

typedef struct best {
    vf value;
    vi index;
} best;

KM_INLINE best better(best b, vf v, vi index, int careful)
{
    const vm m = careful ? v_and(v_not_le(v, b.value), v_eq(b.value, b.value)) : v_gt(v, b.value);
    b.index = vi_select(m, index, b.index);
    b.value = careful ? v_select(m, v, b.value) : v_max(v, b.value);
    return b;
}

/* Tap 0 may be padding, -inf: whatever is larger wins, and if nothing is, the first element. */
KM_INLINE best largest(const km_pool *p, const run_of *r, int64_t j, int64_t taps, int careful)
{
    const vi base = vi_add(vi_load(r->base + j), vi_set(r->base_row));
    best b = {v_load(r->x + j), vi_add(vi_load(r->first + j), vi_set(r->first_row))};
    for (int64_t t = 1; t < taps; t++)
        b = better(b, v_load(r->x + p->at[t] + j), vi_add(base, vi_set(p->index[t])), careful);
    return b;
}

KM_INLINE void run_windows(const km_pool *p, const run_of *r, int64_t taps, int careful)
{
    int64_t j = 0;
    for (; j + 2 * V <= r->n; j += 2 * V) {
        const best a = largest(p, r, j, taps, careful), b = largest(p, r, j + V, taps, careful);
        v_store(r->y + j, a.value);
        v_store(r->y + j + V, b.value);
        vi_store(r->indices + j, a.index);
        vi_store(r->indices + j + V, b.index);
    }
    for (; j < r->n; j += V) {
        const best a = largest(p, r, j, taps, careful);
        v_store_n(r->y + j, a.value, r->n - j);
        vi_store_n(r->indices + j, a.index, r->n - j);
    }
}

static void windows(const km_pool *p, const run_of *r, int careful)
{
    if (careful)
        run_windows(p, r, p->taps, 1);
    else if (p->taps == 4)
        run_windows(p, r, 4, 0);
    else if (p->taps == 9)
        run_windows(p, r, 9, 0);
    else
        run_windows(p, r, p->taps, 0);
}

static void flat_band(const km_pool *p, float *scratch, float *y, int32_t *indices, int64_t from,
                      int64_t rows, int careful)
{
    float *own = scratch + p->phases_h * p->phases_w * p->phase;
    int32_t *own_indices = (int32_t *)(own + (p->band * p->line + 2 * V) / V * V);
    const int dense = p->line == p->w.out;
    run_of r = {scratch,     p->base + from * p->line,       p->first + from * p->line, 0, 0, own,
                own_indices, (rows - 1) * p->line + p->w.out};
    if (dense) {
        r.y = y + from * p->w.out;
        r.indices = indices + from * p->w.out;
    }
    windows(p, &r, careful);
    if (!dense) {
        km_close_gaps(p, y + from * p->w.out, own, rows);
        km_close_gaps(p, (float *)(indices + from * p->w.out), (const float *)own_indices, rows);
    }
}

static void row_band(const km_pool *p, const float *scratch, float *y, int32_t *indices,
                     int64_t from, int64_t rows, int careful)
{
    for (int64_t i = 0; i < rows; i++) {
        const int64_t h = (from + i) * p->h.stride - p->h.pad;
        const run_of r = {scratch + i * p->line,
                          p->base,
                          p->first,
                          (int32_t)(h * p->w.in),
                          (int32_t)(km_first_tap(&p->h, from + i) * p->w.in),
                          y + (from + i) * p->w.out,
                          indices + (from + i) * p->w.out,
                          p->w.out};
        windows(p, &r, careful);
    }
}

static void forward_plane(const km_pool *p, float *scratch, const float *x, float *y,
                          int32_t *indices)
{
    for (int64_t from = 0; from < p->h.out; from += p->band) {
        const int64_t rows = p->h.out - from < p->band ? p->h.out - from : p->band;
        const int careful = km_stage(p, scratch, x, from, rows, v_set(-INFINITY));
        if (p->flat)
            flat_band(p, scratch, y, indices, from, rows, careful);
        else
            row_band(p, scratch, y, indices, from, rows, careful);
    }
}

static void forward_part(const km_args *args, int phase, int part)
{
    const km_pool *p = args->plan;
    const int64_t inputs = p->h.in * p->w.in, outputs = p->h.out * p->w.out;
    const float *x = args->slot[KM_X].data;
    float *y = args->slot[KM_Y].data;
    int32_t *indices = args->slot[KM_INDICES].data;
    int64_t from, to;
    (void)phase;
    km_pool_range(p, p->planes, args->threads, part, &from, &to);
    for (int64_t i = from; i < to; i++)
        forward_plane(p, p->scratch + part * p->scratch_each, x + i * inputs, y + i * outputs,
                      indices + i * outputs);
}

static const char *open_forward(const km_args *args, void **plan)
{
    km_pool *p = calloc(1, sizeof *p);
    if (p)
        km_pool_axes(p, args, km_axis_of(args, 0, KM_X, KM_Y), km_axis_of(args, 1, KM_X, KM_Y));
    if (!p || km_pool_prepare(p, args)) {
        km_pool_close(p);
        return "out of memory";
    }
    *plan = p;
    return 0;
}

static void forward(const km_args *args)
{
    forward_part(args, 0, 0);
}

/* ---- backward ---- */

static const char *open_backward(const km_args *args, void **plan)
{
    return km_gradient_open(args, km_axis_of(args, 0, KM_GRAD_X, KM_GRAD_Y),
                            km_axis_of(args, 1, KM_GRAD_X, KM_GRAD_Y), 1, plan);
}

static void backward_part(const km_args *args, int phase, int part)
{
    (void)phase;
    km_gradient_planes(args, part, args->slot[KM_INDICES].data);
}

static void backward(const km_args *args)
{
    backward_part(args, 0, 0);
}

extern const km_kernel KM_KERNELS(max_pool2d)[];
const km_kernel KM_KERNELS(max_pool2d)[] = {
    {.op = "max_pool2d",
     .pass = "forward",
     .open = open_forward,
     .run = forward,
     .run_part = forward_part,
     .close = km_pool_close,
     .describe = km_pool_describe},
    {.op = "max_pool2d",
     .pass = "backward",
     .open = open_backward,
     .run = backward,
     .run_part = backward_part,
     .close = km_gradient_close,
     .describe = km_gradient_describe},
    {0},
};
