/* binary_cross_entropy_with_logits.c: max(x, 0) - x target + log(1 + exp(-|x|));
 * grad_x = grad_y (sigmoid(x) - target).
 * SPDX-License-Identifier: Apache-2.0 */
#include "loss.h"
#include "vlog.h"

KM_INLINE vf loss(vf x, vf target)
{
    const vf e = v_exp_term(v_neg_abs(x));
    const vf log1p = v_fma(v_mul(e, e), v_log1p_rest(e), e);
    return v_add(v_fnma(x, target, v_max(v_set(0), x)), log1p);
}

KM_INLINE vf slope(vf x, vf target, vf share)
{
    return v_mul(share, v_sub(v_logistic(v_set(1), x), target));
}

KM_LOSS_KERNELS(binary_cross_entropy_with_logits)
