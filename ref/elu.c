/* elu: y = x > 0 ? x : a (e^x - 1) with a = alpha; grad_x = y > 0 ? grad_y : grad_y (y + a), from
 * the saved y, whose sign is that of x for a >= 0. Clevert, Unterthiner and Hochreiter, ICLR 2016
 * (arXiv 1511.07289); torch.nn.ELU.
 * SPDX-License-Identifier: Apache-2.0 */
#include "pointwise.h"

static void forward(const km_args *args)
{
    const real *x = in(args, KM_X), a = attr(args, KM_ALPHA);
    real *y = out(args, KM_Y);
    for (int64_t i = 0; i < args->slot[KM_X].count; i++)
        y[i] = x[i] > 0 ? x[i] : a * expm1(x[i]);
}

static void backward(const km_args *args)
{
    const real *y = in(args, KM_Y), *grad_y = in(args, KM_GRAD_Y), a = attr(args, KM_ALPHA);
    real *grad_x = out(args, KM_GRAD_X);
    for (int64_t i = 0; i < args->slot[KM_Y].count; i++)
        grad_x[i] = y[i] > 0 ? grad_y[i] : grad_y[i] * (y[i] + a);
}

static const char *const edge[] = {"n0",           "n1037",      "n67_alpha0.5",
                                   "n67_alpha2.5", "n67_alpha0", NULL};

const km_op KM_OP(elu) = {
    .name = "elu",
    .family = "activation",
    .summary = "exponential linear unit",
    POINTWISE_N,
    .edge = edge,
    .attrs = 1,
    .attr = {{KM_ALPHA, .fallback = 1, .min = 0, .max = 1e30}},
    .kink = {0},
    .kinks = 1,
    .passes = 2,
    .pass = {{.name = "forward",
              .formula = "y = x > 0 ? x : alpha (exp(x) - 1)",
              .use = {USE_X, MAKE_Y(BOUND_FORWARD(2))},
              .flops_each = 22},
             {.name = "backward",
              .formula = "grad_x = y > 0 ? grad_y : grad_y (y + alpha)",
              .use = {USE_Y, USE_GRAD_Y, MAKE_GRAD_X(BOUND_BACKWARD)},
              .flops_each = 4}},
};

const km_kernel KM_KERNELS(elu)[] = {{.op = "elu", .pass = "forward", .run = forward},
                                     {.op = "elu", .pass = "backward", .run = backward},
                                     {0}};
