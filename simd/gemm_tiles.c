/* gemm_tiles.c: the register tiles of tile.h, a function for each kind, width and height.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "tile.h"

#include <stddef.h>

enum { LINE = 16, LONG = 24, FIVE = 5, AHEAD = 8 };

/* Asks for the part of c that the next panel writes. */
KM_INLINE void expect(const float *c, int64_t step, int vectors, int rows)
{
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++, c += step)
#pragma GCC unroll 16
        for (int v = 0; v < vectors * V; v += LINE)
            __builtin_prefetch(c + v, 1, 2);
}

KM_INLINE vf load(const float *b, int last, int64_t lanes)
{
    return last ? v_load_n(b, lanes) : v_load(b);
}

/* ---- from one to the next: constants where all is packed ---- */

KM_INLINE int64_t row_step(const km_tile *t, km_tile_kind kind)
{
    return kind == KM_ROWS_OF_TERMS ? t->a_step : 1;
}

KM_INLINE int64_t term_step(const km_tile *t, km_tile_kind kind)
{
    return kind == KM_ROWS_OF_TERMS ? 1 : kind == KM_BOTH_PACKED ? PACKED_ROWS : t->a_step;
}

KM_INLINE int64_t b_step(const km_tile *t, km_tile_kind kind, int vectors)
{
    return kind == KM_BOTH_PACKED ? vectors * V : t->b_step;
}

/* Vectors of b to where they are wanted packed, and some terms on asked for. */
KM_INLINE void put_copy(float *to, const float *b, int64_t step, int vectors, int partial,
                        int64_t lanes)
{
#pragma GCC unroll 16
    for (int v = 0; v < vectors; v++) {
        v_store(to + v * V, load(b + v * V, partial && v == vectors - 1, lanes));
        if (v * V % LINE == 0)
            __builtin_prefetch(b + v * V + AHEAD * step);
    }
}

/* Whether the multiplications broadcast row i themselves: a load more, an instruction less. Where rows have a step,
 * those that need no address of their own. */
KM_INLINE int loads_itself(int i, km_tile_kind kind)
{
    return TILE_FROM > 0 && i % (kind == KM_ROWS_OF_TERMS ? FIVE : (int)TILE_FROM) == 0;
}

/* sum += the products of one term. */
KM_INLINE void add_term(const float *const a[3], int64_t row, const float *b, int64_t lanes,
                        km_tile_kind kind, int vectors, int rows, int partial, vf sum[TILE_SUMS])
{
    vf bv[TILE_SUMS];
#pragma GCC unroll 16
    for (int v = 0; v < vectors; v++)
        bv[v] = load(b + v * V, partial && v == vectors - 1, lanes);
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++) {
        const float *from = a[i / FIVE] + i % FIVE * row;
        const int again = loads_itself(i, kind);
        const vf ai = again ? v_set(0) : v_set(*from);
#pragma GCC unroll 16
        for (int v = 0; v < vectors; v++) {
            vf *s = &sum[i * vectors + v];
            *s = again ? v_fma_from(from, bv[v], *s) : v_fma(ai, bv[v], *s);
        }
    }
}

/* The same of few rows, whose elements stay in registers while vectors of b pass by. */
KM_INLINE void add_wide_term(const float *a, int64_t row, const float *b, int vectors, int rows,
                             vf sum[TILE_SUMS])
{
    vf av[TILE_SUMS];
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++)
        av[i] = v_set(a[i * row]);
#pragma GCC unroll 32
    for (int v = 0; v < vectors; v++) {
        const vf bv = v_load(b + v * V);
#pragma GCC unroll 16
        for (int i = 0; i < rows; i++)
            sum[i * vectors + v] = v_fma(av[i], bv, sum[i * vectors + v]);
    }
}

/* Rows in fives off one pointer each: few registers, whatever the step. Several terms from one count of the loop: what
 * neither loads nor multiplies takes a place in the pipeline, too. */
KM_INLINE void add_terms(const km_tile *t, const float *b, float *copy, km_tile_kind kind,
                         int vectors, int rows, int partial, vf sum[TILE_SUMS])
{
    const int64_t row = row_step(t, kind), next = term_step(t, kind);
    const int64_t step = b_step(t, kind, vectors), lanes = t->last, terms = t->terms;
    const float *a0 = t->a, *a1 = a0 + FIVE * row, *a2 = a1 + FIVE * row;
#pragma GCC unroll 4
    for (int64_t p = 0; p < terms; p++) {
        const float *const a[3] = {a0, a1, a2};
        if (vectors > TILE_VECTORS && rows < vectors)
            add_wide_term(a0, row, b, vectors, rows, sum);
        else
            add_term(a, row, b, lanes, kind, vectors, rows, partial, sum);
        if (copy) {
            put_copy(copy, b, step, vectors, partial, lanes);
            copy += vectors * V;
        }
        a0 += next;
        a1 += next;
        a2 += next;
        b += step;
    }
}

/* c = sum, or bias + sum, or c + sum. */
KM_INLINE void store(const km_tile *t, float *c, const float *bias, int vectors, int rows,
                     int partial, const vf sum[TILE_SUMS])
{
    const int64_t step = t->c_step;
    const int add = t->add;
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++, c += step)
#pragma GCC unroll 32
        for (int v = 0; v < vectors; v++) {
            const int last = partial && v == vectors - 1;
            vf s = sum[i * vectors + v];
            if (add)
                s = v_add(load(c + v * V, last, t->last), s);
            else if (bias)
                s = v_add(load(bias + v * V, last, t->last), s);
            if (last)
                v_store_n(c + v * V, s, t->last);
            else
                v_store(c + v * V, s);
        }
}

KM_INLINE void run(const km_tile *t, km_tile_kind kind, int vectors, int rows, int partial,
                   int copying)
{
    const float *b = t->b, *bias = t->bias, *row_bias = t->row_bias;
    float *c = t->c;
    for (int64_t q = 0; q < t->panels; q++) {
        vf sum[TILE_SUMS];
        if (t->terms >= LONG && q + 1 < t->panels)
            expect(c + vectors * V, t->c_step, vectors, rows);
#pragma GCC unroll 32
        for (int i = 0; i < rows * vectors; i++)
            sum[i] = v_set(row_bias ? row_bias[i / vectors] : 0);
        add_terms(t, b, copying ? t->copy + q * vectors * V * t->terms : NULL, kind, vectors, rows,
                  partial, sum);
        store(t, c, bias, vectors, rows, partial, sum);
        b += t->b_next;
        c += vectors * V;
        bias = bias ? bias + vectors * V : NULL;
    }
}

/* ---- a function for each kind and width, with a case for each height ---- */

enum { WIDE = 0 }; /* as the width: km_tile_width(rows) */

KM_INLINE void run_any(const km_tile *t, km_tile_kind kind, int width, int rows, int partial,
                       int copying)
{
    if (width != WIDE)
        run(t, kind, width, rows, partial, copying);
    else if (km_tile_width(rows) > TILE_VECTORS)
        run(t, kind, km_tile_width(rows), rows, 0, 0);
}

#define HEIGHT(rows)                                                                               \
    case rows:                                                                                     \
        run_any(t, (km_tile_kind)KIND, WIDTH, rows, PARTIAL, COPYING);                             \
        break;
#define TILES(name, kind, width, partial, copying)                                                 \
    static void name(const km_tile *t, int rows)                                                   \
    {                                                                                              \
        enum { KIND = kind, WIDTH = width, PARTIAL = partial, COPYING = copying };                 \
        switch (rows) {                                                                            \
            TILE_HEIGHTS(HEIGHT)                                                                   \
        }                                                                                          \
    }
#define KINDS(width)                                                                               \
    TILES(rows_of_terms_##width, KM_ROWS_OF_TERMS, width, 0, 0)                                    \
    TILES(terms_of_rows_##width, KM_TERMS_OF_ROWS, width, 0, 0)                                    \
    TILES(both_packed_##width, KM_BOTH_PACKED, width, 0, 0)                                        \
    TILES(rows_of_terms_##width##_copying, KM_ROWS_OF_TERMS, width, 0, 1)                          \
    TILES(terms_of_rows_##width##_copying, KM_TERMS_OF_ROWS, width, 0, 1)                          \
    TILES(rows_of_terms_##width##_partial, KM_ROWS_OF_TERMS, width, 1, 0)                          \
    TILES(terms_of_rows_##width##_partial, KM_TERMS_OF_ROWS, width, 1, 0)                          \
    TILES(rows_of_terms_##width##_partial_copying, KM_ROWS_OF_TERMS, width, 1, 1)                  \
    TILES(terms_of_rows_##width##_partial_copying, KM_TERMS_OF_ROWS, width, 1, 1)
TILE_WIDTHS(KINDS)
TILES(rows_of_terms_wide, KM_ROWS_OF_TERMS, WIDE, 0, 0)
TILES(terms_of_rows_wide, KM_TERMS_OF_ROWS, WIDE, 0, 0)

void km_tile_run(const km_tile *t, km_tile_kind kind, int vectors, int rows, int partial)
{
    typedef void (*tiles_fn)(const km_tile *t, int rows);
#define ENTRY(width)                                                                               \
    {{rows_of_terms_##width, terms_of_rows_##width, both_packed_##width,                           \
      rows_of_terms_##width##_copying, terms_of_rows_##width##_copying},                           \
     {rows_of_terms_##width##_partial, terms_of_rows_##width##_partial,                            \
      terms_of_rows_##width##_partial, rows_of_terms_##width##_partial_copying,                    \
      terms_of_rows_##width##_partial_copying}},
    static const tiles_fn tiles[TILE_VECTORS][2][KM_TILE_KINDS + 2] = {TILE_WIDTHS(ENTRY)};
    static const tiles_fn wide[] = {rows_of_terms_wide, terms_of_rows_wide};
    const int way = t->copy ? KM_TILE_KINDS + (int)kind : (int)kind;
    (vectors > TILE_VECTORS ? wide[kind] : tiles[vectors - 1][partial][way])(t, rows);
}
