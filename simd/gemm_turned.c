/* gemm_turned.c: products of some rows, a [m, k] and b [n, k] both along k, where transposing b would outweigh the rest:
 * a is transposed instead, rows of b are broadcast from where they lie, and what comes out is c transposed, which is
 * turned a tile's rows at a time. SPDX-License-Identifier: Apache-2.0 */
#include "gemm.h"

#include <stddef.h>

/* Floats of a, packed, and from row to row of what comes out. */
static int64_t packed_of(const km_gemm *g)
{
    enum { LINE = 16 };
    return km_round_up(km_round_up(g->m, V) * g->k, LINE);
}

int64_t km_gemm_turned_work(const km_gemm *g)
{
    return packed_of(g) + km_round_up(TILE_ROWS, V) * km_round_up(g->m, V);
}

/* Rows of b by the panels of a from column `at` of them on, `panels` of some vectors. */
static void run_panels(const km_gemm *g, km_tile t, int64_t at, int vectors, int64_t panels,
                       int rows)
{
    t.b += at * g->k;
    t.c += at;
    t.b_step = vectors * V;
    t.b_next = vectors * V * g->k;
    t.panels = panels;
    km_tile_run(&t, KM_ROWS_OF_TERMS, vectors, rows, 0);
}

/* c's columns, `rows` of them, from the rows that came out. */
static void put(const km_gemm *g, const float *from, int rows, float *c)
{
    const int64_t step = km_round_up(g->m, V);
    for (int64_t i = 0; i < g->m; i += V)
        for (int j = 0; j < rows; j += V) {
            vf r[V];
            for (int q = 0; q < V; q++)
                r[q] = v_load(from + (j + q) * step + i);
            v_transpose(r);
            for (int q = 0; q < V && i + q < g->m; q++)
                v_store_n(c + (i + q) * g->ldc + j, r[q], rows - j);
        }
}

void km_gemm_turned(const km_gemm *g, const float *a, const float *b, const float *bias, float *c,
                    float *work, int64_t from, int64_t to)
{
    const int64_t columns = to - from, tiles = km_ceil_div(columns, TILE_ROWS);
    const int64_t whole = g->m / TILE_COLUMNS, left = g->m - whole * TILE_COLUMNS;
    float *out = work + packed_of(g);
    km_tile t = {
        .b = work, .a_step = g->ldb, .terms = g->k, .c = out, .c_step = km_round_up(g->m, V)};
    if (columns > 0)
        km_gemm_pack_columns(work, (km_piece){a, g->lda, g->k, g->m, 1});
    for (int64_t i = 0; i < tiles; i++) {
        const int64_t j = from + columns * i / tiles;
        const int rows = (int)(from + columns * (i + 1) / tiles - j);
        t.a = b + j * g->ldb;
        t.row_bias = bias ? bias + j : NULL;
        if (whole)
            run_panels(g, t, 0, TILE_VECTORS, whole, rows);
        if (left)
            run_panels(g, t, whole * TILE_COLUMNS, km_gemm_vectors(left), 1, rows);
        put(g, out, rows, c + j);
    }
}
