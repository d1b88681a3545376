/* dropout.c: a given mask of bytes times x, scaled by a post-op, in one binary primitive a tensor. What is dropped
 * is multiplied by 0, so an infinity becomes NaN there. SPDX-License-Identifier: Apache-2.0 */
#include "plan.h"

static const char *multiply(plan *p, const km_args *args, int from, int to, float scale)
{
    desc x = {0}, mask = {0};
    dnnl_primitive_desc_t pd = NULL;
    dnnl_post_ops_t ops = NULL;
    dnnl_primitive_attr_t attr = NULL;
    const dnnl_dims_t dims = {1, args->slot[from].count};
    const char *reason = "oneDNN has no such binary primitive";
    if (!desc_create(&x, 2, dims) && !desc_bytes(&mask, 2, dims) && !dnnl_post_ops_create(&ops) &&
        !append_eltwise(ops, dnnl_eltwise_linear, scale, 0) && !dnnl_primitive_attr_create(&attr) &&
        !dnnl_primitive_attr_set_post_ops(attr, ops) &&
        !binary(&pd, p->engine, dnnl_binary_mul, &x, &mask, &x, attr)) {
        const dnnl_exec_arg_t arg[] = {
            {DNNL_ARG_SRC_0, km_onednn_memory(p, &x, from, 0)},
            {DNNL_ARG_SRC_1, km_onednn_memory(p, &mask, KM_MASK, 0)},
            {DNNL_ARG_DST, km_onednn_memory(p, &x, to, 0)},
        };
        reason = km_onednn_step(p, pd, arg, 3);
    }
    dnnl_primitive_desc_destroy(pd);
    dnnl_primitive_attr_destroy(attr);
    dnnl_post_ops_destroy(ops);
    desc_destroy(&mask);
    desc_destroy(&x);
    return reason;
}

/* At inference the mask is not looked at. */
static const char *apply(plan *p, const km_args *args, int from, int to)
{
    const float drop = attr(args, KM_P);
    const int inverted = attr(args, KM_INVERTED) != 0, training = attr(args, KM_TRAINING) != 0;
    const float kept = drop < 1 ? 1 / (1 - drop) : 0;
    const link scale = {dnnl_binary_mul, CONSTANT, inverted ? 1 : 1 - drop, 0, 0};
    if (training)
        return multiply(p, args, from, to, inverted || drop == 1 ? kept : 1);
    return km_onednn_chain(p, args, &(chain){from, to, 1, &scale});
}

static const char *build_backward(plan *p, const km_args *args, const void *unused)
{
    (void)unused;
    return apply(p, args, KM_GRAD_Y, KM_GRAD_X);
}

static const char *build_both(plan *p, const km_args *args, const void *unused)
{
    const char *reason = apply(p, args, KM_X, KM_Y);
    return reason ? reason : build_backward(p, args, unused);
}

static const char *backward(const km_args *args, void **out)
{
    return km_onednn_open(args, build_backward, NULL, out);
}

static const char *both(const km_args *args, void **out)
{
    return km_onednn_open(args, build_both, NULL, out);
}

static const char no_mask[] =
    "no generator of random numbers in 2.6, one that keeps a word in four in 3.x";

const km_kernel km_onednn_dropout[] = {
    {.op = "dropout", .pass = "forward", .offer = KM_NOT_OFFERED, .note = no_mask},
    {.op = "dropout", .pass = "mask", .offer = KM_NOT_OFFERED, .note = no_mask},
    {"dropout", "backward", backward, km_onednn_run, km_onednn_close, km_onednn_describe,
     KM_COMPOSED_KERNEL, "a binary multiplication by the mask, with a post-op"},
    {"dropout", "forward_backward", both, km_onednn_run, km_onednn_close, km_onednn_describe,
     KM_COMPOSED_KERNEL, "two binary multiplications by the mask, with a post-op"},
    {0},
};
