/* hardswish: y = x clamp(x + 3, 0, 6) / 6; grad_x = grad_y times 0 for x <= -3, 1 for x >= 3 (both selected), and
 * (2 x + 3) / 6 between, so that the kinks at -3 and 3 take the outer values.
 * Howard et al., ICCV 2019 (arXiv 1905.02244); torch.nn.Hardswish.
 * SPDX-License-Identifier: Apache-2.0 */
#include "pointwise.h"

static real value(real x)
{
    if (x <= -3)
        return -(real)0;
    return x >= 3 ? x : x * (x + 3) / 6;
}

static void forward(const km_args *args)
{
    const real *x = in(args, KM_X);
    real *y = out(args, KM_Y);
    for (int64_t i = 0; i < args->slot[KM_X].count; i++)
        y[i] = value(x[i]);
}

static void backward(const km_args *args)
{
    const real *x = in(args, KM_X), *grad_y = in(args, KM_GRAD_Y);
    real *grad_x = out(args, KM_GRAD_X);
    for (int64_t i = 0; i < args->slot[KM_X].count; i++)
        grad_x[i] = x[i] <= -3 ? 0 : x[i] >= 3 ? grad_y[i] : grad_y[i] * ((2 * x[i] + 3) / 6);
}

const km_op KM_OP(hardswish) = {
    .name = "hardswish",
    .family = "activation",
    .summary = "piecewise quadratic approximation of silu",
    POINTWISE_N,
    .edge = pointwise_edge,
    .kink = {-3, 3},
    .kinks = 2,
    .passes = 2,
    .pass = {{.name = "forward",
              .formula = "y = x clamp(x + 3, 0, 6) / 6",
              .use = {USE_X, MAKE_Y(BOUND_FORWARD(4))},
              .flops_each = 6},
             {.name = "backward",
              .formula = "grad_x = x <= -3 ? 0 : x >= 3 ? grad_y : grad_y (2 x + 3) / 6",
              .use = {USE_X, USE_GRAD_Y, MAKE_GRAD_X(BOUND_BACKWARD)},
              .flops_each = 6}},
};

const km_kernel KM_KERNELS(hardswish)[] = {{.op = "hardswish", .pass = "forward", .run = forward},
                                           {.op = "hardswish", .pass = "backward", .run = backward},
                                           {0}};
