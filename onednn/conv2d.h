/* conv2d.h: the gradient of the bias, which oneDNN has with that of the weights only.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_ONEDNN_CONV2D_H
#define KM_ONEDNN_CONV2D_H

#include <kernelmark.h>

const char *km_onednn_bias_open(const km_args *args, void **plan);
void km_onednn_bias_run(const km_args *args);
void km_onednn_bias_close(void *plan);
void km_onednn_bias_describe(const void *plan, km_kernel_info *info);

#endif
