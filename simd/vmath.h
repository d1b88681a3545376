/* vmath.h: exp, expm1, tanh and log1p on the vector vocabulary.
 *
 * All follow the usual scheme: reduce by a whole multiple n of ln 2 with one or two FMAs, then a
 * minimax polynomial (coefficients from Sollya's fpminimax, rounded to float with the constant
 * and linear terms fixed). Errors are in units of the last place.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_VMATH_H
#define KM_VMATH_H

#include "vec.h"

/* e^x = (1 + r p) 2^n, |r| <= 0.35; t is n in the form of V_TO_BITS. */
typedef struct v_power {
    vf t, n, r, p;
} v_power;

/* n and r for finite |x| < 2^20. */
KM_INLINE v_power v_exp_reduce(vf x)
{
    const vf to_bits = v_set(V_TO_BITS);
    const vf t = v_fma(x, v_set(0x1.715476p+0f), to_bits), n = v_sub(t, to_bits);
    const vf r = v_fnma(n, v_set(0x1.62e43p-1f), x);
    return (v_power){.t = t, .n = n, .r = v_fma(n, v_set(0x1.05c61p-29f), r)};
}

/* Polynomial error 3.3e-9. */
KM_INLINE vf v_exp_rest(vf r)
{
    vf p = v_fma(v_set(0x1.694ca6p-10f), r, v_set(0x1.12398p-7f));
    p = v_fma(p, r, v_set(0x1.555a26p-5f));
    p = v_fma(p, r, v_set(0x1.555492p-3f));
    p = v_fma(p, r, v_set(0x1.fffffap-2f));
    return v_fma(p, r, v_set(1));
}

KM_INLINE v_power v_exp_parts(vf x)
{
    v_power e = v_exp_reduce(x);
    e.p = v_exp_rest(e.r);
    return e;
}

/* The same for x + rest, |rest| so small that r stays below 0.35. */
KM_INLINE v_power v_exp_parts_of_sum(vf x, vf rest)
{
    v_power e = v_exp_reduce(x);
    e.r = v_add(e.r, rest);
    e.p = v_exp_rest(e.r);
    return e;
}

/* 1 + r p, in [0.7, 1.42]. */
KM_INLINE vf v_mantissa(v_power e)
{
    return v_fma(e.p, e.r, v_set(1));
}

/* a/(1 + e^-x), rounded twice: with x = n ln 2 - r it is 2^n a/(2^n + e^r), where the divisor is
 * rounded once, for 2^n + 1 is exact but for what is lost from |n| = 24 on and goes to the small
 * term. Scaling by 2^n comes last, so that subnormal results are rounded in the same way. */
KM_INLINE vf v_logistic(vf a, vf x)
{
    const vf to_bits = v_set(V_TO_BITS), one = v_set(1);
    x = v_min(v_set(18), v_max(v_set(-110), x));
    const vf t = v_fma(x, v_set(0x1.715476p+0f), to_bits), n = v_sub(t, to_bits);
    const vf r = v_fnma(n, v_set(0x1.05c61p-29f), v_fms(n, v_set(0x1.62e43p-1f), x));
    const vf power = v_pow2_bits(v_max(v_set(V_TO_BITS - 126), t));
    const vf sum = v_add(power, one), lost = v_sub(power, v_sub(sum, one));
    return v_scale(v_div(a, v_fma(v_exp_rest(r), v_add(r, lost), sum)), n);
}

/* 2^n, or 0 for n < -126: for terms that vanish beside 1. */
KM_INLINE vf v_pow2_or_zero(vf t)
{
    return v_pow2_bits(v_max(v_set(V_TO_BITS - 127), t));
}

/* e^x where results below 2^-126 may be 0. */
KM_INLINE vf v_exp_or_zero(vf x)
{
    const v_power e = v_exp_parts(x);
    return v_mul(v_mantissa(e), v_pow2_or_zero(e.t));
}

/* a 2^n, a >= 0 and t as V_TO_BITS has it, without a multiplication that makes a subnormal number:
 * each would cost x86 a microcode assist of some 150 cycles. From n = last down to -149 the result
 * is formed as a whole number of 2^-149, which below 2^-125 is how a float is encoded; the caller
 * sees to it that a 2^n >= 2^-126 for n > last and a 2^last < 2^-125. */
KM_INLINE vf v_scale_unassisted(vf a, vf t, float last)
{
    const vf normal = v_mul(a, v_pow2_bits(v_max(v_set(V_TO_BITS + 1 + last), t)));
    const vf deep = v_min(v_set(V_TO_BITS + last), t);
    const vf whole = v_round_to_bits(v_mul(a, v_pow2_bits(v_add(deep, v_set(149)))));
    return v_select(v_lt(t, v_set(V_TO_BITS + 1 + last)), whole, normal);
}

/* 2^f for |f| <= 1/2; polynomial error 9.5e-8. */
KM_INLINE vf v_exp2_fast(vf f)
{
    vf p = v_fma(v_set(0x1.5bfc72p-10f), f, v_set(0x1.3ceb06p-7f));
    p = v_fma(p, f, v_set(0x1.c6b69cp-5f));
    p = v_fma(p, f, v_set(0x1.ebf9bap-3f));
    p = v_fma(p, f, v_set(0x1.62e42ap-1f));
    return v_fma(p, f, v_set(1));
}

/* p with 2^f = 1 + f p for |f| <= 1/2; polynomial error 3.7e-9. */
KM_INLINE vf v_exp2_rest(vf f)
{
    vf p = v_fma(v_set(0x1.3fad5ep-13f), f, v_set(0x1.5f0ca8p-10f));
    p = v_fma(p, f, v_set(0x1.3b3096p-7f));
    p = v_fma(p, f, v_set(0x1.c6af74p-5f));
    p = v_fma(p, f, v_set(0x1.ebfbd8p-3f));
    return v_fma(p, f, v_set(0x1.62e43p-1f));
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

/* With e = expm1(-2|x|)/2, tanh |x| = -e/(1 + e), and e = s p + (s - 1)/2 where s = 2^n.
 * |r| <= 0.1733 keeps p so small beside these terms that their difference magnifies its error
 * little; numerator and denominator are rounded independently of each other. */
KM_INLINE vf v_tanh(vf x)
{
    const vf to_bits = v_set(V_TO_BITS), half = v_set(0.5f);
    const vf a = v_max(v_set(-10), v_neg_abs(x));
    const vf t = v_fma(a, v_set(0x1.715476p+1f), to_bits);
    const vf r = v_fnma(v_sub(t, to_bits), v_set(0x1.62e43p-2f), a);
    vf q = v_fma(v_set(0x1.6b7342p-5f), r, v_set(0x1.122792p-3f));
    q = v_fma(q, r, v_set(0x1.555716p-2f));
    q = v_fma(q, r, v_set(0x1.5554bp-1f));
    q = v_fma(q, r, v_set(0x1.fffffep-1f));
    const vf p = v_fma(v_mul(r, r), q, r);
    const vf s = v_pow2_bits(t);
    const vf above = v_fnma(s, p, v_fnma(s, half, half));
    const vf below = v_fma(s, p, v_fma(s, half, half));
    return v_copysign(v_div(above, below), x);
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
