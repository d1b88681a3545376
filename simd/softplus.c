/* softplus.c: y = beta x > threshold ? x : log1p(e^(beta x))/beta;
 * grad_x = beta x > threshold ? g : g/(1 + e^(-beta x)).
 *
 * y = max(x, 0) + log1p(e)/beta with e = e^(-|beta x|) = m 2^n. A general beta carries the
 * rounding errors of beta, beta x and 1/beta along, which the exponent would magnify.
 * Largest forward error found: 1.90 ULP for beta = 1, at 0x1.1c496p-6; 2.61 for others.
 * SPDX-License-Identifier: Apache-2.0 */
#include "pointwise.h"
#include "vmath.h"

#include <math.h>

enum { LIMIT, LOW, BETA, BETA_REST, INVERSE, INVERSE_REST, CONSTANTS };

/* The largest float x that is not beyond the threshold, judged in double as the formula is. */
static float limit(double beta, double threshold)
{
    float x = (float)(threshold / beta);
    while (beta * x > threshold)
        x = nextafterf(x, -INFINITY);
    for (float up = nextafterf(x, INFINITY); up < INFINITY && beta * up <= threshold;
         up = nextafterf(x, INFINITY))
        x = up;
    return x;
}

static void constants(const km_args *args, vf *k)
{
    const double beta = args->params->attr[KM_BETA];
    const float b = (float)beta, inverse = (float)(1 / beta);
    k[LIMIT] = v_set(limit(beta, args->params->attr[KM_THRESHOLD]));
    k[LOW] = v_set((float)(-110 / beta));
    k[BETA] = v_set(b);
    k[BETA_REST] = v_set((float)(beta - b));
    k[INVERSE] = v_set(inverse);
    k[INVERSE_REST] = v_set((float)(1 / (beta * inverse) - 1));
}

/* beta = 1 */
KM_INLINE vf softplus(vf x, vf unused, const vf *k)
{
    (void)unused;
    const v_power p = v_exp_parts(v_max(k[LOW], v_neg_abs(x)));
    const vf e = v_scale(v_mantissa(p), p.n);
    const vf y = v_add(v_max(v_set(0), x), v_fma(v_mul(e, e), v_log1p_rest(e), e));
    return v_select(v_gt(x, k[LIMIT]), x, y);
}

KM_INLINE vf softplus_beta(vf x, vf unused, const vf *k)
{
    (void)unused;
    const vf a = v_max(k[LOW], v_neg_abs(x)), z = v_mul(k[BETA], a);
    const vf rest = v_add(v_fms(k[BETA], a, z), v_fma(k[BETA_REST], a, k[INVERSE_REST]));
    const v_power p = v_exp_parts_of_sum(z, rest);
    const vf m = v_mantissa(p), e = v_mul(m, v_pow2_or_zero(p.t));
    const vf w = v_fma(v_mul(k[INVERSE], e), v_log1p_rest(e), k[INVERSE]);
    const vf y = v_add(v_max(v_set(0), x), v_scale(v_mul(m, w), p.n));
    return v_select(v_gt(x, k[LIMIT]), x, y);
}

KM_INLINE vf gradient(vf x, vf g, const vf *k)
{
    const vf e = v_exp_or_zero(v_min(v_set(30), v_mul(k[BETA], v_max(k[LOW], x))));
    const vf s = v_div(e, v_add(e, v_set(1)));
    return v_select(v_gt(x, k[LIMIT]), g, v_mul(g, s));
}

static void forward(const km_args *args)
{
    vf k[CONSTANTS];
    constants(args, k);
    if (args->params->attr[KM_BETA] == 1)
        km_forward_by(args, softplus, k, MAX_U);
    else
        km_forward(args, softplus_beta, k);
}

static void backward(const km_args *args)
{
    vf k[CONSTANTS];
    constants(args, k);
    km_backward_by(args, KM_X, gradient, k, MAX_U);
}

extern const km_kernel KM_KERNELS(softplus)[];
const km_kernel KM_KERNELS(softplus)[] = {
    {.op = "softplus", .pass = "forward", .run = forward},
    {.op = "softplus", .pass = "backward", .run = backward},
    {0},
};
