/* relu.c: y = max(0, x); grad_x = x > 0 ? g : 0.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "pointwise.h"

KM_INLINE vf rectify(vf x, vf unused, const vf *k)
{
    (void)unused;
    (void)k;
    return v_max(v_set(0), x);
}

KM_INLINE vf gradient(vf x, vf g, const vf *k)
{
    (void)k;
    return v_select(v_gt(x, v_set(0)), g, v_set(0));
}

static void forward(const km_args *args)
{
    km_forward(args, rectify, 0);
}

static void backward(const km_args *args)
{
    km_backward(args, KM_X, gradient, 0);
}

extern const km_kernel KM_KERNELS(relu)[];
const km_kernel KM_KERNELS(relu)[] = {
    {.op = "relu", .pass = "forward", .run = forward},
    {.op = "relu", .pass = "backward", .run = backward},
    {0},
};
