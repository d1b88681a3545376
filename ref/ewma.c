/* ewma: exp_avg = beta exp_avg + (1 - beta) x, the exponentially weighted moving average of all x so far, which starts at
 * 0; with bias_correction also y = exp_avg / (1 - beta^t), whose weights add up to 1. Kingma and Ba (arXiv 1412.6980),
 * section 3.
 * SPDX-License-Identifier: Apache-2.0 */
#include "optimizer.h"

static void shape(const km_case *c, km_slot slot, km_tensor *t)
{
    if (slot != KM_Y || c->attr[KM_BIAS_CORRECTION] != 0)
        optimizer_shape(c, slot, t);
}

static const char *check(const km_case *c)
{
    return c->attr[KM_BETA] < 1 ? NULL : "beta must be below 1";
}

static void step(const km_args *args)
{
    const double beta = number(args, KM_BETA);
    const real old = (real)beta, new = (real)(1 - beta);
    const real correction = (real)(1 - pow(beta, (double)args->step));
    for (int k = 0; k < km_pieces_of(&args->slot[KM_X]); k++) {
        real *exp_avg = piece(args, KM_EXP_AVG, k);
        real *y = number(args, KM_BIAS_CORRECTION) != 0 ? piece(args, KM_Y, k) : NULL;
        const real *x = piece(args, KM_X, k);
        for (int64_t i = 0; i < km_piece_size(&args->slot[KM_X], k); i++) {
            exp_avg[i] = old * exp_avg[i] + new *x[i];
            if (y)
                y[i] = exp_avg[i] / correction;
        }
    }
}

static const char *infer(const km_args *recorded, km_case *c)
{
    c->dim[KM_DIM_N] = recorded->slot[KM_X].count;
    return NULL;
}

static const char *const quick[] = {"n65536", "n65536_bias_correction1", NULL};
static const char *const full[] = {"n1048576", "n16777216", NULL};
static const char *const edge[] = {"n0", "n1037l3_beta0.999_bias_correction1", NULL};

const km_op KM_OP(ewma) = {
    .name = "ewma",
    .summary = "exponentially weighted moving average",
    OPTIMIZER,
    .infer = infer,
    .shape = shape,
    .check = check,
    .attrs = 2,
    .attr = {{KM_BETA, .fallback = 0.9, .min = 0, .max = 1, .precise = 1},
             {KM_BIAS_CORRECTION, .fallback = 0, FLAG}},
    .quick = quick,
    .full = full,
    .edge = edge,
    .pass = {{.name = "step",
              .formula = "exp_avg = beta exp_avg + (1 - beta) x; y = exp_avg / (1 - beta^t)",
              .use = {{KM_X, KM_READ, .fill = KM_FILL_NORMAL, .list = 1},
                      USE_STATE(KM_EXP_AVG),
                      {KM_Y, KM_WRITE, BOUND_STEPS}},
              .flops_each = 3}},
};

const km_kernel KM_KERNELS(ewma)[] = {{.op = "ewma", .pass = "step", .run = step}, {0}};
