/* relu: y = max(0, x); grad_x = grad_y where x > 0, else 0 (a selection: an infinite or NaN grad_y
 * does not pass where x <= 0). Nair and Hinton, ICML 2010; torch.nn.ReLU.
 * SPDX-License-Identifier: Apache-2.0 */
#include "pointwise.h"

static void forward(const km_args *args)
{
    const real *x = in(args, KM_X);
    real *y = out(args, KM_Y);
    for (int64_t i = 0; i < args->slot[KM_X].count; i++)
        y[i] = x[i] <= 0 ? 0 : x[i]; /* NaN compares false and stays */
}

static void backward(const km_args *args)
{
    const real *x = in(args, KM_X), *grad_y = in(args, KM_GRAD_Y);
    real *grad_x = out(args, KM_GRAD_X);
    for (int64_t i = 0; i < args->slot[KM_X].count; i++)
        grad_x[i] = x[i] > 0 ? grad_y[i] : 0;
}

const km_op KM_OP(relu) = {
    .name = "relu",
    .family = "activation",
    .summary = "rectified linear unit",
    POINTWISE_N,
    .edge = pointwise_edge,
    .kink = {0},
    .kinks = 1,
    .passes = 2,
    .pass = {{.name = "forward",
              .formula = "y = max(0, x)",
              .use = {USE_X, MAKE_Y(BOUND_EXACT)},
              .flops_each = 1},
             {.name = "backward",
              .formula = "grad_x = x > 0 ? grad_y : 0",
              .use = {USE_X, USE_GRAD_Y, MAKE_GRAD_X(BOUND_EXACT)},
              .flops_each = 1}},
};

const km_kernel KM_KERNELS(relu)[] = {{.op = "relu", .pass = "forward", .run = forward},
                                      {.op = "relu", .pass = "backward", .run = backward},
                                      {0}};
