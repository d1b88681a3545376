/* gemm.h: products of float matrices, c = a b + bias, planned once and computed in parts.
 *
 * Element (i, j) of c is formed in an order that k and the plan's shape decide alone, in blocks of at most g->terms
 * terms, so that parts have the bits of the whole. Symbols carry the ISA's name; the micro-kernel is in tile.h.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_GEMM_H
#define KM_GEMM_H

#include "tile.h"

typedef struct km_gemm {
    int64_t m, n, k; /* c is m x n, of k terms; each may be 0 */
    int64_t lda, ldb, ldc;
    int a_along_k; /* element (i, p) at a[i * lda + p]; else at a[p * lda + i] */
    int b_along_k; /* element (p, j) at b[j * ldb + p]; else at b[p * ldb + j] */
    int b_packed;  /* b is what km_gemm_pack made */
    int bias_by_row; /* bias: m floats, one for each row; else n, one for each column. Not where b lies along k */
    int parts; /* that km_gemm_run will be asked for */
    /* the plan */
    int turned;             /* a is transposed, and c comes out transposed */
    int dot;                /* lanes run along k */
    int direct;             /* vectors of b are loaded where they lie, not from packed panels */
    int rows_packed;        /* rows of a are packed, too */
    int by_rows;            /* parts are cut along m, else along n */
    int wide;               /* tiles are of km_tile_width vectors */
    int height;             /* of tiles */
    int64_t terms, columns; /* of a block of b */
    int64_t rows;           /* of a chunk of a */
    int64_t pack, work;     /* floats of a part's workspace: panels of b, and all of it */
} km_gemm;

#define km_gemm_plan KM_JOIN(KM_ISA, gemm_plan)
#define km_gemm_run  KM_JOIN(KM_ISA, gemm_run)
#define km_gemm_pack KM_JOIN(KM_ISA, gemm_pack)

/* Fills in the plan. */
void km_gemm_plan(km_gemm *g);

/* The plan's way, in a word or two. */
static inline const char *km_gemm_words(const km_gemm *g)
{
    return g->dot ? "dot" : g->turned ? "tiles, turned" : g->direct ? "tiles, unpacked" : "tiles";
}

/* One part of c; work: g->work floats for this part alone, aligned to 64 bytes. bias: n floats (or m,
 * see bias_by_row) or NULL. */
void km_gemm_run(const km_gemm *g, const float *a, const float *b, const float *bias, float *c,
                 float *work, int part);

/* b as b_packed wants it: km_gemm_packed(g) floats, panels of TILE_COLUMNS columns within blocks of terms. */
void km_gemm_pack(const km_gemm *g, const float *b, float *packed);

static inline int64_t km_gemm_packed(const km_gemm *g)
{
    return (g->n + V - 1) / V * V * g->k;
}

/* ---- between the files of it ---- */

#define km_gemm_dot          KM_JOIN(KM_ISA, gemm_dot)
#define km_gemm_dot_work     KM_JOIN(KM_ISA, gemm_dot_work)
#define km_gemm_turned       KM_JOIN(KM_ISA, gemm_turned)
#define km_gemm_turned_work  KM_JOIN(KM_ISA, gemm_turned_work)
#define km_gemm_pack_columns KM_JOIN(KM_ISA, gemm_pack_columns)
#define km_gemm_pack_rows    KM_JOIN(KM_ISA, gemm_pack_rows)

/* Part of a matrix: element (p, j) at from[j * step + p] if it lies along k, else at from[p * step + j]. */
typedef struct km_piece {
    const float *from;
    int64_t step, terms, columns;
    int along_k;
} km_piece;

/* Panels of TILE_COLUMNS columns, the last one as many vectors wide as it needs. */
void km_gemm_pack_columns(float *to, km_piece p);

/* Up to TILE_ROWS columns of the piece, which are rows of a: element (i, p) to to[p * PACKED_ROWS + i]. */
void km_gemm_pack_rows(float *to, km_piece p);

/* dot.c: columns [from, to) of c where few rows and both matrices lie along k. */
void km_gemm_dot(const km_gemm *g, const float *a, const float *b, const float *bias, float *c,
                 float *work, int64_t from, int64_t to);

/* Floats that it works in. */
int64_t km_gemm_dot_work(const km_gemm *g);

/* gemm_turned.c: the same of some rows, and its floats. */
void km_gemm_turned(const km_gemm *g, const float *a, const float *b, const float *bias, float *c,
                    float *work, int64_t from, int64_t to);
int64_t km_gemm_turned_work(const km_gemm *g);

static inline int64_t km_min64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static inline int64_t km_ceil_div(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

static inline int64_t km_round_up(int64_t a, int64_t b)
{
    return km_ceil_div(a, b) * b;
}

static inline int km_gemm_vectors(int64_t columns)
{
    return (int)km_ceil_div(km_min64(columns, TILE_COLUMNS), V);
}

#endif
