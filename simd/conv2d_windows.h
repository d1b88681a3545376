/* conv2d_windows.h: the plan of backward_weights over tensors whose channels come last; see conv2d_windows.c.
 *
 * Element (n, g, h, w, c) of such a tensor lies at (((n * groups + g) * h_size + h) * w_size + w) * channels + c, with
 * channels of a group. V floats follow the last: a vector may begin at any element.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_CONV2D_WINDOWS_H
#define KM_CONV2D_WINDOWS_H

#include "conv2d_native.h"

#define km_conv_windows      KM_JOIN(KM_ISA, conv_windows)
#define km_conv_windows_part KM_JOIN(KM_ISA, conv_windows_part)
#define km_conv_windows_tile KM_JOIN(KM_ISA, conv_windows_tile)
#define km_conv_windows_turn KM_JOIN(KM_ISA, conv_windows_turn)
#define km_conv_windows_copy KM_JOIN(KM_ISA, conv_windows_copy)

extern const km_kernel km_conv_windows[];

/* A window: the floats of x that lie side by side where a result reads them. Its gradients are a matrix, of one row
 * for each of its floats by output channels, or the other way round. */
typedef struct km_conv_windows_plan {
    km_conv_shape shape;
    km_conv_taps h, w;
    int plain;           /* all tensors are: they are turned on the way in and out */
    int in_place;        /* no padding: windows are read where they lie */
    int joined;          /* a window is a row of taps, else a tap */
    int wide;            /* rows of matrices are output channels */
    int64_t count, size; /* windows of a result; floats of each */
    int64_t *offset;     /* of each window */
    int64_t tiles;       /* of a matrix's rows */
    int64_t *tile,
        *vector; /* where tiles of rows begin, and of vectors, in floats; and where the last ends */
    int64_t matrix, step;  /* rows of a window's matrix; floats of each */
    int64_t rows, images;  /* of a block; images > 1: whole ones */
    int64_t width, copy;   /* pixels of a row of copies, and floats of an image's copies */
    int64_t parts, floats; /* floats: of the workspace */
    float *copies, *x, *g, *sums;
} km_conv_windows_plan;

/* Planes to pixels whose channels are neighbours. */
void km_conv_windows_turn(const float *planes, int64_t channels, int64_t pixels, float *to);

/* Rows first..end of an image, of `width` pixels from the first tap's column on; some may lie outside. */
void km_conv_windows_copy(const km_conv_taps *h, const km_conv_taps *w, int64_t width,
                          int64_t channels, const float *x, int64_t first, int64_t end, float *to);

/* From the first tap of the first of `results` to the last one's of the last. */
static inline int64_t km_conv_windows_reach(const km_conv_taps *t, int64_t results)
{
    return (results - 1) * t->step + t->place[t->count - 1] - t->place[0] + 1;
}

static inline int km_conv_windows_inside(const km_conv_taps *t)
{
    return t->place[0] >= 0 && t->place[0] + km_conv_windows_reach(t, t->out) <= t->in;
}

/* Whether the taps of a row are neighbours. */
static inline int km_conv_windows_joined(const km_conv_taps *w)
{
    return w->place[w->count - 1] - w->place[0] == w->count - 1;
}

/* conv2d_windows.c: phase 0 turns plain tensors; the last phase sums. */
void km_conv_windows_part(const km_args *args, int phase, int part);

/* ---- the register tile ---- */

/* Sums over positions of elements of a, which are rows, times vectors of b. */
typedef struct km_conv_windows_sums {
    const float *a, *b;
    int64_t images, rows, columns;
    int64_t a_image, a_row, a_column, b_image, b_row, b_column;
    int64_t b_vector; /* from a vector of b to the next */
    float *sums;      /* row i at sums + i * step */
    int64_t step;
    int add; /* nonzero: to what is there */
} km_conv_windows_sums;

void km_conv_windows_tile(const km_conv_windows_sums *t, int vectors, int rows);

#endif
