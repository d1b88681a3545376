/* mish.c: y = x w, w = tanh(softplus(x)); grad_x = g (w + x w').
 *
 * With e = e^x = m 2^n and q = e (e + 2): w = q/(q + 2), and
 * w + x w' = e ((e + 2)(q + 2) + 4 x (e + 1))/(q + 2)^2.
 * SPDX-License-Identifier: Apache-2.0 */
#include "pointwise.h"
#include "vmath.h"

/* As in silu.c: beyond these y is x or -0, and m is exactly 1 at the upper one. */
static const float LOW = -110, HIGH = 0x1.3687aap+4f;

KM_INLINE vf mish(vf x, vf unused, const vf *k)
{
    (void)unused;
    (void)k;
    const vf two = v_set(2);
    vf n;
    x = v_max(v_set(LOW), x);
    const vf m = v_exp_parts(v_min(v_set(HIGH), x), &n);
    const vf e = v_scale(m, n), e2 = v_add(e, two);
    return v_scale(v_mul(x, v_div(v_mul(m, e2), v_fma(e, e2, two))), n);
}

KM_INLINE vf gradient(vf x, vf g, const vf *k)
{
    (void)k;
    const vf two = v_set(2);
    vf n;
    x = v_min(v_set(20), v_max(v_set(LOW), x));
    const vf m = v_exp_parts(x, &n);
    const vf e = v_scale(m, n), e2 = v_add(e, two);
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
    km_backward(args, KM_X, gradient, 0);
}

extern const km_kernel KM_KERNELS(mish)[];
const km_kernel KM_KERNELS(mish)[] = {
    {.op = "mish", .pass = "forward", .run = forward},
    {.op = "mish", .pass = "backward", .run = backward},
    {0},
};
