/* binary_cross_entropy: mean (sum, or each one) of -(target log x + (1 - target) log(1 - x)) of
 * probabilities x, logarithms no less than -100; grad_x = grad_y (x - target) / max(x (1 - x), 1e-12),
 * over n for the mean. torch.nn.BCELoss, which refuses x outside [0, 1]; here the loss is NaN.
 * SPDX-License-Identifier: Apache-2.0 */
#include "loss.h"

static real clamped(real logarithm)
{
    return logarithm < -100 ? -100 : logarithm;
}

static real loss(real x, real target)
{
    return -(target * clamped(log(x)) + (1 - target) * clamped(log1p(-x)));
}

static real slope(real x, real target)
{
    const real variance = x * (1 - x), least = (real)1e-12f;
    return (x - target) / (variance < least ? least : variance);
}

static void forward(const km_args *args)
{
    loss_forward(args, loss);
}

static void backward(const km_args *args)
{
    loss_backward(args, slope);
}

/* One more than the terms: where x is near 1, its logarithm is one of a rounded 1 - x, or 0. */
static double magnitude(double x, double target)
{
    const double a = fmax(log(x), -100), b = fmax(log1p(-x), -100);
    return 1 + fabs(target * a) + fabs((1 - target) * b);
}

static double slope_magnitude(double x, double target)
{
    return fabs((x - target) / fmax(x * (1 - x), 1e-12));
}

static void sum_scale(const km_args *oracle, km_slot slot, double *s)
{
    if (slot == KM_Y)
        loss_scale(oracle, magnitude, s);
    else
        loss_slope_scale(oracle, slope_magnitude, s);
}

const km_op KM_OP(binary_cross_entropy) = {
    .name = "binary_cross_entropy",
    .summary = "negative log likelihood of probabilities",
    LOSS_CASES,
    .sum_scale = sum_scale,
    .passes = 2,
    .pass = {{.name = "forward",
              .formula = "y = mean of -(target log x + (1 - target) log(1 - x))",
              .use = {USE_UNIT_X, USE_TARGET, MAKE_LOSS},
              .flops_each = 44},
             {.name = "backward",
              .formula = "grad_x = grad_y (x - target) / max(x (1 - x), 1e-12) / n",
              .use = {USE_UNIT_X, USE_TARGET, USE_GRAD_Y, MAKE_GRAD_X},
              .flops_each = 5}},
};

const km_kernel KM_KERNELS(binary_cross_entropy)[] = {
    {.op = "binary_cross_entropy", .pass = "forward", .run = forward},
    {.op = "binary_cross_entropy", .pass = "backward", .run = backward},
    {0}};
