/* conv2d_native_weights.h: the plan of backward_weights over blocked tensors; see conv2d_native_weights.c.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_CONV2D_NATIVE_WEIGHTS_H
#define KM_CONV2D_NATIVE_WEIGHTS_H

#include "conv2d_windows.h"

#define km_conv_native_weights_part KM_JOIN(KM_ISA, conv_native_weights_part)

typedef struct km_conv_native_weights_plan {
    km_conv_shape shape;
    km_conv_taps h, w;
    int in_place;         /* no padding: x is read where it lies */
    int gathered;         /* each column of taps has a copy, in which all pixels are neighbours */
    int joined;           /* a window is a row of taps, else a tap */
    int64_t rows, images; /* of a block, rows of results; images > 1: whole ones */
    int64_t width, copy;  /* pixels of a row of copies, and floats of an image's copies */
    int64_t parts;
    int64_t *offset; /* of each tap */
    int64_t *tile;   /* where tiles of output channels begin, in vectors; and where the last ends */
    int64_t *piece,
        *rest; /* of rows of a window: of a whole block, and of what is left of channels */
    float *copies;
} km_conv_native_weights_plan;

static inline int64_t km_conv_native_weights_taps(const km_conv_native_weights_plan *p)
{
    return p->h.count * p->w.count;
}

/* Of x or grad_y. */
static inline km_conv_blocked km_conv_native_weights_blocked(const km_conv_native_weights_plan *p,
                                                             km_slot slot)
{
    const km_conv_shape *s = &p->shape;
    return slot == KM_X ? (km_conv_blocked){s->n, s->groups, s->c, s->h.in * s->w.in}
                        : (km_conv_blocked){s->n, s->groups, s->k, s->h.out * s->w.out};
}

/* conv2d_native_weights.c: all of it is phase 0. */
void km_conv_native_weights_part(const km_args *args, int phase, int part);

#endif
