/* l2_half_penalty.c: y = lambda / 2 sum w^2; grad_weight = lambda w.
 * SPDX-License-Identifier: Apache-2.0 */
#include "penalty.h"

KM_INLINE vf slope(vf w, vf scale)
{
    return v_mul(scale, w);
}

static const penalty it = {{km_add_square, km_add_wide_square}, slope, 0.5, 1};

PENALTY_KERNELS(l2_half_penalty)
