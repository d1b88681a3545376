/* conv2d_tile.h: the register tile of convolutions: rows that are broadcast, by vectors read through a table of
 * offsets. Each sum is formed term by term in order. SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_CONV2D_TILE_H
#define KM_CONV2D_TILE_H

#include "conv2d.h"
#include "tile_step.h"

typedef struct km_conv_tile {
    const float *a; /* term p of row i at a[p * rows + i] */
    const float *b; /* term p: the vectors at b + offset[p] */
    const int64_t *offset;
    int64_t terms;
    float *c; /* row i at c + i * TILE_COLUMNS */
    int add;  /* nonzero: to what is in c */
} km_conv_tile;

KM_INLINE void km_conv_tile_run(const km_conv_tile *t, int vectors, int rows)
{
    const float *a = t->a;
    vf sum[TILE_SUMS];
#pragma GCC unroll 32
    for (int i = 0; i < rows * vectors; i++)
        sum[i] = v_set(0);
    for (int64_t p = 0; p < t->terms; p++, a += rows)
        km_tile_step(sum, a, 1, t->b + t->offset[p], V, vectors, rows);
    float *c = t->c;
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++, c += TILE_COLUMNS)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) {
            const vf s = sum[i * vectors + v];
            v_store(c + v * V, t->add ? v_add(v_load(c + v * V), s) : s);
        }
}

#define TILE_RUN  km_conv_tile_run
#define TILE_TYPE km_conv_tile
#include "tile_table.h"

#endif
