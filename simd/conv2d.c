/* conv2d.c: convolution of plain NCHW tensors. SPDX-License-Identifier: Apache-2.0 */
#include "conv2d_passes.h"

/* ---- backward_bias: grad_bias[k] = sum of grad_y's planes k ---- */

enum { PART = 4096 }; /* elements summed in lanes of float before they go to the total in double */

static double part_sum(const float *g, int64_t n)
{
    vf sum[4] = {v_set(0), v_set(0), v_set(0), v_set(0)};
    int64_t i = 0;
    for (; i + 4 * V <= n; i += 4 * V)
        for (int j = 0; j < 4; j++)
            sum[j] = v_add(sum[j], v_load(g + i + j * V));
    for (; i < n; i += V)
        sum[0] = v_add(sum[0], v_load_n(g + i, n - i));
    return v_sum(v_add(v_add(sum[0], sum[1]), v_add(sum[2], sum[3])));
}

static void backward_bias(const km_args *args)
{
    const km_tensor *g = &args->slot[KM_GRAD_Y];
    const int64_t channels = g->dim[1], plane = g->dim[2] * g->dim[3];
    float *grad_bias = args->slot[KM_GRAD_BIAS].data;
    for (int64_t k = 0; k < channels; k++) {
        double sum = 0;
        for (int64_t n = 0; n < g->dim[0]; n++) {
            const float *from = (const float *)g->data + (n * channels + k) * plane;
            for (int64_t i = 0; i < plane; i += PART)
                sum += part_sum(from + i, plane - i < PART ? plane - i : PART);
        }
        grad_bias[k] = (float)sum;
    }
}

const km_kernel km_conv_plain[] = {
    {.op = "conv2d",
     .pass = "forward",
     .open = km_conv_forward_open,
     .run = km_conv_direct_run,
     .close = km_conv_direct_close,
     .describe = km_conv_direct_describe,
     .run_part = km_conv_direct_part,
     .phases = 2},
    {.op = "conv2d",
     .pass = "backward_data",
     .open = km_conv_backward_data_open,
     .run = km_conv_direct_run,
     .close = km_conv_direct_close,
     .describe = km_conv_direct_describe,
     .run_part = km_conv_direct_part,
     .phases = 2},
    {.op = "conv2d",
     .pass = "backward_weights",
     .open = km_conv_weights_open,
     .run = km_conv_weights_run,
     .close = km_conv_weights_close,
     .describe = km_conv_weights_describe,
     .run_part = km_conv_weights_part,
     .phases = 2},
    {.op = "conv2d", .pass = "backward_bias", .run = backward_bias},
    {0},
};
