/* leaky_relu: y = x > 0 ? x : s x with s = negative_slope; grad_x = x > 0 ? grad_y : s grad_y.
 * Maas, Hannun and Ng, ICML 2013; torch.nn.LeakyReLU.
 * SPDX-License-Identifier: Apache-2.0 */
#include "pointwise.h"

static void forward(const km_args *args)
{
    const real *x = in(args, KM_X), s = attr(args, KM_NEGATIVE_SLOPE);
    real *y = out(args, KM_Y);
    for (int64_t i = 0; i < args->slot[KM_X].count; i++)
        y[i] = x[i] > 0 ? x[i] : s * x[i];
}

static void backward(const km_args *args)
{
    const real *x = in(args, KM_X), *grad_y = in(args, KM_GRAD_Y),
               s = attr(args, KM_NEGATIVE_SLOPE);
    real *grad_x = out(args, KM_GRAD_X);
    for (int64_t i = 0; i < args->slot[KM_X].count; i++)
        grad_x[i] = x[i] > 0 ? grad_y[i] : s * grad_y[i];
}

static const char *const edge[] = {
    "n0", "n1037", "n67_negative_slope0.5", "n67_negative_slope-0.25", "n67_negative_slope0", NULL};

const km_op KM_OP(leaky_relu) = {
    .name = "leaky_relu",
    .family = "activation",
    .summary = "rectified linear unit with a slope for negative inputs",
    POINTWISE_N,
    .edge = edge,
    .attrs = 1,
    .attr = {{KM_NEGATIVE_SLOPE, .fallback = 0.01}},
    .kink = {0},
    .kinks = 1,
    .passes = 2,
    .pass = {{.name = "forward",
              .formula = "y = x > 0 ? x : negative_slope x",
              .use = {USE_X, MAKE_Y(BOUND_ULP(1))},
              .flops_each = 2},
             {.name = "backward",
              .formula = "grad_x = x > 0 ? grad_y : negative_slope grad_y",
              .use = {USE_X, USE_GRAD_Y, MAKE_GRAD_X(BOUND_ULP(1))},
              .flops_each = 2}},
};

const km_kernel KM_KERNELS(leaky_relu)[] = {
    {.op = "leaky_relu", .pass = "forward", .run = forward},
    {.op = "leaky_relu", .pass = "backward", .run = backward},
    {0}};
