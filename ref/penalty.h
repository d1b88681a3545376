/* penalty.h: what penalties on weights share: y, a scalar, sums a term per weight; grad_weight is its
 * derivative, to be added to the gradient of the loss.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_REF_PENALTY_H
#define KM_REF_PENALTY_H

#include <float.h>

#include "pointwise.h"

static inline void penalty_shape(const km_case *c, km_slot slot, km_tensor *t)
{
    t->ndim = 1;
    t->dim[0] = slot == KM_Y ? 1 : c->dim[KM_DIM_N];
}

static inline const char *penalty_infer(const km_args *recorded, km_case *c)
{
    if (recorded->slot[KM_WEIGHT].ndim < 0)
        return "input 'weight' is not recorded";
    c->dim[KM_DIM_N] = recorded->slot[KM_WEIGHT].count;
    return NULL;
}

typedef double penalty_term(double w);

static inline void penalty_value(const km_args *args, penalty_term *term)
{
    const real *w = in(args, KM_WEIGHT);
    double sum = 0;
    for (int64_t i = 0; i < args->slot[KM_WEIGHT].count; i++)
        sum += term(w[i]);
    out(args, KM_Y)[0] = (real)(args->params->attr[KM_LAMBDA] * sum);
}

typedef real penalty_slope(real w, real lambda);

static inline void penalty_gradient(const km_args *args, penalty_slope *slope)
{
    const real *w = in(args, KM_WEIGHT);
    real *grad = out(args, KM_GRAD_WEIGHT), lambda = attr(args, KM_LAMBDA);
    for (int64_t i = 0; i < args->slot[KM_WEIGHT].count; i++)
        grad[i] = slope(w[i], lambda);
}

/* No term is negative: the magnitudes add up to y itself. */
static inline int64_t penalty_terms(const km_case *c, km_slot slot)
{
    (void)slot;
    return c->dim[KM_DIM_N];
}

static inline void penalty_scale(const km_args *oracle, km_slot slot, double *s)
{
    (void)slot;
    s[0] = *(const double *)oracle->slot[KM_Y].data;
}

static const char *const penalty_quick[] = {"n1000", "n65536", NULL};
static const char *const penalty_full[] = {"n1048576", "n16777216", NULL};
static const char *const penalty_edge[] = {"n0", "n1", "n1037_lambda0", "n70001_lambda2.5", NULL};

/* clang-format off */
#define PENALTY_CASES \
    .family = "penalty", \
    .dims = 1, .dim = {{KM_DIM_N, .min = 0, .fallback = -1}}, \
    .attrs = 1, .attr = {{KM_LAMBDA, .fallback = 0.01, .min = 0, .max = FLT_MAX}}, \
    .shape = penalty_shape, .infer = penalty_infer, .terms = penalty_terms, .sum_scale = penalty_scale, \
    .quick = penalty_quick, .full = penalty_full, .edge = penalty_edge

#define USE_WEIGHT       {KM_WEIGHT, KM_READ, .fill = KM_FILL_WIDE}
#define MAKE_PENALTY     {KM_Y, KM_WRITE, .gate = {.kind = KM_SUM}, .target = {.kind = KM_SUM}}
#define MAKE_GRAD_WEIGHT {KM_GRAD_WEIGHT, KM_WRITE, BOUND_ULP(1)}
/* clang-format on */

#endif
