/* clip.c: gradients scaled to a norm: an inner product, the factor from its one element, and a multiplication by that.
 * SPDX-License-Identifier: Apache-2.0 */
#include "sums.h"

enum { TWO, ONE, INFINITE };

static const char *build_norm(plan *p, const km_args *args, const void *unused)
{
    static const link root[] = {{dnnl_binary_mul, CONSTANT, 1, 0, 0},
                                {dnnl_eltwise_sqrt, ELTWISE, 0, 0, 0}};
    const int64_t n = args->slot[KM_GRAD].count;
    (void)unused;
    if (n == 0)
        return NULL;
    const int one = args->params->attr[KM_NORM_TYPE] == ONE;
    const char *reason = one ? km_onednn_scratch_two(p, n) : km_onednn_scratch(p, 1);
    if (!reason && one)
        return km_onednn_sum_of_magnitudes(p, args, KM_GRAD, KM_TOTAL_NORM);
    if (!reason)
        reason = km_onednn_sum_of_squares(p, n, KM_GRAD, KM_TOTAL_NORM);
    return reason ? reason
                  : km_onednn_chain(p, args, &(chain){KM_TOTAL_NORM, KM_TOTAL_NORM, 2, root});
}

static const char *build_scaled(plan *p, const km_args *args, const void *unused)
{
    const link factor[] = {{dnnl_binary_add, CONSTANT, 1e-6f, 0, 0},
                           {dnnl_eltwise_pow, ELTWISE, attr(args, KM_MAX_NORM), -1, 0},
                           {dnnl_binary_min, CONSTANT, 1, 0, 0}};
    const link product = {dnnl_binary_mul, SCALAR, 0, 0, SCRATCH_SLOT};
    const char *reason = build_norm(p, args, unused);
    if (!reason && args->slot[KM_GRAD].count) {
        reason = km_onednn_chain(p, args, &(chain){KM_TOTAL_NORM, SCRATCH_SLOT, 3, factor});
        if (!reason)
            reason = km_onednn_chain(p, args, &(chain){KM_GRAD, KM_Y, 1, &product});
    }
    return reason;
}

static const char *decline(const km_args *args)
{
    if (args->slot[KM_GRAD].pieces)
        return "composed for one tensor, not for a list";
    if (args->params->attr[KM_NORM_TYPE] == INFINITE)
        return "no reduction of magnitudes";
    if (args->params->attr[KM_ERROR_IF_NONFINITE])
        return "not composed with error_if_nonfinite";
    return NULL;
}

static const char *norm(const km_args *args, void **out)
{
    const char *reason = decline(args);
    return reason ? reason : km_onednn_open(args, build_norm, NULL, out);
}

static const char *scaled(const km_args *args, void **out)
{
    const char *reason = decline(args);
    return reason ? reason : km_onednn_open(args, build_scaled, NULL, out);
}

static void run(const km_args *args)
{
    *(float *)args->slot[KM_TOTAL_NORM].data = 0; /* where there is nothing to reduce */
    km_onednn_run(args);
}

const km_kernel km_onednn_clip[] = {
    {.op = "clip_grad_value",
     .pass = "forward",
     .offer = KM_NOT_OFFERED,
     .note = "its min, max and clip turn NaN into the limit"},
    {"clip_grad_norm", "forward", scaled, run, km_onednn_close, km_onednn_describe,
     KM_COMPOSED_KERNEL, "an inner product, and three binary primitives"},
    {"clip_grad_norm", "norm", norm, run, km_onednn_close, km_onednn_describe, KM_COMPOSED_KERNEL,
     "an inner product, and a binary primitive"},
    {0},
};
