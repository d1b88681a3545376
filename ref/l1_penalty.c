/* l1_penalty: y = lambda sum |w|; grad_weight = lambda sign(w), with sign(0) = 0: there every slope from
 * -lambda to lambda is a subgradient. Tibshirani, 1996 (the lasso).
 * SPDX-License-Identifier: Apache-2.0 */
#include "penalty.h"

static double term(double w)
{
    return fabs(w);
}

static real slope(real w, real lambda)
{
    return w > 0 ? lambda : w < 0 ? -lambda : w == 0 ? 0 : w;
}

static void forward(const km_args *args)
{
    penalty_value(args, term);
}

static void forward_backward(const km_args *args)
{
    penalty_value(args, term);
    penalty_gradient(args, slope);
}

const km_op KM_OP(l1_penalty) = {
    .name = "l1_penalty",
    .summary = "lambda times the sum of the magnitudes of weights",
    PENALTY_CASES,
    .kink = {0},
    .kinks = 1,
    .passes = 2,
    .pass = {{.name = "forward",
              .formula = "y = lambda sum |weight|",
              .use = {USE_WEIGHT, MAKE_PENALTY},
              .flops_each = 2},
             {.name = "forward_backward",
              .formula = "y = lambda sum |weight|; grad_weight = lambda sign(weight)",
              .use = {USE_WEIGHT, MAKE_PENALTY, MAKE_GRAD_WEIGHT},
              .flops_each = 3}},
};

const km_kernel KM_KERNELS(l1_penalty)[] = {
    {.op = "l1_penalty", .pass = "forward", .run = forward},
    {.op = "l1_penalty", .pass = "forward_backward", .run = forward_backward},
    {0}};
