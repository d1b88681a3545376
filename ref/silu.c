/* silu: y = x s with s = 1 / (1 + e^-x); grad_x = grad_y s (1 + x (1 - s)).
 * Elfwing, Uchibe and Doya, 2017 (arXiv 1702.03118); torch.nn.SiLU; oneDNN swish with alpha 1.
 * SPDX-License-Identifier: Apache-2.0 */
#include "pointwise.h"

static void forward(const km_args *args)
{
    const real *x = in(args, KM_X);
    real *y = out(args, KM_Y);
    for (int64_t i = 0; i < args->slot[KM_X].count; i++)
        y[i] = times_vanishing(x[i], sigmoid(x[i]));
}

/* s and 1 - s each vanish on one side, faster than x grows. */
static real derivative(real x)
{
    real s = sigmoid(x);
    return s + times_vanishing(x, s * sigmoid(-x));
}

static void backward(const km_args *args)
{
    const real *x = in(args, KM_X), *grad_y = in(args, KM_GRAD_Y);
    real *grad_x = out(args, KM_GRAD_X);
    for (int64_t i = 0; i < args->slot[KM_X].count; i++)
        grad_x[i] = grad_y[i] * derivative(x[i]);
}

const km_op KM_OP(silu) = {
    .name = "silu",
    .family = "activation",
    .summary = "sigmoid linear unit (swish)",
    POINTWISE_N,
    .edge = pointwise_edge,
    .passes = 2,
    .pass = {{.name = "forward",
              .formula = "y = x sigmoid(x)",
              .use = {USE_X, MAKE_Y(BOUND_FORWARD(2))},
              .flops_each = 27},
             {.name = "backward",
              .formula = "grad_x = grad_y s (1 + x (1 - s)), s = sigmoid(x)",
              .use = {USE_X, USE_GRAD_Y, MAKE_GRAD_X(BOUND_BACKWARD)},
              .flops_each = 29}},
};

const km_kernel KM_KERNELS(silu)[] = {{.op = "silu", .pass = "forward", .run = forward},
                                      {.op = "silu", .pass = "backward", .run = backward},
                                      {0}};
