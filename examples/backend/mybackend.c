/* mybackend.c: a kernelmark backend outside the tree, in one file.
 *
 * Replace the loops by the code you want judged: an assembly routine, a library call, another
 * language. Nothing else of kernelmark is needed than this header.
 * SPDX-License-Identifier: Apache-2.0 */
#include <kernelmark.h>

#include <math.h>
#include <stddef.h>

/* ---- relu: the input tells the branch; NaN must come out as NaN ----------------------------- */

static void relu_forward(const km_args *args)
{
    const float *x = args->slot[KM_X].data;
    float *y = args->slot[KM_Y].data;
    for (int64_t i = 0; i < args->slot[KM_X].count; i++)
        y[i] = x[i] < 0 ? 0 : x[i];
}

static void relu_backward(const km_args *args)
{
    const float *x = args->slot[KM_X].data, *grad_y = args->slot[KM_GRAD_Y].data;
    float *grad_x = args->slot[KM_GRAD_X].data;
    for (int64_t i = 0; i < args->slot[KM_X].count; i++)
        grad_x[i] = x[i] > 0 ? grad_y[i] : 0;
}

/* ---- silu: y = x s(x) with s(x) = 1 / (1 + exp(-x)) ------------------------------------------ */

static float logistic(float x)
{
    const float e = expf(-fabsf(x)); /* in (0, 1]: cannot overflow */
    return x < 0 ? e / (1 + e) : 1 / (1 + e);
}

static void silu_forward(const km_args *args)
{
    const float *x = args->slot[KM_X].data;
    float *y = args->slot[KM_Y].data;
    for (int64_t i = 0; i < args->slot[KM_X].count; i++)
        y[i] = x[i] == -INFINITY ? -0.0f : x[i] * logistic(x[i]);
}

/* x s(-x) is x / (1 + exp(x)): it vanishes at both ends, where the product would be NaN. */
static void silu_backward(const km_args *args)
{
    const float *x = args->slot[KM_X].data, *grad_y = args->slot[KM_GRAD_Y].data;
    float *grad_x = args->slot[KM_GRAD_X].data;
    for (int64_t i = 0; i < args->slot[KM_X].count; i++) {
        const float s = logistic(x[i]), rest = isinf(x[i]) ? 0 : x[i] * logistic(-x[i]);
        grad_x[i] = grad_y[i] * s * (1 + rest);
    }
}

/* ---- what is offered ------------------------------------------------------------------------ */

/* Each list ends with an empty kernel, the list of lists with NULL. */
static const km_kernel relu[] = {
    {.op = "relu", .pass = "forward", .run = relu_forward},
    {.op = "relu", .pass = "backward", .run = relu_backward},
    {.op = NULL},
};
static const km_kernel silu[] = {
    {.op = "silu", .pass = "forward", .run = silu_forward},
    {.op = "silu", .pass = "backward", .run = silu_backward},
    {.op = NULL},
};
static const km_kernel *const kernels[] = {relu, silu, NULL};

static const km_backend mybackend = {
    .abi = KM_ABI,
    .flags = KM_HOLDS_EDGES | KM_SAME_BITS, /* claims that verify will hold it to */
    .name = "mybackend",
    .summary = "plain C loops, as an example",
    .kernels = kernels,
};

const km_backend *kernelmark_backend(void)
{
    return &mybackend;
}
