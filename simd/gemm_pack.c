/* gemm_pack.c: pieces of matrices, copied so that tiles read them from front to back.
 *
 * What lies along k is transposed, V x V elements in registers at a time.
 * SPDX-License-Identifier: Apache-2.0 */
#include "gemm.h"

/* n of the terms from p on of V columns, to n vectors that are `next` apart. */
KM_INLINE void transpose(float *to, int64_t next, const float *const column[V], int64_t p,
                         int64_t n)
{
    vf r[V];
    for (int i = 0; i < V; i++)
        r[i] = n >= V ? v_load(column[i] + p) : v_load_n(column[i] + p, n);
    v_transpose(r);
    for (int i = 0; i < V && i < n; i++)
        v_store(to + i * next, r[i]);
}

/* Up to V columns that lie along k, to vectors that are `next` apart; the last one stands in for what lacks. */
static void turn(float *to, int64_t next, km_piece p)
{
    const float *column[V];
    int64_t i = 0;
    for (int j = 0; j < V; j++)
        column[j] = p.from + km_min64(j, p.columns - 1) * p.step;
    for (; i + V <= p.terms; i += V)
        transpose(to + i * next, next, column, i, V);
    if (i < p.terms)
        transpose(to + i * next, next, column, i, p.terms - i);
}

/* Some vectors of each of `terms` terms. */
KM_INLINE void copy(float *to, int64_t next, km_piece p, int vectors)
{
    const int64_t last = p.columns - (vectors - 1) * V;
    for (int64_t i = 0; i < p.terms; i++) {
        const float *from = p.from + i * p.step;
        for (int v = 0; v + 1 < vectors; v++)
            v_store(to + i * next + v * V, v_load(from + v * V));
        v_store(to + i * next + (vectors - 1) * V, v_load_n(from + (vectors - 1) * V, last));
    }
}

/* Term by term as it lies: long reads, whatever the step. */
static void copy_panels(float *to, km_piece p)
{
    enum { GROUP = 8 };
    const int64_t all = p.terms;
    for (int64_t i = 0; i < all; i += GROUP)
        for (int64_t j = 0; j < p.columns; j += TILE_COLUMNS) {
            const int64_t columns = km_min64(TILE_COLUMNS, p.columns - j);
            const int vectors = km_gemm_vectors(columns);
            const km_piece part = {p.from + i * p.step + j, p.step, km_min64(GROUP, all - i),
                                   columns, 0};
            float *at = to + j * all + i * vectors * V;
            if (columns == TILE_COLUMNS)
                copy(at, TILE_COLUMNS, part, TILE_VECTORS);
            else
                copy(at, vectors * V, part, vectors);
        }
}

void km_gemm_pack_columns(float *to, km_piece p)
{
    if (!p.along_k) {
        copy_panels(to, p);
        return;
    }
    for (int64_t j = 0; j < p.columns; j += TILE_COLUMNS) {
        const int64_t columns = km_min64(TILE_COLUMNS, p.columns - j);
        const int64_t next = km_gemm_vectors(columns) * V;
        for (int64_t v = 0; v < columns; v += V)
            turn(to + j * p.terms + v, next,
                 (km_piece){p.from + (j + v) * p.step, p.step, p.terms, columns - v, 1});
    }
}

void km_gemm_pack_rows(float *to, km_piece p)
{
    for (int64_t i = 0; i < p.columns; i += V) {
        const int64_t left = p.columns - i;
        if (p.along_k)
            turn(to + i, PACKED_ROWS, (km_piece){p.from + i * p.step, p.step, p.terms, left, 1});
        else
            copy(to + i, PACKED_ROWS, (km_piece){p.from + i, p.step, p.terms, left, 0}, 1);
    }
}
