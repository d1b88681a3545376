/* mse_loss: mean (sum, or each one) of (x - target)^2; grad_x = 2 (x - target) grad_y, over n for the
 * mean. torch.nn.MSELoss. The mean of no elements is NaN.
 * SPDX-License-Identifier: Apache-2.0 */
#include "loss.h"

static real loss(real x, real target)
{
    return (x - target) * (x - target);
}

static void forward(const km_args *args)
{
    loss_forward(args, loss);
}

static void backward(const km_args *args)
{
    const real *x = in(args, KM_X), *target = in(args, KM_TARGET);
    real *grad_x = out(args, KM_GRAD_X);
    for (int64_t i = 0; i < args->slot[KM_X].count; i++)
        grad_x[i] = 2 * loss_share(args, i) * (x[i] - target[i]);
}

static double magnitude(double x, double target)
{
    return (x - target) * (x - target);
}

static double slope_magnitude(double x, double target)
{
    return 2 * fabs(x - target);
}

static void sum_scale(const km_args *oracle, km_slot slot, double *s)
{
    if (slot == KM_Y)
        loss_scale(oracle, magnitude, s);
    else
        loss_slope_scale(oracle, slope_magnitude, s);
}

const km_op KM_OP(mse_loss) = {
    .name = "mse_loss",
    .summary = "squared distance from the target",
    LOSS_CASES,
    .sum_scale = sum_scale,
    .passes = 2,
    .pass = {{.name = "forward",
              .formula = "y = mean of (x - target)^2",
              .use = {USE_LOSS_X, USE_TARGET, MAKE_LOSS},
              .flops_each = 3},
             {.name = "backward",
              .formula = "grad_x = 2 (x - target) grad_y / n",
              .use = {USE_LOSS_X, USE_TARGET, USE_GRAD_Y, MAKE_GRAD_X},
              .flops_each = 2}},
};

const km_kernel KM_KERNELS(mse_loss)[] = {{.op = "mse_loss", .pass = "forward", .run = forward},
                                          {.op = "mse_loss", .pass = "backward", .run = backward},
                                          {0}};
