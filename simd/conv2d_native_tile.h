/* conv2d_native_tile.h: the register tile over blocked channels: pixels that are broadcast, by vectors of weights.
 * Each sum is formed term by term in order. SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_CONV2D_NATIVE_TILE_H
#define KM_CONV2D_NATIVE_TILE_H

#include "conv2d_native.h"

#define km_conv_pixels_any KM_JOIN(KM_ISA, conv_pixels_any)

/* A term is a tap of a block of channels. Its operand for pixel i and channel c of the block lies at
 * x + offset[term] + i * step + c; step is V for blocked sources, and 1 for planes, whose blocks are one channel. */
typedef struct km_conv_pixels {
    const float *x;
    const int64_t *offset; /* one more than there are terms: it is fetched ahead */
    int64_t terms, full;   /* the first `full` have V channels, */
    int64_t last;          /*   the others this many */
    const float *w;        /* of each channel of each term: the vectors side by side */
    float *y;              /* pixel i at y + to[i], the next vector y_vector further */
    const int64_t *to;
    int64_t y_vector;
    int64_t lanes; /* that the last vector keeps; the others become zeros */
    const float
        *ahead; /* weights that are needed next: so many lines are fetched for each full term */
    int64_t lines;
    const float *bias;
    int add; /* nonzero: to what is in y; else to the bias, where there is one */
} km_conv_pixels;

void km_conv_pixels_any(const km_conv_pixels *t, int vectors, int rows, int is_flat);

#endif
