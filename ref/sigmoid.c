/* sigmoid: y = 1 / (1 + e^-x); grad_x = grad_y y (1 - y), from the saved y.
 * torch.nn.Sigmoid; oneDNN logistic.
 * SPDX-License-Identifier: Apache-2.0 */
#include "pointwise.h"

static void forward(const km_args *args)
{
    const real *x = in(args, KM_X);
    real *y = out(args, KM_Y);
    for (int64_t i = 0; i < args->slot[KM_X].count; i++)
        y[i] = sigmoid(x[i]);
}

static void backward(const km_args *args)
{
    const real *y = in(args, KM_Y), *grad_y = in(args, KM_GRAD_Y);
    real *grad_x = out(args, KM_GRAD_X);
    for (int64_t i = 0; i < args->slot[KM_Y].count; i++)
        grad_x[i] = grad_y[i] * (y[i] * (1 - y[i]));
}

const km_op KM_OP(sigmoid) = {
    .name = "sigmoid",
    .family = "activation",
    .summary = "logistic function",
    POINTWISE_N,
    .edge = pointwise_edge,
    .passes = 2,
    .pass = {{.name = "forward",
              .formula = "y = 1 / (1 + exp(-x))",
              .use = {USE_X, MAKE_Y(BOUND_FORWARD(2))},
              .flops_each = 24},
             {.name = "backward",
              .formula = "grad_x = grad_y y (1 - y)",
              .use = {USE_Y, USE_GRAD_Y, MAKE_GRAD_X(BOUND_BACKWARD)},
              .flops_each = 3}},
};

const km_kernel KM_KERNELS(sigmoid)[] = {{.op = "sigmoid", .pass = "forward", .run = forward},
                                         {.op = "sigmoid", .pass = "backward", .run = backward},
                                         {0}};
