/* binary_cross_entropy.c: -(target log x + (1 - target) log(1 - x)), logarithms no less than -100;
 * grad_x = grad_y (x - target) / max(x (1 - x), 1e-12).
 *
 * x (1 - x) tells what is no probability: it is negative outside [0, 1] and NaN for NaN.
 * SPDX-License-Identifier: Apache-2.0 */
#include "loss.h"
#include "vlog.h"

KM_INLINE vf loss(vf x, vf target)
{
    const vf one = v_set(1), variance = v_mul(x, v_sub(one, x));
    const vf rest = v_mul(v_sub(one, target), v_log_of_rest(x));
    const vf y = v_sub(v_set(0), v_fma(target, v_log_of_share(x), rest));
    return v_select(v_lt(variance, v_set(0)), v_set(NAN), v_fma(variance, v_set(0), y));
}

KM_INLINE vf slope(vf x, vf target, vf share)
{
    const vf variance = v_mul(x, v_sub(v_set(1), x));
    const vf d = v_div(v_sub(x, target), v_max(v_set(1e-12f), variance));
    return v_mul(share, d);
}

KM_LOSS_KERNELS(binary_cross_entropy)
