/* conv2d_depthwise.h: planes of V channels side by side, each convolved with weights of its own. Native tensors are
 * made of such planes, and small plain ones are turned into them. SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_CONV2D_DEPTHWISE_H
#define KM_CONV2D_DEPTHWISE_H

#include "conv2d.h"

#define km_depth_open   KM_JOIN(KM_ISA, depth_open)
#define km_depth_close  KM_JOIN(KM_ISA, depth_close)
#define km_depth_run    KM_JOIN(KM_ISA, depth_run)
#define km_depth_sum    KM_JOIN(KM_ISA, depth_sum)
#define km_depth_native KM_JOIN(KM_ISA, depth_native)

/* The results of one residue of the strides, as in conv2d_native.c: (i, j) at to + i * to_row + j * to_column. */
typedef struct km_depth_stage {
    km_conv_taps h, w;
    int64_t to, to_row, to_column; /* in pixels */
    int64_t first, end;            /* columns of results all of whose taps lie inside */
    int is_three; /* 3x3 in the order of a forward pass or against it, at most one column of padding */
} km_depth_stage;

/* All stages of forward (residues 1 by 1), or of backward_data. */
typedef struct km_depth_plan {
    int64_t stages, kernel_w;
    int64_t x_row, y_row; /* pixels of a row of the source and of the result */
    int64_t rows;         /* of results, of the stage that has most */
    km_depth_stage *stage;
} km_depth_plan;

/* Returns -1 when out of memory. */
int km_depth_open(km_depth_plan *p, const km_conv_shape *s, int data);
void km_depth_close(km_depth_plan *p);

/* y = start + the sums, or with start NULL, y + the sums. x, w and y: V channels to each pixel, each tap, each pixel. */
void km_depth_run(const km_depth_plan *p, const float *x, const float *w, const float *start,
                  float *y);

/* Adds to V sums for each tap of the kernel: of a forward pass's plan. */
void km_depth_sum(const km_depth_plan *p, const float *x, const float *grad_y, float *sums);

/* Taps in the order of their places: the t-th one. */
static inline int64_t km_depth_tap(const km_conv_taps *t, int64_t i)
{
    return t->count > 1 && t->place[0] > t->place[1] ? t->count - 1 - i : i;
}

/* conv2d_depthwise_native.c */
extern const km_kernel km_depth_native[];

#endif
