/* pool.h: windows over [n, c, h, w]: where they lie, what they average to, and what the descriptors
 * of the pooling ops share.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_REF_POOL_H
#define KM_REF_POOL_H

#include "pointwise.h"

/* One axis, h or w, of the case. */
typedef struct axis {
    int64_t in, out, kernel, stride, pad, dilation;
    int ceil_mode, count_include_pad;
} axis;

/* The elements [from, to) of an axis that lie in a window, and how many an average counts. */
typedef struct window {
    int64_t from, to, size;
} window;

typedef window window_fn(const axis *a, int64_t i);

static inline int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b != 0 && (a < 0) != (b < 0));
}

/* Ops without windows that slide (adaptive ones) give the size of their output. */
static inline int64_t axis_out(const axis *a, int64_t given)
{
    if (a->stride == 0)
        return given;
    const int64_t room = a->in + 2 * a->pad - a->dilation * (a->kernel - 1) - 1;
    int64_t out = floor_div(room + (a->ceil_mode ? a->stride - 1 : 0), a->stride) + 1;
    if (a->ceil_mode && (out - 1) * a->stride >= a->in + a->pad)
        out--; /* the last window starts inside the input or the padding before it */
    return out;
}

/* which: 0 for h, 1 for w */
static inline axis axis_of(const km_case *c, int which)
{
    axis a = {.in = c->dim[KM_DIM_H + which],
              .kernel = c->dim[KM_DIM_R + which],
              .stride = (int64_t)c->attr[KM_STRIDE + which],
              .pad = (int64_t)c->attr[KM_PAD + which],
              .dilation = (int64_t)fmax(c->attr[KM_DILATION + which], 1.0),
              .ceil_mode = c->attr[KM_CEIL_MODE] != 0,
              .count_include_pad = c->attr[KM_COUNT_INCLUDE_PAD] != 0};
    a.out = axis_out(&a, c->dim[KM_DIM_P + which]);
    return a;
}

static inline void pool_shape(const km_case *c, km_slot slot, km_tensor *t)
{
    const int output = slot == KM_Y || slot == KM_GRAD_Y || slot == KM_INDICES;
    t->ndim = 4;
    t->dim[0] = c->dim[KM_DIM_N];
    t->dim[1] = c->dim[KM_DIM_C];
    for (int i = 0; i < 2; i++) {
        const axis a = axis_of(c, i);
        t->dim[2 + i] = output ? a.out : a.in;
    }
}

/* ---- cases ---- */

static inline const char *axis_check(const axis *a)
{
    const int64_t first = (a->pad + a->dilation - 1) / a->dilation * a->dilation - a->pad;
    if (a->pad > a->kernel / 2)
        return "pad must be at most half of the window";
    if (a->out < 1)
        return "the window is larger than the padded input";
    return first < a->in ? NULL : "a window must hold an element of the input";
}

/* First what the arithmetic of axes relies on. */
static inline const char *pool_check(const km_case *c)
{
    if (c->dim[KM_DIM_H] > INT32_MAX / c->dim[KM_DIM_W])
        return "an index into a plane of h w elements must fit into 32 bits";
    if (c->dim[KM_DIM_R] > INT32_MAX || c->dim[KM_DIM_S] > INT32_MAX)
        return "the window is larger than the padded input";
    const axis h = axis_of(c, 0), w = axis_of(c, 1);
    const char *broken = axis_check(&h);
    return broken ? broken : axis_check(&w);
}

/* Recorded with stride null, which means the window's size: its output tells. */
static inline void infer_stride(const km_tensor *output, km_case *c)
{
    for (int i = 0; i < 2 && output->ndim >= 2; i++) {
        const axis a = axis_of(c, i);
        if (a.stride == 1 && a.out != output->dim[output->ndim - 2 + i])
            c->attr[KM_STRIDE + i] = (double)a.kernel;
    }
}

/* x is [n, c, h, w] or [c, h, w]. */
static inline const char *pool_infer(const km_args *recorded, km_case *c)
{
    const km_tensor *x = &recorded->slot[KM_X], *y = &recorded->slot[KM_Y];
    if (x->ndim != 3 && x->ndim != 4)
        return "input must be recorded with 3 or 4 dimensions";
    c->dim[KM_DIM_N] = x->ndim == 4 ? x->dim[0] : 1;
    for (int i = 0; i < 3; i++)
        c->dim[KM_DIM_C + i] = x->dim[x->ndim - 3 + i];
    if (c->attr[KM_STRIDE])
        infer_stride(y->ndim >= 0 ? y : &recorded->slot[KM_GRAD_Y], c);
    return NULL;
}

/* ---- averages ---- */

/* Windows of avg_pool2d; at the far end the padding ends them, too. */
static inline window sliding(const axis *a, int64_t i)
{
    const int64_t start = i * a->stride - a->pad, end = start + a->kernel;
    const int64_t in = a->in, padded = in + a->pad;
    const window v = {start < 0 ? 0 : start, end < in ? end : in, 0};
    const int64_t with_pad = (end < padded ? end : padded) - start;
    return (window){v.from, v.to, a->count_include_pad ? with_pad : v.to - v.from};
}

/* Windows of adaptive_avg_pool2d: out of them, as even as whole numbers allow. */
static inline window adaptive(const axis *a, int64_t i)
{
    const int64_t from = i * a->in / a->out, to = ((i + 1) * a->in + a->out - 1) / a->out;
    return (window){from, to, to - from};
}

static inline double divisor(const km_case *c, window h, window w)
{
    const double override = c->attr[KM_DIVISOR_OVERRIDE];
    return override != 0 ? override : (double)(h.size * w.size);
}

static inline void average(const km_args *args, window_fn *at)
{
    const axis rows = axis_of(args->params, 0), columns = axis_of(args->params, 1);
    const real *x = in(args, KM_X);
    real *y = out(args, KM_Y);
    for (const real *end = x + args->slot[KM_X].count; x < end; x += rows.in * columns.in)
        for (int64_t p = 0; p < rows.out; p++)
            for (int64_t q = 0; q < columns.out; q++) {
                const window v = at(&rows, p), u = at(&columns, q);
                double sum = 0;
                for (int64_t h = v.from; h < v.to; h++)
                    for (int64_t w = u.from; w < u.to; w++)
                        sum += x[h * columns.in + w];
                *y++ = (real)(sum / divisor(args->params, v, u));
            }
}

static inline int holds(window v, int64_t i)
{
    return v.from <= i && i < v.to;
}

/* Windows are in order: the first that may hold element i is the first that ends beyond it. */
static inline int64_t first_window(const axis *a, window_fn *at, int64_t i)
{
    int64_t first = a->stride ? (i + a->pad - a->kernel) / a->stride - 1 : i * a->out / a->in - 1;
    first = first < 0 ? 0 : first;
    while (first < a->out && at(a, first).to <= i)
        first++;
    return first;
}

static inline void average_backward(const km_args *args, window_fn *at)
{
    const axis rows = axis_of(args->params, 0), columns = axis_of(args->params, 1);
    const real *g = in(args, KM_GRAD_Y);
    real *grad_x = out(args, KM_GRAD_X), *end = grad_x + args->slot[KM_GRAD_X].count;
    for (; grad_x < end; g += rows.out * columns.out)
        for (int64_t h = 0; h < rows.in; h++)
            for (int64_t w = 0; w < columns.in; w++) {
                const int64_t p0 = first_window(&rows, at, h), q0 = first_window(&columns, at, w);
                double sum = 0;
                for (int64_t p = p0; p < rows.out && holds(at(&rows, p), h); p++)
                    for (int64_t q = q0; q < columns.out && holds(at(&columns, q), w); q++)
                        sum += g[p * columns.out + q] /
                               divisor(args->params, at(&rows, p), at(&columns, q));
                *grad_x++ = (real)sum;
            }
}

/* S: the same sums of magnitudes. Both directions add what each window takes from the larger side. */
static inline void average_scale(const km_args *oracle, km_slot slot, double *s, window_fn *at)
{
    const axis rows = axis_of(oracle->params, 0), columns = axis_of(oracle->params, 1);
    const int forward = slot == KM_Y;
    const double *from = oracle->slot[forward ? KM_X : KM_GRAD_Y].data;
    const int64_t plane = rows.in * columns.in, outputs = rows.out * columns.out;
    const int64_t planes = oracle->params->dim[KM_DIM_N] * oracle->params->dim[KM_DIM_C];
    for (int64_t i = 0; i < oracle->slot[slot].count; i++)
        s[i] = 0;
    for (int64_t i = 0; i < planes * outputs; i++) {
        const window v = at(&rows, i / columns.out % rows.out), u = at(&columns, i % columns.out);
        const double share = 1 / fabs(divisor(oracle->params, v, u));
        for (int64_t h = v.from; h < v.to; h++)
            for (int64_t w = u.from; w < u.to; w++) {
                const int64_t at_x = i / outputs * plane + h * columns.in + w;
                s[forward ? i : at_x] += fabs(from[forward ? at_x : i]) * share;
            }
    }
}

/* ---- descriptors ---- */

/* clang-format off */
#define POOL_NCHW {KM_DIM_N, .min = 0, .fallback = 1}, {KM_DIM_C, .min = 0, .fallback = 1}, \
                  {KM_DIM_H, .min = 1, .fallback = -1}, {KM_DIM_W, .min = 1, .fallback = -1}
#define POOL_SIZES .dims = 6, .dim = {POOL_NCHW, {KM_DIM_R, .min = 1, .fallback = 0}, \
                                      {KM_DIM_S, .min = 1, .fallback = 0}}
#define POOL_PAIR(id, least, usual) {KM_##id, .fallback = usual, .min = least, .max = 1 << 20, \
                                     .integer = 1, .pair = KM_##id##_W}
#define POOL_SWITCH(id, usual)      {KM_##id, .fallback = usual, .min = 0, .max = 1, .integer = 1}

#define BOUND_SUM .gate = {.kind = KM_SUM}, .target = {.kind = KM_SUM}
/* clang-format on */

#endif
