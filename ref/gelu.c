/* gelu: y = x P(x) with P the normal distribution function (approximate=none), or
 * y = x / 2 (1 + tanh(u)), u = sqrt(2/pi) (x + 0.044715 x^3) (approximate=tanh);
 * grad_x = grad_y (P + x P'). Written with erfc and e^-2|u|, because 1 + erf and 1 + tanh lose
 * every digit in the negative tail. Hendrycks and Gimpel, 2016 (arXiv 1606.08415); torch.nn.GELU.
 * SPDX-License-Identifier: Apache-2.0 */
#include "pointwise.h"

enum { ERF, TANH };

/* P, and its derivative by x. */
static real erf_form(real x, real *slope)
{
    const real sqrt_half = (real)0.70710678118654752440,
               inv_sqrt_2pi = (real)0.39894228040143267794;
    *slope = inv_sqrt_2pi * exp(-x * x / 2);
    return erfc(-x * sqrt_half) / 2;
}

static real tanh_form(real x, real *slope)
{
    const real k = (real)0.79788456080286535588, c = (real)0.044715;
    real twice_u = 2 * k * (x + c * x * x * x), p = sigmoid(twice_u);
    /* 2 u' = 2 k (1 + 3 c x^2) overflows long after p (1 - p) has vanished */
    *slope = times_vanishing(2 * k * (1 + 3 * c * x * x), p * sigmoid(-twice_u));
    return p;
}

static void forward(const km_args *args)
{
    const real *x = in(args, KM_X);
    real *y = out(args, KM_Y), slope;
    int form = (int)args->params->attr[KM_APPROXIMATE];
    for (int64_t i = 0; i < args->slot[KM_X].count; i++)
        y[i] =
            times_vanishing(x[i], form == TANH ? tanh_form(x[i], &slope) : erf_form(x[i], &slope));
}

static void backward(const km_args *args)
{
    const real *x = in(args, KM_X), *grad_y = in(args, KM_GRAD_Y);
    real *grad_x = out(args, KM_GRAD_X), slope;
    int form = (int)args->params->attr[KM_APPROXIMATE];
    for (int64_t i = 0; i < args->slot[KM_X].count; i++) {
        real p = form == TANH ? tanh_form(x[i], &slope) : erf_form(x[i], &slope);
        grad_x[i] = grad_y[i] * (p + times_vanishing(x[i], slope));
    }
}

/* The gate leaves room for the erf of oneDNN 3.7, which errs by 1.1e-6 around x = -3.5. */
#define BOUND .gate = MIXED(1e-5, 1.2e-6), .target = ULP(4)

static const char *const forms[] = {"none", "tanh", NULL};
static const char *const quick[] = {"n4096",
                                    "n65536",
                                    "n1048576",
                                    "n4096_approximate=tanh",
                                    "n65536_approximate=tanh",
                                    "n1048576_approximate=tanh",
                                    NULL};
static const char *const full[] = {"n1000", "n16777216", "n1000_approximate=tanh",
                                   "n16777216_approximate=tanh", NULL};
static const char *const edge[] = {"n0", "n1037", "n0_approximate=tanh", "n1037_approximate=tanh",
                                   NULL};

const km_op KM_OP(gelu) = {
    .name = "gelu",
    .family = "activation",
    .summary = "Gaussian error linear unit, exact or by tanh",
    .dims = 1,
    .dim = {{KM_DIM_N, .min = 0, .fallback = -1}},
    .shape = pointwise_shape,
    .quick = quick,
    .full = full,
    .edge = edge,
    .attrs = 1,
    .attr = {{KM_APPROXIMATE, .fallback = ERF, .min = 0, .max = 1, .integer = 1, .choices = forms}},
    .passes = 2,
    .pass = {{.name = "forward",
              .formula = "y = x P(x), P(x) = (1 + erf(x / sqrt 2)) / 2, or its tanh approximation",
              .use = {USE_X, MAKE_Y(BOUND)},
              .flops_each = 42},
             {.name = "backward",
              .formula = "grad_x = grad_y (P(x) + x P'(x))",
              .use = {USE_X, USE_GRAD_Y, MAKE_GRAD_X(BOUND_BACKWARD)},
              .flops_each = 36}},
};

const km_kernel KM_KERNELS(gelu)[] = {{.op = "gelu", .pass = "forward", .run = forward},
                                      {.op = "gelu", .pass = "backward", .run = backward},
                                      {0}};
