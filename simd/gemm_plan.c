/* gemm_plan.c: which way a product takes, by its sizes.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "gemm.h"

/* Cycles, roughly, for each element of c: with lanes along k, and with b transposed. */
static int dot_pays(const km_gemm *g)
{
    const double k = (double)g->k, m = (double)g->m, each = 1.0 / (2 * V);
    const double dot = k * each * 1.08 + 2.6, tiles = k * each * 1.04 + 0.27 * k / m + 0.5;
    return g->a_along_k && g->b_along_k && !g->b_packed && dot < tiles;
}

/* Measured: many terms, of rows that fill their vectors, and that stay in L2 packed. */
static int turned_pays(const km_gemm *g)
{
    enum { FEWEST = 16, SOME = 24, MOST = 96, TERMS = 256, PACKED = 1 << 17, FAR = 1 << 19 };
    const int fills = g->m * 4 >= km_round_up(g->m, V) * 3;
    return g->a_along_k && g->b_along_k && !g->b_packed && g->k >= TERMS && g->m <= MOST && fills &&
           g->m * g->k <= PACKED && (g->m >= SOME || (g->m >= FEWEST && g->k * g->n <= FAR));
}

/* Rows that are broadcast from where they lie: for few panels, or if they are close together. */
static int rows_fit(const km_gemm *g)
{
    enum { FEW_PANELS = 2, SOME_PANELS = 4, MANY_PANELS = 16, NEAR = 400, FEW_TERMS = 8 };
    const int64_t panels = km_ceil_div(g->n, TILE_COLUMNS);
    return g->a_along_k ? panels <= SOME_PANELS || (g->lda <= NEAR && panels <= MANY_PANELS)
                        : panels <= FEW_PANELS || g->k <= FEW_TERMS;
}

/* Rows of a chunk: packed, they take no more than about 2 MiB. */
static int64_t rows_of(const km_gemm *g)
{
    enum { TILES = 75 };
    return g->rows_packed ? km_min64(g->m, TILES * TILE_ROWS) : g->m;
}

/* Floats of a part's workspace. */
static void size_work(km_gemm *g)
{
    enum { ALIGN = 16 };
    const int64_t terms = km_min64(g->k, g->terms);
    const int packed = !g->direct && !g->b_packed && !g->dot && !g->turned;
    g->pack = packed ? km_round_up(km_min64(km_round_up(g->n, V), g->columns) * terms, ALIGN) : 0;
    g->work = g->dot           ? km_gemm_dot_work(g)
              : g->turned      ? km_gemm_turned_work(g)
              : g->rows_packed ? g->pack + km_ceil_div(g->rows, TILE_ROWS) * PACKED_ROWS * terms
                               : g->pack;
    g->work = km_round_up(g->work, ALIGN);
}

/* Tiles that load b where it lies, each row of it in long pieces; what several tiles read stays in L1. */
static void plan_direct(km_gemm *g, int few_terms)
{
    enum {
        WIDE_ROWS = 9,
        MOST_ROWS = 36,
        LONG = 16,
        SHORT = 64,
        NARROW = 192 / TILE_COLUMNS * TILE_COLUMNS
    };
    const int one = g->m <= WIDE_ROWS;
    g->wide = g->m <= MOST_ROWS || few_terms;
    g->height = few_terms                                            ? 2
                : g->wide && !one && (int)TILE_ROWS > (int)WIDE_ROWS ? WIDE_ROWS
                                                                     : TILE_ROWS;
    g->terms = one ? LONG : SHORT;
    g->columns = one || g->k * g->n <= SHORT * NARROW ? INT64_MAX / 2 : NARROW;
}

/* b is packed. For few rows in blocks of long rows: reading b takes a good part of the time then. */
static void plan_packed(km_gemm *g)
{
    enum { TERMS = 384, COLUMNS = 256 / TILE_COLUMNS * TILE_COLUMNS };
    enum { FEW_ROWS = 48, LESS = 128, LONG = 512 / TILE_COLUMNS * TILE_COLUMNS };
    const int few = g->m <= FEW_ROWS && !g->b_along_k && !g->b_packed;
    g->wide = 0;
    g->height = TILE_ROWS;
    g->terms = few ? LESS : TERMS;
    g->columns = few ? LONG : COLUMNS;
}

/* Measured: b that is small, or has rows near each other and is not far beyond L2, by up to 16 rows. */
static int direct_pays(const km_gemm *g)
{
    enum { SMALL = 1 << 13, LARGE = 1 << 21, NEAR = 2048, FEW_ROWS = 16, SOME_ROWS = 36 };
    const int64_t size = g->k * g->n;
    return size <= SMALL || (g->m <= SOME_ROWS && size <= 2 * SMALL) ||
           (g->m <= FEW_ROWS && size <= LARGE && g->ldb <= NEAR);
}

void km_gemm_plan(km_gemm *g)
{
    enum { FEW_TERMS = 6, MANY = 1 << 15 };
    const int straight = !g->b_along_k && !g->b_packed;
    const int few_terms = g->k <= FEW_TERMS && g->m * g->n >= MANY;
    g->turned = turned_pays(g);
    g->dot = !g->turned && dot_pays(g);
    g->direct = straight && (g->m <= TILE_ROWS || few_terms || direct_pays(g));
    if (g->direct)
        plan_direct(g, few_terms);
    else
        plan_packed(g);
    g->rows_packed = !g->direct && !g->dot && !g->turned && !rows_fit(g);
    g->rows = rows_of(g);
    g->by_rows = !g->dot && !g->turned && km_ceil_div(g->n, TILE_COLUMNS) < 4 * g->parts &&
                 g->m >= 16 * g->parts;
    size_work(g);
}
