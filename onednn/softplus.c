/* softplus.c: y = log(1 + exp(beta x)) / beta, and y = x where beta x > threshold.
 *
 * oneDNN's soft_relu has no threshold; from 17 on (the default is 20) the branches agree in
 * float. Lower ones select by BIG: softplus(x) > x, so y = max(softplus(x > t ? -BIG : x), x).
 * soft_relu of x < 0 is off by an ulp of x, 1.9e-6 at -17.7 and also below 0 (2.6 and 3.7): clamped
 * at -14.3, where it is 0, the error is 1.07e-6 (at -7.97). The maximum with x also restores NaN.
 * SPDX-License-Identifier: Apache-2.0 */
#include "plan.h"

#include <math.h>

static const float smooth_threshold = 17, lowest = -14.3f;

static int selects(const km_args *args)
{
    return attr(args, KM_THRESHOLD) < smooth_threshold;
}

/* The largest float t with x > t exactly where beta x > threshold. */
static float switch_point(const km_args *args)
{
    const double exact = args->params->attr[KM_THRESHOLD] / args->params->attr[KM_BETA];
    const float t = (float)exact;
    return t > exact ? nextafterf(t, -INFINITY) : t;
}

/* beta x, or beta y for y = BIG or -BIG beyond the threshold. Returns how many links. */
static int scaled_input(link *l, const km_args *args, float beyond)
{
    const float beta = attr(args, KM_BETA);
    int n = 0;
    if (selects(args)) {
        l[n++] = (link){dnnl_binary_gt, CONSTANT, switch_point(args), 0, KM_X};
        l[n++] = (link){dnnl_eltwise_linear, ELTWISE, beyond, 0, KM_X};
        l[n++] = (link){dnnl_binary_add, TENSOR, 0, 0, KM_X};
    }
    if (beta != 1)
        l[n++] = (link){dnnl_binary_mul, CONSTANT, beta, 0, KM_X};
    return n;
}

static const char *forward(const km_args *args, void **out)
{
    const float beta = attr(args, KM_BETA);
    link l[MAX_ARGS];
    if (beta < 1)
        return "oneDNN's soft_relu has an error of 1.1e-6 / beta, too much for beta < 1";
    if (attr(args, KM_THRESHOLD) < 0)
        return "oneDNN cannot compose a negative threshold";
    int n = scaled_input(l, args, -BIG);
    l[n++] = (link){dnnl_binary_max, CONSTANT, lowest, 0, KM_X};
    l[n++] = (link){dnnl_eltwise_soft_relu, ELTWISE, 1, 0, KM_X};
    if (beta != 1)
        l[n++] = (link){dnnl_binary_mul, CONSTANT, 1 / beta, 0, KM_X};
    l[n++] = (link){dnnl_binary_max, TENSOR, 0, 0, KM_X};
    return km_onednn_open(args, km_onednn_chain, &(chain){KM_X, KM_Y, n, l}, out);
}

/* The gradient of soft_relu is a logistic without its error: native where that is possible. */
static const char *backward(const km_args *args, void **out)
{
    const float beta = attr(args, KM_BETA);
    link l[MAX_ARGS];
    if (!selects(args) && (beta == 1 || soft_relu_has_alpha)) {
        const eltwise e = {dnnl_eltwise_soft_relu, beta, 0, 1, KM_X};
        return km_onednn_open(args, km_onednn_eltwise, &e, out);
    }
    int n = scaled_input(l, args, BIG);
    if (n == 0 || beta <= 0)
        return "beta must be positive";
    l[n++] = (link){dnnl_eltwise_logistic, ELTWISE, 0, 0, KM_X};
    l[n++] = (link){dnnl_binary_mul, TENSOR, 0, 0, KM_GRAD_Y};
    return km_onednn_open(args, km_onednn_chain, &(chain){KM_X, KM_GRAD_X, n, l}, out);
}

const km_kernel km_onednn_softplus[] = {
    {"softplus", "forward", forward, km_onednn_run, km_onednn_close, km_onednn_describe,
     KM_COMPOSED_KERNEL, "binary max with post-ops soft_relu, max; more if beta or threshold ask"},
    {"softplus", "backward", backward, km_onednn_run, km_onednn_close, km_onednn_describe,
     KM_NATIVE_KERNEL, "a binary chain for threshold < 17 and, in 2.x, for beta other than 1"},
    {0},
};
