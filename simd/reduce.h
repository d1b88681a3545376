/* reduce.h: over the lanes of V vectors at once: neighbours are combined until one vector is left, whose lane k
 * tells of vector k. Two permutations for each vector, and no waiting for one result after the other.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_REDUCE_H
#define KM_REDUCE_H

#include "vec.h"

KM_INLINE vf km_reduce(vf a[V], vf combine(vf, vf))
{
#pragma GCC unroll 8
    for (int n = V / 2; n > 0; n /= 2)
#pragma GCC unroll 8
        for (int k = 0; k < n; k++)
            a[k] = combine(v_even(a[2 * k], a[2 * k + 1]), v_odd(a[2 * k], a[2 * k + 1]));
    return a[0];
}

KM_INLINE vf km_sums(vf a[V])
{
    return km_reduce(a, v_add);
}

/* Of vectors without NaN. */
KM_INLINE vf km_maxima(vf a[V])
{
    return km_reduce(a, v_max);
}

#endif
