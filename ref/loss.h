/* loss.h: what losses share: x and target of n elements, the loss of one element, and its reduction
 * to mean, sum or nothing.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_REF_LOSS_H
#define KM_REF_LOSS_H

#include "ref.h"

enum { MEAN, SUM, NONE };
static const char *const reductions[] = {"mean", "sum", "none", NULL};

static inline int reduction_of(const km_case *c)
{
    return (int)c->attr[KM_REDUCTION];
}

static inline void loss_shape(const km_case *c, km_slot slot, km_tensor *t)
{
    const int reduced = slot == KM_Y || slot == KM_GRAD_Y;
    t->ndim = 1;
    t->dim[0] = reduced && reduction_of(c) != NONE ? 1 : c->dim[KM_DIM_N];
}

static inline const char *loss_infer(const km_args *recorded, km_case *c)
{
    if (recorded->slot[KM_X].ndim < 0)
        return "input 'x' is not recorded";
    c->dim[KM_DIM_N] = recorded->slot[KM_X].count;
    return NULL;
}

typedef real loss_at(real x, real target);

static inline void loss_forward(const km_args *args, loss_at *f)
{
    const real *x = in(args, KM_X), *target = in(args, KM_TARGET);
    real *y = out(args, KM_Y);
    const int64_t n = args->slot[KM_X].count;
    const int reduction = reduction_of(args->params);
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        if (reduction == NONE)
            y[i] = f(x[i], target[i]);
        else
            sum += f(x[i], target[i]);
    if (reduction != NONE)
        y[0] = (real)(reduction == MEAN ? sum / (double)n : sum);
}

/* grad_y, or what of it falls on each element */
static inline real loss_share(const km_args *args, int64_t i)
{
    const real *grad_y = in(args, KM_GRAD_Y);
    const int reduction = reduction_of(args->params);
    return reduction == NONE   ? grad_y[i]
           : reduction == MEAN ? grad_y[0] / (real)args->slot[KM_X].count
                               : grad_y[0];
}

/* f is the derivative by x. */
static inline void loss_backward(const km_args *args, loss_at *f)
{
    const real *x = in(args, KM_X), *target = in(args, KM_TARGET);
    real *grad_x = out(args, KM_GRAD_X);
    for (int64_t i = 0; i < args->slot[KM_X].count; i++)
        grad_x[i] = loss_share(args, i) * f(x[i], target[i]);
}

/* ---- bounds ---- */

static inline int64_t loss_terms(const km_case *c, km_slot slot)
{
    return slot == KM_Y && reduction_of(c) != NONE ? c->dim[KM_DIM_N] : 1;
}

/* The magnitude that the error of an element's loss is relative to. */
typedef double loss_magnitude(double x, double target);

static inline void loss_scale(const km_args *oracle, loss_magnitude *f, double *s)
{
    const double *x = oracle->slot[KM_X].data, *target = oracle->slot[KM_TARGET].data;
    const int64_t n = oracle->slot[KM_X].count;
    const int reduction = reduction_of(oracle->params);
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        if (reduction == NONE)
            s[i] = f(x[i], target[i]);
        else
            sum += f(x[i], target[i]);
    if (reduction != NONE)
        s[0] = reduction == MEAN ? sum / (double)n : sum;
}

/* Of grad_x: |share of grad_y| f(x, target). */
static inline void loss_slope_scale(const km_args *oracle, loss_magnitude *f, double *s)
{
    const double *x = oracle->slot[KM_X].data, *target = oracle->slot[KM_TARGET].data;
    for (int64_t i = 0; i < oracle->slot[KM_X].count; i++)
        s[i] = fabs((double)loss_share(oracle, i)) * f(x[i], target[i]);
}

static const char *const loss_quick[] = {"n65536", "n1048576", NULL};
static const char *const loss_full[] = {"n1000", "n65536_reduction=none", "n16777216", NULL};
static const char *const loss_edge[] = {"n0",
                                        "n0_reduction=sum",
                                        "n1_reduction=none",
                                        "n257",
                                        "n257_reduction=sum",
                                        "n257_reduction=none",
                                        "n70001",
                                        NULL};

/* clang-format off */
#define LOSS_CASES \
    .family = "loss", \
    .dims = 1, .dim = {{KM_DIM_N, .min = 0, .fallback = -1}}, \
    .attrs = 1, .attr = {{KM_REDUCTION, .integer = 1, .choices = reductions}}, \
    .shape = loss_shape, .infer = loss_infer, .terms = loss_terms, \
    .quick = loss_quick, .full = loss_full, .edge = loss_edge

#define USE_LOSS_X   {KM_X, KM_READ, .fill = KM_FILL_NORMAL}
#define USE_UNIT_X   {KM_X, KM_READ, .fill = KM_FILL_PROBABILITY}
#define USE_TARGET   {KM_TARGET, KM_READ, .fill = KM_FILL_UNIT}
#define USE_GRAD_Y   {KM_GRAD_Y, KM_READ, .fill = KM_FILL_NORMAL}
#define BOUND_SUM    .gate = {.kind = KM_SUM}, .target = {.kind = KM_SUM}
#define MAKE_LOSS    {KM_Y, KM_WRITE, BOUND_SUM}
#define MAKE_GRAD_X  {KM_GRAD_X, KM_WRITE, .in_place = 1, .in_place_of = KM_X, BOUND_SUM}
/* clang-format on */

#endif
