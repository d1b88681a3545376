/* mse_loss.c: (x - target)^2; grad_x = 2 (x - target) grad_y.
 * SPDX-License-Identifier: Apache-2.0 */
#include "loss.h"

KM_INLINE vf loss(vf x, vf target)
{
    const vf d = v_sub(x, target);
    return v_mul(d, d);
}

KM_INLINE vf slope(vf x, vf target, vf share)
{
    return v_mul(v_add(share, share), v_sub(x, target));
}

KM_LOSS_KERNELS(mse_loss)
