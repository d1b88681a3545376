/* selu.c: y = scale (x > 0 ? x : alpha (exp(x) - 1)), one binary primitive per pass.
 *
 * oneDNN has elu but no selu, and an eltwise primitive with a post-op runs reference code, so the
 * passes are chains. Backward from y: min(y > 0 ? -BIG : BIG, y) + scale alpha is -BIG or
 * y + scale alpha >= 0, and a leaky relu of slope -scale / BIG turns -BIG into scale. On 65,536
 * elements 2.6 to 3.1 Gelem/s; elu's backward and a second pass for the scale: 1.5 to 1.9 (oneDNN
 * 2.6 and 3.7, AVX-512 at 2.5 GHz).
 * SPDX-License-Identifier: Apache-2.0 */
#include "plan.h"

static const char *forward(const km_args *args, void **out)
{
    const link links[] = {
        {dnnl_binary_mul, CONSTANT, 1, 0, KM_X}, /* nothing: a place to hang the post-ops on */
        {dnnl_eltwise_elu, ELTWISE, attr(args, KM_ALPHA), 0, KM_X},
        {dnnl_eltwise_linear, ELTWISE, attr(args, KM_SCALE), 0, KM_X},
    };
    const chain c = {KM_X, KM_Y, 3, links};
    return km_onednn_open(args, km_onednn_chain, &c, out);
}

static const char *backward(const km_args *args, void **out)
{
    const float scale = attr(args, KM_SCALE), alpha = attr(args, KM_ALPHA);
    if (!(scale > 0 && alpha >= 0))
        return "the output tells the branch only when scale > 0 and alpha >= 0";
    const link links[] = {
        {dnnl_binary_gt, CONSTANT, 0, 0, KM_Y},
        {dnnl_eltwise_linear, ELTWISE, -2 * BIG, BIG, KM_Y},
        {dnnl_binary_min, TENSOR, 0, 0, KM_Y},
        {dnnl_binary_add, CONSTANT, scale * alpha, 0, KM_Y},
        {dnnl_eltwise_relu, ELTWISE, -scale / BIG, 0, KM_Y},
        {dnnl_binary_mul, TENSOR, 0, 0, KM_GRAD_Y},
    };
    const chain c = {KM_Y, KM_GRAD_X, 6, links};
    return km_onednn_open(args, km_onednn_chain, &c, out);
}

const km_kernel km_onednn_selu[] = {
    {"selu", "forward", forward, km_onednn_run, km_onednn_close, km_onednn_describe,
     KM_COMPOSED_KERNEL, "binary mul by 1 with post-ops elu, linear"},
    {"selu", "backward", backward, km_onednn_run, km_onednn_close, km_onednn_describe,
     KM_COMPOSED_KERNEL, "binary gt with post-ops linear, min, add, relu, mul"},
    {0},
};
