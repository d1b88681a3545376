/* conv2d_strips.h: the plan of forward and backward_data of few results to a group; see conv2d_strips.c.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_CONV2D_STRIPS_H
#define KM_CONV2D_STRIPS_H

#include "conv2d.h"

/* Strips of a tile at most, whatever their number of results. */
enum { STRIPS = 8 };

/* ---- where results lie ---- */

/* Lanes of a strip that are neighbours in the result: from..end. */
typedef struct km_conv_piece {
    vm lanes, high; /* high: where results are two apart, lanes are spread over two vectors */
    int64_t from, end;
    int64_t to; /* of lane 0, were it there; from the block's first result */
} km_conv_piece;

/* V neighbours in the copies, or in the source itself; pieces from..end. Of the taps, those before `first` and from
 * `last` on have no lane inside the source. */
typedef struct km_conv_strip {
    int64_t at, from, end, first, last;
} km_conv_strip;

typedef struct km_conv_strips {
    int64_t count;
    km_conv_strip *strip;
    km_conv_piece *piece;
    vm *inside; /* if the source itself is read: by tap and strip, the lanes inside; with a step of 2, of two vectors */
} km_conv_strips;

/* ---- the register tile ---- */

typedef struct km_conv_strips_tile {
    const float *x;
    const int64_t *offset; /* of the taps */
    int64_t taps, channels, plane;
    const float *w; /* of each term: one for each row */
    const km_conv_strip *strip;
    const km_conv_piece *piece;
    const vm *inside;   /* of the first tap, or NULL: all lanes */
    int64_t inside_tap; /* from tap to tap */
    int64_t step;       /* of operands, where there are masks */
    const float *bias;  /* one for each row, or NULL */
    float *y;           /* the next row y_row further */
    int64_t y_row;
    int64_t y_step; /* from result to result */
    int add;        /* nonzero: to what is in y */
} km_conv_strips_tile;

#define km_conv_strips_any   KM_JOIN(KM_ISA, conv_strips_any)
#define km_conv_strips_part  KM_JOIN(KM_ISA, conv_strips_part)
#define km_conv_strips_short KM_JOIN(KM_ISA, conv_strips_short)

void km_conv_strips_any(const km_conv_strips_tile *t, int strips, int rows);

/* Strips of a tile of so many rows: sums, strips and a weight fill the registers. */
static inline int64_t km_conv_strips_wide(int64_t rows)
{
    const int64_t wide = (TILE_SUMS + TILE_VECTORS) / (rows + 1);
    return wide < 1 ? 1 : wide < STRIPS ? wide : STRIPS;
}

/* ---- the plan ---- */

/* The results of one residue of the strides: (i, j) at to + i * to_row + j * to_column. */
typedef struct km_conv_strips_stage {
    km_conv_taps h, w;
    int64_t to, to_row, to_column;
    int64_t rows, blocks;     /* of results; of an image */
    int64_t chunk;            /* channels that are copied at a time */
    int64_t *offset;          /* of the terms of a chunk */
    int64_t weights;          /* where its packed weights start */
    km_conv_strips strips[2]; /* of a block, and of an image's last one */
    vm *inside;               /* lanes of the vectors of a row of the copy, */
    int64_t first, end;       /*   of which these have all */
} km_conv_strips_stage;

typedef struct km_conv_strips_plan {
    km_conv_shape shape;
    int64_t sources, results; /* channels of a group */
    int64_t source_plane, result_plane;
    int64_t w_result, w_source; /* steps in the weights; a tap's is 1 */
    km_slot source, result;
    int64_t stages, parts;
    int64_t cuts; /* of a block, for parts that would have none */
    int64_t work; /* floats of a part's copies */
    int64_t floats;
    float *packed, *works;
    km_conv_strips_stage stage[];
} km_conv_strips_plan;

static inline int64_t km_conv_strips_terms(const km_conv_strips_stage *s, int64_t channels)
{
    return channels * s->h.count * s->w.count;
}

/* `count` rows in balanced tiles; the first of a tile. */
static inline int64_t km_conv_strips_start(int64_t count, int64_t tile)
{
    return count * tile / km_ceil_div(count, TILE_ROWS);
}

/* conv2d_strips.c: phase 0 packs weights, 1 computes. */
void km_conv_strips_part(const km_args *args, int phase, int part);

#endif
