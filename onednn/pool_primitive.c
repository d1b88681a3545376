/* pool_primitive.c: one pooling primitive in one layout, with the conversions around it.
 * SPDX-License-Identifier: Apache-2.0 */
#include "pool.h"

#include <stdlib.h>
#include <string.h>

/* In oneDNN's order: strides, kernel, dilation, padding before and behind. */
static void set_sizes(const windows *g, dnnl_dims_t at[5])
{
    const int64_t in[] = {g->h, g->w}, out[] = {g->p, g->q}, kernel[] = {g->r, g->s};
    for (int i = 0; i < 2; i++) {
        const int64_t end = (out[i] - 1) * g->stride[i] + (kernel[i] - 1) * g->dilation[i] + 1;
        const int64_t behind = end - g->pad[i] - in[i];
        at[0][i] = g->stride[i];
        at[1][i] = kernel[i];
        at[2][i] = g->dilation[i] - 1;
        at[3][i] = g->pad[i];
        at[4][i] = behind > 0 ? behind : 0;
    }
}

/* Whether side 0 or 1, what this pass reads or writes, is the smaller tensor. */
static int is_output(const pool *p, int side)
{
    return side != p->backward;
}

static const char *describe_tensors(pool *p)
{
    const windows *g = &p->at;
    for (int side = 0; side < 2; side++) {
        const int small = is_output(p, side);
        const dnnl_dims_t dims = {g->n, g->c, small ? g->p : g->h, small ? g->q : g->w};
        if (desc_tagged(&p->plain[side], 4, dims, dnnl_nchw) ||
            desc_tagged(&p->own[side], 4, dims, p->layout.tag))
            return "oneDNN cannot describe the tensors";
    }
    return NULL;
}

static const char *make_record(pool *p, dnnl_primitive_desc_t forward)
{
    size_t bytes = 0;
    if (desc_workspace(&p->record, forward, &bytes))
        return "oneDNN does not describe its workspace";
    p->record_size = (int)((int64_t)bytes / count_of(p, 1));
    if (p->record_size != 1 && p->record_size != 4)
        return "oneDNN's workspace has elements that are neither bytes nor ints";
    p->record_buffer = aligned_alloc(64, (bytes + 127) / 64 * 64);
    p->bytes += (int64_t)bytes;
    if (!p->record_buffer || memory_create(&p->record_memory, &p->record, p->engine))
        return "out of memory";
    memset(p->record_buffer, 0, bytes);
    dnnl_memory_set_data_handle(p->record_memory, p->record_buffer);
    return km_onednn_index_open(&p->at);
}

static const char *make_main(pool *p)
{
    dnnl_primitive_desc_t forward = NULL, backward = NULL;
    dnnl_dims_t at[5];
    const desc *x = &p->own[p->backward], *y = &p->own[!p->backward];
    const char *reason = NULL;
    set_sizes(&p->at, at);
    dnnl_status_t status =
        pooling_forward(&forward, p->engine, p->alg, x, y, (const dnnl_dims_t *)at);
    if (!status && p->backward)
        status =
            pooling_backward(&backward, p->engine, p->alg, x, y, (const dnnl_dims_t *)at, forward);
    dnnl_primitive_desc_t pd = p->backward ? backward : forward;
    if (status || dnnl_primitive_create(&p->main, pd))
        reason = "oneDNN has no pooling for these sizes";
    else if (p->max)
        reason = make_record(p, forward);
    if (!reason && dnnl_primitive_desc_query(pd, dnnl_query_impl_info_str, 0, &p->impl))
        p->impl = "unnamed";
    dnnl_primitive_desc_destroy(backward);
    dnnl_primitive_desc_destroy(forward);
    return reason;
}

/* Side 0 is converted from plain, side 1 to it. */
static const char *make_conversion(pool *p, int side)
{
    dnnl_primitive_desc_t pd = NULL;
    const desc *from = side ? &p->own[1] : &p->plain[0], *to = side ? &p->plain[1] : &p->own[0];
    const size_t bytes = (size_t)count_of(p, is_output(p, side)) * sizeof(float);
    p->buffer[side] = aligned_alloc(64, (bytes + 127) / 64 * 64);
    p->bytes += (int64_t)bytes;
    if (!p->buffer[side] || memory_create(&p->plain_memory[side], &p->plain[side], p->engine))
        return "out of memory";
    dnnl_memory_set_data_handle(p->own_memory[side], p->buffer[side]);
    const int failed =
        reorder(&pd, p->engine, from, to) || dnnl_primitive_create(&p->convert[side], pd);
    dnnl_primitive_desc_destroy(pd);
    return failed ? "oneDNN cannot convert the tensors" : NULL;
}

const char *km_onednn_pool_make(pool *p)
{
    if (dnnl_engine_create(&p->engine, dnnl_cpu, 0) ||
        dnnl_stream_create(&p->stream, p->engine, dnnl_stream_default_flags))
        return "oneDNN cannot create an engine";
    const char *reason = describe_tensors(p);
    for (int side = 0; side < 2 && !reason; side++) {
        if (memory_create(&p->own_memory[side], &p->own[side], p->engine))
            reason = "oneDNN cannot create a memory object";
        else if (!p->native && p->layout.block != 1)
            reason = make_conversion(p, side);
    }
    return reason ? reason : make_main(p);
}

void km_onednn_pool_close(void *plan)
{
    pool *p = plan;
    if (!p)
        return;
    for (int side = 0; side < 2; side++) {
        dnnl_primitive_destroy(p->convert[side]);
        dnnl_memory_destroy(p->plain_memory[side]);
        dnnl_memory_destroy(p->own_memory[side]);
        desc_destroy(&p->plain[side]);
        desc_destroy(&p->own[side]);
        free(p->buffer[side]);
    }
    dnnl_primitive_destroy(p->main);
    dnnl_memory_destroy(p->record_memory);
    desc_destroy(&p->record);
    free(p->record_buffer);
    km_onednn_index_close(&p->at);
    dnnl_stream_destroy(p->stream);
    dnnl_engine_destroy(p->engine);
    free(p);
}

/* ---- run ---- */

static void execute(const pool *p, dnnl_primitive_t primitive, const dnnl_exec_arg_t *arg, int n)
{
    dnnl_primitive_execute(primitive, p->stream, n, arg);
}

static void convert(const pool *p, int side)
{
    const dnnl_exec_arg_t arg[] = {{DNNL_ARG_FROM, side ? p->own_memory[1] : p->plain_memory[0]},
                                   {DNNL_ARG_TO, side ? p->plain_memory[1] : p->own_memory[0]}};
    execute(p, p->convert[side], arg, 2);
}

/* Native indices are the workspace itself. */
static void bind(const pool *p, const km_args *args)
{
    const km_slot slot[] = {p->backward ? KM_GRAD_Y : KM_X, p->backward ? KM_GRAD_X : KM_Y};
    for (int side = 0; side < 2; side++)
        dnnl_memory_set_data_handle(p->convert[side] ? p->plain_memory[side] : p->own_memory[side],
                                    args->slot[slot[side]].data);
    if (p->max && p->native)
        dnnl_memory_set_data_handle(p->record_memory, args->slot[KM_INDICES].data);
}

void km_onednn_pool_run(const pool *p, const km_args *args)
{
    const dnnl_exec_arg_t arg[] = {
        {p->backward ? DNNL_ARG_DIFF_DST : DNNL_ARG_SRC, p->own_memory[0]},
        {p->backward ? DNNL_ARG_DIFF_SRC : DNNL_ARG_DST, p->own_memory[1]},
        {DNNL_ARG_WORKSPACE, p->record_memory}};
    int32_t *indices = args->slot[KM_INDICES].data;
    bind(p, args);
    if (p->max && p->backward && !p->native)
        km_onednn_from_indices(&p->at, &p->layout, p->record_buffer, p->record_size, indices,
                               p->threads);
    if (p->convert[0])
        convert(p, 0);
    execute(p, p->main, arg, p->max ? 3 : 2);
    if (p->convert[1])
        convert(p, 1);
    dnnl_stream_wait(p->stream);
    if (p->max && !p->backward && !p->native)
        km_onednn_to_indices(&p->at, &p->layout, p->record_buffer, p->record_size, indices,
                             p->threads);
}
