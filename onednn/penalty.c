/* penalty.c: penalties on weights: a reduction for the value, one element-wise pass for the gradient.
 *
 * sign(w) as a clipped multiple of w: BIG w lies beyond any lambda unless w is 0, or so small that nobody
 * trains with it. SPDX-License-Identifier: Apache-2.0 */
#include "plan.h"

typedef struct penalty {
    int l1;
    double value_scale, slope_scale; /* of lambda */
} penalty;

/* Its reduction adds up one by one in float: over 2^20 terms that errs by more than the bound of a sum. */
enum { MOST_TERMS = 1 << 18 };

static const char *build_sum(plan *p, const km_args *args, const penalty *e)
{
    desc src = {0}, dst = {0};
    dnnl_primitive_desc_t pd = NULL;
    const char *reason = "oneDNN has no such reduction";
    if (!desc_create(&src, 2, (const dnnl_dims_t){1, args->slot[KM_WEIGHT].count}) &&
        !desc_create(&dst, 2, (const dnnl_dims_t){1, 1}) &&
        !reduction(&pd, p->engine, dnnl_reduction_norm_lp_power_p_sum, &src, &dst, e->l1 ? 1 : 2)) {
        const dnnl_exec_arg_t arg[] = {
            {DNNL_ARG_SRC, km_onednn_memory(p, &src, KM_WEIGHT, 0)},
            {DNNL_ARG_DST, km_onednn_memory(p, &dst, KM_Y, 0)},
        };
        reason = km_onednn_step(p, pd, arg, 2);
    }
    dnnl_primitive_desc_destroy(pd);
    desc_destroy(&dst);
    desc_destroy(&src);
    return reason;
}

static const char *build_slope(plan *p, const km_args *args, const penalty *e)
{
    const float k = (float)(e->slope_scale * args->params->attr[KM_LAMBDA]);
    const link sign[] = {{dnnl_binary_mul, CONSTANT, BIG, 0, 0},
                         {dnnl_eltwise_clip, ELTWISE, -k, k, 0}};
    const link product[] = {{dnnl_binary_mul, CONSTANT, k, 0, 0}};
    const chain c = {KM_WEIGHT, KM_GRAD_WEIGHT, e->l1 ? 2 : 1, e->l1 ? sign : product};
    return km_onednn_chain(p, args, &c);
}

static const char *build_value(plan *p, const km_args *args, const void *recipe)
{
    return args->slot[KM_WEIGHT].count ? build_sum(p, args, recipe) : NULL;
}

static const char *build_both(plan *p, const km_args *args, const void *recipe)
{
    const char *reason = build_value(p, args, recipe);
    return reason || !args->slot[KM_WEIGHT].count ? reason : build_slope(p, args, recipe);
}

static const char *open(const km_args *args, const penalty *e, build_fn build, void **out)
{
    if (args->slot[KM_WEIGHT].count > MOST_TERMS)
        return "oneDNN's reduction of so many terms is too far off: it adds up one by one in float";
    return km_onednn_open(args, build, e, out);
}

static void run(const km_args *args, const penalty *e)
{
    float *y = args->slot[KM_Y].data;
    y[0] = 0; /* where there is nothing to reduce */
    km_onednn_run(args);
    y[0] = (float)(e->value_scale * args->params->attr[KM_LAMBDA] * y[0]);
}

#define PENALTY(name, ...)                                                                         \
    static const penalty name = {__VA_ARGS__};                                                     \
    static const char *name##_value(const km_args *args, void **out)                               \
    {                                                                                              \
        return open(args, &name, build_value, out);                                                \
    }                                                                                              \
    static const char *name##_both(const km_args *args, void **out)                                \
    {                                                                                              \
        return open(args, &name, build_both, out);                                                 \
    }                                                                                              \
    static void name##_run(const km_args *args)                                                    \
    {                                                                                              \
        run(args, &name);                                                                          \
    }
PENALTY(l1_penalty, 1, 1, 1)
PENALTY(l2_penalty, 0, 1, 2)
PENALTY(l2_half_penalty, 0, 0.5, 1)

#define ENTRIES(name)                                                                              \
    {#name,           "forward",          name##_value,       name##_run,                          \
     km_onednn_close, km_onednn_describe, KM_COMPOSED_KERNEL, "a reduction"},                      \
        {#name,                                                                                    \
         "forward_backward",                                                                       \
         name##_both,                                                                              \
         name##_run,                                                                               \
         km_onednn_close,                                                                          \
         km_onednn_describe,                                                                       \
         KM_COMPOSED_KERNEL,                                                                       \
         "a reduction, and a binary primitive with a post-op"},

const km_kernel km_onednn_penalty[] = {
    ENTRIES(l1_penalty) ENTRIES(l2_penalty) ENTRIES(l2_half_penalty){0},
};
