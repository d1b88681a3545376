/* vmath.h: exp, expm1, tanh and log1p on the vector vocabulary.
 *
 * All follow the usual scheme: reduce by a whole multiple n of ln 2 with one or two FMAs, then a
 * minimax polynomial (coefficients from Sollya's fpminimax, rounded to float with the constant
 * and linear terms fixed). Errors are in units of the last place.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_VMATH_H
#define KM_VMATH_H

#include "vec.h"

/* e^x = m 2^n with m in [0.7, 1.42]; finite |x| < 2^20. Polynomial error 3.3e-9. */
KM_INLINE vf v_exp_parts(vf x, vf *n)
{
    const vf to_bits = v_set(V_TO_BITS);
    *n = v_sub(v_fma(x, v_set(0x1.715476p+0f), to_bits), to_bits);
    vf r = v_fnma(*n, v_set(0x1.62e43p-1f), x);
    r = v_fma(*n, v_set(0x1.05c61p-29f), r);
    vf p = v_fma(v_set(0x1.694ca6p-10f), r, v_set(0x1.12398p-7f));
    p = v_fma(p, r, v_set(0x1.555a26p-5f));
    p = v_fma(p, r, v_set(0x1.555492p-3f));
    p = v_fma(p, r, v_set(0x1.fffffap-2f));
    p = v_fma(p, r, v_set(1));
    return v_fma(p, r, v_set(1));
}

/* 2^f for |f| <= 1/2; polynomial error 9.5e-8, for budgets above 2 ULP. */
KM_INLINE vf v_exp2_small(vf f)
{
    vf p = v_fma(v_set(0x1.5bfc72p-10f), f, v_set(0x1.3ceb06p-7f));
    p = v_fma(p, f, v_set(0x1.c6b69cp-5f));
    p = v_fma(p, f, v_set(0x1.ebf9bap-3f));
    p = v_fma(p, f, v_set(0x1.62e42ap-1f));
    return v_fma(p, f, v_set(1));
}

/* a expm1(x) for x <= 0 without the sign of zero; anything above. a s p + (a s - a) with
 * s = 2^n and p = expm1(r) rounds a s - a only where the sum is above a/2. */
KM_INLINE vf v_expm1_negative(vf x, vf a)
{
    const vf to_bits = v_set(V_TO_BITS);
    x = v_max(v_set(-18), x);
    const vf t = v_fma(x, v_set(0x1.715476p+0f), to_bits);
    const vf r = v_fnma(v_sub(t, to_bits), v_set(0x1.62e43p-1f), x);
    vf q = v_fma(v_set(0x1.694ca6p-10f), r, v_set(0x1.12398p-7f));
    q = v_fma(q, r, v_set(0x1.555a26p-5f));
    q = v_fma(q, r, v_set(0x1.555492p-3f));
    q = v_fma(q, r, v_set(0x1.fffffap-2f));
    const vf p = v_fma(v_mul(r, r), q, r);
    const vf as = v_mul(a, v_pow2_bits(t));
    return v_fma(as, p, v_sub(as, a));
}

/* tanh x = h / (h + 1), h = expm1(2|x|) / 2. The quarter taken from n keeps r above -0.09, so
 * that s p + (s - 1)/2 never cancels. */
KM_INLINE vf v_tanh(vf x)
{
    const vf to_bits = v_set(V_TO_BITS), half = v_set(0.5f);
    const vf a = v_min(v_set(10), v_abs(x));
    const vf t = v_add(v_fma(a, v_set(0x1.715476p+1f), v_set(-0.25f)), to_bits);
    const vf r = v_fnma(v_sub(t, to_bits), v_set(0x1.62e43p-2f), a);
    vf q = v_fma(v_set(0x1.a343d4p-5f), r, v_set(0x1.0f81bp-3f));
    q = v_fma(q, r, v_set(0x1.5548e8p-2f));
    q = v_fma(q, r, v_set(0x1.555638p-1f));
    q = v_fma(q, r, v_set(0x1.000002p0f));
    const vf p = v_fma(v_mul(r, r), q, r);
    const vf s = v_pow2_bits(t);
    const vf h = v_fma(s, p, v_fms(s, half, half));
    return v_copysign(v_div(h, v_add(h, v_set(1))), x);
}

/* q with log(1 + e) = e + e^2 q for 0 <= e <= 1; error 5.3e-9 of the logarithm. */
KM_INLINE vf v_log1p_rest(vf e)
{
    vf q = v_fma(v_set(-0x1.b22adep-9f), e, v_set(0x1.4a9226p-6f));
    q = v_fma(q, e, v_set(-0x1.d7efa8p-5f));
    q = v_fma(q, e, v_set(0x1.b53c48p-4f));
    q = v_fma(q, e, v_set(-0x1.3a6736p-3f));
    q = v_fma(q, e, v_set(0x1.935568p-3f));
    q = v_fma(q, e, v_set(-0x1.ff2556p-3f));
    q = v_fma(q, e, v_set(0x1.554ddap-2f));
    return v_fma(q, e, v_set(-0x1.ffffd2p-2f));
}

#endif
