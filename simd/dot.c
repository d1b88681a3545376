/* dot.c: products of few rows, a [m, k] and b [n, k] both along k: nothing is transposed, b is read as it lies.
 *
 * Lanes run along k: up to DOT_ROWS rows of a meet up to DOT_COLUMNS rows of b, a vector of sums for each pair, which
 * are added across at the end, always in the same order. Where several groups of rows meet the same rows of b, k is cut
 * into blocks of TERMS that stay in L1, and the sums wait in memory.
 * SPDX-License-Identifier: Apache-2.0 */
#include "gemm.h"

#include <stddef.h>

enum {
    DOT_ROWS = 4,
    DOT_COLUMNS = 8,
    DOT_SUMS = TILE_SUMS < 24 ? 8 : 24,
    OUT = (DOT_SUMS + V - 1) / V * V,
    TERMS = 512
};

/* Rows of b in a tile: more where a has one or two. */
static inline int columns_of(int64_t m)
{
    const int most = m == 1 ? DOT_SUMS : m == 2 ? DOT_SUMS / 2 : DOT_SUMS / DOT_ROWS;
    return most < DOT_COLUMNS ? most : DOT_COLUMNS;
}

/* Rows of a and of b, of one block of terms. */
typedef struct group {
    const float *a, *b[DOT_COLUMNS];
    int64_t lda, terms;
    float *sums; /* of former blocks, and for later ones */
    int first, last;
} group;

KM_INLINE void add_terms(const group *g, int rows, int columns, int64_t p, int64_t n,
                         vf sum[DOT_SUMS])
{
    vf a[DOT_ROWS];
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++)
        a[i] = n < V ? v_load_n(g->a + i * g->lda + p, n) : v_load(g->a + i * g->lda + p);
#pragma GCC unroll 16
    for (int j = 0; j < columns; j++) {
        const vf b = n < V ? v_load_n(g->b[j] + p, n) : v_load(g->b[j] + p);
#pragma GCC unroll 16
        for (int i = 0; i < rows; i++)
            sum[i * columns + j] = v_fma(a[i], b, sum[i * columns + j]);
    }
}

/* Element i of out: the sum of the lanes of sum[i]; count is a compile-time constant. */
KM_INLINE void add_lanes(const vf sum[DOT_SUMS], int count, float out[OUT])
{
#pragma GCC unroll 16
    for (int i = 0; i < count; i += V) {
        vf part[V];
#pragma GCC unroll 16
        for (int q = 0; q < V; q++)
            part[q] = sum[i + q % (count - i < V ? count - i : V)];
        v_store(out + i, v_sums(part));
    }
}

/* Element i * columns + j of out: row i of a times row j of b, after the last block. */
KM_INLINE void dots(const group *g_, int rows, int columns, float out[OUT])
{
    const group g = *g_;
    vf sum[DOT_SUMS];
    int64_t p = 0;
#pragma GCC unroll 32
    for (int i = 0; i < rows * columns; i++)
        sum[i] = g.first ? v_set(0) : v_load(g.sums + i * V);
    for (; p + V <= g.terms; p += V)
        add_terms(&g, rows, columns, p, V, sum);
    if (p < g.terms)
        add_terms(&g, rows, columns, p, g.terms - p, sum);
    if (g.last) {
        add_lanes(sum, rows * columns, out);
        return;
    }
#pragma GCC unroll 32
    for (int i = 0; i < rows * columns; i++)
        v_store(g.sums + i * V, sum[i]);
}

#define CASE(rows, m)                                                                              \
    case rows:                                                                                     \
        dots(g, rows, columns_of(m), out);                                                         \
        break;

static void run_group(const group *g, int64_t m, int rows, float out[OUT])
{
    if (m <= 2)
        switch (rows) {
            CASE(1, 1)
            CASE(2, 2)
        }
    else
        switch (rows) {
            CASE(2, DOT_ROWS)
            CASE(3, DOT_ROWS)
            CASE(4, DOT_ROWS)
        }
}

static void put(const km_gemm *g, const float *out, const float *bias, float *c, int rows,
                int columns, int step)
{
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < columns; j++)
            c[i * g->ldc + j] = bias ? bias[j] + out[i * step + j] : out[i * step + j];
}

static int64_t groups_of(const km_gemm *g)
{
    return km_ceil_div(g->m, DOT_ROWS);
}

/* Terms of a block: all, unless rows of b are used again. */
static int64_t terms_of(const km_gemm *g)
{
    return groups_of(g) > 1 && g->k >= 2 * TERMS ? TERMS : g->k > 0 ? g->k : 1;
}

int64_t km_gemm_dot_work(const km_gemm *g)
{
    return terms_of(g) < g->k ? groups_of(g) * DOT_SUMS * V : 0;
}

typedef struct columns {
    const float *a, *b, *bias;
    float *c, *work;
    int64_t count;
} columns;

/* All rows past some columns, one block of terms. Where a column is missing, the last one stands in. */
static void run_block(const km_gemm *g, const columns *s, int64_t term, int64_t terms)
{
    float out[OUT];
    group one = {.lda = g->lda, .terms = terms, .first = term == 0, .last = term + terms >= g->k};
    for (int j = 0; j < DOT_COLUMNS; j++)
        one.b[j] = s->b + km_min64(j, s->count - 1) * g->ldb + term;
    for (int64_t i = 0, tiles = groups_of(g); i < tiles; i++) {
        const int64_t from = g->m * i / tiles, rows = g->m * (i + 1) / tiles - from;
        one.a = s->a + from * g->lda + term;
        one.sums = s->work + i * DOT_SUMS * V;
        run_group(&one, g->m, (int)rows, out);
        if (one.last)
            put(g, out, s->bias, s->c + from * g->ldc, (int)rows, (int)s->count, columns_of(g->m));
    }
}

void km_gemm_dot(const km_gemm *g, const float *a, const float *b, const float *bias, float *c,
                 float *work, int64_t from, int64_t to)
{
    const int64_t block = terms_of(g);
    const int step = columns_of(g->m);
    for (int64_t j = from; j < to; j += step) {
        const columns s = {a,     b + j * g->ldb, bias ? bias + j : NULL,
                           c + j, work,           km_min64(step, to - j)};
        int64_t term = 0;
        do {
            run_block(g, &s, term, km_min64(block, g->k - term));
            term += block;
        } while (term < g->k);
    }
}
