/* l2_penalty.c: y = lambda sum w^2; grad_weight = 2 lambda w.
 * SPDX-License-Identifier: Apache-2.0 */
#include "penalty.h"

KM_INLINE vf slope(vf w, vf scale)
{
    return v_mul(scale, w);
}

static const penalty it = {{km_add_square, km_add_wide_square}, slope, 1, 2};

PENALTY_KERNELS(l2_penalty)
