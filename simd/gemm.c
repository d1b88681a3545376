/* gemm.c: plans and loops of matrix products.
 *
 * The vectors' side is packed into panels of TILE_COLUMNS columns (with a transpose if it lies along k), a block
 * of GEMM_TERMS x GEMM_COLUMNS at a time, which stays in L2; for each block all rows pass by, a tile of rows at a
 * time, which stays in L1. What is small or used once is not packed. Tiles of a remainder are balanced, not cut off:
 * 15 rows are 8 and 7. Where transposing the smaller matrix a and then c is less work than transposing b, the tiles
 * are of c^T.
 * SPDX-License-Identifier: Apache-2.0 */
#include "gemm.h"

#include <stddef.h>

enum { ROWS_STEP = (TILE_ROWS + V - 1) / V * V, ALIGN = 16, LINE = 16 };

static int64_t min64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t ceil_div(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

static int64_t round_up(int64_t a, int64_t b)
{
    return ceil_div(a, b) * b;
}

/* ---- tiles of every height and width ---- */

KM_INLINE void tile(const km_tile *t, km_tile_kind kind, int vectors, int rows)
{
    vf sum[TILE_SUMS];
    km_tile_sum(t, kind, vectors, rows, sum);
    km_tile_store(t, vectors, rows, sum);
}

/* A function for each kind and width, with a case for each height. */
#define HEIGHT(rows)                                                                               \
    case rows:                                                                                     \
        tile(t, (km_tile_kind)KIND, VECTORS, rows);                                                \
        break;
#define TILES(name, kind, vectors)                                                                 \
    static void name(const km_tile *t, int rows)                                                   \
    {                                                                                              \
        enum { KIND = kind, VECTORS = vectors };                                                   \
        switch (rows) {                                                                            \
            TILE_HEIGHTS(HEIGHT)                                                                   \
        }                                                                                          \
    }
#define WIDTH(vectors)                                                                             \
    TILES(rows_of_terms_##vectors, KM_ROWS_OF_TERMS, vectors)                                      \
    TILES(terms_of_rows_##vectors, KM_TERMS_OF_ROWS, vectors)
TILE_WIDTHS(WIDTH)

static void run_tile(const km_tile *t, km_tile_kind kind, int vectors, int rows)
{
    typedef void (*tiles_fn)(const km_tile *t, int rows);
#define ENTRY(vectors) {rows_of_terms_##vectors, terms_of_rows_##vectors},
    static const tiles_fn tiles[TILE_VECTORS][KM_TILE_KINDS] = {TILE_WIDTHS(ENTRY)};
    tiles[vectors - 1][kind](t, rows);
}

/* ---- a product as tiles see it: rows that are broadcast, columns that are vectors ---- */

typedef struct span {
    int64_t from, to;
} span;

typedef struct job {
    const km_gemm *g;
    const float *rows, *columns;
    int64_t row_step, column_step;
    km_tile_kind kind;
    int columns_along_k;
    span row, column; /* of this part */
    const float *bias;
    float *c, *panels, *copy;
} job;

/* One block of terms by columns; of the panels that it consists of, the first column and term. */
typedef struct block {
    span column;
    int64_t term, terms;
} block;

static span cut(int64_t size, int64_t unit, int parts, int part)
{
    const int64_t units = ceil_div(size, unit);
    return (span){min64(size, units * part / parts * unit),
                  min64(size, units * (part + 1) / parts * unit)};
}

static job job_of(const km_gemm *g, const float *a, const float *b, const float *bias, float *c,
                  float *work, int part)
{
    job j = {.g = g, .bias = bias, .c = c, .panels = work, .copy = work + g->pack};
    const int64_t rows = g->flipped ? g->n : g->m, columns = g->flipped ? g->m : g->n;
    const int rows_along_k = g->flipped ? g->b_along_k : g->a_along_k;
    j.rows = g->flipped ? b : a;
    j.row_step = g->flipped ? g->ldb : g->lda;
    j.kind = rows_along_k ? KM_ROWS_OF_TERMS : KM_TERMS_OF_ROWS;
    j.columns = g->flipped ? a : b;
    j.column_step = g->flipped ? g->lda : g->ldb;
    j.columns_along_k = g->flipped ? g->a_along_k : g->b_along_k;
    j.row = (span){0, rows};
    j.column = (span){0, columns};
    if (g->by_rows)
        j.row = cut(rows, 1, g->parts, part);
    else
        j.column = cut(columns, TILE_COLUMNS, g->parts, part);
    return j;
}

/* ---- packing ---- */

static int vectors_of(int64_t columns)
{
    return (int)ceil_div(min64(columns, TILE_COLUMNS), V);
}

/* V terms of up to V columns that lie along k, `step` apart: to V vectors, `next` apart. */
KM_INLINE void transpose(float *to, int64_t next, const float *from, int64_t step, int64_t columns,
                         int64_t terms)
{
    const int whole = columns >= V && terms >= V;
    vf r[V];
    for (int i = 0; i < V; i++)
        r[i] = whole         ? v_load(from + i * step)
               : i < columns ? v_load_n(from + i * step, terms)
                             : v_set(0);
    v_transpose(r);
    for (int i = 0; i < V && i < terms; i++)
        v_store(to + i * next, r[i]);
}

/* A panel of columns that lie along k. */
static void pack_transposed(float *to, const float *from, int64_t step, int64_t columns,
                            int64_t terms)
{
    const int vectors = vectors_of(columns);
    for (int v = 0; v < vectors; v++) {
        const int64_t left = columns - v * V;
        const float *at = from + v * V * step;
        int64_t p = 0;
        for (; p + V <= terms && left >= V; p += V)
            transpose(to + (p * vectors + v) * V, vectors * V, at + p, step, V, V);
        for (; p < terms; p += V)
            transpose(to + (p * vectors + v) * V, vectors * V, at + p, step, left, terms - p);
    }
}

/* Columns side by side; rows of them are `step` apart. */
static void pack_straight(float *to, const float *from, int64_t step, int64_t columns,
                          int64_t terms)
{
    const int vectors = vectors_of(columns);
    for (int64_t p = 0; p < terms; p++)
        for (int v = 0; v < vectors; v++)
            v_store(to + (p * vectors + v) * V, v_load_n(from + p * step + v * V, columns - v * V));
}

static void pack_panel(float *to, const job *j, int64_t column, int64_t columns, block b)
{
    if (j->columns_along_k)
        pack_transposed(to, j->columns + column * j->column_step + b.term, j->column_step, columns,
                        b.terms);
    else
        pack_straight(to, j->columns + b.term * j->column_step + column, j->column_step, columns,
                      b.terms);
}

/* Whether tiles load this panel's vectors where they lie. */
static int lies_ready(const job *j, int64_t columns)
{
    return j->g->b_packed || (j->g->direct && columns % V == 0);
}

/* A block of columns side by side: row by row, as they lie. */
static void pack_rows(const job *j, block b)
{
    const int64_t width = b.column.to - b.column.from;
    for (int64_t p = 0; p < b.terms; p++) {
        const float *from = j->columns + (b.term + p) * j->column_step + b.column.from;
        for (int64_t c = 0; c < width; c += TILE_COLUMNS)
            pack_straight(j->panels + c * b.terms + p * vectors_of(width - c) * V, from + c, 0,
                          width - c, 1);
    }
}

static void pack_block(const job *j, block b)
{
    if (!j->g->b_packed && !j->g->direct && !j->columns_along_k) {
        pack_rows(j, b);
        return;
    }
    for (int64_t c = b.column.from; c < b.column.to; c += TILE_COLUMNS) {
        const int64_t n = min64(TILE_COLUMNS, b.column.to - c);
        if (!lies_ready(j, n))
            pack_panel(j->panels + (j->g->direct ? 0 : (c - b.column.from) * b.terms), j, c, n, b);
    }
}

/* The vectors of the panel from column c on. */
static void set_vectors(km_tile *t, const job *j, int64_t c, int64_t columns, block b)
{
    t->b_step = vectors_of(columns) * V;
    if (j->g->b_packed)
        t->b = j->columns + round_up(j->g->n, V) * b.term + c * b.terms;
    else if (!lies_ready(j, columns))
        t->b = j->panels + (j->g->direct ? 0 : (c - b.column.from) * b.terms);
    else {
        t->b = j->columns + b.term * j->column_step + c;
        t->b_step = j->column_step;
    }
}

/* The rows of a tile, copied to lie close together if the plan says so. */
static void set_rows(km_tile *t, const job *j, int64_t row, int rows, block b)
{
    const int along_k = j->kind == KM_ROWS_OF_TERMS;
    const int64_t width = along_k ? b.terms : rows, height = along_k ? rows : b.terms;
    t->a = j->rows + (along_k ? row * j->row_step + b.term : b.term * j->row_step + row);
    t->a_step = j->row_step;
    if (!j->g->copied)
        return;
    const int64_t step = along_k ? GEMM_TERMS + ALIGN : ROWS_STEP;
    for (int64_t y = 0; y < height; y++)
        for (int64_t x = 0; x < width; x += V)
            v_store(j->copy + y * step + x, v_load_n(t->a + y * j->row_step + x, width - x));
    t->a = j->copy;
    t->a_step = step;
}

/* ---- tiles that don't go straight to c ---- */

typedef struct patch {
    int64_t row, column, columns;
    int rows, vectors, add;
} patch;

static vf finished(const job *j, vf sum, const float *c, int64_t at, int add, int64_t n)
{
    if (add)
        return v_add(v_load_n(c, n), sum);
    return j->bias ? v_add(v_load_n(j->bias + at, n), sum) : sum;
}

static void put_rows(const job *j, const float *sums, patch p)
{
    for (int i = 0; i < p.rows; i++)
        for (int v = 0; v < p.vectors; v++) {
            const int64_t n = p.columns - v * V, at = p.column + v * V;
            float *c = j->c + (p.row + i) * j->g->ldc + at;
            const vf sum = v_load(sums + (i * p.vectors + v) * V);
            v_store_n(c, finished(j, sum, c, at, p.add, n), n);
        }
}

static void put_columns(const job *j, const float *sums, patch p)
{
    for (int i = 0; i < p.rows; i += V)
        for (int v = 0; v < p.vectors; v++) {
            vf r[V];
            for (int q = 0; q < V; q++)
                r[q] = i + q < p.rows ? v_load(sums + ((i + q) * p.vectors + v) * V) : v_set(0);
            v_transpose(r);
            for (int q = 0; q < V && v * V + q < p.columns; q++) {
                float *c = j->c + (p.column + v * V + q) * j->g->ldc + p.row + i;
                v_store_n(c, finished(j, r[q], c, p.row + i, p.add, p.rows - i), p.rows - i);
            }
        }
}

/* ---- loops ---- */

/* Asks for the part of c that the panel after this one writes. */
static void expect_c(const job *j, patch p)
{
    const float *c = j->c + p.row * j->g->ldc + p.column + TILE_COLUMNS;
    if (!j->g->flipped)
        for (int i = 0; i < p.rows; i++)
            for (int v = 0; v < TILE_COLUMNS; v += LINE)
                __builtin_prefetch(c + i * j->g->ldc + v, 1, 2);
}

/* Asks for a piece of the rows of the next tile: all of them in the course of this tile's panels. */
static void expect_rows(const job *j, patch p, block b)
{
    if (j->kind != KM_ROWS_OF_TERMS)
        return;
    const int64_t width = b.column.to - b.column.from, at = p.column - b.column.from;
    const int64_t from = b.terms * at / width,
                  to = b.terms * min64(width, at + TILE_COLUMNS) / width;
    const float *next = j->rows + (p.row + p.rows) * j->row_step + b.term;
    for (int i = 0; i < TILE_ROWS && p.row + p.rows + i < j->row.to; i++)
        for (int64_t x = from; x < to; x += LINE)
            __builtin_prefetch(next + i * j->row_step + x, 0, 2);
}

static void run_panel(const job *j, km_tile *t, patch p)
{
    float sums[TILE_ROWS * TILE_COLUMNS] __attribute__((aligned(64)));
    if (!j->g->flipped && p.columns == p.vectors * V) {
        t->c = j->c + p.row * j->g->ldc + p.column;
        t->c_step = j->g->ldc;
        t->bias = j->bias ? j->bias + p.column : NULL;
        t->add = p.add;
        run_tile(t, j->kind, p.vectors, p.rows);
        return;
    }
    t->c = sums;
    t->c_step = p.vectors * V;
    t->bias = NULL;
    t->add = 0;
    run_tile(t, j->kind, p.vectors, p.rows);
    (j->g->flipped ? put_columns : put_rows)(j, sums, p);
}

/* Asks for a piece of the next block's columns where few rows leave little time to read them. */
static void expect_columns(const job *j, block b, int64_t step, int64_t steps)
{
    const int64_t next = b.term + b.terms, to = next + b.terms * (step + 1) / steps;
    if (j->columns_along_k || j->g->b_packed || j->g->direct)
        return;
    for (int64_t p = next + b.terms * step / steps; p < to && p < j->g->k; p++)
        for (int64_t c = b.column.from; c < b.column.to; c += LINE)
            __builtin_prefetch(j->columns + p * j->column_step + c, 0, 2);
}

static span tile_of(const job *j, int64_t i, int64_t tiles)
{
    const int64_t count = j->row.to - j->row.from;
    return (span){j->row.from + count * i / tiles, j->row.from + count * (i + 1) / tiles};
}

/* All rows past one block. Tiles are of equal height, or one less. */
static void run_block(const job *j, block b)
{
    enum { FEW_TILES = 8 };
    const int64_t tiles = ceil_div(j->row.to - j->row.from, TILE_ROWS);
    const int64_t panels = ceil_div(b.column.to - b.column.from, TILE_COLUMNS);
    int64_t step = 0;
    pack_block(j, b);
    for (int64_t i = 0; i < tiles; i++) {
        const span rows = tile_of(j, i, tiles);
        km_tile t = {.terms = b.terms};
        patch p = {.row = rows.from, .rows = (int)(rows.to - rows.from), .add = b.term > 0};
        set_rows(&t, j, p.row, p.rows, b);
        for (p.column = b.column.from; p.column < b.column.to; p.column += TILE_COLUMNS) {
            p.columns = min64(TILE_COLUMNS, b.column.to - p.column);
            p.vectors = vectors_of(p.columns);
            set_vectors(&t, j, p.column, p.columns, b);
            expect_c(j, p);
            expect_rows(j, p, b);
            if (tiles <= FEW_TILES)
                expect_columns(j, b, step++, tiles * panels);
            run_panel(j, &t, p);
        }
    }
}

/* Block i of the terms. They are equal too; there is one even if it is empty: c is the bias then. */
static int64_t blocks_of(const km_gemm *g)
{
    return g->k > GEMM_TERMS ? ceil_div(g->k, GEMM_TERMS) : 1;
}

static block block_of(const km_gemm *g, span column, int64_t i)
{
    const int64_t blocks = blocks_of(g), term = g->k * i / blocks;
    return (block){.column = column, .term = term, .terms = g->k * (i + 1) / blocks - term};
}

/* A tile past all terms, in its own small c. */
static void run_deep_tile(const job *j, patch p, span column)
{
    float sums[TILE_ROWS * TILE_COLUMNS] __attribute__((aligned(64)));
    km_tile t = {.c = sums, .c_step = p.vectors * V};
    job here = *j;
    for (int64_t i = 0; i < blocks_of(j->g); i++) {
        const block b = block_of(j->g, column, i);
        here.panels = j->panels + round_up(column.to - column.from, V) * b.term;
        t.terms = b.terms;
        t.add = i > 0;
        set_rows(&t, j, p.row, p.rows, b);
        set_vectors(&t, &here, p.column, p.columns, b);
        expect_rows(j, p, (block){{p.column, p.column + 1}, b.term, b.terms});
        run_tile(&t, j->kind, p.vectors, p.rows);
    }
    put_columns(j, sums, p);
}

/* Few columns of c^T: all terms of them are packed, the rows pass by once. */
static void run_deep(const job *j)
{
    const int64_t tiles = ceil_div(j->row.to - j->row.from, TILE_ROWS);
    for (int64_t i = 0; i < blocks_of(j->g); i++) {
        const block b = block_of(j->g, j->column, i);
        job here = *j;
        here.panels = j->panels + round_up(j->column.to - j->column.from, V) * b.term;
        pack_block(&here, b);
    }
    for (int64_t i = 0; i < tiles; i++) {
        const span rows = tile_of(j, i, tiles);
        patch p = {.row = rows.from, .rows = (int)(rows.to - rows.from)};
        for (p.column = j->column.from; p.column < j->column.to; p.column += TILE_COLUMNS) {
            p.columns = min64(TILE_COLUMNS, j->column.to - p.column);
            p.vectors = vectors_of(p.columns);
            run_deep_tile(j, p, j->column);
        }
    }
}

void km_gemm_run(const km_gemm *g, const float *a, const float *b, const float *bias, float *c,
                 float *work, int part)
{
    const job j = job_of(g, a, b, bias, c, work, part);
    if (g->dot) {
        km_gemm_dot(g, a, b, bias, c, j.column.from, j.column.to);
        return;
    }
    if (g->deep) {
        run_deep(&j);
        return;
    }
    for (int64_t at = j.column.from; at < j.column.to; at += GEMM_COLUMNS)
        for (int64_t i = 0; i < blocks_of(g); i++) {
            const span column = {at, min64(at + GEMM_COLUMNS, j.column.to)};
            run_block(&j, block_of(g, column, i));
        }
}

void km_gemm_pack(const km_gemm *g, const float *b, float *packed)
{
    const job j = {.g = g, .columns = b, .column_step = g->ldb, .columns_along_k = g->b_along_k};
    for (int64_t i = 0; i < blocks_of(g); i++) {
        const block k = block_of(g, (span){0, g->n}, i);
        for (int64_t c = 0; c < g->n; c += TILE_COLUMNS)
            pack_panel(packed + round_up(g->n, V) * k.term + c * k.terms, &j, c,
                       min64(TILE_COLUMNS, g->n - c), k);
    }
}

/* ---- the plan ---- */

/* Cycles, roughly: what transposing takes beside the product itself. */
static double cost(const km_gemm *g, int flipped)
{
    const double m = (double)g->m, n = (double)g->n, k = (double)g->k;
    const int64_t columns = flipped ? g->m : g->n;
    const int columns_along_k = flipped ? g->a_along_k : g->b_along_k;
    const double product = (flipped ? n : m) * (double)round_up(columns, V) * k / (2 * V);
    const double pack = (double)columns * k * (columns_along_k ? 0.3 : 0.1);
    return product + pack + (flipped ? 0.45 * m * n : 0);
}

void km_gemm_plan(km_gemm *g)
{
    enum {
        DOT_ROWS = 8,
        FEW_PANELS = 4,
        SMALL = 1 << 15,
        NEAR = 256,
        DEEP_COLUMNS = 2 * TILE_COLUMNS,
        DEEP_TERMS = 4096
    };
    g->dot = g->a_along_k && g->b_along_k && !g->b_packed && g->m <= DOT_ROWS;
    g->flipped = !g->dot && !g->b_packed && g->b_along_k && cost(g, 1) < cost(g, 0);
    const int64_t rows = g->flipped ? g->n : g->m, columns = g->flipped ? g->m : g->n;
    const int64_t panels = ceil_div(columns, TILE_COLUMNS);
    const int64_t row_step = g->flipped ? g->ldb : g->lda;
    const int columns_along_k = g->flipped ? g->a_along_k : g->b_along_k;
    const int straight = !g->dot && !g->b_packed && !columns_along_k;
    g->direct = straight && (rows <= TILE_ROWS || g->k * columns <= SMALL);
    g->copied = panels >= FEW_PANELS && row_step >= NEAR;
    g->deep = g->flipped && columns <= DEEP_COLUMNS && g->k <= DEEP_TERMS;
    g->by_rows = !g->dot && panels < 4 * g->parts && rows >= panels;
    g->pack = g->deep     ? round_up(columns, V) * g->k
              : g->direct ? TILE_COLUMNS * min64(g->k, GEMM_TERMS)
                          : min64(round_up(columns, V), GEMM_COLUMNS) * min64(g->k, GEMM_TERMS);
    if (g->b_packed || g->dot)
        g->pack = 0;
    g->pack = round_up(g->pack, ALIGN);
    g->work = g->pack + (g->copied && !g->dot ? ROWS_STEP * (GEMM_TERMS + ALIGN) : 0);
}
