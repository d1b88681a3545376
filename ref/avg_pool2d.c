/* avg_pool2d: y[p, q] = sum of x over the window [p, q] / divisor; the divisor is the window's size,
 * with the padding (count_include_pad, as far as the padding reaches) or without, or
 * divisor_override. grad_x[h, w] = sum of grad_y / divisor over the windows that hold [h, w].
 * torch.nn.AvgPool2d. SPDX-License-Identifier: Apache-2.0 */
#include "models.h"
#include "pool.h"

static void forward(const km_args *args)
{
    average(args, sliding);
}

static void backward(const km_args *args)
{
    average_backward(args, sliding);
}

/* y: the elements of a window; grad_x: the windows that hold an element; and the division. */
static int64_t terms(const km_case *c, km_slot slot)
{
    int64_t count = 1;
    for (int i = 0; i < 2; i++) {
        const axis a = axis_of(c, i);
        count *= slot == KM_Y ? a.kernel : (a.kernel + a.stride - 1) / a.stride;
    }
    return count + 1;
}

static void sum_scale(const km_args *oracle, km_slot slot, double *s)
{
    average_scale(oracle, slot, s, sliding);
}

static const char *const quick[] = {"n2c64h56w56r2s2_stride2", "n1c64h56w56r3s3_stride2_pad1",
                                    "n4c3h224w224r2s2_stride2", "n32c16h10w10r2s2_stride2 @lenet5",
                                    NULL};
/* VGG-16's sizes at batch 1 and 8, LeNet-5's at 32, three channels, odd ones */
static const char *const full[] = {"n1c64h224w224r2s2_stride2",
                                   "n8c128h112w112r2s2_stride2",
                                   "n8c64h56w56r2s2_stride2",
                                   "n1c512h14w14r2s2_stride2",
                                   "n8c512h14w14r2s2_stride2",
                                   LENET5("c6h28w28r2s2_stride2"),
                                   LENET5("c16h10w10r2s2_stride2"),
                                   "n8c3h224w224r3s3_stride2_pad1",
                                   "n1c64h112w112r3s3_stride2_pad1",
                                   "n1c64h28w28r3s3_pad1",
                                   "n1c64h28w28r3s3_pad1_count_include_pad0",
                                   "n8c17h33w33r3s3_stride2_pad1",
                                   "n1c32h56w56r5s5_stride3_pad2",
                                   "n8c512h7w7r7s7",
                                   NULL};
static const char *const edge[] = {"n0c3h5w7r2s2_stride2",
                                   "n2c0h3w3r2s2",
                                   "n1c1h1w1r1s1",
                                   "n2c3h7w9r2s3_stride2x1_pad1x0",
                                   "n1c2h7w8r3s3_stride2_pad1_ceil_mode1",
                                   "n1c2h7w8r3s3_stride2_pad1_ceil_mode1_count_include_pad0",
                                   "n1c3h9w10r2s2_stride3_ceil_mode1_divisor_override3",
                                   "n1c3h19w37r3s3_pad1_count_include_pad0",
                                   "n1c17h5w4r5s4_pad2_divisor_override7",
                                   "n1c2h6w70r1s7_stride1x3_pad0x3",
                                   "n1c1h67w3r7s1_stride3x2_pad3x0",
                                   "n1c2h9w41r2s4_stride3x6",
                                   NULL};

const km_op KM_OP(avg_pool2d) = {
    .name = "avg_pool2d",
    .family = "pooling",
    .summary = "average of each window",
    POOL_SIZES,
    .attrs = 5,
    .attr = {POOL_PAIR(STRIDE, 1, 1),
             POOL_PAIR(PAD, 0, 0),
             POOL_SWITCH(CEIL_MODE, 0),
             POOL_SWITCH(COUNT_INCLUDE_PAD, 1),
             {KM_DIVISOR_OVERRIDE, .fallback = 0, .min = -(1 << 24), .max = 1 << 24, .integer = 1}},
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
              .formula = "y = sum of x over the window / divisor",
              .use = {USE_X, {KM_Y, KM_WRITE, BOUND_SUM}},
              .flops_each = 1},
             {.name = "backward",
              .formula = "grad_x = sum of grad_y / divisor over the windows that hold it",
              .use = {USE_GRAD_Y, {KM_GRAD_X, KM_WRITE, BOUND_SUM}},
              .flops_each = 1}},
};

const km_kernel KM_KERNELS(avg_pool2d)[] = {
    {.op = "avg_pool2d", .pass = "forward", .run = forward},
    {.op = "avg_pool2d", .pass = "backward", .run = backward},
    {0}};
