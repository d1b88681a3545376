/* softplus.c: y = log(1 + exp(beta x)) / beta, and y = x where beta x > threshold.
 *
 * oneDNN's soft_relu has no threshold. From 17 on (the default is 20) the two branches agree to
 * float precision and it is the whole operation; beta is its alpha in 3.x. Otherwise a chain:
 * scaled around soft_relu for 2.x, and with selection by BIG for a lower threshold, using that
 * softplus(x) > x: max(softplus(x > t ? -BIG : x), x). soft_relu itself, in 2.6 and 3.7, is off by
 * an ulp of x where x < 0: up to 1.9e-6, at -17.7, also below 0; log of 1 + exp is no better.
 * SPDX-License-Identifier: Apache-2.0 */
#include "plan.h"

#include <math.h>

static const float smooth_threshold = 17;

static const char *open_eltwise(const km_args *args, void **out, int backward)
{
    const eltwise e = {dnnl_eltwise_soft_relu, attr(args, KM_BETA), 0, backward, KM_X};
    return km_onednn_open(args, km_onednn_eltwise, &e, out);
}

static const char *open_chain(const km_args *args, void **out, km_slot dst, const link *links,
                              int count)
{
    const chain c = {KM_X, dst, count, links};
    return km_onednn_open(args, km_onednn_chain, &c, out);
}

/* The largest float t with x > t exactly where beta x > threshold. */
static float switch_point(const km_args *args)
{
    const double exact = args->params->attr[KM_THRESHOLD] / args->params->attr[KM_BETA];
    const float t = (float)exact;
    return t > exact ? nextafterf(t, -INFINITY) : t;
}

static const char *refuse(const km_args *args)
{
    const float beta = attr(args, KM_BETA), threshold = attr(args, KM_THRESHOLD);
    if (beta == 0)
        return "beta is 0";
    if (threshold < smooth_threshold && (threshold < 0 || beta < 0))
        return "oneDNN cannot compose a threshold below 17 that is negative or has beta < 0";
    return NULL;
}

static const char *forward(const km_args *args, void **out)
{
    const float beta = attr(args, KM_BETA);
    const link smooth[] = {
        {dnnl_binary_mul, CONSTANT, beta, 0, KM_X},
        {dnnl_eltwise_soft_relu, ELTWISE, 1, 0, KM_X},
        {dnnl_binary_mul, CONSTANT, 1 / beta, 0, KM_X},
    };
    const link selecting[] = {
        {dnnl_binary_gt, CONSTANT, switch_point(args), 0, KM_X},
        {dnnl_eltwise_linear, ELTWISE, -BIG, 0, KM_X},
        {dnnl_binary_add, TENSOR, 0, 0, KM_X},
        {dnnl_binary_mul, CONSTANT, beta, 0, KM_X},
        {dnnl_eltwise_soft_relu, ELTWISE, 1, 0, KM_X},
        {dnnl_binary_mul, CONSTANT, 1 / beta, 0, KM_X},
        {dnnl_binary_max, TENSOR, 0, 0, KM_X},
    };
    const char *reason = refuse(args);
    if (reason)
        return reason;
    if (attr(args, KM_THRESHOLD) < smooth_threshold)
        return open_chain(args, out, KM_Y, selecting, 7);
    if (beta == 1 || soft_relu_has_alpha)
        return open_eltwise(args, out, 0);
    return open_chain(args, out, KM_Y, smooth, 3);
}

static const char *backward(const km_args *args, void **out)
{
    const float beta = attr(args, KM_BETA);
    const link smooth[] = {
        {dnnl_binary_mul, CONSTANT, beta, 0, KM_X},
        {dnnl_eltwise_logistic, ELTWISE, 0, 0, KM_X},
        {dnnl_binary_mul, TENSOR, 0, 0, KM_GRAD_Y},
    };
    const link selecting[] = {
        {dnnl_binary_gt, CONSTANT, switch_point(args), 0, KM_X},
        {dnnl_eltwise_linear, ELTWISE, BIG, 0, KM_X},
        {dnnl_binary_add, TENSOR, 0, 0, KM_X},
        {dnnl_binary_mul, CONSTANT, beta, 0, KM_X},
        {dnnl_eltwise_logistic, ELTWISE, 0, 0, KM_X},
        {dnnl_binary_mul, TENSOR, 0, 0, KM_GRAD_Y},
    };
    const char *reason = refuse(args);
    if (reason)
        return reason;
    if (attr(args, KM_THRESHOLD) < smooth_threshold)
        return open_chain(args, out, KM_GRAD_X, selecting, 6);
    if (beta == 1 || soft_relu_has_alpha)
        return open_eltwise(args, out, 1);
    return open_chain(args, out, KM_GRAD_X, smooth, 3);
}

const km_kernel km_onednn_softplus[] = {
    {"softplus", "forward", forward, km_onednn_run, km_onednn_close, km_onednn_describe,
     KM_NATIVE_KERNEL,
     "binary with post-ops for threshold < 17 and, in 2.x, for beta other than 1"},
    {"softplus", "backward", backward, km_onednn_run, km_onednn_close, km_onednn_describe,
     KM_NATIVE_KERNEL,
     "binary with post-ops for threshold < 17 and, in 2.x, for beta other than 1"},
    {0},
};
