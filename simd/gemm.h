/* gemm.h: products of float matrices, c = a b + bias, planned once and computed in parts.
 *
 * Element (i, j) of c is formed in an order that k and the plan's shape decide alone, in blocks of at most GEMM_TERMS
 * terms, so that parts have the bits of the whole. Symbols carry the ISA's name; the micro-kernel is in tile.h.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_GEMM_H
#define KM_GEMM_H

#include "tile.h"

/* Sizes of blocks: GEMM_TERMS x GEMM_COLUMNS floats of b are half of an L2 cache of 1 MiB. */
enum { GEMM_TERMS = 256, GEMM_COLUMNS = 512 / TILE_COLUMNS * TILE_COLUMNS };

typedef struct km_gemm {
    int64_t m, n, k; /* c is m x n, of k terms; each may be 0 */
    int64_t lda, ldb, ldc;
    int a_along_k; /* element (i, p) at a[i * lda + p]; else at a[p * lda + i] */
    int b_along_k; /* element (p, j) at b[j * ldb + p]; else at b[p * ldb + j] */
    int b_packed;  /* b is what km_gemm_pack made */
    int parts;     /* that km_gemm_run will be asked for */
    /* the plan */
    int dot;     /* lanes run along k */
    int flipped; /* tiles are of c^T: its rows are columns of b */
    int direct;  /* vectors are loaded where they lie, not from packed panels */
    int copied;  /* the rows of a tile are copied, as their distance collides in the caches */
    int deep;    /* few columns of c^T: all terms of a tile before the next one */
    int by_rows; /* parts are cut along the tiles' rows, else along their columns */
    int64_t pack, work; /* floats of a part's workspace: panels of vectors, and all of it */
} km_gemm;

#define km_gemm_plan KM_JOIN(KM_ISA, gemm_plan)
#define km_gemm_run  KM_JOIN(KM_ISA, gemm_run)
#define km_gemm_pack KM_JOIN(KM_ISA, gemm_pack)
#define km_gemm_dot  KM_JOIN(KM_ISA, gemm_dot)

/* Fills in the plan. */
void km_gemm_plan(km_gemm *g);

/* The plan's way, in a word or two. */
static inline const char *km_gemm_words(const km_gemm *g)
{
    return g->dot ? "dot" : g->flipped ? "tiles of c^T" : g->direct ? "tiles, unpacked" : "tiles";
}

/* One part of c; work: g->work floats for this part alone, aligned to 64 bytes. bias: n floats or NULL. */
void km_gemm_run(const km_gemm *g, const float *a, const float *b, const float *bias, float *c,
                 float *work, int part);

/* b as b_packed wants it: km_gemm_packed(g) floats, panels of TILE_COLUMNS columns within blocks of terms. */
void km_gemm_pack(const km_gemm *g, const float *b, float *packed);

static inline int64_t km_gemm_packed(const km_gemm *g)
{
    return (g->n + V - 1) / V * V * g->k;
}

/* dot.c: columns [from, to) of c where few rows and both matrices lie along k. */
void km_gemm_dot(const km_gemm *g, const float *a, const float *b, const float *bias, float *c,
                 int64_t from, int64_t to);

#endif
