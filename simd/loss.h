/* loss.h: losses of two tensors, element by element, and their reduction to mean, sum or nothing.
 *
 * Sums are formed in pieces of PIECE elements: in lanes over PART elements, in double beyond; and the
 * pieces are added in double, in order, so that bits do not depend on who forms them.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_LOSS_H
#define KM_LOSS_H

#include <stdlib.h>

#include "parts.h"
#include "pointwise.h"

enum { MEAN, SUM, NONE, PART = 4096, PIECE = 65536 };

/* The loss of x, or given what falls on it of grad_y, its gradient. */
typedef vf km_loss_at(vf x, vf target);
typedef vf km_slope_at(vf x, vf target, vf share);

typedef struct km_loss_plan {
    int64_t pieces;
    double *sum; /* of each piece */
} km_loss_plan;

static inline int km_reduction(const km_args *args)
{
    return (int)args->params->attr[KM_REDUCTION];
}

static const char *km_loss_open(const km_args *args, void **out)
{
    const int64_t pieces = (args->slot[KM_X].count + PIECE - 1) / PIECE;
    km_loss_plan *p = malloc(sizeof *p + (size_t)pieces * sizeof(double));
    if (!p)
        return "out of memory";
    *p = (km_loss_plan){pieces, (double *)(p + 1)};
    *out = p;
    return NULL;
}

static void km_loss_describe(const void *plan, km_kernel_info *info)
{
    info->workspace_bytes = ((const km_loss_plan *)plan)->pieces * (int64_t)sizeof(double);
}

/* ---- forward ---- */

KM_INLINE double km_loss_sum_part(km_loss_at *f, const float *x, const float *t, int64_t n)
{
    vf sum[U];
    int64_t i = 0;
    for (int j = 0; j < U; j++)
        sum[j] = v_set(0);
    for (; i + U * V <= n; i += U * V)
        for (int j = 0; j < U; j++)
            sum[j] = v_add(sum[j], f(v_load(x + i + j * V), v_load(t + i + j * V)));
    for (; i < n; i += V) {
        float lane[V] = {0};
        v_store_n(lane, f(v_load_n(x + i, n - i), v_load_n(t + i, n - i)), n - i);
        sum[0] = v_add(sum[0], v_load(lane));
    }
    return v_sum(v_add(v_add(sum[0], sum[1]), v_add(sum[2], sum[3])));
}

KM_INLINE double km_loss_sum(km_loss_at *f, const float *x, const float *t, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i += PART)
        sum += km_loss_sum_part(f, x + i, t + i, n - i < PART ? n - i : PART);
    return sum;
}

KM_INLINE void km_loss_each(km_loss_at *f, float *y, const float *x, const float *t, int64_t n)
{
    int64_t i = 0;
    for (; i + U * V <= n; i += U * V)
        for (int j = 0; j < U; j++)
            v_store(y + i + j * V, f(v_load(x + i + j * V), v_load(t + i + j * V)));
    for (; i < n; i += V)
        v_store_n(y + i, f(v_load_n(x + i, n - i), v_load_n(t + i, n - i)), n - i);
}

static inline void km_loss_finish(const km_args *args)
{
    const km_loss_plan *p = args->plan;
    double sum = 0;
    for (int64_t i = 0; i < p->pieces; i++)
        sum += p->sum[i];
    *(float *)args->slot[KM_Y].data =
        (float)(km_reduction(args) == MEAN ? sum / (double)args->slot[KM_X].count : sum);
}

/* Phases: pieces, and their sum. */
KM_INLINE void km_loss_forward(const km_args *args, km_loss_at *f, int phase, int part)
{
    const km_loss_plan *p = args->plan;
    const float *x = args->slot[KM_X].data, *t = args->slot[KM_TARGET].data;
    const km_range pieces = km_share(p->pieces, part, args->threads);
    const int each = km_reduction(args) == NONE;
    if (phase == 1 && part == 0 && !each)
        km_loss_finish(args);
    for (int64_t i = pieces.from; phase == 0 && i < pieces.to; i++) {
        const int64_t at = i * PIECE, left = args->slot[KM_X].count - at;
        const int64_t n = left < PIECE ? left : PIECE;
        if (each)
            km_loss_each(f, (float *)args->slot[KM_Y].data + at, x + at, t + at, n);
        else
            p->sum[i] = km_loss_sum(f, x + at, t + at, n);
    }
}

/* ---- backward ---- */

/* own, a constant: every element has its own grad_y, instead of the common share. */
KM_INLINE void km_slopes(km_slope_at *f, float *gx, const float *x, const float *t, const float *g,
                         vf share, int64_t n, int own)
{
    int64_t i = 0;
    for (; i + U * V <= n; i += U * V)
        for (int j = 0; j < U; j++) {
            const int64_t at = i + j * V;
            km_ahead(gx + at, x + at, t + at, KM_FAR);
            v_store(gx + at, f(v_load(x + at), v_load(t + at), own ? v_load(g + at) : share));
        }
    for (; i < n; i += V)
        v_store_n(
            gx + i,
            f(v_load_n(x + i, n - i), v_load_n(t + i, n - i), own ? v_load_n(g + i, n - i) : share),
            n - i);
}

KM_INLINE void km_loss_backward(const km_args *args, km_slope_at *f, int part)
{
    const km_tensor *s = args->slot;
    const km_range r = km_share(s[KM_X].count, part, args->threads);
    const float *x = s[KM_X].data, *t = s[KM_TARGET].data, *g = s[KM_GRAD_Y].data;
    float *gx = s[KM_GRAD_X].data;
    const int64_t n = r.to - r.from;
    if (n == 0)
        return;
    if (km_reduction(args) == NONE) {
        km_slopes(f, gx + r.from, x + r.from, t + r.from, g + r.from, v_set(0), n, 1);
        return;
    }
    const float share = km_reduction(args) == MEAN ? g[0] / (float)s[KM_X].count : g[0];
    km_slopes(f, gx + r.from, x + r.from, t + r.from, g, v_set(share), n, 0);
}

/* The kernels of an op from its two element functions, loss and slope. */
#define KM_LOSS_KERNELS(name)                                                                      \
    static void forward_part(const km_args *args, int phase, int part)                             \
    {                                                                                              \
        km_loss_forward(args, loss, phase, part);                                                  \
    }                                                                                              \
    static void backward_part(const km_args *args, int phase, int part)                            \
    {                                                                                              \
        (void)phase;                                                                               \
        km_loss_backward(args, slope, part);                                                       \
    }                                                                                              \
    KM_RUN_PARTS(forward, 2)                                                                       \
    KM_RUN_PARTS(backward, 1)                                                                      \
    extern const km_kernel KM_KERNELS(name)[];                                                     \
    const km_kernel KM_KERNELS(name)[] = {                                                         \
        {.op = #name,                                                                              \
         .pass = "forward",                                                                        \
         .open = km_loss_open,                                                                     \
         .run = forward,                                                                           \
         .close = free,                                                                            \
         .describe = km_loss_describe,                                                             \
         .run_part = forward_part,                                                                 \
         .phases = 2},                                                                             \
        {.op = #name, .pass = "backward", .run = backward, .run_part = backward_part},             \
        {0},                                                                                       \
    };

#endif
