/* build.c: builders of element-wise plans: one eltwise primitive, or a chain in one pass.
 *
 * An eltwise primitive with post-ops falls back to oneDNN's scalar reference code; a binary
 * primitive keeps its JIT code, so a chain is a binary primitive with eltwise and binary
 * post-ops.
 * SPDX-License-Identifier: Apache-2.0 */
#include "plan.h"

const char *km_onednn_eltwise(plan *p, const km_args *args, const void *recipe)
{
    const eltwise *e = recipe;
    desc data;
    dnnl_primitive_desc_t forward = NULL, backward = NULL;
    const char *reason = "oneDNN has no such eltwise primitive";
    if (desc_create(&data, 1, (const dnnl_dims_t){args->slot[e->saved].count}))
        return "oneDNN cannot describe the tensor";
    dnnl_status_t status = eltwise_forward(&forward, p->engine, e->alg, &data, e->alpha, e->beta);
    if (!status && e->backward)
        status = eltwise_backward(&backward, p->engine, e->alg, &data, e->alpha, e->beta, forward);
    if (!status && e->backward) {
        const dnnl_exec_arg_t arg[] = {
            {e->saved == KM_Y ? DNNL_ARG_DST : DNNL_ARG_SRC,
             km_onednn_memory(p, &data, e->saved, 0)},
            {DNNL_ARG_DIFF_DST, km_onednn_memory(p, &data, KM_GRAD_Y, 0)},
            {DNNL_ARG_DIFF_SRC, km_onednn_memory(p, &data, KM_GRAD_X, 0)},
        };
        reason = km_onednn_step(p, backward, arg, 3);
    } else if (!status) {
        const dnnl_exec_arg_t arg[] = {
            {DNNL_ARG_SRC, km_onednn_memory(p, &data, KM_X, 0)},
            {DNNL_ARG_DST, km_onednn_memory(p, &data, KM_Y, 0)},
        };
        reason = km_onednn_step(p, forward, arg, 2);
    }
    dnnl_primitive_desc_destroy(backward);
    dnnl_primitive_desc_destroy(forward);
    desc_destroy(&data);
    return reason;
}

/* The tensors of a chain: 2-D, because oneDNN's binary primitive tells layouts by two strides. */
typedef struct shapes {
    desc tensor, constant;
} shapes;

static const desc *shape_of(const shapes *s, const link *l)
{
    return l->operand == TENSOR ? &s->tensor : &s->constant;
}

static dnnl_memory_t operand(plan *p, const shapes *s, const link *l)
{
    const int slot = l->operand == CONSTANT ? CONSTANT_SLOT : l->slot;
    return km_onednn_memory(p, shape_of(s, l), slot, l->alpha);
}

static dnnl_status_t append(dnnl_post_ops_t ops, const shapes *s, const link *l)
{
    if (l->operand == ELTWISE)
        return append_eltwise(ops, l->alg, l->alpha, l->beta);
    return append_binary(ops, l->alg, shape_of(s, l));
}

static dnnl_status_t describe_chain(dnnl_primitive_desc_t *pd, plan *p, const shapes *s,
                                    const link *links, int n)
{
    dnnl_post_ops_t ops = NULL;
    dnnl_primitive_attr_t attr = NULL;
    dnnl_status_t status = dnnl_post_ops_create(&ops);
    for (int i = 1; i < n && !status; i++)
        status = append(ops, s, &links[i]);
    if (!status)
        status = dnnl_primitive_attr_create(&attr);
    if (!status)
        status = dnnl_primitive_attr_set_post_ops(attr, ops);
    if (!status)
        status = binary(pd, p->engine, links[0].alg, &s->tensor, shape_of(s, &links[0]), &s->tensor,
                        attr);
    dnnl_primitive_attr_destroy(attr);
    dnnl_post_ops_destroy(ops);
    return status;
}

static int arguments(dnnl_exec_arg_t *arg, plan *p, const shapes *s, const chain *c)
{
    int n = 0;
    arg[n++] = (dnnl_exec_arg_t){DNNL_ARG_SRC_0, km_onednn_memory(p, &s->tensor, c->src, 0)};
    arg[n++] = (dnnl_exec_arg_t){DNNL_ARG_SRC_1, operand(p, s, &c->links[0])};
    arg[n++] = (dnnl_exec_arg_t){DNNL_ARG_DST, km_onednn_memory(p, &s->tensor, c->dst, 0)};
    for (int i = 1; i < c->count; i++)
        if (c->links[i].operand != ELTWISE)
            arg[n++] = (dnnl_exec_arg_t){DNNL_ARG_ATTR_MULTIPLE_POST_OP(i - 1) | DNNL_ARG_SRC_1,
                                         operand(p, s, &c->links[i])};
    return n;
}

const char *km_onednn_chain(plan *p, const km_args *args, const void *recipe)
{
    const chain *c = recipe;
    shapes s;
    dnnl_primitive_desc_t pd = NULL;
    dnnl_exec_arg_t arg[MAX_ARGS];
    const int flat = c->src < KM_SLOT_COUNT ? c->src : c->dst; /* one of them is a slot */
    if (desc_create(&s.tensor, 2, (const dnnl_dims_t){1, args->slot[flat].count}) ||
        desc_create(&s.constant, 2, (const dnnl_dims_t){1, 1}))
        return "oneDNN cannot describe the tensor";
    const char *reason = "oneDNN has no such binary primitive";
    if (!describe_chain(&pd, p, &s, c->links, c->count))
        reason = km_onednn_step(p, pd, arg, arguments(arg, p, &s, c));
    dnnl_primitive_desc_destroy(pd);
    desc_destroy(&s.constant);
    desc_destroy(&s.tensor);
    return reason;
}
