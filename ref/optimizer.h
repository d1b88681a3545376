/* optimizer.h: what the descriptors and references of the optimizers share. A pass `step` moves param and its state in
 * place, all of them lists where the case has l tensors.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_REF_OPTIMIZER_H
#define KM_REF_OPTIMIZER_H

#include "ref.h"

#include <float.h>

/* Hyper-parameters are doubles, so that 1 - beta and beta^t keep their digits. */
static inline double number(const km_args *args, km_attr a)
{
    return args->params->attr[a];
}

static inline real *piece(const km_args *args, km_slot slot, int k)
{
    return km_piece_data(&args->slot[slot], k);
}

static inline int64_t piece_size(const km_args *args, int k)
{
    return km_piece_size(&args->slot[KM_PARAM], k);
}

static inline int pieces(const km_args *args)
{
    return km_pieces_of(&args->slot[KM_PARAM]);
}

/* min(1, max_norm / (norm + 1e-6)), the norm over all gradients of the list; NaN stays. */
static inline real clip_factor(const km_args *args)
{
    const double max_norm = number(args, KM_MAX_NORM);
    double sum = 0;
    if (max_norm == 0)
        return 1;
    for (int k = 0; k < pieces(args); k++) {
        const real *g = piece(args, KM_GRAD, k);
        for (int64_t i = 0; i < piece_size(args, k); i++)
            sum += (double)g[i] * (double)g[i];
    }
    const double factor = max_norm / (sqrt(sum) + 1e-6);
    return (real)(factor > 1 ? 1 : factor);
}

/* The gradient that steps are made of. Without decay an infinite param is no NaN. */
static inline real decayed(real clip, real grad, real decay, real param)
{
    return decay == 0 ? clip * grad : clip * grad + decay * param;
}

static inline void optimizer_shape(const km_case *c, km_slot slot, km_tensor *t)
{
    (void)slot;
    t->ndim = 1;
    t->dim[0] = c->dim[KM_DIM_N];
}

/* A recording has a single tensor of any shape. */
static inline const char *optimizer_infer(const km_args *recorded, km_case *c)
{
    if (recorded->slot[KM_PARAM].ndim < 0)
        return "input 'param' is not recorded";
    c->dim[KM_DIM_N] = recorded->slot[KM_PARAM].count;
    return NULL;
}

static const char *const optimizer_math[] __attribute__((unused)) = {"exact", "fast", NULL};

/* clang-format off */
#define AT_LEAST_0 .min = 0, .max = FLT_MAX, .precise = 1
#define FLAG       .min = 0, .max = 1, .integer = 1

#define OPTIMIZER .family = "optimizer", .dims = 2, .passes = 1, \
                  .dim = {{KM_DIM_N, .min = 0, .fallback = -1}, {KM_DIM_L, .min = 1, .fallback = 1}}, \
                  .sweeps = 1, .sweep = {KM_DIM_N}

#define ATTR_WEIGHT_DECAY(value) {KM_WEIGHT_DECAY, .fallback = value, AT_LEAST_0}
/* of the gradients' norm; 0: it is not clipped */
#define ATTR_MAX_NORM            {KM_MAX_NORM, .fallback = 0, AT_LEAST_0}
/* exact: correctly rounded square root and division; fast: approximated */
#define ATTR_MATH                {KM_MATH, .fallback = 0, .choices = optimizer_math, .min = 0, .max = 1, .integer = 1}

#define BOUND_STEPS     .gate = {KM_STEPS, .atol = 1e-4}, .target = {KM_STEPS, .atol = 1e-5}, .list = 1
#define USE_PARAM       {KM_PARAM, KM_UPDATE, .fill = KM_FILL_WIDE, BOUND_STEPS}
#define USE_GRAD        {KM_GRAD, KM_READ, .fill = KM_FILL_NORMAL, .list = 1}
#define USE_STATE(slot) {slot, KM_UPDATE, .fill = KM_FILL_STATE, BOUND_STEPS}
/* clang-format on */

#endif
