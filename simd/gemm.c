/* gemm.c: loops of matrix products.
 *
 * b is packed into panels of TILE_COLUMNS columns (with a transpose if it lies along k), a block of g->terms x
 * g->columns at a time, which stays in L2; for each block all rows pass by, a tile of them at a time, packed to stay
 * in L1. What is small or used once is not packed. Tiles of a remainder are balanced, not cut off: 15 rows are 8 and 7.
 * SPDX-License-Identifier: Apache-2.0 */
#include "gemm.h"

#include <stddef.h>

typedef struct span {
    int64_t from, to;
} span;

typedef struct job {
    const km_gemm *g;
    const float *a, *b, *bias;
    float *c, *panels, *rows;
    span row, column; /* of this part */
} job;

/* One block of b. */
typedef struct block {
    span column;
    int64_t term, terms;
} block;

static span cut(int64_t size, int64_t unit, int parts, int part)
{
    const int64_t units = km_ceil_div(size, unit);
    return (span){km_min64(size, units * part / parts * unit),
                  km_min64(size, units * (part + 1) / parts * unit)};
}

/* A piece of b. */
static km_piece piece_of(const km_gemm *g, const float *b, block k)
{
    const int64_t j = k.column.from;
    return (km_piece){b + (g->b_along_k ? j * g->ldb + k.term : k.term * g->ldb + j), g->ldb,
                      k.terms, k.column.to - j, g->b_along_k};
}

/* The rows of tile i of the chunk, packed or where they lie. */
static km_tile_kind set_rows(km_tile *t, const job *j, span rows, int64_t i, block k)
{
    const km_gemm *g = j->g;
    if (g->rows_packed) {
        t->a_step = PACKED_ROWS;
        t->a = j->rows + i * PACKED_ROWS * k.terms;
        return g->direct || t->copy ? KM_TERMS_OF_ROWS : KM_BOTH_PACKED;
    }
    t->a = j->a + (g->a_along_k ? rows.from * g->lda + k.term : k.term * g->lda + rows.from);
    t->a_step = g->lda;
    return g->a_along_k ? KM_ROWS_OF_TERMS : KM_TERMS_OF_ROWS;
}

/* `panels` panels of some vectors from column `at` of the block on; or one with the last vector in part. */
static void run_panels(km_tile *t, const job *j, km_tile_kind kind, int rows, block k, int64_t at,
                       int vectors, int64_t panels, int64_t last)
{
    const km_gemm *g = j->g;
    const int64_t column = k.column.from + at;
    const int lies = g->direct || t->copy; /* b, where it was */
    km_tile one = *t;
    one.panels = panels;
    one.last = last;
    one.b_step = lies ? g->ldb : vectors * V;
    one.b_next = lies ? vectors * V : vectors * V * k.terms;
    one.b += lies ? at : at * k.terms;
    one.copy = t->copy ? t->copy + at * k.terms : NULL;
    one.c += column;
    one.bias = j->bias && !g->bias_by_row ? j->bias + column : NULL;
    km_tile_run(&one, kind, vectors, rows, last < V);
}

/* As many whole panels as there are; the column after them. */
static int64_t run_whole(km_tile *t, const job *j, km_tile_kind kind, int rows, block k, int64_t at,
                         int vectors)
{
    const int64_t panels = (k.column.to - k.column.from - at) / (vectors * V);
    if (panels)
        run_panels(t, j, kind, rows, k, at, vectors, panels, V);
    return at + panels * vectors * V;
}

/* Where b does not lie along k, the first tile packs it for the others. */
static int copies(const km_gemm *g, int64_t i)
{
    return i == 0 && !g->direct && !g->b_packed && !g->b_along_k;
}

/* All panels of a block past the rows of tile i. */
static void run_rows(const job *j, span row, int64_t i, block k)
{
    const km_gemm *g = j->g;
    const int rows = (int)(row.to - row.from), wide = g->wide ? km_tile_width(rows) : TILE_VECTORS;
    const int64_t columns = k.column.to - k.column.from;
    const int copying = copies(g, i);
    km_tile t = {
        .terms = k.terms, .add = k.term > 0, .c_step = g->ldc, .copy = copying ? j->panels : NULL};
    const km_tile_kind kind = set_rows(&t, j, row, i, k);
    int64_t at = 0;
    t.row_bias = j->bias && g->bias_by_row && !t.add ? j->bias + row.from : NULL;
    t.c = j->c + row.from * g->ldc;
    t.b = g->b_packed            ? j->b + km_round_up(g->n, V) * k.term + k.column.from * k.terms
          : g->direct || copying ? j->b + k.term * g->ldb + k.column.from
                                 : j->panels;
    if (wide > TILE_VECTORS)
        at = run_whole(&t, j, kind, rows, k, at, wide);
    at = run_whole(&t, j, kind, rows, k, at, TILE_VECTORS);
    if (at < columns)
        run_panels(&t, j, kind, rows, k, at, km_gemm_vectors(columns - at), 1,
                   (columns - at - 1) % V + 1);
}

/* ---- a chunk of rows: tiles of equal height, or one less ---- */

typedef struct chunk {
    span row;
    int64_t tiles;
} chunk;

static span tile_of(chunk c, int64_t i)
{
    const int64_t rows = c.row.to - c.row.from;
    return (span){c.row.from + rows * i / c.tiles, c.row.from + rows * (i + 1) / c.tiles};
}

/* Where terms lie apart, a group of them for all rows before the next one: long reads. */
static void pack_rows(const job *j, chunk c, block k)
{
    enum { GROUP = 32 };
    const km_gemm *g = j->g;
    const int64_t group = g->a_along_k ? k.terms : GROUP;
    for (int64_t p = 0; p < k.terms; p += group)
        for (int64_t i = 0; i < c.tiles; i++) {
            const span rows = tile_of(c, i);
            const int64_t term = k.term + p, row = rows.from;
            const float *from = j->a + (g->a_along_k ? row * g->lda + term : term * g->lda + row);
            km_gemm_pack_rows(j->rows + (i * k.terms + p) * PACKED_ROWS,
                              (km_piece){from, g->lda, km_min64(group, k.terms - p), rows.to - row,
                                         g->a_along_k});
        }
}

static void run_block(const job *j, chunk c, block k)
{
    const km_gemm *g = j->g;
    if (g->b_along_k && !g->b_packed)
        km_gemm_pack_columns(j->panels, piece_of(g, j->b, k));
    for (int64_t i = 0; i < c.tiles; i++)
        run_rows(j, tile_of(c, i), i, k);
}

/* Block i of the terms. They are equal too; there is one even if it is empty: c is the bias then. */
static int64_t blocks_of(const km_gemm *g)
{
    return g->k > g->terms ? km_ceil_div(g->k, g->terms) : 1;
}

static block block_of(const km_gemm *g, span column, int64_t i)
{
    const int64_t blocks = blocks_of(g), term = g->k * i / blocks;
    return (block){.column = column, .term = term, .terms = g->k * (i + 1) / blocks - term};
}

static void run_chunk(const job *j, span rows)
{
    const km_gemm *g = j->g;
    const chunk c = {rows, km_ceil_div(rows.to - rows.from, g->height)};
    for (int64_t i = 0; i < blocks_of(g); i++) {
        block k = block_of(g, j->column, i);
        if (g->rows_packed)
            pack_rows(j, c, k);
        for (int64_t at = j->column.from; at < j->column.to; at += g->columns) {
            k.column = (span){at, km_min64(at + g->columns, j->column.to)};
            run_block(j, c, k);
        }
    }
}

void km_gemm_run(const km_gemm *g, const float *a, const float *b, const float *bias, float *c,
                 float *work, int part)
{
    job j = {.g = g, .a = a, .b = b, .bias = bias, .c = c, .panels = work, .rows = work + g->pack};
    j.row = g->by_rows ? cut(g->m, 1, g->parts, part) : (span){0, g->m};
    j.column = g->by_rows ? (span){0, g->n} : cut(g->n, TILE_COLUMNS, g->parts, part);
    if (g->dot) {
        km_gemm_dot(g, a, b, bias, c, work, j.column.from, j.column.to);
        return;
    }
    if (g->turned) {
        km_gemm_turned(g, a, b, bias, c, work, j.column.from, j.column.to);
        return;
    }
    for (int64_t from = j.row.from; from < j.row.to; from += g->rows)
        run_chunk(&j, (span){from, km_min64(from + g->rows, j.row.to)});
}

void km_gemm_pack(const km_gemm *g, const float *b, float *packed)
{
    for (int64_t i = 0; i < blocks_of(g); i++) {
        const block k = block_of(g, (span){0, g->n}, i);
        km_gemm_pack_columns(packed + km_round_up(g->n, V) * k.term, piece_of(g, b, k));
    }
}
