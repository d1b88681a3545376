/* clip.c: gradients scaled to a norm: a reduction, the factor from its one element, and a multiplication by that.
 * SPDX-License-Identifier: Apache-2.0 */
#include "plan.h"

enum { TWO, ONE, INFINITE };

/* Its reduction adds up one by one in float: of more terms the norm is too far off. */
enum { MOST_TERMS = 1 << 17 };

static const char *build_norm(plan *p, const km_args *args, const void *unused)
{
    const int one = args->params->attr[KM_NORM_TYPE] == ONE;
    desc src = {0}, dst = {0};
    dnnl_primitive_desc_t pd = NULL;
    const char *reason = "oneDNN has no such reduction";
    (void)unused;
    if (args->slot[KM_GRAD].count == 0)
        return NULL;
    if (!desc_create(&src, 2, (const dnnl_dims_t){1, args->slot[KM_GRAD].count}) &&
        !desc_create(&dst, 2, (const dnnl_dims_t){1, 1}) &&
        !reduction(&pd, p->engine, dnnl_reduction_norm_lp_sum, &src, &dst, one ? 1 : 2)) {
        const dnnl_exec_arg_t arg[] = {
            {DNNL_ARG_SRC, km_onednn_memory(p, &src, KM_GRAD, 0)},
            {DNNL_ARG_DST, km_onednn_memory(p, &dst, KM_TOTAL_NORM, 0)},
        };
        reason = km_onednn_step(p, pd, arg, 2);
    }
    dnnl_primitive_desc_destroy(pd);
    desc_destroy(&dst);
    desc_destroy(&src);
    return reason;
}

static const char *build_scaled(plan *p, const km_args *args, const void *unused)
{
    const link factor[] = {{dnnl_binary_add, CONSTANT, 1e-6f, 0, 0},
                           {dnnl_eltwise_pow, ELTWISE, attr(args, KM_MAX_NORM), -1, 0},
                           {dnnl_binary_min, CONSTANT, 1, 0, 0}};
    const link product = {dnnl_binary_mul, SCALAR, 0, 0, SCRATCH_SLOT};
    const char *reason = build_norm(p, args, unused);
    if (!reason && args->slot[KM_GRAD].count) {
        reason = km_onednn_scratch(p, 1);
        if (!reason)
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
    return args->slot[KM_GRAD].count > MOST_TERMS ? "oneDNN's reduction of so many terms is too "
                                                    "far off: it adds up one by one in float"
                                                  : NULL;
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
     KM_COMPOSED_KERNEL, "a reduction, and two binary primitives"},
    {"clip_grad_norm", "norm", norm, run, km_onednn_close, km_onednn_describe, KM_NATIVE_KERNEL,
     NULL},
    {0},
};
