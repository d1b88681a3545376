/* conv2d_shape.h: sizes of a convolution, and which taps of which outputs lie inside the image.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_REF_CONV2D_SHAPE_H
#define KM_REF_CONV2D_SHAPE_H

#include "ref.h"

/* One of the two directions. */
typedef struct axis {
    int64_t in, out, kernel, stride, pad, dilation;
} axis;

static inline axis axis_of(const km_case *c, km_dim in, km_dim kernel, int second)
{
    axis a = {.in = c->dim[in], .kernel = c->dim[kernel]};
    a.stride = (int64_t)c->attr[second ? KM_STRIDE_W : KM_STRIDE];
    a.pad = (int64_t)c->attr[second ? KM_PAD_W : KM_PAD];
    a.dilation = (int64_t)c->attr[second ? KM_DILATION_W : KM_DILATION];
    const int64_t room = a.in + 2 * a.pad - a.dilation * (a.kernel - 1) - 1;
    a.out = room < 0 ? 0 : room / a.stride + 1;
    return a;
}

static inline axis rows_of(const km_case *c)
{
    return axis_of(c, KM_DIM_H, KM_DIM_R, 0);
}

static inline axis columns_of(const km_case *c)
{
    return axis_of(c, KM_DIM_W, KM_DIM_S, 1);
}

/* Where tap t of output o lies in the input. */
static inline int64_t place(const axis *a, int64_t o, int64_t t)
{
    return o * a->stride + t * a->dilation - a->pad;
}

/* The outputs whose tap t lies inside the image. */
typedef struct range {
    int64_t begin, end;
} range;

static inline range inside(const axis *a, int64_t t)
{
    const int64_t before = a->pad - t * a->dilation, to_last = before + a->in - 1;
    range o = {before > 0 ? (before + a->stride - 1) / a->stride : 0, 0};
    if (to_last >= 0)
        o.end = to_last / a->stride + 1 < a->out ? to_last / a->stride + 1 : a->out;
    return o;
}

typedef struct geometry {
    axis h, w;
    int64_t n, c, k; /* c and k: of a group */
    int64_t groups;
} geometry;

static inline geometry geometry_of(const km_case *c)
{
    const int64_t groups = (int64_t)c->attr[KM_GROUPS];
    return (geometry){rows_of(c),
                      columns_of(c),
                      c->dim[KM_DIM_N],
                      c->dim[KM_DIM_C] / groups,
                      c->dim[KM_DIM_K] / groups,
                      groups};
}

#endif
