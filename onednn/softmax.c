/* softmax.c: softmax and log_softmax as oneDNN's softmax primitive, along the axis of
 * [outer, axis, inner].
 *
 * Where elements of a row do not lie side by side, the same between reorders that turn the tensor around may be
 * faster (for gradients there is no other JIT code): open times both ways and keeps the faster.
 * SPDX-License-Identifier: Apache-2.0 */
#include "fastest.h"
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

typedef struct recipe {
    dnnl_alg_kind_t alg;
    int backward, turned; /* turned: between reorders */
} recipe;

static const char *add_gradient(plan *p, const desc *data, dnnl_alg_kind_t alg, dnnl_memory_t y,
                                dnnl_memory_t grad_y, dnnl_memory_t grad_x)
{
    dnnl_primitive_desc_t hint = NULL, pd = NULL;
    const char *reason = "oneDNN has no softmax for these shapes";
    if (!softmax_forward(&hint, p->engine, alg, data, 1) &&
        !softmax_backward(&pd, p->engine, alg, data, 1, hint)) {
        const dnnl_exec_arg_t arg[] = {
            {DNNL_ARG_DST, y}, {DNNL_ARG_DIFF_DST, grad_y}, {DNNL_ARG_DIFF_SRC, grad_x}};
        reason = km_onednn_step(p, pd, arg, 3);
    }
    dnnl_primitive_desc_destroy(pd);
    dnnl_primitive_desc_destroy(hint);
    return reason;
}

static const char *build_backward(plan *p, rows r, dnnl_alg_kind_t alg)
{
    desc data = {0};
    const char *reason = "oneDNN cannot describe the tensors";
    if (!describe(&data, r))
        reason = add_gradient(p, &data, alg, km_onednn_memory(p, &data, KM_Y, 0),
                              km_onednn_memory(p, &data, KM_GRAD_Y, 0),
                              km_onednn_memory(p, &data, KM_GRAD_X, 0));
    desc_destroy(&data);
    return reason;
}

/* ---- turned around: every row dense ---- */

typedef struct views {
    desc plain, turned, dense; /* dense: the turned one as a matrix of rows */
} views;

static dnnl_status_t describe_views(views *v, rows r)
{
    const dnnl_dims_t dims = {r.outer, r.axis, r.inner};
    dnnl_status_t status = desc_create(&v->plain, 3, dims);
    if (!status)
        status = desc_tagged(&v->turned, 3, dims, dnnl_acb);
    return status ? status
                  : desc_create(&v->dense, 2, (const dnnl_dims_t){r.outer * r.inner, r.axis});
}

static void destroy_views(views *v)
{
    desc_destroy(&v->plain);
    desc_destroy(&v->turned);
    desc_destroy(&v->dense);
}

/* Copy number `index` in scratch, seen in one of two ways. */
static dnnl_memory_t copy_of(plan *p, const desc *d, int index)
{
    const dnnl_memory_t memory = km_onednn_memory(p, d, SCRATCH_SLOT, 0);
    if (memory)
        dnnl_memory_set_data_handle(memory,
                                    p->scratch + (size_t)index * (desc_size(d) / sizeof(float)));
    return memory;
}

/* From the slot to the copy, or back. */
static const char *turn(plan *p, const views *v, int slot, int index, int back)
{
    dnnl_primitive_desc_t pd = NULL;
    const char *reason = "oneDNN has no such reorder";
    const dnnl_memory_t plain = km_onednn_memory(p, &v->plain, slot, 0);
    const dnnl_memory_t turned = copy_of(p, &v->turned, index);
    if (!reorder(&pd, p->engine, back ? &v->turned : &v->plain, back ? &v->plain : &v->turned)) {
        const dnnl_exec_arg_t arg[] = {{DNNL_ARG_FROM, back ? turned : plain},
                                       {DNNL_ARG_TO, back ? plain : turned}};
        reason = km_onednn_step(p, pd, arg, 2);
    }
    dnnl_primitive_desc_destroy(pd);
    return reason;
}

static const char *turned_forward(plan *p, const views *v, dnnl_alg_kind_t alg)
{
    dnnl_primitive_desc_t pd = NULL;
    const char *reason = turn(p, v, KM_X, 0, 0);
    if (!reason && softmax_forward(&pd, p->engine, alg, &v->dense, 1))
        reason = "oneDNN has no softmax for these shapes";
    if (!reason) {
        const dnnl_memory_t copy = copy_of(p, &v->dense, 0);
        const dnnl_exec_arg_t arg[] = {{DNNL_ARG_SRC, copy}, {DNNL_ARG_DST, copy}};
        reason = km_onednn_step(p, pd, arg, 2);
    }
    dnnl_primitive_desc_destroy(pd);
    return reason ? reason : turn(p, v, KM_Y, 0, 1);
}

static const char *turned_backward(plan *p, const views *v, dnnl_alg_kind_t alg)
{
    const char *reason = turn(p, v, KM_Y, 0, 0);
    if (!reason)
        reason = turn(p, v, KM_GRAD_Y, 1, 0);
    if (!reason) {
        const dnnl_memory_t g = copy_of(p, &v->dense, 1);
        reason = add_gradient(p, &v->dense, alg, copy_of(p, &v->dense, 0), g, g);
    }
    return reason ? reason : turn(p, v, KM_GRAD_X, 1, 1);
}

static const char *build_turned(plan *p, rows r, const recipe *way)
{
    views v = {0};
    const char *reason = "oneDNN cannot describe the tensors";
    if (!describe_views(&v, r))
        reason = km_onednn_scratch(p, r.outer * r.axis * r.inner * (way->backward ? 2 : 1));
    if (!reason)
        reason = (way->backward ? turned_backward : turned_forward)(p, &v, way->alg);
    destroy_views(&v);
    return reason;
}

/* ---- the faster way ---- */

static const char *build(plan *p, const km_args *args, const void *way_)
{
    const recipe *way = way_;
    const rows r = rows_of(args);
    if (way->turned)
        return build_turned(p, r, way);
    return way->backward ? build_backward(p, r, way->alg)
                         : km_onednn_rows_forward(p, r, way->alg, KM_X, KM_Y);
}

static const char *open_faster(const km_args *args, dnnl_alg_kind_t alg, int backward, void **out)
{
    int64_t count[KM_SLOT_COUNT];
    void *turned = NULL;
    const char *reason = km_onednn_open(args, build, &(recipe){alg, backward, 0}, out);
    if (reason || rows_of(args).inner == 1 || ((plan *)*out)->steps == 0 ||
        km_onednn_open(args, build, &(recipe){alg, backward, 1}, &turned))
        return reason;
    for (int s = 0; s < KM_SLOT_COUNT; s++)
        count[s] = args->slot[s].count;
    const int best = km_onednn_fastest((plan *[]){*out, turned}, 2, args, count);
    km_onednn_close(best == 1 ? *out : turned);
    *out = best == 1 ? turned : *out;
    return NULL;
}

static const char *softmax(const km_args *args, void **out)
{
    return open_faster(args, dnnl_softmax_accurate, 0, out);
}

static const char *softmax_gradient(const km_args *args, void **out)
{
    return open_faster(args, dnnl_softmax_accurate, 1, out);
}

static const char *log_softmax(const km_args *args, void **out)
{
    return open_faster(args, dnnl_softmax_log, 0, out);
}

static const char *log_softmax_gradient(const km_args *args, void **out)
{
    return open_faster(args, dnnl_softmax_log, 1, out);
}

#define RUN km_onednn_run, km_onednn_close, km_onednn_describe, KM_NATIVE_KERNEL, NULL

const km_kernel km_onednn_softmax[] = {
    {"softmax", "forward", softmax, RUN},
    {"softmax", "backward", softmax_gradient, RUN},
    {"log_softmax", "forward", log_softmax, RUN},
    {"log_softmax", "backward", log_softmax_gradient, RUN},
    {0},
};
