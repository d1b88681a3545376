/* tile.h: the micro-kernel of matrix products: a register tile of up to TILE_ROWS rows by TILE_VECTORS vectors, or of
 * fewer rows by more vectors, moved along a row of panels.
 *
 * Each step of the sum loads the vectors of one row of b, broadcasts one element of a for each row of the tile and
 * multiplies and adds: all sums stay in registers. Element (i, j) is the sum over p in order, whatever the tile's
 * height and width, so results do not depend on where a matrix is cut.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_TILE_H
#define KM_TILE_H

#include "vec.h"

/* How a's elements lie: row i, term p at a[i * a_step + p] or at a[p * a_step + i]. The latter takes
 * fewer instructions: all of a term's elements are found from three addresses. Fewer still where a and b are packed:
 * a_step is PACKED_ROWS then, b_step the width of the tile, and nothing is copied. */
typedef enum km_tile_kind {
    KM_ROWS_OF_TERMS,
    KM_TERMS_OF_ROWS,
    KM_BOTH_PACKED,
    KM_TILE_KINDS
} km_tile_kind;

enum {
    TILE_COLUMNS = TILE_VECTORS * V,
    TILE_SUMS = TILE_ROWS * TILE_VECTORS,
    PACKED_ROWS = (TILE_ROWS + V - 1) / V * V
};

typedef struct km_tile {
    const float *a, *b; /* term p of b: the vectors at b + p * b_step */
    int64_t a_step, b_step, terms;
    int64_t panels; /* side by side in c */
    int64_t b_next; /* floats of b from panel to panel */
    float *
        copy; /* NULL, or b lies apart and goes there as packed panels on its way; not where tiles are wide */
    int64_t last; /* lanes of the last vector, where the tile is called partial; panels is 1 then */
    float *c;     /* row i at c + i * c_step */
    int64_t c_step;
    const float *bias;     /* one for each column, or NULL */
    const float *row_bias; /* one for each row, or NULL */
    int add;               /* nonzero: to what is in c; no bias then */
} km_tile;

#define km_tile_run KM_JOIN(KM_ISA, tile_run)

/* Vectors of a tile of few rows that loads b where it lies: as wide as registers allow, for long reads. */
static inline int km_tile_width(int64_t rows)
{
    enum { SUMS = TILE_SUMS / 4 * 4 < 24 ? TILE_SUMS / 4 * 4 : 24, MOST = 4 };
    const int width = rows < 1 ? 1 : (int)(SUMS / rows);
    return width < TILE_VECTORS ? TILE_VECTORS : rows <= MOST ? width : width < MOST ? width : MOST;
}

/* gemm_tiles.c: 1 to TILE_VECTORS vectors, or km_tile_width(rows) of them, and then not partial. */
void km_tile_run(const km_tile *t, km_tile_kind kind, int vectors, int rows, int partial);

#endif
