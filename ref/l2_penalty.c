/* l2_penalty: y = lambda sum w^2; grad_weight = 2 lambda w. An optimizer's weight_decay is 2 lambda.
 * Krogh and Hertz, 1991; see l2_half_penalty for the form with the half.
 * SPDX-License-Identifier: Apache-2.0 */
#include "penalty.h"

static double term(double w)
{
    return w * w;
}

static real slope(real w, real lambda)
{
    return 2 * lambda * w;
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

const km_op KM_OP(l2_penalty) = {
    .name = "l2_penalty",
    .summary = "lambda times the sum of the squares of weights",
    PENALTY_CASES,
    .passes = 2,
    .pass = {{.name = "forward",
              .formula = "y = lambda sum weight^2",
              .use = {USE_WEIGHT, MAKE_PENALTY},
              .flops_each = 2},
             {.name = "forward_backward",
              .formula = "y = lambda sum weight^2; grad_weight = 2 lambda weight",
              .use = {USE_WEIGHT, MAKE_PENALTY, MAKE_GRAD_WEIGHT},
              .flops_each = 3}},
};

const km_kernel KM_KERNELS(l2_penalty)[] = {
    {.op = "l2_penalty", .pass = "forward", .run = forward},
    {.op = "l2_penalty", .pass = "forward_backward", .run = forward_backward},
    {0}};
