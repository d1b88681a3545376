/* vlog.h: logarithms on the vector vocabulary, and an exponential that is as exact as the terms of a
 * sum need to be.
 *
 * x = m 2^n with m in [0.707, 1.414], and log m = f + f^2 q(f), f = m - 1, where q is a minimax
 * polynomial (coefficients rounded to float one after the other). Near 1 n is 0 and f exact, so the
 * error stays relative to the logarithm.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_VLOG_H
#define KM_VLOG_H

#include "vmath.h"

#include <math.h>

/* log(1 + f) + n ln 2, -0.293 <= f <= 0.4142; polynomial error 5.9e-9 of log(1 + f). */
KM_INLINE vf v_log_parts(vf f, vf n)
{
    vf q = v_fma(v_set(-0x1.38dfacp-4f), f, v_set(0x1.056cb4p-3f));
    q = v_fma(q, f, v_set(-0x1.0d8516p-3f));
    q = v_fma(q, f, v_set(0x1.22d786p-3f));
    q = v_fma(q, f, v_set(-0x1.54720ep-3f));
    q = v_fma(q, f, v_set(0x1.99a028p-3f));
    q = v_fma(q, f, v_set(-0x1.000228p-2f));
    q = v_fma(q, f, v_set(0x1.555554p-2f));
    q = v_fma(q, f, v_set(-0.5f));
    const vf low = v_fma(v_mul(f, f), q, v_mul(n, v_set(-0x1.05c61p-29f)));
    return v_fma(n, v_set(0x1.62e43p-1f), v_add(f, low));
}

/* Of a sum of exponentials of which the largest is 1, or NaN. */
KM_INLINE vf v_log_of_sum(vf x)
{
    vf n;
    const vf m = v_split(x, &n), y = v_log_parts(v_sub(m, v_set(1)), n);
    return v_add(y, v_sub(x, x));
}

/* Of a probability x, no less than -100. */
KM_INLINE vf v_log_of_share(vf x)
{
    const vm tiny = v_lt(x, v_set(0x1p-126f));
    vf n;
    const vf m = v_split(v_abs(v_select(tiny, v_mul(x, v_set(0x1p24f)), x)), &n); /* -0 is 0 */
    n = v_select(tiny, v_sub(n, v_set(24)), n); /* of 0: -151, which gives less than -100 */
    return v_max(v_set(-100), v_log_parts(v_sub(m, v_set(1)), n));
}

/* log(1 - x) of a probability x, no less than -100. Where 1 - x is in [0.707, 1] its rounding is made
 * good by taking f = -x; below it is exact, or the logarithm far from 0. */
KM_INLINE vf v_log_of_rest(vf x)
{
    const vf one = v_set(1), rest = v_sub(one, x);
    vf n;
    const vf m = v_split(rest, &n);
    const vm near = v_lt(v_abs(n), v_set(0.5f));
    const vf f = v_select(near, v_sub(v_set(0), x), v_sub(m, one));
    return v_select(v_gt(rest, v_set(0)), v_log_parts(f, n), v_set(-100));
}

/* e^x for x <= 0 with a relative error of 3e-7 + 1e-7 |x|; 0 from -87.7 down. The bound on x makes n
 * no less than -127, whose power of two is 0 as V_TO_BITS has it. */
KM_INLINE vf v_exp_term(vf x)
{
    const vf to_bits = v_set(V_TO_BITS), log2_e = v_set(0x1.715476p+0f);
    const vf least = v_max(v_set(-87.9f), x);
    const vf t = v_fma(least, log2_e, to_bits);
    const vf f = v_fms(least, log2_e, v_sub(t, to_bits));
    return v_mul(v_exp2_fast(f), v_pow2_bits(t));
}

#endif
