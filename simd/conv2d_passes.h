/* conv2d_passes.h: the algorithms between which conv2d.c chooses. Names carry the ISA's.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_CONV2D_PASSES_H
#define KM_CONV2D_PASSES_H

#include "kernelmark.h"
#include "vec.h"

/* One way to compute a pass, named by what it results in: KM_Y, KM_GRAD_X or KM_GRAD_WEIGHT. open declines by a reason. */
typedef struct km_conv_algorithm {
    const char *(*open)(const km_args *args, km_slot result, void **plan);
    void (*part)(const km_args *args, int phase, int part);
    void (*close)(void *plan);
    void (*describe)(const void *plan, km_kernel_info *info);
    int phases;
} km_conv_algorithm;

#define km_conv_plain     KM_JOIN(KM_ISA, conv_plain)
#define km_conv_pointwise KM_JOIN(KM_ISA, conv_pointwise)
#define km_conv_tiles     KM_JOIN(KM_ISA, conv_tiles)
#define km_conv_weights   KM_JOIN(KM_ISA, conv_weights)
#define km_conv_rows      KM_JOIN(KM_ISA, conv_rows)
#define km_conv_dots      KM_JOIN(KM_ISA, conv_dots)
#define km_conv_turned    KM_JOIN(KM_ISA, conv_turned)
#define km_conv_depthwise KM_JOIN(KM_ISA, conv_depthwise)
#define km_conv_strips_of KM_JOIN(KM_ISA, conv_strips_of)

extern const km_kernel km_conv_plain[];     /* conv2d.c */
extern const km_kernel km_conv_pointwise[]; /* conv2d_pointwise.c: 1x1 over plain tensors */

extern const km_conv_algorithm
    km_conv_tiles; /* conv2d_plan.c: forward and backward_data of anything */
extern const km_conv_algorithm km_conv_strips_of; /* conv2d_strips_plan.c: of few results */
extern const km_conv_algorithm km_conv_weights; /* conv2d_weights.c: backward_weights of anything */

/* conv2d_depthwise_rows.c: forward and backward_data, and conv2d_depthwise_dots.c: backward_weights, of groups of one
 * input channel with common strides and kernels and rows long enough */
extern const km_conv_algorithm km_conv_rows, km_conv_dots;

extern const km_conv_algorithm
    km_conv_turned; /* conv2d_depthwise_turned.c: the same with enough groups */
extern const km_conv_algorithm
    km_conv_depthwise; /* conv2d_depthwise.c: groups of one channel each */

#endif
