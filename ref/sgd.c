/* sgd: param -= lr (grad + weight_decay param): gradient descent without momentum. Robbins and Monro, Ann. Math. Stat.
 * 22 (1951); torch.optim.SGD.
 * SPDX-License-Identifier: Apache-2.0 */
#include "optimizer.h"

static const char *check(const km_case *c)
{
    if (c->attr[KM_MOMENTUM] != 0 || c->attr[KM_DAMPENING] != 0 || c->attr[KM_NESTEROV] != 0)
        return "momentum, dampening and nesterov must be 0: with them it is sgd_momentum or nag";
    return NULL;
}

static void step(const km_args *args)
{
    const real lr = attr(args, KM_LR), decay = attr(args, KM_WEIGHT_DECAY);
    const real clip = clip_factor(args);
    for (int k = 0; k < pieces(args); k++) {
        real *param = piece(args, KM_PARAM, k);
        const real *grad = piece(args, KM_GRAD, k);
        for (int64_t i = 0; i < piece_size(args, k); i++)
            param[i] -= lr * decayed(clip, grad[i], decay, param[i]);
    }
}

static const char *const quick[] = {"n65536", "n20000l5_weight_decay0.01_max_norm1", NULL};
static const char *const full[] = {"n1048576",           "n16777216",   "n65536_max_norm1",
                                   "n1048576_max_norm1", "n1048576l60", NULL};
static const char *const edge[] = {"n0", "n1037_weight_decay0.1", "n5l7_max_norm0.1", NULL};

const km_op KM_OP(sgd) = {
    .name = "sgd",
    .summary = "stochastic gradient descent",
    OPTIMIZER,
    .infer = optimizer_infer,
    .shape = optimizer_shape,
    .check = check,
    .attrs = 7,
    .attr = {{KM_LR, .fallback = 1e-3, AT_LEAST_0},
             ATTR_WEIGHT_DECAY(0),
             ATTR_MAX_NORM,
             {KM_MOMENTUM, .fallback = 0, AT_LEAST_0},
             {KM_DAMPENING, .fallback = 0, AT_LEAST_0},
             {KM_NESTEROV, .fallback = 0, FLAG},
             ATTR_MATH},
    .quick = quick,
    .full = full,
    .edge = edge,
    .pass = {{.name = "step",
              .formula = "param -= lr (grad + weight_decay param)",
              .use = {USE_PARAM, USE_GRAD},
              .flops_each = 4}},
};

const km_kernel KM_KERNELS(sgd)[] = {{.op = "sgd", .pass = "step", .run = step}, {0}};
