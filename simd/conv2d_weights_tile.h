/* conv2d_weights_tile.h: the register tile of backward_weights over plain tensors: rows are operands, found at a table's
 * offsets; columns are channels of the transposed grad_y. SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_CONV2D_WEIGHTS_TILE_H
#define KM_CONV2D_WEIGHTS_TILE_H

#include "conv2d.h"

typedef struct tile {
    const float *a;
    const int64_t *offset; /* row i at position f: a[offset[i] + f] */
    const float *b;        /* position f: vectors at b + f * vectors * V */
    int64_t positions;
    float *c; /* row i at c + i * vectors * V; added to */
} tile;

KM_INLINE void tile_run(const tile *t, int vectors, int rows)
{
    const float *a[TILE_ROWS], *b = t->b;
    vf sum[TILE_SUMS];
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++)
        a[i] = t->a + t->offset[i];
#pragma GCC unroll 32
    for (int i = 0; i < rows * vectors; i++)
        sum[i] = v_set(0);
    for (int64_t f = 0; f < t->positions; f++, b += vectors * V) {
        vf bv[TILE_VECTORS];
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++)
            bv[v] = v_load(b + v * V);
#pragma GCC unroll 16
        for (int i = 0; i < rows; i++) {
            const vf ai = v_set(a[i][f]);
#pragma GCC unroll 4
            for (int v = 0; v < vectors; v++)
                sum[i * vectors + v] = v_fma(ai, bv[v], sum[i * vectors + v]);
        }
    }
    float *c = t->c;
#pragma GCC unroll 32
    for (int i = 0; i < rows * vectors; i++)
        v_store(c + i * V, v_add(v_load(c + i * V), sum[i]));
}

#define TILE_RUN  tile_run
#define TILE_TYPE tile
#include "tile_table.h"

#endif
