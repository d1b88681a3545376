/* elu.c: y = x > 0 ? x : alpha expm1(x); grad_x = y > 0 ? g : g (y + alpha).
 *
 * Largest forward error found: 0.94 ULP for alpha = 1, at -0x1.87f5dep-2.
 * SPDX-License-Identifier: Apache-2.0 */
#include "pointwise.h"
#include "vmath.h"

/* x < 0 and not x > 0, so that -0 and NaN pass through. */
KM_INLINE vf elu(vf x, vf unused, const vf *alpha)
{
    (void)unused;
    return v_select(v_lt(x, v_set(0)), v_expm1_negative(x, *alpha), x);
}

/* y + alpha cancels near -alpha, where the bits that alpha loses as a float would show. */
KM_INLINE vf gradient(vf y, vf g, const vf *alpha)
{
    return v_select(v_gt(y, v_set(0)), g, v_mul(g, v_add(v_add(y, alpha[0]), alpha[1])));
}

static void forward(const km_args *args)
{
    const vf alpha = v_set((float)args->params->attr[KM_ALPHA]);
    km_forward(args, elu, &alpha);
}

static void backward(const km_args *args)
{
    const double a = args->params->attr[KM_ALPHA];
    const vf alpha[] = {v_set((float)a), v_set((float)(a - (float)a))};
    km_backward(args, KM_Y, gradient, alpha);
}

extern const km_kernel KM_KERNELS(elu)[];
const km_kernel KM_KERNELS(elu)[] = {
    {.op = "elu", .pass = "forward", .run = forward},
    {.op = "elu", .pass = "backward", .run = backward},
    {0},
};
