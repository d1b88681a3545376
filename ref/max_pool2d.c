/* max_pool2d: y[p, q] = the largest x of the window [p, q], indices its place h w + w in the plane;
 * the first of equals, and the first NaN before any number; padding is never chosen.
 * grad_x[h, w] = sum of grad_y over the windows that chose [h, w]. torch.nn.MaxPool2d.
 * SPDX-License-Identifier: Apache-2.0 */
#include "models.h"
#include "pool.h"

/* Whether v takes the place of the best so far. */
static int beats(real v, real best)
{
    return v > best || (isnan(v) && !isnan(best));
}

/* Element k of window i, or -1 if it is padding. */
static int64_t tap(const axis *a, int64_t i, int64_t k)
{
    const int64_t at = i * a->stride - a->pad + k * a->dilation;
    return at < a->in ? at : -1;
}

static int32_t largest(const real *x, const axis *rows, const axis *columns, int64_t p, int64_t q)
{
    int64_t best = -1;
    for (int64_t r = 0; r < rows->kernel; r++)
        for (int64_t s = 0; s < columns->kernel; s++) {
            const int64_t h = tap(rows, p, r), w = tap(columns, q, s);
            if (h >= 0 && w >= 0 && (best < 0 || beats(x[h * columns->in + w], x[best])))
                best = h * columns->in + w;
        }
    return (int32_t)best;
}

static void forward(const km_args *args)
{
    const axis rows = axis_of(args->params, 0), columns = axis_of(args->params, 1);
    const real *x = in(args, KM_X), *end = x + args->slot[KM_X].count;
    real *y = out(args, KM_Y);
    int32_t *indices = args->slot[KM_INDICES].data;
    for (; x < end; x += rows.in * columns.in)
        for (int64_t p = 0; p < rows.out; p++)
            for (int64_t q = 0; q < columns.out; q++) {
                *indices = largest(x, &rows, &columns, p, q);
                *y++ = x[*indices++];
            }
}

/* The windows [from, to) that may hold element i. */
static window windows_of(const axis *a, int64_t i)
{
    const int64_t reach = a->dilation * (a->kernel - 1);
    const int64_t first = -floor_div(reach - a->pad - i, a->stride);
    const int64_t last = floor_div(i + a->pad, a->stride);
    return (window){first < 0 ? 0 : first, last < a->out ? last + 1 : a->out, 0};
}

static void backward(const km_args *args)
{
    const axis rows = axis_of(args->params, 0), columns = axis_of(args->params, 1);
    const real *grad_y = in(args, KM_GRAD_Y);
    const int32_t *indices = args->slot[KM_INDICES].data;
    real *grad_x = out(args, KM_GRAD_X);
    const real *end = grad_x + args->slot[KM_GRAD_X].count;
    const int64_t outputs = rows.out * columns.out;
    for (; grad_x < end; grad_y += outputs, indices += outputs)
        for (int64_t h = 0; h < rows.in; h++) {
            const window v = windows_of(&rows, h);
            for (int64_t w = 0; w < columns.in; w++) {
                const window u = windows_of(&columns, w);
                double sum = 0;
                for (int64_t p = v.from; p < v.to; p++)
                    for (int64_t q = u.from; q < u.to; q++)
                        if (indices[p * columns.out + q] == h * columns.in + w)
                            sum += grad_y[p * columns.out + q];
                *grad_x++ = (real)sum;
            }
        }
}

/* An element lies in ceil(reach / stride) windows along each axis. */
static int64_t terms(const km_case *c, km_slot slot)
{
    int64_t count = 1;
    (void)slot;
    for (int i = 0; i < 2; i++) {
        const axis a = axis_of(c, i);
        count *= (a.dilation * (a.kernel - 1) + a.stride) / a.stride;
    }
    return count;
}

static void sum_scale(const km_args *oracle, km_slot slot, double *s)
{
    const km_tensor *g = &oracle->slot[KM_GRAD_Y];
    const int64_t planes = g->dim[0] * g->dim[1], outputs = g->dim[2] * g->dim[3];
    const double *grad_y = g->data;
    const int32_t *indices = oracle->slot[KM_INDICES].data;
    for (int64_t i = 0; i < oracle->slot[slot].count; i++)
        s[i] = 0;
    for (int64_t i = 0; i < g->count; i++)
        s[i / outputs * (oracle->slot[slot].count / planes) + indices[i]] += fabs(grad_y[i]);
}

static const char *const quick[] = {"n1c64h112w112r3s3_stride2_pad1 @resnet50",
                                    "n2c64h56w56r2s2_stride2",
                                    "n1c512h14w14r2s2_stride2 @vgg16",
                                    "n4c3h224w224r3s3_stride2_pad1",
                                    "n1c64h28w28r3s3_pad1",
                                    NULL};
/* ResNet-50 and VGG-16 at batch 1 and 8, LeNet-5 at 32, three channels, odd ones, dilation */
static const char *const full[] = {RESNET50("c64h112w112r3s3_stride2_pad1"),
                                   VGG16("c64h224w224r2s2_stride2"),
                                   VGG16("c128h112w112r2s2_stride2"),
                                   VGG16("c256h56w56r2s2_stride2"),
                                   VGG16("c512h28w28r2s2_stride2"),
                                   VGG16("c512h14w14r2s2_stride2"),
                                   LENET5("c6h28w28r2s2_stride2"),
                                   LENET5("c16h10w10r2s2_stride2"),
                                   "n8c3h224w224r2s2_stride2",
                                   "n8c17h33w33r3s3_stride2_pad1",
                                   "n1c64h55w55r3s3_stride2",
                                   "n1c32h56w56r5s5_stride3_pad2",
                                   "n1c32h56w56r3s3_pad1_dilation2",
                                   "n8c512h7w7r7s7",
                                   NULL};
static const char *const edge[] = {"n0c3h5w7r2s2_stride2",
                                   "n2c0h3w3r2s2",
                                   "n1c1h1w1r1s1",
                                   "n2c3h7w9r2s3_stride2x1_pad1x0",
                                   "n1c2h7w8r3s3_stride2_pad1_ceil_mode1",
                                   "n1c3h9w10r2s2_stride3_ceil_mode1",
                                   "n1c2h11w23r3s3_stride2_pad1_dilation2",
                                   "n1c2h11w40r3s2_stride1x5_pad1_dilation3x2",
                                   "n1c3h19w37r3s3_pad1",
                                   "n1c17h13w12r5s3_pad2x1_dilation2",
                                   "n1c17h5w4r5s4_pad2",
                                   "n1c2h6w70r1s7_stride1x3_pad0x3",
                                   "n1c1h67w3r7s1_stride3x2_pad3x0",
                                   NULL};

const km_op KM_OP(max_pool2d) = {
    .name = "max_pool2d",
    .family = "pooling",
    .summary = "largest element of each window",
    POOL_SIZES,
    .attrs = 4,
    .attr = {POOL_PAIR(STRIDE, 1, 1), POOL_PAIR(PAD, 0, 0), POOL_PAIR(DILATION, 1, 1),
             POOL_SWITCH(CEIL_MODE, 0)},
    .check = pool_check,
    .shape = pool_shape,
    .infer = pool_infer,
    .terms = terms,
    .sum_scale = sum_scale,
    .sweep = {KM_DIM_W, KM_DIM_C},
    .sweeps = 2,
    .quick = quick,
    .full = full,
    .edge = edge,
    .passes = 2,
    .pass = {{.name = "forward",
              .formula = "y = max of x over the window; indices: where it is",
              .use = {USE_X,
                      {KM_Y, KM_WRITE, BOUND_EXACT},
                      {KM_INDICES, KM_WRITE, BOUND_EXACT, .type = KM_INT32}},
              .flops_each = 1,
              .exact_on_integers = 1},
             {.name = "backward",
              .formula = "grad_x = sum of grad_y over the windows whose index it is",
              .use = {{KM_INDICES, KM_READ, .fill = KM_FILL_SAVED, .type = KM_INT32},
                      USE_GRAD_Y,
                      {KM_GRAD_X, KM_WRITE, .gate = {.kind = KM_SUM}, .target = EXACT}},
              .flops_each = 1,
              .exact_on_integers = 1}},
};

const km_kernel KM_KERNELS(max_pool2d)[] = {
    {.op = "max_pool2d", .pass = "forward", .run = forward},
    {.op = "max_pool2d", .pass = "backward", .run = backward},
    {0}};
