/* tile.h: the micro-kernel of matrix products: a register tile of up to TILE_ROWS rows by TILE_VECTORS vectors.
 *
 * Each step of the sum loads the vectors of one row of b, broadcasts one element of a for each row of the tile and
 * multiplies and adds: all sums stay in registers. Element (i, j) is the sum over p in order, whatever the tile's
 * height and width, so results do not depend on where a matrix is cut.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_TILE_H
#define KM_TILE_H

#include "vec.h"

/* How a's elements lie: row i, term p at a[i * a_step + p] or at a[p * a_step + i]. */
typedef enum km_tile_kind { KM_ROWS_OF_TERMS, KM_TERMS_OF_ROWS, KM_TILE_KINDS } km_tile_kind;

enum { TILE_COLUMNS = TILE_VECTORS * V, TILE_SUMS = TILE_ROWS * TILE_VECTORS };

typedef struct km_tile {
    const float *a, *b; /* term p of b: the vectors at b + p * b_step, whole ones */
    int64_t a_step, b_step, terms;
    float *c; /* row i at c + i * c_step; whole vectors of it are written */
    int64_t c_step;
    const float *bias; /* one for each column, or NULL */
    int add;           /* nonzero: to what is in c; no bias then */
} km_tile;

/* Sums of `rows` rows of a and `vectors` vectors of b, both compile-time constants with rows * vectors <= TILE_SUMS.
 * Rows in fives off one pointer each: few registers, whatever the step. */
KM_INLINE void km_tile_sum(const km_tile *t, km_tile_kind kind, int vectors, int rows,
                           vf sum[TILE_SUMS])
{
    const int64_t step = t->a_step, fives = kind == KM_ROWS_OF_TERMS ? 5 * step : 5;
    const float *a0 = t->a, *a1 = a0 + fives, *a2 = a1 + fives, *b = t->b;
    const int64_t row = kind == KM_ROWS_OF_TERMS ? step : 1;
    const int64_t next = kind == KM_ROWS_OF_TERMS ? 1 : step;
#pragma GCC unroll 32
    for (int i = 0; i < rows * vectors; i++)
        sum[i] = v_set(0);
    for (int64_t p = 0; p < t->terms; p++) {
        vf bv[TILE_SUMS];
#pragma GCC unroll 16
        for (int v = 0; v < vectors; v++)
            bv[v] = v_load(b + v * V);
#pragma GCC unroll 16
        for (int i = 0; i < rows; i++) {
            const vf ai = v_set((i < 5 ? a0 : i < 10 ? a1 : a2)[i % 5 * row]);
#pragma GCC unroll 16
            for (int v = 0; v < vectors; v++)
                sum[i * vectors + v] = v_fma(ai, bv[v], sum[i * vectors + v]);
        }
        a0 += next;
        a1 += next;
        a2 += next;
        b += t->b_step;
    }
}

/* c = sum, or bias + sum, or c + sum. */
KM_INLINE void km_tile_store(const km_tile *t, int vectors, int rows, const vf sum[TILE_SUMS])
{
    float *c = t->c;
    const float *bias = t->bias;
    const int64_t step = t->c_step;
    const int add = t->add;
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++) {
#pragma GCC unroll 16
        for (int v = 0; v < vectors; v++) {
            vf s = sum[i * vectors + v];
            if (add)
                s = v_add(v_load(c + v * V), s);
            else if (bias)
                s = v_add(v_load(bias + v * V), s);
            v_store(c + v * V, s);
        }
        c += step;
    }
}

#endif
