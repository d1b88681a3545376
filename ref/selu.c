/* selu: y = l x for x > 0, l a (e^x - 1) otherwise, with l = scale and a = alpha; grad_x = l grad_y
 * or grad_y (y + l a), from the saved y. Klambauer et al., NIPS 2017 (arXiv 1706.02515), whose
 * constants are the defaults: l = 1.0507009873554805, a = 1.6732632423543772; torch.nn.SELU.
 * SPDX-License-Identifier: Apache-2.0 */
#include "pointwise.h"

static void forward(const km_args *args)
{
    const real *x = in(args, KM_X), a = attr(args, KM_ALPHA), l = attr(args, KM_SCALE);
    real *y = out(args, KM_Y);
    for (int64_t i = 0; i < args->slot[KM_X].count; i++)
        y[i] = l * (x[i] > 0 ? x[i] : a * expm1(x[i]));
}

static void backward(const km_args *args)
{
    const real *y = in(args, KM_Y), *grad_y = in(args, KM_GRAD_Y);
    const real a = attr(args, KM_ALPHA), l = attr(args, KM_SCALE);
    real *grad_x = out(args, KM_GRAD_X);
    for (int64_t i = 0; i < args->slot[KM_Y].count; i++)
        grad_x[i] = grad_y[i] * (y[i] > 0 ? l : y[i] + l * a);
}

static const char *const edge[] = {"n0", "n1037", "n67_alpha0.5_scale2", NULL};

const km_op KM_OP(selu) = {
    .name = "selu",
    .family = "activation",
    .summary = "scaled exponential linear unit",
    POINTWISE_N,
    .edge = edge,
    .attrs = 2,
    .attr = {{KM_ALPHA, .fallback = 1.6732632423543772, .min = 1e-30, .max = 1e30},
             {KM_SCALE, .fallback = 1.0507009873554805, .min = 1e-30, .max = 1e30}},
    .kink = {0},
    .kinks = 1,
    .passes = 2,
    .pass = {{.name = "forward",
              .formula = "y = scale (x > 0 ? x : alpha (exp(x) - 1))",
              .use = {USE_X, MAKE_Y(BOUND_FORWARD(2))},
              .flops_each = 23},
             {.name = "backward",
              .formula = "grad_x = grad_y (y > 0 ? scale : y + scale alpha)",
              .use = {USE_Y, USE_GRAD_Y, MAKE_GRAD_X(BOUND_BACKWARD)},
              .flops_each = 4}},
};

const km_kernel KM_KERNELS(selu)[] = {{.op = "selu", .pass = "forward", .run = forward},
                                      {.op = "selu", .pass = "backward", .run = backward},
                                      {0}};
