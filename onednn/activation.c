/* activation.c: the activations that are one oneDNN eltwise primitive each.
 *
 * Backward of sigmoid, tanh and elu reads the output, that of all others the input. Where the
 * primitive leaves IEEE limits: relu gives 0 for NaN, and its gradient multiplies grad_y by 0
 * instead of selecting 0 (infinite grad_y becomes NaN).
 * SPDX-License-Identifier: Apache-2.0 */
#include "plan.h"

static const char *forward(const km_args *args, void **out, dnnl_alg_kind_t alg, double alpha,
                           double beta)
{
    const eltwise e = {alg, (float)alpha, (float)beta, 0, KM_X};
    return km_onednn_open(args, km_onednn_eltwise, &e, out);
}

static const char *backward(const km_args *args, void **out, dnnl_alg_kind_t alg, km_slot saved,
                            double alpha, double beta)
{
    const eltwise e = {alg, (float)alpha, (float)beta, 1, saved};
    return km_onednn_open(args, km_onednn_eltwise, &e, out);
}

static const char *relu_forward(const km_args *args, void **out)
{
    return forward(args, out, dnnl_eltwise_relu, 0, 0);
}

static const char *relu_backward(const km_args *args, void **out)
{
    return backward(args, out, dnnl_eltwise_relu, KM_X, 0, 0);
}

static const char *leaky_relu_forward(const km_args *args, void **out)
{
    return forward(args, out, dnnl_eltwise_relu, attr(args, KM_NEGATIVE_SLOPE), 0);
}

static const char *leaky_relu_backward(const km_args *args, void **out)
{
    return backward(args, out, dnnl_eltwise_relu, KM_X, attr(args, KM_NEGATIVE_SLOPE), 0);
}

static const char *elu_forward(const km_args *args, void **out)
{
    return forward(args, out, dnnl_eltwise_elu, attr(args, KM_ALPHA), 0);
}

static const char *elu_backward(const km_args *args, void **out)
{
    if (attr(args, KM_ALPHA) < 0)
        return "the output does not tell the branch when alpha < 0";
    return backward(args, out, dnnl_eltwise_elu_use_dst_for_bwd, KM_Y, attr(args, KM_ALPHA), 0);
}

static const char *sigmoid_forward(const km_args *args, void **out)
{
    return forward(args, out, dnnl_eltwise_logistic, 0, 0);
}

static const char *sigmoid_backward(const km_args *args, void **out)
{
    return backward(args, out, dnnl_eltwise_logistic_use_dst_for_bwd, KM_Y, 0, 0);
}

static const char *tanh_forward(const km_args *args, void **out)
{
    return forward(args, out, dnnl_eltwise_tanh, 0, 0);
}

static const char *tanh_backward(const km_args *args, void **out)
{
    return backward(args, out, dnnl_eltwise_tanh_use_dst_for_bwd, KM_Y, 0, 0);
}

static dnnl_alg_kind_t gelu(const km_args *args)
{
    return attr(args, KM_APPROXIMATE) != 0 ? dnnl_eltwise_gelu_tanh : dnnl_eltwise_gelu_erf;
}

static const char *gelu_forward(const km_args *args, void **out)
{
    return forward(args, out, gelu(args), 0, 0);
}

static const char *gelu_backward(const km_args *args, void **out)
{
    return backward(args, out, gelu(args), KM_X, 0, 0);
}

static const char *silu_forward(const km_args *args, void **out)
{
    return forward(args, out, dnnl_eltwise_swish, 1, 0);
}

static const char *silu_backward(const km_args *args, void **out)
{
    return backward(args, out, dnnl_eltwise_swish, KM_X, 1, 0);
}

static const char *mish_forward(const km_args *args, void **out)
{
    return forward(args, out, dnnl_eltwise_mish, 0, 0);
}

static const char *mish_backward(const km_args *args, void **out)
{
    return backward(args, out, dnnl_eltwise_mish, KM_X, 0, 0);
}

static const char *hardswish_forward(const km_args *args, void **out)
{
    return forward(args, out, dnnl_eltwise_hardswish, hardswish_alpha, hardswish_beta);
}

static const char *hardswish_backward(const km_args *args, void **out)
{
    return backward(args, out, dnnl_eltwise_hardswish, KM_X, hardswish_alpha, hardswish_beta);
}

/* The rest of every line: native kernels that differ in what open builds. */
#define RUN km_onednn_run, km_onednn_close, km_onednn_describe, KM_NATIVE_KERNEL, NULL

const km_kernel km_onednn_activation[] = {
    {"relu", "forward", relu_forward, RUN},
    {"relu", "backward", relu_backward, RUN},
    {"leaky_relu", "forward", leaky_relu_forward, RUN},
    {"leaky_relu", "backward", leaky_relu_backward, RUN},
    {"elu", "forward", elu_forward, RUN},
    {"elu", "backward", elu_backward, RUN},
    {"sigmoid", "forward", sigmoid_forward, RUN},
    {"sigmoid", "backward", sigmoid_backward, RUN},
    {"tanh", "forward", tanh_forward, RUN},
    {"tanh", "backward", tanh_backward, RUN},
    {"gelu", "forward", gelu_forward, RUN},
    {"gelu", "backward", gelu_backward, RUN},
    {"silu", "forward", silu_forward, RUN},
    {"silu", "backward", silu_backward, RUN},
    {"mish", "forward", mish_forward, RUN},
    {"mish", "backward", mish_backward, RUN},
    {"hardswish", "forward", hardswish_forward, RUN},
    {"hardswish", "backward", hardswish_backward, RUN},
    {0},
};
