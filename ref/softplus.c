/* softplus: y = log(1 + e^(b x)) / b with b = beta, and y = x where b x > threshold;
 * grad_x = grad_y sigmoid(b x), or grad_y there. torch.nn.Softplus; oneDNN soft_relu.
 * SPDX-License-Identifier: Apache-2.0 */
#include "pointwise.h"

static void forward(const km_args *args)
{
    const real *x = in(args, KM_X), b = attr(args, KM_BETA), threshold = attr(args, KM_THRESHOLD);
    real *y = out(args, KM_Y);
    for (int64_t i = 0; i < args->slot[KM_X].count; i++) {
        real z = b * x[i];
        y[i] = z > threshold ? x[i] : (log1p(exp(-fabs(z))) + (z > 0 ? z : 0)) / b;
    }
}

static void backward(const km_args *args)
{
    const real *x = in(args, KM_X), *grad_y = in(args, KM_GRAD_Y);
    const real b = attr(args, KM_BETA), threshold = attr(args, KM_THRESHOLD);
    real *grad_x = out(args, KM_GRAD_X);
    for (int64_t i = 0; i < args->slot[KM_X].count; i++)
        grad_x[i] = b * x[i] > threshold ? grad_y[i] : grad_y[i] * sigmoid(b * x[i]);
}

static int kinks_of(const km_case *c, double *kink)
{
    kink[0] = c->attr[KM_THRESHOLD] / c->attr[KM_BETA];
    return 1;
}

static const char *const edge[] = {"n0", "n1037", "n67_beta2_threshold5", "n67_beta0.5", NULL};

const km_op KM_OP(softplus) = {
    .name = "softplus",
    .family = "activation",
    .summary = "smooth approximation of relu",
    POINTWISE_N,
    .edge = edge,
    .attrs = 2,
    .attr = {{KM_BETA, .fallback = 1, .min = 1e-6, .max = 1e6},
             {KM_THRESHOLD, .fallback = 20, .min = -1e6, .max = 1e6}},
    .kinks_of = kinks_of,
    .passes = 2,
    .pass = {{.name = "forward",
              .formula = "y = beta x > threshold ? x : log(1 + exp(beta x)) / beta",
              .use = {USE_X, MAKE_Y(BOUND_FORWARD(2))},
              .flops_each = 40},
             {.name = "backward",
              .formula = "grad_x = beta x > threshold ? grad_y : grad_y sigmoid(beta x)",
              .use = {USE_X, USE_GRAD_Y, MAKE_GRAD_X(BOUND_BACKWARD)},
              .flops_each = 28}},
};

const km_kernel KM_KERNELS(softplus)[] = {{.op = "softplus", .pass = "forward", .run = forward},
                                          {.op = "softplus", .pass = "backward", .run = backward},
                                          {0}};
