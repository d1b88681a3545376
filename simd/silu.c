/* silu.c: y = x s, s = 1/(1 + e^-x); grad_x = g s (1 + x (1 - s)).
 *
 * With e = e^x = m 2^n, y = x m/(1 + e) scaled last, so that the far negative tail is rounded
 * once; grad_x = g e (1 + e + x)/(1 + e)^2.
 * SPDX-License-Identifier: Apache-2.0 */
#include "pointwise.h"
#include "vmath.h"

/* Beyond either end y is x or -0. At the upper one m comes out as exactly 1 and 1 + e as e, so
 * that y is exactly x up to FLT_MAX. */
static const float LOW = -110, HIGH = 0x1.3687aap+4f;

KM_INLINE vf silu(vf x, vf unused, const vf *k)
{
    (void)unused;
    (void)k;
    vf n;
    x = v_max(v_set(LOW), x);
    const vf m = v_exp_parts(v_min(v_set(HIGH), x), &n);
    const vf d = v_add(v_scale(m, n), v_set(1));
    return v_scale(v_div(v_mul(x, m), d), n);
}

KM_INLINE vf gradient(vf x, vf g, const vf *k)
{
    (void)k;
    vf n;
    x = v_min(v_set(30), v_max(v_set(LOW), x));
    const vf m = v_exp_parts(x, &n);
    const vf e = v_scale(m, n), d = v_add(e, v_set(1));
    return v_mul(g, v_div(v_mul(e, v_add(d, x)), v_mul(d, d)));
}

static void forward(const km_args *args)
{
    km_forward(args, silu, 0);
}

static void backward(const km_args *args)
{
    km_backward(args, KM_X, gradient, 0);
}

extern const km_kernel KM_KERNELS(silu)[];
const km_kernel KM_KERNELS(silu)[] = {
    {.op = "silu", .pass = "forward", .run = forward},
    {.op = "silu", .pass = "backward", .run = backward},
    {0},
};
