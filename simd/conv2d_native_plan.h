/* conv2d_native_plan.h: the plan of forward and backward_data over blocked tensors; see conv2d_native.c.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_CONV2D_NATIVE_PLAN_H
#define KM_CONV2D_NATIVE_PLAN_H

#include "conv2d_native.h"

/* The results of one residue of the strides. */
typedef struct km_conv_native_stage {
    km_conv_taps h, w;
    int64_t to, to_row, to_column; /* in pixels: result (i, j) at to + i * to_row + j * to_column */
    km_conv_cuts cut;
    int64_t together; /* blocks that pass by one tile of weights */
    int64_t chunk;    /* blocks of channels */
    int64_t *offset;  /* of the terms of a chunk */
    int64_t weights;  /* where its weights start in a group's */
    int64_t copy;     /* floats of a block's copies */
    int64_t pitch;    /* pixels of a row in the scratch of results */
    int single;       /* plain weights are used once, and packed a tile of a chunk at a time */
    int in_place;
} km_conv_native_stage;

typedef struct km_conv_native_plan {
    km_conv_shape shape;
    int64_t sources, results; /* channels of a group */
    int64_t source_plane, result_plane;
    int64_t w_result, w_source; /* steps in plain weights; a tap's is 1 */
    km_slot source, result;
    int64_t unit, step; /* channels of a block of the source, and floats between its pixels */
    int64_t stages, parts, cuts;
    int64_t joint;                   /* stages, neighbours, whose results are written together */
    int64_t copies_each, table_each; /* floats of a part's copies, and pixels of its table */
    int64_t group_weights;           /* floats, of all stages */
    int plain;                       /* all tensors are: they are turned on the way in and out */
    int64_t scratch, scratch_each;   /* of plain results: pixels of a stage, floats of a part */
    int64_t tile_each;               /* floats of a part's tile of weights */
    float *copies, *packed, *scratches, *tile;
    int64_t *tables; /* where the pixels of a part's blocks lie in the result */
    km_conv_native_stage stage[];
} km_conv_native_plan;

static inline int64_t km_conv_native_taps(const km_conv_native_stage *s)
{
    return s->h.count * s->w.count;
}

static inline int64_t km_conv_native_blocks(const km_conv_native_stage *s)
{
    return s->cut.strips * s->cut.blocks;
}

/* Units of work: groups, of which each has blocks, of which each has cuts along the result's channels. */
static inline int64_t km_conv_native_units(const km_conv_native_plan *p,
                                           const km_conv_native_stage *s)
{
    return p->shape.groups * km_ceil_div(km_conv_native_blocks(s), s->together) * p->cuts;
}

static inline km_conv_filters km_conv_native_filters(const km_conv_native_plan *p,
                                                     const km_conv_native_stage *s)
{
    return (km_conv_filters){&s->h,   &s->w,       p->sources,  p->results,
                             p->unit, p->w_source, p->w_result, p->shape.w.kernel};
}

#define km_conv_native_part KM_JOIN(KM_ISA, conv_native_part)
#define km_conv_fill_turned KM_JOIN(KM_ISA, conv_fill_turned)
#define km_conv_pack_turned KM_JOIN(KM_ISA, conv_pack_turned)
#define km_conv_put_turned  KM_JOIN(KM_ISA, conv_put_turned)

/* conv2d_native_run.c: phase 0 packs plain weights; the last phase computes. */
enum { KM_CONV_NATIVE_PHASES = 2 };
void km_conv_native_part(const km_args *args, int phase, int part);

/* conv2d_native_turn.c: km_conv_fill_blocks from plain planes; the plain weights of a group and a tile, of all stages
 * to where they lie from `to` on, or of a single one's `channels` channels to `to`; and rows of blocked results to
 * plain planes, where the pixels of `joint` stages take turns. */
void km_conv_fill_turned(const km_conv_block *b, const float *x, int64_t channels, float *planes);
void km_conv_pack_turned(const km_conv_native_plan *p, const km_conv_native_stage *single,
                         const float *plain, int64_t channels, int64_t tile, float *to);

typedef struct km_conv_rows {
    const float *from;
    int64_t vector, next, joint; /* floats from a vector, and from a stage, to the next */
    int64_t channels, plane;
} km_conv_rows;
void km_conv_put_turned(const km_conv_rows *r, int64_t pixels, float *to);

#endif
