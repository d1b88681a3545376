/* l2_half_penalty: y = lambda / 2 sum w^2; grad_weight = lambda w. Lambda is an optimizer's weight_decay.
 * Krogh and Hertz, 1991; see l2_penalty for the form without the half.
 * SPDX-License-Identifier: Apache-2.0 */
#include "penalty.h"

static double term(double w)
{
    return 0.5 * w * w;
}

static real slope(real w, real lambda)
{
    return lambda * w;
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

const km_op KM_OP(l2_half_penalty) = {
    .name = "l2_half_penalty",
    .summary = "lambda times half the sum of the squares of weights",
    PENALTY_CASES,
    .passes = 2,
    .pass = {{.name = "forward",
              .formula = "y = lambda / 2 sum weight^2",
              .use = {USE_WEIGHT, MAKE_PENALTY},
              .flops_each = 2},
             {.name = "forward_backward",
              .formula = "y = lambda / 2 sum weight^2; grad_weight = lambda weight",
              .use = {USE_WEIGHT, MAKE_PENALTY, MAKE_GRAD_WEIGHT},
              .flops_each = 3}},
};

const km_kernel KM_KERNELS(l2_half_penalty)[] = {
    {.op = "l2_half_penalty", .pass = "forward", .run = forward},
    {.op = "l2_half_penalty", .pass = "forward_backward", .run = forward_backward},
    {0}};
