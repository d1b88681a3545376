/* conv2d_passes.h: the algorithms between which conv2d.c chooses. Names carry the ISA's.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_CONV2D_PASSES_H
#define KM_CONV2D_PASSES_H

#include "kernelmark.h"
#include "vec.h"

#define km_conv_forward_open       KM_JOIN(KM_ISA, conv_forward_open)
#define km_conv_backward_data_open KM_JOIN(KM_ISA, conv_backward_data_open)
#define km_conv_direct_run         KM_JOIN(KM_ISA, conv_direct_run)
#define km_conv_direct_part        KM_JOIN(KM_ISA, conv_direct_part)
#define km_conv_direct_close       KM_JOIN(KM_ISA, conv_direct_close)
#define km_conv_direct_describe    KM_JOIN(KM_ISA, conv_direct_describe)
#define km_conv_weights_open       KM_JOIN(KM_ISA, conv_weights_open)
#define km_conv_weights_run        KM_JOIN(KM_ISA, conv_weights_run)
#define km_conv_weights_part       KM_JOIN(KM_ISA, conv_weights_part)
#define km_conv_weights_close      KM_JOIN(KM_ISA, conv_weights_close)
#define km_conv_weights_describe   KM_JOIN(KM_ISA, conv_weights_describe)

#define km_conv_plain KM_JOIN(KM_ISA, conv_plain)

/* conv2d.c: the kernels over plain tensors. */
extern const km_kernel km_conv_plain[];

/* conv2d_direct.c: forward and backward_data, in two phases. */
const char *km_conv_forward_open(const km_args *args, void **plan);
const char *km_conv_backward_data_open(const km_args *args, void **plan);
void km_conv_direct_run(const km_args *args);
void km_conv_direct_part(const km_args *args, int phase, int part);
void km_conv_direct_close(void *plan);
void km_conv_direct_describe(const void *plan, km_kernel_info *info);

/* conv2d_weights.c: backward_weights, in two phases. */
const char *km_conv_weights_open(const km_args *args, void **plan);
void km_conv_weights_run(const km_args *args);
void km_conv_weights_part(const km_args *args, int phase, int part);
void km_conv_weights_close(void *plan);
void km_conv_weights_describe(const void *plan, km_kernel_info *info);

#endif
