/* tanh: y = tanh x; grad_x = grad_y (1 - y^2), from the saved y.
 * torch.nn.Tanh.
 * SPDX-License-Identifier: Apache-2.0 */
#include "pointwise.h"

static void forward(const km_args *args)
{
    const real *x = in(args, KM_X);
    real *y = out(args, KM_Y);
    for (int64_t i = 0; i < args->slot[KM_X].count; i++)
        y[i] = tanh(x[i]);
}

static void backward(const km_args *args)
{
    const real *y = in(args, KM_Y), *grad_y = in(args, KM_GRAD_Y);
    real *grad_x = out(args, KM_GRAD_X);
    for (int64_t i = 0; i < args->slot[KM_Y].count; i++)
        grad_x[i] = grad_y[i] * ((1 - y[i]) * (1 + y[i]));
}

const km_op KM_OP(tanh) = {
    .name = "tanh",
    .family = "activation",
    .summary = "hyperbolic tangent",
    POINTWISE_N,
    .edge = pointwise_edge,
    .passes = 2,
    .pass = {{.name = "forward",
              .formula = "y = tanh(x)",
              .use = {USE_X, MAKE_Y(BOUND_FORWARD(2))},
              .flops_each = 24},
             {.name = "backward",
              .formula = "grad_x = grad_y (1 - y^2)",
              .use = {USE_Y, USE_GRAD_Y, MAKE_GRAD_X(BOUND_BACKWARD)},
              .flops_each = 3}},
};

const km_kernel KM_KERNELS(tanh)[] = {{.op = "tanh", .pass = "forward", .run = forward},
                                      {.op = "tanh", .pass = "backward", .run = backward},
                                      {0}};
