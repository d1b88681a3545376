/* conv2d.h: what the files of conv2d share: sizes, taps along an axis, and rows of the input as tiles want them.
 *
 * Every pass walks over blocks: whole rows of results, laid end to end. For a block the input's rows are copied
 * into planes in which the operand of tap t for result f lies at f + offset(t), so that tiles load vectors of
 * results without a look at edges, strides and dilation. Padding becomes zeros there. Taps share a plane where
 * they are a multiple of the stride apart; then the rows are longer than the results', and what is computed
 * between two rows of results is dropped. SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_CONV2D_H
#define KM_CONV2D_H

#include "kernelmark.h"
#include "vec.h"

/* Of a register tile; ALIGN in floats. */
enum { TILE_COLUMNS = TILE_VECTORS * V, TILE_SUMS = TILE_ROWS * TILE_VECTORS, ALIGN = 16 };

/* ---- sizes ---- */

typedef struct km_conv_axis {
    int64_t in, out, kernel, stride, pad, dilation;
} km_conv_axis;

typedef struct km_conv_shape {
    km_conv_axis h, w;
    int64_t n, groups, c, k; /* c and k: of a group */
} km_conv_shape;

#define km_conv_shape_of    KM_JOIN(KM_ISA, conv_shape_of)
#define km_conv_taps_open   KM_JOIN(KM_ISA, conv_taps_open)
#define km_conv_taps_close  KM_JOIN(KM_ISA, conv_taps_close)
#define km_conv_fill        KM_JOIN(KM_ISA, conv_fill)
#define km_conv_choose_taps KM_JOIN(KM_ISA, conv_choose_taps)
#define km_conv_cut         KM_JOIN(KM_ISA, conv_cut)
#define km_conv_block_of    KM_JOIN(KM_ISA, conv_block_of)
#define km_conv_fill_placed KM_JOIN(KM_ISA, conv_fill_placed)
#define km_conv_offsets     KM_JOIN(KM_ISA, conv_offsets)

km_conv_shape km_conv_shape_of(const km_case *c);

/* Of `count` floats, and what follows up to a whole vector. */
static inline int km_conv_has_nan(const float *from, int64_t count)
{
    for (int64_t i = 0; i < count; i += V) {
        const vf a = v_load(from + i);
        if (v_any(v_unordered(a, a)))
            return 1;
    }
    return 0;
}

/* ---- taps along an axis ---- */

typedef struct km_conv_taps {
    int64_t in, out, step;  /* neighbouring results read the input `step` apart */
    int64_t count;          /* taps that meet the input at all */
    int64_t *index, *place; /* of each: in the kernel, and in the input for result 0 */
    int64_t *copy, *shift;  /* which copy of the input holds it, and how far in it */
    int64_t copies, extra;  /* extra: the largest shift */
    int64_t *start;         /* of each copy, in the input */
} km_conv_taps;

/* phase -1: the taps of the forward pass. Else: those that give the gradient of inputs phase, phase + stride...,
 * with grad_y as the input. expanded: each tap has its own copy. Returns -1 when out of memory. */
int km_conv_taps_open(km_conv_taps *t, const km_conv_axis *a, int64_t phase, int expanded);
void km_conv_taps_close(km_conv_taps *t);

/* Opens both axes with the copies that cost least: shared between taps, one for each column of taps, or one for each
 * tap. phases as above; results: channels that each operand is multiplied for. */
int km_conv_choose_taps(km_conv_taps *h, km_conv_taps *w, const km_conv_shape *shape,
                        int64_t row_phase, int64_t column_phase, int64_t results);

/* ---- planes of a block ---- */

typedef struct km_conv_block {
    const km_conv_taps *h, *w;
    int64_t first_image, first_row; /* the same as image and row in it */
    int64_t layout;                 /* rows of results that planes have room for */
    int64_t row, rows;    /* of results, over all images; within one image if h->extra > 0 */
    int64_t plane, image; /* floats from one channel and image of the input to the next */
} km_conv_block;

/* All rows of results in `strips` strips of `blocks` blocks of `rows` rows; a strip's last block may have less. */
typedef struct km_conv_cuts {
    int64_t strips, strip, blocks, rows;
    int joined;
} km_conv_cuts;

/* Blocks of about `columns` results; joined: one may hold the end of an image and the start of the next. */
void km_conv_cut(km_conv_cuts *c, const km_conv_taps *h, const km_conv_taps *w, int64_t images,
                 int64_t columns, int joined);
km_conv_block km_conv_block_of(const km_conv_cuts *c, const km_conv_taps *h, const km_conv_taps *w,
                               int64_t strip, int64_t block);

static inline int64_t km_conv_width(const km_conv_taps *w)
{
    return w->out + w->extra;
}

/* Floats of one copy of one channel. */
static inline int64_t km_conv_copy(const km_conv_block *b)
{
    return (b->layout + b->h->extra) * km_conv_width(b->w);
}

/* Results of the block, with what lies between their rows. */
static inline int64_t km_conv_columns(const km_conv_block *b)
{
    return b->rows * km_conv_width(b->w) - b->w->extra;
}

static inline int64_t km_conv_planes(const km_conv_block *b)
{
    return b->h->copies * b->w->copies * km_conv_copy(b);
}

/* Copies `channels` channels; x: the first one's plane in image 0. */
void km_conv_fill(const km_conv_block *b, const float *x, int64_t channels, float *planes);

/* The same where first_image and first_row are known: saves two divisions, which outweigh a small plane. */
void km_conv_fill_placed(const km_conv_block *b, const float *x, int64_t channels, float *planes);

/* Of each tap of each channel: where its operand for result 0 lies in the planes. */
void km_conv_offsets(const km_conv_block *b, int64_t channels, int64_t *offset);

static inline int64_t km_min64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static inline int64_t km_max64(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static inline int64_t km_ceil_div(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

static inline int64_t km_round_up(int64_t a, int64_t b)
{
    return km_ceil_div(a, b) * b;
}

#endif
