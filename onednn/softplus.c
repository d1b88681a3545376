/* softplus.c: y = log(1 + exp(beta x)) / beta, and y = x where beta x > threshold.
 *
 * oneDNN's soft_relu is off by up to an ulp of its argument u = beta x: for u < -8 over any bound,
 * 1.9e-6 at -17.7 (2.6 and 3.7). So it gets max(u, -5), and what is missing below -5 comes from
 * log(1 + t) = 2 t / (2 + t) + t^3/12 = 2 logistic(u - log 2), from a first primitive into
 * scratch. The last two maxima keep 0 and NaN. soft_relu has no threshold; from 17 on (the default
 * is 20) the branches agree in float, lower ones select by BIG, as softplus(x) > x.
 * Max error 3.9e-7 / beta, at u = -5.42.
 * SPDX-License-Identifier: Apache-2.0 */
#include "plan.h"

#include <math.h>

static const float smooth_threshold = 17, lowest = -5;

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

/* Links for u = beta x, or `beyond` in place of x where beta x > threshold. Returns how many. */
static int scaled_input(link *l, const km_args *args, float beyond)
{
    const float beta = attr(args, KM_BETA);
    int n = 0;
    if (selects(args)) {
        l[n++] = (link){dnnl_binary_gt, CONSTANT, switch_point(args), 0, 0};
        l[n++] = (link){dnnl_eltwise_linear, ELTWISE, beyond, 0, 0};
        l[n++] = (link){dnnl_binary_add, TENSOR, 0, 0, KM_X};
    }
    if (beta != 1)
        l[n++] = (link){dnnl_binary_mul, CONSTANT, beta, 0, 0};
    return n;
}

/* scratch = (log(1 + exp(u)) - log(1 + exp(lowest))) / beta for u < lowest, else 0 */
static const char *build_tail(plan *p, const km_args *args)
{
    const float beta = attr(args, KM_BETA);
    const float log_2 = 0.693147181f, at_lowest = 2 / (1 + expf(log_2 - lowest));
    const link l[] = {
        {dnnl_binary_mul, CONSTANT, beta, 0, 0},
        {dnnl_binary_min, CONSTANT, lowest, 0, 0},
        {dnnl_binary_add, CONSTANT, -log_2, 0, 0},
        {dnnl_eltwise_logistic, ELTWISE, 0, 0, 0},
        {dnnl_eltwise_linear, ELTWISE, 2 / beta, -at_lowest / beta, 0},
    };
    const int skip = beta == 1; /* the first link */
    return km_onednn_chain(p, args, &(chain){KM_X, SCRATCH_SLOT, 5 - skip, l + skip});
}

static const char *build_forward(plan *p, const km_args *args, const void *recipe)
{
    const float beta = attr(args, KM_BETA);
    link l[MAX_ARGS];
    int n = scaled_input(l, args, -BIG);
    l[n++] = (link){dnnl_binary_max, CONSTANT, lowest, 0, 0};
    l[n++] = (link){dnnl_eltwise_soft_relu, ELTWISE, 1, 0, 0};
    if (beta != 1)
        l[n++] = (link){dnnl_binary_mul, CONSTANT, 1 / beta, 0, 0};
    l[n++] = (link){dnnl_binary_add, TENSOR, 0, 0, SCRATCH_SLOT};
    l[n++] = (link){dnnl_binary_max, CONSTANT, 0, 0, 0};
    l[n++] = (link){dnnl_binary_max, TENSOR, 0, 0, KM_X};
    (void)recipe;
    const char *reason = km_onednn_scratch(p, args->slot[KM_X].count);
    if (!reason)
        reason = build_tail(p, args);
    return reason ? reason : km_onednn_chain(p, args, &(chain){KM_X, KM_Y, n, l});
}

static const char *forward(const km_args *args, void **out)
{
    if (attr(args, KM_BETA) < 0.4f)
        return "oneDNN's soft_relu has an error of 3.9e-7 / beta, too much for beta < 0.4";
    if (attr(args, KM_THRESHOLD) < 0.01f)
        return "composed of oneDNN primitives only for a threshold from 0.01 on";
    return km_onednn_open(args, build_forward, NULL, out);
}

/* The gradient of soft_relu is a logistic, without its error: native where that is possible. */
static const char *backward(const km_args *args, void **out)
{
    const float beta = attr(args, KM_BETA);
    link l[MAX_ARGS];
    if (!selects(args) && (beta == 1 || soft_relu_has_alpha)) {
        const eltwise e = {dnnl_eltwise_soft_relu, beta, 0, 1, KM_X};
        return km_onednn_open(args, km_onednn_eltwise, &e, out);
    }
    if (beta <= 0)
        return "beta must be positive";
    int n = scaled_input(l, args, BIG);
    l[n++] = (link){dnnl_eltwise_logistic, ELTWISE, 0, 0, 0};
    l[n++] = (link){dnnl_binary_mul, TENSOR, 0, 0, KM_GRAD_Y};
    return km_onednn_open(args, km_onednn_chain, &(chain){KM_X, KM_GRAD_X, n, l}, out);
}

const km_kernel km_onednn_softplus[] = {
    {"softplus", "forward", forward, km_onednn_run, km_onednn_close, km_onednn_describe,
     KM_COMPOSED_KERNEL, "two binary primitives: soft_relu alone is off by 2e-6 for x < -16"},
    {"softplus", "backward", backward, km_onednn_run, km_onednn_close, km_onednn_describe,
     KM_NATIVE_KERNEL, "a binary chain for threshold < 17 and, in 2.x, for beta other than 1"},
    {0},
};
