/* adaptive_avg_pool2d: y[i, j] = average of x over rows floor(i h / p) to ceil((i + 1) h / p) and
 * columns floor(j w / q) to ceil((j + 1) w / q); [1, 1] is the global average. grad_x = sum of
 * grad_y / size over the windows that hold it. torch.nn.AdaptiveAvgPool2d.
 * SPDX-License-Identifier: Apache-2.0 */
#include "models.h"
#include "pool.h"

static void forward(const km_args *args)
{
    average(args, adaptive);
}

static void backward(const km_args *args)
{
    average_backward(args, adaptive);
}

static int64_t ceil_div(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

/* y: at most so many rows times columns of a window; grad_x: so many windows of an element; and the
 * division. */
static int64_t terms(const km_case *c, km_slot slot)
{
    int64_t count = 1;
    for (int i = 0; i < 2; i++) {
        const axis a = axis_of(c, i);
        if (a.out > 0)
            count *= (slot == KM_Y ? ceil_div(a.in, a.out) : ceil_div(a.out, a.in)) + 1;
    }
    return count + 1;
}

static void sum_scale(const km_args *oracle, km_slot slot, double *s)
{
    average_scale(oracle, slot, s, adaptive);
}

/* An output may be larger than the input: windows then repeat elements. */
static const char *check(const km_case *c)
{
    const int64_t *d = c->dim;
    return d[KM_DIM_P] > 1 << 20 || d[KM_DIM_Q] > 1 << 20 ? "p and q must be at most 1048576"
                                                          : NULL;
}

static const char *const quick[] = {"n1c2048h7w7p1q1 @resnet50", "n1c1280h7w7p1q1 @mobilenet_v2",
                                    "n1c256h14w14p7q7", "n1c512h10w13p4q5", NULL};
/* ResNet-50 and MobileNetV2 at batch 1 and 8, VGG-16's 7x7 */
static const char *const full[] = {RESNET50("c2048h7w7p1q1"),
                                   MOBILENET_V2("c1280h7w7p1q1"),
                                   VGG16("c512h7w7p7q7"),
                                   "n8c512h14w14p1q1",
                                   "n8c256h14w14p7q7",
                                   "n1c64h56w56p1q1",
                                   "n8c64h56w56p7q7",
                                   "n1c3h224w224p1q1",
                                   NULL};
static const char *const edge[] = {"n0c3h5w7p2q2",  "n2c0h3w3p2q2",    "n1c1h1w1p1q1",
                                   "n1c2h10w7p4q3", "n1c3h5w5p5q5",    "n1c2h3w4p7q9",
                                   "n1c2h6w8p0q3",  "n2c17h1w67p1q13", "n1c5h9w40p1q1",
                                   "n1c35h7w7p1q1", "n1c2h12w36p3q18", NULL};

const km_op KM_OP(adaptive_avg_pool2d) = {
    .name = "adaptive_avg_pool2d",
    .family = "pooling",
    .summary = "averages on a grid of given size",
    .dims = 6,
    .dim = {POOL_NCHW, {KM_DIM_P, .min = 0, .fallback = 1}, {KM_DIM_Q, .min = 0, .fallback = 1}},
    .check = check,
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
              .formula = "y = average of x over the window",
              .use = {USE_X, {KM_Y, KM_WRITE, BOUND_SUM}},
              .flops_each = 1},
             {.name = "backward",
              .formula = "grad_x = sum of grad_y / size over the windows that hold it",
              .use = {USE_GRAD_Y, {KM_GRAD_X, KM_WRITE, BOUND_SUM}},
              .flops_each = 1}},
};

const km_kernel KM_KERNELS(adaptive_avg_pool2d)[] = {
    {.op = "adaptive_avg_pool2d", .pass = "forward", .run = forward},
    {.op = "adaptive_avg_pool2d", .pass = "backward", .run = backward},
    {0}};
