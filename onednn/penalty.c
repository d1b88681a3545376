/* penalty.c: penalties on weights: an inner product for the value, one element-wise pass for the gradient.
 *
 * sign(w) as a clipped multiple of w: BIG w lies beyond any lambda unless w is 0, or so small that nobody
 * trains with it. SPDX-License-Identifier: Apache-2.0 */
#include "sums.h"

typedef struct penalty {
    int l1;
    double value_scale, slope_scale; /* of lambda */
} penalty;

static const char *build_sum(plan *p, const km_args *args, const penalty *e)
{
    const int64_t n = args->slot[KM_WEIGHT].count;
    if (!e->l1)
        return km_onednn_sum_of_squares(p, n, KM_WEIGHT, KM_Y);
    const char *reason = km_onednn_scratch_two(p, n);
    return reason ? reason : km_onednn_sum_of_magnitudes(p, args, KM_WEIGHT, KM_Y);
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
        return km_onednn_open(args, build_value, &name, out);                                      \
    }                                                                                              \
    static const char *name##_both(const km_args *args, void **out)                                \
    {                                                                                              \
        return km_onednn_open(args, build_both, &name, out);                                       \
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
     km_onednn_close, km_onednn_describe, KM_COMPOSED_KERNEL, "an inner product"},                 \
        {#name,                                                                                    \
         "forward_backward",                                                                       \
         name##_both,                                                                              \
         name##_run,                                                                               \
         km_onednn_close,                                                                          \
         km_onednn_describe,                                                                       \
         KM_COMPOSED_KERNEL,                                                                       \
         "an inner product, and a binary primitive with a post-op"},

const km_kernel km_onednn_penalty[] = {
    ENTRIES(l1_penalty) ENTRIES(l2_penalty) ENTRIES(l2_half_penalty){0},
};
