/* tile_step.h: what register tiles of the convolutions do for one term: numbers that are broadcast, by vectors.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_TILE_STEP_H
#define KM_TILE_STEP_H

#include <stdint.h>

#include "vec.h"

/* sum[i * vectors + v] += a[i * step] b[v * next], as constants: rows up to 16 by up to 4 vectors. Fewer rows than in a
 * tile of packed panels are broadcast as they are multiplied: b comes from further away, and loads fetch it, too. */
KM_INLINE void km_tile_step(vf *sum, const float *a, int step, const float *b, int64_t next,
                            int vectors, int rows)
{
    enum { FROM = TILE_FROM > 0 ? 5 : 0 };
    vf bv[4];
#pragma GCC unroll 4
    for (int v = 0; v < vectors; v++)
        bv[v] = v_load(b + v * next);
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++) {
        const float *from = a + i * step;
        const int again = FROM > 0 && i % (FROM + !FROM) == 0;
        const vf ai = again ? v_set(0) : v_set(*from);
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) {
            vf *s = &sum[i * vectors + v];
            *s = again ? v_fma_from(from, bv[v], *s) : v_fma(ai, bv[v], *s);
        }
    }
}

#endif
