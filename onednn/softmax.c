/* softmax.c: softmax and log_softmax as oneDNN's softmax primitive, along the axis of
 * [outer, axis, inner].
 * SPDX-License-Identifier: Apache-2.0 */
#include "rows.h"

static rows rows_of(const km_args *args)
{
    const km_case *c = args->params;
    const int at = (int)c->attr[KM_DIM] + (c->attr[KM_DIM] < 0 ? 4 : 0);
    rows r = {1, 1, 1};
    for (int d = 0; d < 4; d++)
        *(d < at ? &r.outer : d == at ? &r.axis : &r.inner) *= c->dim[KM_DIM_N + d];
    return r;
}

/* A dense row has JIT code in two dimensions only. */
static dnnl_status_t describe(desc *d, rows r)
{
    return desc_create(d, r.inner == 1 ? 2 : 3, (const dnnl_dims_t){r.outer, r.axis, r.inner});
}

const char *km_onednn_rows_forward(plan *p, rows r, dnnl_alg_kind_t alg, int src, int dst)
{
    desc data = {0};
    dnnl_primitive_desc_t pd = NULL;
    const char *reason = "oneDNN has no softmax for these shapes";
    if (!describe(&data, r) && !softmax_forward(&pd, p->engine, alg, &data, 1)) {
        const dnnl_exec_arg_t arg[] = {
            {DNNL_ARG_SRC, km_onednn_memory(p, &data, src, 0)},
            {DNNL_ARG_DST, km_onednn_memory(p, &data, dst, 0)},
        };
        reason = km_onednn_step(p, pd, arg, 2);
    }
    dnnl_primitive_desc_destroy(pd);
    desc_destroy(&data);
    return reason;
}

static const char *build_forward(plan *p, const km_args *args, const void *alg)
{
    return km_onednn_rows_forward(p, rows_of(args), *(const dnnl_alg_kind_t *)alg, KM_X, KM_Y);
}

static const char *build_backward(plan *p, const km_args *args, const void *alg_)
{
    const dnnl_alg_kind_t alg = *(const dnnl_alg_kind_t *)alg_;
    desc data = {0};
    dnnl_primitive_desc_t hint = NULL, pd = NULL;
    const char *reason = "oneDNN has no softmax for these shapes";
    if (!describe(&data, rows_of(args)) && !softmax_forward(&hint, p->engine, alg, &data, 1) &&
        !softmax_backward(&pd, p->engine, alg, &data, 1, hint)) {
        const dnnl_exec_arg_t arg[] = {
            {DNNL_ARG_DST, km_onednn_memory(p, &data, KM_Y, 0)},
            {DNNL_ARG_DIFF_DST, km_onednn_memory(p, &data, KM_GRAD_Y, 0)},
            {DNNL_ARG_DIFF_SRC, km_onednn_memory(p, &data, KM_GRAD_X, 0)},
        };
        reason = km_onednn_step(p, pd, arg, 3);
    }
    dnnl_primitive_desc_destroy(pd);
    dnnl_primitive_desc_destroy(hint);
    desc_destroy(&data);
    return reason;
}

static const dnnl_alg_kind_t accurate = dnnl_softmax_accurate, logarithm = dnnl_softmax_log;

static const char *softmax(const km_args *args, void **out)
{
    return km_onednn_open(args, build_forward, &accurate, out);
}

static const char *softmax_gradient(const km_args *args, void **out)
{
    return km_onednn_open(args, build_backward, &accurate, out);
}

static const char *log_softmax(const km_args *args, void **out)
{
    return km_onednn_open(args, build_forward, &logarithm, out);
}

static const char *log_softmax_gradient(const km_args *args, void **out)
{
    return km_onednn_open(args, build_backward, &logarithm, out);
}

#define RUN km_onednn_run, km_onednn_close, km_onednn_describe, KM_NATIVE_KERNEL, NULL

const km_kernel km_onednn_softmax[] = {
    {"softmax", "forward", softmax, RUN},
    {"softmax", "backward", softmax_gradient, RUN},
    {"log_softmax", "forward", log_softmax, RUN},
    {"log_softmax", "backward", log_softmax_gradient, RUN},
    {0},
};
