/* binary_cross_entropy_with_logits: mean (sum, or each one) of
 * max(x, 0) - x target + log(1 + exp(-|x|)); grad_x = grad_y (sigmoid(x) - target), over n for the
 * mean. torch.nn.BCEWithLogitsLoss.
 * SPDX-License-Identifier: Apache-2.0 */
#include "loss.h"

static real loss(real x, real target)
{
    return (x < 0 ? 0 : x) - x * target + log1p(exp(-fabs(x)));
}

static real slope(real x, real target)
{
    return sigmoid(x) - target;
}

static void forward(const km_args *args)
{
    loss_forward(args, loss);
}

static void backward(const km_args *args)
{
    loss_backward(args, slope);
}

static double magnitude(double x, double target)
{
    return fmax(x, 0) + fabs(x * target) + log1p(exp(-fabs(x)));
}

static double slope_magnitude(double x, double target)
{
    return 1 / (1 + exp(-x)) + fabs(target);
}

static void sum_scale(const km_args *oracle, km_slot slot, double *s)
{
    if (slot == KM_Y)
        loss_scale(oracle, magnitude, s);
    else
        loss_slope_scale(oracle, slope_magnitude, s);
}

const km_op KM_OP(binary_cross_entropy_with_logits) = {
    .name = "binary_cross_entropy_with_logits",
    .summary = "negative log likelihood of probabilities sigmoid(x)",
    LOSS_CASES,
    .sum_scale = sum_scale,
    .passes = 2,
    .pass = {{.name = "forward",
              .formula = "y = mean of max(x, 0) - x target + log(1 + exp(-|x|))",
              .use = {USE_LOSS_X, USE_TARGET, MAKE_LOSS},
              .flops_each = 40},
             {.name = "backward",
              .formula = "grad_x = grad_y (sigmoid(x) - target) / n",
              .use = {USE_LOSS_X, USE_TARGET, USE_GRAD_Y, MAKE_GRAD_X},
              .flops_each = 24}},
};

const km_kernel KM_KERNELS(binary_cross_entropy_with_logits)[] = {
    {.op = "binary_cross_entropy_with_logits", .pass = "forward", .run = forward},
    {.op = "binary_cross_entropy_with_logits", .pass = "backward", .run = backward},
    {0}};
