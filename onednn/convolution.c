/* convolution.c: a convolution primitive between the reorders that its layouts need.
 *
 * Where a chosen layout is the plain one, the primitive reads or writes the slot itself.
 * SPDX-License-Identifier: Apache-2.0 */
#include "convolution.h"

const convolution_pass km_onednn_convolution_forward = {
    {KM_X, KM_WEIGHT, KM_Y},
    {DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST},
    {dnnl_query_src_md, dnnl_query_weights_md, dnnl_query_dst_md},
    RESULT,
};

const convolution_pass km_onednn_convolution_data = {
    {KM_GRAD_X, KM_WEIGHT, KM_GRAD_Y},
    {DNNL_ARG_DIFF_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DIFF_DST},
    {dnnl_query_diff_src_md, dnnl_query_weights_md, dnnl_query_diff_dst_md},
    IMAGE,
};

const convolution_pass km_onednn_convolution_weights = {
    {KM_X, KM_GRAD_WEIGHT, KM_GRAD_Y},
    {DNNL_ARG_SRC, DNNL_ARG_DIFF_WEIGHTS, DNNL_ARG_DIFF_DST},
    {dnnl_query_src_md, dnnl_query_diff_weights_md, dnnl_query_diff_dst_md},
    FILTER,
};

/* ---- tensors --------------------------------------------------------------------------------- */

static dnnl_status_t describe(desc *d, int ndims, const dnnl_dims_t dims, format f)
{
    const dnnl_dims_t nhwc = {dims[1] * dims[2] * dims[3], 1, dims[1] * dims[3], dims[1]};
    if (f == NHWC)
        return desc_strided(d, ndims, dims, nhwc);
    return f == PLAIN ? desc_create(d, ndims, dims) : desc_any(d, ndims, dims);
}

dnnl_status_t km_onednn_convolution_desc(desc *d, const km_args *args, const convolution_pass *pass,
                                         role i, format f)
{
    const int64_t *dim = args->slot[pass->slot[i]].dim;
    const int64_t groups = (int64_t)args->params->attr[KM_GROUPS];
    if (i == FILTER && groups > 1)
        return describe(d, 5, (const dnnl_dims_t){groups, dim[0] / groups, dim[1], dim[2], dim[3]},
                        f);
    return describe(d, 4, (const dnnl_dims_t){dim[0], dim[1], dim[2], dim[3]}, f);
}

static dnnl_status_t describe_all(convolution *c, const km_args *args, const convolution_recipe *r)
{
    const double *a = args->params->attr;
    desc *const tensor[ROLES] = {&c->image, &c->filter, &c->result};
    dnnl_status_t status = dnnl_success;
    *c = (convolution){.stride = {(int64_t)a[KM_STRIDE], (int64_t)a[KM_STRIDE_W]},
                       .dilation = {(int64_t)a[KM_DILATION] - 1, (int64_t)a[KM_DILATION_W] - 1},
                       .pad = {(int64_t)a[KM_PAD], (int64_t)a[KM_PAD_W]},
                       .algorithm =
                           r->winograd ? dnnl_convolution_winograd : dnnl_convolution_direct};
    for (int i = 0; i < ROLES && !status; i++)
        status = km_onednn_convolution_desc(tensor[i], args, r->pass, i, r->format[i]);
    c->has_bias = args->slot[KM_BIAS].count > 0;
    if (!status && c->has_bias)
        status = desc_create(&c->bias, 1, (const dnnl_dims_t){args->slot[KM_BIAS].count});
    return status;
}

static void destroy_all(convolution *c)
{
    desc_destroy(&c->image);
    desc_destroy(&c->filter);
    desc_destroy(&c->result);
    desc_destroy(&c->bias);
}

/* ---- primitives ------------------------------------------------------------------------------ */

static dnnl_status_t create(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, const convolution *c,
                            const convolution_pass *pass)
{
    dnnl_primitive_desc_t hint = NULL;
    if (pass->written == RESULT)
        return convolution_forward(pd, engine, dnnl_forward_inference, c);
    dnnl_status_t status = convolution_forward(&hint, engine, dnnl_forward_training, c);
    if (!status && pass->written == IMAGE)
        status = convolution_data(pd, engine, c, hint);
    else if (!status)
        status = convolution_weights(pd, engine, c, hint);
    dnnl_primitive_desc_destroy(hint);
    return status;
}

static const char *convert(plan *p, const desc *from, dnnl_memory_t from_memory, const desc *to,
                           dnnl_memory_t to_memory)
{
    dnnl_primitive_desc_t pd = NULL;
    const dnnl_exec_arg_t arg[] = {{DNNL_ARG_FROM, from_memory}, {DNNL_ARG_TO, to_memory}};
    if (reorder(&pd, p->engine, from, to))
        return "oneDNN cannot convert a layout";
    const char *reason = km_onednn_step(p, pd, arg, 2);
    dnnl_primitive_desc_destroy(pd);
    if (!reason)
        p->step[p->steps - 1].impl = "reorder";
    return reason;
}

const char *km_onednn_conversion(plan *p, const km_args *args, const void *conversion_)
{
    const conversion *c = conversion_;
    (void)args;
    return convert(p, &c->from, km_onednn_memory(p, &c->from, KM_X, 0), &c->to,
                   km_onednn_memory(p, &c->to, KM_Y, 0));
}

/* ---- the plan -------------------------------------------------------------------------------- */

/* The memories of the primitive, and of the plain tensors behind those that are converted. */
typedef struct memories {
    desc plain[ROLES];
    dnnl_memory_t outside[ROLES], inside[ROLES]; /* outside: NULL where nothing is converted */
} memories;

static int64_t floats_of(const desc *d)
{
    return (int64_t)(desc_size(d) / sizeof(float) + 15) / 16 * 16;
}

static const char *lay_out(memories *m, plan *p, const km_args *args, const convolution_recipe *r)
{
    int64_t scratch = 0, offset[ROLES];
    for (int i = 0; i < ROLES; i++) {
        if (km_onednn_convolution_desc(&m->plain[i], args, r->pass, i, PLAIN))
            return "oneDNN cannot describe the tensors";
        offset[i] = r->native || desc_equal(&m->plain[i], &r->chosen[i]) ? -1 : scratch;
        scratch += offset[i] < 0 ? 0 : floats_of(&r->chosen[i]);
    }
    const char *reason = scratch ? km_onednn_scratch(p, scratch) : NULL;
    for (int i = 0; i < ROLES && !reason; i++) {
        const int converted = offset[i] >= 0, slot = r->pass->slot[i];
        m->inside[i] = km_onednn_memory(p, &r->chosen[i], converted ? SCRATCH_SLOT : slot, 0);
        m->outside[i] = converted ? km_onednn_memory(p, &m->plain[i], slot, 0) : NULL;
        if (!m->inside[i] || (converted && !m->outside[i]))
            reason = "oneDNN cannot create a memory object";
        else if (converted)
            dnnl_memory_set_data_handle(m->inside[i], p->scratch + offset[i]);
    }
    return reason;
}

static const char *convolve(plan *p, const memories *m, const convolution_recipe *r,
                            const convolution *c, dnnl_primitive_desc_t pd)
{
    dnnl_exec_arg_t arg[ROLES + 1];
    for (int i = 0; i < ROLES; i++)
        arg[i] = (dnnl_exec_arg_t){r->pass->arg[i], m->inside[i]};
    if (c->has_bias)
        arg[ROLES] = (dnnl_exec_arg_t){DNNL_ARG_BIAS, km_onednn_memory(p, &c->bias, KM_BIAS, 0)};
    return km_onednn_step(p, pd, arg, ROLES + c->has_bias);
}

static const char *add_steps(plan *p, const memories *m, const convolution_recipe *r,
                             const convolution *c, dnnl_primitive_desc_t pd)
{
    const role out = r->pass->written;
    const char *reason = NULL;
    for (int i = 0; i < ROLES && !reason; i++)
        if (m->outside[i] && i != (int)out)
            reason = convert(p, &m->plain[i], m->outside[i], &r->chosen[i], m->inside[i]);
    if (!reason)
        reason = convolve(p, m, r, c, pd);
    if (!reason && m->outside[out])
        reason = convert(p, &r->chosen[out], m->inside[out], &m->plain[out], m->outside[out]);
    return reason;
}

const char *km_onednn_convolution(plan *p, const km_args *args, const void *recipe)
{
    const convolution_recipe *r = recipe;
    convolution c;
    memories m = {0};
    dnnl_primitive_desc_t pd = NULL;
    const char *reason = "oneDNN has no convolution for this case";
    if (!describe_all(&c, args, r) && !create(&pd, p->engine, &c, r->pass)) {
        dnnl_status_t status = dnnl_success;
        for (int i = 0; i < ROLES && !status; i++)
            status = desc_chosen(&r->chosen[i], pd, r->pass->query[i]);
        reason = status ? "oneDNN does not say which layout it chose" : lay_out(&m, p, args, r);
        if (!reason)
            reason = add_steps(p, &m, r, &c, pd);
    }
    for (int i = 0; i < ROLES; i++)
        desc_destroy(&m.plain[i]);
    dnnl_primitive_desc_destroy(pd);
    destroy_all(&c);
    return reason;
}
