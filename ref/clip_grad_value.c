/* clip_grad_value: y = grad, but no further from 0 than clip_value; NaN stays NaN. In place as
 * torch.nn.utils.clip_grad_value_ if y is grad.
 * SPDX-License-Identifier: Apache-2.0 */
#include "pointwise.h"

static const char *infer(const km_args *recorded, km_case *c)
{
    if (recorded->slot[KM_GRAD].ndim < 0)
        return "input 'grad' is not recorded";
    c->dim[KM_DIM_N] = recorded->slot[KM_GRAD].count;
    return NULL;
}

static void forward(const km_args *args)
{
    const real *grad = in(args, KM_GRAD), limit = attr(args, KM_CLIP_VALUE);
    real *y = out(args, KM_Y);
    for (int64_t i = 0; i < args->slot[KM_GRAD].count; i++)
        y[i] = grad[i] > limit ? limit : grad[i] < -limit ? -limit : grad[i];
}

static const char *const quick[] = {"n1000", "n65536", NULL};
static const char *const full[] = {"n1048576", "n16777216", NULL};
static const char *const edge[] = {"n0", "n1037_clip_value0", "n1037_clip_value2.5", NULL};

const km_op KM_OP(clip_grad_value) = {
    .name = "clip_grad_value",
    .family = "clipping",
    .summary = "gradients clamped element by element",
    .dims = 1,
    .dim = {{KM_DIM_N, .min = 0, .fallback = -1}},
    .attrs = 1,
    .attr = {{KM_CLIP_VALUE, .fallback = 1, .min = 0, .max = 0x1p127}},
    .shape = pointwise_shape,
    .infer = infer,
    .quick = quick,
    .full = full,
    .edge = edge,
    .passes = 1,
    .pass = {{.name = "forward",
              .formula = "y = min(max(grad, -clip_value), clip_value)",
              .use = {{KM_GRAD, KM_READ, .fill = KM_FILL_WIDE},
                      {KM_Y, KM_WRITE, .in_place = 1, .in_place_of = KM_GRAD, BOUND_EXACT}},
              .flops_each = 2}},
};

const km_kernel KM_KERNELS(clip_grad_value)[] = {
    {.op = "clip_grad_value", .pass = "forward", .run = forward}, {0}};
