/* leaky_relu.c: y = x > 0 ? x : s x; grad_x = x > 0 ? g : s g, s = negative_slope.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "pointwise.h"

KM_INLINE vf leaky(vf x, vf unused, const vf *slope)
{
    (void)unused;
    return v_select(v_gt(x, v_set(0)), x, v_mul(*slope, x));
}

KM_INLINE vf gradient(vf x, vf g, const vf *slope)
{
    return v_select(v_gt(x, v_set(0)), g, v_mul(*slope, g));
}

static void forward(const km_args *args)
{
    const vf slope = v_set((float)args->params->attr[KM_NEGATIVE_SLOPE]);
    km_forward(args, leaky, &slope);
}

static void backward(const km_args *args)
{
    const vf slope = v_set((float)args->params->attr[KM_NEGATIVE_SLOPE]);
    km_backward(args, KM_X, gradient, &slope);
}

extern const km_kernel KM_KERNELS(leaky_relu)[];
const km_kernel KM_KERNELS(leaky_relu)[] = {
    {.op = "leaky_relu", .pass = "forward", .run = forward},
    {.op = "leaky_relu", .pass = "backward", .run = backward},
    {0},
};
