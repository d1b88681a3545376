/* dot.c: products of few rows, a [m, k] and b [n, k] both along k: b is read once, as it lies.
 *
 * Lanes run along k. Some rows of b meet some rows of a, DOT_SUMS vectors of sums at a time; then V of those are
 * transposed and added, always in the same order, to V elements of c.
 * SPDX-License-Identifier: Apache-2.0 */
#include "gemm.h"

#include <stddef.h>

enum { DOT_SUMS = V < 8 ? 16 : V, DOT_ROWS = 4 };

static int64_t min64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* What a group of sums is formed from: rows of a and of b. */
typedef struct group {
    const float *a, *b;
    int64_t lda, ldb, k;
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
        const float *at = g->b + j * g->ldb + p;
        const vf b = n < V ? v_load_n(at, n) : v_load(at);
#pragma GCC unroll 16
        for (int i = 0; i < rows; i++)
            sum[i * columns + j] = v_fma(a[i], b, sum[i * columns + j]);
    }
}

/* Element i * columns + j of out: row i of a times row j of b. */
KM_INLINE void dots(const group *g_, int rows, int columns, float out[DOT_SUMS])
{
    const group g = *g_;
    vf sum[DOT_SUMS];
    int64_t p = 0;
#pragma GCC unroll 16
    for (int i = 0; i < DOT_SUMS; i++)
        sum[i] = v_set(0);
    for (; p + V <= g.k; p += V)
        add_terms(&g, rows, columns, p, V, sum);
    if (p < g.k)
        add_terms(&g, rows, columns, p, g.k - p, sum);
#pragma GCC unroll 16
    for (int i = 0; i < rows * columns; i += V) {
        v_transpose(sum + i);
#pragma GCC unroll 4
        for (int half = V / 2; half > 0; half /= 2)
#pragma GCC unroll 16
            for (int q = 0; q < half; q++)
                sum[i + q] = v_add(sum[i + q], sum[i + q + half]);
        v_store(out + i, sum[i]);
    }
}

/* As many rows of b as fill the sums, or one. */
#define CASE(rows)                                                                                 \
    case rows:                                                                                     \
        if (wide)                                                                                  \
            dots(g, rows, DOT_SUMS / rows, out);                                                   \
        else                                                                                       \
            dots(g, rows, 1, out);                                                                 \
        break;

static void run_group(const group *g, int rows, int wide, float out[DOT_SUMS])
{
    switch (rows) {
        CASE(1)
        CASE(2)
        CASE(3)
        CASE(4)
    }
}

static void put(const km_gemm *g, const float *out, const float *bias, float *c, int rows,
                int columns)
{
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < columns; j++)
            c[i * g->ldc + j] = bias ? bias[j] + out[i * columns + j] : out[i * columns + j];
}

/* n columns of some rows. */
static void run_rows(const km_gemm *g, group s, const float *bias, float *c, int rows, int64_t n)
{
    float out[DOT_SUMS];
    for (int64_t j = 0; j < n;) {
        const int most = DOT_SUMS / rows, wide = n - j >= most, columns = wide ? most : 1;
        run_group(&s, rows, wide, out);
        put(g, out, bias ? bias + j : NULL, c + j, rows, columns);
        s.b += columns * s.ldb;
        j += columns;
    }
}

void km_gemm_dot(const km_gemm *g, const float *a, const float *b, const float *bias, float *c,
                 int64_t from, int64_t to)
{
    const int most = (int)min64(DOT_ROWS, g->m), step = most ? DOT_SUMS / most * most : DOT_SUMS;
    for (int64_t j = from; j < to; j += step) /* which stay in L1 for the next rows */
        for (int64_t i = 0; i < g->m; i += DOT_ROWS) {
            const group s = {a + i * g->lda, b + j * g->ldb, g->lda, g->ldb, g->k};
            run_rows(g, s, bias ? bias + j : NULL, c + i * g->ldc + j,
                     (int)min64(DOT_ROWS, g->m - i), min64(step, to - j));
        }
}
