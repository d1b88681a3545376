/* silu.c: y = x s, s = 1/(1 + e^-x); grad_x = g s (1 + x (1 - s)).
 *
 * y = x/(1 + e^-x) with two roundings, of the sum and of the quotient.
 * grad_x = g e (1 + e + x)/(1 + e)^2, e = e^x.
 * Largest forward error found: 1.65 ULP, at -0x1.45682p+6.
 * SPDX-License-Identifier: Apache-2.0 */
#include "pointwise.h"
#include "vmath.h"

KM_INLINE vf silu(vf x, vf unused, const vf *k)
{
    (void)unused;
    (void)k;
    x = v_max(v_set(-110), x);
    return v_logistic(x, x);
}

KM_INLINE vf gradient(vf x, vf g, const vf *k)
{
    (void)k;
    x = v_min(v_set(30), v_max(v_set(-110), x));
    const vf e = v_exp_or_zero(x), d = v_add(e, v_set(1));
    return v_mul(g, v_div(v_mul(e, v_add(d, x)), v_mul(d, d)));
}

static void forward(const km_args *args)
{
    km_forward_by(args, silu, 0, MAX_U);
}

static void backward(const km_args *args)
{
    km_backward_by(args, KM_X, gradient, 0, MAX_U);
}

extern const km_kernel KM_KERNELS(silu)[];
const km_kernel KM_KERNELS(silu)[] = {
    {.op = "silu", .pass = "forward", .run = forward},
    {.op = "silu", .pass = "backward", .run = backward},
    {0},
};
