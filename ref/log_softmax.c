/* log_softmax: y_j = x_j - max - log(sum_k exp(x_k - max)) along the axis dim;
 * grad_x_j = grad_y_j - exp(y_j) sum_k grad_y_k. torch.nn.LogSoftmax. A row that holds NaN, +inf or
 * nothing but -inf is NaN.
 * SPDX-License-Identifier: Apache-2.0 */
#include "softmax.h"

static void forward_row(const km_args *args, int64_t start, int64_t n, int64_t stride)
{
    const real *x = in(args, KM_X) + start, max = largest(x, n, stride);
    real *y = out(args, KM_Y) + start;
    double sum = 0;
    for (int64_t j = 0; j < n; j++)
        sum += exp(x[j * stride] - max);
    for (int64_t j = 0; j < n; j++)
        y[j * stride] = x[j * stride] - max - (real)log(sum);
}

static void backward_row(const km_args *args, int64_t start, int64_t n, int64_t stride)
{
    const real *y = in(args, KM_Y) + start, *grad_y = in(args, KM_GRAD_Y) + start;
    real *grad_x = out(args, KM_GRAD_X) + start;
    double sum = 0;
    for (int64_t j = 0; j < n; j++)
        sum += grad_y[j * stride];
    for (int64_t j = 0; j < n; j++)
        grad_x[j * stride] = grad_y[j * stride] - exp(y[j * stride]) * (real)sum;
}

static void forward(const km_args *args)
{
    each_row(args, forward_row);
}

static void backward(const km_args *args)
{
    each_row(args, backward_row);
}

/* 1 + |y| + mean of |x - max|: the logarithm turns relative errors of the sum into absolute ones. */
static void forward_scale(const double *x, const double *y, double *s, int64_t n, int64_t stride)
{
    const spread r = spread_of(x, n, stride);
    for (int64_t j = 0; j < n * stride; j += stride)
        s[j] = 1 + fabs(y[j]) + r.distance;
}

/* |grad_y| + exp(y) (1 + |y|) sum |grad_y| */
static void backward_scale(const double *y, const double *grad_y, double *s, int64_t n,
                           int64_t stride)
{
    double sum = 0;
    for (int64_t j = 0; j < n * stride; j += stride)
        sum += fabs(grad_y[j]);
    for (int64_t j = 0; j < n * stride; j += stride) {
        const double p = exp(y[j]);
        s[j] = fabs(grad_y[j]) + (p == 0 ? 0 : p * (1 + fabs(y[j])) * sum);
    }
}

static void sum_scale(const km_args *oracle, km_slot slot, double *s)
{
    const axes a = softmax_axes(oracle->params);
    const double *x = oracle->slot[KM_X].data, *y = oracle->slot[KM_Y].data;
    const double *grad_y = oracle->slot[KM_GRAD_Y].data;
    for (int64_t o = 0; o < a.outer; o++)
        for (int64_t i = 0; i < a.inner; i++) {
            const int64_t at = o * a.axis * a.inner + i;
            if (slot == KM_Y)
                forward_scale(x + at, y + at, s + at, a.axis, a.inner);
            else
                backward_scale(y + at, grad_y + at, s + at, a.axis, a.inner);
        }
}

static int64_t terms(const km_case *c, km_slot slot)
{
    return softmax_axes(c).axis + (slot == KM_Y ? LOG_TERMS : 0);
}

const km_op KM_OP(log_softmax) = {
    .name = "log_softmax",
    .family = "softmax",
    .summary = "logarithm of softmax",
    SOFTMAX_CASES,
    .terms = terms,
    .sum_scale = sum_scale,
    .passes = 2,
    .pass = {{.name = "forward",
              .formula = "y = x - max - log sum exp(x - max) along dim",
              .use = {{KM_X, KM_READ, .fill = KM_FILL_WIDE},
                      {KM_Y, KM_WRITE, .in_place = 1, .in_place_of = KM_X, BOUND_LOG}},
              .flops_each = 22},
             {.name = "backward",
              .formula = "grad_x = grad_y - exp(y) sum grad_y along dim",
              .use = {{KM_Y, KM_READ, .fill = KM_FILL_SAVED},
                      {KM_GRAD_Y, KM_READ, .fill = KM_FILL_NORMAL},
                      {KM_GRAD_X, KM_WRITE, .in_place = 1, .in_place_of = KM_GRAD_Y, BOUND_SUM}},
              .flops_each = 21}},
};

const km_kernel KM_KERNELS(log_softmax)[] = {
    {.op = "log_softmax", .pass = "forward", .run = forward},
    {.op = "log_softmax", .pass = "backward", .run = backward},
    {0}};
