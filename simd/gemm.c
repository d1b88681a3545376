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

enum { ROWS_STEP = (TILE_ROWS + V - 1) / V * V, ALIGN = 16 };

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
        tile(t, KIND, VECTORS, rows);                                                              \
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

/* Columns at `from`, `columns` of them, that lie along k: `step` apart. */
static void pack_transposed(float *to, const float *from, int64_t step, int64_t columns,
                            int64_t terms)
{
    const int vectors = vectors_of(columns);
    for (int64_t p = 0; p < terms; p += V)
        for (int v = 0; v < vectors; v++) {
            vf r[V];
            for (int i = 0; i < V; i++)
                r[i] = v * V + i < columns ? v_load_n(from + (v * V + i) * step + p, terms - p)
                                           : v_set(0);
            v_transpose(r);
            for (int i = 0; i < V && p + i < terms; i++)
                v_store(to + ((p + i) * vectors + v) * V, r[i]);
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

static void pack_block(const job *j, block b)
{
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

/* All rows past one block. Tiles are of equal height, or one less. */
static void run_block(const job *j, block b)
{
    const int64_t count = j->row.to - j->row.from, tiles = ceil_div(count, TILE_ROWS);
    pack_block(j, b);
    for (int64_t i = 0; i < tiles; i++) {
        const int64_t from = count * i / tiles, to = count * (i + 1) / tiles;
        km_tile t = {.terms = b.terms};
        patch p = {.row = j->row.from + from, .rows = (int)(to - from), .add = b.term > 0};
        set_rows(&t, j, p.row, p.rows, b);
        for (p.column = b.column.from; p.column < b.column.to; p.column += TILE_COLUMNS) {
            p.columns = min64(TILE_COLUMNS, b.column.to - p.column);
            p.vectors = vectors_of(p.columns);
            set_vectors(&t, j, p.column, p.columns, b);
            run_panel(j, &t, p);
        }
    }
}

/* Blocks of terms are equal too; there is one even if it is empty: c is the bias then. */
static int64_t blocks_of(int64_t terms)
{
    return terms > GEMM_TERMS ? ceil_div(terms, GEMM_TERMS) : 1;
}

void km_gemm_run(const km_gemm *g, const float *a, const float *b, const float *bias, float *c,
                 float *work, int part)
{
    const job j = job_of(g, a, b, bias, c, work, part);
    const int64_t blocks = blocks_of(g->k);
    if (g->dot) {
        km_gemm_dot(g, a, b, bias, c, j.column.from, j.column.to);
        return;
    }
    for (int64_t column = j.column.from; column < j.column.to; column += GEMM_COLUMNS)
        for (int64_t i = 0; i < blocks; i++) {
            const int64_t term = g->k * i / blocks;
            run_block(&j, (block){.column = {column, min64(column + GEMM_COLUMNS, j.column.to)},
                                  .term = term,
                                  .terms = g->k * (i + 1) / blocks - term});
        }
}

void km_gemm_pack(const km_gemm *g, const float *b, float *packed)
{
    const job j = {.g = g, .columns = b, .column_step = g->ldb, .columns_along_k = g->b_along_k};
    const int64_t blocks = blocks_of(g->k), columns = round_up(g->n, V);
    for (int64_t i = 0; i < blocks; i++) {
        block k = {.term = g->k * i / blocks};
        k.terms = g->k * (i + 1) / blocks - k.term;
        for (int64_t c = 0; c < g->n; c += TILE_COLUMNS)
            pack_panel(packed + columns * k.term + c * k.terms, &j, c,
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
    enum { DOT_ROWS = 8, FEW_TILES = 3, FEW_PANELS = 4, SMALL = 1 << 15, NEAR = 256 };
    g->dot = g->a_along_k && g->b_along_k && !g->b_packed && g->m <= DOT_ROWS;
    g->flipped = !g->dot && !g->b_packed && cost(g, 1) < cost(g, 0);
    const int64_t rows = g->flipped ? g->n : g->m, columns = g->flipped ? g->m : g->n;
    const int64_t panels = ceil_div(columns, TILE_COLUMNS);
    const int64_t row_step = g->flipped ? g->ldb : g->lda;
    const int columns_along_k = g->flipped ? g->a_along_k : g->b_along_k;
    g->direct = !columns_along_k && (rows <= FEW_TILES * TILE_ROWS || g->k * columns <= SMALL);
    g->copied = panels >= FEW_PANELS && row_step >= NEAR;
    g->by_rows = !g->dot && panels < 4 * g->parts && rows >= panels;
    g->pack = g->direct ? TILE_COLUMNS * min64(g->k, GEMM_TERMS)
                        : min64(round_up(columns, V), GEMM_COLUMNS) * min64(g->k, GEMM_TERMS);
    if (g->b_packed || g->dot)
        g->pack = 0;
    g->pack = round_up(g->pack, ALIGN);
    g->work = g->pack + (g->copied && !g->dot ? ROWS_STEP * (GEMM_TERMS + ALIGN) : 0);
}
