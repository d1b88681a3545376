/* conv2d_passes.h: the algorithms between which conv2d.c chooses. Names carry the ISA's.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_CONV2D_PASSES_H
#define KM_CONV2D_PASSES_H

#include "kernelmark.h"
#include "vec.h"

typedef struct km_conv_algorithm {
    const char *(*open)(const km_args *args, void **plan);
    void (*part)(const km_args *args, int phase, int part);
    void (*close)(void *plan);
    void (*describe)(const void *plan, km_kernel_info *info);
    int phases;
} km_conv_algorithm;

#define km_conv_plain             KM_JOIN(KM_ISA, conv_plain)
#define km_conv_forward           KM_JOIN(KM_ISA, conv_forward)
#define km_conv_backward_data     KM_JOIN(KM_ISA, conv_backward_data)
#define km_conv_backward_weights  KM_JOIN(KM_ISA, conv_backward_weights)
#define km_conv_depthwise_forward KM_JOIN(KM_ISA, conv_depthwise_forward)
#define km_conv_depthwise_data    KM_JOIN(KM_ISA, conv_depthwise_data)
#define km_conv_depthwise_weights KM_JOIN(KM_ISA, conv_depthwise_weights)
#define km_conv_turned_forward    KM_JOIN(KM_ISA, conv_turned_forward)
#define km_conv_turned_data       KM_JOIN(KM_ISA, conv_turned_data)
#define km_conv_turned_weights    KM_JOIN(KM_ISA, conv_turned_weights)
#define km_conv_rows_forward      KM_JOIN(KM_ISA, conv_rows_forward)
#define km_conv_rows_data         KM_JOIN(KM_ISA, conv_rows_data)
#define km_conv_rows_weights      KM_JOIN(KM_ISA, conv_rows_weights)

extern const km_kernel km_conv_plain[];                                /* conv2d.c */
extern const km_conv_algorithm km_conv_forward, km_conv_backward_data; /* conv2d_direct.c */
extern const km_conv_algorithm km_conv_backward_weights;               /* conv2d_weights.c */

/* conv2d_depthwise_rows.c, conv2d_depthwise_dots.c: the same with common strides and kernels and rows long enough */
extern const km_conv_algorithm km_conv_rows_forward, km_conv_rows_data, km_conv_rows_weights;

/* conv2d_depthwise_turned.c: groups of one input channel each, if there are enough */
extern const km_conv_algorithm km_conv_turned_forward, km_conv_turned_data, km_conv_turned_weights;

/* conv2d_depthwise.c: groups of one channel each */
extern const km_conv_algorithm km_conv_depthwise_forward, km_conv_depthwise_data,
    km_conv_depthwise_weights;

#endif
