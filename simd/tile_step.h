/* tile_step.h: what register tiles of the convolutions do for one term: numbers that are broadcast, by vectors.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_TILE_STEP_H
#define KM_TILE_STEP_H

#include "vec.h"

/* sum[i * vectors + v] += a[i * step] b[v], as constants: rows up to 16 by up to 4 vectors. */
KM_INLINE void km_tile_step(vf *sum, const float *a, int step, const float *b, int vectors,
                            int rows)
{
    vf bv[4];
#pragma GCC unroll 4
    for (int v = 0; v < vectors; v++)
        bv[v] = v_load(b + v * V);
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++) {
        const vf ai = v_set(a[i * step]);
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++)
            sum[i * vectors + v] = v_fma(ai, bv[v], sum[i * vectors + v]);
    }
}

#endif
