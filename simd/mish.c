/* mish.c: y = x w, w = tanh(softplus(x)); grad_x = g (w + x w').
 *
 * With e = e^x = m 2^n and q = e (e + 2): w = q/(q + 2), and
 * w + x w' = e ((e + 2)(q + 2) + 4 x (e + 1))/(q + 2)^2.
 * Largest forward error found: 3.81 ULP, at -0x1.9f7286p+1.
 * SPDX-License-Identifier: Apache-2.0 */
#include "pointwise.h"
#include "vmath.h"

/* Above HIGH y rounds to x, and below LOW to -0. */
static const float LOW = -110, HIGH = 20;

KM_INLINE vf mish(vf x, vf unused, const vf *k)
{
    (void)unused;
    (void)k;
    const vf two = v_set(2);
    x = v_max(v_set(LOW), x);
    const v_power p = v_exp_parts(v_min(v_set(HIGH), x));
    const vf e = v_mul(v_mantissa(p), v_pow2_or_zero(p.t)), e2 = v_add(e, two);
    const vf xm = v_fma(v_mul(x, p.r), p.p, x);
    const vf y = v_scale(v_mul(xm, v_div(e2, v_fma(e, e2, two))), p.n);
    return v_select(v_gt(x, v_set(HIGH)), x, y);
}

KM_INLINE vf gradient(vf x, vf g, const vf *k)
{
    (void)k;
    const vf two = v_set(2);
    x = v_min(v_set(HIGH), v_max(v_set(LOW), x));
    const vf e = v_exp_or_zero(x), e2 = v_add(e, two);
    const vf q2 = v_fma(e, e2, two);
    const vf slope = v_mul(v_mul(v_set(4), x), v_add(e, v_set(1)));
    return v_mul(g, v_div(v_mul(e, v_fma(e2, q2, slope)), v_mul(q2, q2)));
}

static void forward(const km_args *args)
{
    km_forward(args, mish, 0);
}

static void backward(const km_args *args)
{
    km_backward_by(args, KM_X, gradient, 0, MAX_U);
}

extern const km_kernel KM_KERNELS(mish)[];
const km_kernel KM_KERNELS(mish)[] = {
    {.op = "mish", .pass = "forward", .run = forward},
    {.op = "mish", .pass = "backward", .run = backward},
    {0},
};
