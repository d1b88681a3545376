/* conv2d_bias.c: grad_bias, sums of grad_y over batch and image.
 *
 * As one reduction, or as one over the image, which is contiguous, and one over the batch: what is
 * faster; of small tensors, the latter.
 * SPDX-License-Identifier: Apache-2.0 */
#include "conv2d.h"
#include "convolution_compat.h"
#include "fastest.h"

#include <string.h>

enum { MOST_REDUCTIONS = 2, race_from = 50000 };

typedef struct summation {
    int ndims, from_slot, to_slot;
    dnnl_dims_t from, to;
} summation;

typedef struct recipe {
    int reductions;
    summation reduction[MOST_REDUCTIONS];
    int64_t between; /* floats between the two */
} recipe;

static const char *reduce(plan *p, const summation *r)
{
    desc from = {0}, to = {0};
    dnnl_primitive_desc_t pd = NULL;
    const char *reason = "oneDNN has no reduction for this case";
    if (!desc_create(&from, r->ndims, r->from) && !desc_create(&to, r->ndims, r->to) &&
        !reduction_sum(&pd, p->engine, &from, &to)) {
        const dnnl_exec_arg_t arg[] = {
            {DNNL_ARG_SRC, km_onednn_memory(p, &from, r->from_slot, 0)},
            {DNNL_ARG_DST, km_onednn_memory(p, &to, r->to_slot, 0)},
        };
        reason = km_onednn_step(p, pd, arg, 2);
    }
    dnnl_primitive_desc_destroy(pd);
    desc_destroy(&to);
    desc_destroy(&from);
    return reason;
}

static const char *build(plan *p, const km_args *args, const void *recipe_)
{
    const recipe *r = recipe_;
    const char *reason = r->between ? km_onednn_scratch(p, r->between) : NULL;
    (void)args;
    for (int i = 0; i < r->reductions && !reason; i++)
        reason = reduce(p, &r->reduction[i]);
    return reason;
}

static recipe at_once(const int64_t *d)
{
    return (recipe){
        1, {{4, KM_GRAD_Y, KM_GRAD_BIAS, {d[0], d[1], d[2], d[3]}, {1, d[1], 1, 1}}}, 0};
}

static recipe image_first(const int64_t *d)
{
    const int64_t planes = d[0] * d[1], plane = d[2] * d[3];
    recipe r = {1, {{2, KM_GRAD_Y, KM_GRAD_BIAS, {planes, plane}, {planes, 1}}}, 0};
    if (d[0] == 1)
        return r;
    r.reductions = 2;
    r.between = planes;
    r.reduction[0].to_slot = SCRATCH_SLOT;
    r.reduction[1] = (summation){2, SCRATCH_SLOT, KM_GRAD_BIAS, {d[0], d[1]}, {1, d[1]}};
    return r;
}

const char *km_onednn_bias_open(const km_args *args, void **out)
{
    const km_tensor *grad_y = &args->slot[KM_GRAD_Y];
    const recipe recipes[] = {image_first(grad_y->dim), at_once(grad_y->dim)};
    plan *plans[2] = {NULL, NULL};
    int64_t floats[KM_SLOT_COUNT];
    const char *reason = NULL;
    int made = 0;
    for (int s = 0; s < KM_SLOT_COUNT; s++)
        floats[s] = args->slot[s].count;
    for (int i = 0; i < 2 && !(made && grad_y->count < race_from); i++) {
        void *one = NULL;
        reason = km_onednn_open(args, build, &recipes[i], &one);
        plans[made] = one;
        made += !reason;
    }
    if (!made)
        return reason;
    const int best = grad_y->count ? km_onednn_fastest(plans, made, args, floats) : 0;
    for (int i = 0; i < made; i++)
        if (i != best)
            km_onednn_close(plans[i]);
    if (best >= 0)
        *out = plans[best];
    return best < 0 ? "out of memory" : NULL;
}

void km_onednn_bias_run(const km_args *args)
{
    const km_tensor *grad_bias = &args->slot[KM_GRAD_BIAS];
    if (args->slot[KM_GRAD_Y].count)
        km_onednn_run(args);
    else if (grad_bias->count)
        memset(grad_bias->data, 0, (size_t)grad_bias->count * sizeof(float));
}

void km_onednn_bias_close(void *plan_)
{
    km_onednn_close(plan_);
}

void km_onednn_bias_describe(const void *plan_, km_kernel_info *info)
{
    km_onednn_describe(plan_, info);
}
