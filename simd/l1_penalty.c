/* l1_penalty.c: y = lambda sum |w|; grad_weight = lambda sign(w), 0 at 0.
 * SPDX-License-Identifier: Apache-2.0 */
#include "penalty.h"

/* A NaN is neither above nor below 0 and stays. */
KM_INLINE vf slope(vf w, vf lambda)
{
    const vf zero = v_set(0);
    return v_select(v_lt(zero, v_abs(w)), v_copysign(lambda, w), w);
}

static const penalty it = {{km_add_magnitude, km_add_wide_magnitude}, slope, 1, 1};

PENALTY_KERNELS(l1_penalty)
