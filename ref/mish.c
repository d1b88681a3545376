/* mish: y = x t with t = tanh(softplus(x)); grad_x = grad_y (t + x (1 - t^2) sigmoid(x)).
 * With e = e^x, t = e (e + 2) / (e (e + 2) + 2), which neither overflows nor cancels for x <= 0;
 * for x > 0 the same with e = e^-x. Misra, BMVC 2020 (arXiv 1908.08681); torch.nn.Mish.
 * SPDX-License-Identifier: Apache-2.0 */
#include "pointwise.h"

/* t, and u = 1 - t without cancellation. */
static real tanh_softplus(real x, real *u)
{
    real e = exp(-fabs(x));
    real big = x < 0 ? e * (e + 2) : 1 + 2 * e, small = x < 0 ? 2 : 2 * e * e;
    *u = small / (big + small);
    return big / (big + small);
}

static void forward(const km_args *args)
{
    const real *x = in(args, KM_X);
    real *y = out(args, KM_Y), u;
    for (int64_t i = 0; i < args->slot[KM_X].count; i++)
        y[i] = times_vanishing(x[i], tanh_softplus(x[i], &u));
}

static void backward(const km_args *args)
{
    const real *x = in(args, KM_X), *grad_y = in(args, KM_GRAD_Y);
    real *grad_x = out(args, KM_GRAD_X);
    for (int64_t i = 0; i < args->slot[KM_X].count; i++) {
        real u, t = tanh_softplus(x[i], &u);
        grad_x[i] = grad_y[i] * (t + times_vanishing(x[i], u * (1 + t) * sigmoid(x[i])));
    }
}

const km_op KM_OP(mish) = {
    .name = "mish",
    .family = "activation",
    .summary = "x tanh(softplus(x))",
    POINTWISE_N,
    .edge = pointwise_edge,
    .passes = 2,
    .pass = {{.name = "forward",
              .formula = "y = x tanh(log(1 + exp(x)))",
              .use = {USE_X, MAKE_Y(BOUND_FORWARD(4))},
              .flops_each = 33},
             {.name = "backward",
              .formula = "grad_x = grad_y (t + x (1 - t^2) sigmoid(x)), t = tanh(log(1 + exp(x)))",
              .use = {USE_X, USE_GRAD_Y, MAKE_GRAD_X(BOUND_BACKWARD)},
              .flops_each = 35}},
};

const km_kernel KM_KERNELS(mish)[] = {{.op = "mish", .pass = "forward", .run = forward},
                                      {.op = "mish", .pass = "backward", .run = backward},
                                      {0}};
