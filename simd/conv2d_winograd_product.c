/* conv2d_winograd_product.c: the register tile of the products at one point: rows of tiles, whose elements are
 * broadcast, by vectors of result channels. Each sum is formed channel by channel in order.
 * SPDX-License-Identifier: Apache-2.0 */
#include "conv2d_winograd.h"
#include "tile_step.h"

KM_INLINE void store(const km_wino_tile *t, const vf *sum, int vectors, int rows)
{
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++) {
        float *m = t->m + i * t->row;
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++, m += t->vector)
            v_store(m, t->add ? v_add(v_load(m), sum[i * vectors + v]) : sum[i * vectors + v]);
    }
}

KM_INLINE void run(const km_wino_tile *t, int vectors, int rows)
{
    const float *u = t->u, *block = t->v;
    vf sum[TILE_SUMS];
#pragma GCC unroll 32
    for (int i = 0; i < rows * vectors; i++)
        sum[i] = v_set(0);
    for (int64_t left = t->channels; left > 0; left -= V, block += rows * V) {
        const float *end = block + (left < V ? left : V);
        for (const float *x = block; x < end; x++, u += vectors * V)
            km_tile_step(sum, x, V, u, V, vectors, rows);
    }
    store(t, sum, vectors, rows);
}

#define TILE_RUN  run
#define TILE_TYPE km_wino_tile
#include "tile_table.h"

void km_wino_product(const km_wino_tile *t, int vectors, int rows)
{
    tile_any(t, vectors, rows);
}
