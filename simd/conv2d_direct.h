/* conv2d_direct.h: the plan of forward and backward_data; see conv2d_direct.c.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_CONV2D_DIRECT_H
#define KM_CONV2D_DIRECT_H

#include "conv2d.h"
#include "conv2d_passes.h"

/* The results of one residue of the strides: position (i, j) goes to to + i * to_row + j * to_column. */
typedef struct km_conv_stage {
    km_conv_taps h, w;
    int64_t to, to_row, to_column;
    km_conv_cuts cut;
    int64_t chunk;   /* channels */
    int64_t *offset; /* of the terms of a chunk */
    int64_t *tap;    /* those used, in the kernel */
    int64_t weights; /* where its packed weights start */
    int single; /* one block: each chunk's weights are packed when it comes up, and stay in L2 */
    int64_t plane_set; /* floats of a chunk's planes */
    int in_place;      /* 1x1: full panels are read where they lie */
} km_conv_stage;

typedef struct km_conv_direct {
    km_conv_shape shape;
    int64_t sources, results; /* channels of a group */
    int64_t source_plane, result_plane;
    int64_t w_result, w_source; /* steps in the weights; a tap's is 1 */
    km_slot source, result;
    int64_t stages, parts, cuts; /* cuts: of a block, along the channels of the result */
    int64_t planes, chunk;       /* floats of a part's planes, and of a chunk's weights */
    int64_t work;                /* of all of its workspace */
    int clear;                   /* some results have no tap: all are set to zero first */
    float *packed, *works;
    int64_t packed_floats;
    km_conv_stage stage[];
} km_conv_direct;

static inline int64_t km_conv_terms_of(const km_conv_stage *s, int64_t channels)
{
    return channels * s->h.count * s->w.count;
}

static inline int64_t km_conv_tiles_of(int64_t results)
{
    return km_ceil_div(results, TILE_ROWS);
}

/* Tiles of a remainder are balanced: 64 rows are 13, 13, 13, 13 and 12. */
static inline int64_t km_conv_tile_start(int64_t results, int64_t tile)
{
    return results ? results * tile / km_conv_tiles_of(results) : 0;
}

#define km_conv_pack_chunk  KM_JOIN(KM_ISA, conv_pack_chunk)
#define km_conv_pack_part   KM_JOIN(KM_ISA, conv_pack_part)
#define km_conv_packed_at   KM_JOIN(KM_ISA, conv_packed_at)
#define km_conv_direct_part KM_JOIN(KM_ISA, conv_direct_part)

/* conv2d_pack.c: the weights, in chunks of channels; in them tiles; in them terms, each with its rows side by side.
 * Tiles [first, last) of a chunk, from the weights of the group; all of a part's chunks; and where they lie. */
void km_conv_pack_chunk(const km_conv_direct *p, const km_conv_stage *s, const float *weight,
                        int64_t channel, int64_t first, int64_t last, float *to);
void km_conv_pack_part(const km_conv_direct *p, const float *weight, int64_t part);
float *km_conv_packed_at(const km_conv_direct *p, const km_conv_stage *s, int64_t group,
                         int64_t channel);

static inline int64_t km_conv_weights_of(const km_conv_direct *p)
{
    return p->sources * p->results * p->shape.h.kernel * p->shape.w.kernel;
}

/* conv2d_direct.c: phase 0 packs weights, 1 computes. */
void km_conv_direct_part(const km_args *args, int phase, int part);

#endif
