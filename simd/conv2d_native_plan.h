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
    int64_t weights;  /* where its weights start */
    int64_t copy;     /* floats of a block's copies */
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
    int64_t copies_each, table_each; /* floats of a part's copies, and pixels of its table */
    int64_t weights;                 /* floats, of all stages */
    float *copies;
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

/* conv2d_native_run.c */
void km_conv_native_part(const km_args *args, int phase, int part);

#endif
